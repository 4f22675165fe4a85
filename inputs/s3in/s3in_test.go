package s3in

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/trailcast/trailcast/inputs/inputtest"
	"github.com/trailcast/trailcast/internal/awstest"
	"github.com/trailcast/trailcast/pipeline"
)

// bench is a bucket and a queue of the emulator behind a proxy.
type bench struct {
	*testing.T
	*inputtest.Bench
	proxy  *awstest.Proxy
	s3     *s3.Client
	sqs    *sqs.Client
	bucket string
	url    string
	state  string
	config Config
}

func newBench(t *testing.T) *bench {
	server := awstest.Start(t)
	b := &bench{T: t, Bench: inputtest.New(t), proxy: awstest.NewProxy(t, server.URL), sqs: sqs.NewFromConfig(server.Config()), state: t.TempDir()}
	b.s3 = s3.NewFromConfig(server.Config(), func(o *s3.Options) { o.UsePathStyle = true })
	b.bucket = b.newBucket()
	out, err := b.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(awstest.Name("notices"))})
	if err != nil {
		t.Fatal(err)
	}
	b.url = *out.QueueUrl
	b.config = Config{AWS: AWS{Endpoint: b.proxy.URL}}
	return b
}

func (b *bench) newBucket() string {
	name := awstest.Name("bucket")
	if _, err := b.s3.CreateBucket(b.Context(), &s3.CreateBucketInput{
		Bucket: aws.String(name), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: awstest.Region},
	}); err != nil {
		b.Fatal(err)
	}
	return name
}

// byQueue and byListing say how the input reads.
func (b *bench) byQueue() *bench {
	b.config.QueueURL, b.config.VisibilityTimeout = b.url, 5*time.Second
	return b
}

func (b *bench) byListing() *bench {
	b.config.Bucket = b.bucket
	return b
}

func (b *bench) input() *Input {
	b.Helper()
	in, err := New(b.config, pipeline.Env{Name: "trail", StateDir: b.state})
	if err != nil {
		b.Fatal(err)
	}
	return in
}

func (b *bench) start() *inputtest.Agent {
	b.Helper()
	return b.Start(b.input(), time.Second)
}

func (b *bench) put(key string, body []byte) {
	b.Helper()
	if _, err := b.s3.PutObject(b.Context(), &s3.PutObjectInput{Bucket: aws.String(b.bucket), Key: aws.String(key), Body: bytes.NewReader(body)}); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) send(bodies ...string) {
	b.Helper()
	for some := range slices.Chunk(bodies, 10) {
		in := &sqs.SendMessageBatchInput{QueueUrl: aws.String(b.url)}
		for i, body := range some {
			in.Entries = append(in.Entries, sqstypes.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(body)})
		}
		if out, err := b.sqs.SendMessageBatch(b.Context(), in); err != nil || len(out.Failed) > 0 {
			b.Fatal(err, out)
		}
	}
}

// left returns how many messages the queue has: visible and in hand.
func (b *bench) left() string {
	b.Helper()
	out, err := b.sqs.GetQueueAttributes(b.Context(), &sqs.GetQueueAttributesInput{QueueUrl: aws.String(b.url), AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err != nil {
		b.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"] + "+" + out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

func (b *bench) drained() bool { return b.left() == "0+0" }

func record(id string) string {
	return fmt.Sprintf(`{"eventVersion":"1.08","eventSource":"ssm.amazonaws.com","eventName":"StartSession","awsRegion":"eu-west-1","eventID":%q,"recipientAccountId":"123456789012","userIdentity":{"type":"IAMUser"}}`, id)
}

// file is a CloudTrail log file with the records of some ids.
func file(ids ...string) []byte {
	var records []string
	for _, id := range ids {
		records = append(records, record(id))
	}
	return packed(`{"Records":[` + strings.Join(records, ",") + `]}`)
}

func packed(text string) []byte {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return buf.Bytes()
}

// key returns a key of CloudTrail's.
func key(account, kind, region, minute, unique string) string {
	t, err := time.Parse("20060102T1504Z", minute)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("AWSLogs/o-abc123/%[1]s/%[2]s/%[3]s/%[4]s/%[1]s_%[2]s_%[3]s_%[5]s_%[6]s.json.gz", account, kind, region, t.Format("2006/01/02"), minute, unique)
}

// Shapes of notices.
func ofTrail(bucket string, keys ...string) string {
	k, _ := json.Marshal(keys)
	return fmt.Sprintf(`{"s3Bucket":%q,"s3ObjectKey":%s}`, bucket, k)
}

func ofS3(bucket, event string, keys ...string) string {
	var records []string
	for _, k := range keys {
		k = strings.NewReplacer(" ", "+", "+", "%2B", "=", "%3D").Replace(k)
		records = append(records, fmt.Sprintf(`{"eventVersion":"2.5","eventSource":"aws:s3","awsRegion":"eu-west-1","eventName":%q,"s3":{"bucket":{"name":%q},"object":{"key":%q,"size":1}}}`, event, bucket, k))
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}

func ofBridge(detailType, bucket, key string) string {
	return fmt.Sprintf(`{"version":"0","id":"i","detail-type":%q,"source":"aws.s3","region":"eu-west-1","detail":{"bucket":{"name":%q},"object":{"key":%q}}}`, detailType, bucket, key)
}

func ofLake(bucket, key string) string {
	return fmt.Sprintf(`{"source":"aws.s3","region":"eu-west-1","detail":{"bucket":{"name":%q},"object":{"key":%q}}}`, bucket, key)
}

func inSNS(message string) string {
	m, _ := json.Marshal(message)
	return fmt.Sprintf(`{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:eu-west-1:123456789012:t","Message":%s}`, m)
}

func (b *bench) wantOnce(ids ...string) {
	b.Helper()
	want := map[string]int{}
	for _, id := range ids {
		want[record(id)] = 1
	}
	if got := b.Events(); !maps.Equal(got, want) {
		b.Errorf("got %v\nwant %v", got, want)
	}
}

// TestShapes drains one queue with every kind of message.
func TestShapes(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t).byQueue()
	b.config.Include = []string{`exports/`}
	keys := map[string]string{}
	for _, id := range []string{"s3", "s3-sns", "s3-twice", "trail", "trail2", "trail-sns", "bridge", "two-a", "two-b"} {
		keys[id] = key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", id)
		b.put(keys[id], file(id))
	}
	keys["plain"], keys["lake"] = "exports/with space+plus=1.ndjson", "exports/lake.json"
	b.put(keys["plain"], []byte(record("plain")+"\n"+record("plain2")+"\n"))
	b.put(keys["lake"], []byte(record("lake")))
	digest := key("111111111111", "CloudTrail-Digest", "eu-west-1", "20260101T0005Z", "d")
	insight := key("111111111111", "CloudTrail-Insight", "eu-west-1", "20260101T0005Z", "i")
	b.put(digest, packed(`{"digestS3Bucket":"b"}`))
	b.put(insight, file("insight"))
	b.put("AWSLogs/111111111111/Config/eu-west-1/2026/1/1/x.json.gz", packed(`{}`))
	b.put("sessions/alice-0a1b2c3d4e5f67890.log", []byte("sh-4.2$ whoami\nroot\n"))
	garbage := []string{"garbage", `{"Records":[` + record("x") + `]}`, `{"some":"thing"}`}
	b.send(append([]string{
		ofS3(b.bucket, "ObjectCreated:Put", keys["s3"]),
		inSNS(ofS3(b.bucket, "ObjectCreated:Copy", keys["s3-sns"])),
		inSNS(inSNS(ofS3(b.bucket, "ObjectCreated:Put", keys["s3-twice"]))),
		ofTrail(b.bucket, keys["trail"], keys["trail2"]),
		inSNS(ofTrail(b.bucket, keys["trail-sns"], digest)),
		ofBridge("Object Created", b.bucket, keys["bridge"]),
		ofLake(b.bucket, keys["lake"]),
		ofS3(b.bucket, "ObjectCreated:CompleteMultipartUpload", keys["two-a"], keys["two-b"], keys["two-a"]),
		ofS3(b.bucket, "ObjectCreated:Put", keys["plain"]),
		ofTrail(b.bucket, insight),
		ofTrail(b.bucket, "sessions/alice-0a1b2c3d4e5f67890.log"),
		// Noise.
		`{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}`,
		inSNS("CloudTrail validation message."),
		ofS3(b.bucket, "ObjectRemoved:Delete", keys["s3"]),
		ofBridge("Object Deleted", b.bucket, keys["s3"]),
		ofTrail(b.bucket, digest),
		ofTrail(b.bucket, "AWSLogs/111111111111/Config/eu-west-1/2026/1/1/x.json.gz"),
		ofS3(b.bucket, "ObjectCreated:Put", "folder/"),
	}, garbage...)...)
	a := b.start()
	b.Wait("all events, garbage in quarantine and in the queue", func() bool {
		return len(b.Events()) == 14 && len(b.Aside()) == len(garbage) && b.left() == fmt.Sprintf("0+%d", len(garbage))
	})
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"s3", "s3-sns", "s3-twice", "trail", "trail2", "trail-sns", "bridge", "two-a", "two-b", "plain", "plain2", "lake", "insight"} {
		if b.Events()[record(id)] != 1 {
			t.Errorf("%s came %d times", id, b.Events()[record(id)])
		}
	}
	ev, _ := b.Event(record("trail-sns"))
	if got := fmt.Sprint(ev.Record.Origin.Via, ev.Record.Origin.Object, ev.Record.Origin.Region); got != "[sqs sns cloudtrail s3]s3://"+b.bucket+"/"+keys["trail-sns"]+"eu-west-1" {
		t.Error(got)
	}
	for raw := range b.Events() {
		if strings.Contains(raw, "sessionId") && !strings.Contains(raw, "whoami") {
			t.Error(raw)
		}
	}
	var aside []string
	for _, e := range b.Aside() {
		aside = append(aside, string(e.Raw))
	}
	slices.Sort(aside)
	slices.Sort(garbage)
	if !slices.Equal(aside, garbage) {
		t.Errorf("in quarantine: %q", aside)
	}
}

// TestRealFiles drains log files of a real account.
func TestRealFiles(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/data/invictus/*.json")
	if len(files) == 0 {
		t.Skip("the files are not here")
	}
	b := newBench(t).byQueue()
	want := map[string]int{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var parsed struct{ Records []json.RawMessage }
		if err := json.Unmarshal(text, &parsed); err != nil {
			t.Fatal(err)
		}
		for _, r := range parsed.Records {
			want[string(r)]++
		}
		k := "AWSLogs/218007301253/CloudTrail/us-east-1/2023/07/10/" + filepath.Base(f) + ".gz"
		b.put(k, packed(string(text)))
		b.send(inSNS(ofTrail(b.bucket, k)))
	}
	b.start()
	b.Wait("an empty queue", func() bool { return len(b.Events()) == len(want) && b.drained() })
	if got := b.Events(); !maps.Equal(got, want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
}

// TestNotBefore holds that a message is deleted only when its events are delivered, and that an object that takes longer
// than the visibility timeout is read once.
func TestNotBefore(t *testing.T) {
	b := newBench(t).byQueue()
	b.config.VisibilityTimeout = time.Second
	release := b.Hold()
	k := key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", "a")
	b.put(k, file("a"))
	b.send(ofTrail(b.bucket, k))
	b.start()
	b.Wait("extensions for more than 2 s", func() bool { return b.proxy.Calls("ChangeMessageVisibilityBatch") >= 6 })
	if b.left() != "0+1" {
		t.Errorf("%s left", b.left())
	}
	release()
	b.Wait("an empty queue", b.drained)
	b.wantOnce("a")
	if n := b.proxy.Calls("GetObject"); n != 1 {
		t.Errorf("the object was read %d times", n)
	}
}

// TestBrokenOff has connections that break in the middle of a body: reading goes on from there.
func TestBrokenOff(t *testing.T) {
	b := newBench(t).byQueue()
	var ids []string
	for i := range 2000 {
		ids = append(ids, fmt.Sprint(i))
	}
	k := key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", "a")
	body := file(ids...)
	b.put(k, body)
	n := 0
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation != "GetObject" {
			return awstest.Fault{}
		}
		if n++; n < 5 {
			return awstest.Fault{Cut: len(body) / 6}
		}
		return awstest.Fault{}
	})
	b.send(ofTrail(b.bucket, k))
	b.start()
	b.Wait("an empty queue", func() bool { return len(b.Events()) == 2000 && b.drained() })
	b.wantOnce(ids...)
	if len(b.Aside()) > 0 || n != 5 {
		t.Errorf("%d requests, in quarantine: %+v", n, b.Aside())
	}
}

// TestReplaced has an object that is another one when reading goes on: it is read again from the beginning.
func TestReplaced(t *testing.T) {
	b := newBench(t).byQueue()
	k := key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", "a")
	old := file("old", "old2")
	b.put(k, old)
	var once sync.Once
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation == "GetObject" && c.Request.Header.Get("Range") == "" {
			f := awstest.Fault{}
			once.Do(func() { f.Cut = len(old) / 2 })
			return f
		}
		if c.Operation == "GetObject" {
			b.put(k, file("new"))
		}
		if c.Operation == "ChangeMessageVisibility" { // again at once
			return awstest.Fault{Body: bytes.Replace(c.Body, []byte(`"VisibilityTimeout":15`), []byte(`"VisibilityTimeout":0`), 1)}
		}
		return awstest.Fault{}
	})
	b.send(ofTrail(b.bucket, k))
	b.start()
	b.Wait("the new content", func() bool { return b.Events()[record("new")] == 1 })
	if len(b.Aside()) > 0 {
		t.Errorf("in quarantine: %+v", b.Aside())
	}
}

// TestOneOfTwo has a message of two objects, one of which can not be read at first: the other one is read once.
func TestOneOfTwo(t *testing.T) {
	b := newBench(t).byQueue()
	k1, k2 := key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", "a"), key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", "b")
	b.put(k1, file("a"))
	b.put(k2, file("b"))
	forbidden := true
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		switch {
		case c.Operation == "ChangeMessageVisibility": // again at once
			return awstest.Fault{Body: bytes.Replace(c.Body, []byte(`"VisibilityTimeout":15`), []byte(`"VisibilityTimeout":0`), 1)}
		case forbidden && c.Operation == "GetObject" && strings.HasSuffix(c.Path, k2):
			forbidden = false
			return awstest.Fault{Status: 403, Code: "AccessDenied"}
		}
		return awstest.Fault{}
	})
	b.send(ofTrail(b.bucket, k1, k2))
	b.start()
	b.Wait("an empty queue", func() bool { return len(b.Events()) == 2 && b.drained() })
	b.wantOnce("a", "b")
}

// TestPoison has an object that is not there.
func TestPoison(t *testing.T) {
	b := newBench(t).byQueue()
	b.config.MaxReceives = 2
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation == "ChangeMessageVisibility" {
			return awstest.Fault{Body: []byte(strings.NewReplacer(`"VisibilityTimeout":15`, `"VisibilityTimeout":0`, `"VisibilityTimeout":30`, `"VisibilityTimeout":0`).Replace(string(c.Body)))}
		}
		return awstest.Fault{}
	})
	body := ofTrail(b.bucket, key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", "missing"))
	b.send(body)
	b.start()
	b.Wait("an empty queue", func() bool { return len(b.Aside()) == 1 && b.drained() })
	if e := b.Aside()[0]; string(e.Raw) != body || !regexp.MustCompile(`received [3-9] times`).MatchString(e.Reason) || !strings.Contains(e.Reason, "NoSuchKey") {
		t.Errorf("%s: %s", e.Reason, e.Raw)
	}
}

// TestReceivedOften holds that a message which has not failed is delivered, however often it was received before.
func TestReceivedOften(t *testing.T) {
	b := newBench(t).byQueue()
	b.config.MaxReceives = 2
	k := key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", "a")
	b.put(k, file("a"))
	b.send(ofTrail(b.bucket, k))
	b.receive(5)
	b.start()
	b.Wait("an empty queue", func() bool { return len(b.Events()) == 1 && b.drained() })
	if len(b.Aside()) != 0 {
		t.Errorf("%+v", b.Aside())
	}
}

// TestUnknownStays holds that a message which is not understood is never deleted.
func TestUnknownStays(t *testing.T) {
	b := newBench(t).byQueue()
	b.config.MaxReceives = 2
	b.send(`{"what":"is this"}`)
	b.receive(5)
	b.start()
	b.Wait("a copy in quarantine", func() bool { return len(b.Aside()) == 1 && b.proxy.Calls("ChangeMessageVisibility") > 0 })
	if b.left() != "0+1" || b.proxy.Calls("DeleteMessageBatch") > 0 {
		t.Errorf("%s left, %d deletions", b.left(), b.proxy.Calls("DeleteMessageBatch"))
	}
}

// receive receives the message of the queue n times, and leaves it there.
func (b *bench) receive(n int) {
	b.Helper()
	for range n {
		out, err := b.sqs.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(b.url), VisibilityTimeout: 0})
		if err != nil || len(out.Messages) != 1 {
			b.Fatal(err, out)
		}
		if _, err := b.sqs.ChangeMessageVisibility(b.Context(), &sqs.ChangeMessageVisibilityInput{
			QueueUrl: aws.String(b.url), ReceiptHandle: out.Messages[0].ReceiptHandle, VisibilityTimeout: 0,
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestBroken has a file that is complete and no JSON: what is good of it comes out, the rest is in quarantine.
func TestBroken(t *testing.T) {
	b := newBench(t).byQueue()
	k := key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", "a")
	b.put(k, packed(`{"Records":[`+record("a")+`,{"bad`))
	b.send(ofTrail(b.bucket, k))
	b.start()
	b.Wait("an empty queue", func() bool { return len(b.Events()) == 1 && len(b.Aside()) == 1 && b.drained() })
}

// TestFaults drains through all kinds of failures.
func TestFaults(t *testing.T) {
	for name, fault := range map[string]func(n int, c awstest.Call) awstest.Fault{
		"throttled":        func(int, awstest.Call) awstest.Fault { return awstest.Fault{Status: 503, Code: "SlowDown"} },
		"server errors":    func(int, awstest.Call) awstest.Fault { return awstest.Fault{Status: 500, Code: "InternalError"} },
		"no answer":        func(int, awstest.Call) awstest.Fault { return awstest.Fault{Drop: true} },
		"lost answers":     func(int, awstest.Call) awstest.Fault { return awstest.Fault{Lost: true} },
		"half an answer":   func(int, awstest.Call) awstest.Fault { return awstest.Fault{Cut: 40} },
		"expired sessions": func(int, awstest.Call) awstest.Fault { return awstest.Fault{Status: 400, Code: "ExpiredToken"} },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t).byQueue()
			b.config.VisibilityTimeout = 2 * time.Second
			var ids []string
			for i := range 20 {
				ids = append(ids, fmt.Sprint(i))
				k := key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", ids[i])
				b.put(k, file(ids[i]))
				b.send(ofTrail(b.bucket, k))
			}
			n := 0
			b.proxy.Fail(func(c awstest.Call) awstest.Fault {
				if c.Operation == "ChangeMessageVisibility" {
					return awstest.Fault{Body: bytes.Replace(c.Body, []byte(`"VisibilityTimeout":15`), []byte(`"VisibilityTimeout":0`), 1)}
				}
				if n++; n%3 == 0 && n < 25 {
					return fault(n, c)
				}
				return awstest.Fault{}
			})
			b.start()
			b.Wait("all events and an empty queue", func() bool { return len(b.Events()) == len(ids) && b.drained() })
			if len(b.Aside()) > 0 {
				t.Errorf("in quarantine: %+v", b.Aside())
			}
		})
	}
}

// TestRoles reaches buckets by roles of their own.
func TestRoles(t *testing.T) {
	b := newBench(t).byQueue()
	var mu sync.Mutex
	asked := map[string]bool{}
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation == "AssumeRole" {
			mu.Lock()
			defer mu.Unlock()
			asked[string(c.Body)] = true
		}
		return awstest.Fault{}
	})
	b.config.STSEndpoint = b.proxy.URL
	b.config.Buckets = []Bucket{{Match: b.bucket, RoleARN: "arn:aws:iam::222222222222:role/reader", ExternalID: "one"}}
	other := b.newBucket()
	k := key("111111111111", "CloudTrail", "eu-west-1", "20260101T0005Z", "a")
	b.put(k, file("a"))
	b.send(ofTrail(b.bucket, k), ofTrail(other, k))
	b.start()
	b.Wait("the event", func() bool { return len(b.Events()) == 1 })
	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 1 {
		t.Fatalf("%d roles were assumed", len(asked))
	}
	for body := range asked {
		if !strings.Contains(body, "222222222222") || !strings.Contains(body, "ExternalId=one") {
			t.Error(body)
		}
	}
}

func TestCheck(t *testing.T) {
	b := newBench(t)
	check := func(c Config) string {
		b.config = c
		if err := b.input().Check(t.Context()); err != nil {
			return err.Error()
		}
		return ""
	}
	queue := Config{Queue: Queue{QueueURL: b.url}, AWS: AWS{Endpoint: b.proxy.URL}}
	bucket := Config{Bucket: b.bucket, AWS: AWS{Endpoint: b.proxy.URL}}
	named := queue
	named.Buckets = []Bucket{{Match: "not-there"}}
	wrongQueue, wrongBucket := queue, bucket
	wrongQueue.QueueURL, wrongBucket.Bucket = b.url+"x", "not-there"
	for name, c := range map[string]struct {
		config Config
		want   string
	}{
		"queue":         {queue, ""},
		"bucket":        {bucket, ""},
		"wrong queue":   {wrongQueue, "sqs:GetQueueAttributes " + b.url + "x: "},
		"wrong bucket":  {wrongBucket, "s3:ListBucket s3://not-there/: NoSuchBucket"},
		"bucket's name": {named, "s3:ListBucket s3://not-there/: NoSuchBucket"},
	} {
		if got := check(c.config); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	b.proxy.Fail(func(awstest.Call) awstest.Fault { return awstest.Fault{Status: 403, Code: "AccessDenied"} })
	if got := check(bucket); !strings.Contains(got, "the identity needs s3:ListBucket, s3:GetObject") {
		t.Error(got)
	}
}

func TestValidate(t *testing.T) {
	queue := Queue{QueueURL: "https://sqs.eu-west-1.amazonaws.com/123456789012/q"}
	for name, c := range map[string]Config{
		"queue_url: neither":       {},
		"bucket: queue_url":        {Queue: queue, Bucket: "b"},
		"start: means":             {Queue: queue, Start: "2026-01-01"},
		"start: \"yesterday\"":     {Bucket: "b", Start: "yesterday"},
		"end: it is before":        {Bucket: "b", Start: "2026-02-01", End: "2026-01-01"},
		"end: follow":              {Bucket: "b", Follow: true, End: "2026-01-01"},
		"kinds: \"digest\"":        {Bucket: "b", Kinds: []string{"digest"}},
		"include: \"[\"":           {Bucket: "b", Include: []string{"["}},
		"max_objects: it is":       {Bucket: "b", MaxObjects: -1},
		"buckets: match":           {Queue: queue, Buckets: []Bucket{{Match: "["}}},
		"buckets: b: role_arn: \"": {Queue: queue, Buckets: []Bucket{{Match: "b", RoleARN: "x"}}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
