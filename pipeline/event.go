package pipeline

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kind says what an event is.
type Kind string

const (
	KindCloudTrail Kind = "cloudtrail"  // one CloudTrail record: management, data or network activity
	KindInsight    Kind = "insight"     // a CloudTrail Insights event
	KindSessionLog Kind = "session_log" // what was typed and shown in a Session Manager session
	KindSession    Kind = "session"     // a session's life cycle, made by the sessions filter
	KindOther      Kind = "other"       // any other JSON object
)

// Origin says where records came from. One Origin is shared by all records of an envelope and is read-only once the
// first of them has been fed.
type Origin struct {
	Input    string    // the input's configured name
	Object   string    // what was read: a path, s3://bucket/key, log group:log stream; "" when there is none
	Identity string    // what tells this object from another of the same name: device:inode, ETag; part of transport keys
	Via      []string  // the wrappers that were taken off, outermost first: sqs, sns, s3, cloudwatch_logs …
	Owner    string    // the account that the outermost envelope names as its owner, "" when it names none
	Tag      string    // Fluent Bit tag
	Region   string    // region that the envelope names
	Time     time.Time // arrival time that the transport gives; zero when it gives none
}

// Record is what the splitter found: one JSON object with its provenance. It stays what it is whatever filters make of
// the event, so that Facts, ids and keys survive every projection. All fields are read-only after Feed.
type Record struct {
	Raw    []byte // one JSON object in valid UTF-8; immutable, may alias a larger buffer that belongs to the garbage collector
	Kind   Kind
	Origin *Origin
	Index  int64  // ordinal in the object, from 0
	Offset int64  // byte offset of the record in the object after decompression
	Seed   string // transport's own identity of this record (CloudWatch logEvents id); "" when there is none
	Reader Reader // computes Facts and Key; nil gives empty facts
	Notes  any    // what the Reader noted when the record was recognised, so that it need not look again; may be nil

	factsOnce sync.Once
	facts     *Facts
	keyOnce   sync.Once
	key       string
	decoded   decoded
}

// Reader derives from a record what depends on knowing the formats. It must be safe for concurrent use and must not
// keep or modify the record.
type Reader interface {
	// Facts returns the short names of the record.
	Facts(*Record) *Facts
	// Key returns the transport key: equal for a repeated delivery of the same record, different for any other record.
	Key(*Record) string
}

// Facts returns the record's facts, computed at the first call.
func (r *Record) Facts() *Facts {
	r.factsOnce.Do(func() {
		if r.Reader == nil {
			r.facts = &Facts{Kind: r.Kind}
			return
		}
		r.facts = r.Reader.Facts(r)
	})
	return r.facts
}

// Key returns the record's transport key, computed at the first call.
func (r *Record) Key() string {
	r.keyOnce.Do(func() {
		if r.Reader != nil {
			r.key = r.Reader.Key(r)
		}
	})
	return r.key
}

// Event is one JSON object on its way through the pipeline. It is small and copied freely; any number of outputs may
// hold copies of one event at once. Raw is never written to: whoever changes an event makes a new one with WithRaw.
type Event struct {
	Raw    []byte  // the event's current bytes: one JSON object, no trailing newline; immutable
	Record *Record // where it came from; never nil

	part    string   // "#1" for the second result of a filter that yielded several, "#0#2" for the third result of the next
	zeros   uint16   // how often the event was the first of several results since part was last extended
	facts   *Facts   // set by WithFacts; nil means the record's
	decoded *decoded // shared by all copies with the same Raw
	own     int      // so many bytes at the beginning of Raw are the record's
	frame   *Frame
}

// NewEvent makes the event of a freshly split record.
func NewEvent(r *Record) Event {
	return Event{Raw: r.Raw, Record: r, decoded: &r.decoded, own: len(r.Raw)}
}

// WithRaw returns the event with other bytes; provenance, facts and key stay. raw belongs to the event from now on.
func (e Event) WithRaw(raw []byte) Event {
	e.Raw = raw
	e.decoded = nil // the engine gives it another when the filter has returned
	e.own = 0
	return e
}

// WithMember is WithRaw for raw that differs from the event's bytes in nothing but a member that was added at the end, of a
// key that the formats of records do not have; it has no white space outside of strings.
func (e Event) WithMember(raw []byte) Event {
	own := min(e.own, len(e.Raw)-1) // less the closing brace
	e = e.WithRaw(raw)
	e.own = own
	return e
}

// Pristine reports whether the event's bytes are the record's.
func (e *Event) Pristine() bool { return e.own == len(e.Record.Raw) && e.own == len(e.Raw) }

// Intact reports whether all members of the record stand in the event at the same place; others may have been added.
func (e *Event) Intact() bool { return e.own > 0 && e.own >= len(e.Record.Raw)-1 }

// WithFacts returns the event with other facts (an enrichment that found names). f is read-only from now on.
func (e Event) WithFacts(f *Facts) Event {
	e.facts = f
	return e
}

// Facts returns the short names of the event. The result is shared and read-only.
func (e *Event) Facts() *Facts {
	if e.facts != nil {
		return e.facts
	}
	return e.Record.Facts()
}

// Key returns the event's transport key: the record's, and "#k" where the event is the k-th further result of a filter.
// Outputs add their own name where two of them may share one destination.
func (e *Event) Key() string {
	return e.Record.Key() + e.part
}

// result marks the event as the k-th of several results of one filter. The marks of all such filters are the path to the
// event, less the zeros at its end; so no two results of one record share a key.
func (e *Event) result(k int) {
	if k == 0 {
		e.zeros++
		return
	}
	e.part += strings.Repeat("#0", int(e.zeros)) + "#" + strconv.Itoa(k)
	e.zeros = 0
}

// FrameID identifies the frame that the event belongs to, within this process; 0 outside an engine.
func (e *Event) FrameID() uint64 {
	if e.frame == nil {
		return 0
	}
	return e.frame.id
}

type decoded struct {
	once  sync.Once
	value any
	err   error
}

// Decoded returns what decode made of Raw, calling it at most once for all copies of the event while an engine's filters
// run (what waits for an output is not kept decoded). Every caller in a program passes the same function. The value is
// shared between goroutines and read-only.
func (e *Event) Decoded(decode func(raw []byte) (any, error)) (any, error) {
	d := e.decoded
	if d == nil {
		return decode(e.Raw)
	}
	d.once.Do(func() { d.value, d.err = decode(e.Raw) })
	return d.value, d.err
}

// Tri is a truth value that may be unknown.
type Tri int8

const (
	Unknown Tri = iota
	No
	Yes
)

// TriOf returns Yes or No.
func TriOf(b bool) Tri {
	if b {
		return Yes
	}
	return No
}

// Facts are the short names of an event, as `enrich` writes them and as templates and headers use them. Absent facts
// are zero. The strings may alias the record's bytes.
type Facts struct {
	ID           string // eventID; without one, a hash of the transport key
	Kind         Kind
	Time         time.Time // event time, UTC; zero when unknown
	Region       string
	Account      Account
	Service      string // eventSource without its DNS suffix
	Action       string // eventName
	Category     string // Management, Data, NetworkActivity, Insight
	ReadOnly     Tri
	Outcome      string // success, failure, denied; "" where the kind has none
	Error        ErrorFact
	Actor        Actor
	CrossAccount Tri
	Source       Source
	Session      Session
}

// Account is an AWS account.
type Account struct {
	ID   string
	Name string // from the accounts file of `enrich`
}

// ErrorFact is the error that an API call ended with.
type ErrorFact struct {
	Code    string
	Message string
}

// Actor is who acted.
type Actor struct {
	Type           string // userIdentity.type as it came
	Kind           string // human, machine, aws, unknown
	ID             string // principalId
	ARN            string
	Account        Account
	User           string
	Role           string
	RoleARN        string
	SessionName    string
	PermissionSet  string
	AccessKeyID    string
	MFA            Tri
	Console        bool
	SourceIdentity string
	OnBehalfOf     string
	InvokedBy      string
}

// Source is where an action came from.
type Source struct {
	IP          string // sourceIPAddress where it is an IP address
	AWSService  string // sourceIPAddress where it is a name
	UserAgent   string
	VPCEndpoint string
}

// Session is the Session Manager session that an event is about.
type Session struct {
	ID       string
	Target   string
	Document string
	Reason   string
}

// ActorName is the best single name of the actor: user, else role/session name, else role, else the service that
// acted, else the actor's account, else "unknown".
func (f *Facts) ActorName() string {
	a := &f.Actor
	switch {
	case a.User != "":
		return a.User
	case a.Role != "" && a.SessionName != "":
		return a.Role + "/" + a.SessionName
	case a.Role != "":
		return a.Role
	case a.InvokedBy != "":
		return a.InvokedBy
	case a.Account.ID != "":
		return a.Account.ID
	}
	return "unknown"
}

// A Condition decides whether an event goes somewhere.
type Condition interface {
	// Match is called from several goroutines at once. An error says that no decision was possible; the caller has the
	// policy for it.
	Match(ctx context.Context, ev *Event) (bool, error)
}
