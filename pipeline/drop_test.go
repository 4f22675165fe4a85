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
