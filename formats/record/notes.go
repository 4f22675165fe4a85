package record

import (
	"unsafe"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// Notes are where in a record those top-level members stand that it is judged by. They are made when the record is
// recognised, in the one walk over its bytes; facts, keys and filters find the members by them later.
type Notes struct {
	at [fieldCount]span

	// Compact says that the record has no white space outside of strings.
	Compact bool
}

// span is a part of a record; to is 0 where the member is absent.
type span struct{ from, to uint32 }

// maxNoted is the largest record of which notes are taken.
const maxNoted = 1 << 31

// Recognise is KindOf for a record that will be looked at again: it fills in n.
func Recognise(obj []byte, n *Notes) pipeline.Kind {
	var f fields
	f.read(obj)
	for i, value := range f {
		if value == nil || len(obj) > maxNoted {
			continue
		}
		from := uintptr(unsafe.Pointer(unsafe.SliceData(value))) - uintptr(unsafe.Pointer(unsafe.SliceData(obj)))
		n.at[i] = span{uint32(from), uint32(from) + uint32(len(value))}
	}
	return f.kind()
}

// value returns the raw value of a field, nil where it is absent. raw is the record.
func (n *Notes) value(raw []byte, field int) []byte {
	if s := n.at[field]; s.to > 0 {
		return raw[s.from:s.to:s.to]
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
	n := notesOf(r)
	if n == nil {
		return nil, false
	}
	field := fieldOf(key)
	if field < 0 {
		return nil, false
	}
	return n.value(r.Raw, field), true
}

// readRecord fills in the fields of a record, by its notes if it has some.
func (f *fields) readRecord(r *pipeline.Record) {
	n := notesOf(r)
	if n == nil {
		f.read(r.Raw)
		return
	}
	for i := range f {
		f[i] = n.value(r.Raw, i)
	}
}

// eventID returns the raw eventID of a record.
func eventID(r *pipeline.Record) []byte {
	if n := notesOf(r); n != nil {
		return n.value(r.Raw, fieldEventID)
	}
	value, _ := rawjson.Get(r.Raw, "eventID")
	return value
}
