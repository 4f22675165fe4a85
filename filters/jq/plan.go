package jq

import (
	"fmt"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// plan is which of an event's members a program reads: a program that reads a few of them runs on these alone, with the
// same results, and the others are never decoded.
type plan struct {
	keys  []string // sorted
	whole bool     // the program may read, or build something of, the whole event
	why   string   // the first construct for which that is so
}

// planOf reads a program's syntax tree. Whatever it does not know reads everything.
func planOf(q *gojq.Query) plan {
	var p plan
	if len(q.Imports) > 0 || len(q.FuncDefs) > 0 || q.Meta != nil {
		return plan{whole: true, why: q.String()}
	}
	p.query(q) // that the event itself comes out is what a select is for
	slices.Sort(p.keys)
	p.keys = slices.Compact(p.keys)
	return p
}

// query notes what a query reads that runs on the event, and reports whether the event itself may come out of it.
func (p *plan) query(q *gojq.Query) (event bool) {
	if q == nil {
		return false
	}
	if len(q.FuncDefs) > 0 {
		p.everything(q)
		return false
	}
	if q.Term != nil {
		return p.term(q.Term)
	}
	if len(q.Patterns) > 0 { // left as $x | right: the right side runs on the event too
		if len(q.Patterns) != 1 || q.Patterns[0].Name == "" {
			p.everything(q.Patterns[0])
		}
		p.part(q.Left)
		return p.query(q.Right)
	}
	switch q.Op {
	case gojq.OpPipe:
		if !p.query(q.Left) {
			return false // the right side sees what came out on the left, and nothing else
		}
		return p.query(q.Right)
	case gojq.OpComma, gojq.OpAlt:
		left := p.query(q.Left)
		return p.query(q.Right) || left
	case gojq.OpAdd, gojq.OpSub, gojq.OpMul, gojq.OpDiv, gojq.OpMod, gojq.OpEq, gojq.OpNe, gojq.OpGt, gojq.OpLt,
		gojq.OpGe, gojq.OpLe, gojq.OpAnd, gojq.OpOr:
		p.part(q.Left)
		p.part(q.Right)
		return false
	}
	p.everything(q) // assignments
	return false
}

// everything notes a construct that may read all of the event.
func (p *plan) everything(what fmt.Stringer) {
	if p.whole = true; p.why == "" {
		p.why = what.String()
	}
}

// part notes what a query reads of which the results are used: the whole event, if that may be one.
func (p *plan) part(q *gojq.Query) {
	if p.query(q) {
		p.everything(q)
	}
}

func (p *plan) term(t *gojq.Term) (event bool) {
	switch t.Type {
	case gojq.TermTypeIdentity:
		event = true
	case gojq.TermTypeNull, gojq.TermTypeTrue, gojq.TermTypeFalse, gojq.TermTypeNumber:
	case gojq.TermTypeIndex:
		p.index(t.Index)
	case gojq.TermTypeFunc:
		event = p.call(t.Func)
	case gojq.TermTypeObject:
		for _, kv := range t.Object.KeyVals {
			p.member(kv)
		}
	case gojq.TermTypeArray:
		p.part(t.Array.Query)
	case gojq.TermTypeUnary:
		if p.term(t.Unary.Term) {
			p.everything(t)
		}
	case gojq.TermTypeString:
		p.text(t.Str)
	case gojq.TermTypeFormat:
		if t.Str == nil {
			p.everything(t) // @json of the event
		} else {
			p.text(t.Str)
		}
	case gojq.TermTypeIf:
		event = p.condition(t.If)
	case gojq.TermTypeTry:
		event = p.query(t.Try.Body) // catch sees the error only
	case gojq.TermTypeReduce:
		p.loop(t, t.Reduce.Patterns, t.Reduce.Query, t.Reduce.Start)
	case gojq.TermTypeForeach:
		p.loop(t, t.Foreach.Patterns, t.Foreach.Query, t.Foreach.Start)
	case gojq.TermTypeQuery:
		event = p.query(t.Query)
	default:
		p.everything(t)
	}
	for _, s := range t.SuffixList {
		switch {
		case s.Index != nil && event:
			p.index(s.Index)
			event = false
		case s.Index != nil:
			for _, bound := range []*gojq.Query{s.Index.Start, s.Index.End} { // those run on the event
				p.part(bound)
			}
			p.text(s.Index.Str)
		case s.Iter && event:
			p.everything(t)
		}
	}
	return event
}

// loop notes what a reduce or foreach reads. Its update sees what start and update made, and what the patterns bind.
func (p *plan) loop(t *gojq.Term, patterns []*gojq.Pattern, query, start *gojq.Query) {
	if slices.ContainsFunc(patterns, func(p *gojq.Pattern) bool { return p.Name == "" }) {
		p.everything(t)
	}
	p.part(query)
	p.part(start)
}

// index notes a member of the event.
func (p *plan) index(i *gojq.Index) {
	switch {
	case i.Name != "":
		p.keys = append(p.keys, i.Name)
	case i.Str != nil && len(i.Str.Queries) == 0:
		p.keys = append(p.keys, i.Str.Str)
	case i.Start != nil && i.End == nil && !i.IsSlice && i.Start.Term != nil && i.Start.Term.Type == gojq.TermTypeString &&
		len(i.Start.Term.Str.Queries) == 0 && len(i.Start.Term.SuffixList) == 0:
		p.keys = append(p.keys, i.Start.Term.Str.Str)
	default:
		p.everything(i)
	}
}

func (p *plan) text(s *gojq.String) {
	if s == nil {
		return
	}
	for _, q := range s.Queries {
		p.part(q)
	}
}

func (p *plan) member(kv *gojq.ObjectKeyVal) {
	p.text(kv.KeyString)
	p.part(kv.KeyQuery)
	switch {
	case kv.Val != nil:
		p.part(kv.Val)
	case strings.HasPrefix(kv.Key, "$"):
	case kv.Key != "":
		p.keys = append(p.keys, kv.Key)
	case kv.KeyString != nil && len(kv.KeyString.Queries) == 0:
		p.keys = append(p.keys, kv.KeyString.Str)
	default:
		p.everything(kv)
	}
}

func (p *plan) condition(c *gojq.If) (event bool) {
	p.part(c.Cond)
	event = p.query(c.Then)
	for _, e := range c.Elif {
		p.part(e.Cond)
		event = p.query(e.Then) || event
	}
	if c.Else == nil {
		return true
	}
	return p.query(c.Else) || event
}

// call notes what a function reads that is called on the event.
func (p *plan) call(f *gojq.Func) (event bool) {
	switch {
	case f.Name == "select" && len(f.Args) == 1:
		p.part(f.Args[0])
		return true
	case f.Name == "empty" && len(f.Args) == 0:
	case (f.Name == "first" || f.Name == "last") && len(f.Args) == 1:
		return p.query(f.Args[0])
	case f.Name == "limit" && len(f.Args) == 2:
		p.part(f.Args[0])
		return p.query(f.Args[1])
	case (f.Name == "any" || f.Name == "all") && len(f.Args) == 2:
		if p.query(f.Args[0]) {
			p.part(f.Args[1])
		}
	case (f.Name == "add" || f.Name == "isempty") && len(f.Args) == 1:
		p.part(f.Args[0])
	case strings.HasPrefix(f.Name, "$") && f.Name != "$ENV" && f.Name != "$__prog_args":
	default:
		p.everything(f)
	}
	return false
}
