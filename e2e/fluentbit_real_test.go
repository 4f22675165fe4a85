package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/outputs/natsout"
	"github.com/trailcast/trailcast/outputs/quarantine"
	"github.com/trailcast/trailcast/pipeline"
)

// The same scenarios in a real Fluent Bit, where one is on PATH or named by FLUENT_BIT.

func fluentBitFile(t *testing.T) string {
	t.Helper()
	file := os.Getenv("FLUENT_BIT")
	if file == "" {
		file, _ = exec.LookPath("fluent-bit")
	}
	if file == "" {
		t.Skip("NOT RUN: no fluent-bit on PATH or in FLUENT_BIT; the host in C stands for it")
	}
	version, err := exec.Command(file, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(version), "\n")
	t.Log(first)
	return file
}

// fluentBit is a running Fluent Bit.
type fluentBit struct {
	*testing.T
	cmd  *exec.Cmd
	dir  string
	mu   sync.Mutex
	out  bytes.Buffer
	done chan error
}

func (f *fluentBit) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.out.Write(p)
}

func (f *fluentBit) log() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.out.String()
}

const service = `[SERVICE]
    Flush 0.2
    Grace 20
    Log_Level info
    Hot_Reload on
    scheduler.base 1
    scheduler.cap 2
    Parsers_File DIR/parsers.conf
`

// startFluentBit runs a configuration below service; DIR in it is a directory of the test.
func startFluentBit(t *testing.T, dir, config string, plugins ...string) *fluentBit {
	t.Helper()
	f := &fluentBit{T: t, dir: dir, done: make(chan error, 1)}
	write(t, dir+"/parsers.conf", "[PARSER]\n    Name json\n    Format json\n")
	file := write(t, dir+"/fluent-bit.conf", strings.ReplaceAll(service+config, "DIR", dir))
	args := []string{"-e", pluginFile(t)}
	for _, p := range plugins {
		args = append(args, "-e", p)
	}
	// A write beyond a limit of file sizes is to fail, and not to kill.
	f.cmd = exec.Command("sh", append([]string{"-c", `trap "" XFSZ; exec "$@"`, "sh", fluentBitFile(t)}, append(args, "-c", file)...)...)
	f.cmd.Stdout, f.cmd.Stderr = f, f
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { f.done <- f.cmd.Wait() }()
	t.Cleanup(func() {
		_ = f.cmd.Process.Kill() // it has ended, unless the test failed
		if t.Failed() {
			for line := range strings.Lines(f.log()) {
				if !strings.Contains(line, "inotify") {
					t.Log(strings.TrimSpace(line))
				}
			}
		}
	})
	return f
}

func (f *fluentBit) signal(s os.Signal) {
	f.Helper()
	if err := f.cmd.Process.Signal(s); err != nil {
		f.Fatal(err)
	}
}

// stop ends it as a service manager does, and says how long that took.
func (f *fluentBit) stop() time.Duration {
	f.Helper()
	begin := time.Now()
	f.signal(syscall.SIGTERM)
	select {
	case err := <-f.done:
		if err != nil {
			f.Errorf("Fluent Bit ended with %v", err)
		}
	case <-time.After(time.Minute):
		f.Error("Fluent Bit does not end")
	}
	return time.Since(begin)
}

// until waits for a condition on what Fluent Bit does in its own time.
func (f *fluentBit) until(what string, ok func() bool) {
	f.Helper()
	for deadline := time.Now().Add(90 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-f.done:
			f.Fatalf("Fluent Bit has ended (%v) before %s", err, what)
		default:
		}
		if time.Now().After(deadline) {
			f.Fatalf("%s does not come", what)
		}
	}
}

func (f *fluentBit) logs(text string) func() bool {
	return func() bool { return strings.Contains(f.log(), text) }
}

// stage is one line for an input.
type stage struct{ line []byte }

// expected is what is to arrive: each event once, by its content, with its subject.
type expected struct {
	subjects map[string]string // by content
	counts   map[string]int    // messages by content
	total    int
}

const subjectTemplate = "audit.{account}.{region}.{service}.{action}"

// staged returns all CloudTrail files of the data set as one line each, and generated ones.
func staged(t *testing.T) ([]stage, *expected) {
	t.Helper()
	var lines []stage
	if data, err := filepath.Abs("../../shared/data"); err == nil {
		_ = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil
			}
			lines = append(lines, documents(t, path)...)
			return nil
		})
	}
	t.Logf("%d documents of the data set", len(lines))
	g := records.New(3)
	for file := range 60 {
		var b bytes.Buffer
		b.WriteString(`{"Records":[`)
		for i := range 50 {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(g.Append(nil, int64(50*file+i)))
		}
		b.WriteString("]}")
		lines = append(lines, stage{b.Bytes()})
	}
	return lines, expect(t, lines)
}

// documents returns the JSON documents of a file that hold CloudTrail records, one line each.
func documents(t *testing.T, path string) []stage {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if zip, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
		if data, err = io.ReadAll(zip); err != nil {
			return nil
		}
	}
	var lines []stage
	for d := json.NewDecoder(bytes.NewReader(data)); ; {
		var raw json.RawMessage
		if d.Decode(&raw) != nil || raw[0] != '{' {
			return lines
		}
		var b bytes.Buffer
		if json.Compact(&b, raw) != nil {
			return lines
		}
		trail := false
		for _, ev := range splitAll(t, b.Bytes()) {
			trail = trail || ev.Record.Kind == pipeline.KindCloudTrail || ev.Record.Kind == pipeline.KindInsight
		}
		if trail {
			lines = append(lines, stage{b.Bytes()})
		}
	}
}

type collected struct{ events []pipeline.Event }

func (c *collected) Feed(_ context.Context, events []pipeline.Event) error {
	c.events = append(c.events, events...)
	return nil
}

func (c *collected) Broken(context.Context, pipeline.Broken) error { return nil }

func splitAll(t *testing.T, document []byte) []pipeline.Event {
	t.Helper()
	var c collected
	if _, err := split.New(split.Options{}).Split(t.Context(), bytes.NewReader(document), &pipeline.Origin{}, split.Base{}, &c); err != nil {
		t.Fatal(err)
	}
	return c.events
}

// content is an event by its values: Fluent Bit keeps neither white space nor escapes nor the form of numbers.
func content(t *testing.T, raw []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v in %.200s", err, raw)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func expect(t *testing.T, lines []stage) *expected {
	t.Helper()
	out, err := natsout.New(natsout.Config{URL: []string{"nats://127.0.0.1:1"}, Subject: conf.Text{Value: subjectTemplate}}, pipeline.Env{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close(t.Context())
	want := &expected{map[string]string{}, map[string]int{}, 0}
	seen := map[string]bool{}
	for _, l := range lines {
		for _, ev := range splitAll(t, l.line) {
			explained, err := out.Explain(&ev)
			if err != nil {
				t.Fatal(err)
			}
			c := content(t, ev.Raw)
			want.subjects[c] = explained.Destination
			if strings.Contains(ev.Key(), ":") { // known by its eventID and content: one message
				if seen[ev.Key()] {
					continue
				}
				seen[ev.Key()] = true
			}
			want.counts[c]++
			want.total++
		}
	}
	return want
}

// compare compares the stream with what is expected.
func (want *expected) compare(t *testing.T, url, stream string) {
	t.Helper()
	got := map[string]int{}
	messages := 0
	for m := range allMessages(t, url, stream) {
		messages++
		c := content(t, m.Data())
		got[c]++
		if s := want.subjects[c]; s != m.Subject() {
			t.Errorf("subject %s, want %s: %.200s", m.Subject(), s, m.Data())
		}
	}
	missing, repeated := 0, 0
	for c, n := range want.counts {
		switch {
		case got[c] < n:
			if missing++; missing < 5 {
				t.Errorf("arrived %d times, want %d: %.300s", got[c], n, c)
			}
		case got[c] > n:
			repeated++
		}
	}
	if missing+repeated > 0 || messages != want.total {
		t.Errorf("%d messages, want %d; %d contents missing, %d too often", messages, want.total, missing, repeated)
	}
	t.Logf("%d messages for %d distinct keys", messages, want.total)
}

func allMessages(t *testing.T, url, stream string) func(yield func(jetstream.Msg) bool) {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	cons, err := js.CreateConsumer(t.Context(), stream, jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
	if err != nil {
		t.Fatal(err)
	}
	info, err := cons.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	left := int(info.NumPending)
	return func(yield func(jetstream.Msg) bool) {
		for left > 0 {
			batch, err := cons.FetchNoWait(1000)
			if err != nil {
				t.Fatal(err)
			}
			for m := range batch.Messages() {
				left--
				if !yield(m) {
					return
				}
			}
			if batch.Error() != nil {
				t.Fatal(batch.Error())
			}
		}
	}
}

const tailFiles = `[INPUT]
    Name tail
    Path DIR/in/*.json
    Parser json
    Tag cloudtrail.<file>
    Tag_Regex (?<file>[^/]+)\.json$
    Read_From_Head on
    Refresh_Interval 1
    DB DIR/tail.db
    Buffer_Chunk_Size 1M
    Buffer_Max_Size 100M
`

func jetStream(url string) string {
	return `[OUTPUT]
    Name trailcast
    Match *
    Workers 1
    Retry_Limit no_limits
    Quarantine_Path DIR/quarantine
    Nats_Url ` + url + `
    Nats_Subject ` + subjectTemplate + `
    Nats_Stream AUDIT
    Nats_Create on
`
}

// put stages a line as a file, as it appears when it is complete.
func put(t *testing.T, dir string, i int, s stage) {
	t.Helper()
	if err := os.MkdirAll(dir+"/in", 0o755); err != nil {
		t.Fatal(err)
	}
	part := fmt.Sprintf("%s/%05d.part", dir, i)
	if err := os.WriteFile(part, append(slices.Clip(s.line), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(part, fmt.Sprintf("%s/in/%05d.json", dir, i)); err != nil {
		t.Fatal(err)
	}
}

// messagesIn returns how many messages a stream holds; 0 while it is not there.
func messagesIn(url, stream string) int {
	conn, err := nats.Connect(url)
	if err != nil {
		return 0
	}
	defer conn.Close()
	js, err := conn.JetStream()
	if err != nil {
		return 0
	}
	info, err := js.StreamInfo(stream)
	if err != nil {
		return 0
	}
	return int(info.State.Msgs)
}

func TestFluentBitDeliversEveryRecord(t *testing.T) {
	fluentBitFile(t)
	dir := t.TempDir()
	server := natsServer(t, dir+"/js", "127.0.0.1:-1")
	lines, want := staged(t)
	for i, l := range lines {
		put(t, dir, i, l)
	}
	f := startFluentBit(t, dir, tailFiles+jetStream(server.ClientURL()))
	f.until("all records", func() bool { return messagesIn(server.ClientURL(), "AUDIT") >= want.total })
	f.stop()
	want.compare(t, server.ClientURL(), "AUDIT")
}

// The NATS server is away at the start, and killed and restarted five times while files come in.
func TestFluentBitWhileNATSRestarts(t *testing.T) {
	fluentBitFile(t)
	dir := t.TempDir()
	address := freePort(t)
	lines, want := staged(t)
	f := startFluentBit(t, dir, tailFiles+jetStream("nats://"+address))
	server := natsServer(t, dir+"/js", address)
	each := len(lines) / 6
	for i, l := range lines {
		put(t, dir, i, l)
		if i%each == each-1 && i/each < 5 {
			before := messagesIn(server.ClientURL(), "AUDIT")
			f.until("some records", func() bool { return messagesIn(server.ClientURL(), "AUDIT") > before })
			server.Shutdown()
			server = natsServer(t, dir+"/js", address)
		}
	}
	f.until("all records", func() bool { return messagesIn(server.ClientURL(), "AUDIT") >= want.total })
	f.stop()
	want.compare(t, server.ClientURL(), "AUDIT")
}

// SIGHUP ten times while files come in.
func TestFluentBitHotReload(t *testing.T) {
	fluentBitFile(t)
	dir := t.TempDir()
	server := natsServer(t, dir+"/js", "127.0.0.1:-1")
	lines, want := staged(t)
	f := startFluentBit(t, dir, tailFiles+jetStream(server.ClientURL()))
	started := func(n int) func() bool {
		return func() bool { return strings.Count(f.log(), "trailcast.0] started") >= n }
	}
	f.until("the start", started(1))
	each := len(lines)/11 + 1
	reloads := 0
	for i, l := range lines {
		put(t, dir, i, l)
		if i%each == each-1 {
			f.signal(syscall.SIGHUP)
			reloads++
			f.until("a reload", started(1+reloads))
		}
	}
	if reloads != 10 {
		t.Errorf("%d reloads, want 10", reloads)
	}
	f.until("all records", func() bool { return messagesIn(server.ClientURL(), "AUDIT") >= want.total })
	f.stop()
	want.compare(t, server.ClientURL(), "AUDIT")
}

// Killed in the middle: with file-system storage everything arrives after a restart.
func TestFluentBitKilled(t *testing.T) {
	fluentBitFile(t)
	dir := t.TempDir()
	server := natsServer(t, dir+"/js", "127.0.0.1:-1")
	lines, want := staged(t)
	config := "    storage.path DIR/storage\n    storage.sync full\n" + strings.Replace(tailFiles, "    DB ", "    storage.type filesystem\n    DB.sync full\n    DB ", 1) + jetStream(server.ClientURL())
	f := startFluentBit(t, dir, config)
	for i, l := range lines {
		put(t, dir, i, l)
		if i == len(lines)/2 {
			f.until("some records", func() bool { return messagesIn(server.ClientURL(), "AUDIT") > 10 })
			f.signal(syscall.SIGKILL)
			<-f.done
			f = startFluentBit(t, dir, config)
		}
	}
	f.until("all records", func() bool { return messagesIn(server.ClientURL(), "AUDIT") >= want.total })
	f.stop()
	got := map[string]bool{}
	for m := range allMessages(t, server.ClientURL(), "AUDIT") {
		got[content(t, m.Data())] = true
	}
	for c := range want.counts {
		if !got[c] {
			t.Errorf("lost: %.200s", c)
		}
	}
}

// The sample configurations run as they are, but for directories and addresses.
func TestFluentBitRunsTheSamples(t *testing.T) {
	fluentBitFile(t)
	lines, _ := staged(t)
	for _, name := range []string{"tail-jetstream.conf", "tail-files.yaml", "config-file.conf", "http-files.conf"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			server := natsServer(t, dir+"/js", "127.0.0.1:-1")
			_, port, _ := strings.Cut(freePort(t), ":")
			moved := strings.NewReplacer("/var/lib/fluent-bit", dir+"/lib", "/var/log/cloudtrail", dir+"/in", "/var/log/audit", dir+"/audit",
				"nats://127.0.0.1:4222", server.ClientURL(), "/etc/trailcast", dir, "9880", port)
			for i, l := range lines[len(lines)-10:] {
				put(t, dir, i, l)
			}
			f := startSample(t, dir, name, moved)
			if name == "http-files.conf" {
				f.until("the http input", func() bool {
					r, err := http.Post("http://127.0.0.1:"+port+"/cloudtrail", "application/json", bytes.NewReader(lines[len(lines)-1].line))
					if err != nil {
						return false
					}
					r.Body.Close()
					return r.StatusCode < 300
				})
			}
			f.until("something", func() bool {
				files, _ := filepath.Glob(dir + "/audit/*/*")
				return len(files) > 0 || messagesIn(server.ClientURL(), "AUDIT") > 0
			})
			f.stop()
			if strings.Contains(f.log(), "[error]") {
				t.Error("there are errors in the log")
			}
		})
	}
}

// startSample runs a sample configuration with what is moved in it.
func startSample(t *testing.T, dir, name string, moved *strings.Replacer) *fluentBit {
	t.Helper()
	for _, file := range []string{name, "parsers.conf", "pipeline.yaml"} {
		text, err := os.ReadFile("../configs/fluent-bit/" + file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir+"/"+file, moved.Replace(string(text)))
	}
	for _, sub := range []string{"/lib", "/in"} {
		if err := os.MkdirAll(dir+sub, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f := &fluentBit{T: t, dir: dir, done: make(chan error, 1)}
	f.cmd = exec.Command(fluentBitFile(t), "-e", pluginFile(t), "-c", dir+"/"+name)
	f.cmd.Stdout, f.cmd.Stderr = f, f
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { f.done <- f.cmd.Wait() }()
	t.Cleanup(func() {
		_ = f.cmd.Process.Kill()
		if t.Failed() {
			t.Log(f.log())
		}
	})
	return f
}

func TestFluentBitRefusesMistakes(t *testing.T) {
	fluentBitFile(t)
	f := startFluentBit(t, t.TempDir(), "[INPUT]\n    Name dummy\n[OUTPUT]\n    Name trailcast\n    Match *\n    Nats_Url nats://h:1\n    Nats_Subject a.{accoun}\n    Nats_Steam A\n"+
		"[OUTPUT]\n    Name trailcast\n    Match *\n    File_Path DIR/x.ndjson\n    Quarantine_Path DIR/q\n")
	select {
	case <-f.done:
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
	for _, want := range []string{"trailcast.0] nats_steam: unknown key (did you mean Nats_Stream?)", "trailcast.0] Nats_Subject: unknown template field {accoun} (did you mean {account}?)", "output initialization failed"} {
		if !strings.Contains(f.log(), want) {
			t.Errorf("the log does not say %q:\n%s", want, f.log())
		}
	}
	if strings.Contains(f.log(), "panic") {
		t.Error(f.log())
	}
}

// Inputs, shapes and numbers of workers: two instances with settings of their own and another Go plugin.
func TestFluentBitWorkersAndInputs(t *testing.T) {
	fluentBitFile(t)
	other := buildOnce(t, "out_other.so", "go", "build", "-buildmode=c-shared", "-o", "OUT", "./testdata/fluentbit/otherplugin")
	for _, workers := range []int{0, 1, 4} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			dir := t.TempDir()
			_, port, _ := strings.Cut(freePort(t), ":")
			config := fmt.Sprintf(`[INPUT]
    Name http
    Listen 127.0.0.1
    Port %[2]s
    Tag http
    Buffer_Max_Size 20M
[INPUT]
    Name dummy
    Tag dummy.log
    Samples 20
    Rate 100
    Dummy {"log":"{\"eventVersion\":\"1.08\",\"eventSource\":\"iam.amazonaws.com\",\"eventName\":\"Logged\",\"eventID\":\"d\",\"userIdentity\":{\"type\":\"Root\"},\"eventTime\":\"2026-01-01T00:00:00Z\"}"}
[OUTPUT]
    Name trailcast
    Match *
    Workers %[1]d
    Retry_Limit no_limits
    Unwrap log
    Enrich on
    Quarantine_Path DIR/quarantine
    File_Path DIR/all/{tag}.ndjson
[OUTPUT]
    Name trailcast
    Match *
    Workers %[1]d
    Quarantine_Path DIR/quarantine
    Filter select(.eventName == "StartSession")
    File_Path DIR/sessions.ndjson
[OUTPUT]
    Name other
    Match *
`, workers, port)
			f := startFluentBit(t, dir, config, other)
			g := records.New(5)
			var ids []string
			started := 0
			for doc := range 20 {
				var b bytes.Buffer
				b.WriteString(`{"Records":[`)
				for i := range 100 {
					if i > 0 {
						b.WriteByte(',')
					}
					raw := g.Append(nil, int64(100*doc+i))
					b.Write(raw)
					var e struct{ EventID, EventName string }
					if err := json.Unmarshal(raw, &e); err != nil {
						t.Fatal(err)
					}
					ids = append(ids, e.EventID)
					if e.EventName == "StartSession" {
						started++
					}
				}
				b.WriteString("]}")
				f.until("the http input", func() bool {
					r, err := http.Post("http://127.0.0.1:"+port+"/trail", "application/json", bytes.NewReader(b.Bytes()))
					if err != nil {
						return false
					}
					r.Body.Close()
					return r.StatusCode < 300
				})
			}
			arrived := func(path string) int { return lineCount(t, dir+path) }
			f.until("all records", func() bool { return arrived("/all/http.ndjson")+arrived("/all/trail.ndjson") >= len(ids) })
			f.until("the sessions", func() bool { return arrived("/sessions.ndjson") >= started })
			f.until("what the dummies say", func() bool { return arrived("/all/dummy.log.ndjson") >= 20 })
			f.stop()
			path := dir + "/all/trail.ndjson"
			if arrived("/all/http.ndjson") > 0 {
				path = dir + "/all/http.ndjson"
			}
			if none, several := arrivals(t, path, ids); none+several > 0 {
				t.Errorf("%d missing, %d repeated", none, several)
			}
			if started == 0 || arrived("/sessions.ndjson") != started {
				t.Errorf("%d sessions, want %d", arrived("/sessions.ndjson"), started)
			}
			data, err := os.ReadFile(dir + "/all/dummy.log.ndjson")
			if err != nil || !bytes.Contains(data, []byte(`"eventName":"Logged"`)) || !bytes.Contains(data, []byte(`"via":["log"]`)) {
				t.Errorf("the text in the field log was not unwrapped, %v: %.500s", err, data)
			}
		})
	}
}

func lineCount(t *testing.T, path string) int {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return bytes.Count(data, []byte("\n"))
}

// A slow server, and a stop while there is none: the collector ends within its grace period.
func TestFluentBitSlowAndAway(t *testing.T) {
	fluentBitFile(t)
	dir := t.TempDir()
	server := natsServer(t, dir+"/js", "127.0.0.1:-1")
	slow := slowProxy(t, strings.TrimPrefix(server.ClientURL(), "nats://"), 20*time.Millisecond)
	lines, want := staged(t)
	for i, l := range lines {
		put(t, dir, i, l)
	}
	f := startFluentBit(t, dir, tailFiles+jetStream("nats://"+slow)+"    Flush_Timeout 100ms\n")
	f.until("all records", func() bool { return messagesIn(server.ClientURL(), "AUDIT") >= want.total })
	f.stop()
	want.compare(t, server.ClientURL(), "AUDIT")

	away := t.TempDir()
	for i, l := range lines[:20] {
		put(t, away, i, l)
	}
	f = startFluentBit(t, away, strings.Replace(tailFiles+jetStream("nats://127.0.0.1:1"), "Read_From_Head", "Read_From_Head", 1))
	f.until("a retry", f.logs("outputs have not confirmed a chunk in time"))
	if took := f.stop(); took > 40*time.Second {
		t.Errorf("stopping took %v with a grace period of 20 s", took)
	}
}

// A record that can not be used goes to quarantine and the rest of its chunk through. A full disk holds the chunk until
// there is room.
func TestFluentBitBadRecordsAndAFullDisk(t *testing.T) {
	fluentBitFile(t)
	prlimit, err := exec.LookPath("prlimit")
	if err != nil {
		t.Skip("NOT RUN: no prlimit")
	}
	dir := t.TempDir()
	f := startFluentBit(t, dir, tailFiles+`[OUTPUT]
    Name trailcast
    Match *
    Workers 1
    Retry_Limit no_limits
    Flush_Timeout 500ms
    Quarantine_Path DIR/quarantine
    File_Path DIR/out.ndjson
`)
	f.until("the start", f.logs("started version"))
	pid := fmt.Sprint(f.cmd.Process.Pid)
	limit := func(bytes string) {
		if out, err := exec.Command(prlimit, "--pid", pid, "--fsize="+bytes+":").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	limit("300000") // no file may grow beyond it
	g := records.New(9)
	var b bytes.Buffer
	b.WriteString(`{"Records":[7`)
	var ids []string
	for i := range 500 {
		raw := g.Append(nil, int64(i))
		b.WriteByte(',')
		b.Write(raw)
		var e struct{ EventID string }
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.EventID)
	}
	b.WriteString("]}")
	put(t, dir, 0, stage{b.Bytes()})
	f.until("a failure", f.logs("output is failing"))
	f.until("a retry", f.logs("outputs have not confirmed a chunk in time"))
	limit("unlimited")
	f.until("the end of the failure", f.logs("output works again"))
	f.until("the events", func() bool { return lineCount(t, dir+"/out.ndjson") >= len(ids) })
	f.stop()
	if none, _ := arrivals(t, dir+"/out.ndjson", ids); none > 0 {
		t.Errorf("%d of %d events are missing", none, len(ids))
	}
	n := 0
	if err := quarantine.Each(dir+"/quarantine", func(quarantine.Entry) bool { n++; return true }); err != nil || n != 1 {
		t.Errorf("%d entries in quarantine, %v; want 1", n, err)
	}
}
