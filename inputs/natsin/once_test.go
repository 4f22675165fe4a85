package natsin

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

func TestOnceEndsWithWhatTheStreamHeld(t *testing.T) {
	w := streamWorld(t)
	want := numbered(1200)
	w.store(want...)
	var failures atomic.Int32
	w.Fail(func(raw string) error {
		if raw == want[700] && failures.Add(1) <= 3 {
			return errors.New("not now")
		}
		return nil
	})
	c := w.stream()
	c.Once = true
	if err := w.Start(w.input(c), 0).Wait(); err != nil {
		t.Fatal(err)
	}
	w.once(want...)
	w.leavesNothing()
}

func TestOnceOfAnEmptyStreamEnds(t *testing.T) {
	w := streamWorld(t)
	c := w.stream()
	c.Once = true
	if err := w.Start(w.input(c), 0).Wait(); err != nil {
		t.Fatal(err)
	}
	w.once()
	w.leavesNothing()
}

// What is stored after the beginning need not be read, and must not keep the input from its end.
func TestOnceEndsWhileOthersStore(t *testing.T) {
	for name, subject := range map[string]string{"all": "", "a subject": "trail.a"} {
		t.Run(name, func(t *testing.T) {
			w := streamWorld(t)
			want := numbered(50)
			w.store(want...)
			c := w.stream()
			c.Once, c.Subject = true, subject
			ctx, cancel := context.WithCancel(context.Background())
			storing := make(chan struct{})
			go func() {
				defer close(storing)
				for ctx.Err() == nil {
					w.publish("trail.a", `{"n":"later"}`)
				}
			}()
			err := w.Start(w.input(c), 0).Wait()
			cancel()
			<-storing
			if err != nil {
				t.Fatal(err)
			}
			got := w.Events()
			for _, raw := range want {
				if got[raw] != 1 {
					t.Errorf("%s: delivered %d times, want once", raw, got[raw])
				}
			}
		})
	}
}

func TestOnceFromATime(t *testing.T) {
	w := streamWorld(t)
	w.store(`{"n":"old"}`)
	w.Wait("a later time", func() bool {
		info, err := w.js.Stream(w.deadline(), "TRAIL")
		return err == nil && time.Since(info.CachedInfo().State.LastTime) > 50*time.Millisecond
	})
	between := time.Now()
	w.store(`{"n":"new"}`)
	c := w.stream()
	c.Once, c.Start = true, between.Format(time.RFC3339Nano)
	if err := w.Start(w.input(c), 0).Wait(); err != nil {
		t.Fatal(err)
	}
	w.once(`{"n":"new"}`)
}

func TestOnceStopsInBetween(t *testing.T) {
	w := streamWorld(t)
	w.store(numbered(10)...)
	w.Fail(func(string) error { return errors.New("never") })
	c := w.stream()
	c.Once = true
	a := w.Start(w.input(c), 50*time.Millisecond)
	w.waitLog("reading the stream")
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	w.leavesNothing()
}

func TestOnceFails(t *testing.T) {
	w := streamWorld(t)
	c := w.stream()
	c.Once, c.Stream = true, "OTHER"
	fails := func(c Config, want string) {
		t.Helper()
		if err := w.input(c).Run(t.Context(), noIntake{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	fails(c, "there is none")
	c.URL = []string{"nats://127.0.0.1:1"}
	fails(c, "no servers available")
}

type noIntake struct{}

func (noIntake) Open(func(pipeline.Result)) *pipeline.Frame { panic("nothing is to be read") }

// leavesNothing waits until the stream has no consumer.
func (w *world) leavesNothing() {
	w.Helper()
	w.Wait("no consumer", func() bool {
		stream, err := w.js.Stream(w.deadline(), "TRAIL")
		return err == nil && stream.CachedInfo().State.Consumers == 0
	})
}
