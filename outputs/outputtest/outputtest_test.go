package outputtest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

// store is an output that keeps events in memory, with a fault to choose.
type store struct {
	fault string

	mu     sync.Mutex
	held   [][]byte
	kept   []pipeline.Event
	broken chan struct{} // not nil while the destination is away; closed by Mend
	closed bool
	stop   chan struct{}
}

const tooLarge = 1 << 16

func (s *store) Limits() pipeline.Limits { return pipeline.Limits{Concurrency: 4, MaxEvents: 300} }

func (s *store) Write(ctx context.Context, events []pipeline.Event) error {
	s.mu.Lock()
	broken, closed := s.broken, s.closed
	s.mu.Unlock()
	switch {
	case closed && s.fault != "write after close":
		return errors.New("closed")
	case s.fault == "hang" && ctx.Err() != nil:
		time.Sleep(5 * time.Second)
		return ctx.Err()
	case ctx.Err() != nil:
		return ctx.Err()
	case broken != nil && s.fault == "reject when away":
		return pipeline.Reject(errors.New("away"))
	case broken != nil && s.fault == "lie when away":
		return nil
	case broken != nil:
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-broken:
		}
	}
	var failed []pipeline.Failure
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range events {
		raw := events[i].Raw
		if len(raw) > tooLarge {
			err := pipeline.Reject(errors.New("too large"))
			if s.fault == "not rejected" {
				err = errors.New("too large")
			}
			if s.fault == "wrong index" {
				i++
			}
			failed = append(failed, pipeline.Failure{Index: i, Err: err})
			continue
		}
		switch s.fault {
		case "lose":
			if len(s.held) == 70 {
				continue
			}
		case "repeat":
			s.held = append(s.held, raw)
		case "append":
			raw = append(raw, '\n')
		case "lines":
			for line := range strings.Lines(string(raw)) {
				s.held = append(s.held, []byte(line))
			}
			continue
		}
		s.held = append(s.held, raw)
	}
	if s.fault == "keep slice" {
		s.held = s.held[:len(s.held)-len(events)]
		for i := range s.kept {
			s.held = append(s.held, s.kept[i].Raw)
		}
		s.kept = events
	}
	if s.fault == "all or nothing" && failed != nil {
		return failed[0].Err
	}
	if failed != nil {
		return &pipeline.BatchError{Failed: failed}
	}
	return nil
}

func (s *store) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && s.fault == "close twice" {
		return errors.New("already closed")
	}
	if !s.closed && s.fault != "leak" {
		close(s.stop)
	}
	s.closed = true
	return nil
}

func (s *store) Check(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil && s.fault != "check" {
		return errors.New("away")
	}
	return nil
}

func (s *store) Explain(ev *pipeline.Event) (pipeline.Explanation, error) {
	return pipeline.Explanation{Destination: "memory", Size: len(ev.Raw)}, nil
}

func kit(fault string) Kit {
	return Kit{
		Timeout: 5 * time.Second,
		Prompt:  500 * time.Millisecond,
		New: func(t *testing.T) Subject {
			s := &store{fault: fault, stop: make(chan struct{})}
			go func() { <-s.stop }()
			return Subject{
				Output: s,
				Delivered: func(*testing.T) [][]byte {
					s.mu.Lock()
					defer s.mu.Unlock()
					return slices.Clone(s.held)
				},
				Break: func(*testing.T) {
					s.mu.Lock()
					defer s.mu.Unlock()
					s.broken = make(chan struct{})
				},
				Mend: func(*testing.T) {
					s.mu.Lock()
					defer s.mu.Unlock()
					close(s.broken)
					s.broken = nil
				},
			}
		},
		Oversize: func() pipeline.Event {
			raw := `{"text":"` + strings.Repeat("x", tooLarge) + `"}`
			return Event([]byte(raw), pipeline.Facts{Kind: pipeline.KindOther}, "large")
		},
	}
}

func TestGoodOutputPasses(t *testing.T) { Run(t, kit("")) }

// faultVariable names the fault for a process of this test binary that runs the kit on a faulty output.
const faultVariable = "OUTPUTTEST_FAULT"

func TestFaultyOutput(t *testing.T) {
	fault := os.Getenv(faultVariable)
	if fault == "" {
		t.Skip("run by TestFaultsAreCaught in a process of its own")
	}
	Run(t, kit(fault))
}

// Each fault must break the rule that is there for it.
func TestFaultsAreCaught(t *testing.T) {
	tests := []struct{ fault, rule string }{
		{"lose", "all delivered is nil"},
		{"repeat", "all delivered is nil"},
		{"lines", "one event stays one event"},
		{"wrong index", "rejected by index"},
		{"not rejected", "rejected by index"},
		{"all or nothing", "rejected by index"},
		{"reject when away", "unavailable is retry"},
		{"lie when away", "unavailable is retry"},
		{"hang", "cancelled context"},
		{"append", "bytes are read-only"},
		{"keep slice", "slice is not kept"},
		{"close twice", "Close twice"},
		{"write after close", "Write after Close"},
		{"leak", "all delivered is nil"},
		{"check", "Check"},
	}
	for _, test := range tests {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run", "^TestFaultyOutput$/^"+strings.ReplaceAll(test.rule, " ", "_")+"$")
			cmd.Env = append(os.Environ(), faultVariable+"="+test.fault)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("the kit passes an output with the fault %q\n%s", test.fault, out)
			}
			if _, exited := errors.AsType[*exec.ExitError](err); !exited || !strings.Contains(string(out), "--- FAIL: TestFaultyOutput") {
				t.Fatalf("no ordinary failure: %v\n%s", err, out)
			}
		})
	}
}
