package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/internal/awstest"
)

// awsSample runs a configuration of configs/aws or configs/sessions as it is, against the emulator: what AWS's own variables and those of the
// sample name is all that is changed, and the directory of the archive.
type awsSample struct {
	*trail
	dir   string
	env   map[string]string
	pager *pager
	other *pager
	fed   bool   // what comes second
	seen  string // what came so far
}

const sampleSession = `{"eventVersion":"1.0","eventTime":"2026-03-01T12:00:00Z","awsRegion":"eu-west-1","target":{"id":"i-0abc"},"userIdentity":{"arn":"arn:aws:iam::123456789012:user/zoe"},"runAsUser":"ssm-user","sessionId":"zoe-0123456789abcdef0","sessionData":["sh-4.2$ id"]}`

func TestAWSSamplesRun(t *testing.T) {
	gen := records.New(5)
	call := func(i int64) string { return string(gen.Append(nil, i)) }
	subscription := func(message string) []byte {
		return gzipped(fmt.Sprintf(`{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"trail","logStream":"123456789012_CloudTrail_eu-west-1","subscriptionFilters":["f"],"logEvents":[{"id":"1","timestamp":1772366400000,"message":%q}]}`, message))
	}
	started := fmt.Sprintf(`{"eventVersion":"1.08","eventTime":%q,"eventSource":"ssm.amazonaws.com","eventName":"StartSession","awsRegion":"eu-west-1","sourceIPAddress":"203.0.113.7","userIdentity":{"type":"IAMUser","accountId":"123456789012","userName":"zoe"},"requestParameters":{"target":"i-0abc"},"eventID":"1","recipientAccountId":"123456789012"}`, time.Now().UTC().Format(time.RFC3339))
	for name, sample := range map[string]struct {
		feed func(s *awsSample)
		came func(s *awsSample) bool // asked until it is true
	}{
		"trail-sns.yaml": {func(s *awsSample) {
			s.put(logFile("111111111111", "eu-west-1", 1), zipped(s, gen, 0, 20))
			s.notify([]string{logFile("111111111111", "eu-west-1", 1)})
		}, inStream("AUDIT", 20)},
		"trail-eventbridge.yaml": {func(s *awsSample) {
			s.put(logFile("111111111111", "eu-west-1", 1), zipped(s, gen, 0, 20))
			s.send(fmt.Sprintf(`{"version":"0","id":"x","detail-type":"Object Created","source":"aws.s3","account":"123456789012","region":"eu-west-1","resources":[],"detail":{"version":"0","bucket":{"name":%q},"object":{"key":%q,"size":1,"etag":"e","sequencer":"1"}}}`, s.bucket, logFile("111111111111", "eu-west-1", 1)))
		}, archived},
		"events-eventbridge.yaml": {func(s *awsSample) {
			s.send(`{"version":"0","id":"x","detail-type":"AWS API Call via CloudTrail","source":"aws.ssm","account":"123456789012","region":"eu-west-1","resources":[],"detail":` + started + `}`)
		}, inStream("AUDIT", 1)},
		"sessions-s3.yaml": {func(s *awsSample) {
			s.put("sessions/zoe-0123456789abcdef0.log", []byte("Script started on 2026-03-01 12:00:00+00:00\r\nsh-4.2$ id\r\n"))
			s.notify([]string{"sessions/zoe-0123456789abcdef0.log"})
		}, archived},
		"backfill.yaml": {func(s *awsSample) {
			s.put(logFile("111111111111", "eu-west-1", 1), zipped(s, gen, 0, 20))
			s.put(logFile("111111111111", "eu-west-1", 40*288), zipped(s, gen, 20, 20)) // after the end
		}, archived},
		"poll-bucket.yaml": {func(s *awsSample) {
			now := time.Now().UTC().Add(5 * time.Minute) // what is older than the first start is not read
			s.put(fmt.Sprintf("AWSLogs/111111111111/CloudTrail/eu-west-1/%s/111111111111_CloudTrail_eu-west-1_%s_x.json.gz", now.Format("2006/01/02"), now.Format("20060102T1504Z")), zipped(s, gen, 0, 20))
		}, archived},
		"logs-kinesis.yaml": {func(s *awsSample) {
			client := kinesis.NewFromConfig(s.server.Config())
			name := awstest.Name("audit")
			s.must(client.CreateStream(s.Context(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(2)}))
			for i := range int64(4) {
				s.must(client.PutRecord(s.Context(), &kinesis.PutRecordInput{StreamName: &name, PartitionKey: aws.String(fmt.Sprint(i)), Data: subscription(call(i))}))
			}
			s.env["TRAILCAST_STREAM"] = "arn:aws:kinesis:eu-west-1:123456789012:stream/" + name
		}, inStream("AUDIT", 4)},
		"logs-firehose.yaml": {func(s *awsSample) {
			certificate(s, s.dir+"/server")
			write(s, s.dir+"/firehose.key", "a long secret\n")
			s.env["TRAILCAST_CERT"], s.env["TRAILCAST_KEY_FILE"], s.env["TRAILCAST_LISTEN"] = s.dir+"/server", s.dir+"/firehose.key", freePort(s)
		}, func(s *awsSample) bool {
			post, _ := http.NewRequestWithContext(s.Context(), http.MethodPost, "https://"+s.env["TRAILCAST_LISTEN"]+"/firehose", strings.NewReader(
				`{"requestId":"r1","timestamp":1772366400000,"records":[{"data":"`+base64.StdEncoding.EncodeToString(subscription(call(1)))+`"}]}`))
			post.Header.Set("X-Amz-Firehose-Request-Id", "r1")
			post.Header.Set("X-Amz-Firehose-Access-Key", "a long secret")
			client := http.Client{Transport: &http.Transport{TLSClientConfig: trusting(s, s.dir+"/server.crt"), DisableKeepAlives: true}}
			answer, err := client.Do(post)
			if err != nil {
				return false // it does not listen yet
			}
			defer answer.Body.Close()
			body, _ := io.ReadAll(answer.Body)
			if answer.StatusCode != 200 || !bytes.HasPrefix(body, []byte(`{"requestId":"r1","timestamp":`)) {
				s.Fatalf("%s %s", answer.Status, body)
			}
			return inStream("AUDIT", 1)(s)
		}},
		"sessions-cloudwatch.yaml": {func(s *awsSample) {
			client := cloudwatchlogs.NewFromConfig(s.server.Config())
			group, stream := awstest.Name("/aws/ssm/sessions"), "zoe-0123456789abcdef0"
			s.must(client.CreateLogGroup(s.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group}))
			s.must(client.CreateLogStream(s.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream}))
			s.must(client.PutLogEvents(s.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream,
				LogEvents: []cwtypes.InputLogEvent{{Timestamp: aws.Int64(time.Now().UnixMilli() + 3000), Message: aws.String(sampleSession)}}}))
			s.env["TRAILCAST_LOG_GROUP"] = group
		}, func(s *awsSample) bool { return inStream("SESSIONS", 1)(s) && archived(s) }},
		"notify-sns.yaml": {func(s *awsSample) {
			s.pager = startPager(s)
			s.env["TRAILCAST_TOPIC"] = s.pager.topic
			s.send(started)
		}, func(s *awsSample) bool {
			got := s.pager.bodies()
			if len(got) > 0 && !strings.HasPrefix(got[0], "zoe did StartSession\non i-0abc in account 123456789012, region eu-west-1\nat ") {
				s.Errorf("%q", got)
			}
			return len(got) > 0
		}},
		"../sessions/notify.yaml": {func(s *awsSample) {
			s.pager, s.other = startPager(s), startPager(s)
			s.env["TRAILCAST_TOPIC"], s.env["TRAILCAST_EVENTS_TOPIC"] = s.pager.topic, s.other.topic
			s.send(opened(""))
		}, func(s *awsSample) bool {
			got, events := strings.Join(s.pager.bodies(), "\n"), strings.Join(s.other.bodies(), "\n")
			s.seen += got + events
			return strings.Contains(s.seen, "opened: zoe\non i-0abc in account 123456789012, eu-west-1\nfrom 203.0.113.7, without MFA\nstarted 20") &&
				strings.Contains(s.seen, "no_mfa: zoe\n") && strings.Contains(s.seen, `"state":"opened"`) && strings.Contains(s.seen, `"alert":"no_mfa"`)
		}},
		"../sessions/unlogged.yaml": {func(s *awsSample) {
			s.pager = startPager(s)
			client := cloudwatchlogs.NewFromConfig(s.server.Config())
			group := awstest.Name("/aws/ssm/sessions")
			s.must(client.CreateLogGroup(s.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group}))
			s.env["TRAILCAST_TOPIC"], s.env["TRAILCAST_LOG_GROUP"] = s.pager.topic, group
			s.send(opened("AWS-StartPortForwardingSession"))
		}, func(s *awsSample) bool {
			s.seen += strings.Join(s.pager.bodies(), "\n")
			return strings.Contains(s.seen, "unlogged: arn:aws:iam::123456789012:user/zoe on i-0abc, account 123456789012\nsession zoe-0123456789abcdef0, started 20")
		}},
		"../sessions/archive.yaml": {func(s *awsSample) {
			calls := s.queue
			s.newQueue()
			s.env["TRAILCAST_SESSION_QUEUE"] = s.queue
			s.must(s.sqs.SendMessage(s.Context(), &sqs.SendMessageInput{QueueUrl: &calls, MessageBody: aws.String(opened(""))}))
		}, func(s *awsSample) bool {
			if !s.fed {
				if life := matching(s.dir + "/archive/sessions/*.ndjson"); !strings.Contains(life, `"state":"opened"`) {
					return false
				}
				s.put("sessions/zoe-0123456789abcdef0.log", []byte("Script started on 2026-03-01 12:00:00+00:00\r\nsh-4.2$ id\r\n"))
				s.notify([]string{"sessions/zoe-0123456789abcdef0.log"})
				s.fed = true
			}
			text := matching(s.dir + "/archive/transcripts/123456789012/*/zoe-0123456789abcdef0.ndjson")
			return strings.Contains(text, "sh-4.2$ id") && strings.Contains(text, `"ip":"203.0.113.7"`) && strings.Contains(text, `"mfa":false`) &&
				strings.Contains(matching(s.dir+"/archive/calls/123456789012/*.ndjson"), "StartSession")
		}},
		"../sessions/subjects.yaml": {func(s *awsSample) {
			write(s, s.dir+"/trail/call.json", opened("")+"\n")
			write(s, s.dir+"/logs/event.json", sampleSession+"\n")
			s.env["TRAILCAST_LOGS"], s.env["TRAILCAST_SESSION_LOGS"] = s.dir+"/trail", s.dir+"/logs"
		}, func(s *awsSample) bool {
			return messagesIn(s.env["NATS_URL"], "SESSIONS") >= 4 // opened, no_mfa, activity and the log itself
		}},
		"lookup.yaml": {}, // the emulator has no LookupEvents
	} {
		t.Run(name, func(t *testing.T) {
			if sample.feed == nil {
				t.Skip("the emulator has not what it reads; the input's own tests have")
			}
			s := &awsSample{trail: newTrail(t), dir: t.TempDir(), env: map[string]string{}}
			server := natsServer(t, s.dir+"/nats", "127.0.0.1:-1")
			s.env = map[string]string{
				"NATS_URL": server.ClientURL(), "TRAILCAST_STATE": s.dir + "/state", "TRAILCAST_QUEUE": s.queue, "TRAILCAST_BUCKET": s.bucket,
				"TRAILCAST_START": "2026-01-01", "TRAILCAST_END": "2026-01-31", "AWS_ENDPOINT_URL": s.server.URL,
			}
			sample.feed(s)
			for name, value := range s.env {
				t.Setenv(name, value)
			}
			text, err := os.ReadFile("../configs/aws/" + name)
			if err != nil {
				t.Fatal(err)
			}
			moved := strings.NewReplacer("/var/lib/trailcast-archive", s.dir+"/archive", "trailcast-archive", s.dir+"/archive", "$schema=../", "$schema="+s.dir+"/")
			a := startAgent(t, "run", "-c", write(t, s.dir+"/trailcast.yaml", moved.Replace(string(text))))
			defer func() {
				_ = a.cmd.Process.Signal(syscall.SIGTERM)
				if err := a.cmd.Wait(); err != nil || t.Failed() {
					t.Errorf("%v\n%s", err, a.stderr)
				}
			}()
			awaitFor(t, 40*time.Second, "what was fed", func() bool { return sample.came(s) })
		})
	}
}

// opened is the call that opens a session, now. Without a document it is a shell.
func opened(document string) string {
	return fmt.Sprintf(`{"eventVersion":"1.08","eventTime":%q,"eventSource":"ssm.amazonaws.com","eventName":"StartSession","awsRegion":"eu-west-1","sourceIPAddress":"203.0.113.7","userIdentity":{"type":"IAMUser","accountId":"123456789012","arn":"arn:aws:iam::123456789012:user/zoe","userName":"zoe","sessionContext":{"attributes":{"mfaAuthenticated":"false"}}},"requestParameters":{"target":"i-0abc","documentName":%q},"responseElements":{"sessionId":"zoe-0123456789abcdef0"},"eventID":"00000000-0000-0000-0000-000000000001","recipientAccountId":"123456789012"}`,
		time.Now().UTC().Format(time.RFC3339), document)
}

// matching returns the text of all files that match a pattern.
func matching(pattern string) string {
	var all strings.Builder
	files, _ := filepath.Glob(pattern)
	for _, name := range files {
		text, _ := os.ReadFile(name)
		all.Write(text)
	}
	return all.String()
}

func (s *awsSample) must(_ any, err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *awsSample) send(body string) {
	s.Helper()
	s.must(s.sqs.SendMessage(s.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(s.queue), MessageBody: aws.String(body)}))
}

func inStream(stream string, n int) func(s *awsSample) bool {
	return func(s *awsSample) bool { return messagesIn(s.env["NATS_URL"], stream) == n }
}

// archived reports whether something is in the archive.
func archived(s *awsSample) bool {
	found := false
	_ = filepath.WalkDir(s.dir+"/archive", func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info, err := d.Info()
			found = found || err == nil && info.Size() > 0
		}
		return nil
	})
	return found
}

func gzipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}
