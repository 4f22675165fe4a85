package conf

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var days = regexp.MustCompile(`^\d{1,5}d$`)

// Time reads a day, a time, or a duration before now (with d for days). The end of a day is the beginning of the next one.
// An empty text is no time.
func Time(text string, end bool, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		if end {
			day = day.AddDate(0, 0, 1)
		}
		return day, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	if days.MatchString(text) {
		n, _ := strconv.Atoi(strings.TrimSuffix(text, "d"))
		return now.UTC().Add(-time.Duration(n) * 24 * time.Hour), nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.UTC().Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q is no day (2026-01-31), no time (2026-01-31T12:00:00Z) and no duration (72h, 90d)", text)
}

// IsAbsolute reports whether a text that Time reads means the same whenever it is read: it is a day or a time.
func IsAbsolute(text string) bool { return strings.Contains(text, "-") }
