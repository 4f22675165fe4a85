// Package msgpacktest packs chunks as Fluent Bit hands them to an output, for tests.
package msgpacktest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// AppendRecord appends a record with a time, no metadata and the JSON object body, in the form that Fluent Bit 2.1 and
// later write. It panics when body is not JSON.
func AppendRecord(dst []byte, at time.Time, body []byte) []byte {
	dst = append(dst, 0x92, 0x92, 0xd7, 0x00)
	dst = binary.BigEndian.AppendUint32(dst, uint32(at.Unix()))
	dst = binary.BigEndian.AppendUint32(dst, uint32(at.Nanosecond()))
	dst = append(dst, 0x80)
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic(fmt.Sprintf("no JSON: %v", err))
	}
	return appendValue(dst, v)
}

func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, 0xc0)
	case bool:
		if v {
			return append(dst, 0xc3)
		}
		return append(dst, 0xc2)
	case json.Number:
		return appendNumber(dst, v)
	case string:
		return appendText(dst, v)
	case []any:
		dst = appendHead(dst, 0x90, 0xdc, len(v))
		for _, e := range v {
			dst = appendValue(dst, e)
		}
		return dst
	case map[string]any:
		dst = appendHead(dst, 0x80, 0xde, len(v))
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			dst = appendValue(appendText(dst, k), v[k])
		}
		return dst
	}
	panic(fmt.Sprintf("no JSON value: %T", v))
}

func appendHead(dst []byte, short, long byte, n int) []byte {
	switch {
	case n < 16:
		return append(dst, short|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, long), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, long+1), uint32(n))
}

func appendText(dst []byte, s string) []byte {
	switch n := len(s); {
	case n < 32:
		dst = append(dst, 0xa0|byte(n))
	case n <= math.MaxUint8:
		dst = append(dst, 0xd9, byte(n))
	case n <= math.MaxUint16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0xda), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, 0xdb), uint32(n))
	}
	return append(dst, s...)
}

func appendNumber(dst []byte, n json.Number) []byte {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(i))
	}
	if u, err := strconv.ParseUint(string(n), 10, 64); err == nil {
		return binary.BigEndian.AppendUint64(append(dst, 0xcf), u)
	}
	f, _ := n.Float64() // what is beyond is infinite
	return binary.BigEndian.AppendUint64(append(dst, 0xcb), math.Float64bits(f))
}
