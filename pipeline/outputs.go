package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// outputRunner gathers events for one output from many batches, writes them, and settles them.
type outputRunner struct {
	engine  *Engine
	stage   OutputStage
	filters []*filterRunner
	limits  Limits
	queue   *queue
	stats   outputStats
	health  health
}

// segment is what one batch gives to one output.
type segment struct {
	output *outputRunner
	batch  *batch
	left   atomic.Int64 // events without an outcome
}

// work is one event in an output's hands.
type work struct {
	event   Event
	segment *segment
}

func (e *Engine) newOutput(s OutputStage) *outputRunner {
	s.OnError = cmp.Or(s.OnError, OnErrorSend)
	s.BufferBytes = cmp.Or(s.BufferBytes, 16<<20)
	var l Limits
	if lim, ok := s.Output.(Limiter); ok {
		l = lim.Limits()
	}
	l.Concurrency = max(l.Concurrency, 1)
	l.MaxEvents = cmp.Or(l.MaxEvents, 1000)
	l.MaxBytes = cmp.Or(l.MaxBytes, 4<<20)
	if s.Ordered {
		l.Concurrency = 1
	}
	return &outputRunner{engine: e, stage: s, filters: e.newFilters(s.Filters), limits: l, queue: newQueue()}
}

// enqueue takes a segment. It never blocks: a required output's queue is bounded by the engine's budget, which its
// events hold until they are settled; a best-effort one drops what exceeds its own limit.
func (o *outputRunner) enqueue(s *segment, events []Event) {
	s.left.Store(int64(len(events)))
	o.stats.inFlight.Add(int64(len(events)))
	if dropped := o.queue.put(events, s, o.room()); dropped > 0 {
		o.stats.dropped.Add(dropped)
		o.stats.inFlight.Add(-dropped)
		if o.health.startDropping() {
			o.engine.log.Warn("best-effort output is full; events are dropped and counted", "output", o.stage.Name)
		}
	}
}

func (o *outputRunner) room() int64 {
	if o.stage.BestEffort {
		return o.stage.BufferBytes
	}
	return 0
}

// writer is one of an output's writers, with its scratch space.
type writer struct {
	*outputRunner
	items  []work
	events []Event
}

// run takes batches until the queue is closed and empty.
func (o *outputRunner) run() {
	w := writer{outputRunner: o}
	for {
		items, ok := o.queue.take(w.items[:0], o.limits, o.engine.moreIsComing)
		if !ok {
			return
		}
		w.deliver(items)
		clear(items) // an idle writer pins no buffer
		w.items = items
	}
}

// deliver writes a batch until each event is delivered, rejected or given up.
func (w *writer) deliver(items []work) {
	o, e := w.outputRunner, w.engine
	wait := backoff{min: e.settings.BackoffMin, max: e.settings.BackoffMax}
	for len(items) > 0 {
		events := w.events[:0]
		for i := range items {
			events = append(events, items[i].event)
		}
		started := time.Now()
		err := o.write(events)
		clear(events)
		w.events = events
		o.stats.latency.observe(time.Since(started))

		var cause error
		items, cause = o.sortOut(items, err)
		if len(items) == 0 {
			break
		}
		o.stats.retried.Add(int64(len(items)))
		if o.health.fail(cause) {
			e.log.Warn("output is failing; it is tried again until it works", "output", o.stage.Name, "err", cause)
		}
		if !wait.sleep(e.work, e.work, cause) {
			o.settle(items, Retry, fmt.Errorf("output %q: %w: %w", o.stage.Name, context.Cause(e.work), cause))
			o.stats.gaveUp.Add(int64(len(items)))
			return
		}
	}
	if o.health.recover() {
		e.log.Info("output works again", "output", o.stage.Name)
	}
}

// write calls the output, turning a panic into a retryable error.
func (o *outputRunner) write(events []Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			o.engine.log.Error("output panicked", "output", o.stage.Name, "panic", p, "stack", stack())
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return o.stage.Output.Write(o.engine.work, events)
}

// sortOut settles what a Write decided and returns what is to be tried again, in order, with its first reason.
func (o *outputRunner) sortOut(items []work, err error) (again []work, cause error) {
	if err == nil {
		o.delivered(items)
		return nil, nil
	}
	partial, ok := errors.AsType[*BatchError](err)
	if !ok {
		if IsRejected(err) {
			o.rejected(items, slices.Repeat([]error{err}, len(items)))
			return nil, nil
		}
		return items, err
	}
	failed := make(map[int]error, len(partial.Failed))
	for _, f := range partial.Failed {
		failed[f.Index] = f.Err
	}
	var done, never []work
	var causes []error
	for i := range items {
		switch err, bad := failed[i]; {
		case !bad:
			done = append(done, items[i])
		case IsRejected(err):
			never, causes = append(never, items[i]), append(causes, err)
		default:
			again = append(again, items[i])
			cause = cmp.Or(cause, err)
		}
	}
	o.rejected(never, causes)
	o.delivered(done)
	return again, cause
}

func (o *outputRunner) delivered(items []work) {
	if len(items) == 0 {
		return
	}
	bytes := int64(0)
	for i := range items {
		bytes += int64(len(items[i].event.Raw))
	}
	o.stats.delivered.Add(int64(len(items)))
	o.stats.bytesOut.Add(bytes)
	if t := items[len(items)-1].event.Facts().Time; !t.IsZero() {
		o.stats.lag.Store(int64(time.Since(t)))
	}
	o.settle(items, Delivered, nil)
}

// rejected puts events that can never be delivered into quarantine, each with its cause.
func (o *outputRunner) rejected(items []work, cause []error) {
	for len(items) > 0 {
		frame := items[0].segment.batch.frame
		n := 0
		var aside []rejectedEvent
		for n < len(items) && items[n].segment.batch.frame == frame {
			aside = append(aside, rejectedEvent{&items[n].event, o.stage.Name, cause[n]})
			n++
		}
		if o.engine.reject(frame, aside) {
			o.stats.quarantined.Add(int64(n))
		} else {
			o.stats.gaveUp.Add(int64(n))
		}
		o.settle(items[:n], Delivered, nil) // their frame knows the outcome already
		items, cause = items[n:], cause[n:]
	}
}

// settle drops the events' holds on their batches, one operation per run of events of the same batch.
func (o *outputRunner) settle(items []work, outcome Outcome, err error) {
	o.stats.inFlight.Add(-int64(len(items)))
	o.queue.free(items)
	for i := 0; i < len(items); {
		s := items[i].segment
		k := i
		for k < len(items) && items[k].segment == s {
			k++
		}
		if !o.stage.BestEffort {
			s.batch.frame.settleAs(outcome, err)
		}
		if s.left.Add(-int64(k-i)) == 0 && !o.stage.BestEffort {
			o.engine.settleBatch(s.batch, 1)
		}
		i = k
	}
}

// queue holds the events that wait for an output.
type queue struct {
	mu    sync.Mutex
	items []work
	head  int
	bytes int64 // waiting and being written
	ended bool
	wake  chan struct{} // one token: look again
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

func (q *queue) wakeUp() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// put appends events; with room > 0 it drops, from the first that does not fit, what would exceed that many bytes.
func (q *queue) put(events []Event, s *segment, room int64) (dropped int64) {
	q.mu.Lock()
	for i := range events {
		n := int64(len(events[i].Raw))
		if room > 0 && q.bytes+n > room {
			dropped = int64(len(events) - i)
			break
		}
		q.bytes += n
		q.items = append(q.items, work{events[i], s})
	}
	q.mu.Unlock()
	q.wakeUp()
	return dropped
}

// free gives back the bytes of events that have their outcome.
func (q *queue) free(items []work) {
	n := int64(0)
	for i := range items {
		n += int64(len(items[i].event.Raw))
	}
	q.mu.Lock()
	q.bytes -= n
	q.mu.Unlock()
}

func (q *queue) close() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	q.wakeUp()
}

func (q *queue) depth() (events int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) - q.head, q.bytes
}

// take waits for events and appends up to a Write's worth of them; false when the queue is closed and empty. While more
// may come (more reports it) it lingers for a batch to fill.
func (q *queue) take(dst []work, l Limits, more func() bool) ([]work, bool) {
	var timer *time.Timer
	var expired <-chan time.Time
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	late := false
	for {
		q.mu.Lock()
		n, bytes := 0, 0
		waiting := q.items[q.head:]
		for n < len(waiting) && n < l.MaxEvents {
			size := len(waiting[n].event.Raw)
			if n > 0 && bytes+size > l.MaxBytes {
				break
			}
			bytes += size
			n++
		}
		full := n < len(waiting) || n == l.MaxEvents || bytes >= l.MaxBytes
		if n > 0 && (full || late || q.ended || l.Linger <= 0 || !more()) {
			dst = append(dst, waiting[:n]...)
			clear(waiting[:n])
			q.head += n
			if q.head == len(q.items) {
				q.items, q.head = q.items[:0], 0
			} else if q.head > 4096 && q.head > len(q.items)/2 {
				q.items = append(q.items[:0], q.items[q.head:]...)
				clear(q.items[len(q.items):cap(q.items)])
				q.head = 0
			}
			rest := len(q.items) > q.head || q.ended
			q.mu.Unlock()
			if rest {
				q.wakeUp() // for the next writer
			}
			return dst, true
		}
		if n == 0 && q.ended {
			q.mu.Unlock()
			q.wakeUp()
			return nil, false
		}
		q.mu.Unlock()
		if n > 0 && timer == nil {
			timer = time.NewTimer(l.Linger)
			expired = timer.C
		}
		select {
		case <-q.wake:
		case <-expired:
			late = true
		}
	}
}

// health remembers whether an output works, for /readyz and so that changes are logged once.
type health struct {
	mu       sync.Mutex
	err      error
	since    time.Time
	dropping bool
}

func (h *health) fail(err error) (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed = h.err == nil
	if changed {
		h.since = time.Now()
	}
	h.err = err
	return changed
}

func (h *health) recover() (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed = h.err != nil
	h.err, h.dropping = nil, false
	return changed
}

func (h *health) startDropping() (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed = !h.dropping
	h.dropping = true
	return changed
}

func (h *health) state() (error, time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err, h.since
}
