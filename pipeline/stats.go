package pipeline

import (
	"sync"
	"sync/atomic"
	"time"
)

func (c *Counts) add(d Counts) {
	c.In += d.In
	c.Made += d.Made
	c.Filtered += d.Filtered
	c.Unrouted += d.Unrouted
	c.Quarantined += d.Quarantined
	c.Routed += d.Routed
}

type counters struct {
	in, made, filtered, unrouted, quarantined, routed, bytesIn atomic.Int64

	frames [Retry + 1]atomic.Int64

	mu            sync.Mutex
	quarantineErr error
}

func (c *counters) add(d Counts) {
	c.made.Add(d.Made)
	c.filtered.Add(d.Filtered)
	c.unrouted.Add(d.Unrouted)
	c.quarantined.Add(d.Quarantined)
	c.routed.Add(d.Routed)
}

func (c *counters) setQuarantine(err error) {
	c.mu.Lock()
	c.quarantineErr = err
	c.mu.Unlock()
}

type inputStats struct {
	name    string
	in      atomic.Int64
	retried atomic.Int64
}

type filterStats struct {
	in, out, filtered, made, quarantined, errors, conditionErrors, panics atomic.Int64
}

type outputStats struct {
	in, made, filtered, delivered, quarantined, dropped, gaveUp atomic.Int64
	retried, conditionErrors, bytesOut, inFlight, lag           atomic.Int64
	latency                                                     histogram
}

// LatencyBounds are the upper bounds in seconds of the buckets of OutputStats.Latency.
var LatencyBounds = [...]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

type histogram struct {
	buckets [len(LatencyBounds) + 1]atomic.Int64
	sum     atomic.Int64 // nanoseconds
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for s := d.Seconds(); i < len(LatencyBounds) && s > LatencyBounds[i]; {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

// Stats is a snapshot of an engine's counters. Once nothing is in flight
//
//	In + Made = Filtered + Unrouted + Quarantined + Routed
//
// holds for the engine, and for each output
//
//	In + Made = Filtered + Delivered + Quarantined + Dropped + GaveUp
type Stats struct {
	Counts
	BytesIn        int64
	EventsInFlight int64
	BytesInFlight  int64
	Frames         map[Outcome]int64 // settled frames
	OpenFrames     int
	QuarantineErr  error // why the quarantine does not take entries at the moment
	Inputs         []InputStats
	Filters        []FilterStats // the pipeline's, then the outputs' own as output/filter
	Outputs        []OutputStats
}

// InputStats counts one input's events.
type InputStats struct {
	Name string
	In   int64 // events and broken pieces

	Retried int64 // frames that settled as Retry
}

// FilterStats counts one filter's events.
type FilterStats struct {
	Name            string
	In, Out         int64
	Filtered        int64 // dropped
	Made            int64 // further results
	Quarantined     int64
	Errors          int64
	ConditionErrors int64 // errors of its `when`, which count as true
}

// OutputStats counts one output's events.
type OutputStats struct {
	Name            string
	BestEffort      bool
	In              int64 // events that its `when` took
	Made            int64 // further results of its own filters
	Filtered        int64 // dropped by its own filters
	Delivered       int64
	Quarantined     int64 // rejected for ever
	Dropped         int64 // best effort: no room
	GaveUp          int64 // settled as Retry: their frame comes again
	Retried         int64 // events written again, once per try
	ConditionErrors int64
	BytesOut        int64
	InFlight        int64
	QueueEvents     int
	QueueBytes      int64
	Lag             time.Duration // now minus event time of the last delivered event, when it was delivered
	Latency         [len(LatencyBounds) + 1]int64
	LatencySum      time.Duration
	Err             error // why it is failing at the moment
	FailingSince    time.Time
}

// Stats returns a snapshot of all counters.
func (e *Engine) Stats() Stats {
	c := &e.stats
	s := Stats{
		Counts: Counts{
			In: c.in.Load(), Made: c.made.Load(), Filtered: c.filtered.Load(),
			Unrouted: c.unrouted.Load(), Quarantined: c.quarantined.Load(), Routed: c.routed.Load(),
		},
		BytesIn: c.bytesIn.Load(),
		Frames:  map[Outcome]int64{},
	}
	for o := range c.frames {
		s.Frames[Outcome(o)] = c.frames[o].Load()
	}
	c.mu.Lock()
	s.QuarantineErr = c.quarantineErr
	c.mu.Unlock()
	e.mu.Lock()
	s.OpenFrames = len(e.frames)
	e.mu.Unlock()
	s.EventsInFlight, s.BytesInFlight = e.budget.inFlight()
	e.inputsMu.Lock()
	for _, in := range e.inputs {
		s.Inputs = append(s.Inputs, InputStats{in.name, in.in.Load(), in.retried.Load()})
	}
	e.inputsMu.Unlock()
	for _, f := range e.filters {
		s.Filters = append(s.Filters, f.snapshot(""))
	}
	for _, o := range e.outputs {
		s.Outputs = append(s.Outputs, o.snapshot())
		for _, f := range o.filters {
			s.Filters = append(s.Filters, f.snapshot(o.stage.Name+"/"))
		}
	}
	return s
}

func (f *filterRunner) snapshot(prefix string) FilterStats {
	c := &f.stats
	return FilterStats{
		Name: prefix + f.stage.Name, In: c.in.Load(), Out: c.out.Load(), Filtered: c.filtered.Load(),
		Made: c.made.Load(), Quarantined: c.quarantined.Load(), Errors: c.errors.Load(),
		ConditionErrors: c.conditionErrors.Load(),
	}
}

func (o *outputRunner) snapshot() OutputStats {
	c := &o.stats
	s := OutputStats{
		Name: o.stage.Name, BestEffort: o.stage.BestEffort,
		In: c.in.Load(), Made: c.made.Load(), Filtered: c.filtered.Load(), Delivered: c.delivered.Load(),
		Quarantined: c.quarantined.Load(), Dropped: c.dropped.Load(), GaveUp: c.gaveUp.Load(),
		Retried: c.retried.Load(), ConditionErrors: c.conditionErrors.Load(), BytesOut: c.bytesOut.Load(),
		InFlight: c.inFlight.Load(), Lag: time.Duration(c.lag.Load()), LatencySum: time.Duration(c.latency.sum.Load()),
	}
	for i := range c.latency.buckets {
		s.Latency[i] = c.latency.buckets[i].Load()
	}
	s.QueueEvents, s.QueueBytes = o.queue.depth()
	s.Err, s.FailingSince = o.health.state()
	return s
}
