package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// texts are JSON and near-JSON: cases of the tests against encoding/json and seeds of the fuzz targets. Made up.
var texts = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `nulx`, `truefalse`, `t`, `0`, `-0`, `-`, `01`, `1.`, `.5`, `1.5e`,
	`1e+`, `1E-7`,
	`12345678901234567890123`, `-12.50e+10`, `1 2`, `+1`, `0x10`, `NaN`,
	`""`, `"`, `"a`, `"\`, `"\u12`, `"\u12x4"`, `"\q"`, `"a\"b"`, `"\\"`, `"\\\""`, `"\ud83d\ude00"`, `"\ud83d"`,
	`"\ud83dx"`,
	`"\ude00\ud83d"`, `"\ud83d\u0041"`, "\"\x00\"", "\"tab\t\"", "\"del\x7f\"", "\"\xff\xfe\"", "\"\xed\xa0\x80\"",
	`"é漢😀"`,
	"\"" + strings.Repeat("x", 7) + "\n\"", "\"" + strings.Repeat("x", 31) + `\n"`, `"\b\f\n\r\t\/\u001f\uFFFD"`,
	`{}`, ` { } `, `{"a":1}`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `{"a":1,"a":2}`,
	"{\"a\" :\t1 ,\n\"b\":[ 1 , {} , [] ]\r}", `{"b":0, "a" : 1 , "c": 2,"a":3 }`, `{ "a" : 1 } `,
	`{"a":{"b":{"c":"d"}},"a":{"b":2}}`, `{"\u0061":1,"b":2}`, `{"a\nb":1}`, `{"\\":1,"\"":2,"":3}`,
	"{\"\xff\":1,\"\uFFFD\":2}",
	`{"é":1,"\u00e9":2}`, `{"😀":1,"\ud83d\ude00":2,"\ud83d":3}`, `{"a":"x } ] , \" : {","b":"\\"}`, `{"a":null}`,
	`[]`, `[ ]`, `[1,]`, `[,1]`, `[1 2]`, `[1,2`, `[`, `[[[]]]`, `[}`, `{]`, `[1]]`, `{"a":[}`, `"a" "b"`,
	`[1,"a",null,{"x":[true]}]`,
	strings.Repeat("[", 512) + strings.Repeat("]", 512), strings.Repeat("[", 513) + strings.Repeat("]", 513),
	strings.Repeat(`{"a":`, 512) + "1" + strings.Repeat("}", 512), strings.Repeat("[", 10000),
	"\ufeff{}", "{}\x00", "[1]\v",
}

// realRecords returns the records of testdata.
func realRecords(t testing.TB) [][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata holds no records: %v", err)
	}
	var records [][]byte
	for _, file := range files {
		records = append(records, recordsOf(t, file)...)
	}
	return records
}

// recordsOf returns the JSON values of a file, with {"Records":[…]} and arrays taken apart.
func recordsOf(t testing.TB, file string) [][]byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var records [][]byte
	dec := json.NewDecoder(bytes.NewReader(data))
	for {
		var doc json.RawMessage
		if dec.Decode(&doc) != nil {
			return records
		}
		var list []json.RawMessage
		var trail struct{ Records []json.RawMessage }
		if json.Unmarshal(doc, &list) != nil && json.Unmarshal(doc, &trail) == nil {
			list = trail.Records
		}
		records = append(records, doc)
		for _, r := range list {
			records = append(records, r)
		}
	}
}

// samples are all texts and real records.
func samples(t testing.TB) [][]byte {
	var all [][]byte
	for _, s := range texts {
		all = append(all, []byte(s))
	}
	return append(all, realRecords(t)...)
}

// TestExtendedData runs every comparison over the extended data set beside the checkout.
func TestExtendedData(t *testing.T) {
	root := "../../../shared/data"
	if _, err := os.Stat(root); err != nil {
		t.Skip("the extended data set beside the checkout is absent")
	}
	n := 0
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.Contains(filepath.Ext(path), ".json") {
			return err
		}
		for _, r := range recordsOf(t, path) {
			if len(r) > 20_000 {
				continue // whole documents: their records are compared one by one
			}
			n++
			compareAll(t, r)
		}
		return nil
	})
	if err != nil || n < 500 {
		t.Errorf("compared %d values: %v", n, err)
	}
}

func TestAgreesWithEncodingJSON(t *testing.T) {
	for _, b := range samples(t) {
		compareAll(t, b)
	}
}

func FuzzAgreesWithEncodingJSON(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { compareAll(t, b) })
}

// compareAll holds every function that reads or edits against encoding/json.
func compareAll(t *testing.T, b []byte) {
	t.Helper()
	before := bytes.Clone(b)
	defer func() {
		if !bytes.Equal(b, before) {
			t.Errorf("%.80q was written to", before)
		}
	}()
	err := Valid(b)
	if valid := json.Valid(b) && deepest(b) <= MaxDepth; (err == nil) != valid {
		t.Errorf("Valid(%.80q) = %v, encoding/json says %v", b, err, valid)
		return
	}
	if err != nil {
		checkError(t, b, err)
		survive(b)
		return
	}
	compareText(t, b)
	compareCompact(t, b)
	compareBounds(t, b)
	switch KindOf(b) {
	case Object:
		compareObject(t, b)
	case Array:
		compareArray(t, b)
	}
}

// deepest counts levels by brackets; it is right for valid JSON only.
func deepest(b []byte) int {
	depth, most := 0, 0
	inString, escaped := false, false
	for _, c := range b {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			depth++
			most = max(most, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return most
}

func checkError(t *testing.T, b []byte, err error) {
	t.Helper()
	syntax, ok := errors.AsType[*SyntaxError](err)
	if !ok || syntax.Offset < 0 || syntax.Offset > len(b) || syntax.Msg == "" {
		t.Errorf("Valid(%.80q) = %#v, want a *SyntaxError with an offset in the text", b, err)
		return
	}
	if eof := errors.Is(err, io.ErrUnexpectedEOF); eof != (syntax.Offset == len(b)) {
		t.Errorf("Valid(%.80q) = %v at %d of %d, unexpected EOF: %v", b, err, syntax.Offset, len(b), eof)
	}
}

// survive calls everything with text that is not JSON: nothing may panic or fail to return.
func survive(b []byte) {
	Get(b, "a")
	Get(b, "a", "b")
	GetMany(b, []string{"a", ""}, make([][]byte, 2))
	EachMember(b, func(string, []byte) bool { return true })
	EachElement(b, func(int, []byte) bool { return true })
	Text(b)
	KindOf(b)
	AppendCompact(nil, b)
	Set(b, "a", []byte("1"))
	Delete(b, "a")
	var s Bounds
	s.Scan(b)
}

func compareText(t *testing.T, b []byte) {
	t.Helper()
	got, ok := Text(b)
	var want string
	if KindOf(b) != String {
		if ok || got != "" {
			t.Errorf("Text(%.80q) = %q, %v, want none", b, got, ok)
		}
		return
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if !ok || got != want {
		t.Errorf("Text(%.80q) = %q, %v, want %q", b, got, ok, want)
	}
}

func compareCompact(t *testing.T, b []byte) {
	t.Helper()
	var want bytes.Buffer
	if err := json.Compact(&want, b); err != nil {
		t.Fatal(err)
	}
	if got := AppendCompact([]byte("x"), b); string(got) != "x"+want.String() {
		t.Errorf("AppendCompact(%.80q) = %.80q, want %.80q", b, got, want.Bytes())
	}
}

// compareBounds finds the value's end in blocks cut at every place, at every eighth one in long values.
func compareBounds(t *testing.T, b []byte) {
	t.Helper()
	b = b[Next(b, 0):]
	end, err := Skip(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	stream := append(bytes.Clone(b), "\n{\"next\":1}"...)
	if kind := KindOf(b); kind != Object && kind != Array && kind != String {
		var s Bounds
		if n, done := s.Scan(stream); n != 0 || !done {
			t.Errorf("Scan(%.80q) = %d, %v, want 0, true", stream, n, done)
		}
		return
	}
	for cut := 0; cut <= end; cut += 1 + end/256 {
		var s Bounds
		n, done := s.Scan(stream[:cut])
		if cut < end && (n != cut || done) {
			t.Fatalf("Scan(%.80q) = %d, %v at a cut inside", stream[:cut], n, done)
		}
		if !done {
			var more int
			more, done = s.Scan(stream[n:])
			n += more
		}
		if n != end || !done || s.Depth() != deepest(b) {
			t.Fatalf("Scan(%.80q) cut at %d: end %d, %v, depth %d; want %d, true, %d",
				stream, cut, n, done, s.Depth(), end, deepest(b))
		}
	}
	var s Bounds
	for i := range end {
		if n, done := s.Scan(stream[i : i+1]); n != 1 || done != (i == end-1) {
			t.Fatalf("Scan(%.80q) byte by byte: %d, %v at %d, want the end at %d", stream, n, done, i, end)
		}
	}
}

// fields decodes an object's members, last duplicate wins.
func fields(t *testing.T, b []byte) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%.80q: %v", b, err)
	}
	return m
}

func compareObject(t *testing.T, b []byte) {
	t.Helper()
	want := fields(t, b)
	keys := []string{"absent", "a", ""}
	for key := range want {
		keys = append(keys, key)
	}
	dst := make([][]byte, len(keys))
	dst[0] = []byte("stale")
	GetMany(b, keys, dst)
	for i, key := range keys {
		got, ok := Get(b, key)
		if string(got) != string(want[key]) || ok != (want[key] != nil) || (got == nil) == ok {
			t.Errorf("Get(%.80q, %q) = %.80q, %v, want %.80q", b, key, got, ok, want[key])
		}
		if !bytes.Equal(dst[i], got) || (dst[i] == nil) != (got == nil) {
			t.Errorf("GetMany(%.80q) gives %.80q for %q, want %.80q", b, dst[i], key, got)
		}
		if KindOf(got) == Object {
			for inner, value := range fields(t, got) {
				if deep, _ := Get(b, key, inner); string(deep) != string(value) {
					t.Errorf("Get(%.80q, %q, %q) = %.80q, want %.80q", b, key, inner, deep, value)
				}
			}
		} else if _, ok := Get(b, key, "a"); ok {
			t.Errorf("Get(%.80q, %q, \"a\") found something in %.80q", b, key, got)
		}
		compareEdits(t, b, key, want)
	}
	compareMembers(t, b, want)
}

func compareEdits(t *testing.T, b []byte, key string, want map[string]json.RawMessage) {
	t.Helper()
	_, present := want[key]
	less := Delete(b, key)
	if !present && (len(less) != len(b) || &less[0] != &b[0]) {
		t.Errorf("Delete(%.80q, %q) = %.80q, want the same bytes", b, key, less)
	}
	left := fields(t, less)
	rest := make(map[string]json.RawMessage, len(want))
	for k, v := range want {
		if k != key {
			rest[k] = v
		}
	}
	if !reflect.DeepEqual(left, rest) {
		t.Errorf("Delete(%.80q, %q) = %.80q", b, key, less)
	}
	more := Set(b, key, []byte(`{"new":1}`))
	rest[key] = json.RawMessage(`{"new":1}`)
	if err := Valid(more); err != nil || !reflect.DeepEqual(fields(t, more), rest) {
		t.Errorf("Set(%.80q, %q) = %.80q: %v", b, key, more, err)
	}
	count := 0
	EachMember(more, func(k string, _ []byte) bool {
		if k == key {
			count++
		}
		return true
	})
	if count != 1 {
		t.Errorf("Set(%.80q, %q) = %.80q has the key %d times", b, key, more, count)
	}
}

func compareMembers(t *testing.T, b []byte, want map[string]json.RawMessage) {
	t.Helper()
	got := make(map[string]json.RawMessage)
	var keys []string
	err := EachMember(b, func(key string, value []byte) bool {
		got[key] = value
		keys = append(keys, key)
		return true
	})
	if err != nil || len(got) != len(want) || (len(want) > 0 && !reflect.DeepEqual(got, want)) {
		t.Errorf("EachMember(%.80q) = %.80q, %v, want %.80q", b, got, err, want)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.Token()
	for i := 0; dec.More(); i++ {
		key, _ := dec.Token()
		if i >= len(keys) || key != keys[i] {
			t.Fatalf("EachMember(%.80q) gives keys %q, want %q at %d", b, keys, key, i)
		}
		var skipped json.RawMessage
		if err := dec.Decode(&skipped); err != nil {
			t.Fatal(err)
		}
	}
}

func compareArray(t *testing.T, b []byte) {
	t.Helper()
	var want, got []json.RawMessage
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	err := EachElement(b, func(i int, value []byte) bool {
		if i != len(got) {
			t.Errorf("EachElement(%.80q) gives index %d after %d elements", b, i, len(got))
		}
		got = append(got, value)
		return true
	})
	if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("EachElement(%.80q) = %.80q, %v, want %.80q", b, got, err, want)
	}
}

func TestCutTextIsUnexpectedEOF(t *testing.T) {
	text := `{"a":[1.5e-3,true,null,"x\u00e9\n",{}],"b":{"c":false}}`
	for i := range text {
		_, err := Skip([]byte(text[:i]), 0)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Skip(%q) = %v, want io.ErrUnexpectedEOF", text[:i], err)
		}
	}
}

func TestSkipEndsAfterOneValue(t *testing.T) {
	for _, c := range []struct {
		text string
		from int
		end  int
	}{
		{`{"a":1}{"b":2}`, 0, 7}, {`{"a":1}{"b":2}`, 7, 14}, {" \n[1] ", 0, 5}, {`12,3`, 0, 2}, {`01`, 0, 1},
		{`"a"x`, 0, 3}, {`nullnull`, 0, 4},
	} {
		if end, err := Skip([]byte(c.text), c.from); end != c.end || err != nil {
			t.Errorf("Skip(%q, %d) = %d, %v, want %d", c.text, c.from, end, err, c.end)
		}
	}
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1,}`:                `unexpected character '}' where an object's key is due at byte 7`,
		`{"a" 1}`:                 `unexpected character '1' after an object's key at byte 5`,
		`[1 2]`:                   `unexpected character '2' after an array's element at byte 3`,
		"\"a\nb\"":                `unexpected byte 0x0a in a string at byte 2`,
		`"\x41"`:                  `unexpected character 'x' in a string's escape at byte 2`,
		`"\u00g0"`:                `unexpected character 'g' in a string's \u escape at byte 5`,
		`-x`:                      `unexpected character 'x' where a number's digit is due at byte 1`,
		`trux`:                    `unexpected character 'x' in true at byte 3`,
		`1 1`:                     `unexpected character '1' after the value at byte 2`,
		`{"a":`:                   `unexpected end of JSON where a value is due at byte 5`,
		``:                        `unexpected end of JSON where a value is due at byte 0`,
		strings.Repeat("[", 1000): `nested deeper than 512 levels at byte 512`,
	} {
		if err := Valid([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("Valid(%.40q) = %v, want %s", text, err, want)
		}
	}
}

func TestEditsKeepAllOtherBytes(t *testing.T) {
	for _, c := range []struct{ text, key, set, deleted string }{
		{`{}`, "k", `{"k":9}`, `{}`},
		{` { } `, "k", ` {"k":9 } `, ` { } `},
		{`{"a":1}`, "k", `{"a":1,"k":9}`, `{"a":1}`},
		{`{ "a" : 1.0 }`, "a", `{ "a":9 }`, `{ }`},
		{`{ "k" : 1, "b":"\u0041" }`, "k", `{ "k":9, "b":"\u0041" }`, `{ "b":"\u0041" }`},
		{`{"k":1,"k":2,"b":3,"\u006b":4}`, "k", `{"k":9,"b":3}`, `{"b":3}`},
		{"{\"b\":3,\n\"k\":1,\n\"c\":4\n}", "k", "{\"b\":3,\n\"k\":9,\n\"c\":4\n}", "{\"b\":3,\n\"c\":4\n}"},
		{`{"a":{"k":1}}`, "k", `{"a":{"k":1},"k":9}`, `{"a":{"k":1}}`},
		{`{"a":1}`, "q\"\n", `{"a":1,"q\"\n":9}`, `{"a":1}`},
		{`[1]`, "k", `[1]`, `[1]`},
		{`{"a":1`, "k", `{"a":1`, `{"a":1`},
	} {
		if got := string(Set([]byte(c.text), c.key, []byte("9"))); got != c.set {
			t.Errorf("Set(%q, %q) = %q, want %q", c.text, c.key, got, c.set)
		}
		if got := string(Delete([]byte(c.text), c.key)); got != c.deleted {
			t.Errorf("Delete(%q, %q) = %q, want %q", c.text, c.key, got, c.deleted)
		}
	}
}

func TestEachStopsEarlyAndReportsBrokenStructure(t *testing.T) {
	calls := 0
	err := EachMember([]byte(`{"a":1,"b":2`), func(string, []byte) bool { calls++; return false })
	if err != nil || calls != 1 {
		t.Errorf("EachMember stopped: %d calls, %v", calls, err)
	}
	err = EachElement([]byte(`[1,2`), func(int, []byte) bool { calls++; return false })
	if err != nil || calls != 2 {
		t.Errorf("EachElement stopped: %d calls, %v", calls, err)
	}
	for _, text := range []string{``, `[]`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1;`, `{"a`, `{1:2}`} {
		if EachMember([]byte(text), func(string, []byte) bool { return true }) == nil {
			t.Errorf("EachMember(%q) = nil, want an error", text)
		}
	}
	for _, text := range []string{``, `{}`, `[`, `[1`, `[1,`, `[1;`, `[,]`} {
		if EachElement([]byte(text), func(int, []byte) bool { return true }) == nil {
			t.Errorf("EachElement(%q) = nil, want an error", text)
		}
	}
}

func TestBoundsCountsAnyDepth(t *testing.T) {
	var s Bounds
	for range 2 {
		s.Reset()
		if n, done := s.Scan(bytes.Repeat([]byte("["), 1_000_000)); n != 1_000_000 || done {
			t.Fatalf("Scan = %d, %v", n, done)
		}
		n, done := s.Scan(append(bytes.Repeat([]byte("]"), 1_000_000), 'x'))
		if n != 1_000_000 || !done || s.Depth() != 1_000_000 {
			t.Fatalf("Scan = %d, %v, depth %d", n, done, s.Depth())
		}
	}
	if n, done := s.Scan(nil); n != 0 || done {
		t.Errorf("Scan of nothing = %d, %v", n, done)
	}
}

func TestKindOf(t *testing.T) {
	for text, want := range map[string]Kind{
		` {`: Object, "\n[": Array, `"`: String, `-1`: Number, `0`: Number, `true`: True, `false`: False,
		`null`: Null, ``: 0, ` `: 0, `x`: 0, `}`: 0,
	} {
		if got := KindOf([]byte(text)); got != want {
			t.Errorf("KindOf(%q) = %q, want %q", text, got, want)
		}
	}
}

// Where there is room a string is copied at once; what is behind it stays as it was.
func TestAppendStringWithRoom(t *testing.T) {
	for size := range 40 {
		for at := range size + 1 {
			for _, odd := range []string{"", "\"", "\\", "\n", "\x1f", " ", "\x7f", "é", "\xff"} {
				s := strings.Repeat("x", at) + odd + strings.Repeat("y", size-at)
				want := AppendString(nil, s)
				for room := range len(want) + 9 {
					dst := bytes.Repeat([]byte{'#'}, 3+room)
					got := AppendString(dst[:3], s)
					if string(got) != "###"+string(want) {
						t.Fatalf("%q with room for %d: %q, want %q", s, room, got, want)
					}
					if len(got) <= len(dst) && bytes.Trim(dst[len(got):], "#") != nil {
						t.Fatalf("%q with room for %d: written behind it: %q", s, room, dst)
					}
				}
			}
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a", "\x00\x1f\x7f\"\\/\b\f\n\r\t", "\xff\xfe", "é漢😀\u2028", "\uFFFD",
		"\xed\xa0\x80", "<&>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := AppendString([]byte("x"), s)[1:]
		var want string
		if err := json.Unmarshal(b, &want); err != nil || Valid(b) != nil || !utf8.Valid(b) {
			t.Fatalf("AppendString(%q) = %q: %v", s, b, err)
		}
		if want != string(ToValidUTF8([]byte(s))) || want != string([]rune(s)) {
			t.Errorf("AppendString(%q) means %q", s, want)
		}
		if got, ok := Text(b); got != want || !ok {
			t.Errorf("Text(%q) = %q, want %q", b, got, want)
		}
		obj := append(append([]byte("{"), b...), ":1}"...)
		if _, ok := Get(obj, want); !ok {
			t.Errorf("Get(%q, %q) finds nothing", obj, want)
		}
	})
}

func TestToValidUTF8ReturnsValidBytesThemselves(t *testing.T) {
	b := []byte("é")
	if got := ToValidUTF8(b); &got[0] != &b[0] {
		t.Error("ToValidUTF8 copied valid bytes")
	}
	if got := string(ToValidUTF8([]byte("a\xff\xfeb\xe2\x82"))); got != "a\uFFFD\uFFFDb\uFFFD\uFFFD" {
		t.Errorf("ToValidUTF8 = %q", got)
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	rec := realRecords(t)[0]
	keys := []string{"eventName", "eventSource", "userIdentity", "awsRegion"}
	dst := make([][]byte, len(keys))
	for name, f := range map[string]func(){
		"Skip":    func() { Skip(rec, 0) },
		"Get":     func() { Get(rec, "userIdentity", "arn") },
		"GetMany": func() { GetMany(rec, keys, dst) },
		"Str":     func() { Str(rec, "eventName") },
		"Bounds":  func() { var s Bounds; s.Scan(rec) },
		"Delete":  func() { Delete(rec, "absent") },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	if Str(realRecords(t)[1], "eventName") == "" {
		t.Error("the record has no eventName")
	}
}

func BenchmarkRecord(b *testing.B) {
	var rec []byte
	for _, r := range realRecords(b) {
		if _, ok := Get(r, "eventID"); ok && len(r) > len(rec) {
			r = AppendCompact(nil, r)
			rec = r
		}
	}
	keys := []string{"eventName", "eventSource", "userIdentity", "awsRegion", "eventTime",
		"eventID", "recipientAccountId", "errorCode"}
	dst := make([][]byte, len(keys))
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"Skip", func() { Skip(rec, 0) }},
		{"Bounds", func() { var s Bounds; s.Scan(rec) }},
		{"Get", func() { Get(rec, "eventSource") }},
		{"GetMany8", func() { GetMany(rec, keys, dst) }},
		{"json.Valid", func() { json.Valid(rec) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(rec)))
			b.ReportAllocs()
			for b.Loop() {
				c.f()
			}
		})
	}
}
