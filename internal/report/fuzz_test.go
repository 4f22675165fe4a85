package report

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/trailcast/trailcast/internal/terminal"
)

// harmless fails the test for every character that a terminal would obey or nobody would see, other than the ends of
// lines; Hostile allows newlines and tabs.
func harmless(t testing.TB, out, lineEnd string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Errorf("not UTF-8: %q", out)
	}
	for _, r := range strings.ReplaceAll(out, lineEnd, "") {
		if terminal.Hostile(r) || r == '\t' || r == '\n' {
			t.Fatalf("%q comes out: %q", r, out)
		}
	}
}

func everywhere(text string) *Report {
	s := Session{
		ID: text, Account: text, AccountName: text, Region: text, Target: text, Document: text, Reason: text, User: text, Role: text,
		ActorARN: text, ActorKind: text, SourceIP: text, UserAgent: text, MFA: text, Service: text, Error: text, Ending: text,
		TerminatedBy: text, Logged: text, Alerts: []string{text}, Transcript: raw("$ " + text),
	}
	attempt := s
	attempt.Outcome = text
	return &Report{Title: text, Notes: []string{text}, Sessions: []Session{s, attempt}}
}

// FuzzWriters holds that no writer lets anything hostile out, or breaks its format, whatever the text.
func FuzzWriters(f *testing.F) {
	for _, seed := range []string{
		hostile, "", "plain", "=1", "\xc2", "\xe2\x80", "a\r\nb", "日本\u3000語", "\u0301\u0301", "</script><!--<script>", "\U000e0041", "\\u001b", "￾",
	} {
		f.Add(seed, uint8(80))
	}
	scripts := strings.Count(html(f, everywhere("x"), nil), "<script")
	f.Fuzz(func(t *testing.T, text string, width uint8) {
		r := everywhere(text)
		if err := r.Select(Query{Group: "target"}); err != nil {
			t.Fatal(err)
		}

		table := tableOf(t, r, int(width), false)
		harmless(t, table, "\n")
		for line := range strings.Lines(table) {
			if n := columnsOf(strings.TrimSuffix(line, "\n")); width > 0 && n > max(int(width), minWidth) {
				t.Errorf("width %d: %d columns: %q", width, n, line)
			}
		}

		sheet := csvOf(t, r)
		harmless(t, sheet, "\r\n")
		rows, err := csv.NewReader(strings.NewReader(sheet)).ReadAll()
		if err != nil || len(rows) != 3 {
			t.Fatalf("%d rows, %v: %q", len(rows), err, sheet)
		}
		for _, field := range rows[1] {
			if strings.IndexAny(strings.TrimLeft(field, " \u00a0\u3000"), "=+-@＝＋－＠") == 0 {
				t.Errorf("a formula: %q", field)
			}
		}

		doc := jsonOf(t, r)
		harmless(t, doc, "\n")
		var back struct{ Sessions []struct{ Reason string } }
		if err := json.Unmarshal([]byte(doc), &back); err != nil || back.Sessions[0].Reason != string([]rune(text)) {
			t.Errorf("%v: %q becomes %+v", err, text, back)
		}

		page := html(t, r, nil)
		harmless(t, page, "\n")
		if n := strings.Count(strings.ToLower(page), "<script"); n != scripts {
			t.Errorf("%d scripts, want %d", n, scripts)
		}
	})
}
