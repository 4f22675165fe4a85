package dedupe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

type seedReader struct{}

func (seedReader) Facts(r *pipeline.Record) *pipeline.Facts { return &pipeline.Facts{} }
func (seedReader) Key(r *pipeline.Record) string            { return r.Seed }

// output keeps what arrives and fails as it is told.
type output struct {
	mu   sync.Mutex
	got  map[string]int
	fail func(key string) error
}

func (o *output) Write(_ context.Context, events []pipeline.Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	failed := &pipeline.BatchError{}
	for i := range events {
		var err error
		if o.fail != nil {
			err = o.fail(events[i].Key())
		}
		if err != nil {
			failed.Failed = append(failed.Failed, pipeline.Failure{Index: i, Err: err})
		} else {
			o.got[events[i].Key()]++
		}
	}
	if len(failed.Failed) > 0 {
		return failed
	}
	return nil
}

func (o *output) Close(context.Context) error { return nil }

type aside struct{}

func (aside) Put(context.Context, ...pipeline.QuarantineEntry) error { return nil }

type bench struct {
	*testing.T
	filter *Filter
	out    *output
	engine *pipeline.Engine
	clock  time.Time
}

func newBench(t *testing.T, c Config) *bench {
	t.Helper()
	f, err := New(c, pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, filter: f, out: &output{got: map[string]int{}}, clock: time.Unix(1e9, 0)}
	f.now = func() time.Time { return b.clock }
	b.engine, err = pipeline.New(pipeline.Settings{
		Filters: []pipeline.FilterStage{{Name: "dedupe", Filter: f}}, Quarantine: aside{},
		Outputs: []pipeline.OutputStage{{Name: "out", Output: b.out}}, BackoffMin: time.Microsecond, BackoffMax: time.Microsecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.engine.Close(context.Background()) })
	return b
}

func (b *bench) send(fail error, keys ...string) pipeline.Result {
	r, _ := b.engine.Deliver(func(ctx context.Context, f *pipeline.Frame) error {
		var events []pipeline.Event
		for _, k := range keys {
			events = append(events, pipeline.NewEvent(&pipeline.Record{Raw: []byte(`{}`), Seed: k, Reader: seedReader{}}))
		}
		if err := f.Feed(ctx, events); err != nil {
			return err
		}
		return fail
	}, nil).Wait(b.Context())
	return r
}

func (b *bench) want(key string, times int) {
	b.Helper()
	if got := b.out.got[key]; got != times {
		b.Errorf("%s was delivered %d times, want %d", key, got, times)
	}
}

func TestRepeatsAreDroppedWithinTheWindow(t *testing.T) {
	b := newBench(t, Config{Window: time.Minute})
	b.send(nil, "a", "b")
	if r := b.send(nil, "a", "c"); r.Counts.Filtered != 1 {
		t.Errorf("%d filtered, want 1", r.Counts.Filtered)
	}
	b.want("a", 1)
	b.want("c", 1)
	b.clock = b.clock.Add(time.Minute)
	b.send(nil, "a")
	b.want("a", 2)
}

func TestAFrameThatComesAgainPasses(t *testing.T) {
	b := newBench(t, Config{})
	if r := b.send(errors.New("short read"), "a"); r.Outcome != pipeline.Retry {
		t.Fatalf("got %v", r.Outcome)
	}
	b.send(nil, "a")
	b.want("a", 2)
}

func TestRepeatsInFlightPass(t *testing.T) {
	b := newBench(t, Config{})
	b.send(nil, "a", "a")
	b.want("a", 2)
}

func TestWhatIsInQuarantineIsNotRemembered(t *testing.T) {
	b := newBench(t, Config{})
	b.out.fail = func(key string) error {
		if key == "a" {
			return pipeline.Reject(errors.New("too large"))
		}
		return nil
	}
	if r := b.send(nil, "a", "b"); r.Outcome != pipeline.Rejected {
		t.Fatalf("got %v", r.Outcome)
	}
	b.out.fail = nil
	b.send(nil, "a", "b")
	b.want("a", 1)
	b.want("b", 1)
}

func TestMemoryIsBounded(t *testing.T) {
	b := newBench(t, Config{MaxKeys: 10})
	for i := range 100 {
		b.send(nil, fmt.Sprint(i))
	}
	if len(b.filter.known) != 10 || len(b.filter.order) != 10 || len(b.filter.pending) != 0 || b.filter.nPending != 0 {
		t.Errorf("%d known, ring of %d, %d pending frames", len(b.filter.known), len(b.filter.order), len(b.filter.pending))
	}
	b.send(nil, "0", "99")
	b.want("0", 2)
	b.want("99", 1)
}

func TestConcurrentFrames(t *testing.T) {
	b := newBench(t, Config{})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 50 {
				b.send(nil, fmt.Sprintf("%d.%d", i, k), fmt.Sprint(k))
			}
		})
	}
	all.Wait()
	b.send(nil, "0.0", "7.49")
	b.want("0.0", 1)
	b.want("7.49", 1)
}
