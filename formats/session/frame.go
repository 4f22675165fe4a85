package session

import (
	"strings"
	"time"
)

// Frame is what the recorder of a session wrote around its text. The SSM agent has transcripts made by script on Linux
// and by PowerShell on Windows.
type Frame struct {
	Started, Ended Stamp
}

// Stamp is a time as a recorder wrote it.
type Stamp struct {
	Text  string
	Time  time.Time // zero where Text is of no known form, as in most languages
	Zoned bool      // Text tells its zone; else Time is the host's local time, given as if it were UTC
}

const (
	scriptStart = "Script started on "
	scriptEnd   = "Script done on "
	shellStart  = "PowerShell transcript start"
	shellEnd    = "PowerShell transcript end"
	stars       = "**********************"
	maxHeader   = 40 // lines of a header that are held until it proves to be one
)

// framer keeps a recorder's lines out of the text: a header at its begin, a trailer at its end. The same lines elsewhere
// are text.
type framer struct {
	yield func(string)
	frame Frame
	begun bool     // a line has come that is no header's
	held  []string // what may be a header, or a trailer with an empty line before it
}

func (f *framer) line(s string) {
	if !f.begun {
		f.head(s)
		return
	}
	if f.trails(s) {
		f.held = append(f.held, s)
		return
	}
	f.flush()
	if f.trails(s) {
		f.held = append(f.held, s)
		return
	}
	f.yield(s)
}

func (f *framer) flush() {
	for _, s := range f.held {
		f.yield(s)
	}
	f.held = f.held[:0]
}

// head takes a line at the begin of the text.
func (f *framer) head(s string) {
	n := len(f.held)
	switch {
	case n == 0 && strings.HasPrefix(s, scriptStart):
		f.begun = true
		f.frame.Started = scriptStamp(s[len(scriptStart):])
	case n == 0 && s == stars, n == 1 && strings.HasSuffix(s, shellStart), n > 1 && n < maxHeader && s != stars:
		f.held = append(f.held, s)
	case n > 1 && s == stars:
		f.begun = true
		f.frame.Started = shellStamp(f.held, "Start time: ")
		f.held = f.held[:0]
	default:
		f.begun = true
		f.flush()
		f.line(s)
	}
}

// trailer returns what is held but for an empty line before it.
func (f *framer) trailer() []string {
	if len(f.held) > 0 && f.held[0] == "" {
		return f.held[1:]
	}
	return f.held
}

// complete reports whether lines are a whole trailer, perhaps with empty lines after it.
func complete(trailer []string) bool {
	return len(trailer) > 0 && strings.HasPrefix(trailer[0], scriptEnd) || len(trailer) >= 4
}

// trails reports whether s begins a trailer, or goes on with it.
func (f *framer) trails(s string) bool {
	trailer := f.trailer()
	switch n := len(trailer); {
	case n == 0:
		return s == "" && len(f.held) == 0 || s == stars || strings.HasPrefix(s, scriptEnd)
	case complete(trailer):
		return s == "" && n < maxHeader
	case n == 1:
		return strings.HasSuffix(s, shellEnd)
	case n == 2:
		return strings.HasPrefix(s, "End time: ")
	default:
		return s == stars
	}
}

// close ends the text: a trailer that is complete is none of it.
func (f *framer) close() {
	if !f.begun {
		f.flush()
		return
	}
	trailer := f.trailer()
	if !complete(trailer) {
		f.flush()
		return
	}
	if text, ok := strings.CutPrefix(trailer[0], scriptEnd); ok {
		f.frame.Ended = scriptStamp(text)
	} else {
		f.frame.Ended = shellStamp(trailer, "End time: ")
	}
	f.held = nil
}

// scriptStamp reads the time of script: ISO 8601 since util-linux 2.35, with properties in brackets after it; before,
// and on BSDs, what the language's calendar writes.
func scriptStamp(s string) Stamp {
	text, _, _ := strings.Cut(s, " [")
	stamp := Stamp{Text: strings.TrimSpace(text)}
	for _, layout := range []string{
		"2006-01-02 15:04:05-07:00", "2006-01-02 15:04:05-0700", "2006-01-02T15:04:05-07:00",
		"Mon 02 Jan 2006 03:04:05 PM MST", "Mon 02 Jan 2006 15:04:05 MST", "Mon Jan _2 15:04:05 2006",
		"Mon _2 Jan 2006 03:04:05 PM MST", "Mon Jan _2 15:04:05 MST 2006",
	} {
		at, err := time.Parse(layout, stamp.Text)
		if err != nil {
			continue
		}
		stamp.Zoned = strings.Contains(layout, "-07") || strings.Contains(layout, "MST") && (strings.Contains(stamp.Text, "UTC") || strings.Contains(stamp.Text, "GMT"))
		// Go makes up an offset of 0 for the abbreviation of a zone that it does not know.
		stamp.Time = time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.UTC)
		if strings.Contains(layout, "-07") {
			stamp.Time = at.UTC()
		}
		return stamp
	}
	return stamp
}

// shellStamp reads the time in a header or trailer of PowerShell: 20060102150405 in the host's zone.
func shellStamp(lines []string, key string) Stamp {
	for _, s := range lines {
		if text, ok := strings.CutPrefix(s, key); ok {
			stamp := Stamp{Text: strings.TrimSpace(text)}
			stamp.Time, _ = time.Parse("20060102150405", stamp.Text)
			return stamp
		}
	}
	return Stamp{}
}
