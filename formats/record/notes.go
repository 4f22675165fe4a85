package record

import (
	"strings"
	"unsafe"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// Notes are where in a record those members stand that it is judged by. They are made when the record is recognised, in the
// one walk over its bytes; facts, keys and filters find the members by them later.
type Notes struct {
	at [fieldCount]rawjson.Span

	// literal says that every string of the record means what stands between its quotes.
	literal bool

	// shallow says that only members at the top level are noted.
	shallow bool

	// Compact says that the record has no white space outside of strings.
	Compact bool
}

// Scan finds the end of the record that b begins with, checks it and recognises it in the same pass. end and ok are those of
// rawjson.Keys.Plain: the record is all there, it is valid JSON, and nested as little as records are.
//
// inside says that facts will be asked for: the members that they need in the record's objects are noted too.
func Scan(b []byte, n *Notes, inside bool) (end int, kind pipeline.Kind, ok bool) {
	keys := topKeys
	if inside {
		keys = fieldKeys
	}
	end, form, ok := keys.Plain(b, n.at[:])
	if !ok {
		return end, "", false
	}
	n.literal, n.shallow, n.Compact = form.Literal, !inside, form.Compact
	f := fields{raw: b, notes: n}
	return end, f.kind(), true
}

// Recognise is KindOf for a record that will be looked at again: it fills in n. obj begins without white space.
func Recognise(obj []byte, n *Notes) pipeline.Kind {
	n.read(obj)
	f := fields{raw: obj, notes: n}
	return f.kind()
}

// read takes notes of an object without white space before it. One that is broken somewhere gives the members before that
// place.
func (n *Notes) read(obj []byte) {
	end, form, ok := fieldKeys.Plain(obj, n.at[:])
	if !ok { // deep, or in broken UTF-8
		fieldKeys.Members(obj, n.at[:])
	}
	n.literal, n.shallow, n.Compact = form.Literal, false, form.Compact && end == len(obj)
}

// value returns the raw value of a field, nil where it is absent. raw is the record.
func (n *Notes) value(raw []byte, field int) []byte {
	if s := n.at[field]; s.To > 0 {
		return raw[s.From:s.To:s.To]
	}
	return nil
}

// notesOf returns the notes of a record, nil where there are none.
func notesOf(r *pipeline.Record) *Notes {
	n, _ := r.Notes.(*Notes)
	return n
}

// Field returns the raw value of a top-level member of a record, nil where it is absent. It is known only of the members
// that records are judged by, and only where notes were taken.
func Field(r *pipeline.Record, key string) (value []byte, known bool) {
	field := FieldIndex(key)
	if field < 0 {
		return nil, false
	}
	return FieldAt(r, field)
}

// FieldIndex returns what FieldAt knows a key by; -1 where Field does not know the key.
func FieldIndex(key string) int {
	if strings.Contains(key, `\`) { // as it is written that is another key
		return -1
	}
	return fieldKeys.Index(unsafe.Slice(unsafe.StringData(key), len(key)))
}

// FieldAt is Field for the key of an index.
func FieldAt(r *pipeline.Record, field int) (value []byte, known bool) {
	n := notesOf(r)
	if n == nil {
		return nil, false
	}
	return n.value(r.Raw, field), true
}

// IsCompact reports whether a record is known to have no white space outside of strings.
func IsCompact(r *pipeline.Record) bool {
	n := notesOf(r)
	return n != nil && n.Compact
}

// eventID returns the raw eventID of a record.
func eventID(r *pipeline.Record) []byte {
	if n := notesOf(r); n != nil {
		return n.value(r.Raw, fieldEventID)
	}
	value, _ := rawjson.Get(r.Raw, "eventID")
	return value
}
