package report

import (
	"fmt"
	"time"
)

// day is a bar of the page; parts of it are in per cent of the highest bar.
type day struct {
	Date, Label, Says  string
	Sessions, Attempts int

	Top, High                 float64 // of the sessions: where they begin, from above, and how high they are
	AttemptsTop, AttemptsHigh float64 // stand on them
}

const maxDays = 400 // bars

// days counts sessions for each day of the period, also those without any. What was not on any of the days, or has no
// time, is counted beside them.
func (r *Report) days(sessions []*Session) (days []day, elsewhere int) {
	first, last := r.Since, r.Until
	for _, s := range sessions {
		at := s.At()
		if !at.IsZero() && r.Since.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
		if !at.IsZero() && r.Until.IsZero() && !at.Before(last) {
			last = at.Add(1)
		}
	}
	if first.IsZero() || !first.Before(last) {
		return nil, len(sessions)
	}
	last = last.UTC().Add(-1) // the period ends before Until
	if begin := last.AddDate(0, 0, 1-maxDays); first.Before(begin) {
		first = begin
	}
	index := map[string]int{}
	for at := first.UTC().Truncate(24 * time.Hour); !at.After(last); at = at.AddDate(0, 0, 1) {
		d := day{Date: at.Format(time.DateOnly)}
		index[d.Date] = len(days)
		days = append(days, d)
	}
	most := 1
	for _, s := range sessions {
		i, ok := index[s.day()]
		if !ok {
			elsewhere++
			continue
		}
		d := &days[i]
		if s.Attempt() {
			d.Attempts++
		} else {
			d.Sessions++
		}
		most = max(most, d.Sessions+d.Attempts)
	}
	for i := range days {
		d := &days[i]
		d.Label = label(i, len(days), d.Date)
		d.High = percent(d.Sessions, most)
		d.AttemptsHigh = percent(d.Attempts, most)
		d.Top = 100 - d.High
		d.AttemptsTop = max(0, d.Top-d.AttemptsHigh)
		d.Says = d.Date + ": " + count(d.Sessions, "session", "sessions")
		if d.Attempts > 0 {
			d.Says += ", " + count(d.Attempts, "attempt without one", "attempts without one")
		}
	}
	return days, elsewhere
}

// label stands below the first day and the first of each week, or of each month where these would be too close.
func label(i, of int, date string) string {
	at, _ := time.Parse(time.DateOnly, date) // days wrote it
	first := at.Weekday() == time.Monday
	if of > 70 {
		first = at.Day() == 1
	}
	if i > 0 && (!first || i < of/10 || i > of-3) {
		return ""
	}
	return at.Format("2 Jan")
}

func percent(n, of int) float64 { return float64(n*10000/of) / 100 }

// size is a number of bytes for readers.
func size(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.3g MB", float64(n)/1e6)
	case n >= 1<<10:
		return fmt.Sprintf("%.3g KiB", float64(n)/(1<<10))
	}
	return digits(n) + " bytes"
}
