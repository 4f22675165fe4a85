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

// writtenPaths have keys that are no keys' names but look like those as they are written.
var writtenPaths = [][]string{{`event\u004eame`}, {`\u0061`, "b"}, {"a", `\u0062`}, {"a"}, {"eventName"}}

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
	for _, text := range []string{
		`{"event\u004eame":1,"\u0061":{"b":2}}`, `{"event\\u004eame":1,"\\u0061":{"b":2},"a":{"\u0062":3}}`, `{"a":{"\\u0062":4},"eventName":5}`,
	} {
		comparePaths(t, []byte(text))
	}
}

func comparePaths(t *testing.T, b []byte) {
	comparePathsOf(t, b, somePaths)
	comparePathsOf(t, b, writtenPaths)
}

func comparePathsOf(t *testing.T, b []byte, paths [][]string) {
	p := NewPaths(paths)
	dst := make([][]byte, p.Len())
	p.Find(b, dst) // no text makes it panic or loop
	var all any
	if json.Unmarshal(b, &all) != nil || Valid(b) != nil {
		return
	}
	for i, path := range paths {
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

var someKeys = NewKeys([]string{"eventVersion", "a", "b", "", "é", "userIdentity", "eventName", "eventNames", "eventNamed", "x\\y", "eventID",
	"recipientAccountId", "recipientAxxountId"},
	Below{In: 5, Names: []string{"type", "arn", "sessionContext", "a", ""}}, // from 13 on
	Below{In: 15, Names: []string{"sessionIssuer", "a"}},
	Below{In: 18, Names: []string{"userName", "type", "arn"}},
	Below{In: 1, Names: []string{"a", "b"}})

// compareFound holds that what was found in b is what encoding/json finds for the set and those below it.
func compareFound(t *testing.T, k *Keys, b, object []byte, found []Span) {
	t.Helper()
	members := map[string]json.RawMessage{}
	if object != nil && json.Unmarshal(object, &members) != nil {
		members = nil // no object, or nested deeper than encoding/json likes
	}
	for at := range k.table {
		key := &k.table[at]
		if key.size < 0 {
			continue
		}
		want, has := members[key.name]
		if s := found[key.i]; has != (s.To > 0) || has && !bytes.Equal(b[s.From:s.To], bytes.Trim(want, " \t\r\n")) {
			t.Fatalf("%q: %q is at %v, want %q", b, key.name, s, want)
		}
		if key.below != nil {
			compareFound(t, key.below, b, want, found)
		}
	}
}

func FuzzMembers(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	for _, text := range nestedMembers {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"a":1,"eventNames" : "x","\u0062":[{"eventVersion":1}]}`))
	f.Add([]byte(`{"a":"x"y"","b":{"c":"}"d}}`))
	f.Add([]byte(`{"a":[{ "eventVersion":1}]}`))
	f.Fuzz(compareMembersOfKeys)
}

func TestMembersAgreeWithEncodingJSON(t *testing.T) {
	for _, text := range nestedMembers {
		compareMembersOfKeys(t, []byte(text))
	}
	for _, b := range samples(t) {
		compareMembersOfKeys(t, b)
		for i := range b {
			if len(b) < 3000 {
				compareMembersOfKeys(t, b[:i])
			}
		}
	}
}

// Members of members: twice, of other types, deeper than they are looked for.
var nestedMembers = []string{
	`{"userIdentity":{"type":"x","sessionContext":{"sessionIssuer":{"userName":"y","arn":1},"a":[{"sessionIssuer":1}]},"arn":"z"},"a":{"b":1}}`,
	`{"userIdentity":{"type":"x","sessionContext":{"sessionIssuer":{"userName":"y"}}},"userIdentity":{"arn":1,"type":2},"a":{"a":{"a":1},"b":2}}`,
	`{"userIdentity":{"type":"x","sessionContext":{"sessionIssuer":{"userName":"y"}}},"userIdentity":null,"a":{"a":1},"a":[{"a":2}],"b":{"a":1}}`,
	`{"userIdentity":{"sessionContext":{"sessionIssuer":{"userName":"y"},"a":1},"sessionContext":{}},"a":{},"eventName":"n"}`,
	`{"userIdentity":{"sessionContext":{"sessionIssuer":{"userName":"y"},"sessionIssuer":"s"},"":{"a":1}},"a":[[{"a":1}]]}`,
	`{"userIdentity":{"\u0074ype":"x","session\u0043ontext":{"sessionIssuer":{"user\u004eame":"y"}}},"\u0061":{"\u0062":1},"userIdentity":7}`,
	`{ "userIdentity" : { "type" : "x" , "sessionContext" : { "sessionIssuer" : { "userName" : [ ] } , "a" : { } } } , "a" : { "b" : [ 1 , 2 ] } }`,
	`{"requestParameters":{"userIdentity":{"type":"x"},"a":{"a":1}},"userIdentity":{"requestParameters":{"type":"x"}},"eventName":{"type":1}}`,
}

func compareMembersOfKeys(t *testing.T, b []byte) {
	found := make([]Span, someKeys.count)
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
			compareFound(t, someKeys, b, b[:n], found)
		}
	} else if ok {
		t.Fatalf("%q is no object", b)
	}
}

func TestLookUpsAllocateNothing(t *testing.T) {
	record := realRecords(t)[1]
	p, dst, found := NewPaths(somePaths), make([][]byte, len(somePaths)), make([]Span, someKeys.count)
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
	found := make([]Span, someKeys.count)
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
