package sessions

import (
	"maps"
	"slices"
	"sync"
)

// clocks tell how far each input has read. The clock of an input stands where its newest event stood when it was read, and
// runs on from there with ours. So an input that reads what is new has our time, less what delivery takes; and one that
// catches up with old files is behind: what it has not read yet may still tell that a session went on.
type clocks struct {
	mu     sync.Mutex
	inputs map[string]*reading
	others map[string][]reading // of the inputs of other agents, by agent
}

type reading struct {
	Lag   int64 `json:"lag"`   // the least that an event of the input was behind our time
	Heard int64 `json:"heard"` // when its last event came
}

func newClocks() *clocks {
	return &clocks{inputs: map[string]*reading{}, others: map[string][]reading{}}
}

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
		r = &reading{Lag: lag}
		c.inputs[input] = r
	}
	r.Lag = min(r.Lag, lag)
	r.Heard = max(r.Heard, heard)
}

// readings returns those of the inputs of this agent.
func (c *clocks) readings() []reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]reading, 0, len(c.inputs))
	for _, name := range slices.Sorted(maps.Keys(c.inputs)) {
		all = append(all, *c.inputs[name])
	}
	return all
}

// hear notes those of another agent; none for one that is gone.
func (c *clocks) hear(agent string, readings []reading) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.others[agent] = readings; len(readings) == 0 {
		delete(c.others, agent)
	}
}

// passed returns our time at which the clocks of all inputs have passed t. An input that is silent for the given patience
// has come to its end, and holds up nothing.
func (c *clocks) passed(t, patience int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := t
	for _, r := range c.inputs {
		at = max(at, r.passed(t, patience))
	}
	for _, readings := range c.others {
		for i := range readings {
			at = max(at, readings[i].passed(t, patience))
		}
	}
	return at
}

func (r *reading) passed(t, patience int64) int64 { return min(t+r.Lag, r.Heard+patience) }
