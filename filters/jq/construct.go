package jq

import (
	"cmp"
	"slices"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// object compiles an object. Only the one that a program builds at its end keeps the order of its keys, where these are plain.
func (c *compiler) object(o *gojq.Object, in *node) *node {
	n := &node{op: opObject}
	for _, kv := range o.KeyVals {
		m, ok := c.objectMember(kv, in)
		if !ok || m.name == nil && slices.ContainsFunc(n.members, func(other member) bool { return other.name == nil && other.key == m.key }) {
			return c.refuse(kv)
		}
		if m.name != nil {
			n.op = opDynamic
		} else {
			m.begin = append(rawjson.AppendString(nil, m.key), ':')
		}
		n.members = append(n.members, m)
	}
	sorted := o == c.last || n.op == opDynamic || slices.IsSortedFunc(n.members, byKey)
	streams := slices.ContainsFunc(n.members, func(m member) bool { return m.value.streams() || m.name != nil && m.name.streams() })
	uncertain := slices.ContainsFunc(n.members, func(m member) bool { return !m.value.certain() })
	first := n
	if streams || !sorted && uncertain {
		first = c.bindMembers(n)
	}
	if !sorted {
		slices.SortFunc(n.members, byKey)
	}
	return first
}

func byKey(a, b member) int { return cmp.Compare(a.key, b.key) }

// bindMembers puts an object's keys and values into variables: they are evaluated in the order of the source, each with all
// results of those before it.
func (c *compiler) bindMembers(n *node) (first *node) {
	var bound []*node
	bind := func(part **node) {
		if *part == nil {
			return
		}
		bound = append(bound, &node{op: opAs, a: *part, n: c.slots})
		*part = &node{op: opVar, n: c.slots}
		c.slots++
	}
	for i := range n.members {
		bind(&n.members[i].name)
		bind(&n.members[i].value)
	}
	first = n
	for _, as := range slices.Backward(bound) {
		as.b = first
		first = as
	}
	return first
}

func (c *compiler) objectMember(kv *gojq.ObjectKeyVal, in *node) (m member, ok bool) {
	switch {
	case kv.Key != "":
		m.key = strings.TrimPrefix(kv.Key, "$")
	case kv.KeyString != nil && kv.KeyString.Queries == nil:
		m.key = kv.KeyString.Str
	case kv.Val == nil:
		return m, false
	case kv.KeyString != nil:
		m.name = c.text(kv.KeyString, in)
	default:
		m.name = c.query(kv.KeyQuery, in)
	}
	switch {
	case kv.Val != nil:
		m.value = c.query(kv.Val, in)
	case strings.HasPrefix(kv.Key, "$"):
		m.value = c.variable(kv.Key)
	default:
		m.value = c.member(in, m.key)
	}
	plain := kv.Key != "" || kv.KeyString != nil && kv.KeyString.Queries == nil
	return m, m.value != nil && (plain || m.name != nil)
}

// appendDynamic appends an object some of whose keys are not known before.
func (f *frame) appendDynamic(dst []byte, n *node) ([]byte, status) {
	from := len(f.fields)
	defer f.closeFields(from)
	for i := range n.members {
		m := &n.members[i]
		key := textValue(m.key)
		if m.name != nil {
			var s status
			if key, s = f.eval(m.name); s != found {
				return dst, s
			}
			if key.kind != rawjson.String {
				return dst, fails
			}
		}
		v, s := f.eval(m.value)
		if s == found && v.raw == nil {
			var room [32]byte
			v, s = f.keep(v.append(room[:0]))
		}
		if s != found {
			return dst, s
		}
		f.fields = append(f.fields, field{key.string(), v.raw})
	}
	if f.sortFields(from); len(f.fields) < from+len(n.members) {
		return dst, unknown // which of two of one key stays
	}
	return f.appendFields(dst, from), found
}

// pick compiles pick(.a, .b.c): an object of these members, as deep as they stand.
func (c *compiler) pick(f *gojq.Func, in *node) *node {
	paths, ok := c.pathsOf(f.Args[0])
	if !ok {
		return nil
	}
	n := &node{op: opObject}
	for _, path := range paths {
		if !c.pickPath(n, path, in) {
			return nil
		}
	}
	return n
}

// pickPath adds a path to an object; false where it is none of keys, or overlaps with another one.
func (c *compiler) pickPath(object *node, path []step, of *node) bool {
	if len(path) == 0 || path[0].each || path[0].quiet || path[0].when != nil {
		return false
	}
	key := path[0].key
	i, there := slices.BinarySearchFunc(object.members, key, func(m member, key string) int { return cmp.Compare(m.key, key) })
	value := c.member(of, key)
	if len(path) == 1 {
		if there {
			return false
		}
		object.members = slices.Insert(object.members, i, member{key: key, begin: append(rawjson.AppendString(nil, key), ':'), value: value})
		return true
	}
	if there && object.members[i].value.op != opObject {
		return false
	}
	if !there {
		below := member{key: key, begin: append(rawjson.AppendString(nil, key), ':'), value: &node{op: opObject}}
		object.members = slices.Insert(object.members, i, below)
	}
	return c.pickPath(object.members[i].value, path[1:], value)
}
