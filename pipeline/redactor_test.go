package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

// redactor is a filter that passes all and keeps secrets out of quarantine.
type redactor struct {
	funcFilter
	redact func(ev pipeline.Event, raw []byte) []byte
}

func (r redactor) Redact(ev pipeline.Event, raw []byte) []byte { return r.redact(ev, raw) }

func newRedactor(redact func(ev pipeline.Event, raw []byte) []byte) redactor {
	return redactor{func(ev pipeline.Event) ([]pipeline.Event, error) { return []pipeline.Event{ev}, nil }, redact}
}

func replacing(from, to string) redactor {
	return newRedactor(func(_ pipeline.Event, raw []byte) []byte { return bytes.ReplaceAll(raw, []byte(from), []byte(to)) })
}

func TestQuarantinePassesRedactors(t *testing.T) {
	rejecting := funcOutput{write: func(context.Context, []pipeline.Event) error { return pipeline.Reject(errors.New("too large")) }}
	failing := funcFilter(func(pipeline.Event) ([]pipeline.Event, error) { return nil, errors.New("no") })
	pass := funcFilter(func(ev pipeline.Event) ([]pipeline.Event, error) { return []pipeline.Event{ev}, nil })
	stage := func(f pipeline.Filter) []pipeline.FilterStage { return []pipeline.FilterStage{{Name: "f", Filter: f}} }
	const raw = `{"a":"hush"}`
	for _, tt := range []struct {
		name     string
		filters  []pipeline.FilterStage
		ofOutput []pipeline.FilterStage
		want     string
	}{
		{"none", stage(pass), nil, raw},
		{"one", stage(replacing("hush", "*")), nil, `{"a":"*"}`},
		{"one of an output", nil, stage(replacing("hush", "*")), `{"a":"*"}`},
		{"two, one after the other", stage(replacing("hush", "mum")), stage(replacing("mum", "*")), `{"a":"*"}`},
		{"behind a filter that fails", append(stage(failing), stage(replacing("hush", "*"))...), nil, `{"a":"*"}`},
		{"one that panics", stage(newRedactor(func(pipeline.Event, []byte) []byte { panic("no") })), nil, raw},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := &memoryQuarantine{}
			e := start(t, pipeline.Settings{Filters: tt.filters, Quarantine: q,
				Outputs: []pipeline.OutputStage{{Name: "out", Output: rejecting, Filters: tt.ofOutput}}})
			r := deliver(t, e, feedAll([]pipeline.Event{pipeline.NewEvent(&pipeline.Record{Raw: []byte(raw), Kind: pipeline.KindSessionLog})}))
			if r.Outcome != pipeline.Rejected || len(q.entries) != 1 || string(q.entries[0].Raw) != tt.want {
				t.Errorf("got %v and %+v, want %s", r.Outcome, q.entries, tt.want)
			}
		})
	}
}

func TestBrokenPiecesPassRedactors(t *testing.T) {
	q := &memoryQuarantine{}
	origin := &pipeline.Origin{Object: "o"}
	r := newRedactor(func(ev pipeline.Event, raw []byte) []byte {
		if ev.Record.Kind != "" || ev.Record.Origin != origin || ev.FrameID() == 0 {
			t.Errorf("got an event of %+v", ev.Record)
		}
		return bytes.ReplaceAll(raw, []byte("hush"), []byte("*"))
	})
	out := funcOutput{write: func(context.Context, []pipeline.Event) error { return nil }}
	e := start(t, pipeline.Settings{Quarantine: q, Filters: []pipeline.FilterStage{{Name: "r", Filter: r}},
		Outputs: []pipeline.OutputStage{{Name: "out", Output: out}}})
	deliver(t, e, func(ctx context.Context, f *pipeline.Frame) error {
		return f.Broken(ctx, pipeline.Broken{Raw: []byte(`{"a":"hush`), Size: 110, Origin: origin, Reason: "cut"})
	})
	if len(q.entries) != 1 || string(q.entries[0].Raw) != `{"a":"*` || q.entries[0].Size != 107 {
		t.Errorf("got %+v", q.entries)
	}
}
