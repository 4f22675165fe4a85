package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/trailcast/trailcast/internal/awstest"
)

// SNS from the plugin: the emulator behind a proxy that throttles calls, lets entries fail alone, and goes away.

// pager is a topic with a queue behind it.
type pager struct {
	testing.TB
	server     *awstest.Server
	proxy      *awstest.Proxy
	topic      string
	queue, arn string
	sqs        *sqs.Client
}

func startPager(t testing.TB) *pager {
	server := awstest.Start(t)
	p := &pager{TB: t, server: server, proxy: awstest.NewProxy(t, server.URL), sqs: sqs.NewFromConfig(server.Config())}
	client := sns.NewFromConfig(server.Config())
	topic, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(awstest.Name("sessions"))})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := p.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(awstest.Name("pager"))})
	if err != nil {
		t.Fatal(err)
	}
	p.topic, p.queue = *topic.TopicArn, *queue.QueueUrl
	p.arn = "arn:aws:sqs:" + awstest.Region + ":" + awstest.Account + ":" + p.queue[strings.LastIndexByte(p.queue, '/')+1:]
	if _, err := client.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String(p.arn), Attributes: map[string]string{"RawMessageDelivery": "true"},
	}); err != nil {
		t.Fatal(err)
	}
	return p
}

// keys are the flat keys of an instance that publishes on the topic.
func (p *pager) keys(dir string) []string {
	return []string{"Quarantine_Path=" + dir + "/q", "Flush_Timeout=4s", "Sns_Topic_Arn=" + p.topic, "Sns_Endpoint=" + p.proxy.URL, "Sns_Timeout=2s"}
}

// ids drains the queue, and returns how often each event came.
func (p *pager) ids() map[string]int {
	p.Helper()
	ids := map[string]int{}
	for _, body := range p.bodies() {
		var e struct{ EventID string }
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			p.Fatal(err)
		}
		ids[e.EventID]++
	}
	return ids
}

func (p *pager) bodies() (bodies []string) {
	p.Helper()
	for {
		out, err := p.sqs.ReceiveMessage(p.Context(), &sqs.ReceiveMessageInput{QueueUrl: &p.queue, MaxNumberOfMessages: 10})
		if err != nil {
			p.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return bodies
		}
		deletion := &sqs.DeleteMessageBatchInput{QueueUrl: &p.queue}
		for i, m := range out.Messages {
			bodies = append(bodies, *m.Body)
			deletion.Entries = append(deletion.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
		}
		if _, err := p.sqs.DeleteMessageBatch(p.Context(), deletion); err != nil {
			p.Fatal(err)
		}
	}
}

// waiting returns how many messages the queue has.
func (p *pager) waiting() int {
	p.Helper()
	out, err := p.sqs.GetQueueAttributes(p.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &p.queue, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		p.Fatal(err)
	}
	var n int
	_, _ = fmt.Sscan(out.Attributes["ApproximateNumberOfMessages"], &n)
	return n
}

// faults throttle every third call, and let every twentieth entry fail.
func (p *pager) faults() *awstest.EntryFaults {
	entries := &awstest.EntryFaults{Every: 20}
	n := 0
	p.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation != "PublishBatch" {
			return awstest.Fault{}
		}
		if n++; n%3 == 0 {
			return awstest.Fault{Status: 400, Code: "Throttling"}
		}
		return entries.Of(c)
	})
	return entries
}

func (p *pager) gone() {
	p.proxy.Fail(func(awstest.Call) awstest.Fault { return awstest.Fault{Drop: true} })
}

func TestPluginWhileSNSThrottlesAndFails(t *testing.T) {
	p := startPager(t)
	h := startHost(t, hostFile(t))
	h.start(p.keys(t.TempDir())...)
	entries := p.faults()
	var all []string
	for i := range 3 {
		chunk, ids := chunkFile(t, 50*i, 50)
		all = append(all, ids...)
		h.flushUntilOK(0, 0, "t", chunk)
	}
	if entries.Failed() == 0 {
		t.Error("nothing failed alone")
	}
	h.end(1)
	p.compare(all)
}

func TestPluginWhileSNSIsAwayAndComesBack(t *testing.T) {
	p := startPager(t)
	dir := t.TempDir()
	h := startHost(t, hostFile(t))
	h.start(append(p.keys(dir), "File_Path="+dir+"/out.ndjson")...)
	p.gone()
	chunk, ids := chunkFile(t, 0, 100)
	for range 2 {
		if a := h.flush(0, "t", chunk); a != flbRetry {
			t.Fatalf("answer %s without SNS", a)
		}
	}
	p.proxy.Fail(nil)
	h.flushUntilOK(0, 0, "t", chunk)
	h.end(1)
	p.compare(ids)
	if none, several := arrivals(t, dir+"/out.ndjson", ids); none+several > 0 {
		t.Errorf("file: %d missing, %d repeated; a retried chunk must not be written again", none, several)
	}
}

// compare checks that everything came. A standard topic may repeat, and so may a call whose answer came too late.
func (p *pager) compare(want []string) {
	p.Helper()
	got := p.ids()
	for _, id := range want {
		if got[id] == 0 {
			p.Errorf("%s is lost", id)
		}
	}
	if len(got) != len(want) {
		p.Errorf("%d events arrived, want %d", len(got), len(want))
	}
}

// The same in a real Fluent Bit: throttled, entries that fail, then away and back.
func TestFluentBitToSNS(t *testing.T) {
	fluentBitFile(t)
	p := startPager(t)
	dir := t.TempDir()
	lines, _ := staged(t)
	const files, each = 8, 50 // of the generated ones, which are the last
	lines = lines[len(lines)-files:]
	put(t, dir, 0, lines[0])
	entries := p.faults()
	f := startFluentBit(t, dir, tailFiles+`[OUTPUT]
    Name trailcast
    Match *
    Workers 1
    Retry_Limit no_limits
    Quarantine_Path DIR/quarantine
    Sns_Timeout 1s
    Sns_Topic_Arn `+p.topic+`
    Sns_Endpoint `+p.proxy.URL+`
`)
	f.until("something with faults", func() bool { return entries.Failed() > 0 && p.waiting() > 0 })
	p.gone()
	for i := 1; i < files; i++ {
		put(t, dir, i, lines[i])
	}
	f.until("a retry", f.logs("outputs have not confirmed a chunk in time"))
	p.faults()
	f.until("all records", func() bool { return p.waiting() >= files*each })
	f.stop()
	if got := p.ids(); len(got) != files*each {
		t.Errorf("%d events of %d", len(got), files*each)
	}
}

func TestFluentBitRunsTheSNSSample(t *testing.T) {
	fluentBitFile(t)
	p := startPager(t)
	dir := t.TempDir()
	moved := strings.NewReplacer("/var/lib/fluent-bit", dir+"/lib", "/var/log/cloudtrail", dir+"/in",
		"Sns_Topic_Arn arn:aws:sns:eu-west-1:123456789012:sessions", "Sns_Topic_Arn "+p.topic+"\n    Sns_Endpoint "+p.proxy.URL)
	f := startSample(t, dir, "sns.conf", moved)
	write(t, dir+"/in/sessions.json", `{"Records":[`+
		`{"eventVersion":"1.08","eventTime":"2026-03-01T12:00:00Z","eventSource":"ssm.amazonaws.com","eventName":"StartSession","awsRegion":"eu-west-1","sourceIPAddress":"203.0.113.7","userIdentity":{"type":"IAMUser","accountId":"123456789012","userName":"zoe"},"requestParameters":{"target":"i-0abc"},"eventID":"1","recipientAccountId":"123456789012"},`+
		`{"eventVersion":"1.08","eventTime":"2026-03-01T12:00:01Z","eventSource":"ssm.amazonaws.com","eventName":"DescribeSessions","awsRegion":"eu-west-1","userIdentity":{"type":"IAMUser"},"eventID":"2","recipientAccountId":"123456789012"}`+
		"]}\n")
	var got []string
	f.until("the message", func() bool { got = append(got, p.bodies()...); return len(got) > 0 })
	f.stop()
	got = append(got, p.bodies()...)
	if want := "zoe did StartSession on i-0abc in account 123456789012, region eu-west-1, at 2026-03-01T12:00:00Z from 203.0.113.7"; len(got) != 1 || got[0] != want {
		t.Errorf("%q", got)
	}
}
