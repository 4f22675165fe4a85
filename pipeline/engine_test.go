package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/pipeline"
)

// funcOutput is an output made of a function.
type funcOutput struct {
	write  func(ctx context.Context, events []pipeline.Event) error
	limits pipeline.Limits
}

func (o funcOutput) Write(ctx context.Context, events []pipeline.Event) error {
	return o.write(ctx, events)
}
func (o funcOutput) Close(context.Context) error { return nil }
func (o funcOutput) Limits() pipeline.Limits     { return o.limits }

// funcFilter is a filter made of a function.
type funcFilter func(ev pipeline.Event) ([]pipeline.Event, error)

func (f funcFilter) Apply(_ context.Context, dst []pipeline.Event, ev pipeline.Event) ([]pipeline.Event, error) {
	out, err := f(ev)
	return append(dst, out...), err
}

func records(prefix string, n int) []pipeline.Event {
	var events []pipeline.Event
	for i := range n {
		id := fmt.Sprintf("%s%d", prefix, i)
		events = append(events, pipeline.NewEvent(&pipeline.Record{
			Raw: fmt.Appendf(nil, `{"id":%q}`, id), Seed: id, Reader: seedReader{}, Index: int64(i),
		}))
	}
	return events
}

func feedAll(events ...[]pipeline.Event) func(context.Context, *pipeline.Frame) error {
	return func(ctx context.Context, f *pipeline.Frame) error {
		for _, batch := range events {
			if err := f.Feed(ctx, batch); err != nil {
				return err
			}
		}
		return nil
	}
}

func start(t *testing.T, s pipeline.Settings) *pipeline.Engine {
	t.Helper()
	e, err := pipeline.New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
		goleak.VerifyNone(t)
	})
	return e
}

func TestDeliverWaitsForRequiredOutputsOnly(t *testing.T) {
	release := make(chan struct{})
	stuck := funcOutput{write: func(ctx context.Context, _ []pipeline.Event) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	good := funcOutput{write: func(context.Context, []pipeline.Event) error { return nil }}
	e := start(t, pipeline.Settings{Outputs: []pipeline.OutputStage{
		{Name: "good", Output: good}, {Name: "stuck", Output: stuck, BestEffort: true, BufferBytes: 60},
	}})
	r := deliver(t, e, feedAll(records("a", 5), records("b", 5)))
	if r.Outcome != pipeline.Delivered || r.Counts.In != 10 || r.Counts.Routed != 10 {
		t.Errorf("got %+v, want 10 delivered while the best-effort output is stuck", r)
	}
	if s := e.Stats().Outputs[1]; s.Dropped == 0 || s.QueueBytes > 60 {
		t.Errorf("the stuck output dropped %d and holds %d bytes, want drops and at most 60 bytes", s.Dropped, s.QueueBytes)
	}
	close(release)
}

// Nothing more can come while the budget is spent by what an output lingers over.
func TestALingeringOutputWritesWhenTheBudgetIsSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		output := funcOutput{
			write:  func(context.Context, []pipeline.Event) error { return nil },
			limits: pipeline.Limits{MaxEvents: 1000, Linger: time.Hour},
		}
		e, err := pipeline.New(pipeline.Settings{MaxEvents: 10, Outputs: []pipeline.OutputStage{{Name: "a", Output: output}}})
		if err != nil {
			t.Fatal(err)
		}
		deliver(t, e, feedAll(records("a", 10), records("b", 10), records("c", 10)))
		if took := time.Since(began); took >= time.Hour {
			t.Errorf("it took %v", took)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestADeliveryGoesOnWhenNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := time.Now().Add(time.Hour)
		var arrived atomic.Int64
		down := funcOutput{write: func(_ context.Context, events []pipeline.Event) error {
			if time.Now().Before(up) {
				return errors.New("connection refused")
			}
			arrived.Add(int64(len(events)))
			return nil
		}}
		e, err := pipeline.New(pipeline.Settings{Outputs: []pipeline.OutputStage{{Name: "down", Output: down}}})
		if err != nil {
			t.Fatal(err)
		}
		d := e.Deliver(feedAll(records("a", 3)), nil)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			if r, settled := d.Wait(ctx); settled {
				t.Errorf("got %+v while the output is down, want nothing", r)
			}
			cancel()
		}
		time.Sleep(2 * time.Hour) // of the bubble's clock
		if r, settled := d.Wait(t.Context()); !settled || r.Outcome != pipeline.Delivered || arrived.Load() != 3 {
			t.Errorf("got %+v, %v, %d events arrived; want 3 delivered once", r, settled, arrived.Load())
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseEndsFeeds(t *testing.T) {
	defer goleak.VerifyNone(t)
	out := funcOutput{write: func(context.Context, []pipeline.Event) error { return nil }}
	e, err := pipeline.New(pipeline.Settings{Outputs: []pipeline.OutputStage{{Name: "out", Output: out}}})
	if err != nil {
		t.Fatal(err)
	}
	fed := make(chan struct{})
	d := e.Deliver(func(ctx context.Context, f *pipeline.Frame) error {
		close(fed)
		<-ctx.Done()
		return ctx.Err()
	}, nil)
	<-fed
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, settled := d.Wait(t.Context()); !settled || r.Outcome != pipeline.Retry {
		t.Errorf("got %+v, %v, want retry", r, settled)
	}
}

func TestDeliverWhileClosing(t *testing.T) {
	defer goleak.VerifyNone(t)
	out := funcOutput{write: func(context.Context, []pipeline.Event) error { return nil }}
	for range 200 {
		e, err := pipeline.New(pipeline.Settings{Outputs: []pipeline.OutputStage{{Name: "out", Output: out}}})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, settled := e.Deliver(feedAll(records("a", 3)), nil).Wait(t.Context()); !settled {
					t.Error("a delivery does not settle")
				}
			})
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}

func TestAPanicWhileFeedingIsRetry(t *testing.T) {
	out := funcOutput{write: func(context.Context, []pipeline.Event) error { return nil }}
	e := start(t, pipeline.Settings{Outputs: []pipeline.OutputStage{{Name: "out", Output: out}}})
	d := e.Deliver(func(context.Context, *pipeline.Frame) error { panic("broken chunk") }, nil)
	if r, settled := d.Wait(t.Context()); !settled || r.Outcome != pipeline.Retry || !strings.Contains(r.Err.Error(), "broken chunk") {
		t.Errorf("got %+v, %v, want a retry that names the panic", r, settled)
	}
}

// deliver waits for a delivery to settle.
func deliver(t *testing.T, e *pipeline.Engine, feed func(context.Context, *pipeline.Frame) error) pipeline.Result {
	t.Helper()
	r, settled := e.Deliver(feed, nil).Wait(t.Context())
	if !settled {
		t.Fatal("the delivery does not settle")
	}
	return r
}

func TestFeedBlocksWhileTheBudgetIsSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		slow := funcOutput{limits: pipeline.Limits{MaxEvents: 10}, write: func(ctx context.Context, _ []pipeline.Event) error {
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		e, err := pipeline.New(pipeline.Settings{MaxEvents: 30, Outputs: []pipeline.OutputStage{{Name: "slow", Output: slow}}})
		if err != nil {
			t.Fatal(err)
		}
		fed := 0
		done := make(chan pipeline.Result)
		go func() {
			done <- deliver(t, e, func(ctx context.Context, f *pipeline.Frame) error {
				for range 10 {
					if err := f.Feed(ctx, records("a", 10)); err != nil {
						return err
					}
					fed++
				}
				return nil
			})
		}()
		synctest.Wait()
		if fed != 3 {
			t.Errorf("%d batches of 10 were taken with a budget of 30 events, want 3", fed)
		}
		close(release)
		if r := <-done; r.Outcome != pipeline.Delivered || r.Counts.In != 100 {
			t.Errorf("got %+v, want all 100 delivered once the output works", r)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRetryBeatsReject(t *testing.T) {
	aside := &memoryQuarantine{}
	tried := make(chan struct{}, 1000)
	out := funcOutput{write: func(_ context.Context, events []pipeline.Event) error {
		tried <- struct{}{}
		failed := &pipeline.BatchError{}
		for i := range events {
			switch events[i].Key() {
			case "a0":
				failed.Failed = append(failed.Failed, pipeline.Failure{Index: i, Err: pipeline.Reject(errors.New("too large"))})
			case "a1":
				failed.Failed = append(failed.Failed, pipeline.Failure{Index: i, Err: errors.New("later")})
			}
		}
		return failed
	}}
	e := start(t, pipeline.Settings{Quarantine: aside, Outputs: []pipeline.OutputStage{{Name: "out", Output: out}},
		BackoffMin: time.Millisecond, BackoffMax: time.Millisecond})
	d := e.Deliver(feedAll(records("a", 4)), nil)
	<-tried
	<-tried // the first is over, and a0 in quarantine
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	r, _ := d.Wait(t.Context())
	if r.Outcome != pipeline.Retry {
		t.Errorf("got %+v, want retry: one event is neither delivered nor in quarantine", r)
	}
	if !aside.keys()["a0"] {
		t.Errorf("the rejected event is not in quarantine: %v", aside.keys())
	}
}

func TestFurtherResultsHaveKeysOfTheirOwn(t *testing.T) {
	var mu sync.Mutex
	got := map[string]int{}
	out := funcOutput{write: func(_ context.Context, events []pipeline.Event) error {
		mu.Lock()
		defer mu.Unlock()
		for i := range events {
			got[events[i].Key()]++
		}
		return nil
	}}
	three := funcFilter(func(ev pipeline.Event) ([]pipeline.Event, error) { return []pipeline.Event{ev, ev, ev}, nil })
	e := start(t, pipeline.Settings{
		Filters: []pipeline.FilterStage{{Name: "three", Filter: three}},
		Outputs: []pipeline.OutputStage{{Name: "out", Output: out, Filters: []pipeline.FilterStage{{Name: "again", Filter: three}}}},
	})
	r := deliver(t, e, feedAll(records("a", 1)))
	if r.Outcome != pipeline.Delivered || r.Counts.Made != 2 {
		t.Errorf("got %+v, want 2 made", r)
	}
	for _, key := range []string{"a0", "a0#1", "a0#2", "a0#0#1", "a0#0#2", "a0#1#1", "a0#1#2", "a0#2#1", "a0#2#2"} {
		if got[key] != 1 {
			t.Errorf("key %s arrived %d times, want once", key, got[key])
		}
	}
	if len(got) != 9 {
		t.Errorf("%d keys for 9 events: %v", len(got), got)
	}
}

func TestOrderedOutputKeepsOrderThroughFailures(t *testing.T) {
	var got []int64
	calls := 0
	out := funcOutput{limits: pipeline.Limits{Concurrency: 4, MaxEvents: 7}, write: func(_ context.Context, events []pipeline.Event) error {
		calls++
		if calls%3 == 0 {
			return errors.New("not now")
		}
		for i := range events {
			got = append(got, events[i].Record.Index)
		}
		return nil
	}}
	e := start(t, pipeline.Settings{
		Workers: 4, BackoffMin: time.Microsecond, BackoffMax: time.Microsecond,
		Outputs: []pipeline.OutputStage{{Name: "out", Output: out, Ordered: true}},
	})
	all := records("a", 1000)
	r := deliver(t, e, func(ctx context.Context, f *pipeline.Frame) error {
		for len(all) > 0 {
			n := min(len(all), 13)
			if err := f.Feed(ctx, all[:n:n]); err != nil {
				return err
			}
			all = all[n:]
		}
		return nil
	})
	if r.Outcome != pipeline.Delivered {
		t.Fatalf("got %+v", r)
	}
	for i, index := range got {
		if int64(i) != index {
			t.Fatalf("event %d arrived as number %d", index, i)
		}
	}
}

func TestEventsFeelNoHarmFromClose(t *testing.T) {
	e, err := pipeline.New(pipeline.Settings{Outputs: []pipeline.OutputStage{
		{Name: "out", Output: funcOutput{write: func(context.Context, []pipeline.Event) error { return nil }}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan pipeline.Result, 1)
	f := e.Open(func(r pipeline.Result) { results <- r })
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.Feed(t.Context(), records("a", 1)); !errors.Is(err, pipeline.ErrClosed) {
		t.Errorf("Feed after Close: %v, want ErrClosed", err)
	}
	if r := <-results; r.Outcome != pipeline.Retry {
		t.Errorf("a frame open at Close settled as %v, want retry", r.Outcome)
	}
	if r := deliver(t, e, feedAll(records("a", 1))); r.Outcome != pipeline.Retry {
		t.Errorf("Deliver after Close: %v, want retry", r.Outcome)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestDecodedOnceForAllCopies(t *testing.T) {
	ev := records("a", 1)[0]
	calls := 0
	decode := func(raw []byte) (any, error) { calls++; return string(raw), nil }
	copied := ev
	for _, e := range []*pipeline.Event{&ev, &copied} {
		if v, err := e.Decoded(decode); err != nil || v != `{"id":"a0"}` {
			t.Errorf("Decoded: %v, %v", v, err)
		}
	}
	if calls != 1 {
		t.Errorf("decoded %d times, want once", calls)
	}
	changed := ev.WithRaw([]byte(`{}`))
	if v, _ := changed.Decoded(decode); v != `{}` {
		t.Errorf("a changed event decodes to %v", v)
	}
}

func TestIntactEvents(t *testing.T) {
	ev := pipeline.NewEvent(&pipeline.Record{Raw: []byte(`{"a":1}`)})
	added := ev.WithMember([]byte(`{"a":1,"t":2}`))
	again := added.WithMember([]byte(`{"a":1,"t":2,"u":3}`))
	other := ev.WithRaw([]byte(`{"a":1,"t":2}`))
	late := other.WithMember([]byte(`{"a":1,"t":2,"u":3}`))
	for i, e := range []struct {
		event            pipeline.Event
		pristine, intact bool
	}{{ev, true, true}, {added, false, true}, {again, false, true}, {other, false, false}, {late, false, false}} {
		if e.event.Pristine() != e.pristine || e.event.Intact() != e.intact {
			t.Errorf("%d: pristine %v, intact %v", i, e.event.Pristine(), e.event.Intact())
		}
	}
}
