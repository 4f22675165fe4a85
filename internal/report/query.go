package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Query narrows, sorts and groups a report.
type Query struct {
	// User, Target and Account are substrings, or globs of the whole where they hold a *; case does not matter. User
	// is sought among user, role and ARN, Account among number and name. An empty one takes all.
	User, Target, Account string

	// Since and Until bound the period. A session belongs to it if it was open at a time in it. One of which no end was
	// seen counts as open for a day, and one without any time may be from anywhen: it stays.
	Since, Until time.Time

	Sort    string // start (the default), end, duration, user, target, account, lines; what is not known comes last
	Reverse bool
	Group   string // of the table: user, target, account, day, document, none (the default)
}

// sorts compare two sessions. Those of which the value is not known are put last before one is asked.
func sorts() map[string]order {
	return map[string]order{
		"start": {func(s *Session) bool { return !s.At().IsZero() }, func(a, b *Session) int { return a.At().Compare(b.At()) }},
		"end":   {func(s *Session) bool { return !s.Ended.IsZero() }, func(a, b *Session) int { return a.Ended.Compare(b.Ended) }},
		"duration": {func(s *Session) bool { _, ok := s.Duration(); return ok }, func(a, b *Session) int {
			x, _ := a.Duration()
			y, _ := b.Duration()
			return cmp.Compare(x, y)
		}},
		"user":    byText((*Session).Who),
		"target":  byText(func(s *Session) string { return s.Target }),
		"account": byText((*Session).account),
		"lines":   {func(*Session) bool { return true }, func(a, b *Session) int { return cmp.Compare(a.Lines, b.Lines) }},
	}
}

type order struct {
	known   func(*Session) bool
	compare func(a, b *Session) int
}

func byText(value func(*Session) string) order {
	return order{
		func(s *Session) bool { return value(s) != "" },
		func(a, b *Session) int { return strings.Compare(strings.ToLower(value(a)), strings.ToLower(value(b))) },
	}
}

// groups name the group that a session belongs to.
func groups() map[string]func(*Session) string {
	return map[string]func(*Session) string{
		"user":     (*Session).Who,
		"target":   func(s *Session) string { return s.Target },
		"account":  (*Session).account,
		"document": func(s *Session) string { return s.Document },
		"day":      (*Session).day,
	}
}

// account is the name of an account, or its number.
func (s *Session) account() string { return cmp.Or(s.AccountName, s.Account) }

func (s *Session) day() string {
	if s.At().IsZero() {
		return ""
	}
	return s.At().UTC().Format(time.DateOnly)
}

// Select leaves in the report what a query asks for, in its order. The error names the values that there are.
func (r *Report) Select(q Query) error {
	by, ok := sorts()[cmp.Or(q.Sort, "start")]
	if !ok {
		return fmt.Errorf("sort by %q: one of %s is due", q.Sort, names(sorts()))
	}
	if _, ok := groups()[q.Group]; !ok && q.Group != "" && q.Group != "none" {
		return fmt.Errorf("group by %q: one of %s, none is due", q.Group, names(groups()))
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return fmt.Errorf("the period ends at %s, before it begins", stamp(q.Until))
	}
	r.Sessions = slices.DeleteFunc(r.Sessions, func(s Session) bool { return !q.takes(&s) })
	slices.SortStableFunc(r.Sessions, func(a, b Session) int {
		switch x, y := by.known(&a), by.known(&b); {
		case x && !y:
			return -1
		case y && !x:
			return 1
		case !x:
			return 0
		case q.Reverse:
			return by.compare(&b, &a)
		}
		return by.compare(&a, &b)
	})
	if q.Since.After(r.Since) {
		r.Since = q.Since
	}
	if !q.Until.IsZero() && (r.Until.IsZero() || q.Until.Before(r.Until)) {
		r.Until = q.Until
	}
	r.group = q.Group
	return nil
}

func names[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}

func (q *Query) takes(s *Session) bool {
	return matches(q.User, s.User, s.Role, s.ActorARN) && matches(q.Target, s.Target) &&
		matches(q.Account, s.Account, s.AccountName) && q.open(s)
}

// mayLast is how long a session of which no end was seen counts as open: the longest that Session Manager's preferences
// can limit sessions to.
const mayLast = 24 * time.Hour

// open reports whether a session was, or may have been, open in the period.
func (q *Query) open(s *Session) bool {
	begin := s.At()
	if begin.IsZero() {
		return true
	}
	end := s.Ended
	if s.Attempt() {
		end = begin
	}
	if !q.Until.IsZero() && !begin.Before(q.Until) {
		// What is known of it is its end, or that it was resumed: it began before.
		return s.Started.IsZero() && !s.Attempt()
	}
	if end.IsZero() {
		end = begin.Add(mayLast)
	}
	return q.Since.IsZero() || !end.Before(q.Since)
}

func matches(pattern string, values ...string) bool {
	if pattern == "" {
		return true
	}
	pattern = strings.ToLower(pattern)
	return slices.ContainsFunc(values, func(value string) bool {
		value = strings.ToLower(value)
		if strings.Contains(pattern, "*") {
			return glob(pattern, value)
		}
		return strings.Contains(value, pattern)
	})
}

// glob matches a whole text, where * is any number of any characters. It takes time in proportion to the text for each *.
func glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}
