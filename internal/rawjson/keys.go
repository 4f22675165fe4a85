package rawjson

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Keys is a set of keys, prepared for finding the members that have them in one pass over an object, and with them members
// of objects in it. It is safe for concurrent use.
type Keys struct {
	names []string
	table []key // a hash table with linear probing
	shift int   // of hashes to slots

	count  int   // how many members are looked for, those of objects in it included
	parent *Keys // where this is a set below another one
	of     *key  // of parent: whose value is the object
}

// key is one of a set, or a free place of the table.
type key struct {
	start, last uint64 // the name's first and last eight bytes, see ends
	size        int    // of the name; -1: a free place
	name        string
	i           int   // of its member in what is found
	below       *Keys // of the object that is its value; nil: nothing is looked for there
}

// Below is a set of keys of an object that is a member itself.
type Below struct {
	In    int // the object's index in what is found
	Names []string
}

// Span is a part of a text: b[From:To]. To is 0 where there is none.
type Span struct{ From, To uint32 }

// maxSpanned is the largest text of which spans are taken.
const maxSpanned = 1<<31 - 1

// NewKeys prepares a set of at most 1000 keys, all different, and without U+FFFD and
// backslashes. What is found of the sets below stands behind
// the members of names, in their order; each is in an object of names or of a set before it.
func NewKeys(names []string, below ...Below) *Keys {
	k := newKeys(names, 0)
	sets := []*Keys{k}
	k.count = len(names)
	for _, b := range below {
		sub := newKeys(b.Names, k.count)
		k.count += len(b.Names)
		for _, set := range sets {
			for at := range set.table {
				if key := &set.table[at]; key.size >= 0 && key.i == b.In {
					key.below, sub.parent, sub.of = sub, set, key
				}
			}
		}
		sets = append(sets, sub)
	}
	return k
}

func newKeys(names []string, first int) *Keys {
	const sparse = 8 // so that most of what is no key is told by a free place
	k := &Keys{names: names, shift: 64 - bits.Len(uint(sparse*len(names)))}
	k.table = make([]key, 1<<(64-k.shift))
	for at := range k.table {
		k.table[at].size = -1
	}
	for i, name := range names {
		start, last := ends([]byte(name), 0, len(name))
		at := k.slot(start, last)
		for k.table[at].size >= 0 {
			at = k.after(at)
		}
		k.table[at] = key{start: start, last: last, size: len(name), name: name, i: first + i}
	}
	return k
}

// ends returns the first and the last eight bytes of b[i:end]; all of it twice, behind zeros, where it is shorter.
func ends(b []byte, i, end int) (start, last uint64) {
	n := end - i
	if i+8 > len(b) {
		for _, c := range b[i:end] {
			start = start>>8 | uint64(c)<<56
		}
		return start, start
	}
	start = binary.LittleEndian.Uint64(b[i:]) << (64 - 8*min(n, 8))
	if n <= 8 {
		return start, start
	}
	return start, binary.LittleEndian.Uint64(b[end-8:])
}

const mixer = 0x9e3779b97f4a7c15

func (k *Keys) slot(start, last uint64) int { return int((start + last>>3) * mixer >> k.shift) }

func (k *Keys) after(slot int) int { return (slot + 1) & (len(k.table) - 1) }

// at returns the key b[i:end] as it is written; nil where it is none of the set, or has an escape.
func (k *Keys) at(b []byte, i, end int) *key {
	start, last := ends(b, i, end)
	for at := k.slot(start, last); ; at = k.after(at) {
		key := &k.table[at]
		if key.start == start && key.last == last && key.size == end-i && (end-i <= 16 || key.name == string(b[i:end])) {
			return key
		}
		if key.size < 0 {
			return nil
		}
	}
}

// escapedAt is at for a key that may have an escape.
func (k *Keys) escapedAt(b []byte, i, end int) *key {
	if key := k.at(b, i, end); key != nil || bytes.IndexByte(b[i:end], '\\') < 0 {
		return key
	}
	for at := range k.table {
		if key := &k.table[at]; key.size >= 0 && equalKey(b[i:end], key.name) {
			return key
		}
	}
	return nil
}

// Index returns the index of a key as it is written, without its quotes; -1 where it is none of the set. It knows nothing of
// the sets below.
func (k *Keys) Index(written []byte) int {
	if key := k.escapedAt(written, 0, len(written)); key != nil {
		return key.i
	}
	return -1
}

// forget makes nothing found of a set.
func (k *Keys) forget(found []Span) {
	for at := range k.table {
		if key := &k.table[at]; key.size >= 0 {
			found[key.i] = Span{}
			if key.below != nil {
				key.below.forget(found)
			}
		}
	}
}

// Inner finds the members of the objects below in b, in which those of k itself are found already.
func (k *Keys) Inner(b []byte, found []Span) {
	for at := range k.table {
		key := &k.table[at]
		if key.below == nil {
			continue
		}
		key.below.forget(found)
		if s := found[key.i]; s.To > 0 && b[s.From] == '{' {
			key.below.members(b[:s.To], int(s.From), found)
		}
	}
}

// Members finds the end of the object that b begins with, and in the same pass the values of the keys, without white space
// around them: found[i] is that of names[i], see NewKeys; of duplicate keys the last wins.
//
// ok says that b begins with { and that what follows is a list of members: each a string, a colon and a value, with commas
// between them and } behind them, b[end-1]; and that strings, objects and arrays end where Bounds finds their ends. It says
// nothing of what stands inside of strings, nor of the order of things inside of nested values; numbers and literals may be
// any other bytes. So a text that is valid JSON gives its members, and some that are not do too: Valid refuses those.
//
// ok is false where b ends before the object does, and where anything but a colon, a comma, a closing bracket or white
// space follows a string.
func (k *Keys) Members(b []byte, found []Span) (end int, ok bool) {
	clear(found[:k.count])
	if len(b) == 0 || b[0] != '{' || len(b) > maxSpanned {
		return 0, false
	}
	return k.members(b, 0, found)
}

// members is Members for the object that begins at i.
func (k *Keys) members(b []byte, i int, found []Span) (end int, ok bool) {
	for first := true; ; first = false {
		if i = skipSpace(b, i+1); i >= len(b) || b[i] != '"' {
			empty := first && i < len(b) && b[i] == '}'
			return i + 1, empty
		}
		colon := endOfString(b, i)
		if colon < 0 {
			return 0, false
		}
		key := k.escapedAt(b, i+1, colon-1)
		if colon = skipSpace(b, colon); colon >= len(b) || b[colon] != ':' {
			return 0, false
		}
		value := skipSpace(b, colon+1)
		if i = valueEnd(b, value); i < 0 {
			return 0, false
		}
		if key != nil {
			found[key.i] = Span{uint32(value), uint32(i)}
			if key.below != nil {
				key.below.forget(found)
				if b[value] == '{' {
					key.below.members(b[:i], value, found)
				}
			}
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
