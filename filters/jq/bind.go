package jq

import (
	"strings"

	"github.com/itchyny/gojq"
)

// as compiles left as $x | right, and left as {a: $x} | right.
func (c *compiler) as(q *gojq.Query, in *node) *node {
	if len(q.Patterns) != 1 || q.Op != gojq.OpPipe {
		return c.refuse(q.Patterns[0])
	}
	left := c.query(q.Left, in)
	if left == nil {
		return nil
	}
	right := func() *node { return c.query(q.Right, in) }
	if left.op == opEvent || left.op == opPath {
		return c.orRefuse(q.Patterns[0], c.bindPattern(q.Patterns[0], left, right))
	}
	if q.Patterns[0].Name != "" {
		return c.bindPattern(q.Patterns[0], left, right)
	}
	whole, variable := c.bindValue(left)
	return whole.over(c.orRefuse(q.Patterns[0], c.bindPattern(q.Patterns[0], variable, right)))
}

// variable is one that a program binds.
type variable struct {
	name string
	slot int
}

// bind brings a variable into sight, which has a slot that no other one has.
func (c *compiler) bind(name string) (slot int) {
	slot = c.slots
	c.slots++
	c.bound = append(c.bound, variable{name, slot})
	return slot
}

// bindValue puts a value into a variable without a name.
func (c *compiler) bindValue(v *node) (as, variable *node) {
	as = &node{op: opAs, a: v, n: c.slots}
	variable = &node{op: opVar, n: c.slots}
	c.slots++
	return as, variable
}

// over is opAs over a body; nil where there is none.
func (n *node) over(body *node) *node {
	if body == nil {
		return nil
	}
	n.b = body
	return n
}

// variable is the value of a variable: one that is bound, a fact of the event, or a string or boolean from outside.
func (c *compiler) variable(name string) *node {
	for i := len(c.bound) - 1; i >= 0; i-- {
		if c.bound[i].name == name {
			return &node{op: opVar, n: c.bound[i].slot}
		}
	}
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

// bindPattern brings the variables of a pattern into sight, which takes the value of a node apart, and compiles what stands
// behind it. c.bound is as before then.
func (c *compiler) bindPattern(p *gojq.Pattern, of *node, behind func() *node) *node {
	before := len(c.bound)
	bound, ok := c.destructure(nil, p, of)
	var n *node
	if ok {
		n = behind()
	}
	c.bound = c.bound[:before]
	if n == nil {
		return nil
	}
	for i := len(bound) - 1; i >= 0; i-- {
		n = bound[i].over(n)
	}
	return n
}

// destructure appends an opAs for each variable of a pattern, in their order; false for what is left to gojq.
func (c *compiler) destructure(bound []*node, p *gojq.Pattern, of *node) ([]*node, bool) {
	if p.Name != "" {
		return append(bound, &node{op: opAs, a: of, n: c.bind(p.Name)}), true
	}
	ok := true
	for i, element := range p.Array {
		if of.op == opEvent {
			return nil, false // no array
		}
		if bound, ok = c.destructure(bound, element, &node{op: opAt, a: of, n: i}); !ok {
			return nil, false
		}
	}
	for _, kv := range p.Object {
		key := strings.TrimPrefix(kv.Key, "$")
		switch {
		case kv.Key != "":
		case kv.KeyString != nil && kv.KeyString.Queries == nil:
			key = kv.KeyString.Str
		default:
			return nil, false
		}
		member := c.member(of, key)
		if key != kv.Key && kv.Key != "" {
			bound = append(bound, &node{op: opAs, a: member, n: c.bind(kv.Key)})
		}
		if kv.Val != nil {
			if bound, ok = c.destructure(bound, kv.Val, member); !ok {
				return nil, false
			}
		}
	}
	return bound, true
}
