package redact

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output keeps the lines that arrive and fails as it is told.
type output struct {
	mu   sync.Mutex
	got  []string
	fail func(ev *pipeline.Event) error
}

func (o *output) Write(_ context.Context, events []pipeline.Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	failed := &pipeline.BatchError{}
	for i := range events {
		if o.fail != nil {
			if err := o.fail(&events[i]); err != nil {
				failed.Failed = append(failed.Failed, pipeline.Failure{Index: i, Err: err})
				continue
			}
		}
		o.got = append(o.got, string(events[i].Raw))
	}
	if len(failed.Failed) > 0 {
		return failed
	}
	return nil
}

func (o *output) Close(context.Context) error { return nil }

// aside keeps what ends in quarantine.
type aside struct {
	mu   sync.Mutex
	kept []pipeline.QuarantineEntry
}

func (a *aside) Put(_ context.Context, entries ...pipeline.QuarantineEntry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept = append(a.kept, entries...)
	return nil
}

// bench is a real engine with a redact filter.
type bench struct {
	*testing.T
	filter *Filter
	out    *output
	aside  *aside
	engine *pipeline.Engine
}

func newBench(t *testing.T, c Config) *bench {
	t.Helper()
	b := &bench{T: t, filter: filter(t, c), out: &output{}, aside: &aside{}}
	var err error
	b.engine, err = pipeline.New(pipeline.Settings{
		Filters: []pipeline.FilterStage{{Name: "redact", Filter: b.filter}}, Quarantine: b.aside,
		Outputs: []pipeline.OutputStage{{Name: "out", Output: b.out}}, Workers: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.engine.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// send gives records to the engine as one frame and returns what arrived of it.
func (b *bench) send(fail error, raws ...string) []string {
	b.Helper()
	b.out.got = nil
	r, _ := b.engine.Deliver(func(ctx context.Context, f *pipeline.Frame) error {
		var events []pipeline.Event
		for _, raw := range raws {
			events = append(events, pipeline.NewEvent(&pipeline.Record{
				Raw: []byte(raw), Kind: pipeline.KindSessionLog, Origin: &pipeline.Origin{Object: "g:s"}, Seed: raw, Reader: record.Reader{},
			}))
		}
		if err := f.Feed(ctx, events); err != nil {
			return err
		}
		return fail
	}, nil).Wait(b.Context())
	if (fail != nil) != (r.Outcome == pipeline.Retry) {
		b.Fatalf("got %+v", r)
	}
	return b.out.got
}

func (b *bench) tails() (n int) {
	for _, e := range b.filter.memory.sessions {
		n += len(e.Value.(*remembered).records)
	}
	return n
}

const id = "jane-0123456789abcdef0"

var spread = []string{
	upload(0, "-----BEGIN PRIVATE KEY-----", "MIIEaaaa"), upload(1, "MIIEbbbb"), upload(2, "MIIEcccc"),
	upload(3, "MIIEdddd", "$ ls"),
}

func upload(second int, lines ...string) string {
	return fmt.Sprintf(`{"eventTime":"2026-11-21T10:00:%02dZ","target":{"id":"i-1"},"sessionId":%q,"sessionData":["%s"]}`, second, id, strings.Join(lines, `","`))
}

// TestAFrameThatComesAgain holds a repeat to the same result as the first time, whatever came meanwhile.
func TestAFrameThatComesAgain(t *testing.T) {
	b := newBench(t, Config{Defaults: true})
	b.send(nil, spread[0])
	first := b.send(errors.New("short read"), spread[1], spread[2])
	second := b.send(nil, spread[3])
	again := b.send(nil, spread[1], spread[2])
	if !slices.Equal(first, again) {
		t.Errorf("first %q, then %q", first, again)
	}
	for _, raw := range slices.Concat(first, second, again) {
		if strings.Contains(raw, "MIIE") {
			t.Errorf("a part of the key survives: %s", raw)
		}
	}
	if n := b.tails(); n != 1 {
		t.Errorf("%d tails are remembered when all has settled, want 1", n)
	}
}

// TestRecordsOutOfOrder gives a record after its successor: each takes its place by its time.
func TestRecordsOutOfOrder(t *testing.T) {
	b := newBench(t, Config{Defaults: true})
	got := b.send(nil, spread[0], spread[3], spread[1], spread[2])
	if all := strings.Join(got, ""); strings.Contains(all, "MIIE") {
		t.Errorf("a part of the key survives: %s", all)
	}
}

// TestRecordsOfOneSecond holds records of one time to their order in their object.
func TestRecordsOfOneSecond(t *testing.T) {
	f := filter(t, Config{Defaults: true})
	origin := &pipeline.Origin{Object: "o"}
	give := func(index int64, lines ...string) string {
		raw := upload(0, lines...)
		out, err := f.Apply(t.Context(), nil, pipeline.NewEvent(&pipeline.Record{
			Raw: []byte(raw), Kind: pipeline.KindSessionLog, Origin: origin, Index: index, Seed: raw, Reader: record.Reader{}}))
		if err != nil {
			t.Fatal(err)
		}
		return string(out[0].Raw)
	}
	give(0, "-----BEGIN PRIVATE KEY-----", "MIIEaaaa")
	give(2, "MIIEcccc", "$ ls")
	if got := give(1, "MIIEbbbb"); strings.Contains(got, "MIIE") {
		t.Errorf("a part of the key survives: %s", got)
	}
}

// TestARepeatKeepsItsPlace holds a repeat to its place among records of the same second, where only their coming orders them.
func TestARepeatKeepsItsPlace(t *testing.T) {
	b := newBench(t, Config{Defaults: true})
	b.send(nil, upload(0, "-----BEGIN PRIVATE KEY-----", "MIIEaaaa"))
	frame := []string{upload(0, "MIIEbbbb", "$ ls"), upload(0, "a b", "$ pwd")}
	b.send(errors.New("short read"), frame...)
	if got := b.send(nil, frame...); strings.Contains(got[0], "MIIE") {
		t.Errorf("a part of the key survives: %s", got[0])
	}
}

// TestRestart shows what is lost with the memory: the middle of a key looks like nothing.
func TestRestart(t *testing.T) {
	b := newBench(t, Config{Defaults: true})
	b.send(nil, spread[0])
	fresh := newBench(t, Config{Defaults: true})
	if got := fresh.send(nil, spread[1]); !strings.Contains(got[0], "MIIEbbbb") {
		t.Errorf("got %s", got)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const limit = 64 << 10
	b := newBench(t, Config{Defaults: true, SessionMemory: limit})
	for i := range 500 {
		raw := strings.ReplaceAll(upload(0, "$ x", strings.Repeat("y", 6000)), id, fmt.Sprintf("jane-%017d", i))
		b.send(nil, raw)
	}
	m := b.filter.memory
	if m.size > limit || len(m.sessions) > 15 || len(m.sessions) != m.recent.Len() || len(m.frames) != 0 {
		t.Errorf("%d bytes, %d sessions, %d in order, %d frames", m.size, len(m.sessions), m.recent.Len(), len(m.frames))
	}
	for m.recent.Len() > 0 {
		m.forget(m.recent.Back())
	}
	if m.size != 0 {
		t.Errorf("%d bytes of nothing", m.size)
	}
}

func TestConcurrentSessions(t *testing.T) {
	f := filter(t, Config{Defaults: true})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 50 {
				for _, raw := range spread {
					raw = strings.ReplaceAll(raw, id, fmt.Sprintf("u%d-%d", i, k))
					if got := applySession(t, f, raw); strings.Contains(got, "MIIE") {
						t.Errorf("a part of the key survives: %s", got)
					}
				}
			}
		})
	}
	all.Wait()
}

func TestQuarantine(t *testing.T) {
	reject := func(*pipeline.Event) error { return pipeline.Reject(errors.New("too large")) }
	t.Run("a session's record, with what the record before it tells", func(t *testing.T) {
		b := newBench(t, Config{Defaults: true})
		b.send(nil, spread[0])
		b.out.fail = reject
		b.send(nil, spread[1])
		b.out.fail = nil
		if kept := string(b.aside.kept[0].Raw); strings.Contains(kept, "MIIE") || !strings.Contains(kept, "[REDACTED]") {
			t.Errorf("kept %s", kept)
		}
		if got := b.send(nil, spread[2]); strings.Contains(got[0], "MIIE") {
			t.Errorf("the record after it: %s", got)
		}
	})
	t.Run("raw where that is wanted", func(t *testing.T) {
		b := newBench(t, Config{Defaults: true, RawQuarantine: true})
		b.out.fail = reject
		b.send(nil, spread[0])
		if kept := string(b.aside.kept[0].Raw); kept != spread[0] {
			t.Errorf("kept %s", kept)
		}
	})
	f := filter(t, Config{Defaults: true})
	for _, tt := range []struct {
		name, object, raw string
		kind              pipeline.Kind
		want              string // what must be left
		gone              string // what must not
	}{
		{"another event stays", "", `{"eventName":"x","eventID":"1","password":"hunter2"}`, pipeline.KindCloudTrail, "hunter2", "REDACTED"},
		{"a piece that is cut", "", `{"sessionId":"a-1","sessionData":["$ mysql -phunter2 shop","-----BEGIN PRIVATE KEY-----","MIIEaaaa","$ l`, "", "$ mysql -p[REDACTED] shop", "MIIE"},
		{"a piece with escapes", "", `{"sessionData":["$ mysql -phun\u001b[1mter2 shop", x}`, "", "$ mysql -p[REDACTED] shop", "ter2"},
		{"a record that is not accepted", "", spread[0], "", "BEGIN PRIVATE KEY", "MIIE"},
		{"a text that is no array", "", `{"sessionId":"a-1","sessionData":"$ mysql -phunter2 shop"}`, "", "$ mysql -p[REDACTED] shop", "hunter2"},
		{"valid JSON around session text", "", `{"messageType":"DATA_MESSAGE","logEvents":[{"message":"{\"sessionData\":[\"$ mysql -phunter2 shop\"]}"}]}`, "", "$ mysql -p[REDACTED] shop", "hunter2"},
		{"a piece of a transcript", "s3://b/logs/jane-0123456789abcdef0.log", "\xff$ mysql -phunter2 shop\nok", "", "$ mysql -p[REDACTED] shop\nok", "hunter2"},
		{"a piece of a log stream", "group:jane-0123456789abcdef0", "$ mysql -phunter2 shop", "", "$ mysql -p[REDACTED] shop", "hunter2"},
		{"a piece of something else", "s3://b/x.json.gz", "{ mysql -phunter2 shop", "", "hunter2", "REDACTED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &pipeline.Record{Raw: []byte(tt.raw), Kind: tt.kind, Origin: &pipeline.Origin{Object: tt.object}, Reader: record.Reader{}}
			got := string(f.Redact(pipeline.NewEvent(r), r.Raw))
			if !strings.Contains(got, tt.want) || strings.Contains(got, tt.gone) {
				t.Errorf("got %q", got)
			}
			if string(r.Raw) != tt.raw {
				t.Error("the record was written to")
			}
		})
	}
}
