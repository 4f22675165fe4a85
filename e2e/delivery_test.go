package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/outputs/natsout/embedded"
	"github.com/trailcast/trailcast/outputs/natsout/embedded/natsserver"
)

// natsServer starts a real NATS server with JetStream in this process, apart from the agent's.
func natsServer(t *testing.T, dir, listen string) embedded.Server {
	t.Helper()
	s, err := natsserver.Start(embedded.Config{StoreDir: dir, Listen: listen}, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// subscriber collects what a separate client receives.
type subscriber struct {
	mu       sync.Mutex
	messages []*nats.Msg
	conn     *nats.Conn
}

func subscribe(t *testing.T, url, subject string) *subscriber {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	s := &subscriber{conn: conn}
	if _, err := conn.Subscribe(subject, func(m *nats.Msg) {
		s.mu.Lock()
		s.messages = append(s.messages, m)
		s.mu.Unlock()
	}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	return s
}

// received returns what came until now; all that was confirmed before has come, since the server answers in order.
func (s *subscriber) received(t *testing.T) []*nats.Msg {
	t.Helper()
	if err := s.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.conn.Drain(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !s.conn.IsClosed() {
		select {
		case <-ctx.Done():
			t.Fatal("the subscription does not drain")
		case <-time.After(time.Millisecond):
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages
}

func streamMessages(t *testing.T, url, stream string) (count uint64, ids map[string]int) {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cons, err := s.CreateConsumer(t.Context(), jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
	if err != nil {
		t.Fatal(err)
	}
	ids = map[string]int{}
	for n := uint64(0); n < info.State.Msgs; {
		batch, err := cons.FetchNoWait(5000)
		if err != nil {
			t.Fatal(err)
		}
		for m := range batch.Messages() {
			ids[m.Headers().Get(jetstream.MsgIDHeader)]++
			n++
		}
		if batch.Error() != nil {
			t.Fatal(batch.Error())
		}
	}
	return info.State.Msgs, ids
}

// TestEveryRecordArrives sends the whole extended data set: a separate client receives each event with its headers,
// JetStream holds one message for each transport key, and a second run adds none.
func TestEveryRecordArrives(t *testing.T) {
	data := extendedData(t)
	dir := t.TempDir()
	server := natsServer(t, filepath.Join(dir, "nats"), "127.0.0.1:-1")
	sub := subscribe(t, server.ClientURL(), "audit.>")
	config := func(state string) string {
		return write(t, filepath.Join(dir, state+".yaml"), fmt.Sprintf(`
state_dir: %[1]s/%[2]s
inputs: [{name: all, file: {paths: [%[3]s/**]}}]
outputs:
  - name: bus
    nats: {url: %[4]q, subject: "audit.{account}.{region}.{service}.{action}", stream: AUDIT, create: true}
  - name: copy
    file: {path: %[1]s/%[2]s.ndjson}
`, dir, state, data, server.ClientURL()))
	}
	first := config("first")
	if _, stderr, code := run(t, time.Minute, "run", "-c", first); code != 0 && code != 3 {
		t.Fatalf("first run ends with %d\n%s", code, stderr)
	}
	messages := sub.received(t)
	want := ndjson(t, filepath.Join(dir, "first.ndjson"))
	got := map[string]int{}
	for _, m := range messages {
		got[compact(t, m.Data)]++
		if m.Header.Get("Nats-Msg-Id") == "" || m.Header.Get("Trailcast-Kind") == "" || m.Header.Get("Trailcast-Id") == "" {
			t.Errorf("message on %s lacks headers: %v", m.Subject, m.Header)
		}
		if n := strings.Count(m.Subject, "."); n != 4 {
			t.Errorf("subject %q has %d levels, want 5", m.Subject, n+1)
		}
	}
	compacted := map[string]int{} // a file holds one line for each event; a message has the record's own white space
	for line, n := range want {
		compacted[compact(t, []byte(line))] += n
	}
	for line, n := range compacted {
		if got[line] != n {
			t.Errorf("received %d times, want %d: %.200s", got[line], n, line)
		}
	}
	if len(messages) < 900 {
		t.Errorf("only %d events in the whole data set", len(messages))
	}
	ids := map[string]bool{}
	for _, m := range messages {
		ids[m.Header.Get("Nats-Msg-Id")] = true
	}
	count, _ := streamMessages(t, server.ClientURL(), "AUDIT")
	if count != uint64(len(ids)) {
		t.Errorf("the stream holds %d messages for %d distinct keys", count, len(ids))
	}
	t.Logf("%d events, %d distinct keys", len(messages), len(ids))

	if _, stderr, code := run(t, time.Minute, "run", "-c", config("second")); code != 0 && code != 3 {
		t.Fatalf("second run ends with %d\n%s", code, stderr)
	}
	if again, _ := streamMessages(t, server.ClientURL(), "AUDIT"); again != count {
		t.Errorf("a second run over the same files added %d messages", again-count)
	}
}

func compact(t *testing.T, raw []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Errorf("%v in %.200s", err, raw)
	}
	return b.String()
}

func ndjson(t *testing.T, path string) map[string]int {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]int{}
	for line := range strings.Lines(string(data)) {
		lines[strings.TrimSuffix(line, "\n")]++
	}
	return lines
}

// TestKillLosesNothing kills the agent without warning again and again while it works, with the NATS server going away
// in between too, and checks at the end that every event is on the other side, in the stream and in the files.
func TestKillLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a few seconds")
	}
	const files, perFile = 40, 1000
	dir := t.TempDir()
	gen := records.New(7)
	want := map[string]bool{}
	for i := range files {
		var b bytes.Buffer
		var err error
		if i%2 == 0 {
			err = gen.WriteLines(&b, int64(i*perFile), perFile)
		} else {
			err = gen.WriteDocument(&b, int64(i*perFile), perFile)
		}
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "in", fmt.Sprintf("%03d.json", i)), b.String())
		for k := range perFile {
			want[eventID(t, gen.Append(nil, int64(i*perFile+k)))] = true
		}
	}
	server := natsServer(t, filepath.Join(dir, "nats"), "127.0.0.1:-1")
	config := write(t, filepath.Join(dir, "trailcast.yaml"), fmt.Sprintf(`
state_dir: %[1]s/state
metrics: {listen: "off"}
inputs: [{name: trail, file: {paths: [%[1]s/in/*.json]}}]
filters: [{enrich: {}}]
outputs:
  - {name: bus, nats: {url: %[2]q, subject: "audit.{account}.{action}", stream: AUDIT, create: true}}
  - {name: files, file: {path: "%[1]s/out/{region}.ndjson"}}
`, dir, server.ClientURL()))

	killed := 0
	for round := range 12 {
		a := startAgent(t, "run", "-c", config)
		// Killed at some point of its work: after as many lines in the files as the round says.
		deadline := time.After(20 * time.Second)
		done := make(chan error, 1)
		go func() { done <- a.cmd.Wait() }()
		ended := false
		for !ended && outSize(filepath.Join(dir, "out")) < int64(round+1)*3<<20 {
			select {
			case <-done:
				ended = true
			case <-deadline:
				t.Fatalf("the agent does not get on\n%s", a.stderr)
			case <-time.After(time.Millisecond):
			}
		}
		if ended {
			break
		}
		if err := a.cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-done
		killed++
	}
	if killed < 3 {
		t.Errorf("killed only %d times: the test did not test much", killed)
	}
	stdout, stderr, code := run(t, 2*time.Minute, "run", "-c", config)
	if code != 0 {
		t.Fatalf("the last run ends with %d\n%s%s", code, stdout, stderr)
	}
	_, ids := streamMessages(t, server.ClientURL(), "AUDIT")
	inStream := map[string]bool{}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%s is in the stream %d times", id, n)
		}
		id = strings.TrimPrefix(id, "bus:")
		inStream[id[:strings.IndexByte(id, ':')]] = true
	}
	inFiles := map[string]bool{}
	eachFile(t, filepath.Join(dir, "out"), func(path string) {
		for line := range ndjson(t, path) {
			inFiles[eventID(t, []byte(line))] = true
		}
	})
	for id := range want {
		if !inStream[id] {
			t.Fatalf("event %s never reached the stream (killed %d times)", id, killed)
		}
		if !inFiles[id] {
			t.Fatalf("event %s never reached the files (killed %d times)", id, killed)
		}
	}
	t.Logf("%d events, killed %d times", len(want), killed)
}

func eventID(t *testing.T, raw []byte) string {
	t.Helper()
	var e struct{ EventID string }
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatalf("%v in %.300s", err, raw)
	}
	return e.EventID
}

func eachFile(t *testing.T, dir string, do func(path string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			do(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func outSize(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // not there yet
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}

// TestHostileValues: whatever stands in a templated field, it adds no subject level, wildcard, path segment or header.
func TestHostileValues(t *testing.T) {
	dir := t.TempDir()
	server := natsServer(t, filepath.Join(dir, "nats"), "127.0.0.1:-1")
	sub := subscribe(t, server.ClientURL(), ">")
	hostile := []string{
		"a.b.>", "*", ">", "../../x", "..", ".", "/etc/passwd", "a\nb", "a\r\nNats-Msg-Id: x", "", " ", "\x00", "\x1b[2J",
		"$SYS.REQ", strings.Repeat("x", 10<<10), strings.Repeat("ü", 5<<10), "C:\\x", "-rf", "a\u2028b", "\u202e", "{account}",
	}
	var in bytes.Buffer
	for i, v := range hostile {
		raw, err := json.Marshal(map[string]any{
			"eventVersion": "1.08", "eventTime": "2026-01-01T00:00:00Z", "eventID": fmt.Sprintf("%d %s", i, v),
			"eventSource": v + ".amazonaws.com", "eventName": v, "awsRegion": v, "recipientAccountId": v,
			"errorCode": v, "userIdentity": map[string]any{"type": v, "userName": v, "accountId": v, "arn": "arn:aws:sts::" + v + ":assumed-role/" + v + "/" + v},
			"requestParameters": map[string]any{"target": v}, "free": v,
		})
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(raw, '\n'))
	}
	input := write(t, filepath.Join(dir, "in", "hostile.ndjson"), in.String())
	config := write(t, filepath.Join(dir, "trailcast.yaml"), fmt.Sprintf(`
state_dir: %[1]s/state
metrics: {listen: "off"}
inputs: [{name: hostile, file: {paths: [%[3]q]}}]
filters: [{enrich: {}}]
outputs:
  - {name: bus, nats: {url: %[2]q, subject: "audit.{account}.{region}.{service}.{action}.{actor}.{role}.{user}.{outcome}.{id}.{.free}.{target}"}}
  - {name: files, file: {path: "%[1]s/out/{account}/{region}-{service}/{action}/{actor}/{user}/{id}/{.free}.ndjson"}}
`, dir, server.ClientURL(), input))
	if _, stderr, code := run(t, time.Minute, "run", "-c", config); code != 0 {
		t.Fatalf("run ends with %d\n%s", code, stderr)
	}
	messages := sub.received(t)
	n := 0
	for _, m := range messages {
		if !strings.HasPrefix(m.Subject, "audit.") {
			if !strings.HasPrefix(m.Subject, "$") && !strings.HasPrefix(m.Subject, "_INBOX") {
				t.Errorf("a message on %q", m.Subject)
			}
			continue
		}
		n++
		tokens := strings.Split(m.Subject, ".")
		if len(tokens) != 12 {
			t.Errorf("%d levels in %q, want 12", len(tokens), m.Subject)
		}
		for _, token := range tokens {
			if token == "" || strings.ContainsAny(token, "*> \t\r\n\x00\x1b") || len(token) > 160 {
				t.Errorf("token %q in %q", token, m.Subject)
			}
		}
		for key, values := range m.Header {
			if key != "Nats-Msg-Id" && !strings.HasPrefix(key, "Trailcast-") || len(values) != 1 {
				t.Errorf("header %q: %q", key, values)
			}
		}
	}
	if n != len(hostile) {
		t.Errorf("%d messages for %d events", n, len(hostile))
	}
	lines := 0
	eachFile(t, filepath.Join(dir, "out"), func(path string) {
		rel, err := filepath.Rel(filepath.Join(dir, "out"), path)
		if err != nil || strings.Count(rel, "/") != 6 {
			t.Errorf("file %q is not 7 levels below the root", rel)
		}
		for _, n := range ndjson(t, path) {
			lines += n
		}
	})
	if lines != len(hostile) {
		t.Errorf("%d lines in files for %d events", lines, len(hostile))
	}
	eachFile(t, dir, func(path string) {
		rel, _ := filepath.Rel(dir, path)
		switch top, _, _ := strings.Cut(rel, "/"); top {
		case "out", "in", "state", "nats", "trailcast.yaml":
		default:
			t.Errorf("a file outside: %q", rel)
		}
	})
}
