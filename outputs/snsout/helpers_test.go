package snsout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/trailcast/trailcast/internal/awstest"
	"github.com/trailcast/trailcast/pipeline"
)

// bus is the emulator behind a proxy.
type bus struct {
	testing.TB
	server *awstest.Server
	proxy  *awstest.Proxy
	sns    *sns.Client
	sqs    *sqs.Client
}

func newBus(t testing.TB) *bus {
	server := awstest.Start(t)
	return &bus{t, server, awstest.NewProxy(t, server.URL), sns.NewFromConfig(server.Config()), sqs.NewFromConfig(server.Config())}
}

// topic makes a topic; suffix is "" or ".fifo".
func (b *bus) topic(suffix string) (arn string) {
	b.Helper()
	return b.named(awstest.Name("t") + suffix)
}

// named makes a topic with a name.
func (b *bus) named(name string) (arn string) {
	b.Helper()
	in := &sns.CreateTopicInput{Name: aws.String(name)}
	if strings.HasSuffix(name, ".fifo") {
		in.Attributes = map[string]string{"FifoTopic": "true"}
	}
	out, err := b.sns.CreateTopic(b.Context(), in)
	if err != nil {
		b.Fatal(err)
	}
	return *out.TopicArn
}

// subscribe makes a queue that gets a topic's messages, and returns its URL.
func (b *bus) subscribe(topic string, attributes map[string]string) (url string) {
	b.Helper()
	in := &sqs.CreateQueueInput{QueueName: aws.String(awstest.Name("q"))}
	if strings.HasSuffix(topic, ".fifo") {
		in.QueueName = aws.String(*in.QueueName + ".fifo")
		in.Attributes = map[string]string{"FifoQueue": "true"}
	}
	queue, err := b.sqs.CreateQueue(b.Context(), in)
	if err != nil {
		b.Fatal(err)
	}
	got, err := b.sqs.GetQueueAttributes(b.Context(), &sqs.GetQueueAttributesInput{QueueUrl: queue.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{"QueueArn"}})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := b.sns.Subscribe(b.Context(), &sns.SubscribeInput{
		TopicArn: aws.String(topic), Protocol: aws.String("sqs"), Endpoint: aws.String(got.Attributes["QueueArn"]), Attributes: attributes,
	}); err != nil {
		b.Fatal(err)
	}
	return *queue.QueueUrl
}

var raw = map[string]string{"RawMessageDelivery": "true"}

// output makes an output of a configuration whose endpoint is the proxy.
func (b *bus) output(c Config, env pipeline.Env) *Output {
	b.Helper()
	c.Endpoint = b.proxy.URL
	if env.Name == "" {
		env.Name = "pager"
	}
	o, err := New(c, env)
	if err != nil {
		b.Fatal(err)
	}
	return o
}

// to is a configuration with a topic.
func to(topic string) Config { return Config{TopicARN: topic} }

// received is what boto3 has read of a queue.
type received struct {
	Queue      string
	Body       string            // of raw delivery the message, else SNS's envelope
	Attributes map[string]string // of raw delivery
	Group      string
}

// notification is SNS's envelope.
type notification struct {
	Subject, Message  string
	MessageAttributes map[string]struct{ Type, Value string }
}

func (r received) notification(t testing.TB) (n notification) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Body), &n); err != nil {
		t.Fatalf("%v: %.200s", err, r.Body)
	}
	return n
}

// drain is a reader that shares no code with the writer: AWS's own for Python.
const drain = `
import boto3, json, sys
sqs = boto3.client("sqs", aws_access_key_id="test", aws_secret_access_key="test")
found = []
for url in sys.argv[1:]:
    while True:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]).get("Messages", [])
        if not got:
            break
        for m in got:
            found.append({"Queue": url, "Body": m["Body"], "Group": m["Attributes"].get("MessageGroupId", ""),
                "Attributes": {k: v["StringValue"] for k, v in m.get("MessageAttributes", {}).items()}})
        sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got)])
print(json.dumps(found))
`

func (b *bus) drain(queues ...string) (all []received) {
	b.Helper()
	b.server.Python(b, drain, &all, queues...)
	return all
}

// receive drains a queue in less time than drain.
func (b *bus) receive(queue string) (bodies [][]byte) {
	b.Helper()
	for {
		out, err := b.sqs.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(queue), MaxNumberOfMessages: 10})
		if err != nil {
			b.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return bodies
		}
		deletion := &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(queue)}
		for i, m := range out.Messages {
			bodies = append(bodies, []byte(*m.Body))
			deletion.Entries = append(deletion.Entries, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
		}
		if _, err := b.sqs.DeleteMessageBatch(b.Context(), deletion); err != nil {
			b.Fatal(err)
		}
	}
}

// deliver writes as the engine does: what failed comes again, and what was rejected is returned.
func deliver(t testing.TB, o *Output, events []pipeline.Event) (rejected []error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for len(events) > 0 {
		if err := ctx.Err(); err != nil {
			t.Fatal(err)
		}
		n := min(len(events), o.Limits().MaxEvents)
		batch := events[:n:n]
		events = events[n:]
		err := o.Write(ctx, batch)
		if err == nil {
			continue
		}
		partial, ok := errors.AsType[*pipeline.BatchError](err)
		if !ok {
			t.Fatalf("%T: %v", err, err)
		}
		var again []pipeline.Event
		for _, f := range partial.Failed {
			if pipeline.IsRejected(f.Err) {
				rejected = append(rejected, f.Err)
			} else {
				again = append(again, batch[f.Index])
			}
		}
		events = append(again, events...)
	}
	return rejected
}

// event makes an event of an account.
func event(id, account, raw string) pipeline.Event {
	return eventOf(raw, pipeline.Facts{
		ID: id, Kind: pipeline.KindCloudTrail, Region: "eu-west-1", Account: pipeline.Account{ID: account}, Service: "ssm",
		Action: "StartSession", Outcome: "success", Actor: pipeline.Actor{Kind: "human", User: "zoë"},
	}, id)
}

func eventOf(raw string, facts pipeline.Facts, key string) pipeline.Event {
	return pipeline.NewEvent(&pipeline.Record{
		Raw: []byte(raw), Kind: facts.Kind, Origin: &pipeline.Origin{Input: "test"}, Reader: fixed{&facts, key},
	})
}

// fixed is a pipeline.Reader of one record.
type fixed struct {
	facts *pipeline.Facts
	key   string
}

func (f fixed) Facts(*pipeline.Record) *pipeline.Facts { return f.facts }
func (f fixed) Key(*pipeline.Record) string            { return f.key }

func numbered(n int) []pipeline.Event {
	events := make([]pipeline.Event, n)
	for i := range events {
		id := fmt.Sprintf("e%05d", i)
		events[i] = event(id, []string{"111122223333", "123456789012"}[i%2], fmt.Sprintf(`{"eventID":%q,"n":%d,"text":"line 1\nline 2"}`, id, i))
	}
	return events
}
