package rawjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// Pieces of text that are hard to read when a block ends in the middle of them.
var pieces = []string{
	`"b":"c"`, `"eventName":"x"`, `"b":"\\"`, `"b":"\\\""`, `"b":"\"","eventName":"\\\\"`, `"b":"\u0022\ud83d\ude00"`, `"event\u004eame":1`,
	`"b":{"eventVersion":"1"}`, `"b":[1,-0.5e+7,true,false,null,{},[],[[]],"",{"c":[{"d":"}"}]}]`, `"b":"é😀` + "\xff" + `"`, `"eventName":"é"`,
	`"b":"\x"`, `"b":"\u12g4"`, `"b":"\`, `"b":"` + "\t" + `"`, `"b":` + "\n" + `1`, `"b": 1`, `"b" :1`, `"b"` + "\r\n\t " + `: [ 1 , "c\t" , { } , [ ] , { "d" : "\n" } ] `, "\n" + `"b":"` + "\n" + `"`, `"b":[` + "\n" + `"c",` + "\t" + `"` + "\t" + `"]`,
	`"b":` + "\v" + `1`, `"b":{ ,}`, `"b":[ ,]`, `"b":[1 2]`, `"b": `, ` `, `"b":t rue`, `"b":1 2`, `"b":01`, `"b":tru`, `"b":truex`, `"b":[1}`, `"b":{1}`,
	`"b"`, `"b":"c"d`, `"b":"c""d"`, `"b":1,`, `,`, `"b":[,1]`, `"b":[1,]`, `"b":{"c":1,}`, `"b":\"c"`, `"b":}`, `"b":-`, `"b":1.`, `"b":1e`,
	`"b":` + strings.Repeat("[", 62) + strings.Repeat("]", 62), `"b":` + strings.Repeat("[", 63) + strings.Repeat("]", 63), "\x00", "\xff",
}

func TestPlainAgreesWithEncodingJSON(t *testing.T) {
	for _, piece := range pieces {
		for pad := range 2*blockSize + 8 {
			text := fmt.Sprintf(`{"a":"%s",%s}`, strings.Repeat("p", pad), piece)
			comparePlain(t, []byte(text))
			comparePlain(t, []byte(text+`,{"x":"\"`))
			comparePlain(t, []byte(text+"\n"+strings.Repeat(`{"x":"\x"}`, 20)))
		}
	}
	for _, text := range nestedMembers {
		for pad := range blockSize {
			comparePlain(t, fmt.Appendf(nil, `{"pad":"%s",%s`, strings.Repeat("p", pad), text[1:]))
		}
	}
	for _, b := range samples(t) {
		comparePlain(t, b)
		if len(b) < 3000 {
			for i := range b {
				comparePlain(t, b[:i])
				comparePlain(t, append(bytes.Clone(b[:i]), b[i+1:]...))
			}
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	for _, text := range nestedMembers {
		f.Add([]byte(text))
	}
	for _, piece := range pieces {
		f.Add([]byte(`{"a":"` + strings.Repeat("p", 45) + `",` + piece + `,"c":1}`))
	}
	f.Fuzz(comparePlain)
}

// comparePlain holds that Plain takes what is plain and valid, nothing else, says how it is written, and finds its members.
func comparePlain(t *testing.T, b []byte) {
	t.Helper()
	found := make([]Span, someKeys.count)
	end, form, ok := someKeys.Plain(b, found)
	if !ok {
		if end != 0 && end != len(b) {
			t.Fatalf("%q: it is cut at %d of %d", b, end, len(b))
		}
		var bounds Bounds
		if len(b) == 0 || b[0] != '{' {
			return
		}
		n, done := bounds.Scan(b)
		if raw := b[:n]; done && Next(b, 1) < n-1 && bounds.Depth() <= 63 && utf8.Valid(raw) && Valid(raw) == nil {
			t.Fatalf("%q: %q is plain", b, raw)
		}
		return
	}
	raw := b[:end]
	if !utf8.Valid(raw) || !json.Valid(raw) {
		t.Fatalf("%q is not plain", raw)
	}
	if compact := bytes.Equal(AppendCompact(nil, raw), raw); form.Compact != compact {
		t.Fatalf("%q: compact is %v, want %v", raw, form.Compact, compact)
	}
	if form.Literal && bytes.IndexByte(raw, '\\') >= 0 || !form.Literal && bytes.IndexByte(b, '\\') < 0 {
		t.Fatalf("%q: literal is %v", raw, form.Literal)
	}
	compareFound(t, someKeys, raw, raw, found)
}

// What is only cut off is told from what is broken, so that nobody reads on for the sake of it.
func TestPlainTellsWhatIsCut(t *testing.T) {
	found := make([]Span, someKeys.count)
	text := []byte(`{"a":"` + strings.Repeat("p", 70) + `","b":{"c":["d",{},[]]},"e":"f\\n\u00e9\"","g":[true,false,null,12]}`)
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, " ", "\t"); err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{text, indented.Bytes()} {
		for i := 2; i < len(text); i++ {
			if end, _, ok := someKeys.Plain(text[:i], found); ok || end != i {
				t.Errorf("%q: %d, %v, want %d, false", text[:i], end, ok, i)
			}
		}
	}
	for _, s := range []string{`{ "a":1 2`, `{"a" 1`, `{"a":1 :`, `{ ,`, `{"a":"` + "\n", "{\n" + `"a":"` + "\n", `{"a":"\x`, `{"a":1}}`[:6] + `]`, `{"a":"b"c`, `{"a":[1}`, `[`, `{}`} {
		if end, _, ok := someKeys.Plain([]byte(s), found); ok || end != 0 {
			t.Errorf("%q: %d, %v, want 0, false", s, end, ok)
		}
	}
}

func TestPlainAllocatesNothing(t *testing.T) {
	text := []byte(`{"eventVersion":"1","a":"é\n","eventName":"x"}` + "\n")
	found := make([]Span, someKeys.count)
	if n := testing.AllocsPerRun(100, func() {
		if _, _, ok := someKeys.Plain(text, found); !ok {
			t.Fatal("it is plain")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
