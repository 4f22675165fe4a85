package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/statedir"
	"github.com/trailcast/trailcast/internal/yamlconf"
	"github.com/trailcast/trailcast/outputs/natsout/embedded/natsserver"
	"github.com/trailcast/trailcast/pipeline"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func build(t *testing.T, text string, o Options) (*Agent, error) {
	t.Helper()
	c, err := load(text)
	if err != nil {
		t.Fatal(formatted(err))
	}
	return Build(c, o)
}

// TestDeliver feeds an agent without inputs: common keys of filters and outputs reach the engine.
func TestDeliver(t *testing.T) {
	dir := t.TempDir()
	agent, err := build(t, `
state_dir: `+dir+`/state
`+anyInput+`
filters:
  - name: odd
    when: .n < 4
    jq: select(.n % 2 == 1)
  - name: fails
    when: .n == 5
    on_error: drop
    jq: .n | error
outputs:
  - name: all
    ordered: true
    file: {path: "`+dir+`/all.ndjson"}
  - name: some
    when: .n > 3
    filters: [{jq: "{half: (.n / 2)}"}]
    file: {path: "`+dir+`/some.ndjson"}
  - name: skipped
    when: .n | error
    on_error: skip
    file: {path: "`+dir+`/skipped.ndjson"}
`, Options{NoInputs: true})
	if err != nil {
		t.Fatal(formatted(err))
	}
	var events []pipeline.Event
	for i, raw := range []string{`{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`, `{"n":5}`, `{"n":6}`} {
		events = append(events, pipeline.NewEvent(&pipeline.Record{
			Raw: []byte(raw), Kind: pipeline.KindOther, Origin: &pipeline.Origin{Input: "test"}, Index: int64(i), Reader: record.Reader{},
		}))
	}
	result, _ := agent.Engine.Deliver(func(ctx context.Context, f *pipeline.Frame) error { return f.Feed(ctx, events) }, nil).Wait(t.Context())
	if result.Outcome != pipeline.Delivered {
		t.Fatalf("%+v", result)
	}
	if err := agent.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"all.ndjson":  `{"n":1} {"n":3} {"n":4} {"n":6}`,
		"some.ndjson": `{"half":2} {"half":3}`,
	} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Join(strings.Fields(string(got)), " "); lines != want {
			t.Errorf("%s holds %s, want %s", name, lines, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "skipped.ndjson")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the skipped output has a file: %v", err)
	}
}

func TestStreams(t *testing.T) {
	c, err := load("state_dir: " + t.TempDir() + "\n" + anyInput + "filters: [{jq: 'select(.n > 1)'}]\n" + anyOutput)
	if err != nil {
		t.Fatal(formatted(err))
	}
	var out strings.Builder
	agent, err := Build(c, Options{NATSServer: natsserver.Start, Stdin: strings.NewReader("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":"), Stdout: &out})
	if err != nil {
		t.Fatal(formatted(err))
	}
	if err := agent.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out.String() != "{\"n\":2}\n{\"n\":3}\n" {
		t.Errorf("output %q", out.String())
	}
	if s := agent.Stats(); s.In != 4 || s.Filtered != 1 || s.Quarantined != 1 || s.Routed != 2 {
		t.Errorf("%+v", s.Counts)
	}
}

// TestFailedBuildLeavesNothing holds that an error late in Build gives back what was opened: the state directory's lock,
// the first output's server, goroutines (see TestMain).
func TestFailedBuildLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	_, err := build(t, `
state_dir: `+dir+`
`+anyInput+`
filters: [{dedupe: {}}]
outputs:
  - nats: {embedded: {listen: "127.0.0.1:-1"}, subject: a.b, stream: S, create: true}
  - name: second
    nats: {url: "nats://127.0.0.1:1", subject: a.c, creds_file: `+dir+`/missing.creds}
`, Options{NATSServer: natsserver.Start})
	errs, ok := errors.AsType[*yamlconf.Errors](err)
	if !ok {
		t.Fatalf("error is %T %v", err, err)
	}
	if got := errs.All(); len(got) != 1 || got[0].Pos.Line != 9 || !strings.HasPrefix(got[0].Path, "outputs[1].nats") {
		t.Errorf("%v", errs)
	}
	state, err := statedir.Open(dir)
	if err != nil {
		t.Fatalf("the state directory is still held: %v", err)
	}
	if err := state.Close(); err != nil {
		t.Error(err)
	}
	agent, err := build(t, "state_dir: "+dir+"\n"+anyInput+`
outputs: [{nats: {embedded: {listen: "127.0.0.1:-1"}, subject: a.b, stream: S, create: true}}]
`, Options{NATSServer: natsserver.Start})
	if err != nil {
		t.Fatalf("the embedded server's directory is still held: %v", err)
	}
	if err := agent.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSecondAgentIsRefused(t *testing.T) {
	text := "state_dir: " + t.TempDir() + "\n" + anyInput + anyOutput
	first, err := build(t, text, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = build(t, text, Options{})
	if _, ok := errors.AsType[*statedir.InUseError](err); !ok {
		t.Errorf("error is %T %v", err, err)
	}
	// Looking at the configuration is possible all the same.
	look, err := build(t, text, Options{Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	if look.Engine != nil || len(look.Outputs) != 1 || look.Outputs[0].Output == nil {
		t.Errorf("%+v", look)
	}
	if err := errors.Join(look.Close(t.Context()), first.Close(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestOfflineTouchesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	agent, err := build(t, "state_dir: "+dir+"\n"+anyInput+`
outputs:
  - nats: {embedded: {listen: "127.0.0.1:1"}, subject: "a.{account}", stream: S, create: true}
  - file: {path: `+dir+`/out.ndjson}
`, Options{Offline: true})
	if err != nil {
		t.Fatal(formatted(err))
	}
	explainer, ok := agent.Outputs[0].Output.(pipeline.Explainer)
	if !ok {
		t.Fatal("the NATS output explains nothing")
	}
	ev := pipeline.NewEvent(&pipeline.Record{
		Raw: []byte(`{"recipientAccountId":"123456789012"}`), Kind: pipeline.KindCloudTrail, Origin: &pipeline.Origin{}, Reader: record.Reader{},
	})
	if e, err := explainer.Explain(&ev); err != nil || e.Destination != "a.123456789012" {
		t.Errorf("%+v %v", e, err)
	}
	if err := agent.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state directory was made: %v", err)
	}
}
