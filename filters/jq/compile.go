package jq

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// compiler makes nodes of the parts of gojq's syntax tree that it knows. All of its methods return nil for what is left to
// gojq.
type compiler struct {
	paths  []*node        // the nodes of paths
	vars   map[string]any // of the program, by $name
	facts  []factsFunc
	last   *gojq.Object // the object whose keys keep the order in which they are written
	reason string       // the first construct that is not known
}

var eventNode = &node{op: opEvent}

// refuse notes what is left to gojq.
func (c *compiler) refuse(what fmt.Stringer) *node {
	if c.reason == "" {
		c.reason = what.String()
	}
	return nil
}

// query compiles an expression of one result at most. in is its input.
func (c *compiler) query(q *gojq.Query, in *node) *node {
	switch {
	case q == nil || in == nil:
		return nil
	case len(q.FuncDefs) > 0 || len(q.Patterns) > 0 || len(q.Imports) > 0 || q.Meta != nil:
		return c.refuse(q)
	case q.Term != nil:
		return c.term(q.Term, in)
	}
	switch q.Op {
	case gojq.OpPipe:
		return c.pipe(q, in)
	case gojq.OpAnd, gojq.OpOr:
		return c.logical(q, in)
	case gojq.OpAlt:
		a, b := c.scalar(q.Left, in), c.query(q.Right, in)
		if a == nil || b == nil {
			return nil
		}
		return &node{op: opAlternative, a: a, b: b}
	case gojq.OpEq, gojq.OpNe, gojq.OpLt, gojq.OpLe, gojq.OpGt, gojq.OpGe:
		return c.comparison(q, in)
	case gojq.OpAdd:
		return c.merge(q, in)
	case gojq.OpAssign:
		return c.assign(q, in)
	}
	return c.refuse(q)
}

// scalar is query for what has bytes.
func (c *compiler) scalar(q *gojq.Query, in *node) *node {
	n := c.query(q, in)
	if n != nil && n.builds() {
		return c.refuse(q)
	}
	return n
}

func (c *compiler) pipe(q *gojq.Query, in *node) *node {
	if n := c.collected(q, in); n != nil {
		return n
	}
	left := c.scalar(q.Left, in)
	if left == nil {
		return nil
	}
	right := c.query(q.Right, left.source())
	if right == nil {
		return nil
	}
	if right == left.source() {
		return left
	}
	return then(left, right)
}

// logical compiles and, or. What compares one path with several strings becomes a set.
func (c *compiler) logical(q *gojq.Query, in *node) *node {
	a, b := c.scalar(q.Left, in), c.scalar(q.Right, in)
	if a == nil || b == nil {
		return nil
	}
	if q.Op == gojq.OpAnd {
		return &node{op: opAnd, a: a, b: b}
	}
	if a, b := asSet(a), asSet(b); a != nil && b != nil && a.a == b.a && a.a.op == opPath {
		return setOf(a.a, append(slices.Clone(a.list), b.list...))
	}
	return &node{op: opOr, a: a, b: b}
}

// asSet sees a comparison with a literal as a set.
func asSet(n *node) *node {
	switch {
	case n.op == opIn:
		return n
	case n.op == opEqual && n.b.op == opLiteral:
		return &node{op: opIn, a: n.a, list: []*node{n.b}}
	case n.op == opEqual && n.a.op == opLiteral:
		return &node{op: opIn, a: n.b, list: []*node{n.a}}
	}
	return nil
}

// setOf is a | IN(literals).
func setOf(a *node, literals []*node) *node {
	n := &node{op: opIn, a: a, list: literals}
	const large = 4
	if len(literals) > large {
		n.strings = map[string]bool{}
		for _, l := range literals {
			if l.literal.kind == rawjson.String {
				n.strings[l.literal.text] = true
			}
		}
	}
	return n
}

func (c *compiler) comparison(q *gojq.Query, in *node) *node {
	a, b := c.scalar(q.Left, in), c.scalar(q.Right, in)
	if a == nil || b == nil {
		return nil
	}
	ops := map[gojq.Operator]operation{
		gojq.OpEq: opEqual, gojq.OpNe: opUnequal, gojq.OpLt: opLess, gojq.OpLe: opLessEqual,
		gojq.OpGt: opGreater, gojq.OpGe: opGreaterEqual,
	}
	return &node{op: ops[q.Op], a: a, b: b}
}

func (c *compiler) term(t *gojq.Term, in *node) *node {
	n := c.base(t, in)
	before := in // the input of the last suffix
	for i, s := range t.SuffixList {
		if n == nil {
			return nil
		}
		if n.builds() {
			return c.refuse(t)
		}
		switch {
		case s.Index != nil:
			before = n
			if n = c.index(s.Index, n.source()); n == nil {
				return c.refuse(t)
			}
			n = then(before, n)
		case s.Optional && i > 0 && t.SuffixList[i-1].Optional:
			before, n = in, &node{op: opTry, a: in, b: n}
		case s.Optional:
			n = &node{op: opTry, a: before, b: n}
		default: // .[]
			return c.refuse(t)
		}
	}
	return n
}

// base compiles a term without its suffixes.
func (c *compiler) base(t *gojq.Term, in *node) *node {
	switch t.Type {
	case gojq.TermTypeIdentity:
		return in
	case gojq.TermTypeIndex:
		if n := c.index(t.Index, in); n != nil {
			return n
		}
	case gojq.TermTypeFunc:
		return c.call(t.Func, in)
	case gojq.TermTypeQuery:
		return c.query(t.Query, in)
	case gojq.TermTypeObject:
		return c.object(t.Object, in)
	case gojq.TermTypeArray:
		if t.Array.Query == nil {
			return &node{op: opArray}
		}
		if s := c.stream(t.Array.Query, in); s != nil {
			return &node{op: opArray, a: s}
		}
		return nil
	case gojq.TermTypeString:
		return c.text(t.Str, in)
	case gojq.TermTypeIf:
		return c.conditional(t.If, in)
	case gojq.TermTypeTry:
		if t.Try.Catch == nil {
			if body := c.query(t.Try.Body, in); body != nil {
				return &node{op: opTry, a: in, b: body}
			}
			return nil
		}
	default:
		if v, ok := c.constant(t); ok {
			return &node{op: opLiteral, literal: v}
		}
	}
	return c.refuse(t)
}

// constant is a literal number, true, false or null.
func (c *compiler) constant(t *gojq.Term) (value, bool) {
	switch t.Type {
	case gojq.TermTypeNull:
		return nullValue, true
	case gojq.TermTypeTrue:
		return trueValue, true
	case gojq.TermTypeFalse:
		return falseValue, true
	case gojq.TermTypeNumber:
		return numberValue(t.Number)
	case gojq.TermTypeUnary:
		if n := t.Unary.Term; n.Type == gojq.TermTypeNumber && len(n.SuffixList) == 0 && t.Unary.Op == gojq.OpSub && n.Number != "0" {
			return numberValue("-" + n.Number)
		}
	}
	return value{}, false
}

// numberValue is a number as it is written in a program: a short integer, or a decimal that is printed as it is written.
func numberValue(digits string) (value, bool) {
	if _, ok := integerOf(digits); ok && strings.TrimLeft(digits, "-0") != "" || digits == "0" {
		n, err := strconv.Atoi(digits)
		if err != nil || n > 1<<53 || n < -1<<53 {
			return value{}, false
		}
		return intValue(n), true
	}
	x, err := strconv.ParseFloat(digits, 64)
	if err != nil || x > 1<<53 || x < -1<<53 || strconv.FormatFloat(x, 'f', -1, 64) != digits || x > -1e-6 && x < 1e-6 {
		return value{}, false
	}
	return value{kind: rawjson.Number, text: digits}, true
}

// index compiles .key and .[n].
func (c *compiler) index(i *gojq.Index, of *node) *node {
	if key := keyOf(i); key != nil {
		return c.member(of, *key)
	}
	if i.Start != nil && !i.IsSlice && i.Start.Term != nil && len(i.Start.Term.SuffixList) == 0 {
		if v, ok := c.constant(i.Start.Term); ok && v.kind == rawjson.Number {
			if n, err := strconv.Atoi(v.text); err == nil && of.op != opEvent {
				return &node{op: opAt, a: of, n: n}
			}
		}
	}
	return nil
}

// keyOf returns the key of .key, ."key" and .["key"]; nil of anything else.
func keyOf(i *gojq.Index) *string {
	switch {
	case i.Name != "":
		return &i.Name
	case i.Str != nil && i.Str.Queries == nil:
		return &i.Str.Str
	case i.Start != nil && !i.IsSlice:
		return textOf(i.Start)
	}
	return nil
}

// textOf returns a literal string; nil where a query is something else.
func textOf(q *gojq.Query) *string {
	if q == nil || q.Term == nil || q.Term.Type != gojq.TermTypeString || len(q.Term.SuffixList) > 0 || len(q.FuncDefs) > 0 ||
		q.Term.Str.Queries != nil {
		return nil
	}
	return &q.Term.Str.Str
}

func (c *compiler) member(of *node, key string) *node {
	switch of.op {
	case opEvent:
		return c.path([]string{key})
	case opPath:
		return c.path(append(slices.Clone(of.path), key))
	}
	return &node{op: opMember, a: of, key: key}
}

// path is the node of a path; equal paths are one node.
func (c *compiler) path(path []string) *node {
	for _, n := range c.paths {
		if slices.Equal(n.path, path) {
			return n
		}
	}
	n := &node{op: opPath, path: path}
	c.paths = append(c.paths, n)
	return n
}

func (c *compiler) conditional(i *gojq.If, in *node) *node {
	n := &node{op: opIf, a: c.scalar(i.Cond, in), b: c.query(i.Then, in)}
	switch {
	case len(i.Elif) > 0:
		n.c = c.conditional(&gojq.If{Cond: i.Elif[0].Cond, Then: i.Elif[0].Then, Elif: i.Elif[1:], Else: i.Else}, in)
	case i.Else != nil:
		n.c = c.query(i.Else, in)
	default:
		n.c = in
	}
	if n.a == nil || n.b == nil || n.c == nil {
		return nil
	}
	return n
}

// object compiles an object with plain keys. Only the object that a program builds at its end keeps their order.
func (c *compiler) object(o *gojq.Object, in *node) *node {
	n := &node{op: opObject}
	for _, kv := range o.KeyVals {
		var key string
		switch {
		case kv.Key != "":
			key = kv.Key
		case kv.KeyString != nil && kv.KeyString.Queries == nil:
			key = kv.KeyString.Str
		default:
			return c.refuse(kv)
		}
		var v *node
		switch {
		case strings.HasPrefix(kv.Key, "$"):
			key = key[1:]
			if kv.Val == nil {
				v = c.variable(kv.Key)
			}
		case kv.Val != nil:
			v = c.query(kv.Val, in)
		default:
			v = c.member(in, key)
		}
		if v == nil || slices.ContainsFunc(n.members, func(m member) bool { return m.key == key }) {
			return c.refuse(kv)
		}
		n.members = append(n.members, member{key: key, begin: append(rawjson.AppendString(nil, key), ':'), value: v})
	}
	if o != c.last {
		// The order of evaluation is that of the source, which matters where one value is missing and another one fails.
		if !slices.IsSortedFunc(n.members, byKey) {
			for _, m := range n.members {
				if !m.value.certain() {
					return c.refuse(o)
				}
			}
			slices.SortFunc(n.members, byKey)
		}
	}
	return n
}

func byKey(a, b member) int { return cmp.Compare(a.key, b.key) }

// certain reports whether a node never yields nothing. It may fail.
func (n *node) certain() bool {
	switch n.op {
	case opLiteral, opFact, opEvent, opElement, opPath, opType, opArray:
		return true
	case opAlternative:
		return n.b.certain()
	case opObject:
		for _, m := range n.members {
			if !m.value.certain() {
				return false
			}
		}
		return true
	case opText:
		for _, part := range n.list {
			if !part.certain() {
				return false
			}
		}
		return true
	case opMember, opAt, opNot, opLength, opToString, opLower, opUpper, opTrimPrefix, opTrimSuffix, opIn, opTest, opStartsWith,
		opEndsWith, opContains, opInside, opIndexOf, opHas:
		return n.a.certain()
	case opEqual, opUnequal, opLess, opLessEqual, opGreater, opGreaterEqual, opAnd, opOr:
		return n.a.certain() && n.b.certain()
	}
	return false
}

// text compiles a string, and one with \(…) in it.
func (c *compiler) text(s *gojq.String, in *node) *node {
	if s.Queries == nil {
		return &node{op: opLiteral, literal: textValue(s.Str)}
	}
	n := &node{op: opText}
	for _, q := range s.Queries {
		part := c.scalar(q, in)
		if part == nil {
			return nil
		}
		n.list = append(n.list, part)
	}
	return n
}

// stream compiles an expression of any number of results.
func (c *compiler) stream(q *gojq.Query, in *node) *node {
	if q == nil || len(q.FuncDefs) > 0 || len(q.Patterns) > 0 || len(q.Imports) > 0 {
		return nil
	}
	if q.Term == nil && q.Op == gojq.OpComma {
		a, b := c.stream(q.Left, in), c.stream(q.Right, in)
		if a == nil || b == nil {
			return nil
		}
		return &node{op: opComma, list: []*node{a, b}}
	}
	if q.Term == nil && q.Op == gojq.OpPipe {
		if left := iterates(q.Left); left {
			return c.streamed(c.stream(q.Left, in), func(element *node) *node { return c.stream(q.Right, element) })
		}
	}
	if q.Term != nil && q.Term.Type == gojq.TermTypeQuery && len(q.Term.SuffixList) == 0 {
		return c.stream(q.Term.Query, in)
	}
	if q.Term != nil {
		if i := slices.IndexFunc(q.Term.SuffixList, func(s *gojq.Suffix) bool { return s.Iter }); i >= 0 {
			return c.iteration(q.Term, i, in)
		}
	}
	return c.query(q, in)
}

// iterates reports whether a query ends in .[].
func iterates(q *gojq.Query) bool {
	return q.Term != nil && slices.ContainsFunc(q.Term.SuffixList, func(s *gojq.Suffix) bool { return s.Iter })
}

// streamed puts something behind each result of a stream.
func (c *compiler) streamed(s *node, next func(element *node) *node) *node {
	if s == nil {
		return nil
	}
	if s.op != opEach && s.op != opEachQuiet {
		if s.streams() || s.builds() {
			return nil
		}
		rest := next(s.source())
		if rest == nil {
			return nil
		}
		return then(s, rest)
	}
	body := c.streamed(s.b, next)
	if body == nil {
		return nil
	}
	return &node{op: s.op, a: s.a, b: body}
}

// iteration compiles a term whose i-th suffix is the first .[].
func (c *compiler) iteration(t *gojq.Term, i int, in *node) *node {
	head := *t
	head.SuffixList = t.SuffixList[:i]
	source := c.term(&head, in)
	if source == nil || source.builds() || source.streams() {
		return c.refuse(t)
	}
	n := &node{op: opEach, a: source}
	rest := t.SuffixList[i+1:]
	if len(rest) > 0 && rest[0].Optional {
		n.op = opEachQuiet
		rest = rest[1:]
	}
	element := &node{op: opElement}
	tail := &gojq.Term{Type: gojq.TermTypeIdentity, SuffixList: rest}
	if len(rest) > 0 && rest[0].Optional {
		return c.refuse(t)
	}
	n.b = c.stream(&gojq.Query{Term: tail}, element)
	if n.b == nil {
		return nil
	}
	return n
}

// collected compiles [stream] | index("text"), and the like with any and all.
func (c *compiler) collected(q *gojq.Query, in *node) *node {
	t := q.Left.Term
	if t == nil || t.Type != gojq.TermTypeArray || len(t.SuffixList) > 0 || t.Array.Query == nil {
		return nil
	}
	right := q.Right.Term
	if right == nil || right.Type != gojq.TermTypeFunc || len(right.SuffixList) > 0 || len(q.Left.FuncDefs)+len(q.Right.FuncDefs) > 0 {
		return nil
	}
	f := right.Func
	element := &node{op: opElement}
	switch signature(f.Name, len(f.Args)) {
	case "index/1":
		key := textOf(f.Args[0])
		if s := c.scalars(t.Array.Query, in); s != nil && key != nil {
			return &node{op: opIndexInStream, a: s, literal: textValue(*key)}
		}
	case "any/0", "all/0":
		if s := c.scalars(t.Array.Query, in); s != nil {
			return &node{op: opAny, a: s, b: element, eager: true, all: f.Name == "all"}
		}
	}
	return nil
}

// scalars is stream for what has bytes.
func (c *compiler) scalars(q *gojq.Query, in *node) *node {
	n := c.stream(q, in)
	if n == nil || !n.plain() {
		return nil
	}
	return n
}

// plain reports whether no result of a stream is built.
func (n *node) plain() bool {
	switch n.op {
	case opComma:
		return !slices.ContainsFunc(n.list, func(part *node) bool { return !part.plain() })
	case opEach, opEachQuiet:
		return n.b.plain()
	}
	return !n.builds()
}

func (c *compiler) variable(name string) *node {
	for i := range c.facts {
		if c.facts[i].variable == name {
			return &node{op: opFact, fact: &c.facts[i]}
		}
	}
	switch v := c.vars[strings.TrimPrefix(name, "$")].(type) {
	case string:
		return &node{op: opLiteral, literal: textValue(v)}
	case bool:
		return &node{op: opLiteral, literal: boolValue(v)}
	}
	return nil
}

// call compiles a call of one of jq's functions.
func (c *compiler) call(f *gojq.Func, in *node) *node {
	if strings.HasPrefix(f.Name, "$") {
		if n := c.variable(f.Name); n != nil {
			return n
		}
		return c.refuse(f)
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
		return c.refuse(f)
	}
	return n
}

func (c *compiler) call0(name string, in *node) *node {
	functions := map[string]operation{
		"not": opNot, "type": opType, "length": opLength, "tostring": opToString, "ascii_downcase": opLower, "ascii_upcase": opUpper,
	}
	if op, ok := functions[name]; ok {
		return &node{op: op, a: in}
	}
	switch name {
	case "empty":
		return &node{op: opEmpty}
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
		if holds := c.scalar(f.Args[0], in); holds != nil {
			return &node{op: opSelect, a: in, b: holds}
		}
		return nil
	case "IN":
		return c.isIn(in, f.Args[0], in)
	case "any", "all":
		element := &node{op: opElement}
		if holds := c.scalar(f.Args[0], element); holds != nil {
			return &node{op: opAny, a: &node{op: opEach, a: in, b: element}, b: holds, all: f.Name == "all"}
		}
		return nil
	case "del":
		return c.deletion(f, in)
	}
	key := textOf(f.Args[0])
	if key == nil {
		return nil
	}
	functions := map[string]operation{
		"startswith": opStartsWith, "endswith": opEndsWith, "contains": opContains, "inside": opInside,
		"ltrimstr": opTrimPrefix, "rtrimstr": opTrimSuffix,
	}
	if op, ok := functions[f.Name]; ok {
		return &node{op: op, a: in, key: *key}
	}
	switch f.Name {
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
		s, holds := c.scalars(f.Args[0], in), c.scalar(f.Args[1], &node{op: opElement})
		if s == nil || holds == nil {
			return nil
		}
		return &node{op: opAny, a: s, b: holds, all: f.Name == "all"}
	case "cidr_contains":
		return c.cidr(f, in)
	}
	return nil
}

// isIn compiles what | IN(alternatives): literals, whose order does not matter.
func (c *compiler) isIn(what *node, alternatives *gojq.Query, in *node) *node {
	s := c.scalars(alternatives, in)
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
		nets = c.scalars(t.Array.Query, in)
	} else {
		nets = c.scalar(f.Args[0], in)
	}
	ip := c.scalar(f.Args[1], in)
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
