package jq

import (
	"slices"

	"github.com/itchyny/gojq"
)

// step is one of a path at which a program changes something: to a member, to all elements, or nowhere where a condition
// does not hold.
type step struct {
	key   string
	each  bool
	when  *gojq.Query // not compiled yet
	quiet bool        // leads nowhere, instead of failing, from what has no members or elements
}

// maxPaths bounds what (.a, .b) | (.c, .d) multiplies to.
const maxPaths = 100

// pathsOf returns the paths of .a.b, .a[]?, (.a, .b.c), .a | .b and .a[] | select(f); false of anything else.
func (c *compiler) pathsOf(q *gojq.Query) ([][]step, bool) {
	if q == nil || len(q.FuncDefs)+len(q.Patterns) > 0 {
		return nil, false
	}
	if q.Term != nil {
		return c.pathsOfTerm(q.Term)
	}
	left, ok := c.pathsOf(q.Left)
	if !ok {
		return nil, false
	}
	right, ok := c.pathsOf(q.Right)
	switch {
	case !ok:
	case q.Op == gojq.OpComma:
		return append(left, right...), len(left)+len(right) <= maxPaths
	case q.Op == gojq.OpPipe:
		var all [][]step
		for _, l := range left {
			for _, r := range right {
				all = append(all, append(slices.Clip(l), r...))
			}
		}
		return all, len(all) <= maxPaths
	}
	return nil, false
}

func (c *compiler) pathsOfTerm(t *gojq.Term) ([][]step, bool) {
	paths, ok := [][]step{nil}, true
	single := true // the last suffix, or the term itself, is one step
	switch t.Type {
	case gojq.TermTypeIdentity:
		single = false
	case gojq.TermTypeIndex:
		paths, ok = addStep(paths, &gojq.Suffix{Index: t.Index})
	case gojq.TermTypeQuery:
		paths, ok = c.pathsOf(t.Query)
		single = false
	case gojq.TermTypeFunc:
		paths, ok = c.pathsOfCall(t.Func)
		single = false
	default:
		ok = false
	}
	for _, s := range t.SuffixList {
		switch {
		case !ok:
			return nil, false
		case !s.Optional:
			paths, ok = addStep(paths, s)
			single = true
		case !single:
			return nil, false
		default:
			for i := range paths {
				paths[i] = slices.Clone(paths[i])
				paths[i][len(paths[i])-1].quiet = true
			}
		}
	}
	return paths, ok
}

func (c *compiler) pathsOfCall(f *gojq.Func) ([][]step, bool) {
	switch {
	case c.definition(f) != nil:
	case f.Name == "select" && len(f.Args) == 1:
		return [][]step{{{when: f.Args[0]}}}, true
	case f.Name == "getpath" && len(f.Args) == 1:
		if keys := keysOf(f.Args[0]); keys != nil {
			var path []step
			for _, key := range keys {
				path = append(path, step{key: key})
			}
			return [][]step{path}, true
		}
	}
	return nil, false
}

// addStep adds a suffix to paths.
func addStep(paths [][]step, s *gojq.Suffix) ([][]step, bool) {
	next := step{each: s.Iter}
	if s.Index != nil {
		key := keyOf(s.Index)
		if key == nil {
			return nil, false
		}
		next.key = *key
	}
	for i := range paths {
		paths[i] = append(slices.Clip(paths[i]), next)
	}
	return paths, true
}

// keysOf returns the keys of ["a", "b"]; nil of anything else.
func keysOf(q *gojq.Query) []string {
	if q.Term == nil || q.Term.Type != gojq.TermTypeArray || len(q.Term.SuffixList)+len(q.FuncDefs) > 0 || q.Term.Array.Query == nil {
		return nil
	}
	var keys []string
	for _, part := range commas(q.Term.Array.Query) {
		key := textOf(part)
		if key == nil {
			return nil
		}
		keys = append(keys, *key)
	}
	return keys
}

// commas are the parts of a, b, c.
func commas(q *gojq.Query) []*gojq.Query {
	if q.Term == nil && q.Op == gojq.OpComma && len(q.FuncDefs)+len(q.Patterns) == 0 {
		return append(commas(q.Left), commas(q.Right)...)
	}
	return []*gojq.Query{q}
}
