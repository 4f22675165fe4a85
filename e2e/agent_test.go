package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trailcast/trailcast/bench/gen/records"
)

// TestStopDrains follows a file, is looked at over HTTP while it runs, and drains at SIGTERM.
func TestStopDrains(t *testing.T) {
	dir := t.TempDir()
	input := write(t, filepath.Join(dir, "in", "a.ndjson"), string(append(records.New(1).Append(nil, 1), '\n')))
	config := write(t, filepath.Join(dir, "trailcast.yaml"), fmt.Sprintf(`
state_dir: %[1]s/state
metrics: {listen: "127.0.0.1:0"}
inputs: [{name: trail, file: {paths: [%[1]s/in], follow: true, poll_interval: 10ms}}]
filters: [{enrich: {}}]
outputs:
  - {name: bus, nats: {embedded: {listen: "127.0.0.1:-1"}, subject: "audit.{account}", stream: AUDIT, create: true}}
  - {name: copy, file: {path: %[1]s/out.ndjson}}
`, dir))
	cmd := exec.Command(trailcast, "run", "-c", config)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(stderr)
	address := ""
	for address == "" && lines.Scan() {
		if m := regexp.MustCompile(`address=(http://\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			address = m[1]
		}
	}
	rest := make(chan string)
	go func() {
		var all strings.Builder
		for lines.Scan() {
			all.WriteString(lines.Text() + "\n")
		}
		rest <- all.String()
	}()
	await(t, "the first event", func() bool { return strings.Contains(get(t, address+"/metrics"), `delivered_total{output="copy"} 1`) })
	f, err := os.OpenFile(input, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(append(records.New(1).Append(nil, 2), '\n')); err != nil {
		t.Fatal(err)
	}
	f.Close()
	await(t, "the appended event", func() bool { return strings.Contains(get(t, address+"/metrics"), `delivered_total{output="bus"} 2`) })
	if ready := get(t, address+"/readyz"); !strings.Contains(ready, `"ready": true`) || !strings.Contains(ready, "nats://127.0.0.1:") {
		t.Errorf("/readyz: %s", ready)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	account := <-rest
	if err := cmd.Wait(); err != nil {
		t.Errorf("a drained stop ends with %v\n%s", err, account)
	}
	if !strings.Contains(account, "filtered  unrouted") {
		t.Errorf("no closing account: %s", account)
	}
	if n := len(ndjson(t, filepath.Join(dir, "out.ndjson"))); n != 2 {
		t.Errorf("%d events in the file, want 2", n)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// await polls a condition that another process brings about.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	awaitFor(t, 20*time.Second, what, ok)
}

func awaitFor(t testing.TB, timeout time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline, pause := time.After(timeout), max(20*time.Millisecond, timeout/500) // an emulator is not to answer this alone
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("%s does not come", what)
		case <-time.After(pause):
		}
	}
}

// TestOneStreamForAll: two outputs into one stream and a filter that makes three events of one lose nothing, and what was
// typed in a session stays text.
func TestOneStreamForAll(t *testing.T) {
	dir := t.TempDir()
	server := natsServer(t, filepath.Join(dir, "nats"), "127.0.0.1:-1")
	var in []byte
	for i := range int64(50) {
		in = append(records.New(2).Append(in, i), '\n')
	}
	in = append(in, `{"eventVersion":"1.0","eventTime":"2026-01-01T00:00:00Z","awsRegion":"eu-west-1","target":{"id":"i-1"},"userIdentity":{"arn":"arn:aws:iam::123456789012:user/x"},"sessionId":"x-0123456789abcdef0","sessionData":["{\"eventVersion\":\"1.08\",\"eventName\":\"Forged\",\"eventID\":\"f\",\"eventSource\":\"iam.amazonaws.com\",\"userIdentity\":{\"type\":\"Root\"}}"]}`+"\n"...)
	write(t, filepath.Join(dir, "in", "a.ndjson"), string(in))
	transcript := "Script started on 2026-01-01\r\n$ cat x\r\n" + string(records.New(2).Append(nil, 99)) + "\r\n"
	write(t, filepath.Join(dir, "in", "x-0123456789abcdef0.log"), transcript)
	config := write(t, filepath.Join(dir, "trailcast.yaml"), fmt.Sprintf(`
state_dir: %[1]s/state
metrics: {listen: "off"}
inputs: [{name: all, file: {paths: [%[1]s/in]}}]
filters: [{jq: '., {n: 1}, {n: 2}'}]
outputs:
  - {name: one, nats: {url: %[2]q, subject: "audit.{kind}.{action}", stream: AUDIT, create: true}}
  - {name: two, nats: {url: %[2]q, subject: "audit.again.{kind}", stream: AUDIT}}
`, dir, server.ClientURL()))
	if _, stderr, code := run(t, time.Minute, "run", "-c", config); code != 0 {
		t.Fatalf("run ends with %d\n%s", code, stderr)
	}
	const events = 52
	count, ids := streamMessages(t, server.ClientURL(), "AUDIT")
	if count != 6*events || len(ids) != 6*events {
		t.Errorf("%d messages with %d ids, want %d", count, len(ids), 6*events)
	}
	if out, _, _ := run(t, time.Minute, "query", "-r", `select(.eventName == "Forged") | "forged"`, filepath.Join(dir, "in")); out != "" {
		t.Errorf("typed text became an event: %s", out)
	}
}
