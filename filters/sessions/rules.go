package sessions

import (
	"math"
	"slices"
	"time"
)

// What led to a closing.
const (
	byTerminate  = "terminated"
	byTranscript = "transcript"
	byIdle       = "idle"
	byDuration   = "max_duration"
	byEviction   = "evicted"
)

const never = math.MaxInt64

// rules say when something is to be told of a session as time passes. Their answers depend on nothing but the session's
// state, the configuration and the clocks. Times are milliseconds since 1970.
type rules struct {
	idle, longest, settle, remember int64
	grace                           int64 // after the closing; never: unlogged sessions are not told
	clocks                          *clocks
	since                           int64 // when this process began: what came while it was away may still arrive
}

func newRules(c Config, since time.Time) *rules {
	r := &rules{
		idle: c.IdleTimeout.Milliseconds(), longest: c.MaxDuration.Milliseconds(), settle: c.Settle.Milliseconds(),
		remember: c.Remember.Milliseconds(), grace: never, clocks: newClocks(), since: milliseconds(since),
	}
	if c.Logs && !slices.Contains(c.MuteAlerts, alertUnlogged) {
		r.grace = c.LogGrace.Milliseconds()
	}
	return r
}

// todo is one thing to do about a session.
type todo struct {
	kind   kind   // revised: tell the closing as it is now; unlogged, forgot
	reason string // of revised
	at     int64
}

// next returns what is to be done first about the session if nothing more is heard of it, and when.
func (r *rules) next(s *state) todo {
	if at, reason := r.over(s); s.Told < s.Revision || s.Sum != s.sum() {
		return todo{revised, reason, at}
	}
	heard := max(s.Heard, r.since)
	switch {
	case s.Evicted:
		return todo{kind: forgot}
	case r.grace != never && s.known() && !s.Logged && !s.Tunnel && !s.Unlogged:
		at := max(s.ToldAt, r.since) + r.grace
		return todo{kind: unlogged, at: max(at, r.clocks.passed(s.Last+r.grace, r.idle))}
	}
	return todo{kind: forgot, at: heard + r.remember}
}

// over returns from when on the session counts as over, and why.
func (r *rules) over(s *state) (at int64, reason string) {
	heard := max(s.Heard, r.since)
	at, reason = never, byIdle
	switch {
	case s.Terminated != 0:
		at, reason = heard+r.settle, byTerminate
	case s.Written:
		at, reason = heard+r.settle, byTranscript
	case !s.Tunnel:
		at = max(heard+r.idle, r.clocks.passed(s.Last+r.idle, r.idle))
	}
	if r.longest > 0 && s.Started != 0 {
		if end := max(heard+r.settle, r.clocks.passed(min(s.Started, s.Heard)+r.longest, r.idle)); end < at {
			at, reason = end, byDuration
		}
	}
	if s.Evicted {
		return 0, byEviction
	}
	return at, reason
}
