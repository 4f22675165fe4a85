package jq

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strconv"
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

// Same reports whether a result is the very object that went in.
func Same(input, result any) bool {
	a, ok := input.(map[string]any)
	if !ok {
		return false
	}
	b, ok := result.(map[string]any)
	return ok && mapPointer(a) == mapPointer(b)
}

// mapPointer is the identity of a map: gojq passes what it does not change by reference, and never changes what it was
// given.
func mapPointer(m map[string]any) uintptr { return reflect.ValueOf(m).Pointer() }

// Encoder writes results of a program. Parts of the input that a program passed on untouched keep their bytes: key
// order, number literals and escapes as they came.
type Encoder struct {
	raw     []byte
	input   any
	noted   bool
	escapes bool // in the input
	maps    map[uintptr][]byte
	// Slices and strings are told by where their data is; a part of a slice has another length.
	slices  map[sliceID][]byte
	strings map[sliceID][]byte
}

type sliceID struct {
	data uintptr
	len  int
}

// NewEncoder prepares for results of a program that ran on input, which Decode made of raw.
func NewEncoder(raw []byte, input any) *Encoder {
	return &Encoder{raw: raw, input: input, escapes: bytes.IndexByte(raw, '\\') >= 0}
}

// noteInput is done when a result has a part that may be the input's: most have none, or such that need no note.
func (e *Encoder) noteInput() {
	if e.noted {
		return
	}
	e.noted = true
	e.maps, e.slices, e.strings = map[uintptr][]byte{}, map[sliceID][]byte{}, map[sliceID][]byte{}
	e.note(e.raw[rawjson.Next(e.raw, 0):], e.input)
}

// aliases reports whether a string lies in the bytes of the input, where it is written as it is.
func (e *Encoder) aliases(s string) bool {
	from := uintptr(unsafe.Pointer(unsafe.SliceData(e.raw)))
	at := uintptr(unsafe.Pointer(unsafe.StringData(s)))
	return at >= from && at < from+uintptr(len(e.raw))
}

// note remembers which bytes each part of the input was made of.
func (e *Encoder) note(raw []byte, v any) {
	switch v := v.(type) {
	case map[string]any:
		e.maps[mapPointer(v)] = raw
		_ = rawjson.EachMember(raw, func(key string, value []byte) bool { // raw was decoded
			e.note(value, v[key])
			return true
		})
	case []any:
		if len(v) > 0 {
			e.slices[sliceID{uintptr(unsafe.Pointer(unsafe.SliceData(v))), len(v)}] = raw
		}
		_ = rawjson.EachElement(raw, func(i int, value []byte) bool { // raw was decoded
			if i < len(v) {
				e.note(value, v[i])
			}
			return true
		})
	case string:
		if len(v) == 0 {
			return
		}
		id := sliceID{uintptr(unsafe.Pointer(unsafe.StringData(v))), len(v)}
		if len(raw) != len(v)+2 { // with escapes: others are encoded as they came anyway
			e.strings[id] = raw
		} else {
			delete(e.strings, id) // noted of an earlier member of the same key, which is not what v was made of
		}
	}
}

// Append appends a result. order is the wanted order of the keys of the outermost object where the program built it;
// the keys of other built objects are sorted.
func (e *Encoder) Append(dst []byte, v any, order []string) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		if e.escapes && len(v) > 0 && !e.aliases(v) {
			e.noteInput()
			if raw, ok := e.strings[sliceID{uintptr(unsafe.Pointer(unsafe.StringData(v))), len(v)}]; ok {
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
			e.noteInput()
			if raw, ok := e.slices[sliceID{uintptr(unsafe.Pointer(unsafe.SliceData(v))), len(v)}]; ok {
				return append(dst, raw...)
			}
		}
		dst = append(dst, '[')
		for i := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.Append(dst, v[i], nil)
		}
		return append(dst, ']')
	case map[string]any:
		switch {
		case Same(e.input, v):
			return append(dst, e.raw[rawjson.Next(e.raw, 0):]...)
		case order == nil: // else the program built it
			e.noteInput()
			if raw, ok := e.maps[mapPointer(v)]; ok {
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
	keys := order
	if !coversKeys(m, order) {
		keys = slices.Sorted(maps.Keys(m))
	}
	dst = append(dst, '{')
	written := 0
	for i, key := range keys {
		if slices.Contains(keys[:i], key) {
			continue
		}
		if written > 0 {
			dst = append(dst, ',')
		}
		written++
		dst = append(rawjson.AppendString(dst, key), ':')
		dst = e.Append(dst, m[key], nil)
	}
	return append(dst, '}')
}

// coversKeys reports whether order names every key of m and no other.
func coversKeys(m map[string]any, order []string) bool {
	for _, key := range order {
		if _, ok := m[key]; !ok {
			return false
		}
	}
	if len(order) < len(m) {
		return false
	}
	distinct := map[string]bool{}
	for _, key := range order {
		distinct[key] = true
	}
	return len(distinct) == len(m)
}
