package jq

import (
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// definition is a function of the program, or an argument of a call of one. It is compiled anew wherever it is called.
type definition struct {
	signature string
	params    []string
	body      *gojq.Query
	sees      []*definition // the functions in sight where it stands; itself besides
	bound     []variable    // the variables in sight there
	open      bool          // it is being compiled
}

// maxCalls bounds what calls of functions that call functions multiply to.
const maxCalls = 200

// defined compiles a query behind its definitions.
func (c *compiler) defined(q *gojq.Query, in *node) *node {
	outer := c.defs
	for _, d := range q.FuncDefs {
		c.defs = append(slices.Clip(c.defs), &definition{
			signature: signature(d.Name, len(d.Args)), params: d.Args, body: d.Body, sees: c.defs, bound: slices.Clone(c.bound),
		})
	}
	plain := *q
	plain.FuncDefs = nil
	n := c.query(&plain, in)
	c.defs = outer
	return n
}

// definition finds the function that a call is of; nil for jq's own.
func (c *compiler) definition(f *gojq.Func) *definition {
	name := signature(f.Name, len(f.Args))
	for i := len(c.defs) - 1; i >= 0; i-- {
		if c.defs[i].signature == name {
			return c.defs[i]
		}
	}
	return nil
}

// inline compiles a call of a function of the program.
func (c *compiler) inline(d *definition, f *gojq.Func, in *node) *node {
	if c.inlined++; d.open || c.inlined > maxCalls {
		return c.refuse(f) // it calls itself
	}
	sees := append(slices.Clip(d.sees), d)
	bound := slices.Clone(d.bound)
	var values []*node // of parameters with a dollar sign
	for i, param := range d.params {
		name := strings.TrimPrefix(param, "$")
		sees = append(sees, &definition{signature: signature(name, 0), body: f.Args[i], sees: c.defs, bound: slices.Clone(c.bound)})
		if name == param {
			continue
		}
		n := c.single(f.Args[i], in)
		if n == nil {
			return nil
		}
		values = append(values, &node{op: opAs, a: n, n: c.slots})
		bound = append(bound, variable{param, c.slots})
		c.slots++
	}
	callerDefs, callerBound := c.defs, c.bound
	c.defs, c.bound, d.open = sees, bound, true
	n := c.query(d.body, in)
	c.defs, c.bound, d.open = callerDefs, callerBound, false
	for _, v := range slices.Backward(values) {
		if n != nil {
			v.b = n
			n = v
		}
	}
	return n
}
