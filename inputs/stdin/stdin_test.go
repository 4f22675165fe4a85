package stdin_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/inputs/stdin"
	"github.com/trailcast/trailcast/pipeline"
)

type output struct{ n int }

func (o *output) Write(_ context.Context, events []pipeline.Event) error {
	o.n += len(events)
	return nil
}

func (o *output) Close(context.Context) error { return nil }

func run(t *testing.T, ctx context.Context, c stdin.Config) (pipeline.Stats, error) {
	t.Helper()
	in, err := stdin.New(c, pipeline.Env{Name: "stdin"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := pipeline.New(pipeline.Settings{Outputs: []pipeline.OutputStage{{Name: "out", Output: &output{}}}})
	if err != nil {
		t.Fatal(err)
	}
	err = e.Run(ctx, []pipeline.InputStage{{Name: "stdin", Input: in}})
	return e.Stats(), err
}

func TestReadsToTheEnd(t *testing.T) {
	defer goleak.VerifyNone(t)
	text := strings.Repeat(`{"a":1}`+"\n", 100_000)
	for name, r := range map[string]io.Reader{"at once": strings.NewReader(text), "in halves": iotest.HalfReader(strings.NewReader(text)),
		"error with data": iotest.DataErrReader(strings.NewReader(text))} {
		if s, err := run(t, t.Context(), stdin.Config{Reader: r}); err != nil || s.In != 100_000 {
			t.Errorf("%s: %d events, %v", name, s.In, err)
		}
	}
}

func TestAStopDoesNotWaitForInput(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = w.Write([]byte(`{"a":1}` + "\n"))
		cancel()
	}()
	if s, err := run(t, ctx, stdin.Config{Reader: r}); err != nil || s.OpenFrames != 0 {
		t.Errorf("%d open frames, %v", s.OpenFrames, err)
	}
}

func TestReadErrors(t *testing.T) {
	fault := errors.New("device is gone")
	s, err := run(t, t.Context(), stdin.Config{Reader: iotest.ErrReader(fault)})
	if !errors.Is(err, fault) || s.Frames[pipeline.Retry] != 1 {
		t.Errorf("got %v, %+v", err, s.Frames)
	}
}
