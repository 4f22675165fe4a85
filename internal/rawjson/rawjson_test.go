package rawjson

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
)

// texts are JSON and near-JSON: seeds for the fuzz targets and cases of the differential tests. Made up.
var texts = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `nulx`, `truefalse`, `t`, `0`, `-0`, `-`, `01`, `1.`, `.5`, `1.5e`, `1e+`, `1E-7`,
	`12345678901234567890123`, `-12.50e+10`, `1 2`, `+1`, `0x10`, `NaN`,
	`""`, `"`, `"a`, `"\`, `"\u12`, `"\u12x4"`, `"\q"`, `"a\"b"`, `"\\"`, `"\\\""`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`,
	`"\ude00\ud83d"`, `"\ud83d\u0041"`, "\"\x00\"", "\"tab\t\"", "\"del\x7f\"", "\"\xff\xfe\"", "\"\xed\xa0\x80\"", `"é漢😀"`,
	"\"" + strings.Repeat("x", 7) + "\n\"", "\"" + strings.Repeat("x", 31) + `\n"`,
	`{}`, ` { } `, `{"a":1}`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `{"a":1,"a":2}`, `{"a" :	1 ,
"b":[ 1 , {} , [] ]}`,
	`{"a":{"b":{"c":"d"}},"a":{"b":2}}`, `{"\u0061":1,"b":2}`, `{"a\nb":1}`, `{"\\":1,"\"":2,"":3}`, "{\"\xff\":1,\"\uFFFD\":2}",
	`{"é":1,"\u00e9":2}`, `{"😀":1,"\ud83d\ude00":2,"\ud83d":3}`,
	`[]`, `[ ]`, `[1,]`, `[,1]`, `[1 2]`, `[1,2`, `[`, `[[[]]]`, `[}`, `{]`, `[1]]`, `{"a":[}`, `"a" "b"`, `[1,"a",null,{"x":[true]}]`,
	strings.Repeat("[", 512) + strings.Repeat("]", 512), strings.Repeat("[", 513) + strings.Repeat("]", 513),
	strings.Repeat(`{"a":`, 512) + "1" + strings.Repeat("}", 512), strings.Repeat("[", 10000),
	"\ufeff{}", "{}\x00", "[1]\v",
}

func depthOf(s string) int {
	var b Bounds
	b.Scan([]byte(strings.TrimSpace(s)))
	return b.Depth()
}

func TestValidAgreesWithEncodingJSON(t *testing.T) {
	for _, s := range texts {
		err := Valid([]byte(s))
		want := json.Valid([]byte(s)) && depthOf(s) <= MaxDepth
		if (err == nil) != want {
			t.Errorf("Valid(%.60q) = %v, encoding/json says %v", s, err, want)
		}
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
