package pipeline_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/pipeline"
)

var (
	chaosSeed = flag.Uint64("chaos.seed", 0, "seed of the chaos test; 0 takes a new one")
	chaosRuns = flag.Int("chaos.runs", 40, "rounds of the chaos test")
)

// TestChaos drives engines with random filters and outputs that succeed, retry, reject, stall and panic, and checks what
// must hold whatever happens: every frame settles once with the right outcome, no event of a settled frame is lost, the
// accounts add up, nothing stays in flight and no goroutine is left.
func TestChaos(t *testing.T) {
	defer goleak.VerifyNone(t)
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to repeat: go test ./pipeline -run TestChaos -chaos.seed=%d", seed)
	for round := range *chaosRuns {
		newChaos(t, rand.New(rand.NewPCG(seed, uint64(round))), round).run()
	}
}

// TestChaosStops is the same with a context that ends in mid-run: what was not confirmed settles as Retry, still once,
// and still nothing is lost.
func TestChaosStops(t *testing.T) {
	defer goleak.VerifyNone(t)
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to repeat: go test ./pipeline -run TestChaosStops -chaos.seed=%d", seed)
	for round := range *chaosRuns {
		c := newChaos(t, rand.New(rand.NewPCG(seed, uint64(round)+1<<32)), round)
		c.stopAfter = int64(1 + c.rng.IntN(3000))
		c.run()
	}
}

type chaos struct {
	t         *testing.T
	rng       *rand.Rand
	round     int
	outputs   []*chaosOutput
	aside     *memoryQuarantine
	settler   *chaosSettler
	fed       atomic.Int64
	stopAfter int64 // events fed before the context ends; 0: never
	stop      context.CancelFunc
	filters   []pipeline.FilterStage

	mu     sync.Mutex
	frames []*chaosFrame
}

type chaosFrame struct {
	ids       []string // events that Feed took
	broken    []string
	abandoned bool
	settled   int
	result    pipeline.Result
}

func newChaos(t *testing.T, rng *rand.Rand, round int) *chaos {
	c := &chaos{t: t, rng: rng, round: round, aside: &memoryQuarantine{}, settler: &chaosSettler{}}
	c.aside.failEvery = []int{0, 0, 3, 7}[rng.IntN(4)]
	for i := range 1 + rng.IntN(4) {
		c.outputs = append(c.outputs, &chaosOutput{
			name: fmt.Sprintf("out%d", i), seed: rng.Uint64(), got: map[string]int{},
			mood: []string{"good", "partial", "flaky", "rejecting", "slow", "panicking", "wild"}[rng.IntN(7)],
			limits: pipeline.Limits{
				Concurrency: 1 + rng.IntN(4), MaxEvents: 1 + rng.IntN(300), MaxBytes: 1 + rng.IntN(20_000),
				Linger: time.Duration(rng.IntN(3)) * time.Millisecond,
			},
		})
	}
	for i := range rng.IntN(4) {
		policy := []pipeline.ErrorPolicy{"quarantine", "pass", "drop", ""}[rng.IntN(4)]
		c.filters = append(c.filters, pipeline.FilterStage{
			Name: fmt.Sprintf("f%d", i), OnError: policy, Filter: chaosFilter{seed: rng.Uint64(), multiply: i < 2},
			When: chaosCondition(rng),
		})
	}
	c.filters = append(c.filters, pipeline.FilterStage{Name: "memory", Filter: c.settler})
	return c
}

func (c *chaos) run() {
	var stages []pipeline.OutputStage
	for i, o := range c.outputs {
		s := pipeline.OutputStage{
			Name: o.name, Output: o, When: chaosCondition(c.rng),
			OnError: []pipeline.ErrorPolicy{"send", "skip", "quarantine"}[c.rng.IntN(3)],
			Ordered: c.rng.IntN(4) == 0,
		}
		if i > 0 && c.rng.IntN(4) == 0 {
			s.BestEffort, s.BufferBytes = true, int64(c.rng.IntN(5000))
		}
		if c.rng.IntN(3) == 0 {
			s.Filters = []pipeline.FilterStage{{Name: "own", Filter: chaosFilter{seed: c.rng.Uint64()}}}
		}
		stages = append(stages, s)
	}
	engine, err := pipeline.New(pipeline.Settings{
		Filters: c.filters, Outputs: stages, Quarantine: c.aside,
		Workers: 1 + c.rng.IntN(4), MaxEvents: int64(1 + c.rng.IntN(500)), MaxBytes: int64(1 + c.rng.IntN(50_000)),
		BackoffMin: 10 * time.Microsecond, BackoffMax: time.Millisecond, DrainTimeout: c.drainTimeout(),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(c.t.Context())
	defer stop()
	c.stop = stop
	var inputs []pipeline.InputStage
	for i := range 1 + c.rng.IntN(3) {
		inputs = append(inputs, pipeline.InputStage{
			Name:  fmt.Sprintf("in%d", i),
			Input: &chaosInput{chaos: c, name: fmt.Sprintf("r%di%d", c.round, i), rng: rand.New(rand.NewPCG(c.rng.Uint64(), 1))},
		})
	}
	if err := engine.Run(ctx, inputs); err != nil {
		c.t.Errorf("round %d: Run: %v", c.round, err)
	}
	c.check(engine.Stats(), stages)
}

// drainTimeout is long where everything must come through, and short where the run is stopped while outputs fail.
func (c *chaos) drainTimeout() time.Duration {
	if c.stopAfter > 0 {
		return time.Duration(c.rng.IntN(20)) * time.Millisecond
	}
	return time.Minute
}

func (c *chaos) check(s pipeline.Stats, stages []pipeline.OutputStage) {
	t := c.t
	if s.In+s.Made != s.Filtered+s.Unrouted+s.Quarantined+s.Routed {
		t.Errorf("round %d: account of the engine does not add up: %+v", c.round, s.Counts)
	}
	for _, o := range s.Outputs {
		if o.In+o.Made != o.Filtered+o.Delivered+o.Quarantined+o.Dropped+o.GaveUp {
			t.Errorf("round %d: account of %s does not add up: %+v", c.round, o.Name, o)
		}
		if o.InFlight != 0 || o.QueueEvents != 0 {
			t.Errorf("round %d: %s still has %d in flight, %d queued", c.round, o.Name, o.InFlight, o.QueueEvents)
		}
		if !o.BestEffort && o.Dropped > 0 {
			t.Errorf("round %d: required output %s dropped %d", c.round, o.Name, o.Dropped)
		}
	}
	if s.EventsInFlight != 0 || s.BytesInFlight != 0 || s.OpenFrames != 0 {
		t.Errorf("round %d: in flight at the end: %d events, %d bytes, %d frames",
			c.round, s.EventsInFlight, s.BytesInFlight, s.OpenFrames)
	}
	var total pipeline.Counts
	for i, f := range c.frames {
		if f.settled != 1 {
			t.Fatalf("round %d: frame %d settled %d times", c.round, i, f.settled)
		}
		r := f.result
		n := r.Counts
		if n.In != int64(len(f.ids)+len(f.broken)) {
			t.Errorf("round %d: frame %d counts %d in, fed %d and %d broken", c.round, i, n.In, len(f.ids), len(f.broken))
		}
		if n.In+n.Made != n.Filtered+n.Unrouted+n.Quarantined+n.Routed {
			t.Errorf("round %d: account of frame %d does not add up: %+v", c.round, i, n)
		}
		total.In += n.In
		if f.abandoned && r.Outcome != pipeline.Retry {
			t.Errorf("round %d: frame %d was abandoned and settled as %v", c.round, i, r.Outcome)
		}
		if r.Outcome == pipeline.Retry {
			if c.stopAfter == 0 && !f.abandoned {
				t.Errorf("round %d: frame %d settled as retry with nothing wrong: %v", c.round, i, r.Err)
			}
			continue
		}
		c.nothingLost(i, f, stages)
	}
	if total.In != s.In {
		t.Errorf("round %d: frames count %d in, the engine %d", c.round, total.In, s.In)
	}
	if got := int64(c.settler.frames.Load()); got != int64(len(c.frames)) {
		t.Errorf("round %d: the filter with memory heard of %d frames of %d", c.round, got, len(c.frames))
	}
}

// nothingLost checks that each event of a frame that will not come again is where it belongs: computed by running the
// same deterministic filters by hand.
func (c *chaos) nothingLost(i int, f *chaosFrame, stages []pipeline.OutputStage) {
	aside := c.aside.keys()
	asideAny := false
	for _, raw := range f.broken {
		asideAny = true
		if !c.aside.holds(raw) {
			c.t.Errorf("round %d: frame %d: broken piece %s is not in quarantine", c.round, i, raw)
		}
	}
	for _, id := range f.ids {
		results, failed := expect(c.filters, []marked{{key: id}})
		for _, key := range failed {
			asideAny = true
			if !aside[key] {
				c.t.Errorf("round %d: frame %d: %s failed in a filter and is not in quarantine", c.round, i, key)
			}
		}
		for _, result := range results {
			key := result.key
			for k, o := range stages {
				if o.BestEffort {
					continue
				}
				takes, quarantined := holds(o, key)
				if quarantined && !aside[key] {
					c.t.Errorf("round %d: frame %d: %s should be in quarantine for %s", c.round, i, key, o.Name)
				}
				if !takes {
					continue
				}
				own, failed := expect(o.Filters, []marked{result})
				for _, key := range failed {
					if !aside[key] {
						c.t.Errorf("round %d: frame %d: %s failed in a filter of %s and is not in quarantine", c.round, i, key, o.Name)
					}
				}
				for _, own := range own {
					key := own.key
					if !c.outputs[k].holds(key) && !aside[key] {
						c.t.Errorf("round %d: frame %d (%v): %s never reached %s", c.round, i, f.result.Outcome, key, o.Name)
					}
				}
			}
		}
	}
	if asideAny && f.result.Outcome != pipeline.Rejected {
		c.t.Errorf("round %d: frame %d has quarantined pieces and settled as %v", c.round, i, f.result.Outcome)
	}
}

// marked is a key with the zeros that a later mark would have to spell out.
type marked struct {
	key   string
	zeros int
}

// expect is what a chain of chaosFilters makes of keys.
func expect(stages []pipeline.FilterStage, keys []marked) (results []marked, failed []string) {
	for _, s := range stages {
		f, ok := s.Filter.(chaosFilter)
		if !ok {
			continue
		}
		var next []marked
		for _, m := range keys {
			if s.When != nil {
				if ok, err := s.When.(condition).decide(m.key); err == nil && !ok {
					next = append(next, m)
					continue
				}
			}
			n, err := f.decide(m.key)
			switch {
			case err == nil && n == 1:
				next = append(next, m)
			case err == nil:
				for k := range n {
					if k == 0 {
						next = append(next, marked{m.key, m.zeros + 1})
					} else {
						next = append(next, marked{fmt.Sprintf("%s%s#%d", m.key, strings.Repeat("#0", m.zeros), k), 0})
					}
				}
			case s.OnError == pipeline.OnErrorPass:
				next = append(next, m)
			case s.OnError == pipeline.OnErrorDrop:
			default:
				failed = append(failed, m.key)
			}
		}
		keys = next
	}
	return keys, failed
}

func holds(o pipeline.OutputStage, key string) (takes, quarantined bool) {
	if o.When == nil {
		return true, false
	}
	ok, err := o.When.(condition).decide(key)
	if err == nil {
		return ok, false
	}
	return o.OnError == pipeline.OnErrorSend, o.OnError == pipeline.OnErrorQuarantine
}

// dice is a number from 0 to 99 that depends on seed and key only.
func dice(seed uint64, key string) int {
	h := seed ^ 14695981039346656037
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 32
	return int(h % 100)
}

// chaosInput feeds frames of random batches.
type chaosInput struct {
	chaos *chaos
	name  string
	rng   *rand.Rand
}

func (in *chaosInput) Run(ctx context.Context, to pipeline.Intake) error {
	var open sync.WaitGroup
	defer open.Wait()
	for n := range 1 + in.rng.IntN(12) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f := &chaosFrame{}
		in.chaos.mu.Lock()
		in.chaos.frames = append(in.chaos.frames, f)
		in.chaos.mu.Unlock()
		open.Add(1)
		frame := to.Open(func(r pipeline.Result) {
			in.chaos.mu.Lock()
			f.settled++
			f.result = r
			in.chaos.mu.Unlock()
			open.Done()
		})
		if err := in.feed(ctx, frame, f, n); err != nil {
			f.abandoned = true
			frame.Abandon(err)
		} else {
			frame.Seal()
		}
	}
	return nil
}

func (in *chaosInput) feed(ctx context.Context, frame *pipeline.Frame, f *chaosFrame, n int) error {
	for b := range in.rng.IntN(8) {
		if in.rng.IntN(10) == 0 {
			raw := fmt.Sprintf("broken %s.%d.%d", in.name, n, b)
			if err := frame.Broken(ctx, pipeline.Broken{Raw: []byte(raw), Index: -1, Reason: "made broken"}); err != nil {
				return err
			}
			f.broken = append(f.broken, raw)
		}
		var events []pipeline.Event
		var ids []string
		for e := range in.rng.IntN(80) {
			id := fmt.Sprintf("%s.%d.%d.%d", in.name, n, b, e)
			ids = append(ids, id)
			raw := fmt.Appendf(nil, `{"id":%q}`, id)
			events = append(events, pipeline.NewEvent(&pipeline.Record{Raw: raw, Seed: id, Reader: seedReader{}}))
		}
		if err := frame.Feed(ctx, events); err != nil {
			return err
		}
		f.ids = append(f.ids, ids...)
		if fed := in.chaos.fed.Add(int64(len(ids))); in.chaos.stopAfter > 0 && fed >= in.chaos.stopAfter {
			in.chaos.stop()
		}
	}
	if in.rng.IntN(10) == 0 {
		return errors.New("short read")
	}
	return nil
}

// seedReader gives a record's seed as its key.
type seedReader struct{}

func (seedReader) Facts(r *pipeline.Record) *pipeline.Facts { return &pipeline.Facts{Kind: r.Kind} }
func (seedReader) Key(r *pipeline.Record) string            { return r.Seed }

// chaosFilter drops, passes, multiplies, fails or panics, by key.
type chaosFilter struct {
	seed     uint64
	multiply bool
}

func (f chaosFilter) decide(key string) (results int, err error) {
	switch d := dice(f.seed, key); {
	case d < 20:
		return 0, nil
	case d < 30 && f.multiply:
		return 3, nil
	case d < 35:
		return 0, errors.New("made to fail")
	case d < 37:
		return 0, errors.New("made to panic")
	}
	return 1, nil
}

func (f chaosFilter) Apply(_ context.Context, dst []pipeline.Event, ev pipeline.Event) ([]pipeline.Event, error) {
	n, err := f.decide(ev.Key())
	if err != nil {
		if err.Error() == "made to panic" {
			panic("made to panic")
		}
		return dst, err
	}
	for range n {
		dst = append(dst, ev)
	}
	return dst, nil
}

// condition holds for three keys of four; now and then it fails.
type condition struct{ seed uint64 }

func chaosCondition(rng *rand.Rand) pipeline.Condition {
	if rng.IntN(2) == 0 {
		return nil
	}
	return condition{rng.Uint64()}
}

func (c condition) decide(key string) (bool, error) {
	switch d := dice(c.seed, key); {
	case d < 25:
		return false, nil
	case d < 30:
		return false, errors.New("made undecidable")
	}
	return true, nil
}

func (c condition) Match(_ context.Context, ev *pipeline.Event) (bool, error) {
	return c.decide(ev.Key())
}

// chaosSettler is a filter with memory that remembers nothing but how many frames it heard of.
type chaosSettler struct{ frames atomic.Int64 }

func (s *chaosSettler) Apply(_ context.Context, dst []pipeline.Event, ev pipeline.Event) ([]pipeline.Event, error) {
	return append(dst, ev), nil
}

func (s *chaosSettler) Settled(uint64, pipeline.Outcome, []string) { s.frames.Add(1) }

// chaosOutput stores keys and fails as its mood says.
type chaosOutput struct {
	name   string
	mood   string
	limits pipeline.Limits
	seed   uint64

	mu    sync.Mutex
	calls uint64
	got   map[string]int
}

func (o *chaosOutput) Limits() pipeline.Limits { return o.limits }

func (o *chaosOutput) holds(key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.got[key] > 0
}

func (o *chaosOutput) Write(ctx context.Context, events []pipeline.Event) error {
	o.mu.Lock()
	o.calls++
	rng := rand.New(rand.NewPCG(o.seed, o.calls))
	o.mu.Unlock()
	mood := o.mood
	if mood == "wild" {
		mood = []string{"good", "partial", "flaky", "rejecting", "slow", "panicking"}[rng.IntN(6)]
	}
	switch mood {
	case "flaky":
		if rng.IntN(2) == 0 {
			return errors.New("not now")
		}
	case "panicking":
		if rng.IntN(4) == 0 {
			panic("made to panic")
		}
	case "slow":
		select {
		case <-time.After(time.Duration(rng.IntN(500)) * time.Microsecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var failed []pipeline.Failure
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range events {
		switch {
		case mood == "partial" && rng.IntN(5) == 0:
			failed = append(failed, pipeline.Failure{Index: i, Err: errors.New("this one not now")})
		case mood == "rejecting" && dice(o.seed, events[i].Key()) < 10:
			failed = append(failed, pipeline.Failure{Index: i, Err: pipeline.Reject(errors.New("never"))})
		default:
			o.got[events[i].Key()]++
		}
	}
	if failed != nil {
		return &pipeline.BatchError{Failed: failed}
	}
	return nil
}

func (o *chaosOutput) Close(context.Context) error { return nil }

// memoryQuarantine keeps entries and fails now and then.
type memoryQuarantine struct {
	failEvery int

	mu      sync.Mutex
	calls   int
	entries []pipeline.QuarantineEntry
}

func (q *memoryQuarantine) Put(_ context.Context, entries ...pipeline.QuarantineEntry) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calls++
	if q.failEvery > 0 && q.calls%q.failEvery == 0 {
		return errors.New("disk full")
	}
	q.entries = append(q.entries, entries...)
	return nil
}

func (q *memoryQuarantine) keys() map[string]bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	m := map[string]bool{}
	for _, e := range q.entries {
		m[e.Key] = true
	}
	return m
}

func (q *memoryQuarantine) holds(raw string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.entries {
		if string(e.Raw) == raw {
			return true
		}
	}
	return false
}
