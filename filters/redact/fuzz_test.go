package redact

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// ruleLines are the lines of all rules that tell a secret before it begins.
func ruleLines(t testing.TB) (lines []string) {
	t.Helper()
	for _, r := range defaultRules() {
		if r.open != nil {
			corpus(t, filepath.Join("rules", r.name+".txt"), func(text string, must bool) {
				if must {
					lines = append(lines, text)
				}
			})
		}
	}
	return lines
}

// isEdit reports whether a text is what another becomes when parts of it are replaced.
func isEdit(before, after, replacement string) bool {
	parts := strings.Split(after, replacement)
	rest, ok := strings.CutPrefix(before, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, p := range parts[1:] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(before, parts[last])
}

// FuzzSession holds the text of any session to this: the record stays valid, keeps its lines, and nothing is changed but for
// parts that are replaced.
func FuzzSession(f *testing.F) {
	for _, text := range ruleLines(f) {
		f.Add(text, "$ ls")
	}
	f.Add("-----BEGIN PRIVATE KEY-----\nMIIE\n", "AAAA\n-----END PRIVATE KEY-----")
	f.Add("Password: ", "hun\x1b[31mter2\b\x1b[K \r\x1b]0;t\a\u009b1m")
	r := filter(f, Config{Defaults: true, Replacement: "\u25a0"})
	f.Fuzz(func(t *testing.T, first, second string) {
		if !utf8.ValidString(first) || !utf8.ValidString(second) || strings.Contains(first+second, "\u25a0") {
			return
		}
		r.memory = newMemory(1 << 20)
		records := [][]string{strings.Split(first, "\n"), strings.Split(second, "\n")}
		got := texts(t, r, records...)
		for i := range records {
			if len(got[i]) != len(records[i]) {
				t.Fatalf("%d lines of %d", len(got[i]), len(records[i]))
			}
			for k, line := range got[i] {
				if !isEdit(records[i][k], line, "\u25a0") {
					t.Errorf("%q becomes %q", records[i][k], line)
				}
			}
		}
	})
}

// FuzzCut cuts a line with a secret anywhere: when nothing of it is left in one record, nothing is in two.
func FuzzCut(f *testing.F) {
	lines := ruleLines(f)
	for i := range lines {
		f.Add(uint(i), uint(20+i), "$ ", " x")
	}
	f.Add(uint(10), uint(37), "0\r", "1")
	r := filter(f, Config{Defaults: true})
	f.Fuzz(func(t *testing.T, n, cut uint, before, after string) {
		text := before + lines[n%uint(len(lines))] + after
		at := int(cut % uint(len(text)))
		if len(text) > 2000 || strings.ContainsAny(text, "\n") || !utf8.ValidString(text[:at]) || !utf8.ValidString(text[at:]) {
			return
		}
		if viewOf(after).moves {
			return // what is drawn over the begin of the line changes what the line says
		}
		if viewOf(before).moves && strings.ContainsFunc(before, isNoise) {
			return // binary data, of which a terminal shows nothing certain
		}
		r.memory = newMemory(1 << 20)
		if whole := texts(t, r, []string{text, "$ ls"})[0][0]; strings.Contains(whole, "USH") || strings.Contains(whole, "HUP") {
			return
		}
		r.memory = newMemory(1 << 20)
		got := texts(t, r, []string{text[:at]}, []string{text[at:], "$ ls"})
		for _, s := range []string{got[0][0], got[1][0]} {
			if strings.Contains(s, "USH") || strings.Contains(s, "HUP") {
				t.Errorf("%q and %q leave %q and %q", text[:at], text[at:], got[0], got[1])
			}
		}
	})
}

func isNoise(r rune) bool {
	return r < ' ' && !strings.ContainsRune("\a\b\t\n\r\x1b", r) || r >= 0x7f && r < 0xa0 || r == utf8.RuneError
}

// FuzzPiece redacts broken pieces of sessions.
func FuzzPiece(f *testing.F) {
	f.Add([]byte(`{"sessionId":"a","sessionData":["mysql -pabc","-----BEGIN PRIVATE KEY-----","x`))
	f.Add([]byte("\xff\"\\u001b[1m\" password=\"abcdef"))
	r := filter(f, Config{Defaults: true})
	f.Fuzz(func(t *testing.T, raw []byte) {
		kept := string(raw)
		got := r.redactPiece(raw)
		if string(raw) != kept {
			t.Error("the piece was written to")
		}
		if !bytes.Contains(got, []byte(defaultReplacement)) && string(got) != kept {
			t.Errorf("%q becomes %q without a replacement", raw, got)
		}
	})
}

func TestDocumentationListsTheRules(t *testing.T) {
	doc, err := os.ReadFile("../../docs/redaction.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range defaultRules() {
		if !strings.Contains(string(doc), "| `"+r.name+"` |") {
			t.Errorf("docs/redaction.md does not list the rule %s", r.name)
		}
	}
}
