package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Env is what a component gets besides its configuration.
type Env struct {
	Name     string       // the component's configured name
	Log      *slog.Logger // carries the component's name; never log payloads or secrets
	StateDir string       // the agent's state directory; "" in the Fluent Bit plugin
	Ordered  bool         // output: keep the order of a frame's events
}

// An Input reads a source and feeds frames.
//
// Run is called once. It reads until ctx ends or the source does, and returns after every frame it opened has settled
// (each does: a stop lets the outputs drain until a deadline, then settles the rest as Retry). It moves its position
// (offset, message deletion, acknowledgement) only in the frame's settled callback and only when the outcome is not
// Retry. A returned error is fatal for the input only; ctx.Err() and nil both mean a clean end.
type Input interface {
	Run(ctx context.Context, in Intake) error
}

// Intake is the side of the engine that inputs see.
type Intake interface {
	// Open begins a frame. settled is called exactly once, from any goroutine, after Seal or Abandon and after every
	// event of the frame has its outcome; it must not block.
	Open(settled func(Result)) *Frame
}

// A Filter turns one event into none, one or several.
//
// Apply appends its results to dst and returns it. It is called from several goroutines at once, must not write to
// ev.Raw and keeps nothing of ev after it returns. Pass-through is append(dst, ev). With an error dst is returned as it
// was; the stage's on_error decides what becomes of the event.
type Filter interface {
	Apply(ctx context.Context, dst []Event, ev Event) ([]Event, error)
}

// A Dropper is a Filter that can say at once of some events that it yields nothing for them. The first filter of a pipeline
// is asked before an event is taken in, which may be before it is checked.
type Dropper interface {
	// Drops reports that Apply would yield nothing for the event, without an error; false says nothing. It must be cheap.
	// The event is in valid UTF-8 and an object by its structure, but what stands inside of its values may be broken; any
	// answer will do then. It is called from several goroutines at once and keeps nothing of ev.
	Drops(ev *Event) bool
}

// A Settler is a Filter with memory. Settled is called once for each frame after all its events have their outcome;
// what the filter remembers of a frame's events becomes effective only then, and only when outcome is not Retry.
// rejected holds the keys of events of the frame that ended in quarantine: they count as not seen.
type Settler interface {
	Settled(frame uint64, outcome Outcome, rejected []string)
}

// A Maker is a Filter that also makes events by itself as time passes: the end of a session in which nothing happens any
// more. The engine calls Make once, on a goroutine of its own; it returns when ctx ends. The events of frames that it opens
// go on behind the filter, and are counted as made. Makers stand among the pipeline's filters, not among an output's own.
type Maker interface {
	Make(ctx context.Context, to Intake) error
}

// An Output delivers events.
//
// Write returns when each event is stored by the destination or has failed: nil means all are delivered, a *BatchError
// names the failed ones by their index in events and all others are delivered, any other error means that all failed.
// An error is retryable unless it is marked with Reject. Write is called concurrently up to Limits().Concurrency; the
// slice is valid during the call only, the bytes of an event are read-only for ever. When ctx ends Write returns
// promptly. Close is called after the last Write; calling it twice is harmless.
type Output interface {
	Write(ctx context.Context, events []Event) error
	Close(ctx context.Context) error
}

// Limits are what an output wants of the batches that it is given.
type Limits struct {
	Concurrency int           // concurrent Writes; 0 means 1
	MaxEvents   int           // events in one Write; 0 means 1000
	MaxBytes    int           // bytes in one Write (at least one event is always given); 0 means 4 MiB
	Linger      time.Duration // how long to wait for a batch to fill; 0 means not at all
}

// Limiter is implemented by outputs that have Limits of their own.
type Limiter interface{ Limits() Limits }

// Checker is implemented by inputs and outputs that can prove their connection: `trailcast check --connect`, /readyz.
type Checker interface {
	Check(ctx context.Context) error
}

// Persistent is implemented by inputs that read again by themselves what was not confirmed, as long as they run: a frame
// of theirs that settled as Retry says nothing about the end.
type Persistent interface{ Persistent() }

// Counter is implemented by inputs that can tell what there is to read: `trailcast run --dry-run`.
type Counter interface {
	Count(ctx context.Context) (Count, error)
}

// Count is what an input would read.
type Count struct {
	Objects int64  // files, objects, messages
	Bytes   int64  // as they are stored; 0 where that is not known
	Note    string // what the numbers do not tell
}

// Explainer is implemented by outputs that can say what they would do with an event: `trailcast explain`.
type Explainer interface {
	Explain(ev *Event) (Explanation, error)
}

// Explanation is how an event would leave by an output.
type Explanation struct {
	Destination string      // subject, topic, path
	Headers     [][2]string // in the order in which they are sent
	Size        int         // bytes on the wire, headers included
}

// Failure is one failed event of a Write.
type Failure struct {
	Index int
	Err   error
}

// BatchError says which events of a Write failed.
type BatchError struct{ Failed []Failure }

func (e *BatchError) Error() string {
	if len(e.Failed) == 0 {
		return "no event failed"
	}
	if len(e.Failed) == 1 {
		return e.Failed[0].Err.Error()
	}
	return fmt.Sprintf("%d events failed, the first: %v", len(e.Failed), e.Failed[0].Err)
}

func (e *BatchError) Unwrap() []error {
	errs := make([]error, len(e.Failed))
	for i := range e.Failed {
		errs[i] = e.Failed[i].Err
	}
	return errs
}

type rejection struct{ err error }

func (r *rejection) Error() string { return r.err.Error() }
func (r *rejection) Unwrap() error { return r.err }

// Reject marks an error as final: this event can never be delivered (invalid content, too large).
func Reject(err error) error { return &rejection{err} }

// IsRejected reports whether err is marked as final.
func IsRejected(err error) bool {
	_, ok := errors.AsType[*rejection](err)
	return ok
}

type retryAfter struct {
	err   error
	delay time.Duration
}

func (r *retryAfter) Error() string { return r.err.Error() }
func (r *retryAfter) Unwrap() error { return r.err }

// RetryAfter marks a retryable error with the wait that the destination asked for.
func RetryAfter(err error, d time.Duration) error { return &retryAfter{err, d} }

// Outcome of a frame. The worst one of its events wins: a retry beats a rejection, since the frame must come again.
type Outcome int

const (
	Delivered Outcome = iota // every event reached all its required outputs, or was filtered, or matched none
	Rejected                 // the same, but at least one event is in quarantine instead
	Retry                    // at least one event is neither delivered nor in quarantine: the frame must be read again
)

func (o Outcome) String() string {
	switch o {
	case Delivered:
		return "delivered"
	case Rejected:
		return "rejected"
	}
	return "retry"
}

// Result is how a frame ended.
type Result struct {
	Outcome Outcome
	Err     error // the first reason for Rejected or Retry
	Counts  Counts
}

// Counts account for the events of a frame or of an engine. In + Made = Filtered + Unrouted + Quarantined + Routed.
type Counts struct {
	In          int64 // events fed and broken pieces reported
	Made        int64 // further results of filters beyond the first
	Filtered    int64 // dropped by a filter
	Unrouted    int64 // matched no output
	Quarantined int64 // broken, or rejected by a filter before the fan-out
	Routed      int64 // went to at least one output
}

// Broken is a piece of input that is no usable event. It goes to quarantine.
type Broken struct {
	Raw    []byte // the bytes, cut to a limit where they are very long
	Size   int64  // their full length
	Origin *Origin
	Index  int64 // ordinal in the object; -1 where there is none
	Offset int64 // byte offset in the object after decompression
	Reason string
}

// QuarantineEntry is one rejected event or broken piece.
type QuarantineEntry struct {
	Raw       []byte // the record as it was split, or the broken bytes
	Size      int64  // full length, where Raw was cut
	Kind      Kind   // of the record; "" for broken pieces
	Origin    *Origin
	Index     int64
	Offset    int64
	Key       string // transport key; "" for broken pieces
	Seed      string // the transport's identity of the record
	Component string // who rejected it: the input's, filter's or output's name
	Reason    string
	Time      time.Time
}

// Quarantine keeps what can not be delivered. Put returns after all entries are on disk; it is called from several
// goroutines at once. A failed Put is tried again whole, so that an entry may be stored twice: a rejected event settles
// only with its entry stored.
type Quarantine interface {
	Put(ctx context.Context, entries ...QuarantineEntry) error
}
