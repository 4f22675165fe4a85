package jq

import (
	"slices"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// edit is what becomes of one member of an object: del(.a, .b.c), .a = 1, . + {a: 1}.
type edit struct {
	key   string
	begin []byte // the key as it is written, with the colon
	drop  bool
	set   *node
	below []edit // of the member's own members
}

// merge compiles . + {…}.
func (c *compiler) merge(q *gojq.Query, in *node) *node {
	if in.op != opEvent || q.Left.Term == nil || q.Left.Term.Type != gojq.TermTypeIdentity || len(q.Left.Term.SuffixList) > 0 {
		return nil
	}
	left, right := in, c.single(q.Right, in)
	if right == nil || right.op != opObject || len(right.members) == 0 {
		return nil
	}
	n := &node{op: opEdit, a: left}
	for _, m := range right.members {
		if !m.value.certain() {
			return nil
		}
		n.edits = append(n.edits, edit{key: m.key, begin: m.begin, set: m.value})
	}
	slices.SortFunc(n.edits, byEditKey)
	return n
}

// assign compiles .a.b = value.
func (c *compiler) assign(q *gojq.Query, in *node) *node {
	path, v := c.single(q.Left, in), c.single(q.Right, in)
	if path == nil || v == nil {
		return nil
	}
	if in.op != opEvent || path.op != opPath || !v.certain() {
		return c.refuse(q)
	}
	n := &node{op: opEdit, a: in}
	n.edits, _ = addEdit(nil, path.path, v)
	return n
}

// deletion compiles del(.a, .b.c).
func (c *compiler) deletion(f *gojq.Func, in *node) *node {
	if in.op != opEvent {
		return nil
	}
	n := &node{op: opEdit, a: in}
	for _, q := range commas(f.Args[0]) {
		if q.Term == nil || q.Term.Type != gojq.TermTypeIndex || len(q.FuncDefs) > 0 {
			return nil
		}
		path := c.single(q, in)
		if path == nil || path.op != opPath {
			return nil
		}
		var ok bool
		if n.edits, ok = addEdit(n.edits, path.path, nil); !ok {
			return nil
		}
	}
	return n
}

// commas are the parts of a, b, c.
func commas(q *gojq.Query) []*gojq.Query {
	if q.Term == nil && q.Op == gojq.OpComma && len(q.FuncDefs) == 0 {
		return append(commas(q.Left), commas(q.Right)...)
	}
	return []*gojq.Query{q}
}

// addEdit adds a path that is to be set, or dropped where v is nil; false where it overlaps with another one.
func addEdit(edits []edit, path []string, v *node) ([]edit, bool) {
	key := path[0]
	i, there := slices.BinarySearchFunc(edits, key, func(e edit, key string) int { return strings.Compare(e.key, key) })
	if there && (len(path) == 1 || edits[i].below == nil) {
		return nil, false
	}
	if !there {
		edits = slices.Insert(edits, i, edit{key: key, begin: append(rawjson.AppendString(nil, key), ':')})
	}
	if len(path) == 1 {
		edits[i].set, edits[i].drop = v, v == nil
		return edits, true
	}
	ok := true
	edits[i].below, ok = addEdit(edits[i].below, path[1:], v)
	return edits, ok
}

func byEditKey(a, b edit) int { return strings.Compare(a.key, b.key) }

// appendEdited appends the event with its edits: with its bytes where they change nothing, else with sorted keys, as
// objects that a program builds are printed.
func (f *frame) appendEdited(dst []byte, n *node) ([]byte, status) {
	of, s := f.eval(n.a)
	if s != found {
		return dst, s
	}
	return f.edited(dst, &of, n.edits)
}

// edited appends an object, or null, with edits.
func (f *frame) edited(dst []byte, of *value, edits []edit) ([]byte, status) {
	var room [40]field
	fields := room[:0]
	switch of.kind {
	case rawjson.Object:
		_ = rawjson.EachMember(of.raw, func(key string, raw []byte) bool {
			fields = append(fields, field{key, raw})
			return true
		})
	case rawjson.Null:
	default:
		return dst, fails
	}
	slices.SortStableFunc(fields, func(a, b field) int { return strings.Compare(a.key, b.key) })
	if !changes(fields, edits) {
		return of.append(dst), found
	}
	dst = append(dst, '{')
	from := len(dst)
	for i := range fields {
		m := &fields[i]
		if i+1 < len(fields) && fields[i+1].key == m.key {
			continue // the last one wins
		}
		for len(edits) > 0 && edits[0].key < m.key {
			var s status
			if dst, s = f.applyEdit(dst, &edits[0], nil); s != found {
				return dst, s
			}
			edits = edits[1:]
		}
		if len(edits) > 0 && edits[0].key == m.key {
			var s status
			if dst, s = f.applyEdit(dst, &edits[0], m.raw); s != found {
				return dst, s
			}
			edits = edits[1:]
			continue
		}
		dst = rawjson.AppendString(dst, m.key)
		dst = append(dst, ':')
		v := rawValue(m.raw)
		dst = append(v.append(dst), ',')
	}
	for i := range edits {
		var s status
		if dst, s = f.applyEdit(dst, &edits[i], nil); s != found {
			return dst, s
		}
	}
	if len(dst) > from { // the last comma
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}'), found
}

// changes reports whether edits make another object of one with these fields: deleting what is not there does not.
func changes(fields []field, edits []edit) bool {
	for i := range edits {
		e := &edits[i]
		if e.sets() || slices.ContainsFunc(fields, func(f field) bool { return f.key == e.key }) {
			return true
		}
	}
	return false
}

// sets reports whether an edit makes a member where there is none.
func (e *edit) sets() bool {
	return e.set != nil || slices.ContainsFunc(e.below, func(b edit) bool { return b.sets() })
}

// applyEdit appends what becomes of a member, with a comma behind it; nil is a member that is not there.
func (f *frame) applyEdit(dst []byte, e *edit, raw []byte) ([]byte, status) {
	if e.drop || raw == nil && !e.sets() {
		return dst, found
	}
	dst = append(dst, e.begin...)
	var s status
	if e.set != nil {
		dst, s = f.append(dst, e.set)
	} else {
		v := rawValue(raw)
		dst, s = f.edited(dst, &v, e.below)
	}
	return append(dst, ','), s
}
