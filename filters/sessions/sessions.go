// Package sessions is the filter that joins the API calls that open, resume and end Session Manager sessions with the
// sessions' own logs: who connected, from where and why with what was typed.
//
// Events become facts (observe.go), facts are merged into the state of their session (fact.go, state.go), which a store
// keeps (store.go, journal.go). What a call causes is told beside it (message.go), what time brings by the maker (make.go),
// when the rules say so (rules.go, clock.go). Join does the same for data that is complete.
package sessions

import (
	"cmp"
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/trailcast/trailcast/formats/record"
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
	path     string // of the journal; "": nothing is kept
	store    store
	memory   *memory // the store, which is read from its file when it is opened
	opening  sync.Once

	mu        sync.Mutex          // guards what follows
	unsettled map[uint64]struct{} // frames with facts that need not be safe yet
	failing   bool                // what is known could not be written
}

var (
	_ pipeline.Filter  = (*Filter)(nil)
	_ pipeline.Settler = (*Filter)(nil)
	_ pipeline.Maker   = (*Filter)(nil)
)

// New returns a filter. Its file in the state directory is opened when the engine begins to use the filter, since filters
// are also made to look at a configuration that an agent is running.
func New(cfg Config, env pipeline.Env) (*Filter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	f := &Filter{
		rules: newRules(cfg, time.Now()), teller: newTeller(cfg), activity: cfg.Activity.Milliseconds(),
		origin: &pipeline.Origin{Input: env.Name}, log: cmp.Or(env.Log, slog.New(slog.DiscardHandler)),
		unsettled: map[uint64]struct{}{},
	}
	if env.StateDir != "" {
		f.path = statedir.NewStore(filepath.Clean(env.StateDir)).Path("sessions:"+env.Name) + ".journal"
	}
	f.memory = newMemory(int64(cfg.MaxMemory), f.rules.next, f.evicted)
	f.store = f.memory
	return f, nil
}

// open reads what is known from the last time. Without a readable file the filter goes on with what it learns: events are
// worth more than what was known of their sessions.
func (f *Filter) open() {
	f.opening.Do(func() {
		if f.path == "" {
			f.log.Info("there is no state directory: what is known of sessions is lost at a restart")
			return
		}
		j, aside, err := openJournal(f.path, f.memory.restore)
		if aside != "" {
			f.log.Error("the file of sessions is damaged; what could be read of it is used, and it was set aside", "file", f.path, "aside", aside)
		}
		if err != nil {
			f.log.Error("open the file of sessions; what is known of sessions is lost at a restart", "file", f.path, "err", err)
			return
		}
		f.memory.keep(j)
	})
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
	what, ok := observe(&ev, time.Now)
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
	var s state
	if what.Kind != denied {
		s = f.store.merge(&what)
	}
	messages := f.teller.tell(&what, &s)
	if what.Kind.isLog() {
		ev = stamped(ev, &s)
	}
	dst = append(dst, ev)
	for _, m := range messages {
		dst = append(dst, besides(ev, m))
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
		f.commit()
	}
}

// commit tells a change only: while the disk fails, each frame comes here.
func (f *Filter) commit() {
	err := f.store.commit()
	f.mu.Lock()
	changed := f.failing != (err != nil)
	f.failing = err != nil
	f.mu.Unlock()
	switch {
	case changed && err != nil:
		f.log.Error("write the file of sessions; what is known of them is in memory only until it works again", "file", f.path, "err", err)
	case changed:
		f.log.Info("the file of sessions is written again", "file", f.path)
	}
}

func (f *Filter) evicted(forgotten, closed int) {
	f.log.Warn("there is no memory for all sessions (max_memory)", "forgotten", forgotten, "closed", closed)
}

// Close writes what is known.
func (f *Filter) Close() error {
	return f.store.close()
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
