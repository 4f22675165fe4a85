package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Totals count sessions.
type Totals struct {
	Sessions int   `json:"sessions"` // that came about
	Attempts int   `json:"attempts"` // that did not
	People   int   `json:"people"`   // persons and machines behind both
	Targets  int   `json:"targets"`
	Unlogged int   `json:"unlogged"` // known to have no log, other than tunnels
	Tunnels  int   `json:"tunnels"`
	Alerts   int   `json:"alerts"`
	Timed    int   `json:"timed"`   // sessions of which the duration is known
	Seconds  int64 `json:"seconds"` // that those took together
	Lines    int64 `json:"lines"`
}

func total(sessions []*Session) Totals {
	var t Totals
	people, targets := map[string]bool{}, map[string]bool{}
	for _, s := range sessions {
		if s.Attempt() {
			t.Attempts++
		} else {
			t.Sessions++
		}
		people[s.Who()] = true
		if s.Target != "" {
			targets[s.Target] = true
		}
		switch {
		case s.Attempt():
		case s.Logged == "no":
			t.Unlogged++
		case s.Logged == "tunnel":
			t.Tunnels++
		}
		t.Alerts += len(s.Alerts)
		if d, ok := s.Duration(); ok {
			t.Timed++
			t.Seconds += int64(d / time.Second)
		}
		t.Lines += s.Lines
	}
	t.People, t.Targets = len(people), len(targets)
	return t
}

// Time is how long the sessions took together, for readers.
func (t Totals) Time() string { return span(time.Duration(t.Seconds) * time.Second) }

// String is the totals in a line: "12 sessions of 3 people on 5 targets, 4 h 12 m; 2 not logged".
func (t Totals) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s on %s", count(t.Sessions, "session", "sessions"), count(t.People, "person", "people"),
		count(t.Targets, "target", "targets"))
	if t.Timed > 0 {
		fmt.Fprintf(&b, ", %s", t.Time())
	}
	var also []string
	for _, part := range []struct {
		n         int
		one, many string
	}{
		{t.Unlogged, "not logged", "not logged"},
		{t.Tunnels, "tunnel", "tunnels"},
		{t.Attempts, "attempt without a session", "attempts without a session"},
		{t.Alerts, "alert", "alerts"},
	} {
		if part.n > 0 {
			also = append(also, count(part.n, part.one, part.many))
		}
	}
	if len(also) > 0 {
		b.WriteString("; " + strings.Join(also, ", "))
	}
	return b.String()
}

func (r *Report) all() []*Session {
	sessions := make([]*Session, len(r.Sessions))
	for i := range r.Sessions {
		sessions[i] = &r.Sessions[i]
	}
	return sessions
}

// group is sessions that have something in common.
type group struct {
	Name     string
	Sessions []*Session
}

// grouped returns groups in the order of their names; what has none is last.
func grouped(sessions []*Session, name func(*Session) string) []group {
	byName := map[string]int{}
	var groups []group
	for _, s := range sessions {
		n := name(s)
		i, ok := byName[n]
		if !ok {
			i = len(groups)
			byName[n] = i
			groups = append(groups, group{Name: n})
		}
		groups[i].Sessions = append(groups[i].Sessions, s)
	}
	slices.SortStableFunc(groups, func(a, b group) int {
		if a.Name == "" || b.Name == "" {
			return -cmp.Compare(a.Name, b.Name)
		}
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.Name, b.Name))
	})
	return groups
}
