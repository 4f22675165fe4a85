package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

// dropper is a filter that drops the events that hold a word, and panics on those that hold "panic".
type dropper struct{ word string }

func (d dropper) Drops(ev *pipeline.Event) bool {
	if bytes.Contains(ev.Raw, []byte("panic")) {
		panic("made up")
	}
	return bytes.Contains(ev.Raw, []byte(d.word))
}

func (d dropper) Apply(_ context.Context, dst []pipeline.Event, ev pipeline.Event) ([]pipeline.Event, error) {
	if d.Drops(&ev) {
		return dst, nil
	}
	return append(dst, ev), nil
}

// feedWanted feeds events as the splitter does: those that the frame's Dropper drops are counted only.
func feedWanted(asked *bool, batches ...[]pipeline.Event) func(context.Context, *pipeline.Frame) error {
	return func(ctx context.Context, f *pipeline.Frame) error {
		d := f.Dropper()
		*asked = d != nil
		for _, events := range batches {
			var wanted []pipeline.Event
			dropped, size := int64(0), int64(0)
			for i := range events {
				if d != nil && d.Drops(&events[i]) {
					dropped, size = dropped+1, size+int64(len(events[i].Raw))
					continue
				}
				wanted = append(wanted, events[i])
			}
			if d != nil {
				f.Dropped(dropped, size)
			}
			if err := f.Feed(ctx, wanted); err != nil {
				return err
			}
		}
		return nil
	}
}

type always struct{}

func (always) Match(context.Context, *pipeline.Event) (bool, error) { return true, nil }

func TestEventsDroppedBeforeTheyAreFedAreCountedTheSame(t *testing.T) {
	out := funcOutput{write: func(context.Context, []pipeline.Event) error { return nil }}
	batches := func() [][]pipeline.Event {
		return [][]pipeline.Event{records("a", 3), records("b", 2), records("panic", 1)}
	}
	var want pipeline.Stats
	for i, stage := range []pipeline.FilterStage{
		{Name: "f", Filter: dropper{"b"}, When: always{}}, // is not asked: its condition may not hold
		{Name: "f", Filter: dropper{"b"}},
	} {
		t.Run(fmt.Sprint("asked=", i == 1), func(t *testing.T) {
			e := start(t, pipeline.Settings{
				Filters: []pipeline.FilterStage{stage}, Outputs: []pipeline.OutputStage{{Name: "out", Output: out}}, Quarantine: &memoryQuarantine{},
			})
			var asked bool
			r := deliver(t, e, feedWanted(&asked, batches()...))
			if asked != (i == 1) {
				t.Errorf("asked: %v", asked)
			}
			if r.Counts.In != 6 || r.Counts.Filtered != 2 || r.Counts.Routed != 3 || r.Counts.Quarantined != 1 {
				t.Errorf("got %+v", r.Counts)
			}
			got := e.Stats()
			if i == 0 {
				want = got
				return
			}
			if got.Counts != want.Counts || got.BytesIn != want.BytesIn || got.Filters[0].In != want.Filters[0].In ||
				got.Filters[0].Filtered != want.Filters[0].Filtered {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// Where there are no filters, events that meet no output's condition are not fed; the account is the same.
func TestEventsThatNoOutputWantsAreNotFed(t *testing.T) {
	wants := func(word string) pipeline.Condition {
		return funcCondition(func(ev *pipeline.Event) (bool, error) { return bytes.Contains(ev.Raw, []byte(word)), nil })
	}
	words := []string{`"a`, `"panic`}
	matcher := funcMatcher(func(ev *pipeline.Event, dst []pipeline.Match) []pipeline.Match {
		if bytes.Contains(ev.Raw, []byte("panic")) {
			panic("made up")
		}
		for k, word := range words {
			if bytes.Contains(ev.Raw, []byte(word)) {
				dst = append(dst, pipeline.Match{Output: k, Holds: pipeline.Yes})
			}
		}
		return dst
	})
	var want pipeline.Stats
	for _, tt := range []struct {
		name       string
		matcher    func() pipeline.Matcher
		takesAll   bool // a further output has no condition
		wantsAsked bool
	}{
		{"each is routed", nil, false, false},
		{"asked", func() pipeline.Matcher { return matcher }, false, true},
		{"an output takes all", func() pipeline.Matcher { return matcher }, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := pipeline.Settings{NewMatcher: tt.matcher}
			for _, word := range words {
				out := funcOutput{write: func(context.Context, []pipeline.Event) error { return nil }}
				settings.Outputs = append(settings.Outputs, pipeline.OutputStage{Name: word, Output: out, When: wants(word)})
			}
			if tt.takesAll {
				out := funcOutput{write: func(context.Context, []pipeline.Event) error { return nil }}
				settings.Outputs = append(settings.Outputs, pipeline.OutputStage{Name: "all", Output: out})
			}
			e := start(t, settings)
			var asked bool
			r := deliver(t, e, feedWanted(&asked, records("a", 3), records("b", 2), records("panic", 1)))
			if asked != tt.wantsAsked {
				t.Errorf("asked: %v", asked)
			}
			if tt.takesAll {
				return
			}
			if r.Counts.In != 6 || r.Counts.Unrouted != 2 || r.Counts.Routed != 4 {
				t.Errorf("got %+v", r.Counts)
			}
			got := e.Stats()
			if tt.matcher == nil {
				want = got
			} else if got.Counts != want.Counts || got.BytesIn != want.BytesIn {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}
