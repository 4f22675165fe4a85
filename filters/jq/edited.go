package jq

import (
	"slices"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// effect is what edits make of a value.
type effect uint8

const (
	untouched effect = iota // no path leads there
	reached                 // a path leads there, and nothing changes: what the value stands in is made anew all the same
	altered
	gone
)

// evalEdited is an opEdit as a value: the one that it is of where nothing changes.
func (f *frame) evalEdited(n *node) (value, status) {
	of, s := f.eval(n.a)
	if s != found {
		return of, s
	}
	if f.making == len(f.scratch) {
		f.scratch = append(f.scratch, nil)
	}
	i := f.making
	f.making++
	dst, made, s := f.edited(f.scratch[i][:0], &of, true, n.edits)
	f.scratch[i] = dst
	f.making--
	switch {
	case s != found:
		return value{}, s
	case made == altered:
		return f.keep(dst)
	case made == gone:
		return value{}, unknown
	}
	return of, found
}

// appendEdited appends a value with its edits: with its bytes where they change nothing, else with sorted keys, as objects
// that a program builds are printed.
func (f *frame) appendEdited(dst []byte, n *node) ([]byte, status) {
	of, s := f.eval(n.a)
	if s != found {
		return dst, s
	}
	dst, made, s := f.edited(dst, &of, true, n.edits)
	if s == found && made == gone {
		s = unknown
	}
	return dst, s
}

// edited appends what edits make of a value, nothing where it is gone. there says that it is one, and not a null for what
// is missing.
func (f *frame) edited(dst []byte, of *value, there bool, edits []edit) ([]byte, effect, status) {
	from := len(dst)
	var made effect
	var s status
	switch e := &edits[0]; {
	case e.when != nil:
		var holds bool
		if holds, s = f.truthOn(*of, e.when); s == found && holds {
			dst, made, s = f.editPart(dst, *of, there, e)
		} else if s == nothing {
			s = found
		}
	case e.each && of.kind == rawjson.Array:
		dst, made, s = f.editElements(dst, of, e)
	case e.each && of.kind == rawjson.Object:
		dst, made, s = f.editAllMembers(dst, of, e)
	case e.each:
		s = failsUnless(e.quiet)
	case of.kind == rawjson.Object, of.kind == rawjson.Null:
		dst, made, s = f.editMembers(dst, of, edits)
	default:
		s = found
		for i := range edits {
			if !edits[i].quiet {
				s = fails
			}
		}
	}
	if s == found && made <= reached {
		dst = of.append(dst[:from])
	}
	return dst, made, s
}

func failsUnless(quiet bool) status {
	if quiet {
		return found
	}
	return fails
}

// truthOn is truth of an expression whose opElement is v.
func (f *frame) truthOn(v value, n *node) (bool, status) {
	outer := f.element
	f.element = v
	holds, s := f.truth(n)
	f.element = outer
	return holds, s
}

// editPart appends what an edit makes of the part that it is of.
func (f *frame) editPart(dst []byte, part value, there bool, e *edit) ([]byte, effect, status) {
	switch {
	case e.below != nil:
		return f.edited(dst, &part, there, e.below)
	case e.drop && !there:
		return dst, reached, found
	case e.drop:
		return dst, gone, found
	case e.set != nil:
		dst, s := f.append(dst, e.set)
		return dst, altered, s
	}
	outer := f.element
	f.element = part
	dst, s := f.append(dst, e.update)
	f.element = outer
	if s == nothing && there { // what f makes nothing of is deleted
		return dst, gone, found
	}
	return dst, altered, unknownIfNone(s)
}

func (f *frame) editElements(dst []byte, of *value, e *edit) ([]byte, effect, status) {
	made := untouched
	dst = append(dst, '[')
	from := len(dst)
	s := f.elements(of, false, func(part value) status {
		at := len(dst)
		var effect effect
		var s status
		if dst, effect, s = f.editPart(dst, part, true, e); effect == gone {
			dst = dst[:at]
		} else {
			if effect <= reached {
				dst = part.append(dst[:at])
			}
			dst = append(dst, ',')
		}
		if effect != untouched {
			made = altered
		}
		return s
	})
	return endList(dst, from, ']'), made, s
}

func (f *frame) editAllMembers(dst []byte, of *value, e *edit) ([]byte, effect, status) {
	w := members{f: f, dst: append(dst, '{'), status: found}
	from, first := len(w.dst), f.openFields(of)
	for i, end := first, len(f.fields); i < end && w.status == found; i++ {
		w.edit(append(rawjson.AppendString(w.dst, f.fields[i].key), ':'), e, f.fields[i].raw)
		f.steps--
	}
	f.closeFields(first)
	if f.steps < 0 && w.status == found {
		w.status = unknown
	}
	return endList(w.dst, from, '}'), w.made, w.status
}

func (f *frame) editMembers(dst []byte, of *value, edits []edit) ([]byte, effect, status) {
	first := len(f.fields)
	if of.kind == rawjson.Object {
		f.openFields(of)
	}
	if f.deletesNothing(first, edits) {
		f.closeFields(first)
		return dst, reached, found
	}
	w := members{f: f, dst: append(dst, '{'), status: found}
	from := len(w.dst)
	for i, end := first, len(f.fields); i < end; i++ {
		key, raw := f.fields[i].key, f.fields[i].raw
		for len(edits) > 0 && edits[0].key < key {
			w.edit(append(w.dst, edits[0].begin...), &edits[0], nil)
			edits = edits[1:]
		}
		if len(edits) > 0 && edits[0].key == key {
			w.edit(append(w.dst, edits[0].begin...), &edits[0], raw)
			edits = edits[1:]
			continue
		}
		w.dst = append(rawjson.AppendString(w.dst, key), ':')
		v := rawValue(raw)
		w.dst = append(v.append(w.dst), ',')
	}
	for i := range edits {
		w.edit(append(w.dst, edits[i].begin...), &edits[i], nil)
	}
	f.closeFields(first)
	return endList(w.dst, from, '}'), w.made, w.status
}

// members are those of an object that is being made of another one.
type members struct {
	f      *frame
	dst    []byte // with a comma behind each
	made   effect // of the object
	status status
}

// edit appends what an edit makes of a member, of which the key was appended already; nil is one that is not there.
func (w *members) edit(begun []byte, e *edit, raw []byte) {
	if w.status != found {
		return
	}
	there, part := raw != nil, rawValue(raw)
	from, value := len(w.dst), len(begun)
	var made effect
	w.dst, made, w.status = w.f.editPart(begun, part, there, e)
	switch {
	case made == gone, !there && made <= reached:
		w.dst = w.dst[:from]
	case made <= reached:
		w.dst = append(part.append(w.dst[:value]), ',')
	default:
		w.dst = append(w.dst, ',')
	}
	if there && made != untouched || made == gone {
		made = altered
	}
	w.made = max(w.made, made)
}

// deletesNothing reports whether edits delete members, none of which is among the frame's last fields.
func (f *frame) deletesNothing(first int, edits []edit) bool {
	for i := range edits {
		if !edits[i].deletes() || slices.ContainsFunc(f.fields[first:], func(f field) bool { return f.key == edits[i].key }) {
			return false
		}
	}
	return true
}

// deletes reports whether an edit does nothing, and never fails, where its member is not there.
func (e *edit) deletes() bool {
	for i := range e.below {
		if !e.below[i].deletes() {
			return false
		}
	}
	return !e.each && e.when == nil && (e.drop || e.below != nil)
}
