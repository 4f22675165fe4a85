package fluentbit

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/internal/msgpack/msgpacktest"
	"github.com/trailcast/trailcast/outputs/natsout/embedded"
	"github.com/trailcast/trailcast/outputs/natsout/embedded/natsserver"
	"github.com/trailcast/trailcast/outputs/quarantine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// at is the time of the first record of test chunks.
var at = time.Unix(1_750_000_000, 123456789).UTC()

// pack makes a chunk of JSON objects, one nanosecond apart.
func pack(objects ...string) []byte {
	var chunk []byte
	for i, o := range objects {
		chunk = msgpacktest.AppendRecord(chunk, at.Add(time.Duration(i)), []byte(o))
	}
	return chunk
}

// generated makes a chunk of about size bytes of CloudTrail records.
func generated(t testing.TB, seed uint64, size int) (chunk []byte, n int) {
	t.Helper()
	g := records.New(seed)
	for ; len(chunk) < size; n++ {
		chunk = msgpacktest.AppendRecord(chunk, at.Add(time.Duration(n)), g.Append(nil, int64(n)))
	}
	return chunk, n
}

// logs collects what is logged.
type logs struct {
	mu    sync.Mutex
	lines []string
}

func (l *logs) print(level Level, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf("%d %s", level, line))
}

func (l *logs) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

func getter(keys map[string]string) func(string) string {
	lower := map[string]string{}
	for k, v := range keys {
		lower[strings.ToLower(k)] = v
	}
	return func(key string) string { return lower[strings.ToLower(key)] }
}

// start starts an instance with a quarantine of its own; it ends with the test.
func start(t testing.TB, keys map[string]string) *Instance {
	t.Helper()
	in, _ := startOn(t, new(Host), keys)
	return in
}

func startOn(t testing.TB, h *Host, keys map[string]string) (*Instance, *logs) {
	t.Helper()
	all := maps.Clone(keys)
	if all["Quarantine_Path"] == "" && all["Config_File"] == "" {
		all["Quarantine_Path"] = filepath.Join(t.TempDir(), "quarantine")
	}
	log := &logs{}
	in, ok := h.Start(Options{Name: "trailcast.0", Get: getter(all), Print: log.print, Level: LevelInfo})
	if !ok {
		t.Fatalf("does not start: %s", log.text())
	}
	t.Cleanup(in.Close)
	return in, log
}

func lines(t testing.TB, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' })
}

const trail = `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","userName":"jane","accountId":"123456789012"},"eventTime":"2026-01-01T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"%s","awsRegion":"eu-west-1","eventID":"e-%[1]s","recipientAccountId":"123456789012"}`

func event(name string) string { return fmt.Sprintf(trail, name) }

func TestShapesOfRecords(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.ndjson")
	in := start(t, map[string]string{"File_Path": out, "Unwrap": "log, message", "Enrich": "on",
		"Filter": `[.eventName // .n // .sessionId, .trailcast.origin.tag, .trailcast.origin.time, (.trailcast.origin.via // [] | join(","))] | {r: map(tostring)}`})
	quoted := strings.ReplaceAll(event("c"), `"`, `\"`)
	chunk := pack(
		`{"Records":[`+event("a")+`,`+event("b")+`]}`,
		`{"log":"`+quoted+`","container_id":"x"}`,
		event("d"),
		`{"detail-type":"AWS API Call via CloudTrail","source":"aws.iam","account":"123456789012","detail":`+event("e")+`}`,
		`{"message":"just text","n":5}`,
		`{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g","logStream":"s","logEvents":[{"id":"1","timestamp":1,"message":"`+strings.ReplaceAll(event("f"), `"`, `\"`)+`"}]}`,
		`{"eventVersion":"1.0","eventTime":"2026-01-01T00:00:00Z","awsRegion":"eu-west-1","target":{"id":"i-1"},"userIdentity":{"arn":"arn:aws:iam::123456789012:user/x"},"runAsUser":"ssm-user","sessionId":"jane-0123456789abcdef0","sessionData":["ls"]}`,
	)
	if a := in.Flush("aws.trail", chunk); a != OK {
		t.Fatalf("answer %d", a)
	}
	stamp := func(i int) string { return at.Add(time.Duration(i)).Format(time.RFC3339Nano) }
	want := []string{
		`{"r":["a","aws.trail","` + stamp(0) + `",""]}`,
		`{"r":["b","aws.trail","` + stamp(0) + `",""]}`,
		`{"r":["c","aws.trail","` + stamp(1) + `","log"]}`,
		`{"r":["d","aws.trail","` + stamp(2) + `",""]}`,
		`{"r":["e","aws.trail","` + stamp(3) + `","eventbridge"]}`,
		`{"r":["5","aws.trail","` + stamp(4) + `",""]}`,
		`{"r":["f","aws.trail","` + stamp(5) + `","cloudwatch_logs"]}`,
		`{"r":["jane-0123456789abcdef0","aws.trail","` + stamp(6) + `",""]}`,
	}
	if got := lines(t, out); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheTagIsSafeInAPath(t *testing.T) {
	dir := t.TempDir()
	in := start(t, map[string]string{"File_Path": dir + "/in/{tag}.ndjson"})
	for _, tag := range []string{"a.b", "../../x", "", "a/b\n"} {
		if a := in.Flush(tag, pack(event("a"))); a != OK {
			t.Errorf("tag %q: answer %d", tag, a)
		}
	}
	files, err := filepath.Glob(dir + "/in/*.ndjson")
	if err != nil || len(files) != 4 {
		t.Errorf("%d files in the directory, %v: %v", len(files), err, files)
	}
}

func TestBadRecordsGoToQuarantine(t *testing.T) {
	dir := t.TempDir()
	out, aside := dir+"/out.ndjson", dir+"/quarantine"
	in := start(t, map[string]string{"File_Path": out, "Quarantine_Path": aside})
	notAMap := append([]byte{0x92, 0xd7, 0}, make([]byte, 8)...)
	chunk := append(pack(event("a")), append(notAMap, 0xa1, 'x')...)
	chunk = append(chunk, pack(event("b"), `{"Records":[7,`+event("c")+`]}`)...)
	cut := len(chunk)
	chunk = append(chunk, pack(event("d"))[:40]...)
	if a := in.Flush("t", chunk); a != OK {
		t.Errorf("answer %d, want OK: the good records are delivered and the rest is in quarantine", a)
	}
	if got := lines(t, out); len(got) != 3 || !strings.Contains(got[2], "e-c") {
		t.Errorf("%d events arrived: %v", len(got), got)
	}
	var reasons []string
	var offsets []int64
	if err := quarantine.Each(aside, func(e quarantine.Entry) bool {
		reasons, offsets = append(reasons, e.Reason), append(offsets, e.Offset)
		if e.Tag != "t" {
			t.Errorf("entry without its tag: %+v", e)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if len(reasons) != 3 || offsets[2] != int64(cut) || !strings.Contains(reasons[2], "ends in the middle") {
		t.Errorf("quarantine holds %q at %v", reasons, offsets)
	}
	if a := in.Flush("t", []byte{0xc1, 0xff}); a != Error {
		t.Errorf("a chunk that is no MessagePack: answer %d, want Error", a)
	}
}

func TestTheChunksMemoryIsFreeAfterwards(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.ndjson")
	server := startServer(t, t.TempDir(), "127.0.0.1:-1")
	in, _ := startOn(t, new(Host), map[string]string{"File_Path": out, "Flush_Timeout": "10ms",
		"Nats_Url": server.ClientURL(), "Nats_Subject": "a.{action}", "Nats_Stream": "A", "Nats_Create": "on"})
	var chunk []byte
	answer := Retry
	for answer == Retry { // a slow machine may need more than the deadline
		chunk = pack(event("a"), event("b"))
		answer = in.Flush("t", chunk)
		for i := range chunk {
			chunk[i] = 0xfe
		}
	}
	for _, l := range lines(t, out) {
		if strings.ContainsRune(l, 0xfffd) || !strings.HasPrefix(l, `{"awsRegion"`) {
			t.Errorf("memory that is not the plugin's any more: %q", l)
		}
	}
}

func startServer(t testing.TB, dir, listen string) embedded.Server {
	t.Helper()
	s, err := natsserver.Start(embedded.Config{StoreDir: dir, Listen: listen, SyncInterval: time.Minute}, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// inStream returns the message ids in a stream.
func inStream(t testing.TB, url, stream string) []string {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	info, err := js.StreamInfo(stream)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq && seq > 0; seq++ {
		m, err := js.GetMsg(stream, seq)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.Header.Get("Nats-Msg-Id"))
	}
	return ids
}

// NATS is away at the start: Init succeeds, chunks are answered with retry, and when it is there each event arrives once
// and nothing is sent a second time to the output that had confirmed.
func TestRetriedChunksOnlyWaitForTheRest(t *testing.T) {
	dir := t.TempDir()
	out := dir + "/out.ndjson"
	server := startServer(t, dir+"/js", "127.0.0.1:-1")
	address := strings.TrimPrefix(server.ClientURL(), "nats://")
	server.Shutdown()
	in, log := startOn(t, new(Host), map[string]string{"File_Path": out, "Flush_Timeout": "50ms",
		"Nats_Url": "nats://" + address, "Nats_Subject": "a.{action}", "Nats_Stream": "A", "Nats_Create": "on"})
	chunks := [][]byte{pack(event("a"), event("b")), pack(event("c"))}
	for range 3 {
		for _, c := range chunks {
			if a := in.Flush("t", c); a != Retry {
				t.Fatalf("answer %d without a server", a)
			}
		}
	}
	if in.ledger.len() != 2 || in.agent.Stats().In != 3 {
		t.Errorf("%d chunks remembered, %d events taken; want 2 and 3", in.ledger.len(), in.agent.Stats().In)
	}
	server = startServer(t, dir+"/js", address)
	for _, c := range chunks {
		for in.Flush("t", c) != OK { // the output waits up to some seconds before it tries again
		}
	}
	if got := lines(t, out); len(got) != 3 {
		t.Errorf("%d events in the file, want each of 3 once", len(got))
	}
	if ids := inStream(t, server.ClientURL(), "A"); len(ids) != 3 {
		t.Errorf("in the stream: %v, want 3 messages", ids)
	}
	if in.ledger.len() != 0 {
		t.Errorf("%d chunks remembered after all were answered with OK", in.ledger.len())
	}
	if text := log.text(); strings.Count(text, "no connection to NATS") != 1 || strings.Count(text, "connected to NATS") != 1 {
		t.Errorf("the log should tell of the failure and of its end once each:\n%s", text)
	}
}

func TestEqualChunksAreEachDelivered(t *testing.T) {
	l := newLedger()
	in := start(t, map[string]string{"File_Path": filepath.Join(t.TempDir(), "x")})
	one := in.agent.Engine.Deliver((&chunk{instance: in}).feed, nil)
	two := in.agent.Engine.Deliver((&chunk{instance: in}).feed, nil)
	l.put("t", []byte("c"), one)
	l.put("t", []byte("c"), two)
	if l.take("u", []byte("c")) != nil || l.take("t", []byte("d")) != nil {
		t.Error("another tag or another chunk is taken for it")
	}
	if l.take("t", []byte("c")) != one || l.take("t", []byte("c")) != two || l.take("t", []byte("c")) != nil {
		t.Error("two equal chunks are not two")
	}
	l.limit = 2
	for i := range 5 {
		l.put("t", []byte{byte(i)}, one)
	}
	if l.len() != 2 || len(l.chunks) != 2 || l.take("t", []byte{0}) != nil || l.take("t", []byte{4}) == nil {
		t.Errorf("%d remembered, want the last 2", l.len())
	}
}

func TestMemoryIsBoundedWhileOutputsAreAway(t *testing.T) {
	in, log := startOn(t, new(Host), map[string]string{"Flush_Timeout": "10ms", "Max_Bytes_In_Flight": "1MiB",
		"Nats_Url": "nats://127.0.0.1:1", "Nats_Subject": "a.{action}"})
	for i := range 40 {
		chunk, _ := generated(t, uint64(i+1), 100_000)
		if a := in.Flush("t", chunk); a != Retry {
			t.Fatalf("answer %d", a)
		}
	}
	s := in.agent.Stats()
	if s.OpenFrames > 21 || s.OpenFrames < 10 {
		t.Errorf("%d chunks of 100 kB are held with room for 2 MiB", s.OpenFrames)
	}
	if !strings.Contains(log.text(), "too much waits for the outputs") {
		t.Errorf("the log does not say why:\n%s", log.text())
	}
}

func TestFlushesAtTheSameTime(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.ndjson")
	in := start(t, map[string]string{"File_Path": out})
	const flushers, each = 8, 50
	var wg sync.WaitGroup
	for f := range flushers {
		wg.Go(func() {
			for i := range each {
				if a := in.Flush(fmt.Sprint("t", f), pack(event(fmt.Sprintf("x%d-%d", f, i)))); a != OK {
					t.Errorf("answer %d", a)
				}
			}
		})
	}
	wg.Wait()
	if n := len(lines(t, out)); n != flushers*each {
		t.Errorf("%d events, want %d", n, flushers*each)
	}
}

func TestCloseWhileFlushing(t *testing.T) {
	in := start(t, map[string]string{"Nats_Url": "nats://127.0.0.1:1", "Nats_Subject": "a.{action}", "Flush_Timeout": "1h"})
	answer := make(chan Answer)
	go func() { answer <- in.Flush("t", pack(event("a"))) }()
	for in.agent.Stats().In == 0 {
		time.Sleep(time.Millisecond)
	}
	begin := time.Now()
	in.Close()
	if a := <-answer; a != Retry {
		t.Errorf("answer %d, want Retry", a)
	}
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("closing took %v while the output is away", took)
	}
	if a := in.Flush("t", pack(event("a"))); a != Retry {
		t.Errorf("after Close: answer %d, want Retry", a)
	}
}

func TestInstancesShareAQuarantine(t *testing.T) {
	dir := t.TempDir()
	h := new(Host)
	keys := map[string]string{"File_Path": dir + "/out.ndjson", "Quarantine_Path": dir + "/quarantine"}
	one, _ := startOn(t, h, keys)
	two, _ := startOn(t, h, keys)
	if one.Flush("one", []byte{0xc1}) != Error || two.Flush("two", []byte{0xc1}) != Error {
		t.Error("no error for what is no chunk")
	}
	one.Close()
	if two.Flush("two", []byte{0xc1}) != Error {
		t.Error("the second instance lost the quarantine with the first")
	}
	two.Close()
	n := 0
	if err := quarantine.Each(dir+"/quarantine", func(quarantine.Entry) bool { n++; return true }); err != nil || n != 3 {
		t.Errorf("%d entries, %v; want 3", n, err)
	}
	three, _ := startOn(t, h, keys) // its lock is free again
	three.Close()
	if len(h.stores) != 0 {
		t.Errorf("%d quarantines are still open", len(h.stores))
	}
}

func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	if err := os.WriteFile(file, []byte("outputs:\n  - nats: {embedded: {}, subject: a.b}\ninputs: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	blocked := filepath.Join(dir, "blocked")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		keys map[string]string
		want []string
	}{
		{"nothing", nil, []string{"no output is configured"}},
		{"subject missing", map[string]string{"Nats_Url": "nats://h:1"}, []string{"Nats_Subject: is required beside Nats_Url"}},
		{"url missing", map[string]string{"Nats_Subject": "a.b"}, []string{"Nats_Url: is required beside Nats_Subject"}},
		{"all at once", map[string]string{"Nats_Url": "nats://h:1", "Nats_Subject": "a.{accoun}", "Filter": "select(.a ==", "Flush_Timeout": "4"},
			[]string{"Nats_Subject: unknown template field {accoun} (did you mean {account}?)", "Filter: jq: ", "Flush_Timeout: expected a duration"}},
		{"switch", map[string]string{"File_Path": "/x", "Enrich": "perhaps"}, []string{`Enrich: expected on or off, got "perhaps"`}},
		{"without its switch", map[string]string{"File_Path": "/x", "Enrich_Accounts": "/y"}, []string{"Enrich_Accounts: has no effect without Enrich on"}},
		{"typing error", map[string]string{"File_Path": "/x", "Nats-Url": "nats://h:1"}, []string{"nats-url: unknown key (did you mean Nats_Url?)"}},
		{"as others call it", map[string]string{"File_Path": "/x", "Servers": "nats://h:1"}, []string{"servers: unknown key (did you mean Nats_Url?)"}},
		{"file and keys", map[string]string{"Config_File": file, "Enrich": "on"}, []string{"Enrich: excluded by Config_File"}},
		{"file missing", map[string]string{"Config_File": dir + "/none.yaml"}, []string{"Config_File: open "}},
		{"agent's keys in the file", map[string]string{"Config_File": file},
			[]string{file + ":2:12: outputs[0].nats.embedded: the Fluent Bit plugin runs no NATS server", file + ":3:1: inputs: unknown key"}},
		{"quarantine", map[string]string{"File_Path": "/x", "Quarantine_Path": blocked + "/q"}, []string{"open quarantine: "}},
		{"credentials missing", map[string]string{"Nats_Url": "nats://h:1", "Nats_Subject": "a.b", "Nats_Creds_File": dir + "/none.creds", "Quarantine_Path": dir + "/q"},
			[]string{"Nats_Creds_File: open "}},
		{"a value that looks like YAML", map[string]string{"File_Path": "/x\"\n  - stdout: {}", "Nats_Url": "nats://h:1\", embedded: {}"}, []string{"Nats_Subject: is required"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			log := &logs{}
			h := new(Host)
			in, ok := h.Start(Options{Name: "trailcast.3", Get: getter(test.keys), Print: log.print, Level: LevelInfo})
			if ok {
				in.Close()
				t.Fatal("it starts")
			}
			for _, l := range log.lines {
				if !strings.HasPrefix(l, "1 [output:trailcast:trailcast.3] ") || strings.ContainsAny(l, "\n\x1b") {
					t.Errorf("not one line in Fluent Bit's form: %q", l)
				}
			}
			if len(log.lines) != len(test.want) {
				t.Errorf("%d lines, want %d:\n%s", len(log.lines), len(test.want), log.text())
			}
			for _, want := range test.want {
				if !strings.Contains(log.text(), "] "+want) {
					t.Errorf("the log does not say %q:\n%s", want, log.text())
				}
			}
			if len(h.stores) != 0 {
				t.Error("the quarantine stays open")
			}
		})
	}
}

func TestConfigFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pipeline.yaml")
	t.Setenv("OUT", dir)
	if err := os.WriteFile(file, []byte(`
fluent_bit: {unwrap: [log], flush_timeout: 2s, stats_interval: 0}
quarantine: {path: "${OUT}/quarantine"}
filters: [{jq: 'select(.eventName != "b")'}]
outputs:
  - name: jane
    when: '.userIdentity.userName == "jane"'
    file: {path: `+dir+`/jane.ndjson}
  - name: rest
    filters: [{jq: '{n: .eventName}'}]
    file: {path: `+dir+`/rest.ndjson}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	in, log := startOn(t, new(Host), map[string]string{"Config_File": file})
	if a := in.Flush("t", pack(event("a"), event("b"))); a != OK {
		t.Fatalf("answer %d: %s", a, log.text())
	}
	if got := lines(t, dir+"/rest.ndjson"); len(got) != 1 || got[0] != `{"n":"a"}` || len(lines(t, dir+"/jane.ndjson")) != 1 {
		t.Errorf("got %v", got)
	}
}

// Secrets never stand in the log.
func TestSecretsAreNotLogged(t *testing.T) {
	in, log := startOn(t, new(Host), map[string]string{"Nats_Url": "nats://u:hunter2@127.0.0.1:1", "Nats_Subject": "a.b", "Flush_Timeout": "50ms", "Stats_Interval": "10ms"})
	in.Flush("t", pack(event("a")))
	in.Close()
	l2 := &logs{}
	new(Host).Start(Options{Name: "x", Get: getter(map[string]string{"Nats_Url": "nats://u:hunter2@h:1 ", "Nats_Password": "hunter2", "Nats_Token": "hunter2", "Nats_Subject": "{"}), Print: l2.print, Level: LevelDebug})
	if text := log.text() + l2.text(); strings.Contains(text, "hunter2") {
		t.Errorf("the password is in the log:\n%s", text)
	}
}

func TestLogLines(t *testing.T) {
	l := &logs{}
	log := newLog("trailcast.1", LevelInfo, l.print)
	log.Debug("not this")
	log.With("output", "nats").Warn("a \x1b[31mred\n line", "err", fmt.Errorf("say \"no\" \u202e"), "n", 3)
	want := `2 [output:trailcast:trailcast.1] a ` + "\ufffd" + `[31mred  line output=nats err="say \"no\" ` + "\ufffd" + `" n=3`
	if l.text() != want {
		t.Errorf("got  %s\nwant %s", l.text(), want)
	}
}

// Nothing grows over a hundred thousand flushes: no goroutine, no ledger entry, no frame.
func TestManyFlushes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	in := start(t, map[string]string{"File_Path": filepath.Join(t.TempDir(), "x.ndjson"), "Filter": "select(.none)"})
	chunk := pack(event("a"))
	for range 100_000 {
		if in.Flush("t", chunk) != OK {
			t.Fatal("not OK")
		}
	}
	in.Close()
	if s := in.agent.Stats(); s.OpenFrames != 0 || s.EventsInFlight != 0 || s.Filtered != 100_000 || in.ledger.len() != 0 {
		t.Errorf("%+v, %d chunks remembered", s, in.ledger.len())
	}
}
