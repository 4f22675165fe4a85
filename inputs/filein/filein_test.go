package filein

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/internal/splitconf"
	"github.com/trailcast/trailcast/pipeline"
)

// output keeps what arrives, and fails as it is told.
type output struct {
	mu    sync.Mutex
	got   map[string]int // raw events
	keys  map[string]map[string]bool
	fail  func(raw string) error
	count int
	more  chan struct{}
}

func (o *output) Write(_ context.Context, events []pipeline.Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	failed := &pipeline.BatchError{}
	for i := range events {
		raw := string(events[i].Raw)
		if o.fail != nil {
			if err := o.fail(raw); err != nil {
				failed.Failed = append(failed.Failed, pipeline.Failure{Index: i, Err: err})
				continue
			}
		}
		o.got[raw]++
		o.count++
		if o.keys[raw] == nil {
			o.keys[raw] = map[string]bool{}
		}
		o.keys[raw][events[i].Key()] = true
	}
	select {
	case o.more <- struct{}{}:
	default:
	}
	if len(failed.Failed) > 0 {
		return failed
	}
	return nil
}

func (o *output) Close(context.Context) error { return nil }

// aside is a quarantine that keeps entries in memory.
type aside struct {
	mu      sync.Mutex
	entries []pipeline.QuarantineEntry
}

func (a *aside) Put(_ context.Context, entries ...pipeline.QuarantineEntry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entries = append(a.entries, entries...)
	return nil
}

// bench is a directory of files, and an agent over it that is run again and again.
type bench struct {
	*testing.T
	dir, state string
	out        *output
	aside      *aside
	config     Config
	drain      time.Duration
}

func newBench(t *testing.T, c Config) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{T: t, dir: filepath.Join(dir, "in"), state: filepath.Join(dir, "state"), config: c, aside: &aside{},
		out: &output{got: map[string]int{}, keys: map[string]map[string]bool{}, more: make(chan struct{}, 1)}, drain: time.Minute}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if len(b.config.Paths) == 0 {
		b.config.Paths = []string{b.dir}
	}
	return b
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, text string) {
	b.Helper()
	if err := os.MkdirAll(filepath.Dir(b.path(name)), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(b.path(name), []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) append(name, text string) {
	b.Helper()
	f, err := os.OpenFile(b.path(name), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// agent is one run.
type agent struct {
	in     *Input
	poll   chan time.Time
	cancel context.CancelFunc
	done   chan error
	engine *pipeline.Engine
}

func (b *bench) start() *agent {
	b.Helper()
	in, err := New(b.config, pipeline.Env{Name: "files", StateDir: b.state})
	if err != nil {
		b.Fatal(err)
	}
	a := &agent{in: in, poll: make(chan time.Time), done: make(chan error, 1)}
	if b.config.Follow {
		in.poll = a.poll
	}
	a.engine, err = pipeline.New(pipeline.Settings{
		Outputs: []pipeline.OutputStage{{Name: "out", Output: b.out}}, Quarantine: b.aside,
		BackoffMin: time.Millisecond, BackoffMax: time.Millisecond, DrainTimeout: b.drain,
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	a.cancel = cancel
	go func() { a.done <- a.engine.Run(ctx, []pipeline.InputStage{{Name: "files", Input: in}}) }()
	return a
}

// run runs to the end.
func (b *bench) run() (pipeline.Stats, error) {
	b.Helper()
	a := b.start()
	defer a.cancel()
	select {
	case err := <-a.done:
		return a.engine.Stats(), err
	case <-time.After(30 * time.Second):
		b.Fatal("the input does not end")
		return pipeline.Stats{}, nil
	}
}

// until polls until the condition holds for what was delivered.
func (b *bench) until(a *agent, what string, ok func(*output) bool) {
	b.Helper()
	deadline := time.After(20 * time.Second)
	for {
		b.out.mu.Lock()
		done := ok(b.out)
		b.out.mu.Unlock()
		if done {
			return
		}
		select {
		case a.poll <- time.Now():
		case <-b.out.more:
		case <-deadline:
			b.out.mu.Lock()
			defer b.out.mu.Unlock()
			b.Fatalf("%s does not come; what came: %v", what, b.out.got)
		}
	}
}

func (a *agent) stop(b *bench) {
	b.Helper()
	a.cancel()
	if err := <-a.done; err != nil {
		b.Errorf("stop: %v", err)
	}
}

func (b *bench) want(raw string, times int) {
	b.Helper()
	b.out.mu.Lock()
	defer b.out.mu.Unlock()
	if got := b.out.got[raw]; got != times {
		b.Errorf("%s arrived %d times, want %d", raw, got, times)
	}
	if n := len(b.out.keys[raw]); times > 0 && n != 1 {
		b.Errorf("%s has %d different keys over its repeats: %v", raw, n, b.out.keys[raw])
	}
}

func line(n int) string { return fmt.Sprintf(`{"n":%d}`, n) }

func someLines(from, to int) string {
	var s strings.Builder
	for n := from; n < to; n++ {
		s.WriteString(line(n) + "\n")
	}
	return s.String()
}

func gz(parts ...string) string {
	var b bytes.Buffer
	for _, p := range parts {
		w := gzip.NewWriter(&b)
		w.Write([]byte(p))
		w.Close()
	}
	return b.String()
}

func TestReadsEveryFileOnceAndRemembersIt(t *testing.T) {
	defer goleak.VerifyNone(t)
	b := newBench(t, Config{})
	b.write("a.ndjson", someLines(0, 10)+line(10)) // the last line has no newline
	b.write("x/y/b.json", `{"Records":[`+line(11)+","+line(12)+`]}`)
	b.write("c.json.gz", gz(someLines(13, 15), someLines(15, 17)))
	b.write("empty", "")
	b.write("pretty.json", "{\n \"n\": 17\n}\n{\n \"n\": 18\n}\n")
	s, err := b.run()
	if err != nil || s.In != 19 {
		t.Fatalf("%d events, %v; want 19", s.In, err)
	}
	for n := range 17 {
		b.want(line(n), 1)
	}
	if s, err := b.run(); err != nil || s.In != 0 {
		t.Errorf("a second run reads %d events, %v", s.In, err)
	}
	b.append("a.ndjson", "\n"+line(20)+"\n")
	b.write("new.ndjson", line(21)+"\n")
	if s, err := b.run(); err != nil || s.In != 2 {
		t.Errorf("after something was added a run reads %d events, %v; want 2", s.In, err)
	}
	b.want(line(20), 1)
	b.want(line(21), 1)
}

func TestGlobsAndExclusions(t *testing.T) {
	b := newBench(t, Config{})
	b.config.Paths = []string{b.dir + "/**/*.json", b.path("odd[1].log")}
	b.config.Exclude = []string{"**/skip/**", "*.tmp.json"}
	b.write("a.json", line(1))
	b.write("x/y/z/b.json", line(2))
	b.write("odd[1].log", line(3))
	b.write("skip/c.json", line(4))
	b.write("d.tmp.json", line(5))
	b.write("e.txt", line(6))
	if s, err := b.run(); err != nil || s.In != 3 {
		t.Errorf("%d events, %v; want 3: %v", s.In, err, b.out.got)
	}
}

func TestNothingToRead(t *testing.T) {
	b := newBench(t, Config{})
	if _, err := b.run(); err == nil || !strings.Contains(err.Error(), "no file matches") {
		t.Errorf("got %v", err)
	}
}

func TestUnreadableFileDoesNotStopOthers(t *testing.T) {
	b := newBench(t, Config{})
	b.write("a.json", line(1))
	if err := os.Symlink(b.path("nowhere"), b.path("dangling.json")); err != nil {
		t.Fatal(err)
	}
	b.write("secret.json", line(2))
	if err := os.Chmod(b.path("secret.json"), 0); err != nil {
		t.Fatal(err)
	}
	_, err := b.run()
	b.want(line(1), 1)
	if os.Getuid() != 0 && (err == nil || !strings.Contains(err.Error(), "secret.json")) {
		t.Errorf("a file that may not be read gives %v", err)
	}
}

func TestBrokenFilesGoToQuarantine(t *testing.T) {
	b := newBench(t, Config{})
	b.write("cut.json.gz", gz(someLines(0, 200))[:60])
	b.write("bad.ndjson", line(1)+"\nnot json\n"+line(902)+"\n")
	s, err := b.run()
	if err != nil || s.Quarantined < 2 {
		t.Errorf("%d in quarantine, %v", s.Quarantined, err)
	}
	b.want(line(902), 1)
	for _, e := range b.aside.entries {
		if e.Origin.Object == "" || e.Reason == "" || e.Component != "files" {
			t.Errorf("entry without origin or reason: %+v", e)
		}
	}
	if s, _ := b.run(); s.In != 0 {
		t.Errorf("what is in quarantine is read again: %d events", s.In)
	}
}

func TestAFailedFrameIsReadAgain(t *testing.T) {
	b := newBench(t, Config{})
	b.write("a.ndjson", someLines(0, 100))
	b.out.fail = func(raw string) error {
		if raw == line(70) {
			return errors.New("not now")
		}
		return nil
	}
	b.drain = 20 * time.Millisecond
	a := b.start()
	for b.started() == 0 {
		<-b.out.more
	}
	a.stop(b)
	b.want(line(70), 0)
	b.out.fail = nil
	if s, err := b.run(); err != nil || s.In != 100 {
		t.Errorf("after a stop without confirmation %d events are read again, %v; want 100", s.In, err)
	}
	b.want(line(70), 1)
	b.want(line(0), 2)
}

func (b *bench) started() int {
	b.out.mu.Lock()
	defer b.out.mu.Unlock()
	return b.out.count
}

func TestFollowsGrowingAndNewFiles(t *testing.T) {
	defer goleak.VerifyNone(t)
	b := newBench(t, Config{Follow: true, StableAfter: time.Nanosecond})
	b.write("a.ndjson", someLines(0, 3)+`{"n":`)
	a := b.start()
	b.until(a, "the beginning", func(o *output) bool { return o.count == 3 })
	b.append("a.ndjson", "3}\n"+line(4)+"\n")
	b.write("b.ndjson", line(5)+"\n")
	b.write("c.json", `{"Records":[`+line(6)+`]}`)
	b.until(a, "what was added", func(o *output) bool { return o.count == 7 })
	a.stop(b)
	b.append("a.ndjson", line(7)+"\n")
	a = b.start()
	b.until(a, "what was added in between", func(o *output) bool { return o.got[line(7)] == 1 })
	a.stop(b)
	for n := range 8 {
		b.want(line(n), 1)
	}
}

func TestFollowsRotation(t *testing.T) {
	b := newBench(t, Config{Follow: true, StableAfter: time.Nanosecond})
	b.config.Paths = []string{b.path("app.ndjson")}
	b.write("app.ndjson", someLines(0, 3))
	a := b.start()
	b.until(a, "the first file", func(o *output) bool { return o.count == 3 })
	b.append("app.ndjson", line(3)+"\n"+line(4)) // the last line of a rotated file may lack its newline
	if err := os.Rename(b.path("app.ndjson"), b.path("app.ndjson.1")); err != nil {
		t.Fatal(err)
	}
	b.write("app.ndjson", line(5)+"\n")
	b.until(a, "both files", func(o *output) bool { return o.got[line(4)] > 0 && o.got[line(5)] > 0 })
	a.stop(b)
	for n := range 6 {
		b.want(line(n), 1)
	}
}

func TestFollowsTruncation(t *testing.T) {
	b := newBench(t, Config{Follow: true})
	b.write("a.ndjson", someLines(0, 5))
	a := b.start()
	b.until(a, "the first content", func(o *output) bool { return o.count == 5 })
	b.write("a.ndjson", line(10)+"\n") // the same inode, shorter
	b.until(a, "the new content", func(o *output) bool { return o.got[line(10)] == 1 })
	b.write("a.ndjson", someLines(20, 40)) // the same inode, longer than before
	b.until(a, "the longer content", func(o *output) bool { return o.got[line(39)] == 1 })
	a.stop(b)
	for n := 20; n < 40; n++ {
		b.want(line(n), 1)
	}
}

func TestStartAtTheEnd(t *testing.T) {
	b := newBench(t, Config{Follow: true, Start: startEnd})
	b.write("a.ndjson", someLines(0, 5))
	a := b.start()
	a.poll <- time.Now()
	a.poll <- time.Now()
	b.append("a.ndjson", line(5)+"\n")
	b.write("new.ndjson", line(6)+"\n")
	b.until(a, "what came later", func(o *output) bool { return o.got[line(5)] == 1 && o.got[line(6)] == 1 })
	a.stop(b)
	b.want(line(0), 0)
}

func TestManyFiles(t *testing.T) {
	b := newBench(t, Config{MaxFiles: 4})
	for n := range 1500 {
		b.write(fmt.Sprintf("%04d.json", n), line(n))
	}
	if s, err := b.run(); err != nil || s.In != 1500 {
		t.Errorf("%d events, %v; want 1500", s.In, err)
	}
}

// Events keep the memory that they were read into.
func TestSmallFilesTakeLittleMemory(t *testing.T) {
	in := &Input{}
	path := filepath.Join(t.TempDir(), "small.ndjson")
	if err := os.WriteFile(path, []byte(line(1)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	opened, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	buf, atEnd, err := in.nextLines(&file{f: opened})
	if err != nil || !atEnd || string(buf) != line(1)+"\n" || cap(buf) > 4<<10 {
		t.Errorf("got %q in %d bytes of memory, %v, %v", buf, cap(buf), atEnd, err)
	}
}

func TestLongFilesAreCutIntoFrames(t *testing.T) {
	b := newBench(t, Config{})
	pad := strings.Repeat("x", 1000)
	var s strings.Builder
	for n := range 12_000 {
		fmt.Fprintf(&s, `{"n":%d,"pad":"%s"}`+"\n", n, pad)
	}
	b.write("long.ndjson", s.String())
	stats, err := b.run()
	if err != nil || stats.In != 12_000 || len(b.out.got) != 12_000 {
		t.Errorf("%d events, %d distinct, %v", stats.In, len(b.out.got), err)
	}
	if stats.Frames[pipeline.Delivered] < 3 {
		t.Errorf("12 MB in %d frames", stats.Frames[pipeline.Delivered])
	}
}

func TestValidate(t *testing.T) {
	c := Config{Paths: []string{"a[", ""}, Config: splitconf.Config{Accept: []string{"nonsense"}}, Start: startEnd, PollInterval: -1}
	err := c.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 4 {
		t.Errorf("five mistakes give: %v", err)
	}
}
