package jq

import (
	"fmt"
	"slices"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// edit is what becomes of a part of a value: del(.a, .b.c), .a = 1, .a[].b |= f, . + {a: 1}. Those of one value are either of
// members, sorted by key, or one of all its elements, or one that a condition stands before.
type edit struct {
	key   string
	begin []byte // the key as it is written, with the colon
	each  bool   // of all elements, or of all members
	when  *node  // of the value itself, where this holds
	quiet bool   // none, instead of a failure, of what has no such part

	// What becomes of it is one of these.
	below  []edit
	drop   bool
	set    *node
	update *node // of what is there, which is opElement
}

// target is what becomes of the parts that paths lead to.
type target struct {
	drop        bool
	set, update *node
}

// merge compiles . + {…}.
func (c *compiler) merge(q *gojq.Query, in *node) *node {
	if q.Left.Term == nil || q.Left.Term.Type != gojq.TermTypeIdentity || len(q.Left.Term.SuffixList) > 0 || in.op != opEvent {
		return nil
	}
	right := c.single(q.Right, in)
	if right == nil || right.op != opObject || len(right.members) == 0 {
		return nil
	}
	n := &node{op: opEdit, a: in}
	for _, m := range right.members {
		if !m.value.certain() {
			return nil
		}
		n.edits = append(n.edits, edit{key: m.key, begin: m.begin, set: m.value})
	}
	slices.SortFunc(n.edits, byEditKey)
	return n
}

// assign compiles paths = value: once for each result on the right side.
func (c *compiler) assign(q *gojq.Query, in *node) *node {
	v := c.query(q.Right, in)
	if v == nil {
		return nil
	}
	if v.certain() && !v.streams() && c.alwaysLeadSomewhere(q.Left) {
		return c.edit(q, in, q.Left, target{set: v})
	}
	bound, variable := c.bindValue(v)
	return bound.over(c.edit(q, in, q.Left, target{set: variable}))
}

// alwaysLeadSomewhere reports whether all paths are of members, so that what becomes of these is evaluated in any case.
func (c *compiler) alwaysLeadSomewhere(q *gojq.Query) bool {
	paths, _ := c.pathsOf(q)
	for _, path := range paths {
		if slices.ContainsFunc(path, func(s step) bool { return s.each || s.quiet || s.when != nil }) {
			return false
		}
	}
	return true
}

// update compiles paths |= f.
func (c *compiler) update(q *gojq.Query, in *node) *node {
	f := c.query(q.Right, &node{op: opElement})
	if f == nil {
		return nil
	}
	if f.streams() {
		f = &node{op: opFirst, a: f}
	}
	return c.edit(q, in, q.Left, target{update: f})
}

// updateBy compiles paths += value and the like: once for each result on the right side, which sees what the whole
// assignment sees.
func (c *compiler) updateBy(q *gojq.Query, in *node) *node {
	ops := map[gojq.Operator]operation{
		gojq.OpUpdateAdd: opPlus, gojq.OpUpdateSub: opMinus, gojq.OpUpdateMul: opTimes, gojq.OpUpdateDiv: opOver,
		gojq.OpUpdateMod: opModulo, gojq.OpUpdateAlt: opAlternative,
	}
	v := c.query(q.Right, in)
	if v == nil {
		return nil
	}
	bound, variable := c.bindValue(v)
	return bound.over(c.edit(q, in, q.Left, target{update: &node{op: ops[q.Op], a: &node{op: opElement}, b: variable}}))
}

// deletion compiles del(paths).
func (c *compiler) deletion(f *gojq.Func, in *node) *node {
	return c.edit(f, in, f.Args[0], target{drop: true})
}

// edit compiles changes at paths of the input.
func (c *compiler) edit(what fmt.Stringer, in *node, q *gojq.Query, to target) *node {
	paths, ok := c.pathsOf(q)
	if !ok {
		return c.refuse(what)
	}
	n := &node{op: opEdit, a: in}
	for _, path := range paths {
		if n.edits, ok = c.addEdit(n.edits, path, to); !ok {
			return c.refuse(what)
		}
	}
	return n
}

// addEdit adds a path; false where it overlaps with another one, or has a condition that is not known.
func (c *compiler) addEdit(edits []edit, path []step, to target) ([]edit, bool) {
	if len(path) == 0 {
		return nil, false
	}
	s := path[0]
	at, ok := placeFor(edits, s)
	if !ok {
		return nil, false
	}
	if at < len(edits) && edits[at].key == s.key { // a member below which others are changed already
		if len(path) == 1 || edits[at].below == nil || edits[at].quiet != s.quiet {
			return nil, false
		}
		edits[at].below, ok = c.addEdit(edits[at].below, path[1:], to)
		return edits, ok
	}
	e := edit{key: s.key, each: s.each, quiet: s.quiet}
	switch {
	case s.when != nil:
		if e.when = c.single(s.when, &node{op: opElement}); e.when == nil {
			return nil, false
		}
	case !s.each:
		e.begin = append(rawjson.AppendString(nil, s.key), ':')
	}
	if len(path) > 1 {
		if e.below, ok = c.addEdit(nil, path[1:], to); !ok {
			return nil, false
		}
	} else {
		e.drop, e.set, e.update = to.drop, to.set, to.update
	}
	return slices.Insert(edits, at, e), true
}

// placeFor finds where the edit of a step belongs; false where it can not stand beside the others.
func placeFor(edits []edit, s step) (at int, ok bool) {
	if len(edits) == 0 {
		return 0, true
	}
	if s.each || s.when != nil || edits[0].each || edits[0].when != nil {
		return 0, false
	}
	at, _ = slices.BinarySearchFunc(edits, s.key, func(e edit, key string) int { return strings.Compare(e.key, key) })
	return at, true
}

func byEditKey(a, b edit) int { return strings.Compare(a.key, b.key) }
