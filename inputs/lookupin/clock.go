package lookupin

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// clock is the time.
type clock interface {
	Now() time.Time
	// Sleep waits; false when ctx has ended before.
	Sleep(ctx context.Context, d time.Duration) bool
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) Sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// limiter keeps requests apart, without bursts. It is safe for concurrent use.
type limiter struct {
	clock clock
	every time.Duration

	mu   sync.Mutex
	next time.Time
}

// wait waits for the caller's turn; false when ctx has ended before.
func (l *limiter) wait(ctx context.Context) bool {
	for {
		l.mu.Lock()
		now := l.clock.Now()
		early := l.next.Sub(now)
		if early <= 0 {
			l.next = now.Add(l.every)
		}
		l.mu.Unlock()
		if early <= 0 {
			return ctx.Err() == nil
		}
		if !l.clock.Sleep(ctx, early) {
			return false
		}
	}
}

// backoff returns a longer wait after each failure in a row, up to half a minute, with jitter.
func backoff(failures int) time.Duration {
	d := min(time.Second<<min(failures-1, 5), 30*time.Second)
	return d/2 + rand.N(d/2)
}
