package jq

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// value is one that an expression yields on bytes: a part of the event, or a scalar that the program made.
type value struct {
	kind rawjson.Kind
	raw  []byte // as it stands in the event; nil where the program made it
	text string // of a made string, without quotes; the digits of a made number
}

var (
	nullValue  = value{kind: rawjson.Null}
	trueValue  = value{kind: rawjson.True}
	falseValue = value{kind: rawjson.False}
)

func boolValue(b bool) value {
	if b {
		return trueValue
	}
	return falseValue
}

func textValue(s string) value { return value{kind: rawjson.String, text: s} }

func intValue(n int) value { return value{kind: rawjson.Number, text: strconv.Itoa(n)} }

// rawValue is a part of the event; none is null.
func rawValue(raw []byte) value {
	if len(raw) == 0 {
		return nullValue
	}
	return value{kind: rawjson.KindOf(raw), raw: raw}
}

// truth is jq's: null and false are not.
func (v *value) truth() bool { return v.kind != rawjson.Null && v.kind != rawjson.False }

// string returns the text of a string. It allocates where the string stands in the event with escapes.
func (v *value) string() string {
	if v.raw == nil {
		return v.text
	}
	s, _ := rawjson.Text(v.raw)
	return s
}

// body returns what stands between the quotes of a string of the event.
func (v *value) body() []byte {
	if len(v.raw) < 2 { // of an event that is not checked yet
		return nil
	}
	return v.raw[1 : len(v.raw)-1]
}

// plain returns the text of a string of the event that is written as it is; false of one with escapes, and of any other.
func (v *value) plain() ([]byte, bool) {
	body := v.body()
	return body, v.raw != nil && bytes.IndexByte(body, '\\') < 0 && utf8.Valid(body)
}

func (v *value) digits() string {
	if v.raw == nil {
		return v.text
	}
	return unsafe.String(unsafe.SliceData(v.raw), numberLength(v.raw)) // which nobody writes to
}

// equalText compares a string with one of the program, mostly without decoding it.
func (v *value) equalText(s string) bool {
	switch {
	case v.raw == nil:
		return v.text == s
	case strings.ContainsRune(s, utf8.RuneError):
		return v.string() == s
	}
	return isText(v.raw, s)
}

// isText reports whether a part of the event is a string, and which: text, which has no U+FFFD.
func isText(raw []byte, text string) bool {
	if len(raw) < len(text)+2 || raw[0] != '"' { // strings do not grow when they are decoded, but for what is invalid
		return false
	}
	body := raw[1 : len(raw)-1]
	if bytes.IndexByte(body, '\\') < 0 {
		return string(body) == text
	}
	s, _ := rawjson.Text(raw)
	return s == text
}

// equal is jq's ==.
func (v *value) equal(w *value) bool {
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case rawjson.String:
		switch {
		case w.raw == nil:
			return v.equalText(w.text)
		case v.raw == nil:
			return w.equalText(v.text)
		case bytes.Equal(v.raw, w.raw):
			return true
		}
		return v.string() == w.string()
	case rawjson.Number, rawjson.Array, rawjson.Object:
		return v.compare(w) == 0
	}
	return true
}

// compare is jq's order of all values.
func (v *value) compare(w *value) int {
	if a, b := rank(v.kind), rank(w.kind); a != b {
		return a - b
	}
	switch v.kind {
	case rawjson.String:
		return strings.Compare(v.string(), w.string())
	case rawjson.Number:
		a, aOK := v.integer()
		b, bOK := w.integer()
		if aOK && bOK {
			switch {
			case a < b:
				return -1
			case a > b:
				return 1
			}
			return 0
		}
		return gojq.Compare(json.Number(v.digits()), json.Number(w.digits()))
	case rawjson.Array, rawjson.Object:
		a, aErr := Decode(v.raw)
		b, bErr := Decode(w.raw)
		if aErr != nil || bErr != nil {
			return 1 // of an event that is not checked yet: any answer will do
		}
		return gojq.Compare(a, b)
	}
	return 0
}

func rank(k rawjson.Kind) int {
	switch k {
	case rawjson.False:
		return 1
	case rawjson.True:
		return 2
	case rawjson.Number:
		return 3
	case rawjson.String:
		return 4
	case rawjson.Array:
		return 5
	case rawjson.Object:
		return 6
	}
	return 0
}

// integer returns the value of a number that is a short integer; false of any other.
func (v *value) integer() (n int64, ok bool) {
	if v.raw == nil {
		return integerOf(v.text)
	}
	return integerOf(v.raw)
}

func integerOf[T string | []byte](digits T) (n int64, ok bool) {
	i := 0
	if len(digits) > 0 && digits[0] == '-' {
		i = 1
	}
	if len(digits) == i || len(digits) > 18 {
		return 0, false
	}
	for ; i < len(digits); i++ {
		c := digits[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if digits[0] == '-' {
		n = -n
	}
	return n, true
}

// append appends a value as JSON: what came from the event as it came.
func (v *value) append(dst []byte) []byte {
	switch {
	case v.kind == rawjson.Array && v.empty():
		return append(dst, "[]"...)
	case v.raw != nil:
		return append(dst, v.raw...)
	}
	switch v.kind {
	case rawjson.String:
		return rawjson.AppendString(dst, v.text)
	case rawjson.Number:
		return append(dst, v.text...)
	case rawjson.True:
		return append(dst, "true"...)
	case rawjson.False:
		return append(dst, "false"...)
	}
	return append(dst, "null"...)
}
