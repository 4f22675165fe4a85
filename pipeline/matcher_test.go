package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

// funcCondition is a condition made of a function.
type funcCondition func(ev *pipeline.Event) (bool, error)

func (f funcCondition) Match(_ context.Context, ev *pipeline.Event) (bool, error) { return f(ev) }

// funcMatcher is a matcher made of a function.
type funcMatcher func(ev *pipeline.Event, dst []pipeline.Match) []pipeline.Match

func (f funcMatcher) Match(ev *pipeline.Event, dst []pipeline.Match) []pipeline.Match {
	return f(ev, dst)
}

// The matcher's word counts where it has one, the condition's where it has none, and where it panics.
func TestAMatcherDecidesForTheConditions(t *testing.T) {
	var asked atomic.Int64
	holds := funcCondition(func(*pipeline.Event) (bool, error) { asked.Add(1); return true, nil })
	fails := funcCondition(func(*pipeline.Event) (bool, error) { return false, errors.New("no decision") })
	var got [5]atomic.Int64
	count := func(i int) pipeline.Output {
		return funcOutput{write: func(_ context.Context, events []pipeline.Event) error {
			got[i].Add(int64(len(events)))
			return nil
		}}
	}
	e := start(t, pipeline.Settings{
		Workers: 1,
		Outputs: []pipeline.OutputStage{
			{Name: "sure", Output: count(0), When: holds},
			{Name: "no", Output: count(1), When: holds},
			{Name: "asked", Output: count(2), When: holds},
			{Name: "skipped", Output: count(3), When: fails, OnError: pipeline.OnErrorSkip},
			{Name: "all", Output: count(4)},
		},
		NewMatcher: func() pipeline.Matcher {
			return funcMatcher(func(ev *pipeline.Event, dst []pipeline.Match) []pipeline.Match {
				if strings.Contains(string(ev.Raw), "panic") {
					panic("matcher")
				}
				return append(dst, pipeline.Match{Output: 0, Holds: pipeline.Yes}, pipeline.Match{Output: 2}, pipeline.Match{Output: 3}, pipeline.Match{Output: 4})
			})
		},
	})
	deliver := func(events []pipeline.Event) {
		t.Helper()
		if r, ok := e.Deliver(feedAll(events), nil).Wait(t.Context()); !ok || r.Outcome != pipeline.Delivered {
			t.Fatalf("%v, %v", r, ok)
		}
	}
	check := func(when string, wantAsked int64, want ...int64) {
		t.Helper()
		for i := range want {
			if got[i].Swap(0) != want[i] {
				t.Errorf("%s: output %d did not get %d events", when, i, want[i])
			}
		}
		if n := asked.Swap(0); n != wantAsked {
			t.Errorf("%s: conditions were asked %d times, want %d", when, n, wantAsked)
		}
	}
	deliver(records("a", 3))
	check("decided", 3, 3, 0, 3, 0, 3)
	deliver(records("panic", 2))
	check("panicked", 6, 2, 2, 2, 0, 2)
}
