package jq

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// compiler makes nodes of the parts of gojq's syntax tree that it knows. All of its methods return nil for what is left to
// gojq.
type compiler struct {
	paths   []*node        // the nodes of paths
	bound   []variable     // those of as and reduce that are in sight
	slots   int            // how many such variables there are
	defs    []*definition  // the program's functions that are in sight
	inlined int            // how often such ones were called
	vars    map[string]any // of the program, by $name
	facts   []factsFunc
	last    *gojq.Object // the object whose keys keep the order in which they are written
	calls   []string     // which gojq runs on what stands before them
	reason  string       // the first construct that is not known
}

var eventNode = &node{op: opEvent}

// refuse notes what is left to gojq.
func (c *compiler) refuse(what fmt.Stringer) *node {
	if c.reason == "" {
		c.reason = what.String()
	}
	return nil
}

// orRefuse notes what is left to gojq, where a node could not be made.
func (c *compiler) orRefuse(what fmt.Stringer, n *node) *node {
	if n == nil {
		return c.refuse(what)
	}
	return n
}

// query compiles an expression. in is its input.
func (c *compiler) query(q *gojq.Query, in *node) *node {
	switch {
	case q == nil || in == nil:
		return nil
	case len(q.Imports) > 0 || q.Meta != nil:
		return c.refuse(q)
	case len(q.FuncDefs) > 0:
		return c.defined(q, in)
	case len(q.Patterns) > 0:
		return c.as(q, in)
	case q.Term != nil:
		return c.term(q.Term, in)
	}
	switch q.Op {
	case gojq.OpPipe:
		return c.pipe(q, in)
	case gojq.OpComma:
		a, b := c.query(q.Left, in), c.query(q.Right, in)
		if a == nil || b == nil {
			return nil
		}
		return &node{op: opComma, list: []*node{a, b}}
	case gojq.OpAnd, gojq.OpOr:
		return c.logical(q, in)
	case gojq.OpAlt:
		a, b := c.single(q.Left, in), c.query(q.Right, in)
		if a == nil || b == nil {
			return nil
		}
		return &node{op: opAlternative, a: a, b: b}
	case gojq.OpEq, gojq.OpNe, gojq.OpLt, gojq.OpLe, gojq.OpGt, gojq.OpGe:
		return c.comparison(q, in)
	case gojq.OpAdd, gojq.OpSub, gojq.OpMul, gojq.OpDiv, gojq.OpMod:
		return c.arithmetic(q, in)
	case gojq.OpAssign:
		return c.assign(q, in)
	case gojq.OpModify:
		return c.update(q, in)
	case gojq.OpUpdateAdd, gojq.OpUpdateSub, gojq.OpUpdateMul, gojq.OpUpdateDiv, gojq.OpUpdateMod, gojq.OpUpdateAlt:
		return c.updateBy(q, in)
	}
	return c.refuse(q)
}

// single is query for what yields one result at most.
func (c *compiler) single(q *gojq.Query, in *node) *node {
	n := c.query(q, in)
	if n != nil && n.streams() {
		return c.refuse(q)
	}
	return n
}

func (c *compiler) pipe(q *gojq.Query, in *node) *node {
	if n := c.collected(q, in); n != nil {
		return n
	}
	left := c.query(q.Left, in)
	if left == nil {
		return nil
	}
	return behind(left, func(in *node) *node { return c.query(q.Right, in) })
}

// behind puts something behind an expression: next makes it for its input.
func behind(left *node, next func(in *node) *node) *node {
	if left.streams() || left.builds() {
		element := &node{op: opElement}
		right := next(element)
		switch {
		case right == nil || right == element:
			return orElse(right, left)
		case right.a == element && right.takesList() && left.op == opArray:
			right.a = left // which is never made then
			return right
		}
		return &node{op: opBind, a: left, b: right}
	}
	right := next(left.source())
	switch right {
	case nil:
		return nil
	case left.source():
		return left
	}
	return then(left, right)
}

func orElse(n, other *node) *node {
	if n == nil {
		return nil
	}
	return other
}

// takesList reports whether a node takes the results of a stream as they come, instead of an array of them.
func (n *node) takesList() bool { return n.op == opFormat || n.op == opJoin }

// arithmetic compiles +, -, *, / and %.
func (c *compiler) arithmetic(q *gojq.Query, in *node) *node {
	if q.Op == gojq.OpAdd {
		if n := c.merge(q, in); n != nil {
			return n
		}
	}
	ops := map[gojq.Operator]operation{
		gojq.OpAdd: opPlus, gojq.OpSub: opMinus, gojq.OpMul: opTimes, gojq.OpDiv: opOver, gojq.OpMod: opModulo,
	}
	a, b := c.single(q.Left, in), c.single(q.Right, in)
	if a == nil || b == nil {
		return nil
	}
	return &node{op: ops[q.Op], a: a, b: b}
}

// logical compiles and, or. What compares one path with several strings becomes a set.
func (c *compiler) logical(q *gojq.Query, in *node) *node {
	a, b := c.single(q.Left, in), c.single(q.Right, in)
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
	a, b := c.single(q.Left, in), c.single(q.Right, in)
	if a == nil || b == nil {
		return nil
	}
	ops := map[gojq.Operator]operation{
		gojq.OpEq: opEqual, gojq.OpNe: opUnequal, gojq.OpLt: opLess, gojq.OpLe: opLessEqual,
		gojq.OpGt: opGreater, gojq.OpGe: opGreaterEqual,
	}
	n := &node{op: ops[q.Op], a: a, b: b}
	n.ofText = a.op == opPath && (n.op == opEqual || n.op == opUnequal) && b.op == opLiteral && b.literal.kind == rawjson.String &&
		!strings.ContainsRune(b.literal.text, utf8.RuneError)
	return n
}

func (c *compiler) term(t *gojq.Term, in *node) *node {
	n := c.suffixes(c.base(t, in), t.SuffixList, in)
	if n == nil {
		c.refuse(t)
	}
	return n
}

// suffixes compiles what stands behind a term. in is the input of the term.
func (c *compiler) suffixes(n *node, list []*gojq.Suffix, in *node) *node {
	before := in // the input of the last suffix
	for i, s := range list {
		if n == nil {
			return nil
		}
		if !s.Optional && (n.streams() || n.builds()) {
			return behind(n, func(in *node) *node { return c.suffixes(in, list[i:], in) })
		}
		switch {
		case s.Index != nil:
			before = n
			if n = c.index(s.Index, n.source()); n == nil {
				return nil
			}
			n = then(before, n)
		case s.Iter:
			each := &node{op: opEach, a: n}
			list = list[i+1:]
			if len(list) > 0 && list[0].Optional {
				if each.op, list = opEachQuiet, list[1:]; len(list) > 0 && list[0].Optional {
					return nil
				}
			}
			element := &node{op: opElement}
			if each.b = c.suffixes(element, list, element); each.b == nil {
				return nil
			}
			return each
		case i > 0 && list[i-1].Optional:
			before, n = in, &node{op: opTry, a: in, b: n}
		default:
			n = &node{op: opTry, a: before, b: n}
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
		if s := c.query(t.Array.Query, in); s != nil {
			return &node{op: opArray, a: s}
		}
		return nil
	case gojq.TermTypeString:
		return c.text(t.Str, in)
	case gojq.TermTypeIf:
		return c.conditional(t.If, in)
	case gojq.TermTypeReduce:
		return c.reduce(t.Reduce, in)
	case gojq.TermTypeForeach:
		return c.foreach(t.Foreach, in)
	case gojq.TermTypeRecurse:
		return &node{op: opRecurse, a: in}
	case gojq.TermTypeFormat:
		switch f := formatOf(t.Format); {
		case t.Str != nil:
		case f != nil:
			return &node{op: opFormat, a: in, format: f}
		case t.Format == "@json":
			return &node{op: opToJSON, a: in}
		case t.Format == "@text":
			return &node{op: opToString, a: in}
		}
	case gojq.TermTypeTry:
		return c.try(t.Try, in)
	default:
		if v, ok := c.constant(t); ok {
			return &node{op: opLiteral, literal: v}
		}
	}
	return c.refuse(t)
}

// try compiles try body catch handler. What an error says is left to gojq, so a handler that reads it is too.
func (c *compiler) try(t *gojq.Try, in *node) *node {
	body := c.query(t.Body, in)
	if body == nil {
		return nil
	}
	if t.Catch == nil {
		return &node{op: opTry, a: in, b: body}
	}
	handler := c.query(t.Catch, &node{op: opError})
	if handler == nil {
		return nil
	}
	return &node{op: opCatch, a: in, b: body, c: handler}
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
	if i.IsSlice {
		return c.slice(i, of)
	}
	if i.Start != nil && i.Start.Term != nil && len(i.Start.Term.SuffixList) == 0 {
		if v, ok := c.constant(i.Start.Term); ok && v.kind == rawjson.Number {
			if n, err := strconv.Atoi(v.text); err == nil && of.op != opEvent {
				return &node{op: opAt, a: of, n: n}
			}
		}
	}
	return nil
}

// slice compiles .[from:to].
func (c *compiler) slice(i *gojq.Index, of *node) *node {
	n := &node{op: opSlice, a: of}
	for _, bound := range []struct {
		q    *gojq.Query
		into **int
	}{{i.Start, &n.from}, {i.End, &n.to}} {
		if bound.q == nil {
			continue
		}
		if bound.q.Term == nil || len(bound.q.Term.SuffixList) > 0 {
			return nil
		}
		v, ok := c.constant(bound.q.Term)
		at, err := strconv.Atoi(v.text)
		if !ok || v.kind != rawjson.Number || err != nil {
			return nil
		}
		*bound.into = &at
	}
	return n
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
	n := &node{op: opIf, a: c.single(i.Cond, in), b: c.query(i.Then, in)}
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

// certain reports whether a node never yields nothing. It may fail.
func (n *node) certain() bool {
	switch n.op {
	case opLiteral, opFact, opEvent, opElement, opPath, opType, opArray, opVar:
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
	case opEqual, opUnequal, opLess, opLessEqual, opGreater, opGreaterEqual, opAnd, opOr, opPlus, opMinus, opTimes, opOver, opModulo:
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
		part := c.single(q, in)
		if part == nil {
			return nil
		}
		n.list = append(n.list, part)
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
		if s := c.query(t.Array.Query, in); s != nil && key != nil {
			return &node{op: opIndexInStream, a: s, literal: textValue(*key)}
		}
	case "any/0", "all/0":
		if s := c.query(t.Array.Query, in); s != nil {
			return &node{op: opAny, a: s, b: element, eager: true, all: f.Name == "all"}
		}
	}
	return nil
}
