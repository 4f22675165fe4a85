package jq

import (
	"github.com/trailcast/trailcast/internal/rawjson"
)

// appendFromEntries is from_entries of what to_entries makes: objects with a key and a value.
func (f *frame) appendFromEntries(dst []byte, v *value) ([]byte, status) {
	from, s := len(f.fields), found
	_ = rawjson.EachElement(v.raw, func(_ int, raw []byte) bool {
		entry := rawValue(raw)
		if entry.kind != rawjson.Object {
			s = unknown
			return false
		}
		key, _ := rawjson.Get(raw, "key")
		member, there := rawjson.Get(raw, "value")
		if !there || rawjson.KindOf(key) != rawjson.String {
			s = unknown
			return false
		}
		text, _ := rawjson.Text(key)
		f.fields = append(f.fields, field{text, member})
		return true
	})
	if s == found {
		f.sortFields(from)
		dst = f.appendFields(dst, from)
	}
	f.closeFields(from)
	return dst, s
}

// appendFields appends an object of the frame's last fields.
func (f *frame) appendFields(dst []byte, first int) []byte {
	dst = append(dst, '{')
	from := len(dst)
	for i := first; i < len(f.fields); i++ {
		dst = append(rawjson.AppendString(dst, f.fields[i].key), ':')
		member := rawValue(f.fields[i].raw)
		dst = append(member.append(dst), ',')
	}
	return endList(dst, from, '}')
}

// appendMapped is map_values(n.b), and walk(n.b).
func (f *frame) appendMapped(dst []byte, v *value, n *node) ([]byte, status) {
	if n.op == opWalk {
		w, s := f.walk(v, n.b, 0)
		if s == found {
			dst = w.append(dst)
		}
		return dst, s
	}
	w, s := f.mapped(v, func(part value) (value, status) { return f.evalOn(part, n.b) })
	if s == found {
		dst = w.append(dst)
	}
	return dst, s
}

// walk is fn of a value whose parts were walked before.
func (f *frame) walk(v *value, fn *node, depth int) (value, status) {
	if depth > rawjson.MaxDepth { // of an event that is not checked yet
		return value{}, unknown
	}
	whole := *v
	if v.kind == rawjson.Array || v.kind == rawjson.Object {
		var s status
		if whole, s = f.mapped(v, func(part value) (value, status) { return f.walk(&part, fn, depth+1) }); s != found {
			return value{}, s
		}
	}
	return f.evalOn(whole, fn)
}

// mapped makes an array or an object of what fn makes of the parts of one. An empty object stays what it is.
func (f *frame) mapped(v *value, fn func(part value) (value, status)) (value, status) {
	if v.kind != rawjson.Array && v.kind != rawjson.Object {
		return value{}, fails
	}
	if v.empty() {
		return *v, found
	}
	if f.making == len(f.scratch) {
		f.scratch = append(f.scratch, nil)
	}
	i := f.making
	f.making++
	dst, s := f.scratch[i][:0], found
	first := len(f.fields)
	if v.kind == rawjson.Array {
		dst = append(dst, '[')
		s = f.elements(v, false, func(part value) status {
			w, s := fn(part)
			if s != found {
				return unknownIfNone(s)
			}
			dst = append(w.append(dst), ',')
			return found
		})
		dst = endList(dst, 1, ']')
	} else {
		f.openFields(v)
		dst = append(dst, '{')
		for k, end := first, len(f.fields); k < end && s == found; k++ {
			var w value
			if w, s = fn(rawValue(f.fields[k].raw)); s == found {
				dst = append(rawjson.AppendString(dst, f.fields[k].key), ':')
				dst = append(w.append(dst), ',')
			}
			f.steps--
		}
		s = unknownIfNone(s)
		dst = endList(dst, 1, '}')
		f.closeFields(first)
	}
	f.scratch[i] = dst
	f.making--
	switch {
	case s != found:
		return value{}, s
	case f.steps < 0:
		return value{}, unknown
	}
	return f.keep(dst)
}

// unknownIfNone leaves to gojq what becomes of parts that vanish.
func unknownIfNone(s status) status {
	if s == nothing {
		return unknown
	}
	return s
}
