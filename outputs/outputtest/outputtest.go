// Package outputtest is the conformance kit of pipeline.Output: every output passes it. Each rule prints why it exists
// when it is broken.
//
//	func TestConformance(t *testing.T) {
//		outputtest.Run(t, outputtest.Kit{New: func(t *testing.T) outputtest.Subject {
//			dir := t.TempDir()
//			out, err := fileout.New(…)
//			…
//			return outputtest.Subject{Output: out, Delivered: func(t *testing.T) [][]byte { return lines(t, dir) }}
//		}})
//	}
//
// Run it with the race detector as well: the rules about concurrency and about bytes that must not be written to count
// on it.
package outputtest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/pipeline"
)

// Kit describes an output to test.
type Kit struct {
	// New makes an output with an empty destination of its own. It is called once for each rule and cleans up with
	// t.Cleanup, the destination's goroutines included. It may leave the closing of the output to the kit, which closes
	// every output.
	New func(t *testing.T) Subject

	// Oversize makes an event that the output rejects for ever because it is too large. nil: there is no such event.
	Oversize func() pipeline.Event

	// Prompt is how long a Write may go on after its context has ended; 0 means 3 s.
	Prompt time.Duration

	// Timeout bounds every single Write, Close and wait; 0 means 30 s.
	Timeout time.Duration

	// Goroutines are options for goleak, for goroutines that a library never ends. Each needs a reason.
	Goroutines []goleak.Option
}

// Subject is one output under test with its destination.
type Subject struct {
	Output pipeline.Output

	// Delivered reads back what the destination holds now, one element for each event, in any order. It is called after
	// Write has returned, before Close and after it.
	Delivered func(t *testing.T) [][]byte

	// Break makes the destination unavailable and Mend makes it available again with what it held before. Both nil: the
	// destination can not fail.
	Break, Mend func(t *testing.T)
}

type rule struct {
	name string
	why  string
	run  func(t *testing.T, k Kit)
}

func rules() []rule {
	return []rule{
		{"all delivered is nil",
			"nil says that every event is stored: the engine lets the source forget them.",
			allDelivered},
		{"one event stays one event",
			"white space, line ends and text beyond ASCII inside an event must not make two of it or change a " +
				"byte of its tokens.",
			oneStaysOne},
		{"empty batch",
			"a Write of nothing has nothing that could fail.",
			emptyBatch},
		{"largest batch",
			"a batch as large as Limits allows must pass: the engine makes such batches.",
			largestBatch},
		{"rejected by index",
			"a partial failure names exactly the failed events by their index in the slice, marked with Reject " +
				"where they can never succeed; everything else is delivered. A wrong index loses one event and " +
				"quarantines another.",
			rejectedByIndex},
		{"unavailable is retry",
			"a destination that is away comes back: the error must not be marked with Reject, and a later Write " +
				"must deliver.",
			unavailable},
		{"cancelled context",
			"when ctx ends Write returns promptly, or a stop of the agent hangs. nil still means delivered.",
			cancelled},
		{"cancelled while unavailable",
			"a Write that waits for its destination must end with its context.",
			cancelledUnavailable},
		{"concurrent Writes",
			"Write is called concurrently up to Limits().Concurrency; nothing may be lost or mixed up.",
			concurrent},
		{"bytes are read-only",
			"an event's bytes may be shared with other outputs and alias a larger buffer: they are never written " +
				"to, nor behind their end (append).",
			bytesUntouched},
		{"slice is not kept",
			"the slice belongs to the caller again when Write has returned.",
			sliceNotKept},
		{"Close twice",
			"the second Close is harmless.",
			closeTwice},
		{"Write after Close",
			"a closed output can not deliver and must not say so.",
			writeAfterClose},
		{"Check",
			"Check proves the connection: nil when the destination is there, an error when it is not.",
			check},
		{"Explain",
			"Explain names a destination and writes nothing.",
			explain},
	}
}

// Run tests the output against every rule. After each one the output is closed, and no goroutine may be left.
func Run(t *testing.T, k Kit) {
	t.Helper()
	if k.Prompt == 0 {
		k.Prompt = 3 * time.Second
	}
	if k.Timeout == 0 {
		k.Timeout = 30 * time.Second
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			// The rule is a test of its own so that New's clean-up has run before goroutines are counted.
			t.Run("rule", func(t *testing.T) {
				t.Cleanup(func() {
					if t.Failed() {
						t.Logf("rule %q: %s", r.name, r.why)
					}
				})
				r.run(t, k)
			})
			if err := goleak.Find(append(slices.Clone(k.Goroutines), before)...); err != nil {
				t.Errorf("goroutines are left after Close: whoever starts one waits for it.\n%v", err)
			}
		})
	}
}

// subject makes an output that the kit closes at the end of the rule, before the destination goes.
func (k Kit) subject(t *testing.T) Subject {
	t.Helper()
	s := k.New(t)
	t.Cleanup(func() {
		if err := k.close(s.Output); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func (k Kit) close(o pipeline.Output) error {
	ctx, cancel := context.WithTimeout(context.Background(), k.Timeout)
	defer cancel()
	return o.Close(ctx)
}

func (k Kit) write(o pipeline.Output, events []pipeline.Event) error {
	ctx, cancel := context.WithTimeout(context.Background(), k.Timeout)
	defer cancel()
	return o.Write(ctx, events)
}

// mustWrite writes and expects nil. The caller's slice is not given to the output.
func (k Kit) mustWrite(t *testing.T, s Subject, events []pipeline.Event) {
	t.Helper()
	if err := k.write(s.Output, slices.Clone(events)); err != nil {
		t.Fatalf("Write of %d events: got error %v, want nil", len(events), err)
	}
}

// writeUntil repeats Write with the failed events until all are delivered, as the engine does.
func (k Kit) writeUntil(t *testing.T, s Subject, events []pipeline.Event) {
	t.Helper()
	deadline := time.Now().Add(k.Timeout)
	for {
		err := k.write(s.Output, slices.Clone(events))
		if err == nil {
			return
		}
		if pipeline.IsRejected(err) {
			t.Fatalf("Write: got the rejection %v, want delivery", err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("Write still fails %v after the destination came back: %v", k.Timeout, err)
		}
		var partial *pipeline.BatchError
		if errors.As(err, &partial) {
			events = pick(events, failedIndexes(t, partial, len(events)))
		}
		time.Sleep(50 * time.Millisecond) // the engine's back-off, not a synchronisation
	}
}

func pick(events []pipeline.Event, indexes []int) []pipeline.Event {
	picked := make([]pipeline.Event, len(indexes))
	for i, index := range indexes {
		picked[i] = events[index]
	}
	return picked
}

// failedIndexes returns the sorted indexes of a BatchError after checking that each is valid and named once.
func failedIndexes(t *testing.T, e *pipeline.BatchError, n int) []int {
	t.Helper()
	if len(e.Failed) == 0 {
		t.Fatal("BatchError without a failed event: want nil instead")
	}
	var indexes []int
	for _, f := range e.Failed {
		if f.Index < 0 || f.Index >= n {
			t.Fatalf("BatchError names index %d of a batch of %d", f.Index, n)
		}
		if f.Err == nil {
			t.Fatalf("BatchError: index %d has no error", f.Index)
		}
		if slices.Contains(indexes, f.Index) {
			t.Fatalf("BatchError names index %d twice", f.Index)
		}
		indexes = append(indexes, f.Index)
	}
	slices.Sort(indexes)
	return indexes
}

// wantExactly fails unless the destination holds each of events once and nothing else.
func wantExactly(t *testing.T, s Subject, events []pipeline.Event) {
	t.Helper()
	compare(t, delivered(t, s), canonicals(events), true)
}

// wantAtLeast fails unless the destination holds each of events, repeats allowed, and nothing else.
func wantAtLeast(t *testing.T, s Subject, events []pipeline.Event) {
	t.Helper()
	compare(t, delivered(t, s), canonicals(events), false)
}

func delivered(t *testing.T, s Subject) []string {
	t.Helper()
	var got []string
	for _, raw := range s.Delivered(t) {
		got = append(got, canonical(raw))
	}
	return got
}

func compare(t *testing.T, got, want []string, exact bool) {
	t.Helper()
	count := map[string]int{}
	for _, g := range got {
		count[g]++
	}
	missing, repeated := 0, 0
	for _, w := range want {
		switch n := count[w]; {
		case n == 0:
			if missing++; missing == 1 {
				t.Errorf("not delivered: %.300s", w)
			}
		case n > 1 && exact:
			if repeated++; repeated == 1 {
				t.Errorf("delivered %d times: %.300s", n, w)
			}
		}
		delete(count, w)
	}
	for g, n := range count {
		t.Errorf("the destination holds %d times what nobody wrote: %.300s", n, g)
		break
	}
	if missing+repeated+len(count) > 0 {
		t.Errorf("got %d delivered, want %d: %d missing, %d repeated, %d foreign",
			len(got), len(want), missing, repeated, len(count))
	}
}

func allDelivered(t *testing.T, k Kit) {
	s := k.subject(t)
	var all []pipeline.Event
	for _, n := range []int{1, 2, 100} {
		events := Events(len(all), n)
		k.mustWrite(t, s, events)
		all = append(all, events...)
		wantExactly(t, s, all)
	}
	if err := k.close(s.Output); err != nil {
		t.Fatalf("Close: %v", err)
	}
	wantExactly(t, s, all)
}

func oneStaysOne(t *testing.T, k Kit) {
	s := k.subject(t)
	var events []pipeline.Event
	for i, raw := range []string{
		"{\n  \"eventID\": \"a\",\r\n\t\"n\": 12345678901234567890.000\r\n}",
		"{\"eventID\":\"b\",\"text\":\"line 1\\nline 2\\r\\u2028\\u0000\"}",
		"{\"eventID\":\"c\",\"text\":\"\u2028 \u0085 \x7f é \U0001F510 \\ud83d\"}",
		`{"z":1,"a":2,"z":3,"eventID":"d","solidus":"\/<>&"}`,
		`{}`,
	} {
		facts := pipeline.Facts{ID: fmt.Sprint(i), Kind: pipeline.KindOther}
		events = append(events, Event([]byte(raw), facts, fmt.Sprintf("one-%d", i)))
	}
	k.mustWrite(t, s, events)
	wantExactly(t, s, events)
}

func emptyBatch(t *testing.T, k Kit) {
	s := k.subject(t)
	for _, events := range [][]pipeline.Event{nil, {}} {
		if err := k.write(s.Output, events); err != nil {
			t.Fatalf("Write of an empty batch: got %v, want nil", err)
		}
	}
	wantExactly(t, s, nil)
}

func largestBatch(t *testing.T, k Kit) {
	s := k.subject(t)
	events := Events(0, limits(s.Output).MaxEvents)
	k.mustWrite(t, s, events)
	wantExactly(t, s, events)
}

// limits are the output's with the defaults filled in.
func limits(o pipeline.Output) pipeline.Limits {
	var l pipeline.Limits
	if limiter, ok := o.(pipeline.Limiter); ok {
		l = limiter.Limits()
	}
	if l.Concurrency == 0 {
		l.Concurrency = 1
	}
	if l.MaxEvents == 0 {
		l.MaxEvents = 1000
	}
	return l
}

func rejectedByIndex(t *testing.T, k Kit) {
	if k.Oversize == nil {
		t.Skip("this output rejects nothing")
	}
	tests := []struct {
		name string
		size int
		bad  []int
	}{
		{"the only one", 1, []int{0}},
		{"first", 3, []int{0}},
		{"middle", 5, []int{2}},
		{"last", 4, []int{3}},
		{"several", 50, []int{0, 7, 8, 49}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := k.subject(t)
			events := Events(0, test.size)
			var good []pipeline.Event
			for i := range events {
				if slices.Contains(test.bad, i) {
					events[i] = k.Oversize()
					continue
				}
				good = append(good, events[i])
			}
			err := k.write(s.Output, slices.Clone(events))
			if err == nil {
				t.Fatalf("Write with events that can not be delivered at %v: got nil, want a BatchError", test.bad)
			}
			var partial *pipeline.BatchError
			if errors.As(err, &partial) {
				if got := failedIndexes(t, partial, len(events)); !slices.Equal(got, test.bad) {
					t.Errorf("failed indexes: got %v, want %v (%v)", got, test.bad, err)
				}
				for _, f := range partial.Failed {
					if !pipeline.IsRejected(f.Err) {
						t.Errorf("index %d: error %q is not marked with Reject", f.Index, f.Err)
					}
				}
			} else if len(good) > 0 {
				t.Errorf("got error %v (%T), want a BatchError since %d events can be delivered", err, err, len(good))
			} else if !pipeline.IsRejected(err) {
				t.Errorf("error %q is not marked with Reject", err)
			}
			wantExactly(t, s, good)
		})
	}
}

func unavailable(t *testing.T, k Kit) {
	s := k.subject(t)
	if s.Break == nil {
		t.Skip("this destination can not be made unavailable")
	}
	before, during := Events(0, 20), Events(20, 20)
	k.mustWrite(t, s, before)
	s.Break(t)

	ctx, cancel := context.WithTimeout(context.Background(), k.Timeout/3)
	defer cancel()
	err := s.Output.Write(ctx, slices.Clone(during))
	if err == nil {
		t.Fatal("Write to a destination that is away: got nil, want an error")
	}
	var partial *pipeline.BatchError
	if errors.As(err, &partial) {
		failedIndexes(t, partial, len(during))
		for _, f := range partial.Failed {
			if pipeline.IsRejected(f.Err) {
				t.Errorf("index %d is rejected (%v), want a retryable error", f.Index, f.Err)
			}
		}
	} else if pipeline.IsRejected(err) {
		t.Errorf("the Write is rejected (%v), want a retryable error", err)
	}

	s.Mend(t)
	k.writeUntil(t, s, during)
	wantAtLeast(t, s, slices.Concat(before, during))
}

func cancelled(t *testing.T, k Kit) {
	s := k.subject(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	events := Events(0, 50)
	err := k.promptly(t, s.Output, ctx, events)
	if err == nil {
		wantExactly(t, s, events)
	}
	if pipeline.IsRejected(err) {
		t.Errorf("Write with a context that has ended: got the rejection %v, want a retryable error", err)
	}

	// The output is as good as before.
	more := Events(50, 10)
	k.mustWrite(t, s, more)
	compare(t, intersect(delivered(t, s), canonicals(more)), canonicals(more), true)
}

func intersect(got, want []string) []string {
	return slices.DeleteFunc(got, func(g string) bool { return !slices.Contains(want, g) })
}

func cancelledUnavailable(t *testing.T, k Kit) {
	s := k.subject(t)
	if s.Break == nil {
		t.Skip("this destination can not be made unavailable")
	}
	s.Break(t)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := k.promptly(t, s.Output, ctx, Events(0, 50)); err == nil {
		t.Error("Write to a destination that is away: got nil, want an error")
	}
	s.Mend(t)
}

// promptly calls Write and fails when it goes on for longer than Prompt after the end of ctx.
func (k Kit) promptly(t *testing.T, o pipeline.Output, ctx context.Context, events []pipeline.Event) error {
	t.Helper()
	result := make(chan error, 1)
	go func() { result <- o.Write(ctx, slices.Clone(events)) }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-result:
		return err
	case <-time.After(k.Prompt):
		t.Fatalf("Write has not returned %v after its context ended", k.Prompt)
		return nil
	}
}

func concurrent(t *testing.T, k Kit) {
	s := k.subject(t)
	const rounds, size = 5, 60
	writers := limits(s.Output).Concurrency
	all := Events(0, writers*rounds*size)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for r := range rounds {
				from := (w*rounds + r) * size
				if err := k.write(s.Output, slices.Clone(all[from:from+size])); err != nil {
					t.Errorf("Write %d of writer %d of %d: %v", r, w, writers, err)
				}
			}
		})
	}
	wg.Wait()
	wantExactly(t, s, all)
}

func bytesUntouched(t *testing.T, k Kit) {
	s := k.subject(t)
	events := Events(0, 200)
	if k.Oversize != nil {
		events[100] = k.Oversize()
	}
	seed := maphash.MakeSeed()
	sum := func() []uint64 {
		sums := make([]uint64, len(events))
		for i := range events {
			raw := events[i].Raw
			sums[i] = maphash.Bytes(seed, raw[:cap(raw)])
		}
		return sums
	}
	before := sum()
	err := k.write(s.Output, slices.Clone(events))
	if err != nil && k.Oversize == nil {
		t.Fatalf("Write: %v", err)
	}
	if err := k.close(s.Output); err != nil {
		t.Fatalf("Close: %v", err)
	}
	for i, after := range sum() {
		if after != before[i] {
			raw := events[i].Raw
			t.Errorf("event %d: the output wrote to its bytes %.200q or behind them %q", i, raw, raw[len(raw):cap(raw)])
		}
	}
}

func sliceNotKept(t *testing.T, k Kit) {
	s := k.subject(t)
	poison := Event([]byte(`{"poison":true}`), pipeline.Facts{Kind: pipeline.KindOther}, "poison")
	var all []pipeline.Event
	for range 5 {
		events := Events(len(all), 50)
		all = append(all, events...)
		given := slices.Clone(events)
		if err := k.write(s.Output, given); err != nil {
			t.Fatalf("Write: %v", err)
		}
		for i := range given {
			given[i] = poison
		}
	}
	if err := k.close(s.Output); err != nil {
		t.Fatalf("Close: %v", err)
	}
	wantExactly(t, s, all)
}

func closeTwice(t *testing.T, k Kit) {
	s := k.subject(t)
	events := Events(0, 10)
	k.mustWrite(t, s, events)
	for i := range 2 {
		if err := k.close(s.Output); err != nil {
			t.Fatalf("Close number %d: %v", i+1, err)
		}
	}
	wantExactly(t, s, events)

	unused := k.subject(t)
	for i := range 2 {
		if err := k.close(unused.Output); err != nil {
			t.Fatalf("Close number %d of an output that was never written to: %v", i+1, err)
		}
	}
}

func writeAfterClose(t *testing.T, k Kit) {
	s := k.subject(t)
	events := Events(0, 10)
	k.mustWrite(t, s, events)
	if err := k.close(s.Output); err != nil {
		t.Fatalf("Close: %v", err)
	}
	err := k.write(s.Output, Events(10, 10))
	if err == nil {
		t.Error("Write after Close: got nil, want an error")
	}
	if pipeline.IsRejected(err) {
		t.Errorf("Write after Close: got the rejection %v, want a retryable error: the events are good", err)
	}
	wantExactly(t, s, events)
}

func check(t *testing.T, k Kit) {
	s := k.subject(t)
	checker, ok := s.Output.(pipeline.Checker)
	if !ok {
		t.Skip("this output has no Check")
	}
	run := func(timeout time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		return checker.Check(ctx)
	}
	if err := run(k.Timeout); err != nil {
		t.Fatalf("Check: got %v, want nil", err)
	}
	wantExactly(t, s, nil)
	if s.Break == nil {
		return
	}
	s.Break(t)
	if err := run(k.Timeout / 3); err == nil {
		t.Error("Check of a destination that is away: got nil, want an error")
	}
	s.Mend(t)
	k.writeUntil(t, s, Events(0, 1))
	if err := run(k.Timeout); err != nil {
		t.Errorf("Check after the destination came back: got %v, want nil", err)
	}
}

func explain(t *testing.T, k Kit) {
	s := k.subject(t)
	explainer, ok := s.Output.(pipeline.Explainer)
	if !ok {
		t.Skip("this output has no Explain")
	}
	for _, ev := range Events(0, 10) {
		x, err := explainer.Explain(&ev)
		if err != nil {
			t.Fatalf("Explain: %v", err)
		}
		if x.Destination == "" || x.Size < len(canonical(ev.Raw)) {
			t.Fatalf("Explain of an event of %d bytes: got %+v, want a destination and the size on the wire", len(ev.Raw), x)
		}
	}
	wantExactly(t, s, nil)
}
