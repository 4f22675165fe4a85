package jq

import (
	"bytes"
	"slices"
	"sync"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/pipeline"
)

// native is what of a program is decided on an event's bytes: expressions of one event, with the paths that they read.
type native struct {
	paths  *paths
	first  *node         // the selects that the program begins with; nil: none that bytes decide
	after  []*gojq.Query // the parts of the pipe behind them
	whole  *node         // the program; nil: gojq is needed for it
	reason string        // what gojq is needed for
	frames sync.Pool     // of *frame
}

// Verdict is what an event's bytes say of a program's results.
type Verdict int

const (
	Undecided Verdict = iota // gojq has to run, perhaps to give an error
	Dropped                  // there is none
	Passed                   // it is the event, untouched
	Made                     // it is one that the program made
)

// compileNative compiles what it can of a program without definitions of its own.
func compileNative(q *gojq.Query, vars map[string]any, facts []factsFunc) *native {
	c := &compiler{vars: vars, facts: facts, last: lastObject(q)}
	n := &native{whole: c.query(q, eventNode), reason: c.reason}
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
		if n == nil || n.builds() || n.source() != eventNode {
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

// result appends the one result that a program makes of an event.
func (f *frame) result(n *node, dst []byte) ([]byte, Verdict) {
	if n.source().op == opEvent {
		switch _, s := f.eval(n); s {
		case found:
			return dst, Passed
		case nothing:
			return dst, Dropped
		}
		return dst, Undecided
	}
	from := len(dst)
	out, s := f.append(dst, n)
	switch s {
	case nothing:
		return dst, Dropped
	case found:
		if bytes.Equal(out[from:], f.raw) {
			return dst, Passed
		}
		return out, Made
	}
	return dst, Undecided
}

// condition decides a program as a condition.
func (n *native) condition(ev *pipeline.Event) pipeline.Tri {
	switch {
	case n.whole != nil && !n.whole.builds():
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

// read returns the paths that are looked up.
func (n *native) read() [][]string {
	list := slices.Clone(n.paths.list)
	slices.SortFunc(list, slices.Compare)
	return list
}
