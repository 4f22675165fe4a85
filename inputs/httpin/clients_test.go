package httpin

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/trailcast/trailcast/internal/awstest"
	"github.com/trailcast/trailcast/internal/listener"
	"github.com/trailcast/trailcast/internal/splitconf"
)

// A real Fluent Bit as the client, where one is on PATH or named by FLUENT_BIT.

func fluentBitFile(t *testing.T) string {
	t.Helper()
	file := os.Getenv("FLUENT_BIT")
	if file == "" {
		file, _ = exec.LookPath("fluent-bit")
	}
	if file == "" {
		t.Skip("NOT RUN: no fluent-bit on PATH or in FLUENT_BIT; the clients of the other tests stand for it")
	}
	return file
}

const fluentBitConfig = `[SERVICE]
    Flush 0.2
    Grace 1
    Log_Level info
    scheduler.base 1
    scheduler.cap 1
[INPUT]
    Name tail
    Path DIR/lines
    Tag cloudtrail.app
    Read_from_Head on
    Refresh_Interval 1
[OUTPUT]
    Name http
    Match *
    URI /
    Retry_Limit no_limits
`

// fluentBit runs an agent that tails a file of records and posts them.
func fluentBit(t *testing.T, s *site, output string, records int) {
	t.Helper()
	dir := t.TempDir()
	var lines strings.Builder
	for i := range records {
		lines.WriteString(trail(fmt.Sprint(i)) + "\n")
	}
	host, port, err := net.SplitHostPort(s.in.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	config := strings.ReplaceAll(fluentBitConfig, "DIR", dir) + "    Host " + host + "\n    Port " + port + "\n" + output
	for name, text := range map[string]string{"lines": lines.String(), "fluent-bit.conf": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := &logs{}
	cmd := exec.Command(fluentBitFile(t), "-c", filepath.Join(dir, "fluent-bit.conf"))
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(out)
		}
	})
}

func TestFluentBit(t *testing.T) {
	fluentBitFile(t)
	ca, cert, key := newAuthority(t).files()
	secure := &listener.TLS{CertFile: cert, KeyFile: key}
	const password = "    HTTP_User edge\n    HTTP_Passwd secret\n"
	basic := &Basic{Username: "edge", Password: "secret"}
	for name, c := range map[string]struct {
		config Config
		output string
	}{
		"json":             {Config{}, "    Format json\n"},
		"json_lines":       {Config{}, "    Format json_lines\n"},
		"json_stream":      {Config{}, "    Format json_stream\n"},
		"gzip":             {Config{}, "    Format json\n    Compress gzip\n"},
		"a password":       {Config{Basic: basic}, "    Format json\n" + password},
		"a header":         {Config{APIKey: &APIKey{Header: "X-Key", Value: "secret"}}, "    Format json_lines\n    Header X-Key secret\n"},
		"TLS and password": {Config{Basic: basic, TLS: secure}, "    Format json\n    tls on\n    tls.verify on\n    tls.ca_file " + ca + "\n" + password},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Config = splitconf.Config{Unwrap: []string{"log"}}
			s := start(t, c.config)
			fluentBit(t, s, c.output, 500)
			s.Wait("all lines", func() bool { return len(s.Events()) == 500 })
			if s.Total() != 500 || len(s.Aside()) > 0 {
				t.Errorf("%d deliveries, %d in quarantine", s.Total(), len(s.Aside()))
			}
		})
	}
}

// TestFluentBitRepeats has an output that fails for a while: Fluent Bit sends again what is answered with 503.
func TestFluentBitRepeats(t *testing.T) {
	fluentBitFile(t)
	s := start(t, Config{Timeout: 300 * time.Millisecond, Config: splitconf.Config{Unwrap: []string{"log"}}})
	release := s.Hold()
	fluentBit(t, s, "    Format json_lines\n", 50)
	s.Wait("a refusal", func() bool { return strings.Contains(s.logs.String(), "was not delivered") })
	release()
	s.Wait("all lines", func() bool { return len(s.Events()) == 50 })
	for raw := range s.Events() {
		if keys := s.Keys(raw); len(keys) != 1 {
			t.Errorf("%s has the keys %v", raw, keys)
		}
	}
}

// TestEmulatedSNS has moto's SNS post to the input. It signs nothing that could be verified, so that its messages are taken
// only with a password, which moto takes from the URL.
func TestEmulatedSNS(t *testing.T) {
	emulator := awstest.Start(t)
	client := sns.NewFromConfig(emulator.Config())
	topic, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(awstest.Name("http"))})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, Config{SNSTopics: []string{*topic.TopicArn}, Basic: &Basic{Username: "sns", Password: "secret"}})
	for _, url := range []string{s.url, strings.Replace(s.url, "http://", "http://sns:secret@", 1)} {
		if _, err := client.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("http"), Endpoint: aws.String(url)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.Publish(t.Context(), &sns.PublishInput{TopicArn: topic.TopicArn, Message: aws.String(trail("a"))}); err != nil {
		t.Fatal(err)
	}
	s.Wait("the event and the refusal", func() bool { return s.Total() == 1 && strings.Contains(s.logs.String(), "refused") })
	o := s.one(trail("a")).Record.Origin
	if strings.Join(o.Via, " ") != "http sns" || o.Owner != awstest.Account {
		t.Errorf("origin %+v", o)
	}
}
