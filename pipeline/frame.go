package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
)

// Frame is what an input reads as one unit of progress: a log file, a chunk of one, a queue message. It is opened by
// Intake.Open, fed in batches, then sealed; it settles once, after the seal and after every event has its outcome. The
// receipt begins with the reader's own hold, so that a frame can never settle while it is still being fed.
//
// Feed, Broken, Seal and Abandon are called from one goroutine at a time.
type Frame struct {
	id      uint64
	engine  *Engine
	input   *inputStats // nil outside Run
	from    int         // the filter at which its events begin
	settled func(Result)

	pending atomic.Int64 // open batches, plus one until Seal or Abandon

	mu       sync.Mutex // guards what follows
	sealed   bool
	result   Result
	rejected []string // keys of events in quarantine
}

// Feed gives events to the pipeline, which owns the slice from now on. It blocks while the pipeline is full: that is
// the only back-pressure. An error (ctx has ended, the engine is closing) says that the events were not taken; the
// input then calls Abandon.
func (f *Frame) Feed(ctx context.Context, events []Event) error {
	return f.engine.feed(ctx, f, events)
}

// Broken reports a piece of input that is no usable event. It returns after the piece is in quarantine; an error says
// that it is not, and the input then calls Abandon.
func (f *Frame) Broken(ctx context.Context, b Broken) error {
	return f.engine.broken(ctx, f, b)
}

// Seal ends the feeding of a frame whose source was read completely.
func (f *Frame) Seal() { f.release(Delivered, nil) }

// Abandon ends the feeding of a frame that could not be read completely (a short read, a transport error, a stop). It
// settles as Retry. After Seal it does nothing.
func (f *Frame) Abandon(err error) { f.release(Retry, err) }

// hold takes a further hold for a batch; false when the frame is sealed, so that its channels may be closed already.
func (f *Frame) hold() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sealed {
		return false
	}
	f.pending.Add(1)
	return true
}

// release drops the reader's hold.
func (f *Frame) release(o Outcome, err error) {
	f.mu.Lock()
	again := f.sealed
	f.sealed = true
	if !again {
		f.worsen(o, err)
	}
	f.mu.Unlock()
	if !again {
		f.engine.leftUpstream()
		f.done()
	}
}

// count adds to the frame's account.
func (f *Frame) count(c Counts) {
	f.mu.Lock()
	f.result.Counts.add(c)
	f.mu.Unlock()
	if f.input != nil {
		f.input.in.Add(c.In)
	}
}

// settleAs records the outcome of some of the frame's events.
func (f *Frame) settleAs(o Outcome, err error, keys ...string) {
	if o == Delivered {
		return
	}
	f.mu.Lock()
	f.worsen(o, err)
	f.rejected = append(f.rejected, keys...)
	f.mu.Unlock()
}

// worsen keeps the worst outcome and its first reason. The caller holds mu.
func (f *Frame) worsen(o Outcome, err error) {
	if o > f.result.Outcome {
		f.result.Outcome, f.result.Err = o, err
	}
}

// done drops one hold; the last one settles the frame.
func (f *Frame) done() {
	switch n := f.pending.Add(-1); {
	case n == 0:
		f.engine.settle(f)
	case n < 0:
		panic("pipeline: frame settled more than once")
	}
}
