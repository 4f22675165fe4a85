package msgpack

import (
	"bytes"
	"testing"
)

func TestScannerFindsEndsAcrossPieces(t *testing.T) {
	first := v2(eventTime(1, 0), []byte{0x80}, pack(t, map[string]any{"a": "text", "b": []any{1, 2.5, nil, "longer than thirty-one bytes of text"}, "c": []byte{0xff}}))
	second := []byte{0x93, 0xd4, 1, 2, 0xc8, 0, 2, 5, 1, 1, 0xde, 0, 1, 0xc2, 0xc3}
	both := append(bytes.Clone(first), second...)
	for size := 1; size <= len(both); size++ {
		var s Scanner
		var ends []int
		at := 0 // taken so far
		for have := size; ; have = min(have+size, len(both)) {
			taken, done, err := s.Scan(both[at:have])
			if err != nil {
				t.Fatalf("pieces of %d: %v", size, err)
			}
			at += taken
			if done {
				ends = append(ends, at)
				have -= size // what is there holds the next value's beginning
			} else if left := s.Missing(); left < 1 || left > int64(len(both)-at) {
				t.Fatalf("pieces of %d: %d bytes are missing at %d of %d", size, left, at, len(both))
			}
			if at == len(both) {
				break
			}
		}
		if len(ends) != 2 || ends[0] != len(first) || ends[1] != len(both) {
			t.Fatalf("pieces of %d: ends at %v, want %d and %d", size, ends, len(first), len(both))
		}
	}
}

func TestScannerToldAHugeLengthWaits(t *testing.T) {
	for _, b := range [][]byte{{0xc6, 0xff, 0xff, 0xff, 0xff}, {0xdd, 0xff, 0xff, 0xff, 0xff}, {0xdf, 0xff, 0xff, 0xff, 0xff}, {0xc9, 0xff, 0xff, 0xff, 0xff, 1}} {
		var s Scanner
		taken, done, err := s.Scan(b)
		if done || err != nil || taken == 0 || s.Missing() < 1<<32-1 {
			t.Errorf("% x: taken %d, done %v, %d missing, %v", b, taken, done, s.Missing(), err)
		}
	}
	var s Scanner
	if _, _, err := s.Scan([]byte{0xc1}); err == nil {
		t.Error("an unknown type byte is taken")
	}
}

func TestPartsOfValues(t *testing.T) {
	text := func(b []byte) string {
		v, _, err := Next(b)
		got, ok := v.Text()
		if err != nil || !ok {
			return "none"
		}
		return string(got)
	}
	for _, b := range [][]byte{{0xa1, 'x'}, {0xd9, 1, 'x'}, {0xda, 0, 1, 'x'}, {0xdb, 0, 0, 0, 1, 'x'}, {0xc4, 1, 'x'}, {0xc5, 0, 1, 'x'}, {0xc6, 0, 0, 0, 1, 'x'}} {
		if got := text(append(b, 0xc0)); got != "x" {
			t.Errorf("% x: %q", b, got)
		}
	}
	for _, b := range [][]byte{{0x01}, {0xc0}, {0x90}, {0x80}, {0xd4, 0, 1}} {
		if got := text(b); got != "none" {
			t.Errorf("% x: %q", b, got)
		}
	}
	for _, b := range [][]byte{{0x91, 7}, {0xdc, 0, 1, 7}, {0xdd, 0, 0, 0, 1, 7}} {
		if inside, n, ok := Value(b).Array(); !ok || n != 1 || !bytes.Equal(inside, []byte{7}) {
			t.Errorf("% x: % x, %d, %v", b, inside, n, ok)
		}
	}
	for _, b := range [][]byte{{0x81, 7, 8}, {0xde, 0, 1, 7, 8}, {0xdf, 0, 0, 0, 1, 7, 8}} {
		if inside, n, ok := Value(b).Map(); !ok || n != 1 || !bytes.Equal(inside, []byte{7, 8}) {
			t.Errorf("% x: % x, %d, %v", b, inside, n, ok)
		}
	}
	for _, c := range []struct {
		b    []byte
		want int64
		ok   bool
	}{{[]byte{5}, 5, true}, {[]byte{0xff}, -1, true}, {[]byte{0xcd, 1, 0}, 256, true}, {[]byte{0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}, -2, true},
		{[]byte{0xcf, 0xff, 0, 0, 0, 0, 0, 0, 0}, 0, false}, {[]byte{0xc0}, 0, false}} {
		if got, ok := Value(c.b).Int(); ok != c.ok || ok && got != c.want {
			t.Errorf("% x: %d, %v", c.b, got, ok)
		}
	}
	if _, _, err := Next([]byte{0x92, 1}); err == nil {
		t.Error("half an array is taken")
	}
}

// FuzzScanner holds that values found in pieces are those that are found in one go.
func FuzzScanner(f *testing.F) {
	f.Add(v1(eventTime(1, 2), []byte{0x81, 0xa1, 'a', 0x01}), uint8(3))
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff, 0xc6, 0xff, 0xff, 0xff, 0xff}, uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		want, wantErr := skip(in, 0)
		var s Scanner
		at, have := 0, 0
		for done := false; !done; {
			if have == len(in) {
				if wantErr == nil {
					t.Fatalf("% x: no end is found, it is %d", in, want)
				}
				return
			}
			have = min(have+int(size)+1, len(in))
			taken, over, err := s.Scan(in[at:have])
			if err != nil {
				if wantErr == nil {
					t.Fatalf("% x: %v", in, err)
				}
				return
			}
			at += taken
			done = over
		}
		if wantErr != nil || at != want {
			t.Fatalf("% x: end at %d, want %d, %v", in, at, want, wantErr)
		}
	})
}
