package build

import (
	"strings"
	"testing"
)

func noEnv(string) (string, bool) { return "", false }

func TestSourcesMustEnd(t *testing.T) {
	const good = `
inputs:
  - file: {paths: [/tmp/x]}
  - stdin: {}
  - s3: {bucket: trail, prefix: AWSLogs/, start: 30d, region: eu-west-1}
  - nats: {url: "nats://127.0.0.1:4222", stream: TRAIL, once: true}
  - cloudtrail_lookup: {region: eu-west-1, follow: false}
filters:
  - redact: {defaults: true}
`
	c, err := LoadSources("sources.yaml", []byte(good), noEnv, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a, err := Build(c, Options{Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close(t.Context())
	if len(a.Inputs) != 5 || len(a.Filters) != 1 || a.Inputs[0].Name != "file" {
		t.Errorf("%d inputs, %d filters, the first is %q", len(a.Inputs), len(a.Filters), a.Inputs[0].Name)
	}
	for _, in := range []string{
		"file: {paths: [/tmp/x], follow: true}",
		"s3: {queue_url: \"https://sqs.eu-west-1.amazonaws.com/123456789012/q\"}",
		"s3: {bucket: trail, follow: true}",
		"nats: {url: \"nats://127.0.0.1:4222\", stream: TRAIL}",
		"cloudtrail_lookup: {region: eu-west-1}",
		"http: {listen: \"127.0.0.1:8080\", firehose: {access_key: abcdefgh12345678}}",
	} {
		_, err := LoadSources("sources.yaml", []byte("inputs:\n  - "+in+"\n"), noEnv, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), "goes on for ever") {
			t.Errorf("%s: got %v, want it refused", in, err)
		}
	}
	if _, err := LoadSources("sources.yaml", []byte("outputs: [stdout]\n"), noEnv, t.TempDir()); err == nil {
		t.Error("outputs are taken")
	}
}

// A command that reads once has the agent's limits.
func TestSourcesHaveTheDefaultLimits(t *testing.T) {
	c, err := LoadSources("sources.yaml", []byte("inputs:\n  - stdin: {}\n"), nil, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if c.Limits.MaxEvents != 20000 || c.Limits.MaxBytes != 4<<20 {
		t.Errorf("limits %+v", c.Limits)
	}
}
