package jq

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// call compiles a call of one of jq's functions.
func (c *compiler) call(f *gojq.Func, in *node) *node {
	if strings.HasPrefix(f.Name, "$") {
		if n := c.variable(f.Name); n != nil {
			return n
		}
		return c.refuse(f)
	}
	if d := c.definition(f); d != nil {
		return c.inline(d, f, in)
	}
	var n *node
	switch len(f.Args) {
	case 0:
		n = c.call0(f.Name, in)
	case 1:
		n = c.call1(f, in)
	case 2:
		n = c.call2(f, in)
	}
	if n == nil {
		if n = c.foreign(f, in); n == nil {
			return c.refuse(f)
		}
	}
	return n
}

func (c *compiler) call0(name string, in *node) *node {
	functions := map[string]operation{
		"not": opNot, "type": opType, "length": opLength, "tostring": opToString, "ascii_downcase": opLower, "ascii_upcase": opUpper,
		"tonumber": opToNumber, "recurse": opRecurse, "keys": opKeys, "to_entries": opEntries, "sort": opSort, "unique": opUnique,
		"add": opSum, "reverse": opReverse, "min": opExtreme, "from_entries": opFromEntries, "tojson": opToJSON,
	}
	if op, ok := functions[name]; ok {
		return &node{op: op, a: in}
	}
	switch name {
	case "empty":
		return &node{op: opEmpty}
	case "error":
		return &node{op: opThen, a: in, b: &node{op: opFail}}
	case "paths":
		return &node{op: opPaths, a: in}
	case "max":
		return &node{op: opExtreme, a: in, all: true}
	case "first", "last":
		if in.op != opEvent {
			return &node{op: opAt, a: in, n: map[string]int{"first": 0, "last": -1}[name]}
		}
	case "any", "all":
		element := &node{op: opElement}
		return &node{op: opAny, a: &node{op: opEach, a: in, b: element}, b: element, all: name == "all"}
	}
	if keep := kindsOf(name); keep != nil {
		return &node{op: opKeep, a: in, keep: keep}
	}
	return nil
}

// kindsOf returns what functions like strings let through.
func kindsOf(name string) func(rawjson.Kind) bool {
	is := func(kinds ...rawjson.Kind) func(rawjson.Kind) bool {
		return func(k rawjson.Kind) bool { return slices.Contains(kinds, k) }
	}
	not := func(kinds ...rawjson.Kind) func(rawjson.Kind) bool {
		return func(k rawjson.Kind) bool { return !slices.Contains(kinds, k) }
	}
	switch name {
	case "values":
		return not(rawjson.Null)
	case "nulls":
		return is(rawjson.Null)
	case "strings":
		return is(rawjson.String)
	case "numbers":
		return is(rawjson.Number)
	case "booleans":
		return is(rawjson.True, rawjson.False)
	case "arrays":
		return is(rawjson.Array)
	case "objects":
		return is(rawjson.Object)
	case "iterables":
		return is(rawjson.Array, rawjson.Object)
	case "scalars":
		return not(rawjson.Array, rawjson.Object)
	}
	return nil
}

func (c *compiler) call1(f *gojq.Func, in *node) *node {
	switch f.Name {
	case "select":
		if holds := c.single(f.Args[0], in); holds != nil {
			return &node{op: opSelect, a: in, b: holds}
		}
		return nil
	case "IN":
		return c.isIn(in, f.Args[0], in)
	case "any", "all":
		element := &node{op: opElement}
		if holds := c.single(f.Args[0], element); holds != nil {
			return &node{op: opAny, a: &node{op: opEach, a: in, b: element}, b: holds, all: f.Name == "all"}
		}
		return nil
	case "del":
		return c.deletion(f, in)
	case "paths":
		if holds := c.single(f.Args[0], &node{op: opElement}); holds != nil {
			return &node{op: opPaths, a: in, b: holds}
		}
		return nil
	case "path":
		if t := f.Args[0].Term; t != nil && t.Type == gojq.TermTypeRecurse && len(t.SuffixList) == 0 {
			return &node{op: opPaths, a: in, all: true}
		}
		return nil
	case "getpath":
		keys, n := keysOf(f.Args[0]), in
		if keys == nil {
			return nil
		}
		for _, key := range keys {
			n = c.member(n, key)
		}
		return n
	case "pick":
		return c.pick(f, in)
	case "first", "last":
		if s := c.query(f.Args[0], in); s != nil {
			return &node{op: map[string]operation{"first": opFirst, "last": opLast}[f.Name], a: s}
		}
		return nil
	case "map":
		element := &node{op: opElement}
		if s := c.query(f.Args[0], element); s != nil {
			return &node{op: opArray, a: &node{op: opEach, a: in, b: s}}
		}
		return nil
	case "add":
		if s := c.query(f.Args[0], in); s != nil {
			return &node{op: opSum, a: &node{op: opArray, a: s}}
		}
		return nil
	case "with_entries":
		element := &node{op: opElement}
		if s := c.query(f.Args[0], element); s != nil {
			entries := &node{op: opEach, a: &node{op: opEntries, a: in}, b: s}
			return &node{op: opFromEntries, a: &node{op: opArray, a: entries}}
		}
		return nil
	case "map_values", "walk":
		element := &node{op: opElement}
		if fn := c.single(f.Args[0], element); fn != nil {
			return &node{op: map[string]operation{"map_values": opMapValues, "walk": opWalk}[f.Name], a: in, b: fn}
		}
		return nil
	case "sort_by", "unique_by":
		element := &node{op: opElement}
		if by := c.single(f.Args[0], element); by != nil {
			return &node{op: map[string]operation{"sort_by": opSort, "unique_by": opUnique}[f.Name], a: in, b: by}
		}
		return nil
	}
	key := textOf(f.Args[0])
	if key == nil {
		return nil
	}
	functions := map[string]operation{
		"startswith": opStartsWith, "endswith": opEndsWith, "contains": opContains, "inside": opInside,
		"ltrimstr": opTrimPrefix, "rtrimstr": opTrimSuffix, "join": opJoin, "split": opSplit,
	}
	if op, ok := functions[f.Name]; ok {
		return &node{op: op, a: in, key: *key}
	}
	switch f.Name {
	case "error":
		return &node{op: opThen, a: in, b: &node{op: opFail}}
	case "index":
		return &node{op: opIndexOf, a: in, key: *key, literal: textValue(*key)}
	case "has":
		return &node{op: opHas, a: in, b: c.member(in, *key)}
	case "test":
		return c.test(*key, "", in)
	}
	return nil
}

func (c *compiler) call2(f *gojq.Func, in *node) *node {
	switch f.Name {
	case "test":
		re, flags := textOf(f.Args[0]), textOf(f.Args[1])
		if re == nil || flags == nil {
			return nil
		}
		return c.test(*re, *flags, in)
	case "any", "all":
		s, holds := c.query(f.Args[0], in), c.single(f.Args[1], &node{op: opElement})
		if s == nil || holds == nil {
			return nil
		}
		return &node{op: opAny, a: s, b: holds, all: f.Name == "all"}
	case "cidr_contains":
		return c.cidr(f, in)
	case "sub", "gsub":
		return c.substitution(f, in)
	case "limit":
		if f.Args[0].Term == nil || len(f.Args[0].Term.SuffixList) > 0 {
			return nil
		}
		v, ok := c.constant(f.Args[0].Term)
		n, err := strconv.Atoi(v.text)
		s := c.query(f.Args[1], in)
		if !ok || v.kind != rawjson.Number || err != nil || n < 0 || s == nil {
			return nil
		}
		return &node{op: opLimit, a: s, n: n}
	}
	return nil
}

// isIn compiles what | IN(alternatives): literals, whose order does not matter.
func (c *compiler) isIn(what *node, alternatives *gojq.Query, in *node) *node {
	s := c.query(alternatives, in)
	if s == nil {
		return nil
	}
	literals, ok := s.literals(nil)
	if !ok {
		return nil
	}
	return setOf(what, literals)
}

// literals appends the parts of a stream of literals.
func (n *node) literals(dst []*node) ([]*node, bool) {
	if n.op == opLiteral {
		return append(dst, n), true
	}
	if n.op != opComma {
		return nil, false
	}
	ok := true
	for _, part := range n.list {
		if dst, ok = part.literals(dst); !ok {
			return nil, false
		}
	}
	return dst, true
}

// test compiles a regular expression as gojq does.
func (c *compiler) test(re, flags string, in *node) *node {
	if strings.Trim(flags, "gim") != "" {
		return nil
	}
	if strings.Contains(flags, "i") {
		re = "(?i)" + re
	}
	if strings.Contains(flags, "m") {
		re = "(?s)" + re
	}
	compiled, err := compilePattern(re)
	if err != nil {
		return nil
	}
	return &node{op: opTest, a: in, pattern: compiled}
}

// cidr compiles cidr_contains of literal networks.
func (c *compiler) cidr(f *gojq.Func, in *node) *node {
	var nets *node
	if t := f.Args[0].Term; t != nil && t.Type == gojq.TermTypeArray && len(t.SuffixList) == 0 && t.Array.Query != nil {
		nets = c.query(t.Array.Query, in)
	} else {
		nets = c.single(f.Args[0], in)
	}
	ip := c.single(f.Args[1], in)
	if nets == nil || ip == nil {
		return nil
	}
	literals, ok := nets.literals(nil)
	if !ok {
		return nil
	}
	n := &node{op: opCIDR, a: ip}
	for _, l := range literals {
		prefix, err := netip.ParsePrefix(l.literal.text)
		if l.literal.kind != rawjson.String || err != nil {
			return nil
		}
		n.nets = append(n.nets, prefix)
	}
	return n
}
