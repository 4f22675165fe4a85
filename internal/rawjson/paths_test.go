package rawjson

import (
	"bytes"
	"encoding/json"
	"testing"
)

var somePaths = [][]string{
	{}, {"a"}, {"a", "b"}, {"a", "b", "c"}, {"a"}, {"b"}, {"é"}, {"\uFFFD"}, {""}, {"eventName"}, {"userIdentity"},
	{"userIdentity", "arn"}, {"userIdentity", "sessionContext", "sessionIssuer", "userName"}, {"none", "of", "these"},
}

func FuzzPaths(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	f.Fuzz(comparePaths)
}

func TestPathsAgreeWithEncodingJSON(t *testing.T) {
	for _, b := range samples(t) {
		comparePaths(t, b)
	}
}

func comparePaths(t *testing.T, b []byte) {
	p := NewPaths(somePaths)
	dst := make([][]byte, p.Len())
	p.Find(b, dst) // no text makes it panic or loop
	var all any
	if json.Unmarshal(b, &all) != nil || Valid(b) != nil {
		return
	}
	for i, path := range somePaths {
		want, blocked := lookUp(b, path)
		switch got := dst[i]; {
		case blocked != Blocked(got):
			t.Fatalf("%q: %q is %q, blocked: %v", b, path, got, blocked)
		case !blocked && !bytes.Equal(got, want):
			t.Fatalf("%q: %q is %q, want %q", b, path, got, want)
		}
	}
}

// lookUp is Find by encoding/json, for one path.
func lookUp(value json.RawMessage, path []string) (found []byte, blocked bool) {
	value = bytes.Trim(value, " \t\r\n")
	for _, key := range path {
		switch KindOf(value) {
		case Object:
		case Null:
			return nil, false
		default:
			return nil, true
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(value, &members) != nil {
			return nil, true
		}
		var ok bool
		if value, ok = members[key]; !ok {
			return nil, false
		}
	}
	return value, false
}

var someKeys = NewKeys([]string{"eventVersion", "a", "b", "", "é", "userIdentity", "eventName", "eventNames", "eventNamed", "x\\y", "eventID"})

func FuzzMembers(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	f.Add([]byte(`{"a":1,"eventNames" : "x","\u0062":[{"eventVersion":1}]}`))
	f.Add([]byte(`{"a":"x"y"","b":{"c":"}"d}}`))
	f.Add([]byte(`{"a":[{ "eventVersion":1}]}`))
	f.Fuzz(compareMembersOfKeys)
}

func TestMembersAgreeWithEncodingJSON(t *testing.T) {
	for _, b := range samples(t) {
		compareMembersOfKeys(t, b)
		for i := range b {
			if len(b) < 3000 {
				compareMembersOfKeys(t, b[:i])
			}
		}
	}
}

func compareMembersOfKeys(t *testing.T, b []byte) {
	found := make([]Span, len(someKeys.names))
	end, ok := someKeys.Members(b, found)
	if len(b) > 0 && b[0] == '{' {
		var bounds Bounds
		n, done := bounds.Scan(b)
		if ok && (!done || n != end) {
			t.Fatalf("%q ends at %d, want %d", b, end, n)
		}
		whole := done && Valid(b[:n]) == nil
		if whole && !ok {
			t.Fatalf("%q is an object", b)
		}
		if ok && whole {
			members := map[string]json.RawMessage{}
			if json.Unmarshal(b[:n], &members) != nil {
				return // nested deeper than encoding/json likes
			}
			for i, name := range someKeys.names {
				want, has := members[name]
				if s := found[i]; has != (s.To > 0) || has && !bytes.Equal(b[s.From:s.To], bytes.Trim(want, " \t\r\n")) {
					t.Fatalf("%q: %q is at %v, want %q", b, name, s, want)
				}
			}
		}
	} else if ok {
		t.Fatalf("%q is no object", b)
	}
}

func TestLookUpsAllocateNothing(t *testing.T) {
	record := realRecords(t)[1]
	p, dst, found := NewPaths(somePaths), make([][]byte, len(somePaths)), make([]Span, len(someKeys.names))
	if n := testing.AllocsPerRun(100, func() { p.Find(record, dst) }); n > 0 {
		t.Errorf("Find makes %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { someKeys.Members(record, found) }); n > 0 {
		t.Errorf("Members makes %v allocations", n)
	}
}

func benchmarkRecords(b *testing.B, look func(record []byte)) {
	var all [][]byte
	size := 0
	for _, r := range realRecords(b) {
		if KindOf(r) == Object {
			all = append(all, r)
			size += len(r)
		}
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range all {
			look(r)
		}
	}
}

func BenchmarkBounds(b *testing.B) {
	benchmarkRecords(b, func(r []byte) { var s Bounds; s.Scan(r) })
}

func BenchmarkMembers(b *testing.B) {
	found := make([]Span, len(someKeys.names))
	benchmarkRecords(b, func(r []byte) { someKeys.Members(r, found) })
}

func BenchmarkPaths(b *testing.B) {
	p := NewPaths([][]string{{"recipientAccountId"}, {"userIdentity", "arn"}, {"eventName"}})
	dst := make([][]byte, p.Len())
	benchmarkRecords(b, func(r []byte) { p.Find(r, dst) })
}

func BenchmarkValid(b *testing.B) {
	benchmarkRecords(b, func(r []byte) { _ = Valid(r) })
}
