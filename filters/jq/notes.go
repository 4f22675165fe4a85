package jq

import "unsafe"

// note says which bytes a part of a decoded value was made of: an array or an object, or a string that is written with
// escapes. gojq passes what it does not change by reference, so a part is told by where its data is.
type note struct {
	at  unsafe.Pointer // keeps the part alive, so that nothing else gets its place
	len int            // of an array or a string, of which a part has the same place; 0: an object
	raw []byte
}

// decoded is a value with the notes on its parts.
type decoded struct {
	value any
	notes []note
}

// noteIndex finds notes: a hash table with linear probing, of indexes in the notes plus one.
type noteIndex struct {
	notes []note
	table []uint32
}

func newNoteIndex(notes []note) noteIndex {
	size := 8
	for size < 2*len(notes) {
		size *= 2
	}
	x := noteIndex{notes, make([]uint32, size)}
	for i := range notes {
		slot := x.slot(notes[i].at)
		for x.table[slot] != 0 {
			slot = (slot + 1) & (size - 1)
		}
		x.table[slot] = uint32(i + 1)
	}
	return x
}

// slot mixes the middle of an address into its low bits, which are mostly zero.
func (x *noteIndex) slot(at unsafe.Pointer) int {
	return int(uint64(uintptr(at))*0x9e3779b97f4a7c15>>32) & (len(x.table) - 1)
}

// find returns the bytes of a part; nil where it is none of the input's.
func (x *noteIndex) find(at unsafe.Pointer, n int) []byte {
	for slot := x.slot(at); x.table[slot] != 0; slot = (slot + 1) & (len(x.table) - 1) {
		if note := &x.notes[x.table[slot]-1]; note.at == at && note.len == n {
			return note.raw
		}
	}
	return nil
}
