package build

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailcast/trailcast/internal/yamlconf"
	"github.com/trailcast/trailcast/outputs/natsout/embedded/natsserver"
)

func load(text string) (*Config, error) { return Load("agent.yaml", []byte(text), os.LookupEnv) }

const (
	anyInput  = "inputs: [stdin]\n"
	anyOutput = "outputs: [stdout]\n"
)

func TestNames(t *testing.T) {
	c, err := load(`
inputs:
  - stdin
  - {name: trail, file: {paths: [x]}}
filters:
  - jq: .
  - {name: jq-2, jq: .}
  - jq: .
  - jq: .
  - enrich: {}
outputs:
  - stdout
  - {name: pretty, stdout: {}, filters: [{jq: .}, {jq: .}]}
  - stdout:
`)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range c.Inputs {
		got = append(got, i.Name)
	}
	for _, f := range c.Filters {
		got = append(got, f.Name)
	}
	for _, o := range c.Outputs {
		got = append(got, o.Name)
		for _, f := range o.Filters {
			got = append(got, o.Name+"/"+f.Name)
		}
	}
	want := []string{
		"stdin", "trail", "jq", "jq-2", "jq-3", "jq-4", "enrich", "stdout", "pretty", "pretty/jq", "pretty/jq-2", "stdout-2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDefaults(t *testing.T) {
	c, err := load(anyInput + anyOutput)
	if err != nil {
		t.Fatal(err)
	}
	if c.StateDir != "/var/lib/trailcast" || c.Limits.MaxEvents != 20000 || c.Limits.MaxBytes != 4<<20 ||
		c.DrainTimeout.String() != "30s" || c.Metrics.Listen != "127.0.0.1:9464" || c.Log.Level != "info" {
		t.Errorf("%+v", c)
	}
	if o := c.Outputs[0]; o.Delivery != "required" || o.OnError != "send" || o.Ordered {
		t.Errorf("%+v", o)
	}
	if got := c.quarantine().Path; got != "/var/lib/trailcast/quarantine" {
		t.Errorf("quarantine in %s", got)
	}
}

// TestMistakes holds what a user reads: file:line:column: path: message (hint).
func TestMistakes(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"nothing to read": {
			"outputs: [stdout]\n", `agent.yaml:1:1: required key "inputs" is missing`},
		"no outputs": {
			"inputs: [stdin]\noutputs: []\n", `agent.yaml:2:10: outputs: must not be empty`},
		"unknown top-level key": {
			anyInput + anyOutput + "filter: []\n", `agent.yaml:3:1: filter: unknown key (did you mean "filters"?)`},
		"unknown component": {
			anyInput + "outputs:\n  - name: bus\n    nast: {}\n",
			`agent.yaml:4:5: outputs[0].nast: unknown key (did you mean "nats"?)`},
		"output among the inputs": {
			"inputs:\n  - stdout: {}\n" + anyOutput,
			`agent.yaml:2:5: inputs[0].stdout: unknown key (known: name, cloudtrail_lookup, cloudwatch_logs, file, forward, http, kinesis, nats, s3, sqs, stdin)`},
		"unknown key of a component": {
			anyInput + "outputs:\n  - nats: {url: nats://h, subjct: a.b}\n",
			`agent.yaml:3:5: outputs[0].nats: required key "subject" is missing (for example subject: audit.{account}.{region}.{service}.{action})` +
				"\n" + `agent.yaml:3:27: outputs[0].nats.subjct: unknown key (did you mean "subject"?)`},
		"unquoted jq object": {
			anyInput + anyOutput + "filters:\n  - jq: {a: .b}\n", `agent.yaml:4:9: filters[0].jq: expected a text, got a mapping ` +
				`(put it in quotes: jq: '{a: .b}'`},
		"name twice": {
			anyInput + "outputs:\n  - {name: a, stdout: {}}\n  - name: a\n    stdout: {}\n",
			`agent.yaml:4:5: outputs[1].name: the name "a" is used twice`},
		"name of a filter of an output twice": {
			anyInput + "outputs:\n  - stdout: {}\n    filters:\n      - {name: a, jq: .}\n      - {name: a, jq: .}\n",
			`agent.yaml:6:10: outputs[0].filters[1].name: the name "a" is used twice`},
		"bad name": {
			anyInput + "outputs:\n  - {name: a b, stdout: {}}\n",
			`agent.yaml:3:6: outputs[0].name: "a b" is no name: up to 64 letters, digits, _ . -`},
		"best-effort buffer of a required output": {
			anyInput + "outputs:\n  - stdout: {}\n    best_effort_buffer: 1MiB\n",
			`agent.yaml:4:5: outputs[0].best_effort_buffer: has no effect with delivery: required (set delivery: best_effort or remove it)`},
		"policy of another kind of component": {
			anyInput + anyOutput + "filters:\n  - jq: .\n    on_error: skip\n",
			`agent.yaml:5:15: filters[0].on_error: expected one of quarantine, pass, drop, got "skip"`},
		"limits": {
			anyInput + anyOutput + "limits:\n  max_bytes_in_flight: 0\n",
			`agent.yaml:4:3: limits.max_bytes_in_flight: must be at least 1`},
		"nested validation": {
			anyInput + "outputs:\n  - nats:\n      url: http://h\n      subject: a.b\n",
			`agent.yaml:4:7: outputs[0].nats.url: "http://h": the scheme is none of nats, tls, ws, wss`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := load(test.text)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got\n%s\nwant\n%s", err, test.want)
			}
		})
	}
}

func TestMistakesInPrograms(t *testing.T) {
	_, err := load(anyInput + `
filters:
  - jq: .a | select(
  - jq: |
      .a
      | .b ||| .c
    when: ''
  - jq: {program: .a, timout: 1s}
    when: .b | }
outputs:
  - stdout: {}
    when: .x ==
    filters: [{jq: '."é" | }'}]
`)
	checkPlaces(t, err, map[string]string{
		"4:21":  "filters[0].jq: jq: ",
		"7:13":  "filters[1].jq: jq: ",
		"8:5":   "filters[1].when: must not be empty",
		"9:23":  "filters[2].jq.timout: unknown key",
		"10:16": "filters[2].when: jq: ",
		"13:16": "outputs[0].when: jq: ",
		"14:28": "outputs[0].filters[0].jq: jq: ",
	})
}

// TestMistakesInFiles are those that only Check finds.
func TestMistakesInFiles(t *testing.T) {
	c, err := load(anyInput + `
filters:
  - enrich: {accounts: /does/not/exist.csv}
outputs:
  - stdout: {}
    filters:
      - enrich:
          geoip: /does/not/exist.mmdb
`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"4:14": "filters[0].enrich.accounts: ",
		"9:11": "outputs[0].filters[0].enrich.geoip: ",
	}
	checkPlaces(t, c.Check(), want)
	checkPlaces(t, c.Check(), want) // the second time as the first
	_, err = Build(c, Options{NATSServer: natsserver.Start})
	checkPlaces(t, err, want)
}

// checkPlaces compares the mistakes of agent.yaml by line:column and the beginning of what is said.
func checkPlaces(t *testing.T, err error, want map[string]string) {
	t.Helper()
	errs, ok := errors.AsType[*yamlconf.Errors](err)
	if !ok {
		t.Fatalf("error is %T %v", err, err)
	}
	if len(errs.All()) != len(want) {
		t.Errorf("%d mistakes, want %d", len(errs.All()), len(want))
	}
	for place, says := range want {
		if !slices.ContainsFunc(errs.All(), func(m yamlconf.Mistake) bool {
			return strings.HasPrefix(m.String(), "agent.yaml:"+place+": "+says)
		}) {
			t.Errorf("nothing like %s: %s", place, says)
		}
	}
	if t.Failed() {
		t.Log(formatted(err))
	}
}

func TestFiveMistakesAreFive(t *testing.T) {
	_, err := load(`state_dri: /tmp/x
inputs:
  - file: {paths: {a: b}}
filters:
  - jq: {a: .b}
outputs:
  - nats: {url: nats://h, subject: "audit.{acount}"}
    delivery: maybe
`)
	want := []string{
		`agent.yaml:1:1: state_dri: unknown key (did you mean "state_dir"?)`,
		`agent.yaml:3:19: inputs[0].file.paths: expected a list of texts, got a mapping`,
		`agent.yaml:5:9: filters[0].jq: expected a text, got a mapping (put it in quotes: jq: '{a: .b}'`,
		`agent.yaml:7:`,
		`agent.yaml:8:15: outputs[0].delivery: expected one of required, best_effort, got "maybe"`,
	}
	got := strings.Split(err.Error(), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d mistakes:\n%s", len(got), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
	if !strings.Contains(got[3], "acount") || !strings.Contains(got[3], "account") {
		t.Errorf("no help with the template: %s", got[3])
	}
}
