package terminal

import (
	"encoding/json"
	"testing"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 日本 😀":       "plain é 日本 😀",
		"a\x1b[31mb":         `a\u001b[31mb`,
		"a\nb\tc\rd":         `a\u000ab\u0009c\u000dd`,
		"\u0085\u009b\u007f": `\u0085\u009b\u007f`,
		"\u202e\u2066\u061c": `\u202e\u2066\u061c`, // turn the direction of writing
		"\u200b\ufeff\u2060": `\u200b\ufeff\u2060`, // are not seen
		"\U000e0041":         `\udb40\udc41`,
		"\u00ad\u3164":       `\u00ad\u3164`,
	} {
		if got := Line(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
		var back string
		if err := json.Unmarshal([]byte(`"`+Line(in)+`"`), &back); err != nil || back != in {
			t.Errorf("%q comes back as %q: %v", in, back, err)
		}
	}
	if got := Line("a\x9b31mb"); got != "a\ufffd31mb" {
		t.Errorf("an 8-bit control sequence becomes %q", got)
	}
}
