package redact

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"
)

func TestOpening(t *testing.T) {
	tests := []struct{ expr, text, want string }{ // want: what is replaced
		{`key=(?P<secret>\w{8,})`, "a key=b", "b"},
		{`key=(?P<secret>\w{8,})`, "a key=", ""},
		{`key=(?P<secret>\w{8,})`, "a key=b c", ""},
		{`//(?P<secret>[^@]+)@`, "x//abc", "abc"},
		{`<(?P<secret>a+)>!(?:yes|no) b`, "<aa>!ye", "aa>!ye"},
		{`T-\d+`, "x T-1", "T-1"},
		{`T-\d+`, "x T", ""},
		{`\b(?:gh[po]_[a-z]{20,}|pat-[a-z]{5})`, "gho_ab", "gho_ab"},
		{`\b(?:gh[po]_[a-z]{20,}|pat-[a-z]{5})`, "pat-abc", "pat-abc"},
		{`(?i)PASS=(?P<secret>"[^"]+"|\S+)`, `pass="a b`, `"a b`},
		{`(?:a=(?P<secret>\d{4}))`, "a=12", "12"},
		{`[0-9]{16}`, "card 1234", "1234"},
		{`(?s)BEGIN(?P<secret>.*?)(?:END|$)`, "BEGIN x\ny", " x\ny"},
	}
	for _, tt := range tests {
		r, err := newRule("x", tt.expr)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if m := r.open.FindStringSubmatchIndex(tt.text); m != nil {
			got = tt.text[first(m[2:]):]
		}
		if got != tt.want {
			t.Errorf("%s of %q: got %q, want %q", tt.expr, tt.text, got, tt.want)
		}
	}
}

// FuzzWrite holds what is written of an expression to match what the expression does.
func FuzzWrite(f *testing.F) {
	for _, r := range defaultRules() {
		f.Add(r.re.String(), "password=x")
	}
	f.Add(`(?i)[^a-k]+?x*(?m:^a$)\b\B.(?s:.)\A\zä{2,3}`, "ab\nc")
	f.Fuzz(func(t *testing.T, expr, text string) {
		if len(expr) > 300 {
			return
		}
		tree, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			return
		}
		var b strings.Builder
		write(&b, tree)
		re, err := regexp.Compile(b.String())
		if err != nil {
			return // it became too large
		}
		want, got := regexp.MustCompile(expr).FindStringIndex(text), re.FindStringIndex(text)
		if (want == nil) != (got == nil) || want != nil && (want[0] != got[0] || want[1] != got[1]) {
			t.Errorf("%s, written as %s: got %v of %q, want %v", expr, b.String(), got, text, want)
		}
		opening(expr)
	})
}
