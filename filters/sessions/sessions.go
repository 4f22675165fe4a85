// Package sessions is the filter that joins the API calls that open, resume and end Session Manager sessions with the
// sessions' own logs: who connected, from where and why with what was typed.
//
// Events become facts (observe.go), facts are merged into the state of their session (fact.go, state.go), which a store
// keeps (store.go, journal.go), or several agents together (fleet.go, bucket.go). What a call causes is told beside it (message.go), what time brings by the maker (make.go),
// when the rules say so (rules.go, clock.go). Log records may wait for the start of their session (held.go). Join does the
// same for data that is complete.
package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/natsconn"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/internal/statedir"
	"github.com/trailcast/trailcast/pipeline"
)

// Filter joins sessions. It is safe for concurrent use.
type Filter struct {
	rules    *rules
	teller   teller
	activity int64 // length of an interval in milliseconds; 0: activity is not told
	origin   *pipeline.Origin
	log      *slog.Logger
	now      func() time.Time
	path     string // of the files, which have endings of their own; "": nothing is kept
	store    store
	memory   *memory // the store, which is read from its file when it is opened
	fleet    *fleet  // the store that is shared instead; nil: it is not
	held     *held   // nil: nothing is held
	opening  sync.Once

	mu        sync.Mutex          // guards what follows
	unsettled map[uint64]struct{} // frames with facts that need not be safe yet
	failing   bool                // what is known could not be kept
}

var (
	_ pipeline.Filter  = (*Filter)(nil)
	_ pipeline.Settler = (*Filter)(nil)
	_ pipeline.Maker   = (*Filter)(nil)
)

// New returns a filter. Its file in the state directory is opened when the engine begins to use the filter, since filters
// are also made to look at a configuration that an agent is running.
func New(cfg Config, env pipeline.Env) (*Filter, error) { return newWithClock(cfg, env, time.Now) }

func newWithClock(cfg Config, env pipeline.Env, now func() time.Time) (*Filter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	f := &Filter{
		rules: newRules(cfg, now()), teller: newTeller(cfg), activity: cfg.Activity.Milliseconds(),
		origin: &pipeline.Origin{Input: env.Name}, log: cmp.Or(env.Log, slog.New(slog.DiscardHandler)), now: now,
		unsettled: map[uint64]struct{}{},
	}
	if env.StateDir != "" {
		f.path = statedir.NewStore(filepath.Clean(env.StateDir)).Path("sessions:" + env.Name)
	}
	room := int64(cfg.MaxMemory)
	if cfg.Hold > 0 {
		if f.path == "" {
			return nil, errors.New("hold needs a state directory: log records that wait would be lost in a crash")
		}
		room -= int64(cfg.MaxMemory) / 4
	}
	f.memory = newMemory(room, f.rules.next, f.evicted)
	f.store = f.memory
	if cfg.KV != nil {
		if err := f.share(cfg.KV.withDefaults(env.Name)); err != nil {
			return nil, fmt.Errorf("kv: %w", err)
		}
	}
	if cfg.Hold > 0 {
		f.held = newHeld(cfg.Hold.Milliseconds(), int64(cfg.MaxMemory)-room, f.rules.since, f.store.wake)
	}
	return f, nil
}

// share makes the store one that others share.
func (f *Filter) share(cfg KV) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	options, err := natsconn.Options(cfg.Identity, f.log.Warn)
	if err != nil {
		return err
	}
	if cfg.TLS != nil && cfg.TLS.InsecureSkipVerify {
		f.log.Warn("tls.insecure_skip_verify: the NATS server is not verified")
	}
	known := func(session string) { f.held.begun(session) }
	f.fleet = newFleet(f.memory, newBucket(cfg, options, f.log), cfg.Lease, f.rules.clocks, known)
	f.store = f.fleet
	return nil
}

// open reads what is known from the last time. Without a readable file the filter goes on with what it learns: events are
// worth more than what was known of their sessions.
func (f *Filter) open() {
	f.opening.Do(func() {
		if f.fleet != nil {
			f.openFleet()
		} else if f.path == "" {
			f.log.Info("there is no state directory: what is known of sessions is lost at a restart")
		} else if j := f.openFile(".journal", "what is known of sessions is lost at a restart", f.memory.restore); j != nil {
			f.memory.keep(j)
		}
		if f.held != nil {
			f.openHeld()
		}
	})
}

func (f *Filter) openFleet() {
	var outbox *journal
	if f.path != "" {
		outbox = f.openFile(".unsent", "while the key-value bucket is away what is new is in memory only", f.fleet.restore)
	}
	if err := f.fleet.open(outbox); err != nil {
		f.log.Error("connect to NATS; this agent joins what it reads itself", "err", err)
	}
}

func (f *Filter) openHeld() {
	f.held.journal = f.openFile(".held", "no log record waits for its session, and those of the last time stay in the file", f.held.restore)
	for _, id := range f.held.waiting() {
		if s := f.store.look(id); s.known() {
			f.held.begun(id)
		}
	}
}

// openFile returns nil where it fails; without says what this means.
func (f *Filter) openFile(ending, without string, restore func(*fact)) *journal {
	path := f.path + ending
	j, aside, err := openJournal(path, restore)
	if aside != "" {
		f.log.Error("a file of sessions is damaged; what could be read of it is used, and it was set aside", "file", path, "aside", aside)
	}
	if err != nil {
		f.log.Error("open a file of sessions; "+without, "file", path, "err", err)
	}
	return j
}

// Apply implements pipeline.Filter. The result is the event, stamped if it is of a session log, and behind it the session
// events that it causes.
func (f *Filter) Apply(_ context.Context, dst []pipeline.Event, ev pipeline.Event) ([]pipeline.Event, error) {
	if !isConcerned(ev.Record) {
		return append(dst, ev), nil
	}
	return f.join(dst, ev), nil
}

func (f *Filter) join(dst []pipeline.Event, ev pipeline.Event) []pipeline.Event {
	what, ok := observe(&ev, f.now)
	if !ok {
		return append(dst, ev)
	}
	f.note(&ev)
	if f.activity > 0 && what.Kind == streamed {
		what.Bucket = what.Time / f.activity
	}
	input := ""
	if ev.Record.Origin != nil {
		input = ev.Record.Origin.Input
	}
	f.rules.clocks.observe(input, what.Time, what.Heard)
	if what.Kind.isLog() {
		return f.joinLog(dst, ev, &what)
	}
	var s state
	if what.Kind != denied {
		s = f.store.merge(&what)
	}
	if s.known() {
		f.held.begun(s.ID)
	}
	return f.tell(append(dst, ev), &ev, &what, &s)
}

// joinLog yields nothing for a record that is held. Its activity is not told either: that would be by an event of another
// key than beside the record.
func (f *Filter) joinLog(dst []pipeline.Event, ev pipeline.Event, what *fact) []pipeline.Event {
	what.Holds = f.held.canHold(&ev)
	s := f.store.merge(what)
	if what.Holds && !s.known() {
		if f.held.add(what, &ev) {
			if s = f.store.look(s.ID); s.known() { // the start came meanwhile
				f.held.begun(s.ID)
			}
			return dst
		}
		s = f.store.merge(&fact{Session: s.ID, Kind: pending})
	}
	ev = stamped(ev, &s)
	return f.tell(append(dst, ev), &ev, what, &s)
}

// tell appends the events that an event causes.
func (f *Filter) tell(dst []pipeline.Event, cause *pipeline.Event, what *fact, s *state) []pipeline.Event {
	for _, m := range f.teller.tell(what, s) {
		dst = append(dst, besides(*cause, m))
	}
	return dst
}

// note notes that the event's frame has something to keep. An event that is in no frame is only looked at.
func (f *Filter) note(ev *pipeline.Event) {
	id := ev.FrameID()
	if id == 0 {
		return
	}
	f.open()
	f.mu.Lock()
	f.unsettled[id] = struct{}{}
	f.mu.Unlock()
}

// Settled implements pipeline.Settler: what a frame told is safe before the frame counts as done. What one told that comes
// again may be kept or not.
func (f *Filter) Settled(frame uint64, outcome pipeline.Outcome, _ []string) {
	f.mu.Lock()
	_, ours := f.unsettled[frame]
	delete(f.unsettled, frame)
	f.mu.Unlock()
	if ours && outcome != pipeline.Retry {
		_ = f.commit() // it is told, and tried again
	}
}

// commit tells a change only: while the disk fails, each frame comes here.
func (f *Filter) commit() error {
	err := errors.Join(f.store.commit(), f.held.commit())
	f.mu.Lock()
	changed := f.failing != (err != nil)
	f.failing = err != nil
	f.mu.Unlock()
	switch {
	case changed && err != nil:
		f.log.Error("what is known of sessions can not be kept; the filter goes on with what it has in memory until that works again", "err", err)
	case changed:
		f.log.Info("what is known of sessions is kept again")
	}
	return err
}

func (f *Filter) evicted(forgotten, closed int) {
	f.log.Warn("there is no memory for all sessions (max_memory)", "forgotten", forgotten, "closed", closed)
}

// Close writes what is known.
func (f *Filter) Close() error {
	return errors.Join(f.held.close(), f.store.close())
}

// besides returns a session event that another event causes, in the same frame.
func besides(cause pipeline.Event, m *message) pipeline.Event {
	r := m.record(cause.Record.Origin)
	ev := cause.WithRaw(r.Raw).WithFacts(r.Facts())
	ev.Record = r
	return ev
}

const enriched = "trailcast" // the member that `enrich` adds

// stamped returns an event of a log with what is known of its session, as a member of the event and as facts.
func stamped(ev pipeline.Event, s *state) pipeline.Event {
	facts := *ev.Facts()
	if !s.known() {
		return splice(ev, encode(stamp{part: part{ID: s.ID, Target: facts.Session.Target}, Pending: true}))
	}
	c := s.common()
	account, region := facts.Account, facts.Region
	c.set(&facts)
	facts.Account, facts.Region = cmp.Or(account, facts.Account), cmp.Or(region, facts.Region)
	st := stamp{part: *c.Session, Actor: c.Actor, Source: c.Source, Started: written(s.Started)}
	return splice(ev, encode(st)).WithFacts(&facts)
}

// splice sets trailcast.session.
func splice(ev pipeline.Event, value []byte) pipeline.Event {
	had, ok := rawjson.Get(ev.Raw, enriched)
	member := []byte("{}")
	if ok && rawjson.KindOf(had) == rawjson.Object {
		member = had
	}
	member = rawjson.Set(member, "session", value)
	if own, known := record.Field(ev.Record, enriched); !known || own != nil || !ev.Intact() {
		return ev.WithRaw(rawjson.Set(ev.Raw, enriched, member))
	}
	if ok { // `enrich` added it at the end
		return ev.WithMember(rawjson.Set(ev.Raw, enriched, member))
	}
	return ev.WithMember(rawjson.Add(ev.Raw, enriched, member))
}
