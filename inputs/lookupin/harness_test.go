package lookupin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trailcast/trailcast/inputs/inputtest"
	"github.com/trailcast/trailcast/internal/awstest"
	"github.com/trailcast/trailcast/pipeline"
)

const here = awstest.Region

// noon is when tests begin.
var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// bench is a history behind a proxy, and a state directory.
type bench struct {
	*testing.T
	*inputtest.Bench
	clock  *virtualClock
	ahead  time.Duration // of our clock
	trail  *trail
	proxy  *awstest.Proxy
	config Config
	dir    string
	log    lockedBuffer
	call   time.Duration // how long a call may take
}

func newBench(t *testing.T) *bench {
	awstest.Environment(t)
	clock := &virtualClock{now: noon}
	b := &bench{T: t, Bench: inputtest.New(t), clock: clock, trail: newTrail(t, clock), dir: t.TempDir(), call: callTimeout}
	b.proxy = awstest.NewProxy(t, b.trail.URL)
	b.config = Config{Start: "8h", AWS: AWS{Endpoint: b.proxy.URL}}
	t.Cleanup(func() {
		if mistakes, _ := b.trail.complaints(); len(mistakes) > 0 {
			t.Errorf("requests that CloudTrail refuses: %s", mistakes)
		}
		if t.Failed() {
			t.Logf("the input's log:\n%s", b.log.String())
		}
	})
	return b
}

func (b *bench) make() *Input {
	b.Helper()
	in, err := New(b.config, pipeline.Env{Name: "lookup", StateDir: b.dir, Log: slog.New(slog.NewTextHandler(&b.log, nil))})
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range in.regions {
		r.clock, r.limiter.clock, r.timeout = fastClock{b.clock, b.ahead}, b.clock, b.call
	}
	return in
}

// start runs an input whose outputs have a moment to confirm when it stops.
func (b *bench) start() *inputtest.Agent {
	b.Helper()
	return b.Start(b.make(), 200*time.Millisecond)
}

// once runs an input that ends by itself.
func (b *bench) once() {
	b.Helper()
	if err := b.start().Wait(); err != nil {
		b.Fatal(err)
	}
}

// state returns what is kept of a region.
func (b *bench) state(region string) (s state) {
	b.Helper()
	raw, err := os.ReadFile(b.stateFile(region))
	if err != nil {
		b.Fatal(err)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		b.Fatal(err)
	}
	return s
}

func (b *bench) stateFile(region string) string {
	return filepath.Join(b.dir, "lookup-lookup."+region+".json")
}

// exactly checks that each entry was delivered n times, and nothing else.
func (b *bench) exactly(n int, entries []entry) {
	b.Helper()
	events := b.Events()
	for _, e := range entries {
		if events[e.Record] != n {
			b.Errorf("%s of %s came %d times, want %d", e.ID, e.Time.Format(time.RFC3339), events[e.Record], n)
		}
	}
	if len(events) != len(entries) {
		b.Errorf("%d events, want %d", len(events), len(entries))
	}
}

// atLeastOnce checks that each entry was delivered.
func (b *bench) atLeastOnce(entries []entry) {
	b.Helper()
	events := b.Events()
	for _, e := range entries {
		if events[e.Record] == 0 {
			b.Errorf("%s of %s did not come", e.ID, e.Time.Format(time.RFC3339))
		}
	}
}

func record(id string, at time.Time) string {
	return fmt.Sprintf(`{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","userName":"al\u0069ce"},"eventTime":%q,"eventSource":"ssm.amazonaws.com","eventName":"StartSession","awsRegion":"eu-west-1","eventID":%q,"recipientAccountId":"123456789012"}`, at.UTC().Format(time.RFC3339), id)
}

func event(id string, at time.Time) entry {
	return entry{ID: id, Name: "StartSession", Time: at, Record: record(id, at)}
}

// history returns n events, evenly spread from a time on.
func spread(n int, from time.Time, over time.Duration) (entries []entry) {
	for i := range n {
		entries = append(entries, event(fmt.Sprintf("e%d-%d", from.Unix(), i), from.Add(over*time.Duration(i)/time.Duration(n)).Truncate(time.Second)))
	}
	return entries
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// said returns how many lines of the log have a text.
func (b *bench) said(text string) int { return strings.Count(b.log.String(), text) }
