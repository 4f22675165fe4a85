package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/terminal"
)

// clean returns a text that came from somewhere as one line that is safe to show.
func clean(s string) string {
	return terminal.Line(strings.ToValidUTF8(s, "\ufffd"))
}

// stamp is a time for readers, in UTC.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// minute is a time for readers, whose seconds do not matter.
func minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// rfc3339 is a time for programs, in UTC.
func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// span is a duration in its two largest units: 3 d 04 h, 2 h 05 m, 5 m 07 s, 9 s.
func span(d time.Duration) string {
	s := int64(d / time.Second)
	switch {
	case s >= 86400:
		return fmt.Sprintf("%d d %02d h", s/86400, s%86400/3600)
	case s >= 3600:
		return fmt.Sprintf("%d h %02d m", s/3600, s%3600/60)
	case s >= 60:
		return fmt.Sprintf("%d m %02d s", s/60, s%60)
	}
	return fmt.Sprintf("%d s", s)
}

// count is a number and its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return digits(int64(n)) + " " + many
}

// digits is a number with commas between its thousands.
func digits(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// period is what was asked for, for readers.
func (r *Report) period() string {
	since, until := "the beginning", "now"
	if !r.Since.IsZero() {
		since = minute(r.Since)
	}
	if !r.Until.IsZero() {
		until = minute(r.Until)
	}
	return since + " to " + until + " UTC"
}
