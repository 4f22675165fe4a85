package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is returned by Feed after Close has begun.
var ErrClosed = errors.New("the pipeline is closing")

// errDrain is the reason of a Retry at the end of a drain.
var errDrain = errors.New("not confirmed before the drain deadline; it will be read again")

// Settings configure an engine. Zero values take the defaults named here.
type Settings struct {
	Log        *slog.Logger
	Filters    []FilterStage
	Outputs    []OutputStage
	Quarantine Quarantine // nil: what is rejected is retried, since it could not be kept

	// NewMatcher makes what decides the conditions of all outputs at once; it is called once for each filter worker. nil:
	// each condition is asked by itself.
	NewMatcher func() Matcher

	Workers      int           // goroutines that run filters and conditions; default: the number of processors
	MaxEvents    int64         // events in flight; default 20,000
	MaxBytes     int64         // bytes in flight; default 64 MiB
	DrainTimeout time.Duration // how long Run waits for confirmations after its context ended; default 30 s
	BackoffMin   time.Duration // first wait before a Write is tried again; default 100 ms
	BackoffMax   time.Duration // longest wait; default 30 s
}

// InputStage is an input with its configured name.
type InputStage struct {
	Name  string
	Input Input
}

// ErrorPolicy says what becomes of an event when a filter or a condition fails on it.
type ErrorPolicy string

const (
	OnErrorQuarantine ErrorPolicy = "quarantine" // keep it aside; a filter's default
	OnErrorPass       ErrorPolicy = "pass"       // a filter: go on with the event as it was
	OnErrorDrop       ErrorPolicy = "drop"       // a filter: drop it, counted
	OnErrorSend       ErrorPolicy = "send"       // an output's condition: as if it held; its default
	OnErrorSkip       ErrorPolicy = "skip"       // an output's condition: as if it did not
)

// FilterStage is a filter with the keys common to all filters.
type FilterStage struct {
	Name    string
	Filter  Filter
	When    Condition   // events for which it does not hold pass untouched; nil: all are filtered; an error counts as true
	OnError ErrorPolicy // quarantine (default), pass, drop
}

// OutputStage is an output with the keys common to all outputs.
type OutputStage struct {
	Name        string
	Output      Output
	When        Condition     // nil: every event
	OnError     ErrorPolicy   // what an error of When means: send (default), skip, quarantine
	Filters     []FilterStage // run on this output's copy of the event only
	BestEffort  bool          // never holds the acknowledgement; beyond BufferBytes events are dropped and counted
	BufferBytes int64         // best effort only; default 16 MiB
	Ordered     bool          // keep the order of a frame's events: one Write at a time
}

// Engine runs events through filters to outputs and settles the frames that they came in. There is one per agent, or
// one per instance of the Fluent Bit plugin.
//
// Every Write is tried again until it succeeds, is rejected, or nobody waits for the frame any more; so a slow or
// missing destination holds its frames open, which in the end stops the inputs. Nothing is promised about the order of
// events across frames.
type Engine struct {
	log        *slog.Logger
	filters    []*filterRunner
	outputs    []*outputRunner
	settlers   []Settler
	redactors  []Redactor
	sequential []Sequential
	quarantine Quarantine
	settings   Settings

	budget   budget
	shared   chan *batch   // batches for whichever filter worker is free
	own      []chan *batch // one per worker, for batches that must not overtake others; nil where no order is kept
	seed     maphash.Seed  // of the names of inputs
	ordered  bool          // an output keeps the order of a frame, so that all batches go by own
	upstream atomic.Int64  // unsealed frames and batches that are not routed yet: more may come to the outputs at once

	feeding  context.Context // of Deliver's feeds: ends when Close begins
	noMore   context.CancelFunc
	work     context.Context // ends when what is in flight is given up
	giveUp   context.CancelCauseFunc
	feeders  sync.WaitGroup // of Deliver
	workers  sync.WaitGroup // filter workers
	writers  sync.WaitGroup // output workers
	stats    counters
	inputsMu sync.Mutex
	inputs   []*inputStats

	mu      sync.Mutex // guards what follows
	closing bool
	lastID  uint64
	frames  map[uint64]*Frame
	empty   chan struct{} // non-nil while Close waits for the last frame
	closed  chan struct{} // closed at the end of the first Close
}

// batch is what one Feed took: the unit in which the budget is held and frames are settled.
type batch struct {
	frame   *Frame
	events  []Event
	count   int64
	bytes   int64
	pending atomic.Int64 // segments that are not settled yet, plus one while it is being routed
}

// New checks the settings and starts the engine's workers. The engine owns the outputs from now on and closes them in
// Close.
func New(s Settings) (*Engine, error) {
	s.Log = cmp.Or(s.Log, slog.New(slog.DiscardHandler))
	s.Workers = cmp.Or(s.Workers, runtime.GOMAXPROCS(0))
	s.MaxEvents = cmp.Or(s.MaxEvents, 20_000)
	s.MaxBytes = cmp.Or(s.MaxBytes, 64<<20)
	s.DrainTimeout = cmp.Or(s.DrainTimeout, 30*time.Second)
	s.BackoffMin = cmp.Or(s.BackoffMin, 100*time.Millisecond)
	s.BackoffMax = cmp.Or(s.BackoffMax, 30*time.Second)
	if err := s.check(); err != nil {
		return nil, err
	}
	e := &Engine{
		log: s.Log, quarantine: s.Quarantine, settings: s,
		budget: budget{maxEvents: s.MaxEvents, maxBytes: s.MaxBytes},
		frames: map[uint64]*Frame{},
		closed: make(chan struct{}),
	}
	e.feeding, e.noMore = context.WithCancel(context.Background())
	e.work, e.giveUp = context.WithCancelCause(context.Background())
	e.filters = e.newFilters(s.Filters)
	ordered := false
	for _, o := range s.Outputs {
		ordered = ordered || o.Ordered
		e.outputs = append(e.outputs, e.newOutput(o))
	}
	e.budget.onSpent = e.lookAgain
	e.startWorkers(ordered)
	e.startMakers()
	return e, nil
}

func (s *Settings) check() error {
	names := map[string]bool{}
	for _, o := range s.Outputs {
		switch {
		case o.Output == nil:
			return fmt.Errorf("output %q: no output given", o.Name)
		case names[o.Name]:
			return fmt.Errorf("output %q: the name is used twice", o.Name)
		}
		names[o.Name] = true
		for _, f := range o.Filters {
			if _, ok := f.Filter.(Maker); ok {
				return fmt.Errorf("output %q: the filter %q makes events of its own, so it must stand among the pipeline's filters", o.Name, f.Name)
			}
		}
	}
	return nil
}

// startMakers starts the filters that make events of their own. They end when Close begins.
func (e *Engine) startMakers() {
	for i, f := range e.filters {
		m, ok := f.stage.Filter.(Maker)
		if !ok {
			continue
		}
		e.feeders.Go(func() {
			err := runMaker(e.feeding, m, intake{engine: e, from: i + 1})
			if err != nil && e.feeding.Err() == nil {
				e.log.Error("a filter makes no more events of its own", "filter", f.stage.Name, "err", err)
			}
		})
	}
}

func runMaker(ctx context.Context, m Maker, in Intake) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, stack())
		}
	}()
	return m.Make(ctx, in)
}

func (e *Engine) startWorkers(ordered bool) {
	e.ordered, e.seed = ordered, maphash.MakeSeed()
	e.shared = make(chan *batch, e.settings.Workers)
	if ordered || len(e.sequential) > 0 {
		e.own = make([]chan *batch, e.settings.Workers)
	}
	for i := range e.settings.Workers {
		var own chan *batch
		if e.own != nil {
			own = make(chan *batch, 1)
			e.own[i] = own
		}
		e.workers.Go(func() { newRouter(e).work(e.shared, own) })
	}
	for _, o := range e.outputs {
		for range o.limits.Concurrency {
			e.writers.Go(o.run)
		}
	}
}

// Open begins a frame that belongs to no configured input: the plugin's way in.
func (e *Engine) Open(settled func(Result)) *Frame { return e.open(intake{engine: e}, settled) }

func (e *Engine) open(in intake, settled func(Result)) *Frame {
	f := &Frame{engine: e, input: in.stats, from: in.from, settled: settled}
	f.pending.Store(1)
	e.upstream.Add(1)
	e.mu.Lock()
	e.lastID++
	f.id = e.lastID
	e.frames[f.id] = f
	closing := e.closing
	e.mu.Unlock()
	if closing {
		f.Abandon(ErrClosed)
	}
	return f
}

// feed takes events into the pipeline.
func (e *Engine) feed(ctx context.Context, f *Frame, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	b := &batch{frame: f, events: events, count: int64(len(events))}
	for i := range events {
		events[i].frame = f
		b.bytes += int64(len(events[i].Raw))
	}
	if err := e.budget.acquire(ctx, b.count, b.bytes); err != nil {
		return err
	}
	if e.work.Err() != nil || !f.hold() {
		e.budget.release(b.count, b.bytes)
		return ErrClosed
	}
	b.pending.Store(1)
	e.upstream.Add(1)
	select {
	case e.way(b) <- b:
		counts := Counts{In: b.count}
		if f.from > 0 {
			counts = Counts{Made: b.count}
			e.filters[f.from-1].stats.made.Add(b.count)
		} else {
			e.stats.bytesIn.Add(b.bytes)
		}
		e.stats.in.Add(counts.In)
		e.stats.add(counts)
		f.count(counts)
		return nil
	case <-ctx.Done():
	}
	e.budget.release(b.count, b.bytes)
	e.leftUpstream()
	f.done()
	return ctx.Err()
}

// broken puts a piece that is no event into quarantine.
func (e *Engine) broken(ctx context.Context, f *Frame, p Broken) error {
	name := "split"
	if f.input != nil {
		name = f.input.name
	}
	raw := e.redacted(Event{Raw: p.Raw, Record: &Record{Raw: p.Raw, Origin: p.Origin, Index: p.Index, Offset: p.Offset}, frame: f})
	err := e.keepAside(ctx, f, QuarantineEntry{
		Raw: raw, Size: p.Size + int64(len(raw)-len(p.Raw)), Origin: p.Origin, Index: p.Index, Offset: p.Offset, Component: name, Reason: p.Reason,
	})
	if err != nil {
		return err
	}
	e.stats.in.Add(1)
	e.stats.quarantined.Add(1)
	f.count(Counts{In: 1, Quarantined: 1})
	f.mu.Lock()
	f.worsen(Rejected, errors.New(p.Reason))
	f.mu.Unlock()
	return nil
}

// keepAside stores entries, trying again until they are on disk or nobody waits for them any more.
func (e *Engine) keepAside(ctx context.Context, f *Frame, entries ...QuarantineEntry) error {
	now := time.Now().UTC()
	for i := range entries {
		entries[i].Time = now
		entries[i].Size = max(entries[i].Size, int64(len(entries[i].Raw)))
	}
	wait := backoff{min: e.settings.BackoffMin, max: e.settings.BackoffMax}
	for failed := false; ; failed = true {
		err := errors.New("no quarantine is configured")
		if e.quarantine != nil {
			err = e.quarantine.Put(ctx, entries...)
		}
		if err == nil {
			if failed {
				e.log.Info("quarantine accepts entries again")
			}
			e.stats.setQuarantine(nil)
			return nil
		}
		e.stats.setQuarantine(err)
		if !failed {
			e.log.Error("quarantine failed; what it should keep is held back until it works again",
				"component", entries[0].Component, "err", err)
		}
		if !wait.sleep(ctx, e.work, err) {
			return fmt.Errorf("quarantine: %w", err)
		}
	}
}

// moreIsComing tells an output whether it is worth to linger for more.
func (e *Engine) moreIsComing() bool { return e.upstream.Load() > 0 && !e.budget.spent() }

// leftUpstream tells outputs that linger for more that nothing more is on its way.
func (e *Engine) leftUpstream() {
	if e.upstream.Add(-1) == 0 {
		e.lookAgain()
	}
}

// lookAgain makes outputs that linger ask again whether more is coming.
func (e *Engine) lookAgain() {
	for _, o := range e.outputs {
		o.queue.wakeUp()
	}
}

// settleBatch drops n holds of a batch; the last one gives its budget back and drops its hold on the frame.
func (e *Engine) settleBatch(b *batch, n int64) {
	if b.pending.Add(-n) == 0 {
		e.budget.release(b.count, b.bytes)
		b.frame.done()
	}
}

// settle ends a frame.
func (e *Engine) settle(f *Frame) {
	f.mu.Lock()
	result, rejected := f.result, f.rejected
	f.mu.Unlock()
	for _, s := range e.settlers {
		s.Settled(f.id, result.Outcome, rejected)
	}
	e.stats.frames[result.Outcome].Add(1)
	if f.input != nil && result.Outcome == Retry {
		f.input.retried.Add(1)
	}
	if f.settled != nil {
		f.settled(result)
	}
	e.mu.Lock()
	delete(e.frames, f.id)
	if len(e.frames) == 0 && e.empty != nil {
		close(e.empty)
		e.empty = nil
	}
	e.mu.Unlock()
}

// Delivery is a frame that Deliver feeds.
type Delivery struct {
	settled chan struct{}
	result  Result
}

// Deliver opens a frame and feeds it on a goroutine of its own: the plugin's driver. The context of feed ends when the
// engine closes. An error or a panic of feed abandons the frame. settled, which may be nil, is called at the end; see
// Intake.Open.
func (e *Engine) Deliver(feed func(ctx context.Context, f *Frame) error, settled func(Result)) *Delivery {
	d := &Delivery{settled: make(chan struct{})}
	f := e.Open(func(r Result) {
		d.result = r
		close(d.settled)
		if settled != nil {
			settled(r)
		}
	})
	e.mu.Lock()
	if e.closing { // the frame was abandoned, and nobody waits for further feeders
		e.mu.Unlock()
		f.Abandon(ErrClosed)
		return d
	}
	e.feeders.Add(1)
	e.mu.Unlock()
	go func() {
		defer e.feeders.Done()
		if err := e.runFeed(f, feed); err != nil {
			f.Abandon(err)
		} else {
			f.Seal()
		}
	}()
	return d
}

func (e *Engine) runFeed(f *Frame, feed func(ctx context.Context, f *Frame) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("reading panicked", "panic", p, "stack", stack())
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return feed(e.feeding, f)
}

// Wait returns the result of the delivery; false when ctx ends first. The delivery goes on then, and may be waited for
// again.
func (d *Delivery) Wait(ctx context.Context) (Result, bool) {
	select {
	case <-d.settled:
		return d.result, true
	default:
	}
	select {
	case <-d.settled:
		return d.result, true
	case <-ctx.Done():
		return Result{}, false
	}
}

// intake is what one input, or one filter that makes events, sees of the engine.
type intake struct {
	engine *Engine
	stats  *inputStats // nil: no configured input
	from   int         // the filter at which events begin
}

func (in intake) Open(settled func(Result)) *Frame { return in.engine.open(in, settled) }

// Run starts the inputs, blocks until all of them have ended by themselves or ctx has, drains what is in flight within
// DrainTimeout, and closes the outputs. The error joins what the inputs and the closing returned.
func (e *Engine) Run(ctx context.Context, inputs []InputStage) error {
	var (
		running sync.WaitGroup
		mu      sync.Mutex
		errs    []error
	)
	stopTimer := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(e.settings.DrainTimeout, func() { e.giveUp(errDrain) })
		<-e.closed
		timer.Stop()
	})
	for _, stage := range inputs {
		st := &inputStats{name: stage.Name}
		e.inputsMu.Lock()
		e.inputs = append(e.inputs, st)
		e.inputsMu.Unlock()
		running.Go(func() {
			err := runInput(ctx, stage, intake{engine: e, stats: st})
			if err != nil && !errors.Is(err, context.Canceled) {
				err = fmt.Errorf("input %q: %w", stage.Name, err)
				e.log.Error("input ended", "input", stage.Name, "err", err)
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	running.Wait()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.settings.DrainTimeout)
	defer cancel()
	errs = append(errs, e.Close(drain))
	stopTimer()
	return errors.Join(errs...)
}

func runInput(ctx context.Context, stage InputStage, in Intake) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, stack())
		}
	}()
	return stage.Input.Run(ctx, in)
}

// Close takes no more events, waits until every frame has settled or ctx ends, settles the rest as Retry, and closes
// the outputs. A second call waits for the first.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		<-e.closed
		return nil
	}
	e.closing = true
	var open []*Frame
	for _, f := range e.frames {
		open = append(open, f)
	}
	settled := make(chan struct{})
	if len(open) == 0 {
		close(settled)
	} else {
		e.empty = settled
	}
	e.mu.Unlock()
	e.noMore()
	for _, f := range open {
		f.Abandon(ErrClosed) // no effect on sealed ones: those drain
	}
	defer close(e.closed)

	select {
	case <-settled:
	case <-ctx.Done():
		e.giveUp(errDrain)
		<-settled
	}
	e.feeders.Wait()
	close(e.shared)
	for _, in := range e.own {
		close(in)
	}
	e.workers.Wait()
	for _, o := range e.outputs {
		o.queue.close()
	}
	return e.closeOutputs(ctx)
}

func (e *Engine) closeOutputs(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { e.giveUp(errDrain) }) // best-effort outputs may still be trying
	e.writers.Wait()
	stop()
	e.giveUp(errDrain)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var errs []error
	for _, o := range e.outputs {
		if err := o.stage.Output.Close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("output %q: close: %w", o.stage.Name, err))
		}
	}
	for _, f := range e.filters {
		errs = append(errs, f.close())
	}
	for _, o := range e.outputs {
		for _, f := range o.filters {
			errs = append(errs, f.close())
		}
	}
	return errors.Join(errs...)
}
