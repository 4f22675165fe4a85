package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/internal/awstest"
)

// trail is a bucket with an organisation's trail, and the queue that tells of it.
type trail struct {
	testing.TB
	server *awstest.Server
	s3     *s3.Client
	sqs    *sqs.Client
	bucket string
	queue  string
}

func newTrail(t testing.TB) *trail {
	server := awstest.Start(t)
	tr := &trail{TB: t, server: server, bucket: awstest.Name("trail"), sqs: sqs.NewFromConfig(server.Config()),
		s3: s3.NewFromConfig(server.Config(), func(o *s3.Options) { o.UsePathStyle = true })}
	if _, err := tr.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String(tr.bucket), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: awstest.Region},
	}); err != nil {
		t.Fatal(err)
	}
	tr.newQueue()
	return tr
}

// newQueue makes a queue and has the trail's notices go there from now on.
func (tr *trail) newQueue() {
	tr.Helper()
	out, err := tr.sqs.CreateQueue(tr.Context(), &sqs.CreateQueueInput{QueueName: aws.String(awstest.Name("notices"))})
	if err != nil {
		tr.Fatal(err)
	}
	tr.queue = *out.QueueUrl
}

// put writes an object.
func (tr *trail) put(key string, body []byte) {
	tr.Helper()
	if _, err := tr.s3.PutObject(tr.Context(), &s3.PutObjectInput{Bucket: aws.String(tr.bucket), Key: aws.String(key), Body: bytes.NewReader(body)}); err != nil {
		tr.Fatal(err)
	}
}

// notify sends notices, each of a few keys.
func (tr *trail) notify(keys []string) {
	tr.Helper()
	const perNotice = 4
	for some := range slices.Chunk(slices.Collect(slices.Chunk(keys, perNotice)), 10) {
		in := &sqs.SendMessageBatchInput{QueueUrl: aws.String(tr.queue)}
		for i, told := range some {
			body, err := json.Marshal(map[string]any{"s3Bucket": tr.bucket, "s3ObjectKey": told})
			if err != nil {
				tr.Fatal(err)
			}
			in.Entries = append(in.Entries, sqstypes.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(string(body))})
		}
		if _, err := tr.sqs.SendMessageBatch(tr.Context(), in); err != nil {
			tr.Fatal(err)
		}
	}
}

// left returns how many messages the queue has, in hand or not.
func (tr *trail) left() int {
	tr.Helper()
	out, err := tr.sqs.GetQueueAttributes(tr.Context(), &sqs.GetQueueAttributesInput{QueueUrl: aws.String(tr.queue), AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err != nil {
		tr.Fatal(err)
	}
	visible, _ := strconv.Atoi(out.Attributes["ApproximateNumberOfMessages"])
	hidden, _ := strconv.Atoi(out.Attributes["ApproximateNumberOfMessagesNotVisible"])
	return visible + hidden
}

func logFile(account, region string, i int) string {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 5 * time.Minute)
	return fmt.Sprintf("AWSLogs/o-abc123/%[1]s/CloudTrail/%[2]s/%[3]s/%[1]s_CloudTrail_%[2]s_%[4]s_%016[5]d.json.gz",
		account, region, at.Format("2006/01/02"), at.Format("20060102T1504Z"), i)
}

func zipped(t testing.TB, gen *records.Generator, from, n int64) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := gen.WriteDocument(z, from, n); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestKillWhileDrainingAQueue kills the agent ten times while it drains a queue that tells of 2,000 objects. Every record
// is in the stream, once: repeats fall into its duplicate window, which the agent sets to an hour.
func TestKillWhileDrainingAQueue(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	const objects, perObject, kills = 2000, 5, 10
	tr := newTrail(t)
	gen := records.New(11)
	keys := make([]string, objects)
	want := map[string]bool{}
	var putters sync.WaitGroup
	room := make(chan struct{}, 8)
	for i := range objects {
		keys[i] = logFile([]string{"111111111111", "222222222222", "333333333333"}[i%3], []string{"eu-west-1", "us-east-1"}[i%2], i)
		body := zipped(t, gen, int64(i*perObject), perObject)
		for k := range perObject {
			want[eventID(t, gen.Append(nil, int64(i*perObject+k)))] = true
		}
		room <- struct{}{}
		putters.Go(func() {
			tr.put(keys[i], body)
			<-room
		})
	}
	putters.Wait()
	tr.notify(keys)
	dir := t.TempDir()
	server := natsServer(t, filepath.Join(dir, "nats"), "127.0.0.1:-1")
	config := write(t, filepath.Join(dir, "trailcast.yaml"), fmt.Sprintf(`
state_dir: %[1]s/state
metrics: {listen: "off"}
inputs: [{name: trail, s3: {queue_url: %[2]q, endpoint: %[3]q, visibility_timeout: 5s}}]
outputs: [{name: bus, nats: {url: %[4]q, subject: "audit.{account}.{action}", stream: AUDIT, create: true}}]
`, dir, tr.queue, tr.server.URL, server.ClientURL()))
	random := rand.New(rand.NewPCG(1, 2))
	for killed := range kills {
		until := min((killed+1)*objects*perObject/(kills+1)+random.IntN(objects*perObject/(2*kills)), objects*perObject-1)
		a := startAgent(t, "run", "-c", config)
		awaitFor(t, 2*time.Minute, fmt.Sprintf("%d messages", until), func() bool { return messagesIn(server.ClientURL(), "AUDIT") >= until })
		if err := a.cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = a.cmd.Wait()
	}
	a := startAgent(t, "run", "-c", config)
	awaitFor(t, 2*time.Minute, "an empty queue", func() bool { return messagesIn(server.ClientURL(), "AUDIT") >= len(want) && tr.left() == 0 })
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("the last run: %v\n%s", err, a.stderr)
	}
	_, ids := streamMessages(t, server.ClientURL(), "AUDIT")
	got := map[string]bool{}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%s is in the stream %d times", id, n)
		}
		got[strings.Split(id, ":")[1]] = true
	}
	for id := range want {
		if !got[id] {
			t.Errorf("%s is lost", id)
		}
	}
	if len(ids) != len(want) {
		t.Errorf("%d messages for %d records", len(ids), len(want))
	}
}

// TestHalfAGigabyteByQueue reads 500 MB of gzipped objects, eight at a time, in flat memory.
func TestHalfAGigabyteByQueue(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	const (
		total     = 500 << 20
		perObject = 15_000 // records
		limit     = 200 << 20
	)
	tr := newTrail(t)
	body := zipped(t, records.New(3), 0, perObject)
	var keys []string
	for i := 0; i*len(body) < total; i++ {
		keys = append(keys, logFile("111111111111", "eu-west-1", i))
		tr.put(keys[i], body)
	}
	tr.notify(keys)
	dir := t.TempDir()
	config := write(t, filepath.Join(dir, "trailcast.yaml"), fmt.Sprintf(`
state_dir: %[1]s/state
metrics: {listen: "off"}
inputs: [{name: trail, s3: {queue_url: %[2]q, endpoint: %[3]q}}]
filters: [{jq: 'select(.eventName == "StartSession")'}, {enrich: {}}]
outputs: [{name: files, file: {path: "%[1]s/out/{account}.ndjson"}}]
`, dir, tr.queue, tr.server.URL))
	a := startAgent(t, "run", "-c", config)
	peak := watchMemory(a.cmd.Process.Pid)
	began := time.Now()
	awaitFor(t, 3*time.Minute, "an empty queue", func() bool { return tr.left() == 0 })
	took := time.Since(began)
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := a.cmd.Wait()
	rss := peak()
	if want := fmt.Sprint(len(keys) * perObject); err != nil || !strings.Contains(a.stderr.String(), want) {
		t.Errorf("%v; want %s events in the account\n%s", err, want, a.stderr)
	}
	t.Logf("%d objects, %d MB, %d records in %v, peak resident memory %d MiB", len(keys), len(keys)*len(body)>>20, len(keys)*perObject, took, rss>>20)
	if rss == 0 || rss > limit {
		t.Errorf("peak resident memory is %d MiB, want at most %d", rss>>20, limit>>20)
	}
}

// TestCheckConnectToAWS has everything wrong that can be: each line names what failed, where, and what to do.
func TestCheckConnectToAWS(t *testing.T) {
	tr := newTrail(t)
	proxy := awstest.NewProxy(t, tr.server.URL)
	denied := map[string]bool{"GetRecords": true, "GetShardIterator": true, "ListShards": true, "DescribeStreamSummary": true, "LookupEvents": true, "DescribeLogGroups": true, "FilterLogEvents": true}
	proxy.Fail(func(c awstest.Call) awstest.Fault {
		if strings.HasPrefix(c.Path, "/forbidden") || denied[c.Operation] {
			return awstest.Fault{Status: 403, Code: "AccessDenied"}
		}
		return awstest.Fault{}
	})
	dir := t.TempDir()
	config := write(t, filepath.Join(dir, "trailcast.yaml"), fmt.Sprintf(`
state_dir: %[1]s/state
inputs:
  - name: works
    s3: {queue_url: %[2]q, endpoint: %[3]q}
  - name: queue
    s3: {queue_url: "%[2]s-wrong", endpoint: %[3]q}
  - name: bucket
    s3: {bucket: forbidden, start: 2026-01-01, region: eu-west-1, endpoint: %[3]q}
  - name: missing
    s3: {bucket: no-such-bucket-here, start: 2026-01-01, region: eu-west-1, endpoint: %[3]q}
  - name: stream
    kinesis: {stream: audit, region: eu-west-1, endpoint: %[3]q}
  - name: group
    cloudwatch_logs: {log_groups: [/aws/ssm/sessions], region: eu-west-1, endpoint: %[3]q}
  - name: history
    cloudtrail_lookup: {regions: [eu-west-1], endpoint: %[3]q}
outputs:
  - name: pager
    sns: {topic_arn: "arn:aws:sns:eu-west-1:123456789012:no-such-topic", endpoint: %[3]q}
`, dir, tr.queue, proxy.URL))
	stdout, stderr, code := run(t, time.Minute, "check", "-c", config, "--connect")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	t.Logf("%s%s", stdout, stderr)
	all := stdout + stderr
	for of, says := range map[string][]string{
		"input works":   {"reached"},
		"input queue":   {"sqs:GetQueueAttributes", "-wrong", "look at the name"},
		"input bucket":  {"s3:ListBucket s3://forbidden", "AccessDenied", "the identity needs s3:ListBucket", "s3:GetObject", "kms:Decrypt"},
		"input missing": {"s3:ListBucket s3://no-such-bucket-here", "NoSuchBucket"},
		"input stream":  {"kinesis:DescribeStreamSummary audit", "AccessDenied", "the identity needs kinesis:DescribeStreamSummary", "kinesis:GetRecords"},
		"input group":   {"/aws/ssm/sessions", "AccessDenied", "logs:FilterLogEvents"},
		"input history": {"cloudtrail:LookupEvents event history of eu-west-1", "AccessDenied", "the identity needs cloudtrail:LookupEvents"},
		"output pager":  {"sns:GetTopicAttributes arn:aws:sns:eu-west-1:123456789012:no-such-topic", "NotFound", "look at the name"},
	} {
		line := ""
		for l := range strings.Lines(all) {
			if strings.HasPrefix(l, of+":") || strings.HasPrefix(l, of+" ") {
				line += l
			}
		}
		for _, s := range says {
			if !strings.Contains(line, s) {
				t.Errorf("%s does not say %q: %s", of, s, line)
			}
		}
	}
}
