package httpin

import (
	"sync"
	"time"
)

// occasional reports what clients can cause as often as they like at most every ten seconds, and how often it was
// since.
type occasional struct {
	mu   sync.Mutex
	last time.Time
	more int
}

func (o *occasional) do(report func(more int)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); o.last.IsZero() || now.Sub(o.last) >= 10*time.Second {
		report(o.more)
		o.last, o.more = now, 0
		return
	}
	o.more++
}
