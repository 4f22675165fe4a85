package report

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSelect(t *testing.T) {
	day := func(n int) time.Time { return at("2026-11-01 00:00:00").AddDate(0, 0, n-1) }
	sessions := []Session{
		{ID: "a", User: "Alice", Target: "i-2", Account: "111", AccountName: "Payments", Started: day(3), Ended: day(4), Lines: 5},
		{ID: "b", User: "bob", Target: "i-10", Account: "222", Started: day(5)}, // no end seen
		{ID: "c", Role: "Deploy", Account: "111", AccountName: "Payments", Started: day(1), Ended: day(9), Lines: 9},
		{ID: "d", ActorARN: "arn:aws:sts::1:assumed-role/Ops/zed", Target: "db", Outcome: "denied", Started: day(6)},
		{ID: "e", User: "eve", Resumed: day(7), Ended: day(8)},
		{ID: "f", User: "alicia", Pending: true}, // no time at all
	}
	tests := []struct {
		name  string
		query Query
		want  string
	}{
		{"all, by start", Query{}, "c a b d e f"},
		{"reverse leaves what is unknown last", Query{Reverse: true}, "e d b a c f"},
		{"end", Query{Sort: "end"}, "a e c b d f"},
		{"duration", Query{Sort: "duration"}, "a c b d e f"},
		{"longest first", Query{Sort: "duration", Reverse: true}, "c a b d e f"},
		{"user, whatever its case", Query{Sort: "user"}, "a f d b c e"},
		{"target", Query{Sort: "target"}, "d b a c e f"},
		{"account", Query{Sort: "account"}, "b a c d e f"},
		{"lines", Query{Sort: "lines", Reverse: true}, "c a b d e f"},
		{"part of a user", Query{User: "ALIC"}, "a f"},
		{"glob of a user is of the whole", Query{User: "a*e"}, "a"},
		{"part of a role", Query{User: "depl"}, "c"},
		{"part of an ARN", Query{User: "zed"}, "d"},
		{"target", Query{Target: "i-"}, "a b"},
		{"glob of a target", Query{Target: "i-*0"}, "b"},
		{"account by name", Query{Account: "pay"}, "c a"},
		{"account by number", Query{Account: "222"}, "b"},
		{"both", Query{User: "a", Target: "i-2"}, "a"},
		{"since: what was open still or may have been", Query{Since: day(6)}, "c b d e f"},
		{"since: an attempt is over at once, a session without an end after a day", Query{Since: day(7)}, "c e f"},
		{"until: a session that was only seen to be resumed may be older", Query{Until: day(3)}, "c e f"},
		{"until is not of the period", Query{Until: day(6)}, "c a b e f"},
		{"both ends", Query{Since: day(2), Until: day(4)}, "c a e f"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &Report{Sessions: slices.Clone(sessions)}
			if err := r.Select(tt.query); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range r.Sessions {
				got = append(got, s.ID)
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestSelectNarrowsThePeriod(t *testing.T) {
	a, b, c := at("2026-11-01 00:00:00"), at("2026-11-02 00:00:00"), at("2026-11-03 00:00:00")
	r := &Report{Since: a, Until: c}
	if err := r.Select(Query{Since: b}); err != nil || r.Since != b || r.Until != c {
		t.Errorf("from %v to %v: %v", r.Since, r.Until, err)
	}
	if err := r.Select(Query{Since: a, Until: c.AddDate(0, 0, 1)}); err != nil || r.Since != b || r.Until != c {
		t.Errorf("it became wider: from %v to %v: %v", r.Since, r.Until, err)
	}
}

func TestSelectErrors(t *testing.T) {
	for want, q := range map[string]Query{
		`sort by "colour": one of account, duration, end, lines, start, target, user is due`: {Sort: "colour"},
		`group by "week": one of account, day, document, target, user, none is due`:          {Group: "week"},
		"the period ends at 2026-11-01 00:00:00, before it begins":                           {Since: at("2026-11-02 00:00:00"), Until: at("2026-11-01 00:00:00")},
	} {
		r := small()
		if err := r.Select(q); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if len(r.Sessions) != len(small().Sessions) {
			t.Errorf("%s: the report changed", want)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"*", "", true}, {"*", "x", true}, {"a*", "a", true}, {"*a", "ba", true}, {"a*a", "a", false}, {"a*a", "aa", true},
		{"a*b*c", "a-b-b-c", true}, {"a*b*c", "a-c-b", false}, {"**", "x", true}, {"a*b", "abx", false}, {"*x*", "aXb", false},
	} {
		if got := glob(tt.pattern, tt.s); got != tt.want {
			t.Errorf("%s on %q: %t", tt.pattern, tt.s, got)
		}
	}
}
