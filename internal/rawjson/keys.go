package rawjson

import (
	"bytes"
	"encoding/binary"
)

// Keys is a set of keys, prepared for finding the members that have them in one pass over an object. It is safe for
// concurrent use.
type Keys struct {
	names []string
	slots []uint16 // a hash table with linear probing: index of the name plus one; 0: free
	heads [1 << headBits]head
}

// head is how a key of seven bytes or more begins, its closing quote included: it tells most keys before their end is
// known.
type head struct {
	word uint64
	last uint64 // how a key of eight bytes to sixteen ends
	name string // "": no key
	i    int
}

const headBits = 7

// Span is a part of a text: b[From:To]. To is 0 where there is none.
type Span struct{ From, To uint32 }

// maxSpanned is the largest text of which spans are taken.
const maxSpanned = 1 << 31

// NewKeys prepares a set of at most 1000 keys, all different and without U+FFFD.
func NewKeys(names []string) *Keys {
	size := 8
	for size < 4*len(names) {
		size *= 2
	}
	k := &Keys{names: names, slots: make([]uint16, size)}
	for i, name := range names {
		at := k.slot([]byte(name))
		for k.slots[at] != 0 {
			at = k.after(at)
		}
		k.slots[at] = uint16(i + 1)
		if quoted := name + `"`; len(quoted) >= 8 {
			word := binary.LittleEndian.Uint64([]byte(quoted))
			if h := k.head(word); h.name == "" {
				*h = head{word: word, name: name, i: i}
				if len(name) >= 8 {
					h.last = binary.LittleEndian.Uint64([]byte(name[len(name)-8:]))
				}
			}
		}
	}
	return k
}

const mixer = 0x9e3779b97f4a7c15

func (k *Keys) head(word uint64) *head { return &k.heads[word*mixer>>(64-headBits)] }

// slot mixes a key's length with bytes of it.
func (k *Keys) slot(key []byte) int {
	n := len(key)
	mixed := uint64(n)
	switch {
	case n >= 8:
		mixed += binary.LittleEndian.Uint64(key) ^ binary.LittleEndian.Uint64(key[n-8:])<<3
	case n >= 4:
		mixed += uint64(binary.LittleEndian.Uint32(key)) ^ uint64(binary.LittleEndian.Uint32(key[n-4:]))<<29
	case n > 0:
		mixed += uint64(key[0])<<16 ^ uint64(key[n/2])<<24 ^ uint64(key[n-1])<<32
	}
	return int(mixed*mixer>>40) & (len(k.slots) - 1)
}

func (k *Keys) after(slot int) int { return (slot + 1) & (len(k.slots) - 1) }

// Index returns the index of a key as it is written, without its quotes; -1 where it is none of the set.
func (k *Keys) Index(written []byte) int {
	for at := k.slot(written); ; at = k.after(at) {
		i := int(k.slots[at]) - 1
		if i < 0 {
			break
		}
		if k.names[i] == string(written) {
			return i
		}
	}
	if bytes.IndexByte(written, '\\') < 0 {
		return -1
	}
	for i, name := range k.names {
		if equalKey(written, name) {
			return i
		}
	}
	return -1
}

// Members finds the end of the object that b begins with, and in the same pass the values of the keys, without white space
// around them: found[i] is that of names[i]; of duplicate keys the last wins.
//
// ok says that b begins with { and that what follows is a list of members: each a string, a colon and a value, with commas
// between them and } behind them, b[end-1]; and that strings, objects and arrays end where Bounds finds their ends. It says
// nothing of what stands inside of strings, nor of the order of things inside of nested values; numbers and literals may be
// any other bytes. So a text that is valid JSON gives its members, and some that are not do too: Valid refuses those.
//
// ok is false where b ends before the object does, and where anything but a colon, a comma, a closing bracket or white
// space follows a string.
func (k *Keys) Members(b []byte, found []Span) (end int, ok bool) {
	clear(found[:len(k.names)])
	if len(b) == 0 || b[0] != '{' || len(b) > maxSpanned {
		return 0, false
	}
	for i := 1; ; i++ {
		if i = skipSpace(b, i); i >= len(b) || b[i] != '"' {
			empty := i < len(b) && b[i] == '}' && Next(b, 1) == i
			return i + 1, empty
		}
		field, colon := k.at(b, i)
		if colon < 0 {
			return 0, false
		}
		if colon = skipSpace(b, colon); colon >= len(b) || b[colon] != ':' {
			return 0, false
		}
		value := skipSpace(b, colon+1)
		if i = valueEnd(b, value); i < 0 {
			return 0, false
		}
		if field >= 0 {
			found[field] = Span{uint32(value), uint32(i)}
		}
		if i = skipSpace(b, i); i >= len(b) {
			return 0, false
		}
		if b[i] == '}' {
			return i + 1, true
		}
		if b[i] != ',' {
			return 0, false
		}
	}
}

// at returns the index of the key whose opening quote is at i, -1 where it is none of the set, and the index after its
// closing quote, -1 where it has none.
func (k *Keys) at(b []byte, i int) (field, end int) {
	i++
	if i+8 <= len(b) {
		word := binary.LittleEndian.Uint64(b[i:])
		if h := k.head(word); h.word == word {
			end := i + len(h.name)
			if end < len(b) && b[end] == '"' && string(b[i:end]) == h.name {
				return h.i, end + 1
			}
		}
	}
	if end = endOfString(b, i-1); end < 0 {
		return -1, -1
	}
	return k.Index(b[i : end-1]), end
}

// skipSpace is Next for text that seldom has white space there.
func skipSpace(b []byte, i int) int {
	if i < len(b) && b[i] > ' ' {
		return i
	}
	return Next(b, i)
}

// valueEnd returns the index after the value that begins at i, -1 where none begins there or ends in b.
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return endOfString(b, i)
	case '{', '[':
		return nestedEnd(b, i)
	}
	start := i
	for i < len(b) && classes[b[i]]&scalarEnd == 0 {
		i++
	}
	if i == start || i == len(b) {
		return -1
	}
	return i
}

// nestedEnd is valueEnd for the object or array that begins at i.
func nestedEnd(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		c := b[i]
		i++
		for c == '"' {
			if i = endOfString(b, i-1); i < 0 || i+2 > len(b) {
				return -1
			}
			if c = b[i]; c == ':' || c == ',' { // mostly another string follows
				c = b[i+1]
				i += 2
				continue
			}
			if i++; classes[c]&afterString == 0 {
				return -1
			}
		}
		switch classes[c] & structural {
		case opens:
			depth++
		case closes:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
