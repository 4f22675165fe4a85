// Package occasional keeps what can happen very often from filling the log.
package occasional

import (
	"sync"
	"time"
)

// Reports reports what others can cause as often as they like at most every ten seconds, and how often it was since. The zero
// value is ready; it is safe for concurrent use.
type Reports struct {
	mu   sync.Mutex
	last time.Time
	more int
}

// Do calls report, with how often it was not called since the last time, or not.
func (o *Reports) Do(report func(more int)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); o.last.IsZero() || now.Sub(o.last) >= 10*time.Second {
		report(o.more)
		o.last, o.more = now, 0
		return
	}
	o.more++
}
