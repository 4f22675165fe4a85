package jq

import "github.com/itchyny/gojq"

// reduce compiles reduce stream as $x (start; update).
func (c *compiler) reduce(r *gojq.Reduce, in *node) *node {
	if len(r.Patterns) != 1 {
		return c.refuse(r)
	}
	n := &node{op: opReduce, a: c.query(r.Query, in), b: c.single(r.Start, in), n: c.slots}
	c.slots++
	n.c = c.bindPattern(r.Patterns[0], &node{op: opVar, n: n.n}, func() *node { return c.single(r.Update, &node{op: opElement}) })
	if n.a == nil || n.b == nil || n.c == nil {
		return c.refuse(r)
	}
	return n
}

// foreach compiles foreach stream as $x (start; update; extract).
func (c *compiler) foreach(r *gojq.Foreach, in *node) *node {
	if len(r.Patterns) != 1 {
		return c.refuse(r)
	}
	n := &node{op: opForeach, a: c.query(r.Query, in), b: c.single(r.Start, in), n: c.slots}
	c.slots++
	item := &node{op: opVar, n: n.n}
	n.c = c.bindPattern(r.Patterns[0], item, func() *node { return c.single(r.Update, &node{op: opElement}) })
	extract := &node{op: opElement}
	if r.Extract != nil {
		extract = c.bindPattern(r.Patterns[0], item, func() *node { return c.query(r.Extract, &node{op: opElement}) })
	}
	if n.a == nil || n.b == nil || n.c == nil || extract == nil {
		return c.refuse(r)
	}
	n.list = []*node{extract}
	return n
}

func (f *frame) reduce(n *node) (value, status) {
	sum, s := f.eval(n.b)
	if s != found {
		return sum, s
	}
	s = f.each(n.a, func(v value) status {
		f.vars[n.n] = v
		var s status
		if sum, s = f.evalOn(sum, n.c); s == nothing {
			s = unknown
		}
		return s
	})
	return sum, s
}

func (f *frame) foreach(n *node, fn func(value) status) status {
	state, s := f.eval(n.b)
	if s != found {
		return endOfStream(s)
	}
	return f.each(n.a, func(v value) status {
		f.vars[n.n] = v
		var s status
		if state, s = f.evalOn(state, n.c); s != found {
			return unknownIfNone(s)
		}
		return f.eachOn(state, n.list[0], fn)
	})
}
