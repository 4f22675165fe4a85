package stdout_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/trailcast/trailcast/outputs/outputtest"
	"github.com/trailcast/trailcast/outputs/stdout"
	"github.com/trailcast/trailcast/pipeline"
)

type buffer struct {
	mu     sync.Mutex
	b      bytes.Buffer
	broken bool
	short  int // bytes taken before failing once; 0: never
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken {
		return 0, errors.New("broken")
	}
	if b.short > 0 {
		n := b.short
		b.short = 0
		b.b.Write(p[:n])
		return n, errors.New("short write")
	}
	return b.b.Write(p)
}

func (b *buffer) lines() (all [][]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range bytes.Lines(bytes.Clone(b.b.Bytes())) {
		all = append(all, bytes.TrimSuffix(line, []byte("\n")))
	}
	return all
}

func TestConformance(t *testing.T) {
	outputtest.Run(t, outputtest.Kit{New: func(t *testing.T) outputtest.Subject {
		var b buffer
		out, err := stdout.New(stdout.Config{Writer: &b}, pipeline.Env{Name: "stdout"})
		if err != nil {
			t.Fatal(err)
		}
		set := func(broken bool) func(*testing.T) {
			return func(*testing.T) {
				b.mu.Lock()
				b.broken = broken
				b.mu.Unlock()
			}
		}
		return outputtest.Subject{
			Output: out, Delivered: func(*testing.T) [][]byte { return b.lines() }, Break: set(true), Mend: set(false),
		}
	}})
}

func TestShortWriteNamesWhatIsMissing(t *testing.T) {
	b := buffer{short: 12}
	out, err := stdout.New(stdout.Config{Writer: &b}, pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	var events []pipeline.Event
	for _, raw := range []string{`{"n":1}`, `{"n":2}`, `{"n":3}`} {
		events = append(events, pipeline.NewEvent(&pipeline.Record{Raw: []byte(raw)}))
	}
	partial, ok := errors.AsType[*pipeline.BatchError](out.Write(t.Context(), events))
	if !ok || len(partial.Failed) != 2 || partial.Failed[0].Index != 1 {
		t.Errorf("got %+v, want events 1 and 2 as failed", partial)
	}
}

func TestOneLineForEachEvent(t *testing.T) {
	var b buffer
	out, err := stdout.New(stdout.Config{Writer: &b}, pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	raw := "{\n  \"a\": \"x\\ny\"\r\n}"
	if err := out.Write(t.Context(), []pipeline.Event{pipeline.NewEvent(&pipeline.Record{Raw: []byte(raw)})}); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(b.b.String()); got != `{"a":"x\ny"}` {
		t.Errorf("got %q", got)
	}
}
