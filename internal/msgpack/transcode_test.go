package msgpack

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/fluent/fluent-bit-go/output"
	"github.com/google/go-cmp/cmp"
	"github.com/ugorji/go/codec"

	"github.com/trailcast/trailcast/bench/gen/records"
)

// pack encodes a value with another implementation.
func pack(t testing.TB, v any) []byte {
	t.Helper()
	var h codec.MsgpackHandle
	h.WriteExt = true
	h.Canonical = true
	var b []byte
	if err := codec.NewEncoderBytes(&b, &h).Encode(v); err != nil {
		t.Fatal(err)
	}
	return b
}

// eventTime is extension 0: seconds and nanoseconds.
func eventTime(sec, nsec uint32) []byte {
	b := []byte{0xd7, 0}
	b = binary.BigEndian.AppendUint32(b, sec)
	return binary.BigEndian.AppendUint32(b, nsec)
}

// v1 and v2 are the two forms of a record.
func v1(at, body []byte) []byte { return append(append([]byte{0x92}, at...), body...) }

func v2(at, metadata, body []byte) []byte {
	return append(append(append([]byte{0x92, 0x92}, at...), metadata...), body...)
}

type collected struct {
	records []Record
	bad     []BadRecord
}

func read(chunk []byte, l Limits) (c collected, err error) {
	err = Transcode(chunk, l,
		func(r Record) error { c.records = append(c.records, r); return nil },
		func(b BadRecord) error { c.bad = append(c.bad, b); return nil })
	return c, err
}

func TestValues(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	tests := []struct {
		name string
		body []byte
		want string
	}{
		{"empty", []byte{0x80}, `{}`},
		{"scalars", pack(t, map[string]any{"a": nil, "b": true, "c": false, "d": 1, "e": -1, "f": 1.5}), `{"a":null,"b":true,"c":false,"d":1,"e":-1,"f":1.5}`},
		{"integers", pack(t, map[string]any{"a": uint64(math.MaxUint64), "b": int64(math.MinInt64), "c": 127, "d": 128, "e": 65536, "f": -128, "g": -40000}), `{"a":18446744073709551615,"b":-9223372036854775808,"c":127,"d":128,"e":65536,"f":-128,"g":-40000}`},
		{"floats", append(append([]byte{0x82, 0xa1, 'a', 0xca}, 0x3f, 0xc0, 0, 0), 0xa1, 'b', 0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0), `{"a":1.5,"b":null}`},
		{"text", pack(t, map[string]any{"k\"\\": "a\"b\\c\n\r\t\x01ü€😀"}), `{"k\"\\":"a\"b\\c\n\r\t\u0001ü€😀"}`},
		{"invalid UTF-8", []byte{0x81, 0xa1, 'a', 0xa3, 'x', 0xff, 'y'}, "{\"a\":\"x\ufffdy\"}"},
		{"long text", pack(t, map[string]any{"a": long}), `{"a":"` + long + `"}`},
		{"bin that is text", []byte{0x81, 0xa1, 'a', 0xc4, 2, 'h', 'i'}, `{"a":"hi"}`},
		{"bin that is none", []byte{0x81, 0xa1, 'a', 0xc4, 2, 0xff, 0xfe}, `{"a":"//4="}`},
		{"nested", pack(t, map[string]any{"a": []any{1, []any{}, map[string]any{"b": []any{nil}}}}), `{"a":[1,[],{"b":[null]}]}`},
		{"keys that are no text", []byte{0x83, 0x01, 0xa1, 'x', 0xc2, 0xa1, 'y', 0x91, 0x02, 0xa1, 'z'}, `{"1":"x","false":"y","[2]":"z"}`},
		{"keys in bin", []byte{0x81, 0xc4, 1, 'k', 0x01}, `{"k":1}`},
		{"event time inside", append([]byte{0x81, 0xa1, 'a'}, eventTime(1, 500)...), `{"a":"1970-01-01T00:00:01.0000005Z"}`},
		{"other extension", []byte{0x81, 0xa1, 'a', 0xd4, 5, 0xff}, `{"a":"/w=="}`},
		{"duplicate keys", []byte{0x82, 0xa1, 'a', 0x01, 0xa1, 'a', 0x02}, `{"a":1,"a":2}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, chunk := range [][]byte{v1(eventTime(7, 8), tt.body), v2(eventTime(7, 8), []byte{0x80}, tt.body)} {
				c, err := read(chunk, Limits{})
				if err != nil || len(c.records) != 1 {
					t.Fatalf("%d records, %d bad, %v", len(c.records), len(c.bad), err)
				}
				if got := string(c.records[0].Body); got != tt.want {
					t.Errorf("got  %.300s\nwant %.300s", got, tt.want)
				}
				if at := c.records[0].Time; !at.Equal(time.Unix(7, 8)) {
					t.Errorf("time %v", at)
				}
			}
		})
	}
}

func TestTimesAndForms(t *testing.T) {
	body := []byte{0x81, 0xa1, 'a', 0x01}
	at := time.Unix(1_500_000_000, 0).UTC()
	tests := []struct {
		name  string
		chunk []byte
		want  time.Time
	}{
		{"integer", v1(pack(t, uint32(at.Unix())), body), at},
		{"long integer", v1([]byte{0xcf, 0, 0, 0, 0, 0x59, 0x68, 0x2f, 0x00}, body), at},
		{"float", v1(pack(t, float64(at.Unix())+0.5), body), at.Add(time.Second / 2)},
		{"ext8", v1(append([]byte{0xc7, 8, 0}, eventTime(uint32(at.Unix()), 0)[2:]...), body), at},
		{"array32", append(append([]byte{0xdd, 0, 0, 0, 2, 0xdd, 0, 0, 0, 2}, eventTime(uint32(at.Unix()), 0)...), append([]byte{0x80}, body...)...), at},
		{"almost a group", v1(eventTime(0xfffffffd, 0), body), time.Unix(0xfffffffd, 0)},
		{"almost a group's end", v1(eventTime(0xffffffff, 1), body), time.Unix(0xffffffff, 1)},
	}
	for _, tt := range tests {
		c, err := read(tt.chunk, Limits{})
		if err != nil || len(c.records) != 1 || !c.records[0].Time.Equal(tt.want) {
			t.Errorf("%s: %+v, %v; want %v", tt.name, c, err, tt.want)
		}
	}
	c, err := read(v2(eventTime(1, 0), pack(t, map[string]any{"m": 1}), body), Limits{})
	if err != nil || string(c.records[0].Metadata) != `{"m":1}` || string(c.records[0].Body) != `{"a":1}` {
		t.Errorf("metadata: %+v, %v", c, err)
	}
	group := append(v2(eventTime(math.MaxUint32, 0), []byte{0x80}, body), v2(eventTime(math.MaxUint32-1, 0), []byte{0x80}, []byte{0x80})...)
	c, err = read(append(group, v1(eventTime(1, 0), body)...), Limits{})
	if err != nil || len(c.records) != 1 || len(c.bad) != 0 || c.records[0].Offset != len(group) {
		t.Errorf("group marks: %+v, %v", c, err)
	}
}

func TestBadRecordsDoNotStopTheChunk(t *testing.T) {
	good := v1(eventTime(1, 0), []byte{0x81, 0xa1, 'a', 0x01})
	deep := append(bytes.Repeat([]byte{0x91}, 100_000), 0xc0)
	for name, bad := range map[string][]byte{
		"a number":             {0x05},
		"text":                 {0xa1, 'x'},
		"an empty array":       {0x90},
		"three elements":       {0x93, 0x01, 0x80, 0x80},
		"body is no map":       v1(eventTime(1, 0), []byte{0x01}),
		"metadata is no map":   v2(eventTime(1, 0), []byte{0x01}, []byte{0x80}),
		"time is text":         v1([]byte{0xa1, 'x'}, []byte{0x80}),
		"time is not a number": v1([]byte{0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0}, []byte{0x80}),
		"too deep":             v1(eventTime(1, 0), append([]byte{0x81, 0xa1, 'a'}, deep...)),
	} {
		c, err := read(append(append(bytes.Clone(good), bad...), good...), Limits{})
		if err != nil || len(c.records) != 2 || len(c.bad) != 1 {
			t.Errorf("%s: %d records, %d bad, %v", name, len(c.records), len(c.bad), err)
			continue
		}
		if b := c.bad[0]; b.Offset != len(good) || !bytes.Equal(b.Raw, bad) {
			t.Errorf("%s: bad record at %d, %d bytes", name, b.Offset, len(b.Raw))
		}
		if string(c.records[0].Body) != `{"a":1}` || string(c.records[1].Body) != `{"a":1}` {
			t.Errorf("%s: bodies %s and %s", name, c.records[0].Body, c.records[1].Body)
		}
	}
	c, err := read(v1(eventTime(1, 0), pack(t, map[string]any{"a": []any{strings.Repeat("x", 1000), []any{}}})), Limits{Bytes: 500})
	if err != nil || len(c.bad) != 1 {
		t.Errorf("too large: %+v, %v", c, err)
	}
}

func TestChunksThatBreakOff(t *testing.T) {
	one := v2(eventTime(1, 0), []byte{0x80}, pack(t, map[string]any{"a": "text", "b": []any{1, 2.5, nil}, "c": []byte{0xff}}))
	for n := 1; n < len(one); n++ {
		c, err := read(append(bytes.Clone(one), one[:n]...), Limits{})
		corrupt, ok := errors.AsType[*CorruptError](err)
		if !ok || corrupt.Offset != len(one) || len(c.records) != 1 {
			t.Errorf("cut after %d bytes: %d records, %v", n, len(c.records), err)
		}
	}
	for _, tail := range [][]byte{{0xc1}, {0xdf, 0xff, 0xff, 0xff, 0xff}, {0xdd, 0xff, 0xff, 0xff, 0xff}, {0xdb, 0xff, 0xff, 0xff, 0xff}, {0xc9, 0xff, 0xff, 0xff, 0xff, 0}} {
		if _, err := read(append(bytes.Clone(one), tail...), Limits{}); err == nil {
			t.Errorf("% x is taken", tail)
		}
	}
}

func TestBodiesOutliveTheChunk(t *testing.T) {
	chunk := append(v1(eventTime(1, 0), pack(t, map[string]any{"a": "one"})), v1(eventTime(2, 0), pack(t, map[string]any{"a": "two"}))...)
	c, err := read(chunk, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range chunk {
		chunk[i] = 0xc1
	}
	if string(c.records[0].Body) != `{"a":"one"}` || string(c.records[1].Body) != `{"a":"two"}` {
		t.Errorf("bodies alias the chunk: %s, %s", c.records[0].Body, c.records[1].Body)
	}
	_ = append(c.records[0].Body, "xxxxxxxx"...)
	if string(c.records[1].Body) != `{"a":"two"}` {
		t.Error("appending to one body writes to the next")
	}
}

// chunk packs generated CloudTrail records as Fluent Bit's JSON parser does.
func chunk(t testing.TB, size int) (packed []byte, want []any) {
	t.Helper()
	gen := records.New(11)
	for i := int64(0); len(packed) < size; i++ {
		raw := gen.Append(nil, i)
		var v any
		d := json.NewDecoder(bytes.NewReader(raw))
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		want = append(want, v)
		packed = append(packed, v2(eventTime(uint32(1_700_000_000+i), 0), []byte{0x80}, pack(t, v))...)
	}
	return packed, want
}

func TestCloudTrailRecordsComeThrough(t *testing.T) {
	packed, want := chunk(t, 1<<20)
	c, err := read(packed, Limits{})
	if err != nil || len(c.records) != len(want) {
		t.Fatalf("%d records, want %d: %v", len(c.records), len(want), err)
	}
	for i, r := range c.records {
		var got any
		if err := json.Unmarshal(r.Body, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Fatalf("record %d: %s", i, diff)
		}
	}
}

func FuzzTranscode(f *testing.F) {
	f.Add(v1(eventTime(1, 2), []byte{0x81, 0xa1, 'a', 0x01}))
	f.Add(v2(eventTime(1, 2), []byte{0x81, 0xa1, 'm', 0xc0}, []byte{0x82, 0xa1, 'a', 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0, 0x01, 0xc4, 1, 0xff}))
	f.Add([]byte{0xdd, 0, 0, 0, 2, 0x01, 0xdf, 0, 0, 0, 1, 0xd9, 1, 'k', 0xd6, 1, 1, 2, 3, 4})
	packed, _ := chunk(f, 1)
	f.Add(packed)
	f.Fuzz(func(t *testing.T, in []byte) {
		c, _ := read(in, Limits{})
		for _, r := range c.records {
			if !json.Valid(r.Body) || r.Body[0] != '{' || r.Metadata != nil && !json.Valid(r.Metadata) {
				t.Errorf("% x gives %s with metadata %s", in, r.Body, r.Metadata)
			}
		}
	})
}

// BenchmarkChunk compares with what plugins usually do: fluent-bit-go's decoder, a walk over its maps, encoding/json.
func BenchmarkChunk(b *testing.B) {
	packed, _ := chunk(b, 2<<20)
	b.Run("transcode", func(b *testing.B) {
		b.SetBytes(int64(len(packed)))
		b.ReportAllocs()
		for b.Loop() {
			if err := Transcode(packed, Limits{}, func(Record) error { return nil }, func(BadRecord) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("fluent-bit-go and encoding json", func(b *testing.B) {
		b.SetBytes(int64(len(packed)))
		b.ReportAllocs()
		for b.Loop() {
			d := output.NewDecoder(unsafe.Pointer(unsafe.SliceData(packed)), len(packed))
			for {
				ret, _, rec := output.GetRecord(d)
				if ret != 0 {
					break
				}
				if _, err := json.Marshal(textKeys(rec)); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// textKeys makes of a decoded value one that encoding/json takes.
func textKeys(v any) any {
	switch v := v.(type) {
	case map[interface{}]interface{}:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[fmt.Sprint(k)] = textKeys(e)
		}
		return m
	case []any:
		for i := range v {
			v[i] = textKeys(v[i])
		}
		return v
	case []byte:
		return string(v)
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.Invalid {
		return nil
	}
	return v
}
