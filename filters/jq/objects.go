package jq

import (
	"slices"
	"strings"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// field is a member of an object.
type field struct {
	key string
	raw []byte
}

// openFields puts the members of an object behind the frame's fields, in the order of their keys, of duplicates the last.
// closeFields takes them away again.
func (f *frame) openFields(of *value) (from int) {
	from = len(f.fields)
	fields := f.fields
	_ = rawjson.EachMember(of.raw, func(key string, raw []byte) bool {
		fields = append(fields, field{key, raw})
		return true
	})
	f.fields = fields
	f.sortFields(from)
	return from
}

// sortFields sorts the last fields by their keys, and leaves the last one of each.
func (f *frame) sortFields(from int) {
	added := f.fields[from:]
	if !slices.IsSortedFunc(added, byFieldKey) {
		slices.SortStableFunc(added, byFieldKey)
	}
	to := from
	for i := from; i < len(f.fields); i++ {
		if i+1 == len(f.fields) || f.fields[i+1].key != f.fields[i].key {
			f.fields[to] = f.fields[i]
			to++
		}
	}
	f.fields = f.fields[:to]
}

func byFieldKey(a, b field) int { return strings.Compare(a.key, b.key) }

func (f *frame) closeFields(from int) { f.fields = f.fields[:from] }

// appendKeys is keys.
func (f *frame) appendKeys(dst []byte, v *value) ([]byte, status) {
	if v.kind != rawjson.Object {
		return dst, unknown
	}
	dst = append(dst, '[')
	from := len(dst)
	first := f.openFields(v)
	for i := first; i < len(f.fields); i++ {
		dst = append(rawjson.AppendString(dst, f.fields[i].key), ',')
	}
	f.closeFields(first)
	return endList(dst, from, ']'), found
}

// appendEntries is to_entries.
func (f *frame) appendEntries(dst []byte, v *value) ([]byte, status) {
	if v.kind != rawjson.Object {
		return dst, unknown
	}
	dst = append(dst, '[')
	from := len(dst)
	first := f.openFields(v)
	for i := first; i < len(f.fields); i++ {
		dst = rawjson.AppendString(append(dst, `{"key":`...), f.fields[i].key)
		member := rawValue(f.fields[i].raw)
		dst = append(member.append(append(dst, `,"value":`...)), '}', ',')
	}
	f.closeFields(first)
	return endList(dst, from, ']'), found
}

// union adds two objects: the right one's members win.
func (f *frame) union(left, right *value) (value, status) {
	from := len(f.fields)
	for _, part := range []*value{left, right} {
		_ = rawjson.EachMember(part.raw, func(key string, raw []byte) bool {
			f.fields = append(f.fields, field{key, raw})
			return true
		})
	}
	f.sortFields(from)
	if f.making == len(f.scratch) {
		f.scratch = append(f.scratch, nil)
	}
	dst := f.appendFields(f.scratch[f.making][:0], from)
	f.scratch[f.making] = dst
	f.closeFields(from)
	return f.keep(dst)
}
