package template

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// longHash begins the SHA-256 of 129 letters x.
const longHash = "0ec9eb33e74510bc"

// hostile are values that try to leave their place.
var hostile = []string{
	"", " ", ".", "..", "...", "a.b.>", "*", ">", "$SYS", "$JS.API", "_INBOX.x", "../../x", "/etc/passwd", `..\..\x`,
	`C:\x`, "a/b", "-rf", ".hidden",
	"x.", "con", "CON", "nul.txt", "COM1", "lpt9.log", "com10", "a\nb", "a\r\nX-Evil: 1", "\x00", "a\x00b", "\x7f",
	"\u0085", "\u2028", "\u202e",
	"\u00a0", "\u3000", "\ufeff", "\ue000", "\xff\xfe", "\xed\xa0\x80", "a\xc3", "é漢😀", "a\tb",
	strings.Repeat("x", 10<<10), strings.Repeat("../", 4000),
	strings.Repeat("漢", 43), strings.Repeat("漢", 42), strings.Repeat("漢", 5000), strings.Repeat("x", 127),
	strings.Repeat("x", 128),
	strings.Repeat("x", 129), strings.Repeat("\xff", 129), "con." + strings.Repeat("x", 124),
	strings.Repeat("a.", 64), strings.Repeat("x", 1024),
	strings.Repeat("x", 1025), "root", "123456789012", "admin/jane@example.com",
}

func TestEscapes(t *testing.T) {
	for _, c := range []struct{ value, token, segment, header string }{
		{"", "_", "_", ""},
		{"ec2", "ec2", "ec2", "ec2"},
		{"a.b.>", "a_b__", "a.b._", "a.b.>"},
		{"../../x", "__/__/x", "_._.._x", "../../x"},
		{"a\nb\r", "a_b_", "a_b_", "a_b_"},
		{"$SYS", "_SYS", "$SYS", "$SYS"},
		{"a$", "a$", "a$", "a$"},
		{"..", "__", "__", ".."},
		{".", "_", "_", "."},
		{"-rf", "-rf", "_rf", "-rf"},
		{"CON", "CON", "_CON", "CON"},
		{"nul.tar.gz", "nul_tar_gz", "_nul.tar.gz", "nul.tar.gz"},
		{"COM1", "COM1", "_COM1", "COM1"},
		{"com10", "com10", "com10", "com10"},
		{"a b", "a_b", "a_b", "a b"},
		{"admin/jane@example.com", "admin/jane@example_com", "admin_jane@example.com", "admin/jane@example.com"},
		{"é漢😀", "é漢😀", "é漢😀", "é漢😀"},
		{"a\xffb", "a_b", "a_b", "a\uFFFDb"},
		{"\u202ex\u00a0\u2028", "_x__", "_x__", "\u202ex\u00a0_"},
		{strings.Repeat("x", 128), strings.Repeat("x", 128), strings.Repeat("x", 128), strings.Repeat("x", 128)},
		{
			strings.Repeat("x", 129), strings.Repeat("x", 111) + "-" + longHash,
			strings.Repeat("x", 111) + "-" + longHash,
			strings.Repeat("x", 129),
		},
	} {
		if got := string(AppendToken([]byte("p"), c.value)); got != "p"+c.token {
			t.Errorf("AppendToken(%.40q) = %q, want %q", c.value, got, c.token)
		}
		if got := string(AppendPathSegment([]byte("p"), c.value)); got != "p"+c.segment {
			t.Errorf("AppendPathSegment(%.40q) = %q, want %q", c.value, got, c.segment)
		}
		if got := string(AppendHeader([]byte("p"), c.value)); got != "p"+c.header {
			t.Errorf("AppendHeader(%.40q) = %q, want %q", c.value, got, c.header)
		}
	}
}

func TestHostileValues(t *testing.T) {
	for _, value := range hostile {
		checkEscapes(t, value)
	}
}

func FuzzEscapes(f *testing.F) {
	for _, value := range hostile {
		f.Add(value)
	}
	f.Fuzz(checkEscapes)
}

// checkEscapes states what each escape promises, whatever the value is.
func checkEscapes(t *testing.T, value string) {
	token := string(AppendToken(nil, value))
	segment := string(AppendPathSegment(nil, value))
	header := string(AppendHeader(nil, value))
	for name, s := range map[string]string{"token": token, "segment": segment} {
		if s == "" || len(s) > MaxValue || !utf8.ValidString(s) || strings.ContainsFunc(s, hidden) {
			t.Errorf("%.80q gives the %s %q", value, name, s)
		}
		ascii := !strings.ContainsFunc(value, func(r rune) bool { return r >= utf8.RuneSelf })
		if ascii && len(value) > MaxValue && (len(s) != MaxValue || s[MaxValue-17] != '-') {
			t.Errorf("%.80q gives the %s %q, want a hash at its end", value, name, s)
		}
	}
	if strings.ContainsAny(token, " .*>") || token[0] == '$' {
		t.Errorf("%.80q gives the token %q", value, token)
	}
	if strings.ContainsAny(segment, `/\<>:"|?* `) || strings.ContainsAny(segment[:1], ".-") ||
		strings.HasSuffix(segment, ".") ||
		!filepath.IsLocal(segment) || isDevice(segment) || filepath.Base(segment) != segment {
		t.Errorf("%.80q gives the segment %q", value, segment)
	}
	if strings.ContainsFunc(header, unicode.IsControl) || strings.ContainsAny(header, "\u2028\u2029") ||
		!utf8.ValidString(header) ||
		len(header) > MaxHeader || (header == "") != (value == "") {
		t.Errorf("%.80q gives the header %q", value, header)
	}
}

// hidden reports characters that do not show as themselves.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs)
}

func TestLongValuesWithOneBeginningStayApart(t *testing.T) {
	a, b := strings.Repeat("漢", 200)+"a", strings.Repeat("漢", 200)+"b"
	for name, escape := range map[string]func([]byte, string) []byte{
		"token": AppendToken, "segment": AppendPathSegment,
	} {
		x, y := string(escape(nil, a)), string(escape(nil, b))
		if x == y || x[:len(x)-17] != strings.Repeat("漢", 37) {
			t.Errorf("%s: %q and %q", name, x, y)
		}
	}
	long := strings.Repeat("x", MaxHeader)
	if string(AppendHeader(nil, long+"a")) == string(AppendHeader(nil, long+"b")) {
		t.Error("two long header values are the same")
	}
}
