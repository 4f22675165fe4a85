package report

import (
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

func TestFilesHoldLongTexts(t *testing.T) {
	r := &Report{Sessions: []Session{
		{ID: "short", Transcript: raw("$ ls\r\na b\r\n")},
		{ID: "long", Transcript: long(5 << 20)},
		{ID: "none"},
		{ID: "broken", Transcript: broken{atOpen: true}},
	}}
	files := memory{}
	page := html(t, r, files)
	if len(files) != 1 || files["long-2.txt"] == nil {
		t.Fatalf("files %v", files)
	}
	text := files["long-2.txt"].String()
	harmless(t, text, "\n")
	if !strings.HasPrefix(text, "$ echo 0\nline 0, with some text that goes on for a while\n") || len(text) < 4<<20 || strings.Count(text, "$ echo") < 50_000 {
		t.Errorf("%d bytes of text: %.100q", len(text), text)
	}
	if !strings.Contains(page, `"log_error":"open log: no such object"`) || !strings.Contains(page, `"file":"long-2.txt"`) {
		t.Error("the page does not tell of the file, or of the log that could not be read")
	}
	if len(page) > 150_000 {
		t.Errorf("the page has %d bytes", len(page))
	}
	r.Sessions[1].Transcript = long(50_000)
	if page := html(t, r, nil); strings.Contains(page, `"file"`) {
		t.Error("a page without files links to one")
	}
}

func TestPageHasALimit(t *testing.T) {
	r := many(100)
	files := memory{}
	full := html(t, r, files)
	begun := len(files)
	if strings.Contains(full, "shortened") {
		t.Error("a page with room is shortened")
	}
	facts := len(html(t, &Report{Sessions: withoutTexts(r.Sessions)}, nil))
	for _, limit := range []int{(len(full) + facts) / 2, facts + 50_000, 1} {
		r.MaxPage = int64(limit)
		files = memory{}
		page := html(t, r, files)
		if len(page) > limit && limit > 1 {
			t.Errorf("%d bytes, more than %d", len(page), limit)
		}
		says := "Texts of sessions are shortened to "
		if limit == 1 {
			says = "This page has no texts of sessions"
		}
		if !strings.Contains(page, says) {
			t.Errorf("limit %d: the page does not say %s", limit, says)
		}
		if len(files) <= begun {
			t.Errorf("limit %d: %d files: what became too long for the page has none", limit, len(files))
		}
	}
	logged := 0
	for _, s := range r.Sessions {
		if s.Transcript != nil {
			logged++
		}
	}
	if len(files) != logged { // the last page has no texts: all of them are in files
		t.Errorf("%d files for %d logs", len(files), logged)
	}
}

// TestTextsAreHeldWithinTheirRoom holds that memory is bounded while texts are read, not only the page afterwards.
func TestTextsAreHeldWithinTheirRoom(t *testing.T) {
	const room = 40_000
	r := many(100)
	held := newTexts(nil, room)
	for i := range r.Sessions {
		if err := held.add(&r.Sessions[i]); err != nil {
			t.Fatal(err)
		}
		if held.size > room {
			t.Fatalf("%d bytes are held after %d sessions, more than %d", held.size, i+1, room)
		}
	}
	if held.limit == 0 || held.limit == excerptLimit {
		t.Errorf("texts are cut to %d", held.limit)
	}
}

func withoutTexts(sessions []Session) []Session {
	var bare []Session
	for _, s := range sessions {
		s.Transcript = nil
		bare = append(bare, s)
	}
	return bare
}

type full struct{}

var errFull = errors.New("disk full")

func (full) Create(string) (io.WriteCloser, error) { return full{}, nil }
func (full) Write([]byte) (int, error)             { return 0, errFull }
func (full) Close() error                          { return nil }

func TestFailingFilesFailTheReport(t *testing.T) {
	r := &Report{Sessions: []Session{{ID: "long", Transcript: long(50_000)}}}
	if err := r.WriteHTML(io.Discard, full{}); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	r = many(50)
	r.MaxPage = 1 // texts that were whole in the page move to files
	if err := r.WriteHTML(io.Discard, full{}); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
	for name, write := range map[string]func(io.Writer) error{
		"table": func(w io.Writer) error { return r.WriteTable(w, 80, false) }, "CSV": r.WriteCSV, "JSON": r.WriteJSON,
		"NDJSON": r.WriteNDJSON, "HTML": func(w io.Writer) error { return r.WriteHTML(w, nil) },
	} {
		if err := write(full{}); !errors.Is(err, errFull) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestFileNames(t *testing.T) {
	safe := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*\.txt$`)
	seen := map[string]bool{}
	for i, id := range []string{"", "..", "../../etc/passwd", "a/b", "A/B", "con", "NUL", "-rf", ".hidden", "bob@example.com-0abc", hostile,
		strings.Repeat("é", 200), "same", "same", "SAME", "a\x00b", "x.txt:stream"} {
		name := fileName(id, i)
		if !safe.MatchString(name) || len(name) > 120 || seen[strings.ToLower(name)] {
			t.Errorf("%q becomes %q", id, name)
		}
		seen[strings.ToLower(name)] = true
	}
}

// TestPageWithoutScript holds what the page shows before, or without, its script.
func TestPageWithoutScript(t *testing.T) {
	page := html(t, small(), nil)
	for _, want := range []string{
		"<title>Sessions of payments</title>", "2026-11-01 00:00 to 2026-11-08 00:00 UTC", "12 pieces of input could not be read",
		"<dt>Sessions</dt><dd>4</dd>", "2026-11-04: 1 session, 1 attempt without one", "1 more that began on none of these days",
		`data-key="who" data-value="alice"`, "<noscript>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, not := range []string{"http://", "https://", " style=", " onclick="} {
		if rest := strings.ReplaceAll(page, svgNamespace, ""); strings.Contains(rest, not) {
			t.Errorf("the page has %s", not)
		}
	}
}

const svgNamespace = "http://www.w3.org/2000/svg"

func TestDays(t *testing.T) {
	r := &Report{Sessions: []Session{{Started: at("2026-11-01 23:00:00")}, {Started: at("2026-11-03 23:00:00")}, {}, {Started: at("0001-01-02 00:00:00")}}}
	days, elsewhere := r.days(r.all())
	if len(days) != maxDays || elsewhere != 2 || days[maxDays-1].Date != "2026-11-03" || days[maxDays-3].Sessions != 1 {
		t.Errorf("%d days, the last %+v, %d elsewhere", len(days), days[len(days)-1], elsewhere)
	}
	r.Since, r.Until = at("2026-11-01 12:00:00"), at("2026-11-04 00:00:00")
	days, elsewhere = r.days(r.all())
	if len(days) != 3 || elsewhere != 2 || days[0].High != 100 || days[1].High != 0 {
		t.Errorf("%+v, %d elsewhere", days, elsewhere)
	}
	if days, elsewhere := (&Report{}).days(nil); len(days) != 0 || elsewhere != 0 {
		t.Errorf("of nothing: %+v, %d", days, elsewhere)
	}
}
