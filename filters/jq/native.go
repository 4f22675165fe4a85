package jq

import (
	"strings"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// predicate decides a jq condition on an event's bytes, with nothing decoded. It is a tree and not a closure, so that the
// event that it looks at stays on the stack.
type predicate struct {
	op          operation
	left, right *predicate
	path        path
	literals    []*constant
}

type operation int

const (
	opTruth   operation = iota // of the value at the path
	opEqual                    // the value at the path is one of the literals
	opUnequal                  // it is none of them
	opNot                      // left
	opAnd
	opOr
)

// decide returns Unknown where gojq has to decide, or has an error to give.
func (p *predicate) decide(ev *pipeline.Event) pipeline.Tri {
	switch p.op {
	case opNot:
		switch p.left.decide(ev) {
		case pipeline.Yes:
			return pipeline.No
		case pipeline.No:
			return pipeline.Yes
		}
		return pipeline.Unknown
	case opAnd, opOr: // the right side counts only where the left one does not decide
		if l := p.left.decide(ev); l == pipeline.Unknown || l == pipeline.TriOf(p.op == opOr) {
			return l
		}
		return p.right.decide(ev)
	}
	value, ok := p.path.find(ev)
	if !ok {
		return pipeline.Unknown
	}
	if p.op == opTruth {
		return truth(value)
	}
	for _, c := range p.literals {
		if c.equals(value) {
			return pipeline.TriOf(p.op == opEqual)
		}
	}
	return pipeline.TriOf(p.op == opUnequal)
}

// leadingSelect returns the condition of the select that a program begins with, nil where there is none that can be
// decided on bytes. alone says that the program is that select and nothing else.
func leadingSelect(q *gojq.Query) (p *predicate, alone bool) {
	if len(q.Imports) > 0 || len(q.FuncDefs) > 0 || len(q.Patterns) > 0 {
		return nil, false
	}
	if q.Term == nil {
		if q.Op != gojq.OpPipe {
			return nil, false
		}
		p, _ = leadingSelect(q.Left)
		return p, false
	}
	if inner := parenthesised(q); inner != nil {
		return leadingSelect(inner)
	}
	if f := call(q, "select", 1); f != nil {
		return condition(f.Args[0]), true
	}
	return nil, false
}

// condition compiles an expression whose one result is taken for its truth; nil where it is not one of those known here.
func condition(q *gojq.Query) *predicate {
	if q == nil || len(q.FuncDefs) > 0 || len(q.Patterns) > 0 || len(q.Imports) > 0 {
		return nil
	}
	if inner := parenthesised(q); inner != nil {
		return condition(inner)
	}
	if path := pathOf(q); path != nil {
		return &predicate{op: opTruth, path: path}
	}
	if q.Term != nil {
		return nil
	}
	switch q.Op {
	case gojq.OpAnd, gojq.OpOr:
		left, right := condition(q.Left), condition(q.Right)
		if left == nil || right == nil {
			return nil
		}
		if q.Op == gojq.OpAnd {
			return &predicate{op: opAnd, left: left, right: right}
		}
		return &predicate{op: opOr, left: left, right: right}
	case gojq.OpEq, gojq.OpNe:
		path, literal := pathOf(q.Left), literalOf(q.Right)
		if path == nil {
			path, literal = pathOf(q.Right), literalOf(q.Left)
		}
		if path == nil || literal == nil {
			return nil
		}
		if q.Op == gojq.OpNe {
			return &predicate{op: opUnequal, path: path, literals: []*constant{literal}}
		}
		return &predicate{op: opEqual, path: path, literals: []*constant{literal}}
	case gojq.OpPipe:
		return piped(q)
	}
	return nil
}

// piped compiles condition | not, and path | IN("a", "b").
func piped(q *gojq.Query) *predicate {
	if call(q.Right, "not", 0) != nil {
		if left := condition(q.Left); left != nil {
			return &predicate{op: opNot, left: left}
		}
		return nil
	}
	path, f := pathOf(q.Left), call(q.Right, "IN", 1)
	if path == nil || f == nil {
		return nil
	}
	var literals []*constant
	for _, alternative := range alternatives(f.Args[0]) {
		literal := literalOf(alternative)
		if literal == nil {
			return nil
		}
		literals = append(literals, literal)
	}
	return &predicate{op: opEqual, path: path, literals: literals}
}

// alternatives are the parts of a, b, c.
func alternatives(q *gojq.Query) []*gojq.Query {
	if q.Term == nil && q.Op == gojq.OpComma && len(q.FuncDefs) == 0 {
		return append(alternatives(q.Left), alternatives(q.Right)...)
	}
	return []*gojq.Query{q}
}

// truth is jq's: null and false are not.
func truth(value []byte) pipeline.Tri {
	if value == nil {
		return pipeline.No
	}
	switch rawjson.KindOf(value) {
	case rawjson.Null, rawjson.False:
		return pipeline.No
	}
	return pipeline.Yes
}

// path is .a.b.c from the event on.
type path []string

func pathOf(q *gojq.Query) path {
	if q == nil || q.Term == nil || q.Term.Type != gojq.TermTypeIndex || len(q.FuncDefs) > 0 {
		return nil
	}
	name := keyOf(q.Term.Index)
	if name == "" {
		return nil
	}
	p := path{name}
	for _, s := range q.Term.SuffixList {
		if s.Index == nil || s.Iter || s.Optional {
			return nil
		}
		name := keyOf(s.Index)
		if name == "" {
			return nil
		}
		p = append(p, name)
	}
	return p
}

// keyOf returns the key of .key and ."key"; "" of anything else.
func keyOf(i *gojq.Index) string {
	switch {
	case i.Name != "":
		return i.Name
	case i.Str != nil && len(i.Str.Queries) == 0:
		return i.Str.Str
	}
	return ""
}

// find returns the raw value at the path, nil where it is absent or null leads there; false where jq gives an error.
func (p path) find(ev *pipeline.Event) (value []byte, ok bool) {
	known := false
	if p[0] != enriched && ev.Intact() {
		value, known = record.Field(ev.Record, p[0])
	}
	if !known {
		value, _ = rawjson.Get(ev.Raw, p[0])
	}
	for _, key := range p[1:] {
		if value == nil {
			return nil, true
		}
		switch rawjson.KindOf(value) {
		case rawjson.Object:
			value, _ = rawjson.Get(value, key)
		case rawjson.Null:
			return nil, true
		default:
			return nil, false
		}
	}
	return value, true
}

// constant is a literal in a program: a string, true, false or null.
type constant struct {
	kind rawjson.Kind
	text string
}

func literalOf(q *gojq.Query) *constant {
	if q == nil || q.Term == nil || len(q.Term.SuffixList) > 0 || len(q.FuncDefs) > 0 {
		return nil
	}
	switch q.Term.Type {
	case gojq.TermTypeNull:
		return &constant{kind: rawjson.Null}
	case gojq.TermTypeTrue:
		return &constant{kind: rawjson.True}
	case gojq.TermTypeFalse:
		return &constant{kind: rawjson.False}
	case gojq.TermTypeString:
		if len(q.Term.Str.Queries) == 0 {
			return &constant{kind: rawjson.String, text: q.Term.Str.Str}
		}
	}
	return nil
}

func (c *constant) equals(value []byte) bool {
	if value == nil {
		return c.kind == rawjson.Null
	}
	if rawjson.KindOf(value) != c.kind {
		return false
	}
	if c.kind != rawjson.String {
		return true
	}
	if body := value[1 : len(value)-1]; len(body) == len(c.text) && string(body) == c.text && !strings.Contains(c.text, `\`) {
		return true
	}
	s, _ := rawjson.Text(value)
	return s == c.text
}

// parenthesised returns what stands in brackets, where a query is nothing else.
func parenthesised(q *gojq.Query) *gojq.Query {
	if q.Term != nil && q.Term.Type == gojq.TermTypeQuery && len(q.Term.SuffixList) == 0 && len(q.FuncDefs) == 0 {
		return q.Term.Query
	}
	return nil
}

// call returns a call of a function with so many arguments, where a query is nothing else.
func call(q *gojq.Query, name string, arguments int) *gojq.Func {
	if q == nil || q.Term == nil || q.Term.Type != gojq.TermTypeFunc || len(q.Term.SuffixList) > 0 || len(q.FuncDefs) > 0 {
		return nil
	}
	if f := q.Term.Func; f.Name == name && len(f.Args) == arguments {
		return f
	}
	return nil
}
