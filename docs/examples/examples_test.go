// Package examples runs the consumers of docs/nats.md against a NATS server.
package examples

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/outputs/natsout"
	"github.com/trailcast/trailcast/outputs/natsout/embedded"
	"github.com/trailcast/trailcast/outputs/natsout/embedded/natsserver"
	"github.com/trailcast/trailcast/outputs/outputtest"
	"github.com/trailcast/trailcast/pipeline"
)

const limit = 2 * time.Minute // the Go consumer is compiled within it

func start(t *testing.T) (context.Context, *natsout.Output) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	out, err := natsout.New(natsout.Config{
		Subject:  conf.Text{Value: "audit.{account}.{region}.{service}.{action}"},
		Stream:   "AUDIT",
		Create:   true,
		Embedded: &embedded.Config{StoreDir: t.TempDir(), Listen: "127.0.0.1:-1"}, Start: natsserver.Start,
	}, pipeline.Env{Name: "bus"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := out.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := out.Check(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx, out
}

func publish(t *testing.T, ctx context.Context, out *natsout.Output, events []pipeline.Event) {
	t.Helper()
	if err := out.Write(ctx, events); err != nil {
		t.Fatal(err)
	}
}

// wantLines fails unless the printed lines are these events in this order.
func wantLines(t *testing.T, out *natsout.Output, printed string, events []pipeline.Event) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(printed, "\n"), "\n")
	if len(lines) != len(events) {
		t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(events), printed)
	}
	for i, line := range lines {
		x, err := out.Explain(&events[i])
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.SplitN(line, "\t", 3)
		if len(fields) != 3 || fields[0] != x.Destination || fields[1] != x.Headers[0][1] {
			t.Fatalf("line %d: got %q, want subject %s and id %s", i+1, line, x.Destination, x.Headers[0][1])
		}
		var got, want bytes.Buffer
		if json.Compact(&got, []byte(fields[2])) != nil || json.Compact(&want, events[i].Raw) != nil || got.String() != want.String() {
			t.Fatalf("line %d: got event %s, want %s", i+1, fields[2], events[i].Raw)
		}
	}
}

func TestGoConsumer(t *testing.T) {
	ctx, out := start(t)
	binary := filepath.Join(t.TempDir(), "consumer")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./consumer-go")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	consume := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, binary, append([]string{"-url", out.Server().ClientURL()}, args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		text, err := cmd.Output()
		if err != nil {
			t.Fatalf("consumer: %v\n%s", err, &stderr)
		}
		return string(text)
	}
	events := outputtest.Events(0, 30)
	first := 20
	publish(t, ctx, out, events[:first])
	wantLines(t, out, consume("-n", "12"), events[:12])
	// The same consumer goes on where it stopped, and gets what was published meanwhile.
	publish(t, ctx, out, events[first:])
	wantLines(t, out, consume("-n", "18"), events[12:])

	// One account only.
	var own []pipeline.Event
	for _, ev := range events {
		if ev.Facts().Account.ID == "123456789012" {
			own = append(own, ev)
		}
	}
	wantLines(t, out, consume("-durable", "tenant", "-filter", "audit.123456789012.>", "-n", "15"), own)
}

func TestPythonConsumer(t *testing.T) {
	ctx, out := start(t)
	if err := exec.CommandContext(ctx, "python3", "-c", "").Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("python3: %v", err)
		}
		t.Skipf("python3 is not there: %v", err)
	}
	u, err := url.Parse(out.Server().ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "python3", "consumer.py", "--host", u.Hostname(), "--port", u.Port(), "--count", "30")
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stderr).ReadString('\n'); err != nil || line != "subscribed\n" {
		t.Fatalf("the consumer says %q (%v), want that it has subscribed", line, err)
	}
	events := outputtest.Events(0, 30)
	publish(t, ctx, out, events)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("consumer: %v", err)
	}
	wantLines(t, out, stdout.String(), events)
}
