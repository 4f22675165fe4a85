package jq

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// numberLength leaves out white space that may stand behind a number.
func numberLength(raw []byte) int {
	n := len(raw)
	for n > 0 && (raw[n-1] == ' ' || raw[n-1] == '\n' || raw[n-1] == '\r' || raw[n-1] == '\t') {
		n--
	}
	return n
}

// Same reports whether a result is the very object that went in: input is what Program.Run says that it saw.
func Same(input, result any) bool {
	if in, ok := input.(*decoded); ok {
		input = in.value
	}
	a, ok := input.(map[string]any)
	if !ok {
		return false
	}
	b, ok := result.(map[string]any)
	return ok && mapPointer(a) == mapPointer(b)
}

// mapPointer is the identity of a map: gojq passes what it does not change by reference, and never changes what it was
// given.
func mapPointer(m map[string]any) unsafe.Pointer { return reflect.ValueOf(m).UnsafePointer() }

// Encoder writes results of a program. Parts of the input that a program passed on untouched keep their bytes: key
// order, number literals and escapes as they came.
type Encoder struct {
	raw     []byte
	input   any
	size    int // of the input, in members
	escapes bool
	notes   []note // nil: the parts of the input are not known
	index   noteIndex
	entries []entry // of the objects that are being written
}

// entry is a member of an object.
type entry struct {
	key   string
	value any
}

// NewEncoder prepares for results of a program that ran on input, as Program.Run calls it, which was made of raw.
func NewEncoder(raw []byte, input any) *Encoder {
	e := &Encoder{raw: raw, input: input}
	if in, ok := input.(*decoded); ok {
		e.input, e.notes = in.value, in.notes
		e.escapes = len(in.notes) > 0 && bytes.IndexByte(raw, '\\') >= 0
	}
	if m, ok := e.input.(map[string]any); ok {
		e.size = len(m)
	}
	return e
}

// find returns the bytes of a part of the input; nil where it is none.
func (e *Encoder) find(at unsafe.Pointer, n int) []byte {
	if len(e.notes) == 0 {
		return nil
	}
	if e.index.table == nil {
		e.index = newNoteIndex(e.notes)
	}
	return e.index.find(at, n)
}

// aliases reports whether a string lies in the bytes of the input, where it is written as it is.
func (e *Encoder) aliases(s string) bool {
	from := uintptr(unsafe.Pointer(unsafe.SliceData(e.raw)))
	at := uintptr(unsafe.Pointer(unsafe.StringData(s)))
	return at >= from && at < from+uintptr(len(e.raw))
}

// Append appends a result. order is the wanted order of the keys of the outermost object where the program built it;
// the keys of other built objects are sorted.
func (e *Encoder) Append(dst []byte, v any, order []string) []byte {
	if m, ok := v.(map[string]any); ok && cap(dst) == 0 && e.size <= 2*len(m) && !Same(e.input, v) {
		dst = make([]byte, 0, len(e.raw)+len(e.raw)/16+64) // it is mostly the input
	}
	return e.append(dst, v, order)
}

func (e *Encoder) append(dst []byte, v any, order []string) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		if e.escapes && len(v) > 0 && !e.aliases(v) {
			if raw := e.find(unsafe.Pointer(unsafe.StringData(v)), len(v)); raw != nil {
				return append(dst, raw...)
			}
		}
		return rawjson.AppendString(dst, v)
	case json.Number:
		return append(dst, v...)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case *big.Int:
		return v.Append(dst, 10)
	case []any:
		if len(v) > 0 {
			if raw := e.find(unsafe.Pointer(unsafe.SliceData(v)), len(v)); raw != nil {
				return append(dst, raw...)
			}
		}
		dst = append(dst, '[')
		for i := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.append(dst, v[i], nil)
		}
		return append(dst, ']')
	case map[string]any:
		switch {
		case Same(e.input, v):
			return append(dst, e.raw[rawjson.Next(e.raw, 0):]...)
		case order == nil: // else the program built it
			if raw := e.find(mapPointer(v), 0); raw != nil {
				return append(dst, raw...)
			}
		}
		return e.appendObject(dst, v, order)
	}
	if b, err := gojq.Marshal(v); err == nil { // float64: gojq's form of NaN and infinity
		return append(dst, b...)
	}
	return append(dst, fmt.Sprintf("%q", fmt.Sprint(v))...)
}

func (e *Encoder) appendObject(dst []byte, m map[string]any, order []string) []byte {
	from := len(e.entries)
	if coversKeys(m, order) {
		for i, key := range order {
			if !slices.Contains(order[:i], key) {
				e.entries = append(e.entries, entry{key, m[key]})
			}
		}
	} else {
		for key, value := range m {
			e.entries = append(e.entries, entry{key, value})
		}
		slices.SortFunc(e.entries[from:], func(a, b entry) int { return strings.Compare(a.key, b.key) })
	}
	dst = append(dst, '{')
	begin := len(dst)
	for i, end := from, len(e.entries); i < end; i++ {
		dst = append(rawjson.AppendString(dst, e.entries[i].key), ':')
		dst = append(e.append(dst, e.entries[i].value, nil), ',')
	}
	e.entries = e.entries[:from]
	return endList(dst, begin, '}')
}

// coversKeys reports whether order names every key of m and no other.
func coversKeys(m map[string]any, order []string) bool {
	if len(order) < len(m) || len(order) == 0 {
		return false
	}
	distinct := 0
	for i, key := range order {
		if _, ok := m[key]; !ok {
			return false
		}
		if !slices.Contains(order[:i], key) {
			distinct++
		}
	}
	return distinct == len(m)
}
