package jq

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

func TestEndlessProgramsEnd(t *testing.T) {
	ev := pipeline.NewEvent(&pipeline.Record{Raw: []byte(`{"a":1}`)})
	none := func(_, _ any) error { return nil }

	p, err := Compile(conf.Text{Value: `def f: f; f`}, Options{Timeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context(), &ev, none); !errors.Is(err, errTimeout) {
		t.Errorf("with a time limit: %v", err)
	}
	if p, err = Compile(conf.Text{Value: `def f: f; f`}, Options{Timeout: -1}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx, &ev, none); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestPatienceLooksNowAndThen(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := newPatience(ctx, -1)
	looked := 0
	for range 10 * askedBetween {
		if p.Done() != nil {
			looked++
		}
	}
	if looked != 10 || p.Err() != nil {
		t.Errorf("looked %d times, %v", looked, p.Err())
	}
	if cancel(); !errors.Is(p.Err(), context.Canceled) {
		t.Errorf("cancelled: %v", p.Err())
	}
	p = newPatience(ctx, 0)
	p.until = time.Now().Add(-time.Second)
	for range askedBetween {
		p.Done()
	}
	if !errors.Is(p.Err(), context.DeadlineExceeded) {
		t.Errorf("out of time: %v", p.Err())
	}
}
