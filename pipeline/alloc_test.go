package pipeline_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

// changing is a filter that gives every event other bytes, or drops it.
type changing struct {
	raw  []byte
	drop bool
}

func (c changing) Apply(_ context.Context, dst []pipeline.Event, ev pipeline.Event) ([]pipeline.Event, error) {
	if c.drop {
		return dst, nil
	}
	return append(dst, ev.WithRaw(c.raw)), nil
}

// What the engine allocates belongs to a batch or to a Write, not to an event.
func TestAnEventCostsNoAllocation(t *testing.T) {
	const batches, events = 40, 500
	output := funcOutput{write: func(context.Context, []pipeline.Event) error { return nil }, limits: pipeline.Limits{Concurrency: 2}}
	filter := func(f pipeline.Filter) pipeline.FilterStage { return pipeline.FilterStage{Name: "f", Filter: f} }
	other := changing{raw: []byte(`{"other":true}`)}
	for name, s := range map[string]pipeline.Settings{
		"passed":  {Outputs: []pipeline.OutputStage{{Name: "a", Output: output}, {Name: "b", Output: output}}},
		"changed": {Filters: []pipeline.FilterStage{filter(other), filter(other)}, Outputs: []pipeline.OutputStage{{Name: "a", Output: output}}},
		"changed for one output": {Outputs: []pipeline.OutputStage{
			{Name: "a", Output: output, Filters: []pipeline.FilterStage{filter(other)}}, {Name: "b", Output: output},
		}},
		"dropped": {Filters: []pipeline.FilterStage{filter(changing{drop: true})}, Outputs: []pipeline.OutputStage{{Name: "a", Output: output}}},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, s)
			all := make([][]pipeline.Event, batches)
			for i := range all {
				all[i] = records("a", events)
				for k := range all[i] {
					all[i][k].Facts() // computed once for each event, by its reader
				}
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			deliver(t, e, feedAll(all...))
			runtime.ReadMemStats(&after)
			if perEvent := float64(after.Mallocs-before.Mallocs) / (batches * events); perEvent > 0.1 {
				t.Errorf("%.2f allocations for an event, want none", perEvent)
			}
		})
	}
}
