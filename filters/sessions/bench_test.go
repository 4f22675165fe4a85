package sessions

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/pipeline"
)

// noted is an event as formats/split makes it.
func noted(raw string) pipeline.Event {
	n := new(record.Notes)
	kind := record.Recognise([]byte(raw), n)
	return pipeline.NewEvent(&pipeline.Record{Raw: []byte(raw), Kind: kind, Notes: n, Reader: record.Reader{}, Origin: &pipeline.Origin{Input: "in"}})
}

func newFilter(t testing.TB) *Filter {
	t.Helper()
	f, err := New(Config{Logs: true}, pipeline.Env{Name: "s"})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestOtherEventsCostNothing holds that an event that is not about a session is passed on without an allocation, found out
// from its name alone.
func TestOtherEventsCostNothing(t *testing.T) {
	f := newFilter(t)
	fill(t, f.store, 1000)
	for name, ev := range map[string]pipeline.Event{
		"API call":      noted(call("s3.amazonaws.com", "GetObject", sso, `"requestParameters":{}`, time.Now())),
		"without notes": pipeline.NewEvent(&pipeline.Record{Raw: []byte(call("s3.amazonaws.com", "GetObject", sso, `"requestParameters":{}`, time.Now())), Kind: pipeline.KindCloudTrail}),
		"other object":  noted(`{"a":1}`),
	} {
		var dst [1]pipeline.Event
		if n := testing.AllocsPerRun(100, func() {
			if out, err := f.Apply(t.Context(), dst[:0], ev); err != nil || len(out) != 1 {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkOtherEvents(b *testing.B) {
	f := newFilter(b)
	fill(b, f.store, 100_000)
	var events []pipeline.Event
	made := records.New(1)
	for i := range int64(1000) {
		events = append(events, noted(string(made.Append(nil, i))))
	}
	dst := make([]pipeline.Event, 0, 8)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, _ = f.Apply(b.Context(), dst[:0], events[i%len(events)])
	}
}

func BenchmarkLogEvents(b *testing.B) {
	f := newFilter(b)
	fill(b, f.store, 1000)
	at := time.Date(2025, 3, 3, 6, 0, 0, 0, time.UTC)
	dst := make([]pipeline.Event, 0, 8)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		id := fmt.Sprintf("alice@example.org-%017x", i%1000)
		ev := noted(fmt.Sprintf(`{"eventVersion":"1.0","eventTime":%q,"awsRegion":"eu-west-1","target":{"id":"i-0a"},"userIdentity":{"arn":"arn:aws:sts::111122223333:assumed-role/r/alice"},"runAsUser":"ssm-user","sessionId":%q,"sessionData":["$ ls -l","total 0","%d"]}`, at.Format(time.RFC3339), id, i))
		ev.Record.Seed = fmt.Sprint(i)
		_, _ = f.Apply(b.Context(), dst[:0], ev)
	}
}

func BenchmarkStarts(b *testing.B) {
	f := newFilter(b)
	at := time.Date(2025, 3, 3, 6, 0, 0, 0, time.UTC)
	dst := make([]pipeline.Event, 0, 8)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		ev := noted(startOf(fmt.Sprintf("alice@example.org-%017x", i), sso, "doc", at))
		_, _ = f.Apply(b.Context(), dst[:0], ev)
	}
}

// BenchmarkJournal writes and commits what 1000 sessions tell while 100,000 are known.
func BenchmarkJournal(b *testing.B) {
	m, _ := openStore(b, b.TempDir())
	fill(b, m, 100_000)
	if err := errors.Join(m.commit(), m.tidy()); err != nil {
		b.Fatal(err)
	}
	n := uint64(1 << 40)
	for b.Loop() {
		for i := range 1000 {
			n++
			m.merge(&fact{Session: fmt.Sprintf("alice@example.org-%017x", i), Kind: streamed, Hash: n, Rank: byLog, Lines: 2, Time: 5, Heard: 6})
		}
		if err := m.commit(); err != nil {
			b.Fatal(err)
		}
		if err := m.tidy(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(m.journal.size)/1e6, "MB")
	_ = m.close()
}
