package pipeline

import (
	"cmp"
	"fmt"
	"io"
	"runtime/debug"
)

// filterRunner is a filter stage with its counters.
type filterRunner struct {
	stage FilterStage
	stats filterStats
}

// A Redactor is a Filter that replaces secrets. Quarantine holds records as they were split, before any filter; so what is
// about to be kept there passes every Redactor of the pipeline and of its outputs, whatever the conditions of their stages.
type Redactor interface {
	// Redact returns what is kept of raw, which it does not write to: the bytes of ev's record, as earlier Redactors left
	// them. The Kind of a record that is a broken piece is "". It is called from several goroutines at once.
	Redact(ev Event, raw []byte) []byte
}

func (e *Engine) newFilters(stages []FilterStage) []*filterRunner {
	var runners []*filterRunner
	for _, s := range stages {
		s.OnError = cmp.Or(s.OnError, OnErrorQuarantine)
		runners = append(runners, &filterRunner{stage: s})
		if st, ok := s.Filter.(Settler); ok {
			e.settlers = append(e.settlers, st)
		}
		if r, ok := s.Filter.(Redactor); ok {
			e.redactors = append(e.redactors, r)
		}
		if o, ok := s.Filter.(Sequential); ok {
			e.sequential = append(e.sequential, o)
		}
	}
	return runners
}

func (f *filterRunner) close() error {
	if c, ok := f.stage.Filter.(io.Closer); ok {
		if err := c.Close(); err != nil {
			return fmt.Errorf("filter %q: close: %w", f.stage.Name, err)
		}
	}
	return nil
}

// apply runs the filter on one event, turning a panic into an error.
func (f *filterRunner) apply(e *Engine, dst []Event, ev Event) (out []Event, err error) {
	n := len(dst)
	defer func() {
		if p := recover(); p != nil {
			f.stats.panics.Add(1)
			e.log.Error("filter panicked; the event is treated as failed", "filter", f.stage.Name, "panic", p, "stack", stack())
			out, err = dst[:n], fmt.Errorf("panic: %v", p)
		}
	}()
	return f.stage.Filter.Apply(e.work, dst, ev)
}

// router is one filter worker: it runs a batch through the filters and hands each output its events.
type router struct {
	engine  *Engine
	a, b    []Event // what the stages read and write in turn
	outputs [][]Event
	matcher Matcher // nil: each condition is asked by itself
	matched []Match
	decoded []decoded       // places for what filters will decode
	aside   []rejectedEvent // of the batch, for quarantine
}

// reject notes an event for quarantine.
func (w *router) reject(ev *Event, component string, cause error) {
	kept := *ev // ev points into scratch space
	w.aside = append(w.aside, rejectedEvent{&kept, component, cause})
}

func newRouter(e *Engine) *router {
	w := &router{engine: e, outputs: make([][]Event, len(e.outputs))}
	if e.settings.NewMatcher != nil {
		w.matcher = e.settings.NewMatcher()
	}
	return w
}

// tally is what became of a batch in a chain of filters.
type tally struct{ made, filtered, quarantined int64 }

func (w *router) route(b *batch) {
	e := w.engine
	taken := b.events
	events, t := w.chain(e.filters[b.frame.from:], b, taken)
	b.events = nil
	counts := Counts{Made: t.made, Filtered: t.filtered, Quarantined: t.quarantined}
	w.pick(b, events, &counts)

	for i, o := range e.outputs {
		picked := w.outputs[i]
		if len(picked) == 0 {
			continue
		}
		o.stats.in.Add(int64(len(picked)))
		if len(o.filters) == 0 {
			continue
		}
		passed, t := w.chain(o.filters, b, picked)
		o.stats.made.Add(t.made)
		o.stats.filtered.Add(t.filtered)
		o.stats.quarantined.Add(t.quarantined)
		clear(picked)
		w.outputs[i] = append(picked[:0], passed...)
	}
	e.reject(b.frame, w.aside)
	w.aside = nil
	w.dropDecoded(taken)
	b.frame.count(counts)
	e.stats.add(counts)
	for i, o := range e.outputs {
		if picked := w.outputs[i]; len(picked) > 0 {
			if !o.stage.BestEffort {
				b.pending.Add(1)
			}
			o.enqueue(&segment{output: o, batch: b}, picked)
		}
	}
	w.forget()
	e.leftUpstream()
	e.settleBatch(b, 1)
}

// dropDecoded lets go of what filters decoded. Records lie in slabs, so an event that waits for an output would otherwise
// keep the decoded values of all its neighbours, which take many times the memory of the bytes.
func (w *router) dropDecoded(taken []Event) {
	for i := range taken {
		taken[i].Record.decoded = decoded{}
	}
	for _, events := range w.outputs {
		for i := range events {
			events[i].decoded = nil
		}
	}
}

// forget drops the references that the scratch space holds, so that it pins no buffer while the worker is idle.
func (w *router) forget() {
	w.decoded = nil
	clear(w.a[:cap(w.a)])
	clear(w.b[:cap(w.b)])
	for i, events := range w.outputs {
		clear(events)
		w.outputs[i] = events[:0]
	}
}

// chain runs events through filters. The result is valid until the next call.
func (w *router) chain(filters []*filterRunner, b *batch, events []Event) ([]Event, tally) {
	var t tally
	for _, f := range filters {
		dst := w.a[:0]
		for i := range events {
			dst = w.apply(f, b, dst, &events[i], &t)
		}
		f.stats.in.Add(int64(len(events)))
		f.stats.out.Add(int64(len(dst)))
		w.a, w.b = w.b, dst
		events = dst
	}
	return events, t
}

// apply runs one stage on one event and appends the results.
func (w *router) apply(f *filterRunner, b *batch, dst []Event, ev *Event, t *tally) []Event {
	e := w.engine
	if f.stage.When != nil {
		if ok, err := e.match(f.stage.When, ev); err != nil {
			f.stats.conditionErrors.Add(1)
		} else if !ok {
			return append(dst, *ev)
		}
	}
	before := len(dst)
	dst, err := f.apply(e, dst, *ev)
	if err != nil {
		return w.failed(f, b, dst[:before], ev, t, err)
	}
	results := dst[before:]
	for k := range results {
		if results[k].decoded == nil {
			results[k].decoded = w.place()
		}
	}
	switch len(results) {
	case 0:
		t.filtered++
		f.stats.filtered.Add(1)
	case 1:
	default:
		t.made += int64(len(results) - 1)
		f.stats.made.Add(int64(len(results) - 1))
		for k := range results {
			results[k].part, results[k].zeros = ev.part, ev.zeros // whatever the filter made them of
			results[k].result(k)
		}
	}
	return dst
}

// place returns where the copies of a new event share what is decoded of it.
func (w *router) place() *decoded {
	const slab = 128
	if len(w.decoded) == 0 {
		w.decoded = make([]decoded, slab)
	}
	p := &w.decoded[0]
	w.decoded = w.decoded[1:]
	return p
}

// failed applies a stage's error policy.
func (w *router) failed(f *filterRunner, b *batch, dst []Event, ev *Event, t *tally, err error) []Event {
	f.stats.errors.Add(1)
	switch f.stage.OnError {
	case OnErrorPass:
		return append(dst, *ev)
	case OnErrorDrop:
		t.filtered++
		f.stats.filtered.Add(1)
		return dst
	}
	f.stats.quarantined.Add(1)
	t.quarantined++
	w.reject(ev, f.stage.Name, err)
	return dst
}

// pick sorts the events by output: all whose condition holds.
func (w *router) pick(b *batch, events []Event, counts *Counts) {
	e := w.engine
	for i := range events {
		ev := &events[i]
		routed, aside := false, false
		w.matched = w.matches(ev, w.matched[:0])
		for _, m := range w.matched {
			o := e.outputs[m.Output]
			ok, err := w.wants(m, ev)
			if err != nil {
				o.stats.conditionErrors.Add(1)
				switch o.stage.OnError {
				case OnErrorSkip:
					continue
				case OnErrorQuarantine:
					if !aside {
						aside = true
						w.reject(ev, o.stage.Name, fmt.Errorf("when: %w", err))
					}
					o.stats.in.Add(1)
					o.stats.quarantined.Add(1)
					routed = true
					continue
				}
			} else if !ok {
				continue
			}
			routed = true
			w.outputs[m.Output] = append(w.outputs[m.Output], *ev)
		}
		if routed {
			counts.Routed++
		} else {
			counts.Unrouted++
		}
	}
}

// match evaluates a condition, turning a panic into an error.
func (e *Engine) match(c Condition, ev *Event) (ok bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("condition panicked", "panic", p, "stack", stack())
			ok, err = false, fmt.Errorf("panic: %v", p)
		}
	}()
	return c.Match(e.work, ev)
}

// rejectedEvent is an event that goes to quarantine, with who rejected it and why.
type rejectedEvent struct {
	event     *Event
	component string
	cause     error
}

// reject puts events into quarantine and records the outcome in their frame: Rejected when the entries are stored, Retry
// when they could not be.
func (e *Engine) reject(f *Frame, rejected []rejectedEvent) (stored bool) {
	if len(rejected) == 0 {
		return true
	}
	entries := make([]QuarantineEntry, len(rejected))
	keys := make([]string, len(rejected))
	for i, x := range rejected {
		r := x.event.Record
		keys[i] = x.event.Key()
		entries[i] = QuarantineEntry{
			Raw: e.redacted(*x.event), Kind: r.Kind, Origin: r.Origin, Index: r.Index, Offset: r.Offset,
			Key: keys[i], Seed: r.Seed, Component: x.component, Reason: x.cause.Error(),
		}
	}
	if err := e.keepAside(e.work, f, entries...); err != nil {
		f.settleAs(Retry, err)
		return false
	}
	f.settleAs(Rejected, fmt.Errorf("%s: %w", rejected[0].component, rejected[0].cause), keys...)
	return true
}

// redacted returns the bytes of an event's record as quarantine may keep them. Bytes that a Redactor panics on are kept as
// they are: to lose them would be worse.
func (e *Engine) redacted(ev Event) (raw []byte) {
	raw = ev.Record.Raw
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("redaction for quarantine panicked; the entry is kept as it is", "panic", p, "stack", stack())
		}
	}()
	for _, r := range e.redactors {
		raw = r.Redact(ev, raw)
	}
	return raw
}

func stack() string { return string(debug.Stack()) }
