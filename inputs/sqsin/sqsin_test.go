package sqsin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/trailcast/trailcast/inputs/inputtest"
	"github.com/trailcast/trailcast/internal/awstest"
	"github.com/trailcast/trailcast/pipeline"
)

// queue is a queue of the emulator behind a proxy.
type queue struct {
	*testing.T
	*inputtest.Bench
	server *awstest.Server
	proxy  *awstest.Proxy
	client *sqs.Client
	url    string
	config Config
}

func newQueue(t *testing.T) *queue {
	server := awstest.Start(t)
	q := &queue{T: t, Bench: inputtest.New(t), server: server, proxy: awstest.NewProxy(t, server.URL), client: sqs.NewFromConfig(server.Config())}
	out, err := q.client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(awstest.Name("q"))})
	if err != nil {
		t.Fatal(err)
	}
	q.url = *out.QueueUrl
	q.config = Config{Queue: Queue{QueueURL: q.url, VisibilityTimeout: 5 * time.Second}, AWS: AWS{Endpoint: q.proxy.URL}}
	return q
}

func (q *queue) start() *inputtest.Agent {
	q.Helper()
	in, err := New(q.config, pipeline.Env{Name: "queue"})
	if err != nil {
		q.Fatal(err)
	}
	return q.Start(in, time.Second)
}

func (q *queue) send(bodies ...string) {
	q.Helper()
	for i := 0; i < len(bodies); i += 10 {
		in := &sqs.SendMessageBatchInput{QueueUrl: aws.String(q.url)}
		for j, b := range bodies[i:min(i+10, len(bodies))] {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(j)), MessageBody: aws.String(b)})
		}
		if out, err := q.client.SendMessageBatch(q.Context(), in); err != nil || len(out.Failed) > 0 {
			q.Fatal(err, out)
		}
	}
}

// left returns how many messages the queue has, visible or not.
func (q *queue) left() string {
	q.Helper()
	out, err := q.client.GetQueueAttributes(q.Context(), &sqs.GetQueueAttributesInput{QueueUrl: aws.String(q.url), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		q.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"] + "+" + out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

func (q *queue) drained() bool { return q.left() == "0+0" }

func record(id string) string {
	return fmt.Sprintf(`{"eventVersion":"1.08","eventSource":"ssm.amazonaws.com","eventName":"StartSession","awsRegion":"eu-west-1","eventID":%q,"recipientAccountId":"123456789012","userIdentity":{"type":"IAMUser"}}`, id)
}

func bridge(record string) string {
	return `{"version":"0","id":"x","detail-type":"AWS API Call via CloudTrail","source":"aws.ssm","account":"123456789012","region":"eu-west-1","resources":[],"detail":` + record + `}`
}

func sns(message string) string {
	return fmt.Sprintf(`{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:eu-west-1:123456789012:t","Message":%q}`, message)
}

func TestShapes(t *testing.T) {
	awstest.NoLeaks(t)
	q := newQueue(t)
	q.send(bridge(record("a")), sns(bridge(record("b"))), record("c"), `{"Records":[`+record("d")+`,`+record("e")+`]}`, "garbage", sns(sns(record("f"))))
	a := q.start()
	q.Wait("an empty queue", func() bool { return len(q.Events()) == 6 && len(q.Aside()) == 1 && q.drained() })
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		if n := q.Events()[record(id)]; n != 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
	ev, _ := q.Event(record("b"))
	if got := strings.Join(ev.Record.Origin.Via, " "); got != "sqs sns eventbridge" {
		t.Errorf("via %s", got)
	}
	if e := q.Aside()[0]; string(e.Raw) != "garbage" || e.Origin.Identity == "" || e.Origin.Time.IsZero() {
		t.Errorf("%+v", e)
	}
}

func TestMany(t *testing.T) {
	q := newQueue(t)
	var bodies []string
	for i := range 300 {
		bodies = append(bodies, bridge(record(fmt.Sprint(i))))
	}
	q.send(bodies...)
	q.start()
	q.Wait("an empty queue", func() bool { return len(q.Events()) == 300 && q.drained() })
	if q.Total() != 300 {
		t.Errorf("%d deliveries", q.Total())
	}
	if n := q.proxy.Calls("DeleteMessageBatch"); n > 150 {
		t.Errorf("%d calls to delete 300 messages", n)
	}
}

// TestNotBefore holds that a message stays until its events are delivered, however long that takes.
func TestNotBefore(t *testing.T) {
	q := newQueue(t)
	q.config.VisibilityTimeout = time.Second
	release := q.Hold()
	q.send(record("a"))
	q.start()
	q.Wait("extensions", func() bool { return q.proxy.Calls("ChangeMessageVisibilityBatch") >= 6 }) // more than 2 s
	if q.left() != "0+1" || q.proxy.Calls("DeleteMessageBatch") > 0 {
		t.Errorf("%s left, %d deletions", q.left(), q.proxy.Calls("DeleteMessageBatch"))
	}
	release()
	q.Wait("an empty queue", q.drained)
	if q.Total() != 1 {
		t.Errorf("%d deliveries", q.Total())
	}
}

// TestLostInvisibility has the queue give a message again while it is worked on.
func TestLostInvisibility(t *testing.T) {
	q := newQueue(t)
	q.config.VisibilityTimeout = time.Second
	q.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation == "ChangeMessageVisibilityBatch" {
			return awstest.Fault{Status: 500, Code: "InternalError"}
		}
		return awstest.Fault{}
	})
	release := q.Hold()
	q.send(record("a"))
	q.start()
	var received int
	q.Wait("the message again", func() bool {
		out, err := q.client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: aws.String(q.url), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
		if err != nil {
			t.Fatal(err)
		}
		_ = out
		received = q.proxy.Calls("ReceiveMessage")
		return received > 6
	})
	release()
	q.Wait("an empty queue", q.drained)
	if q.Total() != 1 {
		t.Errorf("%d deliveries", q.Total())
	}
}

func TestStopGivesBack(t *testing.T) {
	q := newQueue(t)
	q.config.VisibilityTimeout = 10 * time.Minute
	release := q.Hold()
	defer release()
	q.send(record("a"), record("b"))
	a := q.start()
	q.Wait("both in hand", func() bool { return a.Stats().In == 2 })
	_ = a.Stop()
	q.Wait("both visible again", func() bool { return q.left() == "2+0" })
	release()
	q.start()
	q.Wait("an empty queue", func() bool { return len(q.Events()) == 2 && q.drained() })
}

func TestFaults(t *testing.T) {
	for name, fault := range map[string]func(n int, c awstest.Call) awstest.Fault{
		"throttled": func(n int, c awstest.Call) awstest.Fault {
			if n%3 != 0 {
				return awstest.Fault{Status: 400, Code: "RequestThrottled"}
			}
			return awstest.Fault{}
		},
		"half answers": func(n int, c awstest.Call) awstest.Fault {
			if n%2 == 0 && c.Operation == "ReceiveMessage" {
				return awstest.Fault{Cut: 30}
			}
			return awstest.Fault{}
		},
		"lost deletions": func(n int, c awstest.Call) awstest.Fault {
			if n%2 == 0 && c.Operation == "DeleteMessageBatch" {
				return awstest.Fault{Lost: true}
			}
			return awstest.Fault{}
		},
		"deletions that fail in part": func(n int, c awstest.Call) awstest.Fault {
			if c.Operation == "DeleteMessageBatch" && n%2 == 0 {
				return awstest.Fault{Body: []byte(strings.Replace(string(c.Body), `"ReceiptHandle":"`, `"ReceiptHandle":"no`, 1))}
			}
			return awstest.Fault{}
		},
		"expired credentials": func(n int, c awstest.Call) awstest.Fault {
			if n < 4 {
				return awstest.Fault{Status: 403, Code: "ExpiredToken"}
			}
			return awstest.Fault{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t)
			q.config.VisibilityTimeout = 2 * time.Second
			var bodies []string
			for i := range 30 {
				bodies = append(bodies, record(fmt.Sprint(i)))
			}
			q.send(bodies...)
			n := 0
			q.proxy.Fail(func(c awstest.Call) awstest.Fault {
				n++
				return fault(n, c)
			})
			q.start()
			q.Wait("all events and an empty queue", func() bool { return len(q.Events()) == 30 && q.drained() })
		})
	}
}

// TestPoison has a message that was received so often that it may be what ends agents: it is not tried once more.
func TestPoison(t *testing.T) {
	q := newQueue(t)
	q.config.MaxReceives = 1
	q.send(record("bad"))
	for range 10 {
		out, err := q.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(q.url)})
		if err != nil || len(out.Messages) != 1 {
			t.Fatal(err, out)
		}
		if _, err := q.client.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
			QueueUrl: aws.String(q.url), ReceiptHandle: out.Messages[0].ReceiptHandle, VisibilityTimeout: 0,
		}); err != nil {
			t.Fatal(err)
		}
	}
	q.start()
	q.Wait("an empty queue", func() bool { return len(q.Aside()) == 1 && q.drained() })
	if e := q.Aside()[0]; !strings.Contains(e.Reason, "received 11 times without success, more than max_receives") || string(e.Raw) != record("bad") || len(q.Events()) > 0 {
		t.Errorf("%+v", e)
	}
}

func TestCheck(t *testing.T) {
	q := newQueue(t)
	check := func() error {
		in, err := New(q.config, pipeline.Env{Name: "queue"})
		if err != nil {
			t.Fatal(err)
		}
		return in.Check(t.Context())
	}
	if err := check(); err != nil {
		t.Error(err)
	}
	q.config.QueueURL += "-wrong"
	if err := check(); err == nil || !strings.Contains(err.Error(), "sqs:GetQueueAttributes") || !strings.Contains(err.Error(), "look at the name") {
		t.Error(err)
	}
	q.proxy.Fail(func(awstest.Call) awstest.Fault { return awstest.Fault{Status: 403, Code: "AccessDenied"} })
	if err := check(); err == nil || !strings.Contains(err.Error(), "the identity needs sqs:GetQueueAttributes, sqs:ReceiveMessage, sqs:DeleteMessage") {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]Config{
		"no queue":   {},
		"no URL":     {Queue: Queue{QueueURL: "trail"}},
		"visibility": {Queue: Queue{QueueURL: "https://sqs.eu-west-1.amazonaws.com/1/q", VisibilityTimeout: 13 * time.Hour}},
		"accept":     {Queue: Queue{QueueURL: "https://sqs.eu-west-1.amazonaws.com/1/q"}, Split: Split{Accept: []string{"x"}}},
	} {
		if c.Validate() == nil {
			t.Errorf("%s: no mistake is found", name)
		}
	}
	q := Queue{QueueURL: "https://sqs.eu-west-1.amazonaws.com/1/q"}
	if q.RegionOfURL() != "eu-west-1" || q.Name() != "q" {
		t.Error(q.RegionOfURL(), q.Name())
	}
}
