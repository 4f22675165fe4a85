package e2e

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/trailcast/trailcast/bench/gen/sessions"
)

// TestSessionsReport holds that a report is the same wherever the calls and logs are read: from files, from buckets, from a
// stream, and from the archive that an agent made of them with the sessions filter.
func TestSessionsReport(t *testing.T) {
	scenario := sessions.New(4, 60)
	dir := t.TempDir()
	if err := scenario.WriteFiles(dir + "/in"); err != nil {
		t.Fatal(err)
	}
	want := reported(t, dir+"/in")
	if len(want) != len(scenario.Truth()) {
		t.Fatalf("%d sessions, want %d", len(want), len(scenario.Truth()))
	}
	t.Run("archive", func(t *testing.T) {
		config := write(t, dir+"/trailcast.yaml", `
state_dir: `+dir+`/state
metrics: {listen: "off"}
inputs: [{file: {paths: ["`+dir+`/in"]}}]
filters: [{enrich: {}}, {sessions: {logs: true}}]
outputs:
  - when: .trailcast.kind != "session"
    file: {path: "`+dir+`/archive/{kind}/{account}/{date}.ndjson.gz"}
`)
		if _, stderr, code := run(t, time.Minute, "run", "-c", config); code != 0 {
			t.Fatalf("exit code %d\n%s", code, stderr)
		}
		same(t, want, reported(t, dir+"/archive"))
	})
	t.Run("s3", func(t *testing.T) {
		tr := newTrail(t)
		upload(t, tr, dir+"/in")
		t.Setenv("AWS_ENDPOINT_URL", tr.server.URL)
		same(t, want, reported(t, "--region", "eu-west-1", "s3://"+tr.bucket+"/"))
	})
	t.Run("stream", func(t *testing.T) {
		server := natsServer(t, dir+"/nats", "127.0.0.1:-1")
		deliverAll(t, server.ClientURL(), scenario)
		same(t, want, reported(t, server.ClientURL()+"/SESSIONS"))
	})
}

func same(t *testing.T, want, got map[string]map[string]any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// reported runs the report, and returns its sessions by what tells them apart. What depends on the time at which a
// transcript was written is left out: not every source tells it.
func reported(t *testing.T, args ...string) map[string]map[string]any {
	t.Helper()
	stdout, stderr, code := run(t, 2*time.Minute, append([]string{"sessions", "--since", "all", "-f", "ndjson"}, args...)...)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	all := map[string]map[string]any{}
	for line := range strings.Lines(stdout) {
		var s map[string]any
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		if s["ending"] == "transcript" {
			delete(s, "ended")
			delete(s, "duration_s")
		}
		id, _ := s["id"].(string)
		if id == "" {
			id = s["target"].(string) + " " + s["started"].(string)
		}
		all[id] = s
	}
	return all
}

func upload(t *testing.T, tr *trail, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		tr.put(filepath.ToSlash(rel), body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// deliverAll stores everything in a stream as an agent's NATS output has it: one event a message. A transcript has no
// session id of its own, so that of its parts is what split makes of it.
func deliverAll(t *testing.T, url string, scenario *sessions.Scenario) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "SESSIONS", Subjects: []string{"in"}}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := scenario.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	text, stderr, code := run(t, time.Minute, "query", "-c", ".", dir)
	if code != 0 {
		t.Fatal(stderr)
	}
	messages := map[string]bool{} // repeats of logs have no identity in a message
	for line := range strings.Lines(text) {
		messages[line] = true
	}
	for _, m := range slices.Sorted(maps.Keys(messages)) {
		if _, err := js.Publish(t.Context(), "in", bytes.TrimSpace([]byte(m))); err != nil {
			t.Fatal(err)
		}
	}
}
