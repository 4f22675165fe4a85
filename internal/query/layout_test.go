package query

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// The quick way to print a value gives what the one that paints it gives, less its colours.
func FuzzLayout(f *testing.F) {
	for _, s := range []string{`{}`, `[ ]`, `{"a" : [1, {"b":null} , "x\"]"],"c":{ }}`, `-1.5e3`, `"\u0041"`, "[true,\n\tfalse]", `[[],{}]`, ` 1 `} {
		f.Add(s)
	}
	colours := regexp.MustCompile("\x1b\\[[0-9;]*m")
	f.Fuzz(func(t *testing.T, s string) {
		raw := []byte(s)
		if rawjson.Valid(raw) != nil || bytes.ContainsRune(raw, 0x1b) {
			return
		}
		for _, o := range []Options{{Compact: true}, {Indent: 2}, {Tab: true}, {Indent: 7}, {Indent: 0}} {
			plain, painted := newPrinter(&o, false), newPrinter(&o, false)
			painted.color = true
			want := colours.ReplaceAll(painted.format(nil, raw), nil)
			if got := plain.format(nil, raw); !bytes.Equal(got, want) {
				t.Errorf("%+v of %q\n got %q\nwant %q", o, s, got, want)
			}
		}
	})
}
