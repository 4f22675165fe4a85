package jq

import (
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

// Decode decodes one JSON value as gojq takes it. Numbers keep their digits (json.Number); of duplicate keys the last
// wins; invalid UTF-8 is U+FFFD. Strings without escapes alias raw, which nobody writes to.
func Decode(raw []byte) (any, error) {
	if err := rawjson.Valid(raw); err != nil {
		return nil, err
	}
	return decode(raw[rawjson.Next(raw, 0):]), nil
}

// decode decodes a valid value.
func decode(raw []byte) any {
	switch rawjson.KindOf(raw) {
	case rawjson.Object:
		m := map[string]any{}
		_ = rawjson.EachMember(raw, func(key string, value []byte) bool { // raw is valid
			m[key] = decode(value)
			return true
		})
		return m
	case rawjson.Array:
		a := []any{}
		_ = rawjson.EachElement(raw, func(_ int, value []byte) bool { // raw is valid
			a = append(a, decode(value))
			return true
		})
		return a
	case rawjson.String:
		s, _ := rawjson.Text(raw)
		return s
	case rawjson.Number:
		return json.Number(unsafe.String(unsafe.SliceData(raw), numberLength(raw)))
	case rawjson.True:
		return true
	case rawjson.False:
		return false
	}
	return nil
}

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
	raw  []byte
	maps map[uintptr][]byte
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
	e := &Encoder{raw: raw, maps: map[uintptr][]byte{}, slices: map[sliceID][]byte{}, strings: map[sliceID][]byte{}}
	e.note(raw[rawjson.Next(raw, 0):], input)
	return e
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
		if len(v) > 0 && len(raw) != len(v)+2 { // with escapes: others are encoded as they came anyway
			e.strings[sliceID{uintptr(unsafe.Pointer(unsafe.StringData(v))), len(v)}] = raw
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
		if raw, ok := e.strings[sliceID{uintptr(unsafe.Pointer(unsafe.StringData(v))), len(v)}]; ok && len(v) > 0 {
			return append(dst, raw...)
		}
		return rawjson.AppendString(dst, v)
	case json.Number:
		return append(dst, v...)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case *big.Int:
		return v.Append(dst, 10)
	case []any:
		if raw, ok := e.slices[sliceID{uintptr(unsafe.Pointer(unsafe.SliceData(v))), len(v)}]; ok && len(v) > 0 {
			return append(dst, raw...)
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
		if raw, ok := e.maps[mapPointer(v)]; ok {
			return append(dst, raw...)
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
