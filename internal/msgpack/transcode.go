// Package msgpack turns the MessagePack chunks that Fluent Bit hands to its outputs into JSON bytes, directly: no value is
// decoded into Go's maps on the way.
//
// A chunk is a sequence of records without an array around them, each [time, body] or [[time, metadata], body] with maps
// for metadata and body (Fluent Bit 5.1, src/flb_log_event_decoder.c). Times are extension 0 (seconds and nanoseconds, big
// endian), integers or floats. Records whose time is 0xffffffff or 0xfffffffe seconds and no nanoseconds mark the
// beginning and end of a group and carry no event.
package msgpack

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Limits of a chunk's records. Zero values take the defaults named here.
type Limits struct {
	Depth int // levels of nesting; default 128
	Bytes int // JSON bytes of one record; default 64 MiB
}

const (
	defaultDepth = 128
	defaultBytes = 64 << 20
)

// Record is one record of a chunk.
type Record struct {
	Time     time.Time // UTC
	Body     []byte    // a JSON object; belongs to the caller, who may keep it
	Metadata []byte    // a JSON object; nil where there is none or it is empty
	Offset   int       // where the record begins in the chunk
}

// BadRecord is a record that cannot be used, in a chunk that can be read on behind it.
type BadRecord struct {
	Raw    []byte // its MessagePack bytes, a part of the chunk
	Offset int
	Err    error
}

// CorruptError is a chunk that cannot be read from an offset on: what is there is no MessagePack, or it ends too early.
type CorruptError struct {
	Offset int
	Err    error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("the chunk cannot be read from byte %d on: %v", e.Offset, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

var (
	errShort   = errors.New("it ends in the middle of a value")
	errUnknown = errors.New("an unknown type byte")
	errDeep    = errors.New("nested too deeply")
	errLarge   = errors.New("too large")
	errShape   = errors.New("a record is an array of a time and a map, or of [time, metadata] and a map")
	errTime    = errors.New("a time is an extension of type 0, an integer or a float")
)

// Transcode reads a chunk and gives each record to found, and each unusable one to bad, until one of them returns an
// error. All bodies of a chunk lie in one buffer of their own, so the chunk's memory is free when Transcode returns. A
// chunk that breaks off is a *CorruptError after all records before it.
func Transcode(chunk []byte, l Limits, found func(Record) error, bad func(BadRecord) error) error {
	if l.Depth == 0 {
		l.Depth = defaultDepth
	}
	if l.Bytes == 0 {
		l.Bytes = defaultBytes
	}
	t := transcoder{in: chunk, limits: l, out: make([]byte, 0, len(chunk)+len(chunk)/4+64)}
	for t.at < len(chunk) {
		begin := t.at
		end, err := skip(chunk, begin)
		if err != nil {
			return &CorruptError{begin, err}
		}
		r, group, err := t.record(begin)
		t.at = end
		switch {
		case group:
		case err != nil:
			err = bad(BadRecord{chunk[begin:end:end], begin, err})
		default:
			err = found(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// transcoder reads one chunk.
type transcoder struct {
	in     []byte
	at     int
	out    []byte
	limits Limits
	begin  int // of the record's JSON in out
}

// record transcodes the record at begin, of which the bounds are known to be good.
func (t *transcoder) record(begin int) (r Record, group bool, err error) {
	r.Offset = begin
	mark := len(t.out)
	t.begin = mark
	defer func() {
		if err != nil {
			t.out = t.out[:mark]
		}
	}()
	n, ok := t.array()
	if !ok || n != 2 {
		return r, false, errShape
	}
	var meta bool
	if n, ok := t.array(); ok {
		if n != 2 {
			return r, false, errShape
		}
		meta = true
	}
	sec, nsec, err := t.time()
	if err != nil {
		return r, false, err
	}
	if nsec == 0 && (sec == math.MaxUint32 || sec == math.MaxUint32-1) {
		return r, true, nil
	}
	r.Time = time.Unix(sec, nsec).UTC()
	if meta {
		if !isMap(t.in[t.at]) {
			return r, false, errShape
		}
		if err := t.value(0); err != nil {
			return r, false, err
		}
		if len(t.out)-mark > len("{}") {
			r.Metadata = t.out[mark:len(t.out):len(t.out)]
		} else {
			t.out = t.out[:mark]
		}
	}
	if !isMap(t.in[t.at]) {
		return r, false, errShape
	}
	body := len(t.out)
	if err := t.value(0); err != nil {
		return r, false, err
	}
	r.Body = t.out[body:len(t.out):len(t.out)]
	return r, false, nil
}

func isMap(c byte) bool { return c&0xf0 == 0x80 || c == 0xde || c == 0xdf }

// array takes the head of an array; ok is false where there is none.
func (t *transcoder) array() (n int, ok bool) {
	switch c := t.in[t.at]; {
	case c&0xf0 == 0x90:
		t.at++
		return int(c & 0x0f), true
	case c == 0xdc:
		n = int(binary.BigEndian.Uint16(t.in[t.at+1:]))
		t.at += 3
		return n, true
	case c == 0xdd:
		n = int(binary.BigEndian.Uint32(t.in[t.at+1:]))
		t.at += 5
		return n, true
	}
	return 0, false
}

func (t *transcoder) time() (sec, nsec int64, err error) {
	b := t.in[t.at:]
	switch c := b[0]; {
	case c == 0xd7 && b[1] == 0:
		t.at += 10
		return int64(binary.BigEndian.Uint32(b[2:])), int64(binary.BigEndian.Uint32(b[6:])), nil
	case c == 0xc7 && b[1] == 8 && b[2] == 0:
		t.at += 11
		return int64(binary.BigEndian.Uint32(b[3:])), int64(binary.BigEndian.Uint32(b[7:])), nil
	case c < 0x80:
		t.at++
		return int64(c), 0, nil
	case c >= 0xcc && c <= 0xcf:
		size := 1 << (c - 0xcc)
		t.at += 1 + size
		return int64(min(unsigned(b[1:1+size]), math.MaxUint32)), 0, nil
	case c >= 0xd0 && c <= 0xd3:
		size := 1 << (c - 0xd0)
		t.at += 1 + size
		return min(max(signed(b[1:1+size]), 0), math.MaxUint32), 0, nil
	case c == 0xca:
		t.at += 5
		return floatTime(float64(math.Float32frombits(binary.BigEndian.Uint32(b[1:]))))
	case c == 0xcb:
		t.at += 9
		return floatTime(math.Float64frombits(binary.BigEndian.Uint64(b[1:])))
	}
	return 0, 0, errTime
}

func floatTime(f float64) (sec, nsec int64, err error) {
	if math.IsNaN(f) || f < 0 || f > math.MaxUint32 {
		return 0, 0, errTime
	}
	whole, part := math.Modf(f)
	return int64(whole), int64(part * 1e9), nil
}

func unsigned(b []byte) (v uint64) {
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

func signed(b []byte) int64 {
	shift := 64 - 8*len(b)
	return int64(unsigned(b)<<shift) >> shift
}

// value transcodes one value, of which the bounds are known to be good.
func (t *transcoder) value(depth int) error {
	c := t.in[t.at]
	switch {
	case c < 0x80:
		t.at++
		t.out = strconv.AppendUint(t.out, uint64(c), 10)
	case c >= 0xe0:
		t.at++
		t.out = strconv.AppendInt(t.out, int64(int8(c)), 10)
	case c&0xe0 == 0xa0:
		t.text(1, int(c&0x1f))
	case c&0xf0 == 0x80:
		t.at++
		return t.members(int(c&0x0f), depth)
	case c&0xf0 == 0x90:
		t.at++
		return t.elements(int(c&0x0f), depth)
	default:
		return t.long(c, depth)
	}
	return nil
}

// long transcodes the types whose first byte stands alone.
func (t *transcoder) long(c byte, depth int) error {
	b := t.in[t.at+1:]
	switch c {
	case 0xc0:
		t.at++
		t.out = append(t.out, "null"...)
	case 0xc2:
		t.at++
		t.out = append(t.out, "false"...)
	case 0xc3:
		t.at++
		t.out = append(t.out, "true"...)
	case 0xc4, 0xc5, 0xc6: // bin
		size := 1 << (c - 0xc4)
		t.binary(1+size, int(unsigned(b[:size])))
	case 0xc7, 0xc8, 0xc9: // ext
		size := 1 << (c - 0xc7)
		t.extension(int8(b[size]), 2+size, int(unsigned(b[:size])))
	case 0xca:
		t.at += 5
		t.float(float64(math.Float32frombits(binary.BigEndian.Uint32(b))), 32)
	case 0xcb:
		t.at += 9
		t.float(math.Float64frombits(binary.BigEndian.Uint64(b)), 64)
	case 0xcc, 0xcd, 0xce, 0xcf:
		size := 1 << (c - 0xcc)
		t.at += 1 + size
		t.out = strconv.AppendUint(t.out, unsigned(b[:size]), 10)
	case 0xd0, 0xd1, 0xd2, 0xd3:
		size := 1 << (c - 0xd0)
		t.at += 1 + size
		t.out = strconv.AppendInt(t.out, signed(b[:size]), 10)
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // fixext
		t.extension(int8(b[0]), 2, 1<<(c-0xd4))
	case 0xd9, 0xda, 0xdb: // str
		size := 1 << (c - 0xd9)
		t.text(1+size, int(unsigned(b[:size])))
	case 0xdc, 0xdd:
		size := 2 << (c - 0xdc)
		t.at += 1 + size
		return t.elements(int(unsigned(b[:size])), depth)
	case 0xde, 0xdf:
		size := 2 << (c - 0xde)
		t.at += 1 + size
		return t.members(int(unsigned(b[:size])), depth)
	}
	return nil
}

func (t *transcoder) enter(depth int) error {
	if depth >= t.limits.Depth {
		return errDeep
	}
	if len(t.out)-t.begin > t.limits.Bytes {
		return errLarge
	}
	return nil
}

func (t *transcoder) members(n, depth int) error {
	if err := t.enter(depth); err != nil {
		return err
	}
	t.out = append(t.out, '{')
	for i := range n {
		if i > 0 {
			t.out = append(t.out, ',')
		}
		if err := t.key(depth); err != nil {
			return err
		}
		t.out = append(t.out, ':')
		if err := t.value(depth + 1); err != nil {
			return err
		}
	}
	t.out = append(t.out, '}')
	return nil
}

// key transcodes a key. One that is no text becomes the text of its JSON.
func (t *transcoder) key(depth int) error {
	c := t.in[t.at]
	mark := len(t.out)
	if err := t.value(depth + 1); err != nil {
		return err
	}
	if c&0xe0 == 0xa0 || c >= 0xd9 && c <= 0xdb || c >= 0xc4 && c <= 0xc9 || c >= 0xd4 && c <= 0xd8 {
		return nil // it is a JSON string already
	}
	text := string(t.out[mark:])
	t.out = appendString(t.out[:mark], []byte(text))
	return nil
}

func (t *transcoder) elements(n, depth int) error {
	if err := t.enter(depth); err != nil {
		return err
	}
	t.out = append(t.out, '[')
	for i := range n {
		if i > 0 {
			t.out = append(t.out, ',')
		}
		if err := t.value(depth + 1); err != nil {
			return err
		}
	}
	t.out = append(t.out, ']')
	return nil
}

func (t *transcoder) text(head, n int) {
	b := t.in[t.at+head : t.at+head+n]
	t.at += head + n
	t.out = appendString(t.out, b)
}

// binary transcodes bytes: as text where they are UTF-8 (in_forward's clients send text so), else in base64.
func (t *transcoder) binary(head, n int) {
	b := t.in[t.at+head : t.at+head+n]
	t.at += head + n
	if utf8.Valid(b) {
		t.out = appendString(t.out, b)
		return
	}
	t.out = append(t.out, '"')
	t.out = base64.StdEncoding.AppendEncode(t.out, b)
	t.out = append(t.out, '"')
}

// extension transcodes a time to RFC 3339, and any other extension to base64.
func (t *transcoder) extension(kind int8, head, n int) {
	b := t.in[t.at+head : t.at+head+n]
	t.at += head + n
	t.out = append(t.out, '"')
	if kind == 0 && n == 8 {
		at := time.Unix(int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))).UTC()
		t.out = at.AppendFormat(t.out, time.RFC3339Nano)
	} else {
		t.out = base64.StdEncoding.AppendEncode(t.out, b)
	}
	t.out = append(t.out, '"')
}

// float transcodes a number; JSON has none for infinity and NaN, which become null.
func (t *transcoder) float(f float64, bits int) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		t.out = append(t.out, "null"...)
		return
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	t.out = strconv.AppendFloat(t.out, f, format, -1, bits)
}
