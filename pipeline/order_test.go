package pipeline_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

// inOrder is a filter that wants session logs in order, and notes how it got them. Now and then it lets others go first.
type inOrder struct {
	mu   sync.Mutex
	seen []string
}

func (*inOrder) InOrder(kind pipeline.Kind) bool { return kind == pipeline.KindSessionLog }

func (f *inOrder) Apply(_ context.Context, dst []pipeline.Event, ev pipeline.Event) ([]pipeline.Event, error) {
	if ev.Record.Index%7 == 0 {
		for range 1000 {
			f.mu.Lock() // gives way
			f.mu.Unlock()
		}
	}
	if ev.Record.Kind == pipeline.KindSessionLog {
		f.mu.Lock()
		f.seen = append(f.seen, string(ev.Raw))
		f.mu.Unlock()
	}
	return append(dst, ev), nil
}

func TestSequentialFilterGetsBatchesInOrder(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		t.Run("ordered output "+strconv.FormatBool(ordered), func(t *testing.T) {
			f := &inOrder{}
			out := &funcOutput{write: func(context.Context, []pipeline.Event) error { return nil }}
			e, err := pipeline.New(pipeline.Settings{
				Workers: 4, Filters: []pipeline.FilterStage{{Name: "f", Filter: f}},
				Outputs: []pipeline.OutputStage{{Name: "out", Output: out, Ordered: ordered}},
			})
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for n := range 400 {
				kind := pipeline.KindSessionLog
				if n%3 == 0 {
					kind = pipeline.KindCloudTrail // which need not wait
				}
				raw := `{"n":` + strconv.Itoa(n) + `}`
				if kind == pipeline.KindSessionLog {
					want = append(want, raw)
				}
				frame := e.Open(func(pipeline.Result) {})
				event := pipeline.NewEvent(&pipeline.Record{Raw: []byte(raw), Kind: kind, Index: int64(n)})
				if err := frame.Feed(t.Context(), []pipeline.Event{event}); err != nil {
					t.Fatal(err)
				}
				frame.Seal()
			}
			if err := e.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(f.seen, want) {
				t.Errorf("%d events came, in another order than they were fed, or not all of %d", len(f.seen), len(want))
			}
		})
	}
}
