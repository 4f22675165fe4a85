package jq

import (
	"bytes"
	"slices"
	"sync"
	"unsafe"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/pipeline"
)

// native is what of a program is decided on an event's bytes: expressions of one event, with the paths that they read.
type native struct {
	paths  *paths
	first  *node         // the selects that the program begins with; nil: none that bytes decide
	after  []*gojq.Query // the parts of the pipe behind them
	whole  *node         // the program; nil: gojq is needed for it
	calls  []string      // that gojq makes on parts of the event
	reason string        // what gojq is needed for
	frames sync.Pool     // of *frame
}

// verdict is what an event's bytes say of the result of a program that has one at most.
type verdict int

const (
	undecided verdict = iota // gojq has to run, perhaps to give an error
	dropped                  // there is none
	passed                   // it is the event, untouched
	made                     // it is one that the program made
)

// compileNative compiles what it can of a program without definitions of its own.
func compileNative(q *gojq.Query, vars map[string]any, facts []factsFunc) *native {
	c := &compiler{vars: vars, facts: facts, last: lastObject(q)}
	n := &native{whole: c.query(q, eventNode)}
	n.calls, n.reason = slices.Clone(c.calls), c.reason
	n.first, n.after = c.leadingSelects(q)
	if n.whole != nil {
		n.paths = newPaths(n.whole, n.first)
	} else {
		n.paths = newPaths(n.first)
	}
	return n
}

// leadingSelects compiles the selects that a pipe begins with, and returns what stands behind them.
func (c *compiler) leadingSelects(q *gojq.Query) (first *node, after []*gojq.Query) {
	after = steps(q)
	for len(after) > 0 {
		n := c.query(after[0], eventNode)
		if n == nil || n.builds() || n.streams() || n.source() != eventNode {
			break
		}
		if first == nil {
			first = n
		} else {
			first = &node{op: opThen, a: first, b: n}
		}
		after = after[1:]
	}
	return first, after
}

// steps are the parts of a | b | c.
func steps(q *gojq.Query) []*gojq.Query {
	if q.Term == nil && q.Op == gojq.OpPipe && len(q.FuncDefs)+len(q.Patterns)+len(q.Imports) == 0 {
		return append(steps(q.Left), steps(q.Right)...)
	}
	return []*gojq.Query{q}
}

// lastObject is the object that a program builds as its last step; nil where it builds none there.
func lastObject(q *gojq.Query) *gojq.Object {
	if builtOrder(q) == nil {
		return nil
	}
	all := steps(q)
	return all[len(all)-1].Term.Object
}

// frame returns one for an event, which is to be released; nil where bytes decide nothing.
func (n *native) frame(ev *pipeline.Event) *frame {
	f, _ := n.frames.Get().(*frame)
	if f == nil {
		f = newFrame(n.paths)
	}
	if !f.begin(ev) {
		n.frames.Put(f)
		return nil
	}
	return f
}

func (n *native) release(f *frame) {
	f.end()
	n.frames.Put(f)
}

// one appends the one result that a program makes of the event.
func (f *frame) one(n *node, dst []byte) ([]byte, verdict) {
	from := len(dst)
	var s status
	if n.builds() { // straight to where it belongs
		dst, s = f.append(dst, n)
	} else {
		var v value
		if v, s = f.eval(n); s == found {
			if f.isEvent(&v) {
				return dst, passed
			}
			dst = v.append(dst)
		}
	}
	switch {
	case s == nothing:
		return dst[:from], dropped
	case s != found:
		return dst[:from], undecided
	case bytes.Equal(dst[from:], f.raw):
		return dst[:from], passed
	}
	return dst, made
}

// isEvent reports whether a value is the event, untouched.
func (f *frame) isEvent(v *value) bool {
	return len(v.raw) == len(f.raw) && unsafe.SliceData(v.raw) == unsafe.SliceData(f.raw)
}

// run finds all results of an expression on the event; false where gojq has to, perhaps to give an error.
func (f *frame) run(n *node) bool {
	f.out, f.results = f.out[:0], f.results[:0]
	if !n.many {
		out, v := f.one(n, f.out)
		f.out = out
		if v == passed || v == made {
			f.results = append(f.results, result{len(out), v == passed})
		}
		return v != undecided
	}
	s := f.each(n, func(v value) status {
		same := f.isEvent(&v)
		if !same {
			f.out = v.append(f.out)
		}
		f.results = append(f.results, result{len(f.out), same})
		return found
	})
	return s == found
}

// eachResult calls yield for the results that run has found; same ones are the event, untouched.
func (f *frame) eachResult(yield func(made []byte, same bool)) {
	from := 0
	for _, r := range f.results {
		yield(f.out[from:r.end], r.same)
		from = r.end
	}
}

// condition decides a program as a condition.
func (n *native) condition(ev *pipeline.Event) pipeline.Tri {
	switch {
	case n.whole != nil:
		return n.truth(n.whole, ev)
	case n.first != nil && n.truth(n.first, ev) == pipeline.No:
		return pipeline.No
	}
	return pipeline.Unknown
}

// selects tells whether the event comes through the selects that a program begins with; Unknown without such.
func (n *native) selects(ev *pipeline.Event) pipeline.Tri {
	if n.first == nil {
		return pipeline.Unknown
	}
	return n.truth(n.first, ev)
}

// truth is Unknown where gojq has to decide.
func (n *native) truth(of *node, ev *pipeline.Event) pipeline.Tri {
	f := n.frame(ev)
	if f == nil {
		return pipeline.Unknown
	}
	holds := triOf(f.truth(of))
	n.release(f)
	return holds
}

func triOf(holds bool, s status) pipeline.Tri {
	switch s {
	case found:
		return pipeline.TriOf(holds)
	case nothing:
		return pipeline.No
	}
	return pipeline.Unknown
}

// read returns the paths that are looked up, and those whose values updates see.
func (n *native) read() [][]string {
	list := slices.Clone(n.paths.list)
	for _, part := range []*node{n.whole, n.first} {
		part.walk(func(n *node) {
			if n.op == opEdit && n.a.op == opEvent {
				list = appendUpdated(list, nil, n.edits)
			}
		})
	}
	slices.SortFunc(list, slices.Compare)
	return slices.CompactFunc(list, slices.Equal)
}

// appendUpdated appends the paths of members that updates see.
func appendUpdated(list [][]string, path []string, edits []edit) [][]string {
	for i := range edits {
		e := &edits[i]
		to := path
		if !e.each && e.when == nil {
			to = append(slices.Clip(path), e.key)
		}
		if e.update != nil || e.when != nil || len(e.below) > 0 && e.below[0].each {
			list = append(list, to)
		}
		list = appendUpdated(list, to, e.below)
	}
	return list
}
