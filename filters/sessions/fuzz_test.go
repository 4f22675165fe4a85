package sessions

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// FuzzApply holds that whatever comes passes once, whole, and that what is told of it is JSON whose facts can be read.
func FuzzApply(f *testing.F) {
	at := time.Date(2025, 3, 3, 6, 0, 0, 0, time.UTC)
	for _, seed := range []string{
		startOf(alice, sso, "doc", at), startOf("\u202e\x00", root, "AWS-StartSSHSession", at), resumeOf(alice, sso, at), endOf(alice, noMFA, at), deniedStart(at),
		`{"sessionId":"x-1","target":{"id":"i-1"},"sessionData":["a"]}`, `{"sessionId":"x-1","target":"","seq":0,"lines":["a"],"trailcast":[]}`,
		`{"eventName":"StartSession","eventSource":"ssm.amazonaws.com","eventTime":1e300,"responseElements":{"sessionId":"a"},"userIdentity":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if rawjson.Valid(raw) != nil || rawjson.KindOf(raw) != rawjson.Object || !json.Valid(raw) {
			return
		}
		raw = bytes.TrimSpace(raw)
		filter, err := New(Config{Logs: true, Activity: time.Minute}, pipeline.Env{Name: "s"})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			r := &pipeline.Record{Raw: raw, Kind: record.KindOf(raw), Reader: record.Reader{}}
			out, err := filter.Apply(t.Context(), nil, pipeline.NewEvent(r))
			if err != nil || len(out) == 0 || out[0].Record != r {
				t.Fatalf("%d results, %v", len(out), err)
			}
			for i := range out {
				if !json.Valid(out[i].Raw) {
					t.Errorf("no JSON: %s", out[i].Raw)
				}
				if i == 0 {
					continue
				}
				facts := Reader{}.Facts(&pipeline.Record{Raw: out[i].Raw})
				if *facts != *out[i].Facts() {
					t.Errorf("facts\n%+v\nof the bytes\n%+v", out[i].Facts(), facts)
				}
			}
		}
	})
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"trailcast":{"v":1,"id":"a","kind":"session","time":"2025-01-01T00:00:00Z","actor":{"mfa":true},"session":{"id":"x"}},"state":"opened"}`))
	f.Add([]byte(`{"trailcast":{"actor":null,"account":3}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := &pipeline.Record{Raw: raw, Reader: Reader{}}
		if facts := r.Facts(); facts.Kind != pipeline.KindSession || facts.ID != r.Key() {
			t.Errorf("%+v, key %q", facts, r.Key())
		}
	})
}

// FuzzJournal holds that of any content all whole lines before the first damaged one are read, and what they told can be
// written and read again.
func FuzzJournal(f *testing.F) {
	line := appendFact(nil, &fact{Session: "x-1", Kind: streamed, Hash: 1, Lines: 2})
	f.Add([]byte(header + "\n" + string(line)))
	f.Add([]byte(header + "\n" + string(line) + string(line[:20])))
	f.Add([]byte(header + "\n" + string(appendFact(nil, &fact{Session: "x-1", Kind: whole, State: &state{}, Seen: []byte("123")}))))
	f.Add([]byte("trailcast sessions 2\n"))
	restore := func(content []byte) (m *memory, end int64, err error) {
		m = newMemory(1<<30, newRules(Config{}.withDefaults(), time.Time{}).next, func(int, int) {})
		end, err = readLines(bytes.NewReader(content), m.restore)
		return m, end, err
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		m, end, err := restore(content)
		if err != nil && !errors.Is(err, errDamaged) && !errors.Is(err, errNewer) {
			t.Fatal(err)
		}
		if end > int64(len(content)) || end > 0 && content[end-1] != '\n' {
			t.Fatalf("read up to %d of %d bytes", end, len(content))
		}
		again := []byte(header + "\n")
		_ = m.snapshot(func(f *fact) error {
			again = appendFact(again, f)
			return nil
		})
		second, _, err := restore(again)
		if err != nil || len(second.sessions) != len(m.sessions) {
			t.Fatalf("%d sessions, want %d: %v", len(second.sessions), len(m.sessions), err)
		}
		for id, e := range m.sessions {
			if second.sessions[id].state != e.state || len(second.sessions[id].seen) != len(e.seen) {
				t.Errorf("got %+v\nwant %+v", second.sessions[id].state, e.state)
			}
		}
	})
}
