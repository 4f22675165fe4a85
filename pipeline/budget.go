package pipeline

import (
	"context"
	"sync"
)

// budget bounds what is in flight between an input's Feed and the settlement of the batch, in events and in bytes. It
// serves in order of arrival, so that a large batch is not starved by small ones.
type budget struct {
	maxEvents, maxBytes int64
	onSpent             func() // called when somebody begins to wait; may be nil

	mu            sync.Mutex
	events, bytes int64
	waiting       []*waiter
}

type waiter struct {
	events, bytes int64
	ready         chan struct{}
}

// acquire waits for room. A batch larger than the whole budget passes alone.
func (b *budget) acquire(ctx context.Context, events, bytes int64) error {
	b.mu.Lock()
	if len(b.waiting) == 0 && b.fits(events, bytes) {
		b.events += events
		b.bytes += bytes
		b.mu.Unlock()
		return nil
	}
	w := &waiter{events, bytes, make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.mu.Unlock()
	if b.onSpent != nil {
		b.onSpent()
	}
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.waiting {
		if b.waiting[i] == w {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			b.admit() // whoever stood behind may fit
			return ctx.Err()
		}
	}
	return nil // admitted in the same moment: it counts as taken
}

func (b *budget) release(events, bytes int64) {
	b.mu.Lock()
	b.events -= events
	b.bytes -= bytes
	b.admit()
	b.mu.Unlock()
}

// spent reports whether somebody waits for room.
func (b *budget) spent() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting) > 0
}

func (b *budget) inFlight() (events, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.events, b.bytes
}

// fits and admit: the caller holds mu.
func (b *budget) fits(events, bytes int64) bool {
	return b.events == 0 || b.events+events <= b.maxEvents && b.bytes+bytes <= b.maxBytes
}

func (b *budget) admit() {
	for len(b.waiting) > 0 && b.fits(b.waiting[0].events, b.waiting[0].bytes) {
		w := b.waiting[0]
		b.waiting[0] = nil
		b.waiting = b.waiting[1:]
		b.events += w.events
		b.bytes += w.bytes
		close(w.ready)
	}
}
