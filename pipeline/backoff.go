package pipeline

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// backoff is an exponential wait with jitter.
type backoff struct {
	min, max time.Duration
	next     time.Duration
}

// sleep waits before the next try; false when either context ended first. An error marked with RetryAfter sets the
// shortest wait.
func (b *backoff) sleep(ctx, work context.Context, cause error) bool {
	b.next = min(max(b.next*2, b.min), b.max)
	d := b.next/2 + rand.N(b.next/2+1)
	if asked, ok := errors.AsType[*retryAfter](cause); ok {
		d = min(max(d, asked.delay), b.max)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-work.Done():
	}
	return false
}
