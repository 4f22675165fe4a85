package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

// maker is a filter that makes an event every minute.
type maker struct {
	funcFilter
	make func(ctx context.Context, to pipeline.Intake) error
}

func (m maker) Make(ctx context.Context, to pipeline.Intake) error { return m.make(ctx, to) }

// everyMinute feeds a frame of one event every minute, and reports how each ended.
func everyMinute(results chan<- pipeline.Result) func(ctx context.Context, to pipeline.Intake) error {
	return func(ctx context.Context, to pipeline.Intake) error {
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Minute):
			}
			f := to.Open(func(r pipeline.Result) { results <- r })
			if err := f.Feed(ctx, records("made", 1)); err != nil {
				f.Abandon(err)
				return err
			}
			f.Seal()
		}
	}
}

// inBubble starts an engine in a bubble, which itself holds that no goroutine is left.
func inBubble(t *testing.T, s pipeline.Settings) *pipeline.Engine {
	t.Helper()
	e, err := pipeline.New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	return e
}

func TestMadeEventsBeginBehindTheirFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var seen []string
		note := func(name string) funcFilter {
			return func(ev pipeline.Event) ([]pipeline.Event, error) {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, name+":"+ev.Key())
				return []pipeline.Event{ev}, nil
			}
		}
		results := make(chan pipeline.Result, 10)
		var got []string
		e := inBubble(t, pipeline.Settings{
			Filters: []pipeline.FilterStage{
				{Name: "before", Filter: note("before")}, {Name: "maker", Filter: maker{note("maker"), everyMinute(results)}}, {Name: "behind", Filter: note("behind")},
			},
			Outputs: []pipeline.OutputStage{{Name: "out", Output: funcOutput{write: func(_ context.Context, events []pipeline.Event) error {
				for i := range events {
					got = append(got, events[i].Key())
				}
				return nil
			}}}},
		})
		e.Deliver(feedAll(records("fed", 1)), nil).Wait(t.Context())
		r := <-results
		if r.Outcome != pipeline.Delivered || r.Counts != (pipeline.Counts{Made: 1, Routed: 1}) {
			t.Errorf("%+v", r)
		}
		if want := "before:fed0 maker:fed0 behind:fed0 behind:made0"; strings.Join(seen, " ") != want {
			t.Errorf("got %v, want %s", seen, want)
		}
		if strings.Join(got, " ") != "fed0 made0" {
			t.Errorf("delivered %v", got)
		}
		s := e.Stats()
		if s.In != 1 || s.Made != 1 || s.In+s.Made != s.Filtered+s.Unrouted+s.Quarantined+s.Routed || s.Filters[1].Made != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestMadeEventsWaitForOutputs holds that what a filter makes is delivered like anything else, and a stop ends the making.
func TestMadeEventsWaitForOutputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results := make(chan pipeline.Result, 10)
		tries := 0
		e := inBubble(t, pipeline.Settings{
			Filters: []pipeline.FilterStage{{Name: "maker", Filter: maker{nil, everyMinute(results)}}},
			Outputs: []pipeline.OutputStage{{Name: "out", Output: funcOutput{write: func(context.Context, []pipeline.Event) error {
				if tries++; tries < 4 {
					return errors.New("away")
				}
				return nil
			}}}},
		})
		if r := <-results; r.Outcome != pipeline.Delivered || tries != 4 {
			t.Errorf("%+v after %d tries", r, tries)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Minute)
		if len(results) > 0 {
			t.Error("events were made after the end")
		}
	})
}

func TestAMakerThatFailsHoldsUpNothing(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("the store is gone") },
		"panic": func() error { panic("at the disco") },
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, pipeline.Settings{
				Filters: []pipeline.FilterStage{{Name: "maker", Filter: maker{
					func(ev pipeline.Event) ([]pipeline.Event, error) { return []pipeline.Event{ev}, nil },
					func(context.Context, pipeline.Intake) error { return fail() },
				}}},
				Outputs: []pipeline.OutputStage{{Name: "out", Output: funcOutput{write: func(context.Context, []pipeline.Event) error { return nil }}}},
			})
			if r, _ := e.Deliver(feedAll(records("a", 3)), nil).Wait(t.Context()); r.Outcome != pipeline.Delivered || r.Counts.Routed != 3 {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestMakersOfOneOutputAreRefused(t *testing.T) {
	_, err := pipeline.New(pipeline.Settings{Outputs: []pipeline.OutputStage{{
		Name: "out", Output: funcOutput{}, Filters: []pipeline.FilterStage{{Name: "sessions", Filter: maker{}}},
	}}})
	if err == nil || !strings.Contains(err.Error(), `the filter "sessions" makes events of its own`) {
		t.Errorf("%v", err)
	}
}
