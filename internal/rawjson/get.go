package rawjson

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Get returns the raw value at a path of object keys, without white space around it. Of duplicate keys the last wins;
// keys of the text may be written with escapes. It returns nil, false where the path leads nowhere or through anything
// but objects. Without a path it returns the whole value.
func Get(obj []byte, path ...string) ([]byte, bool) {
	value := obj
	if len(path) == 0 {
		i := Next(obj, 0)
		end := skipTrusted(obj, i)
		if end == i {
			return nil, false
		}
		return obj[i:end:end], true
	}
	for _, key := range path {
		var found []byte
		m := membersOf(value)
		for m.next() {
			if equalKey(m.key(), key) {
				found = m.value()
			}
		}
		if found == nil {
			return nil, false
		}
		value = found
	}
	return value, true
}

// GetMany finds the raw values of several top-level members in one pass: dst[i] becomes the value of keys[i], nil where
// it is absent or obj is no object. dst is at least as long as keys.
func GetMany(obj []byte, keys []string, dst [][]byte) {
	clear(dst[:len(keys)])
	m := membersOf(obj)
	for m.next() {
		written := m.key()
		for k, key := range keys {
			if equalKey(written, key) {
				dst[k] = m.value()
			}
		}
	}
}

// EachMember calls fn for each member of an object in order, duplicates included, until it returns false. key is the
// decoded key and may alias obj; value is the raw value. The error says that obj is no object or that its structure is
// broken; values are not checked.
func EachMember(obj []byte, fn func(key string, value []byte) bool) error {
	if KindOf(obj) != Object {
		return errUnexpected(obj, Next(obj, 0), "where an object is due")
	}
	m := membersOf(obj)
	for m.next() {
		key, _ := Text(obj[m.keyStart:m.keyEnd])
		if !fn(key, m.value()) {
			return nil
		}
	}
	return m.err()
}

// EachElement calls fn for each element of an array with its index, until it returns false. The error says that arr is
// no array or that its structure is broken; values are not checked.
func EachElement(arr []byte, fn func(i int, value []byte) bool) error {
	if KindOf(arr) != Array {
		return errUnexpected(arr, Next(arr, 0), "where an array is due")
	}
	i := Next(arr, Next(arr, 0)+1)
	if i < len(arr) && arr[i] == ']' {
		return nil
	}
	for n := 0; ; n++ {
		end := skipTrusted(arr, i)
		if end == i {
			return errUnexpected(arr, i, "where a value is due")
		}
		if !fn(n, arr[i:end:end]) {
			return nil
		}
		i = Next(arr, end)
		if i < len(arr) && arr[i] == ']' {
			return nil
		}
		if i >= len(arr) || arr[i] != ',' {
			return errUnexpected(arr, i, "after an array's element")
		}
		i = Next(arr, i+1)
	}
}

// members walks the members of an object: next moves on and says whether there is one.
type members struct {
	b                    []byte
	at                   int // where the next member, a comma or the closing brace is due
	keyStart, keyEnd     int // of the key with its quotes
	valueStart, valueEnd int
	started, done, bad   bool
}

func membersOf(obj []byte) members {
	i := Next(obj, 0)
	if i >= len(obj) || obj[i] != '{' {
		return members{b: obj, at: i, done: true, bad: true}
	}
	return members{b: obj, at: i + 1}
}

// key returns the key as it is written, without its quotes.
func (m *members) key() []byte { return m.b[m.keyStart+1 : m.keyEnd-1] }

func (m *members) value() []byte { return m.b[m.valueStart:m.valueEnd:m.valueEnd] }

func (m *members) next() bool {
	if m.done {
		return false
	}
	b, i := m.b, Next(m.b, m.at)
	if i < len(b) && b[i] == '}' {
		m.at, m.done = i, true
		return false
	}
	if m.started {
		if i >= len(b) || b[i] != ',' {
			return m.stop(i)
		}
		i = Next(b, i+1)
	}
	m.started = true
	if i >= len(b) || b[i] != '"' {
		return m.stop(i)
	}
	keyStart := i
	keyEnd := endOfString(b, i)
	if keyEnd < 0 {
		return m.stop(len(b))
	}
	if i = Next(b, keyEnd); i >= len(b) || b[i] != ':' {
		return m.stop(i)
	}
	i = Next(b, i+1)
	end := skipTrusted(b, i)
	if end == i {
		return m.stop(i)
	}
	m.keyStart, m.keyEnd, m.valueStart, m.valueEnd = keyStart, keyEnd, i, end
	m.at = end
	return true
}

func (m *members) stop(i int) bool {
	m.at, m.done, m.bad = i, true, true
	return false
}

// err returns what is wrong where the walk ended before the closing brace.
func (m *members) err() error {
	if !m.bad {
		return nil
	}
	return errUnexpected(m.b, m.at, "in an object")
}

// skipTrusted returns the end of the value that begins at i, looking at its structure only; i itself where none begins,
// and len(b) at most.
func skipTrusted(b []byte, i int) int {
	if i >= len(b) {
		return i
	}
	switch b[i] {
	case '"':
		if end := endOfString(b, i); end >= 0 {
			return end
		}
		return len(b)
	case '{', '[':
		return endOfNested(b, i)
	}
	for i < len(b) && classes[b[i]]&scalarEnd == 0 {
		i++
	}
	return i
}

// endOfNested returns the index after the object or array that begins at i, len(b) where it does not end.
func endOfNested(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch classes[b[i]] & structural {
		case opens:
			depth++
		case closes:
			if depth--; depth == 0 {
				return i + 1
			}
		case quotes:
			if i = endOfString(b, i); i < 0 {
				return len(b)
			}
			continue
		}
		i++
	}
	return len(b)
}

// endOfString returns the index after the string whose opening quote is at i; -1 where it does not end.
//
// Most strings of records are short: their quote is found by eight bytes at a time (in w the bytes that are quotes are
// zero; the expression finds the lowest zero byte) before a call is worth its cost.
func endOfString(b []byte, i int) int {
	i++
	start := i
	for i+8 <= len(b) && i < start+48 {
		w := binary.LittleEndian.Uint64(b[i:]) ^ ones*'"'
		zero := (w - ones) &^ w & tops
		if zero == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(zero)/8 + 1
		if b[i-2] != '\\' || backslashes(b[start:i-1])%2 == 0 {
			return i
		}
	}
	for {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n + 1
		if b[i-2] != '\\' || backslashes(b[start:i-1])%2 == 0 {
			return i
		}
	}
}

// backslashes counts the backslashes that b ends with.
func backslashes(b []byte) int {
	n := 0
	for n < len(b) && b[len(b)-1-n] == '\\' {
		n++
	}
	return n
}

// What a byte means outside strings.
const (
	opens      = 1
	closes     = 2
	quotes     = 3
	structural = 3

	scalarEnd   = 4 // ends a number or literal
	afterString = 8 // may follow a string, beside a colon or a comma
)

var classes = [256]byte{
	'{': opens | scalarEnd, '[': opens | scalarEnd,
	'}': closes | scalarEnd | afterString, ']': closes | scalarEnd | afterString,
	'"': quotes | scalarEnd, ',': scalarEnd, ':': scalarEnd,
	' ': scalarEnd | afterString, '\t': scalarEnd | afterString, '\n': scalarEnd | afterString, '\r': scalarEnd | afterString,
}

// equalKey reports whether a key as it is written, without its quotes, means key.
func equalKey(written []byte, key string) bool {
	for len(written) > 0 {
		c := written[0]
		if c != '\\' && c < utf8.RuneSelf {
			if key == "" || key[0] != c {
				return false
			}
			written, key = written[1:], key[1:]
			continue
		}
		r, n := decodeRune(written)
		var buf [utf8.UTFMax]byte
		m := utf8.EncodeRune(buf[:], r)
		if len(key) < m || key[:m] != string(buf[:m]) {
			return false
		}
		written, key = written[n:], key[m:]
	}
	return key == ""
}
