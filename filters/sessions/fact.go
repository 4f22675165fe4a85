package sessions

import (
	"strings"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/pipeline"
)

// kind is what a fact says.
type kind string

const (
	started    kind = "started"    // an API call opened the session
	resumed    kind = "resumed"    // an API call resumed it
	terminated kind = "terminated" // an API call ended it
	denied     kind = "denied"     // an API call to open or resume a session failed; it changes no session
	streamed   kind = "streamed"   // an event of its streamed log
	inEvents   kind = "in_events"  // a part of its transcript that came as a log event; it is written at the end
	inObject   kind = "in_object"  // a part of its transcript that came as an object in S3; it is written at the end

	// What was told of the session, and what is done with it.
	revised  kind = "revised"  // what its closing says is settled, and about to be told
	closed   kind = "closed"   // its closing was told
	unlogged kind = "unlogged" // that it has no log was told
	evicted  kind = "evicted"  // there is no memory for it
	forgot   kind = "forgot"
	pending  kind = "pending" // a part of its log passed before its start was known

	// What becomes of a log record that is held.
	waits  kind = "waits"
	passed kind = "passed"

	whole kind = "whole" // a whole session, in a snapshot
)

// isEvent reports whether an event tells the fact, or a snapshot: only such a one begins a session.
func (k kind) isEvent() bool {
	switch k {
	case revised, closed, unlogged, evicted, forgot, pending, waits, passed:
		return false
	}
	return true
}

// isLog reports whether an event of the session's log tells the fact.
func (k kind) isLog() bool { return k == streamed || k == inEvents || k == inObject }

// fact is one thing that became known of a session. Merging facts gives the same state in whatever order they come and
// however often each does, but for forgot and for what only says which events came too early or first (Pending, Bucket).
// So a fact may be kept before its frame has settled: if the frame does not, its event comes again and changes nothing;
// and what is told depends on the state and its cause only, never on a fact being new.
type fact struct {
	Session string `json:"session"`
	Kind    kind   `json:"kind"`

	Heard int64 `json:"heard,omitempty"` // when it arrived here; all times are milliseconds since 1970, 0 means unknown
	Time  int64 `json:"time,omitempty"`  // when it happened

	Hash   uint64 `json:"hash,omitempty"`   // of the record's key
	Rank   rank   `json:"rank,omitempty"`   // how well it knows the session's common members
	Common text   `json:"common,omitempty"` // an object; only of a fact whose members became the session's
	By     string `json:"by,omitempty"`     // of terminated: who did
	Tunnel bool   `json:"tunnel,omitempty"` // of started: such a session leaves no log
	Lines  int64  `json:"lines,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	Bucket int64  `json:"bucket,omitempty"` // of streamed: number of the interval of activity; 0: none
	Holds  bool   `json:"holds,omitempty"`  // of a log: its record does not pass before the start is known

	Revision uint32 `json:"revision,omitempty"`
	Sum      uint64 `json:"sum,omitempty"`

	State *state `json:"state,omitempty"`
	Seen  []byte `json:"seen,omitempty"`

	Held *heldRecord `json:"held,omitempty"` // of waits; of passed its key only

	key   string          // of the record
	facts *pipeline.Facts // of the record; Common is made of them when it is needed
}

// rank says how much the source of a session's common members knows: an event that ends a session tells nothing of its
// opener, a log only the owner's name; and where a service opened a session for somebody (ECS Exec), the call to that
// service knows for whom.
type rank int8

const (
	byEnd rank = iota + 1
	byLog
	byService
	byStart
)

func rankOf(k kind, actor *pipeline.Actor) rank {
	switch {
	case k == started && actor.InvokedBy != "":
		return byService
	case k == started:
		return byStart
	case k == resumed, k == terminated:
		return byEnd
	}
	return byLog
}

// origin orders facts of one session: the best rank first, then the earliest, then by hash, so that their order of arrival
// does not count.
type origin struct {
	Rank rank   `json:"rank,omitempty"`
	Time int64  `json:"time,omitempty"`
	Hash uint64 `json:"hash,omitempty"`
}

func (o origin) before(p origin) bool {
	switch {
	case o.Rank != p.Rank:
		return o.Rank > p.Rank
	case o.Time != p.Time:
		return o.Time < p.Time
	}
	return o.Hash < p.Hash
}

// common returns what the fact tells of its session as a whole. Who resumed or ended a session need not be who opened it:
// of such a call only the session's place and the name in its id count.
func (f *fact) common() object {
	if f.Kind != resumed && f.Kind != terminated {
		return commonOf(f.facts)
	}
	return commonOf(&pipeline.Facts{
		Region: f.facts.Region, Account: f.facts.Account, Service: f.facts.Service,
		Actor:   pipeline.Actor{User: record.SessionOwner(f.Session)},
		Session: pipeline.Session{ID: f.Session, Target: f.facts.Session.Target},
	})
}

// text is an encoded JSON value.
type text string

// MarshalJSON implements json.Marshaler.
func (t text) MarshalJSON() ([]byte, error) { return []byte(t), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	*t = text(b)
	return nil
}

// isTunnel reports whether sessions of a document are tunnels, of whose content Session Manager logs nothing (Systems
// Manager user guide: logging session activity). document is a name or an ARN.
func isTunnel(document string) bool {
	name := document[strings.LastIndexByte(document, '/')+1:]
	return name == "AWS-StartSSHSession" || strings.HasPrefix(name, "AWS-StartPortForwardingSession")
}
