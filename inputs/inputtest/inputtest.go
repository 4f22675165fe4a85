// Package inputtest runs inputs in a real engine for their tests.
package inputtest

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

// timeout is how long tests wait for what must happen.
const timeout = 60 * time.Second

// Bench is what stays when an agent is stopped and started again: what was delivered, and the quarantine.
type Bench struct {
	t testing.TB

	mu      sync.Mutex
	changed chan struct{} // closed and renewed at each change
	events  map[string]int
	keys    map[string]map[string]bool
	last    map[string]pipeline.Event
	total   int
	aside   []pipeline.QuarantineEntry
	fail    func(raw string) error
	held    chan struct{}
}

// New returns a bench without an agent.
func New(t testing.TB) *Bench {
	return &Bench{t: t, changed: make(chan struct{}), events: map[string]int{}, keys: map[string]map[string]bool{}, last: map[string]pipeline.Event{}}
}

// Write implements pipeline.Output.
func (b *Bench) Write(ctx context.Context, events []pipeline.Event) error {
	b.mu.Lock()
	held := b.held
	b.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	failed := &pipeline.BatchError{}
	for i := range events {
		raw := string(events[i].Raw)
		if b.fail != nil {
			if err := b.fail(raw); err != nil {
				failed.Failed = append(failed.Failed, pipeline.Failure{Index: i, Err: err})
				continue
			}
		}
		b.total++
		b.events[raw]++
		if b.keys[raw] == nil {
			b.keys[raw] = map[string]bool{}
		}
		b.keys[raw][events[i].Key()] = true
		b.last[raw] = events[i]
	}
	b.tell()
	if len(failed.Failed) > 0 {
		return failed
	}
	return nil
}

// Close implements pipeline.Output.
func (b *Bench) Close(context.Context) error { return nil }

type aside struct{ *Bench }

// Put implements pipeline.Quarantine.
func (a aside) Put(_ context.Context, entries ...pipeline.QuarantineEntry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.Bench.aside = append(a.Bench.aside, entries...)
	a.tell()
	return nil
}

// tell wakes Wait. The caller holds mu.
func (b *Bench) tell() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Fail makes the output fail events; nil lets all pass.
func (b *Bench) Fail(fail func(raw string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = fail
}

// Hold makes the output wait until release is called.
func (b *Bench) Hold() (release func()) {
	held := make(chan struct{})
	b.mu.Lock()
	b.held = held
	b.mu.Unlock()
	return sync.OnceFunc(func() {
		b.mu.Lock()
		b.held = nil
		b.mu.Unlock()
		close(held)
	})
}

// Events returns how often each event was delivered.
func (b *Bench) Events() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.events)
}

// Event returns the last delivery of an event.
func (b *Bench) Event(raw string) (pipeline.Event, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ev, ok := b.last[raw]
	return ev, ok
}

// Keys returns the transport keys that an event came with.
func (b *Bench) Keys(raw string) map[string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.keys[raw])
}

// Total returns how many deliveries there were, repeats included.
func (b *Bench) Total() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total
}

// Aside returns what is in quarantine.
func (b *Bench) Aside() []pipeline.QuarantineEntry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]pipeline.QuarantineEntry(nil), b.aside...)
}

// Wait waits until met holds; it is asked after every change.
func (b *Bench) Wait(what string, met func() bool) {
	b.t.Helper()
	deadline := time.After(timeout)
	for {
		b.mu.Lock()
		changed := b.changed
		b.mu.Unlock()
		if met() {
			return
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Millisecond): // for what the bench does not see
		case <-deadline:
			b.t.Fatalf("waited in vain for %s; %d deliveries, %d events, %d in quarantine", what, b.Total(), len(b.Events()), len(b.Aside()))
		}
	}
}

// Agent is one run of an input.
type Agent struct {
	b      *Bench
	cancel context.CancelFunc
	done   chan error
	engine *pipeline.Engine
	ended  bool
}

// Start runs an input until Stop, or until it ends. drain is how long a stop waits for confirmations; 0 means a minute.
func (b *Bench) Start(input pipeline.Input, drain time.Duration) *Agent {
	b.t.Helper()
	if drain == 0 {
		drain = time.Minute
	}
	engine, err := pipeline.New(pipeline.Settings{
		Outputs: []pipeline.OutputStage{{Name: "out", Output: b}}, Quarantine: aside{b},
		BackoffMin: time.Millisecond, BackoffMax: 10 * time.Millisecond, DrainTimeout: drain,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &Agent{b: b, cancel: cancel, done: make(chan error, 1), engine: engine}
	go func() { a.done <- engine.Run(ctx, []pipeline.InputStage{{Name: "in", Input: input}}) }()
	b.t.Cleanup(func() { a.Stop() })
	return a
}

// Stop ends the run, and returns its error.
func (a *Agent) Stop() error {
	a.cancel()
	return a.Wait()
}

// Wait waits for the end of the run, and returns its error.
func (a *Agent) Wait() error {
	a.b.t.Helper()
	if a.ended {
		return nil
	}
	a.ended = true
	defer a.cancel()
	select {
	case err := <-a.done:
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		return err
	case <-time.After(timeout):
		a.b.t.Fatal("the input does not end")
		return nil
	}
}

// Stats returns the engine's counters.
func (a *Agent) Stats() pipeline.Stats { return a.engine.Stats() }
