package build

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/trailcast/trailcast/internal/awstest"
)

// needs are the IAM actions that a component needs, in the form in which its configuration has it.
var needs = []struct {
	component, key string // the key tells the form
	actions        []string
}{
	{"s3", "queue_url", []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "s3:GetObject"}},
	{"s3", "bucket", []string{"s3:ListBucket", "s3:GetObject"}},
	{"sqs", "queue_url", []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"}},
	{"kinesis", "stream", []string{"kinesis:GetShardIterator", "kinesis:GetRecords", "kinesis:ListShards"}},
	{"cloudwatch_logs", "log_groups", []string{"logs:FilterLogEvents", "logs:DescribeLogGroups"}},
	{"cloudtrail_lookup", "regions", []string{"cloudtrail:LookupEvents"}},
	{"http", "listen", nil},
	{"sns", "topic_arn", []string{"sns:Publish"}},
}

// extra are actions that a policy may have beside those that its components always need.
var extra = []string{"kms:Decrypt", "kms:GenerateDataKey", "s3:GetObjectVersion", "kinesis:DescribeStreamSummary", "sns:GetTopicAttributes"}

// TestAWSSamples holds that the samples of configs/aws and configs/sessions are valid, and that each one's policy allows what
// it needs and nothing else. One that needs nothing of AWS has none.
func TestAWSSamples(t *testing.T) {
	awstest.Environment(t)
	schema := compiled(t)
	samples := func(name string) (files []string) {
		for _, dir := range []string{"aws", "sessions"} {
			some, _ := filepath.Glob(filepath.Join("..", "..", "configs", dir, name))
			files = append(files, some...)
		}
		return files
	}
	files := samples("*.yaml")
	const withoutAWS = 1 // sessions/subjects.yaml
	if policies := samples("*.policy.json"); len(files) < 10 || len(policies) != len(files)-withoutAWS {
		t.Errorf("%d policies for %d samples", len(policies), len(files))
	}
	env := map[string]string{
		"TRAILCAST_QUEUE": "https://sqs.eu-west-1.amazonaws.com/123456789012/trail", "TRAILCAST_BUCKET": "acme-cloudtrail",
		"TRAILCAST_START": "2026-01-01", "TRAILCAST_END": "2026-01-31", "TRAILCAST_STREAM": "trail", "TRAILCAST_CERT": certificateFiles(t),
		"TRAILCAST_STATE": t.TempDir(), "TRAILCAST_TOPIC": "arn:aws:sns:eu-west-1:123456789012:sessions", "TRAILCAST_EVENTS_TOPIC": "arn:aws:sns:eu-west-1:123456789012:session-events",
		"TRAILCAST_SESSION_QUEUE": "https://sqs.eu-west-1.amazonaws.com/123456789012/transcripts", "AWS_REGION": "eu-west-1",
	}
	env["TRAILCAST_KEY_FILE"] = env["TRAILCAST_CERT"] + ".key" // any text
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(text), "# yaml-language-server: $schema=../trailcast.schema.json\n") {
				t.Error("the first line does not name the schema")
			}
			var value map[string]any
			if err := yaml.Unmarshal(text, &value); err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(value); err != nil {
				t.Errorf("the schema refuses it: %v", err)
			}
			config, err := Load(file, text, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
			if err != nil {
				t.Fatal(formatted(err))
			}
			agent, err := Build(config, Options{Offline: true})
			if err != nil {
				t.Fatal(formatted(err))
			}
			if err := agent.Close(t.Context()); err != nil {
				t.Error(err)
			}
			var want []string
			for _, list := range []string{"inputs", "outputs"} {
				for _, item := range value[list].([]any) {
					want = append(want, needed(item.(map[string]any))...)
				}
			}
			if want == nil {
				return
			}
			got := allowedActions(t, strings.TrimSuffix(file, ".yaml")+".policy.json")
			for _, action := range want {
				if !slices.Contains(got, action) {
					t.Errorf("the policy does not allow %s", action)
				}
			}
			for _, action := range got {
				if !slices.Contains(want, action) && !slices.Contains(extra, action) {
					t.Errorf("the policy allows %s, which nothing needs", action)
				}
			}
		})
	}
}

func needed(item map[string]any) []string {
	var actions []string
	for _, n := range needs {
		if component, ok := item[n.component].(map[string]any); ok {
			if _, ok := component[n.key]; ok {
				actions = append(actions, n.actions...)
			}
		}
	}
	return actions
}

func allowedActions(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Version   string
		Statement []struct {
			Effect   string
			Action   []string
			Resource any
		}
	}
	if err := json.Unmarshal(text, &policy); err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, s := range policy.Statement {
		unbounded := s.Resource == "*" && !slices.Equal(s.Action, []string{"cloudtrail:LookupEvents"}) // which knows no resources
		if s.Effect != "Allow" || unbounded || policy.Version != "2012-10-17" {
			t.Errorf("a statement of no least policy: %+v", s)
		}
		actions = append(actions, s.Action...)
	}
	return actions
}

// certificateFiles returns the path of a certificate and its key, without .crt and .key.
func certificateFiles(t *testing.T) string {
	t.Helper()
	certificate, chain := selfSigned(t)
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "server")
	for file, text := range map[string][]byte{".crt": chain, ".key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})} {
		if err := os.WriteFile(name+file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return name
}
