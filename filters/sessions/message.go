package sessions

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/trailcast/trailcast/formats/session"
	"github.com/trailcast/trailcast/pipeline"
)

// The states of a session, as events tell them. An alert has its name instead.
const (
	stateOpened     = "opened"
	stateResumed    = "resumed"
	stateActivity   = "activity"
	stateTerminated = "terminated"
	stateClosed     = "closed"
	stateLinked     = "linked"
)

// The alerts.
const (
	alertUnlogged     = "unlogged"
	alertDenied       = "denied"
	alertNoMFA        = "no_mfa"
	alertActor        = "root_or_unknown_actor"
	alertCrossAccount = "cross_account"
)

// alerts are all of them, in the order in which they are told.
var alerts = []string{alertUnlogged, alertDenied, alertNoMFA, alertActor, alertCrossAccount}

// message is a session event.
type message struct {
	Trailcast object `json:"trailcast"`

	State        string `json:"state,omitempty"`
	Alert        string `json:"alert,omitempty"`
	Reason       string `json:"reason,omitempty"`   // of a closing
	Revision     uint32 `json:"revision,omitempty"` // of a closing: the highest holds
	Cause        string `json:"cause,omitempty"`    // eventID of the API call that is the reason for the event
	Started      string `json:"started,omitempty"`  // times are RFC 3339
	Resumed      string `json:"resumed,omitempty"`
	ResumedBy    string `json:"resumed_by,omitempty"`
	Ended        string `json:"ended,omitempty"`
	TerminatedBy string `json:"terminated_by,omitempty"`
	Duration     *int64 `json:"duration_s,omitempty"`
	Lines        *int64 `json:"lines,omitempty"`
	Bytes        *int64 `json:"bytes,omitempty"`
}

// newMessage makes an event. action is a state or an alert. The id is made of the session, the action and what caused it,
// so that a repeat of the cause repeats it.
func newMessage(common object, action, cause string, at int64) *message {
	m := &message{Trailcast: common}
	o := &m.Trailcast
	id := ""
	if o.Session != nil {
		id = o.Session.ID
	}
	o.V, o.ID, o.Kind, o.Time, o.Service, o.Action = version, idOf(id, action, cause), pipeline.KindSession, written(at), service, action
	if slices.Contains(alerts, action) {
		m.Alert = action
	} else {
		m.State = action
	}
	return m
}

// idOf hashes with SHA-256: session ids and causes may be what somebody else wrote.
func idOf(parts ...string) string {
	var b []byte
	for _, p := range parts {
		b = append(strconv.AppendInt(b, int64(len(p)), 10), ':')
		b = append(b, p...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

func (m *message) count(c session.Count) {
	m.Lines, m.Bytes = &c.Lines, &c.Bytes
}

// span fills in when the session was.
func (m *message) span(begin, end int64) {
	m.Started, m.Ended = written(begin), written(end)
	if begin != 0 && end >= begin {
		seconds := (end - begin) / 1000
		m.Duration = &seconds
	}
}

// record makes the event a record. o says where what caused it came from.
func (m *message) record(o *pipeline.Origin) *pipeline.Record {
	return &pipeline.Record{
		Raw: encode(m), Kind: pipeline.KindSession, Origin: o, Seed: m.Trailcast.ID, Reader: Reader{}, Notes: &m.Trailcast,
	}
}

// Reader gives the facts and keys of session events.
type Reader struct{}

var _ pipeline.Reader = Reader{}

// Facts returns what the member `trailcast` says.
func (Reader) Facts(r *pipeline.Record) *pipeline.Facts {
	if o, ok := r.Notes.(*object); ok {
		return o.facts()
	}
	var m message
	_ = json.Unmarshal(r.Raw, &m) // what is no session event gives the facts that can be read
	m.Trailcast.Kind = pipeline.KindSession
	return m.Trailcast.facts()
}

// Key returns the id of the event: equal for repeats, different for all others.
func (reader Reader) Key(r *pipeline.Record) string {
	if r.Seed != "" {
		return r.Seed
	}
	return reader.Facts(r).ID
}

// teller makes the events that an event causes. They depend on that event and on what is known of its session only.
type teller struct{ muted []string }

func newTeller(c Config) teller {
	muted := slices.Clone(c.MuteAlerts)
	if !c.Logs {
		muted = append(muted, alertUnlogged)
	}
	return teller{muted}
}

// wanted returns the alerts that are not muted.
func (t teller) wanted(names ...string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(t.muted, name) })
}

// tell returns the events that a fact causes.
func (t teller) tell(f *fact, s *state) []*message {
	switch f.Kind {
	case denied:
		return t.alert(nil, f, alertDenied)
	case started:
		return t.opened(f, s)
	case resumed:
		m := newMessage(s.common(), stateResumed, f.key, f.Time)
		m.Cause, m.ResumedBy = f.facts.ID, f.facts.ActorName()
		m.Started, m.Resumed = written(s.Started), written(f.Time)
		return []*message{m}
	case terminated:
		m := newMessage(s.common(), stateTerminated, f.key, f.Time)
		m.Cause, m.TerminatedBy = f.facts.ID, f.facts.ActorName()
		m.span(s.Started, f.Time)
		m.count(s.count())
		return []*message{m}
	case streamed:
		if f.Bucket != 0 && s.Bucket == f.Bucket && s.BucketBy == f.Hash {
			m := newMessage(s.common(), stateActivity, strconv.FormatInt(f.Bucket, 10), f.Time)
			m.Started = written(s.Started)
			m.count(s.count())
			return []*message{m}
		}
	}
	return nil
}

// opened tells a start. What need not come again when the start does, a link, is the last: keys count the events of a
// cause.
func (t teller) opened(f *fact, s *state) (messages []*message) {
	m := newMessage(commonOf(f.facts), stateOpened, f.key, f.Time)
	m.Cause, m.Started = f.facts.ID, written(f.Time)
	messages = append(messages, m)
	messages = t.alert(messages, f, alertsOf(f.facts, f.Tunnel)...)
	if s.Pending {
		m := newMessage(commonOf(f.facts), stateLinked, f.key, f.Time)
		m.Cause, m.Started = f.facts.ID, written(f.Time)
		m.count(s.count())
		messages = append(messages, m)
	}
	return messages
}

func (t teller) alert(messages []*message, f *fact, names ...string) []*message {
	for _, name := range t.wanted(names...) {
		m := newMessage(commonOf(f.facts), name, f.key, f.Time)
		m.Cause = f.facts.ID
		if f.Kind == started {
			m.Started = written(f.Time)
		} else {
			m.Trailcast.Outcome, m.Trailcast.Error = f.facts.Outcome, orNil(errorFacts(f.facts.Error))
		}
		messages = append(messages, m)
	}
	return messages
}

// alertsOf returns the alerts that the start of a session gives by itself.
func alertsOf(start *pipeline.Facts, tunnel bool) (names []string) {
	actor := &start.Actor
	if tunnel {
		names = append(names, alertUnlogged)
	}
	if actor.MFA == pipeline.No {
		names = append(names, alertNoMFA)
	}
	if actor.Type == "Root" || strings.HasSuffix(actor.ARN, ":root") || actor.Kind == "unknown" || start.ActorName() == "unknown" {
		names = append(names, alertActor)
	}
	if start.CrossAccount == pipeline.Yes {
		names = append(names, alertCrossAccount)
	}
	return names
}

// closing tells that the session is over. The id is made of what it says, so that a closing that says the same again, after
// a restart or in a replay, has the same id.
func closing(s *state, reason string) *message {
	m := newMessage(s.common(), stateClosed, strconv.FormatUint(s.sum(), 16), s.time())
	m.Reason, m.Revision = reason, s.Revision
	m.Resumed, m.TerminatedBy = written(s.Resumed), s.TerminatedBy
	m.span(s.Started, s.end())
	m.count(s.count())
	return m
}

// noLog tells that the session left no log.
func noLog(s *state) *message {
	m := newMessage(s.common(), alertUnlogged, "", s.time())
	m.span(s.Started, s.end())
	return m
}

// time is when the last thing happened that is known of the session.
func (s *state) time() int64 {
	if end := s.end(); end != 0 {
		return end
	}
	return s.Last
}

// common returns what is known of the session as a whole.
func (s *state) common() (o object) {
	_ = json.Unmarshal([]byte(s.Common), &o) // this package wrote it
	if o.Session == nil {
		o.Session = &part{}
	}
	o.Session.ID = s.ID
	return o
}
