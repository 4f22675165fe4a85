package kinesisin

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"slices"
	"testing"
)

// aggregated packs user records as the Kinesis Producer Library does.
func aggregated(data ...string) string {
	message := field(nil, 1, []byte("partition key"))
	message = field(message, 2, []byte("170141183460469231731687303715884105728"))
	for _, d := range data {
		message = field(message, 3, userRecord(d))
	}
	return sealed(message)
}

func userRecord(data string) []byte {
	one := []byte{1 << 3, 0, 2 << 3, 0}
	one = field(one, 3, []byte(data))
	return field(one, 4, field(nil, 1, []byte("tag")))
}

func field(dst []byte, number uint64, value []byte) []byte {
	dst = binary.AppendUvarint(dst, number<<3|wireBytes)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

func sealed(message []byte) string {
	sum := md5.Sum(message)
	return string(aggregateMagic) + string(message) + string(sum[:])
}

func TestUserRecords(t *testing.T) {
	good := aggregated("one", "", "three")
	wrongSum := []byte(good)
	wrongSum[len(wrongSum)-1]++
	record := func(b ...byte) string { return sealed(field(nil, 3, b)) }
	for name, c := range map[string]struct {
		record string
		data   []string // nil: none of the library's
	}{
		"several":                    {good, []string{"one", "", "three"}},
		"none":                       {aggregated(), []string{}},
		"fields to come":             {sealed(append([]byte{9<<3 | wireFixed64, 1, 2, 3, 4, 5, 6, 7, 8, 10<<3 | wireFixed32, 1, 2, 3, 4, 11 << 3, 0x80, 1}, field(nil, 3, userRecord("x"))...)), []string{"x"}},
		"no magic":                   {good[1:], nil},
		"nothing but magic":          {string(aggregateMagic), nil},
		"a wrong checksum":           {string(wrongSum), nil},
		"cut off":                    {good[:len(good)-5], nil},
		"a user record without data": {record(1<<3, 0), nil},
		"a length beyond the end":    {record(3<<3|wireBytes, 5, 'x'), nil},
		"an endless length":          {record(3<<3|wireBytes, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), nil},
		"an endless number":          {record(1<<3, 0x80), nil},
		"a fixed value cut off":      {record(1<<3|wireFixed64, 1, 2, 3), nil},
		"a group":                    {record(1<<3|3, 1<<3|4), nil},
		"field 0":                    {record(0, 0), nil},
		"a tag that overflows":       {record(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), nil},
		"records that are a number":  {sealed([]byte{3 << 3, 1}), nil},
	} {
		got, ok := userRecords([]byte(c.record))
		if ok != (c.data != nil) {
			t.Errorf("%s: %t", name, ok)
		}
		var data []string
		for _, g := range got {
			data = append(data, string(g))
		}
		if !slices.Equal(data, c.data) {
			t.Errorf("%s: %q", name, data)
		}
	}
}

func FuzzUserRecords(f *testing.F) {
	f.Add([]byte(aggregated("one", "two"))[4:])
	f.Add([]byte{3<<3 | wireBytes, 4, 3<<3 | wireBytes, 2, 'a', 'b'})
	f.Fuzz(func(t *testing.T, message []byte) {
		// What is found lies in the message, one behind the other, and no byte is in two user records.
		data, ok := userRecords([]byte(sealed(message)))
		if !ok && data != nil {
			t.Error("records of what is none")
		}
		rest := message
		for _, d := range data {
			i := bytes.Index(rest, d)
			if i < 0 {
				t.Fatalf("%q is not in what is left of %q", d, message)
			}
			rest = rest[i+len(d):]
		}
		// And so it is for what a producer makes of any bytes.
		if data, ok := userRecords([]byte(aggregated(string(message), "x"))); !ok || len(data) != 2 || !bytes.Equal(data[0], message) {
			t.Errorf("%q, %t", data, ok)
		}
		userRecords(message)
	})
}
