package jq

import (
	"strings"
	"unsafe"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// toJSON is tojson.
func (f *frame) toJSON(v *value) (value, status) {
	if f.making == len(f.scratch) {
		f.scratch = append(f.scratch, nil)
	}
	dst, s := f.appendCanonical(f.scratch[f.making][:0], v, 0)
	f.scratch[f.making] = dst
	if s != found {
		return value{}, s
	}
	kept, s := f.keep(dst)
	return textValue(unsafe.String(unsafe.SliceData(kept.raw), len(kept.raw))), s
}

// appendCanonical appends a value as gojq writes it: with sorted keys, without white space, and with its own escapes.
func (f *frame) appendCanonical(dst []byte, v *value, depth int) ([]byte, status) {
	if depth > rawjson.MaxDepth { // of an event that is not checked yet
		return dst, unknown
	}
	s := found
	switch v.kind {
	case rawjson.String:
		return appendCanonicalText(dst, v.string())
	case rawjson.Number:
		return append(dst, v.digits()...), found
	case rawjson.Array:
		dst = append(dst, '[')
		from := len(dst)
		s = f.elements(v, false, func(part value) (s status) {
			dst, s = f.appendCanonical(dst, &part, depth+1)
			dst = append(dst, ',')
			return s
		})
		return endList(dst, from, ']'), s
	case rawjson.Object:
		dst = append(dst, '{')
		from, first := len(dst), f.openFields(v)
		for i, end := first, len(f.fields); i < end && s == found; i++ {
			if dst, s = appendCanonicalText(dst, f.fields[i].key); s == found {
				part := rawValue(f.fields[i].raw)
				dst, s = f.appendCanonical(append(dst, ':'), &part, depth+1)
				dst = append(dst, ',')
			}
		}
		f.closeFields(first)
		return endList(dst, from, '}'), s
	}
	return append(dst, literalText(v.kind)...), found
}

func appendCanonicalText(dst []byte, s string) ([]byte, status) {
	if strings.IndexByte(s, 0x7f) >= 0 {
		return dst, unknown // which gojq escapes
	}
	return rawjson.AppendString(dst, s), found
}
