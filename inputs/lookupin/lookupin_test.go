package lookupin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/awstest"
	"github.com/trailcast/trailcast/internal/splitconf"
	"github.com/trailcast/trailcast/pipeline"
)

// borders returns events at and around the borders of windows.
func borders() (entries []entry) {
	for hour := range 8 {
		edge := noon.Add(-8 * time.Hour).Add(time.Duration(hour) * time.Hour)
		for i, d := range []time.Duration{0, 0, time.Second, time.Hour - time.Second} {
			entries = append(entries, event(fmt.Sprintf("border-%d-%d", hour, i), edge.Add(d)))
		}
	}
	return entries
}

// TestHistory holds that all events of a time come, each once, and as they are in the history.
func TestHistory(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t)
	entries := slices.Concat(spread(200, noon.Add(-8*time.Hour), 8*time.Hour), spread(130, noon.Add(-3*time.Hour), 20*time.Minute), borders())
	b.trail.add(here, entries...)
	b.trail.add(here, event("too old", noon.Add(-8*time.Hour-time.Second)))
	b.once()
	b.exactly(1, entries)
	if _, throttled := b.trail.complaints(); throttled > 0 {
		t.Errorf("%d requests were too many", throttled)
	}
	if got, want := b.state(here).After, noon.Add(-30*time.Minute); got.Before(want.Add(-2*time.Second)) || got.After(want.Add(time.Minute)) {
		t.Errorf("position %v, want %v", got, want)
	}
	ev, _ := b.Event(entries[7].Record)
	if o := ev.Record.Origin; o.Input != "lookup" || o.Object != "cloudtrail:eu-west-1" || o.Region != "eu-west-1" || strings.Join(o.Via, " ") != "lookup_events" {
		t.Errorf("origin %+v", o)
	}
}

func TestRate(t *testing.T) {
	for _, rate := range []float64{0.1, 1, 2} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			b := newBench(t)
			b.config.Rate = rate
			b.trail.add(here, spread(160, noon.Add(-2*time.Hour), 2*time.Hour)...)
			b.once()
			asked := b.trail.asked(here)
			if len(asked) < 9 {
				t.Errorf("%d requests", len(asked))
			}
			for i := 1; i < len(asked); i++ {
				if gap, want := asked[i].Sub(asked[i-1]), time.Duration(float64(time.Second)/rate); gap < want {
					t.Errorf("requests %v apart, want %v", gap, want)
				}
			}
		})
	}
}

// TestLate holds that events which appear late come, and all of them once.
func TestLate(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t)
	b.config.Follow, b.config.Start, b.config.Window = true, "10m", 10*time.Minute
	var entries []entry
	for i := range 150 {
		e := event(fmt.Sprint(i), noon.Add(time.Duration(i)*97*time.Second-10*time.Minute))
		e.Appears = e.Time.Add(time.Duration(i*37%29) * time.Minute) // up to 28 minutes
		entries = append(entries, e)
	}
	b.trail.add(here, entries...)
	b.trail.add(here, event("before start, and within look_back", noon.Add(-20*time.Minute)))
	a := b.start()
	last := noon.Add(5 * time.Hour)
	b.Wait("five hours and all events", func() bool { return b.clock.Now().After(last) && len(b.Events()) == len(entries) })
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	b.exactly(1, entries)
	if n := len(b.state(here).Seen); n > 60 {
		t.Errorf("%d events are still remembered", n)
	}
}

// TestFastClock holds that events are not given up as too late where only our clock says so.
func TestFastClock(t *testing.T) {
	b := newBench(t)
	b.config.Follow, b.config.Start = true, "3h"
	b.ahead = 25 * time.Minute
	var entries []entry
	for i := range 60 {
		e := event(fmt.Sprint(i), noon.Add(time.Duration(i)*time.Minute))
		e.Appears = e.Time.Add(20 * time.Minute)
		entries = append(entries, e)
	}
	b.trail.add(here, entries...)
	b.start()
	b.Wait("two hours", func() bool { return b.clock.Now().After(noon.Add(2 * time.Hour)) })
	b.exactly(1, entries)
}

// TestFastClockAtFirst holds that a start so far back from now is meant by CloudTrail's clock.
func TestFastClockAtFirst(t *testing.T) {
	b := newBench(t)
	b.config.Follow, b.config.Start = true, ""
	b.ahead = 2 * time.Hour
	entries := spread(10, noon.Add(-time.Hour), time.Hour)
	b.trail.add(here, entries...)
	b.trail.add(here, event("before", noon.Add(-61*time.Minute)))
	a := b.start()
	b.Wait("ten minutes", func() bool { return b.clock.Now().After(noon.Add(10 * time.Minute)) })
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	b.exactly(1, entries)
	if b.said("level=WARN") != 1 || b.said("the clock is 2h0m0s ahead of CloudTrail's") != 1 || b.said("can be read again") != 0 {
		t.Error("the log does not tell of the clock, once")
	}
	if s := b.state(here); s.Unchecked || s.After.After(noon) {
		t.Errorf("%+v", s)
	}
}

// TestPositionToCome holds that a position which a fast clock has left behind is waited for, and that the log tells of it once.
func TestPositionToCome(t *testing.T) {
	b := newBench(t)
	b.config.Follow = true
	b.ahead = 2 * time.Hour
	if err := os.WriteFile(b.stateFile(here), []byte(`{"selection":"management","start":"8h","after":"2026-03-10T13:00:00Z"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	entries := spread(10, noon.Add(time.Hour), time.Hour)
	b.trail.add(here, entries...)
	b.start()
	b.Wait("two hours", func() bool { return b.clock.Now().After(noon.Add(2*time.Hour + 5*time.Minute)) })
	b.exactly(1, entries)
	for _, text := range []string{"level=WARN msg=\"reading the event history fails", "the position is yet to come", "can be read again"} {
		if n := b.said(text); n > 1 {
			t.Errorf("%q was said %d times", text, n)
		}
	}
}

// TestClockIsSet holds that what was learned of a fast clock does not keep anything from being read once it is set right.
func TestClockIsSet(t *testing.T) {
	b := newBench(t)
	b.ahead = 2 * time.Hour
	b.config.Start = "2026-03-10T11:00:00Z"
	r := b.make().regions[0]
	if err := r.load(); err != nil {
		t.Fatal(err)
	}
	if err := r.pass(t.Context(), nil); err == nil || r.ahead != b.ahead {
		t.Fatalf("%v, and the clock is %v ahead", err, r.ahead)
	}
	r.clock = b.clock
	if err := r.pass(t.Context(), nil); err != nil || r.state.After.Before(noon.Add(-31*time.Minute)) {
		t.Errorf("%v, position %v", err, r.state.After)
	}
}

// TestClockOfAnotherYear holds that a clock that is far ahead moves no position.
func TestClockOfAnotherYear(t *testing.T) {
	b := newBench(t)
	b.once()
	entries := spread(30, noon, time.Hour)
	b.trail.add(here, entries...)
	b.clock.Sleep(t.Context(), 3*time.Hour)
	b.ahead = 400 * 24 * time.Hour
	b.once()
	b.exactly(1, entries)
	if at := b.state(here).After; at.After(b.clock.Now()) {
		t.Errorf("position %v", at)
	}
	if b.said("ahead of CloudTrail's") != 1 {
		t.Error("nothing was said")
	}
	b.ahead = -400 * 24 * time.Hour
	b.once()
	if b.said("the position is yet to come") != 1 {
		t.Error("nothing was said of a slow clock")
	}
}

// TestEnd holds that an input with follow waits until nothing before its end can appear, and that nothing of later comes.
func TestEnd(t *testing.T) {
	b := newBench(t)
	b.config.Follow, b.config.Start, b.config.End = true, "2026-03-10T11:00:00Z", "2026-03-10T13:00:00Z"
	entries := spread(100, noon.Add(-time.Hour), 2*time.Hour)
	entries[99].Appears = noon.Add(time.Hour + 25*time.Minute)
	b.trail.add(here, entries...)
	b.trail.add(here, event("at the end", noon.Add(time.Hour)), event("later", noon.Add(time.Hour+time.Second)))
	b.once()
	b.exactly(1, entries)
	if now := b.clock.Now(); now.Before(noon.Add(90 * time.Minute)) {
		t.Errorf("it ended at %v", now)
	}
	requests := len(b.trail.asked(here))
	b.once()
	if n := len(b.trail.asked(here)); n > requests {
		t.Errorf("%d requests for what was read", n-requests)
	}
}

func TestRestart(t *testing.T) {
	b := newBench(t)
	first := spread(120, noon.Add(-8*time.Hour), 8*time.Hour)
	b.trail.add(here, first...)
	b.once()
	late := event("late", noon.Add(-20*time.Minute))
	second := spread(60, b.clock.Now().Truncate(time.Second), time.Hour)
	b.trail.add(here, append(second, late)...)
	b.clock.Sleep(t.Context(), 2*time.Hour)
	b.once()
	b.exactly(1, slices.Concat(first, second, []entry{late}))

	b.config.Start = "7d"
	b.once()
	b.exactly(1, slices.Concat(first, second, []entry{late}))
	if b.said("start has changed") != 1 {
		t.Error("nothing was said about start")
	}

	b.config.Attribute = &Attribute{Key: "EventName", Value: "StartSession"}
	b.once()
	b.exactly(2, slices.Concat(first, second, []entry{late}))
	if b.said("another selection") != 1 {
		t.Error("nothing was said about the selection")
	}
}

// TestKilled holds that an agent which is gone in the middle has lost nothing: with the state of that moment another one
// goes on, and repeats only what was not confirmed.
func TestKilled(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t)
	entries := spread(240, noon.Add(-8*time.Hour), 8*time.Hour)
	b.trail.add(here, entries...)
	stuck := entries[130].Record
	b.Fail(func(raw string) error {
		if raw == stuck {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	a := b.start()
	b.Wait("the events before", func() bool { return len(b.Events()) >= 150 }) // all of the window but the one
	kept, err := os.ReadFile(b.stateFile(here))
	if err != nil {
		t.Fatal(err)
	}
	if at := b.state(here).After; at.After(entries[130].Time) {
		t.Errorf("the position is %v, behind an event that is not delivered", at)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	b.Fail(nil)
	if err := os.WriteFile(b.stateFile(here), kept, 0o600); err != nil {
		t.Fatal(err)
	}
	b.once()
	b.atLeastOnce(entries)
	for _, e := range entries[:119] { // of windows before
		if n := b.Events()[e.Record]; n != 1 {
			t.Errorf("%s came %d times", e.ID, n)
		}
	}
}

// TestStartIsKept holds that how far back to begin counts from the first start, should nothing come of that.
func TestStartIsKept(t *testing.T) {
	awstest.NoLeaks(t)
	for _, answered := range []bool{false, true} {
		b := newBench(t)
		entries := spread(80, noon.Add(-8*time.Hour), 8*time.Hour)
		b.trail.add(here, entries...)
		release := b.Hold()
		defer release()
		if !answered {
			b.proxy.Fail(func(awstest.Call) awstest.Fault { return awstest.Fault{Drop: true} })
		}
		a := b.start()
		b.Wait("calls, or events", func() bool { return !answered && b.proxy.Calls("LookupEvents") > 1 || a.Stats().In > 0 })
		kept, err := os.ReadFile(b.stateFile(here))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Stop(); err != nil {
			t.Fatal(err)
		}
		release()
		b.proxy.Fail(nil)
		if err := os.WriteFile(b.stateFile(here), kept, 0o600); err != nil { // as it was killed
			t.Fatal(err)
		}
		b.clock.Sleep(t.Context(), 3*time.Hour)
		b.once()
		b.atLeastOnce(entries)
	}
}

// TestRetry holds that what is not confirmed before a stop holds the position, and nothing else is repeated.
func TestRetry(t *testing.T) {
	b := newBench(t)
	entries := spread(200, noon.Add(-8*time.Hour), 8*time.Hour)
	b.trail.add(here, entries...)
	stuck := entries[60].Record
	b.Fail(func(raw string) error {
		if raw == stuck {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	a := b.start()
	b.Wait("the events before", func() bool { return len(b.Events()) >= 74 })
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	if at := b.state(here).After; at.After(entries[60].Time) {
		t.Errorf("position %v", at)
	}
	b.Fail(nil)
	b.once()
	b.atLeastOnce(entries)
	if n := b.Total(); n > 200+50 {
		t.Errorf("%d deliveries of 200 events", n)
	}
}

// TestFaults holds that whatever a call comes back with, all events come once, and the log has one line for each change.
func TestFaults(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{
		"throttled":       {Status: 400, Code: "ThrottlingException"},
		"broken":          {Status: 500, Code: "InternalFailure"},
		"unavailable":     {Status: 503, Code: "ServiceUnavailable"},
		"expired":         {Status: 400, Code: "ExpiredTokenException"},
		"denied":          {Status: 400, Code: "AccessDeniedException"},
		"dropped":         {Drop: true},
		"lost":            {Lost: true},
		"cut":             {Cut: 300},
		"no JSON":         {Rewrite: func(int, []byte) []byte { return []byte(`<html>`) }},
		"another type":    {Rewrite: func(int, []byte) []byte { return []byte(`{"Events":[{"EventTime":"noon"}]}`) }},
		"a token expired": {Status: 400, Code: "InvalidNextTokenException"},
	} {
		t.Run(name, func(t *testing.T) {
			awstest.NoLeaks(t)
			b := newBench(t)
			entries := spread(220, noon.Add(-3*time.Hour), 2*time.Hour)
			b.trail.add(here, entries...)
			calls := 0
			b.proxy.Fail(func(c awstest.Call) awstest.Fault {
				calls++
				if calls%4 < 2 || fault.Code == "InvalidNextTokenException" && !bytes.Contains(c.Body, []byte(`"NextToken"`)) {
					return awstest.Fault{}
				}
				return fault
			})
			b.once()
			b.exactly(1, entries)
			if n := b.said("level=WARN"); n == 0 || n > 3 {
				t.Errorf("%d warnings for %d calls", n, calls)
			}
		})
	}
}

// TestDeniedForLong holds that a failure which stays is logged once, and that its end is.
func TestDeniedForLong(t *testing.T) {
	b := newBench(t)
	b.config.Follow = true
	entries := spread(20, noon.Add(-3*time.Hour), 2*time.Hour)
	b.trail.add(here, entries...)
	b.proxy.Fail(func(awstest.Call) awstest.Fault { return awstest.Fault{Status: 400, Code: "AccessDeniedException"} })
	b.start()
	b.Wait("many calls", func() bool { return b.proxy.Calls("LookupEvents") > 30 })
	b.proxy.Fail(nil)
	b.Wait("the events", func() bool { return len(b.Events()) == 20 })
	b.Wait("the log", func() bool { return b.said("can be read again") == 1 })
	b.exactly(1, entries)
	if n := b.said("cloudtrail:LookupEvents event history of eu-west-1: AccessDeniedException: made by the test; the identity needs cloudtrail:LookupEvents"); n != 1 {
		t.Errorf("the log says %d times what is missing", n)
	}
}

// TestHang holds that a call without an answer ends.
func TestHang(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t)
	b.call = 100 * time.Millisecond
	entries := spread(20, noon.Add(-3*time.Hour), 2*time.Hour)
	b.trail.add(here, entries...)
	calls := 0
	b.proxy.Fail(func(awstest.Call) awstest.Fault {
		calls++
		return awstest.Fault{Hang: calls <= 2}
	})
	b.once()
	b.exactly(1, entries)
}

// TestStopDuringCall holds that a stop does not wait for an answer.
func TestStopDuringCall(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t)
	b.proxy.Fail(func(awstest.Call) awstest.Fault { return awstest.Fault{Hang: true} })
	a := b.start()
	b.Wait("a call", func() bool { return b.proxy.Calls("LookupEvents") == 1 })
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	if b.said("level=WARN") > 0 {
		t.Error("a stop is no failure")
	}
}

// TestTokenExpiresAgain holds that a window whose tokens expire before it is read comes to its end: what is delivered is
// not fed again.
func TestTokenExpiresAgain(t *testing.T) {
	b := newBench(t)
	entries := spread(300, noon.Add(-2*time.Hour), 50*time.Minute)
	b.trail.add(here, entries...)
	tokens := 0
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if tokens++; bytes.Contains(c.Body, []byte(`"NextToken"`)) && tokens%6 == 0 {
			return awstest.Fault{Status: 400, Code: "InvalidNextTokenException"}
		}
		return awstest.Fault{}
	})
	b.once()
	b.exactly(1, entries)
}

// TestHeld holds that the position does not move before an output has confirmed, and that a stop ends the wait.
func TestHeld(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t)
	b.trail.add(here, spread(60, noon.Add(-8*time.Hour), 8*time.Hour)...)
	windows := map[float64]bool{}
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		var q question
		if err := json.Unmarshal(c.Body, &q); err != nil {
			t.Error(err)
		}
		if q.StartTime != 0 { // else it asks what time it is
			windows[q.StartTime] = true
		}
		return awstest.Fault{}
	})
	release := b.Hold()
	defer release()
	a := b.start()
	b.Wait("events", func() bool { return a.Stats().In > 0 })
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	b.proxy.Fail(nil) // and no call is under way
	if len(windows) != 1 {
		t.Errorf("%d windows are read, although the first is not done", len(windows))
	}
	if s := b.state(here); !s.After.Equal(noon.Add(-8*time.Hour)) || len(s.Seen) != 0 {
		t.Errorf("position %v and %d events, and nothing was delivered", s.After, len(s.Seen))
	}
}

func TestTwoRegions(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t)
	b.config.Regions = []string{here, "us-east-1"}
	near, far := spread(120, noon.Add(-8*time.Hour), 8*time.Hour), spread(110, noon.Add(-7*time.Hour), 7*time.Hour)
	b.trail.add(here, near...)
	b.trail.add("us-east-1", far...)
	failed := false
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if strings.Contains(c.Request.Header.Get("Authorization"), "/us-east-1/") && !failed {
			failed = true
			return awstest.Fault{Status: 400, Code: "UnrecognizedClientException"} // a region that is not enabled
		}
		return awstest.Fault{}
	})
	b.once()
	b.exactly(1, slices.Concat(near, far))
	ev, _ := b.Event(far[0].Record)
	if ev.Record.Origin.Object != "cloudtrail:us-east-1" {
		t.Errorf("%+v", ev.Record.Origin)
	}
	for _, region := range b.config.Regions {
		if b.state(region).After.Before(noon.Add(-time.Hour)) {
			t.Errorf("%s: %v", region, b.state(region).After)
		}
	}
}

func TestSelections(t *testing.T) {
	b := newBench(t)
	entries := spread(3, noon.Add(-2*time.Hour), time.Hour)
	entries[1].Name = "StopSession"
	entries[2].Insight = true
	b.trail.add(here, entries...)
	b.config.Attribute = &Attribute{Key: "EventName", Value: "StopSession"}
	b.once()
	b.exactly(1, entries[1:2])
	b.config.Category = "insight"
	b.config.Attribute.Value = "StartSession"
	b.once()
	b.exactly(1, entries[1:])
}

// TestMistake holds that a request which is never answered ends an input that does not follow.
func TestMistake(t *testing.T) {
	b := newBench(t)
	b.proxy.Fail(func(awstest.Call) awstest.Fault {
		return awstest.Fault{Status: 400, Code: "InvalidLookupAttributesException"}
	})
	err := b.start().Wait()
	if err == nil || !strings.Contains(err.Error(), "InvalidLookupAttributesException") {
		t.Errorf("%v", err)
	}
}

func TestLongAgo(t *testing.T) {
	b := newBench(t)
	b.config.Start, b.config.Window = "2025-01-01", 24*time.Hour
	b.trail.add(here, event("old", noon.Add(-89*24*time.Hour)))
	b.once()
	b.exactly(1, []entry{event("old", noon.Add(-89*24*time.Hour))})
	if b.said("CloudTrail keeps 90 days") != 1 {
		t.Error("nothing was said")
	}
	if n := len(b.trail.asked(here)); n > 95 {
		t.Errorf("%d requests", n)
	}
}

// TestSameAsFile holds that an event has the key that it has where the answer is read from a file.
func TestSameAsFile(t *testing.T) {
	b := newBench(t)
	entries := spread(20, noon.Add(-2*time.Hour), time.Hour)
	entries[3].Record = `{"some":"object","without":"an id"}`
	entries[4].Record = strings.Replace(entries[4].Record, "{", " {\n\t", 1)
	entries[5].Record = `{"Records":[` + record("in records", noon) + `]}`
	b.trail.add(here, entries...)
	b.once()
	answer, err := json.Marshal(map[string]any{"Events": elements(entries), "NextToken": "x"})
	if err != nil {
		t.Fatal(err)
	}
	var f feed
	if _, err := split.New(split.Options{}).Split(t.Context(), bytes.NewReader(answer), &pipeline.Origin{Input: "file", Object: "answer.json"}, split.Base{}, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.events) != 20 || len(b.Events()) != 20 {
		t.Fatalf("%d and %d events", len(f.events), len(b.Events()))
	}
	for _, want := range f.events {
		got, ok := b.Event(string(want.Raw))
		if !ok {
			t.Errorf("%s did not come", want.Raw)
			continue
		}
		if got.Key() != want.Key() || !slices.Equal(got.Record.Origin.Via, want.Record.Origin.Via) || got.Record.Kind != want.Record.Kind {
			t.Errorf("%s: key %s via %s, want %s via %s", want.Raw, got.Key(), got.Record.Origin.Via, want.Key(), want.Record.Origin.Via)
		}
	}
}

// TestSameID holds that events of one id that differ both come.
func TestSameID(t *testing.T) {
	b := newBench(t)
	first := event("one", noon.Add(-2*time.Hour))
	second := first
	second.Record = strings.Replace(first.Record, "123456789012", "210987654321", 1)
	second.Time = first.Time.Add(time.Second)
	b.trail.add(here, first, second)
	b.once()
	b.exactly(1, []entry{first, second})
}

// TestHostile holds that whatever stands for a record, the others come, and it goes to quarantine with a reason.
func TestHostile(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t)
	good := spread(60, noon.Add(-8*time.Hour), 8*time.Hour)
	bad := map[string]string{
		"text": `you have been logged`, "empty": ``, "space": " \n", "null": `null`, "string": `"{}"`, "number": `-1e999`, "array": `[{"eventName":"x"}]`,
		"cut": record("cut", noon)[:100], "two in one": `{"a":1}}{`, "no JSON": `{"a":\x01}`, "control": "{\"a\":\"\x00\x1b[2J\"}",
		"deep": strings.Repeat(`{"a":`, 600) + "1" + strings.Repeat("}", 600), "open": strings.Repeat("{", 100_000),
		"large": `{"eventName":"` + strings.Repeat("x", 1<<17) + `"}`,
	}
	b.config.Split = splitconf.Config{MaxRecord: 1 << 16, Accept: []string{"cloudtrail"}}
	b.trail.add(here, good...)
	for id, text := range bad {
		b.trail.add(here, entry{ID: id, Name: "X\n\x1b]0;y\a", Time: noon.Add(-3 * time.Hour), Record: text})
	}
	b.trail.add(here, entry{ID: "bare", Name: "Bare", Time: noon.Add(-3 * time.Hour), Bare: true})
	b.trail.add(here, entry{Name: "no id", Time: noon.Add(-3 * time.Hour), Bare: true})
	b.once()
	b.exactly(1, good)
	reasons := map[string]bool{}
	for _, e := range b.Aside() {
		if e.Reason == "" || e.Origin.Object != "cloudtrail:eu-west-1" || !slices.Contains(e.Origin.Via, "lookup_events") {
			t.Errorf("%+v", e)
		}
		reasons[e.Origin.Identity+e.Reason] = true
	}
	if len(b.Aside()) < len(bad)+2 {
		t.Errorf("%d entries for %d events: %v", len(b.Aside()), len(bad)+2, reasons)
	}
	i := slices.IndexFunc(b.Aside(), func(e pipeline.QuarantineEntry) bool { return e.Origin.Identity == "bare" })
	if i < 0 {
		t.Fatal("the event without a record is not in quarantine")
	}
	want := fmt.Sprintf(`{"EventId":"bare","EventName":"Bare","ReadOnly":"false","AccessKeyId":"AKIAIOSFODNN7EXAMPLE","EventTime":%d,"EventSource":"ssm.amazonaws.com","Username":"alice","Resources":[{"ResourceType":"AWS::EC2::Instance","ResourceName":"i-0123"}]}`, noon.Add(-3*time.Hour).Unix())
	if diff := cmp.Diff(want, string(b.Aside()[i].Raw)); diff != "" {
		t.Error(diff)
	}
}

func TestCheck(t *testing.T) {
	b := newBench(t)
	b.config.Regions = []string{here, "us-east-1"}
	b.trail.add(here, event("a", noon.Add(-time.Hour)))
	if err := b.make().Check(t.Context()); err != nil {
		t.Error(err)
	}
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if !bytes.Contains(c.Body, []byte(`"MaxResults":1`)) {
			t.Errorf("%s", c.Body)
		}
		return awstest.Fault{Status: 400, Code: "AccessDeniedException"}
	})
	err := b.make().Check(t.Context())
	for _, region := range b.config.Regions {
		if want := "cloudtrail:LookupEvents event history of " + region + ": AccessDeniedException: made by the test; the identity needs cloudtrail:LookupEvents"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestStateOfAnotherKind(t *testing.T) {
	b := newBench(t)
	for _, text := range []string{`{"seen":"AAA="}`, `{"seen":"?"}`, `{"after":"noon"}`, `[`} {
		if err := os.WriteFile(b.stateFile(here), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.start().Wait(); err == nil || !strings.Contains(err.Error(), "is damaged") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestUnsaved holds that a state directory that can not be written does not stop the input, and is told of once.
func TestUnsaved(t *testing.T) {
	b := newBench(t)
	entries := spread(20, noon.Add(-8*time.Hour), 8*time.Hour)
	b.trail.add(here, entries...)
	calls := 0
	b.proxy.Fail(func(awstest.Call) awstest.Fault {
		switch calls++; calls {
		case 1:
			if err := errors.Join(os.RemoveAll(b.dir), os.WriteFile(b.dir, nil, 0o600)); err != nil {
				t.Error(err)
			}
		case 6:
			if err := os.Remove(b.dir); err != nil {
				t.Error(err)
			}
		}
		return awstest.Fault{}
	})
	b.once()
	b.exactly(1, entries)
	if b.said("could not be saved") != 1 || b.said("is saved again") != 1 {
		t.Error("the log does not tell of the change, once")
	}
	b.once()
	b.exactly(1, entries)
}

// TestStorm holds that late events, failing calls, failing outputs and restarts together lose nothing.
func TestStorm(t *testing.T) {
	awstest.NoLeaks(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	b := newBench(t)
	b.config.Follow, b.config.Start, b.config.Window = true, "4h", 40*time.Minute
	var entries []entry
	for i := range 280 {
		e := event(fmt.Sprint(i), noon.Add(time.Duration(random.IntN(8*3600)-4*3600)*time.Second))
		e.Appears = e.Time.Add(time.Duration(random.IntN(29*60)) * time.Second)
		entries = append(entries, e)
	}
	b.trail.add(here, entries...)
	faults := []awstest.Fault{
		{Status: 400, Code: "ThrottlingException"}, {Status: 500, Code: "InternalFailure"}, {Drop: true}, {Lost: true}, {Cut: 200},
	}
	calls := rand.New(rand.NewPCG(seed, 1))
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		switch n := calls.IntN(20); {
		case n < len(faults):
			return faults[n]
		case n < 8 && bytes.Contains(c.Body, []byte(`"NextToken"`)):
			return awstest.Fault{Status: 400, Code: "InvalidNextTokenException"}
		}
		return awstest.Fault{}
	})
	writes := rand.New(rand.NewPCG(seed, 2))
	b.Fail(func(string) error { // the bench calls it with its lock
		if writes.IntN(10) == 0 {
			return errors.New("not now")
		}
		return nil
	})
	for i := range 5 {
		a := b.start()
		goal := len(entries) * (i + 1) / 5
		b.Wait("some events", func() bool { return len(b.Events()) >= goal })
		if err := a.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	b.atLeastOnce(entries)
	if n := b.Total(); n > len(entries)+100 {
		t.Errorf("%d deliveries of %d events", n, len(entries))
	}
}
