package record

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// ParseTime reads a time as CloudTrail, the SSM agent and other tools that pass records on write it: RFC 3339 with or
// without a fraction, with a space instead of the T, without a zone (taken as UTC), and ISO 8601's basic form. The
// result is in UTC; false where s is none of these or the year has not four digits.
func ParseTime(s string) (time.Time, bool) {
	if t, ok := parseUsual(s); ok {
		return t, true
	}
	s = strings.TrimSpace(s)
	if len(s) < len("20060102T150405") || s[0] < '0' || s[0] > '9' {
		return time.Time{}, false
	}
	for _, layout := range layoutsOf(s) {
		if t, err := time.Parse(layout, s); err == nil {
			return checkTime(t.UTC())
		}
	}
	return time.Time{}, false
}

// parseUsual is ParseTime for the form of nearly all records, 2006-01-02T15:04:05Z; false for what may be wrong in it.
func parseUsual(s string) (t time.Time, ok bool) {
	if len(s) != len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != 'Z' {
		return t, false
	}
	year, month, day := digits(s[:4]), digits(s[5:7]), digits(s[8:10])
	hour, minute, second := digits(s[11:13]), digits(s[14:16]), digits(s[17:19])
	if year < 1000 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 28 || hour > 23 || minute > 59 || second > 59 {
		return t, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC), true
}

// digits returns the number that s is, more than any of four digits where it is none.
func digits(s string) (n int) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 10_000
		}
		n = 10*n + int(s[i]-'0')
	}
	return n
}

func layoutsOf(s string) []string {
	switch s[10] {
	case 'T', 't':
		return isoLayouts[:]
	case ' ':
		return spaceLayouts[:]
	}
	return basicLayouts[:]
}

// Layouts with seconds accept a fraction too.
var (
	isoLayouts   = [...]string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700"}
	spaceLayouts = [...]string{"2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z0700",
		"2006-01-02 15:04:05 Z07:00"}
	basicLayouts = [...]string{"20060102T150405Z0700", "20060102T150405"}
)

// timeOf reads a JSON value: a string as ParseTime does, or a number of seconds or milliseconds since 1970.
func timeOf(value []byte) (time.Time, bool) {
	if value == nil {
		return time.Time{}, false
	}
	if rawjson.KindOf(value) != rawjson.Number {
		return ParseTime(text(value))
	}
	seconds, err := strconv.ParseFloat(string(value), 64)
	if err != nil {
		return time.Time{}, false
	}
	if seconds > 1e11 { // in seconds this would be after the year 5000
		seconds /= 1000
	}
	if seconds < 0 || seconds > 1e11 {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(math.Round(fraction*1000))*int64(time.Millisecond)).UTC(), true
}

func checkTime(t time.Time) (time.Time, bool) {
	return t, t.Year() >= 1 && t.Year() <= 9999 && !t.IsZero()
}
