package sessions

import "sync"

// clocks tell how far each input has read. The clock of an input stands where its newest event stood when it was read, and
// runs on from there with ours. So an input that reads what is new has our time, less what delivery takes; and one that
// catches up with old files is behind: what it has not read yet may still tell that a session went on.
type clocks struct {
	mu     sync.Mutex
	inputs map[string]*reading
}

type reading struct {
	lag   int64 // the least that an event of the input was behind our time
	heard int64 // when its last event came
}

func newClocks() *clocks { return &clocks{inputs: map[string]*reading{}} }

// observe notes an event. One of the future counts as one of now: it must not end sessions.
func (c *clocks) observe(input string, event, heard int64) {
	if event == 0 {
		return
	}
	lag := max(heard-event, 0)
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.inputs[input]
	if r == nil {
		r = &reading{lag: lag}
		c.inputs[input] = r
	}
	r.lag = min(r.lag, lag)
	r.heard = max(r.heard, heard)
}

// passed returns our time at which the clocks of all inputs have passed t. An input that is silent for the given patience
// has come to its end, and holds up nothing.
func (c *clocks) passed(t, patience int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := t
	for _, r := range c.inputs {
		at = max(at, min(t+r.lag, r.heard+patience))
	}
	return at
}
