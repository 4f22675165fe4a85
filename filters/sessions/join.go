package sessions

import (
	"cmp"
	"encoding/json"
	"iter"
	"slices"
	"time"

	"github.com/trailcast/trailcast/formats/session"
	"github.com/trailcast/trailcast/pipeline"
)

// Fact is what one event tells of a session, or of an attempt to open one. It may alias the event's bytes.
type Fact struct{ of fact }

// Observe returns what an event tells; false for one that is not about a session. A session log tells its count, an API
// call (StartSession, ResumeSession, TerminateSession, ECS's ExecuteCommand, Fleet Manager's StartConnection and
// CancelConnection) all the rest.
func Observe(ev *pipeline.Event) (Fact, bool) {
	f, ok := observe(ev, func() time.Time { return ev.Facts().Time })
	return Fact{f}, ok
}

// Session returns the id of the session; "" for an attempt that was denied.
func (f *Fact) Session() string { return f.of.Session }

// Join puts sessions together from data that is all there, as the filter does from data that comes. The order in which
// facts are added does not matter, nor does how often each is. It is for one goroutine.
type Join struct {
	rules    *rules
	teller   teller
	newest   int64
	sessions map[string]*joined
	attempts map[uint64]text // of which each is an object
}

type joined struct {
	state
	seen seen
}

// Session is what is known of one session, or of an attempt to open one.
type Session struct {
	// Facts say who opened the session from where, where it is and what it was opened to. Service is the one that was
	// called: ssm, ecs, ssm-guiconnect. Where the start is not known they are what the log or the session's id tells.
	// ID, Action and the like, which are of one event, are empty.
	Facts pipeline.Facts

	// Denied says that it is an attempt that failed, as Facts.Outcome and Facts.Error tell. It has Started, which is when it
	// was made, and Alerts; Facts.Session.ID is empty for an attempt to open one.
	Denied bool

	Known   bool      // the call that opened the session was seen
	Started time.Time // when it was opened; all times are UTC, zero if not known
	Resumed time.Time // the last time
	LastLog time.Time // the newest of its streamed log, as it was uploaded
	Ended   time.Time // when it was terminated, else when its transcript was written, else LastLog
	Ending  string    // terminated, transcript, idle, max_duration; "" while it may go on

	Terminated   time.Time
	TerminatedBy string // as Facts.ActorName

	Logged bool // there is a log of it
	Tunnel bool // it is one of SSH, port forwarding or Remote Desktop, of which there are no logs
	Count  session.Count
	Alerts []string // as the filter tells them; unlogged only if Config.Logs says that logs are there
}

// NewJoin returns an empty join. Of the configuration it takes Logs, MuteAlerts and when a session is over, for which the
// newest event stands for the present time.
func NewJoin(cfg Config) *Join {
	cfg = cfg.withDefaults()
	return &Join{
		rules: newRules(cfg, time.Time{}), teller: newTeller(cfg), sessions: map[string]*joined{}, attempts: map[uint64]text{},
	}
}

// Add adds a fact. Nothing of the event is kept.
func (j *Join) Add(f Fact) {
	j.newest = max(j.newest, f.of.Time)
	if f.of.Kind == denied {
		o := commonOf(f.of.facts)
		o.Time, o.Outcome, o.Error = written(f.of.Time), f.of.facts.Outcome, orNil(errorFacts(f.of.facts.Error))
		j.attempts[f.of.Hash] = text(encode(o))
		return
	}
	s := j.sessions[f.of.Session]
	if s == nil {
		s = &joined{state: state{ID: string([]byte(f.of.Session))}}
		j.sessions[s.ID] = s
	}
	s.merge(&f.of, &s.seen)
}

// AsOf says until when all is there; without it the newest event tells.
func (j *Join) AsOf(t time.Time) { j.newest = max(j.newest, milliseconds(t)) }

// Sessions yields sessions and denied attempts, ordered by their start, then by session id.
func (j *Join) Sessions() iter.Seq[Session] {
	all := make([]Session, 0, len(j.sessions)+len(j.attempts))
	for _, s := range j.sessions {
		all = append(all, j.session(s.state))
	}
	for _, t := range j.attempts {
		var o object
		_ = json.Unmarshal([]byte(t), &o) // this package wrote it
		facts := o.facts()
		all = append(all, Session{
			Facts: *facts, Denied: true, Started: facts.Time, Alerts: j.teller.wanted(alertDenied),
		})
	}
	slices.SortFunc(all, func(a, b Session) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Facts.Session.ID, b.Facts.Session.ID))
	})
	return slices.Values(all)
}

func (j *Join) session(s state) Session {
	c := s.common()
	out := Session{
		Known: s.known(), Started: timeOf(s.Started), Resumed: timeOf(s.Resumed), LastLog: timeOf(s.LastLog),
		Ended: timeOf(s.end()), Terminated: timeOf(s.Terminated), TerminatedBy: s.TerminatedBy,
		Logged: s.Logged, Tunnel: s.Tunnel, Count: s.count(),
	}
	c.set(&out.Facts)
	s.Heard = s.Last // what is complete arrived when it happened
	at, reason := j.rules.over(&s)
	if at <= j.newest || s.Terminated != 0 || s.Written {
		out.Ending = reason
	}
	if !s.known() {
		return out
	}
	out.Alerts = j.teller.wanted(alertsOf(&out.Facts, s.Tunnel)...)
	if j.isUnlogged(s, at) {
		out.Alerts = append([]string{alertUnlogged}, out.Alerts...)
	}
	return out
}

// isUnlogged asks the rules what they would do once the closing was told at a time.
func (j *Join) isUnlogged(s state, closedAt int64) bool {
	if closedAt > j.newest {
		return false
	}
	s.Sum, s.ToldAt = s.sum(), closedAt
	do := j.rules.next(&s)
	return do.kind == unlogged && do.at <= j.newest
}
