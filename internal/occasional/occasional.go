package listener

import (
	"sync"
	"time"
)

// Occasional reports what clients can cause as often as they like at most every ten seconds, and how often it was since.
type Occasional struct {
	mu   sync.Mutex
	last time.Time
	more int
}

// Do calls report, with how often it was not called since the last time, or not.
func (o *Occasional) Do(report func(more int)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); o.last.IsZero() || now.Sub(o.last) >= 10*time.Second {
		report(o.more)
		o.last, o.more = now, 0
		return
	}
	o.more++
}
