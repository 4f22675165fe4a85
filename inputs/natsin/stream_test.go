package natsin

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/trailcast/trailcast/pipeline"
)

func TestDurableConsumerIsShared(t *testing.T) {
	w := streamWorld(t)
	first := w.Start(w.input(w.stream()), 0)
	second := w.Start(w.input(w.stream()), 0)
	want := numbered(2000)
	w.store(want...)
	w.waitEvents(len(want))
	w.waitDone(len(want))
	w.once(want...)
	if a, b := first.Stats().In, second.Stats().In; a == 0 || b == 0 {
		t.Errorf("the agents took %d and %d, want a share each", a, b)
	}
}

func TestSubjectAndStartOfACreatedConsumer(t *testing.T) {
	w := streamWorld(t)
	w.store(`{"n":"old"}`)
	c := w.stream()
	c.Subject, c.Start, c.AckWait, c.MaxInFlight = "trail.b.>", "end", 7*time.Second, 11
	w.Start(w.input(c), 0)
	w.waitLog("reading the stream")
	w.publish("trail.b.x", `{"n":"new"}`)
	w.waitEvents(1)
	w.once(`{"n":"new"}`)
	got := w.info().Config
	if got.FilterSubject != "trail.b.>" || got.AckWait != 7*time.Second || got.DeliverPolicy != jetstream.DeliverNewPolicy || got.MaxAckPending != -1 {
		t.Errorf("the consumer is %+v", got)
	}
}

func TestAcknowledgedOnlyAfterDelivery(t *testing.T) {
	w := streamWorld(t)
	release := w.Hold()
	w.Start(w.input(w.stream()), 0)
	w.store(numbered(5)...)
	w.waitConsumer("5 pending", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 5 })
	release()
	w.waitDone(5)
	w.once(numbered(5)...)
}

// A message is several events: it is acknowledged when the last of them is delivered.
func TestOneEventHoldsItsMessage(t *testing.T) {
	w := streamWorld(t)
	w.Fail(func(raw string) error {
		if strings.Contains(raw, "stuck") {
			return errors.New("not now")
		}
		return nil
	})
	w.Start(w.input(w.stream()), 0)
	w.store(`{"n":1}` + "\n" + `{"n":"stuck"}`)
	w.waitEvents(1)
	if i := w.info(); i.NumAckPending != 1 {
		t.Errorf("%d pending, want 1", i.NumAckPending)
	}
	w.Fail(nil)
	w.waitDone(1)
	w.once(`{"n":1}`, `{"n":"stuck"}`)
}

func TestRejectedEventIsAcknowledged(t *testing.T) {
	w := streamWorld(t)
	w.Fail(func(string) error { return pipeline.Reject(errors.New("too large")) })
	w.Start(w.input(w.stream()), 0)
	w.store(`{"n":1}`)
	w.waitDone(1)
	if n := len(w.Aside()); n != 1 {
		t.Errorf("%d in quarantine, want 1", n)
	}
}

func TestRetryIsDeliveredAgainWithTheSameKey(t *testing.T) {
	w := streamWorld(t)
	w.Start(&retried{Input: w.input(w.stream()), times: 3}, 0)
	w.store(`{"n":1}`)
	w.waitDone(1)
	if total, keys := w.Total(), len(w.Keys(`{"n":1}`)); total != 4 || keys != 1 {
		t.Errorf("%d deliveries with %d keys, want 4 with 1", total, keys)
	}
}

// Records without an eventID are told apart by where they came from.
func TestEqualMessagesHaveKeysOfTheirOwn(t *testing.T) {
	w := streamWorld(t)
	w.Start(w.input(w.stream()), 0)
	w.store(`{"n":1}`, `{"n":1}`)
	w.waitDone(2)
	first := w.Keys(`{"n":1}`)
	if len(first) != 2 {
		t.Errorf("%d keys, want 2", len(first))
	}
	// A stream that was made anew begins at 1 again.
	if err := w.js.DeleteStream(w.deadline(), "TRAIL"); err != nil {
		t.Fatal(err)
	}
	w.makeStream()
	w.store(`{"n":1}`)
	w.waitDone(1)
	if all := w.Keys(`{"n":1}`); len(all) != 3 {
		t.Errorf("%d keys, want 3", len(all))
	}
}

// The server hears in time that messages are being worked on, also those that wait to be fed.
func TestLongDeliveryIsNotRepeated(t *testing.T) {
	const ackWait = 300 * time.Millisecond
	w := streamWorld(t)
	w.makeConsumer(jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait})
	want := numbered(50)
	w.store(want...)
	release := w.Hold()
	w.narrow(w.input(w.stream()), time.Minute)
	w.waitConsumer("50 pending", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == len(want) })
	<-time.After(4 * ackWait) // this is the time that the delivery takes
	if n := w.info().NumRedelivered; n != 0 {
		t.Errorf("%d were redelivered", n)
	}
	release()
	w.waitDone(len(want))
	w.once(want...)
}

// What a stop interrupts goes back at once: ack_wait is half an hour here.
func TestStopLosesNothing(t *testing.T) {
	w := streamWorld(t)
	c := w.stream()
	c.AckWait = 30 * time.Minute
	want := numbered(200)
	w.store(want...)
	release := w.Hold()
	stop := w.narrow(w.input(c), 50*time.Millisecond)
	w.waitConsumer("messages that are out", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending > 0 })
	stop()
	if i := w.info(); w.Total() != 0 || i.AckFloor.Stream != 0 {
		t.Errorf("%d delivered, %d acknowledged; want none", w.Total(), i.AckFloor.Stream)
	}
	release()
	w.Start(w.input(c), 0)
	w.waitDone(len(want))
	w.once(want...)
}

func TestStopsInTheMiddleOfTraffic(t *testing.T) {
	w := streamWorld(t)
	c := w.stream()
	c.AckWait = 30 * time.Minute
	const rounds, each = 5, 400
	for round := range rounds {
		a := w.Start(w.input(c), 0)
		w.store(numberedFrom(round*each, each)...)
		w.waitEvents(round*each + each/2)
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
		// What is acknowledged is delivered.
		if i := w.info(); len(w.Events()) < int(i.AckFloor.Stream) {
			t.Errorf("%d delivered, %d acknowledged", len(w.Events()), i.AckFloor.Stream)
		}
	}
	w.Start(w.input(c), 0)
	w.waitDone(rounds * each)
	w.once(numbered(rounds * each)...)
}

func TestRestartOfTheServer(t *testing.T) {
	w := streamWorld(t)
	c := w.stream()
	c.AckWait = time.Second
	want := numbered(300)
	release := w.Hold()
	w.Start(w.input(c), 0)
	w.store(want[:200]...)
	w.waitConsumer("200 pending", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 200 })
	w.server.stop()
	w.waitLog("the connection to NATS was lost")
	w.server.start(t)
	w.waitLog("connected to NATS again")
	w.Wait("the client to be back", w.nc.IsConnected)
	w.store(want[200:]...)
	release()
	w.waitDone(len(want))
	w.once(want...)
}

// While a message is held, the server may think that it was lost and deliver it again. It is still worked on once, and
// its last delivery is what is acknowledged.
func TestRedeliveryOfWhatIsHeld(t *testing.T) {
	w := streamWorld(t)
	w.makeConsumer(jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, AckWait: 400 * time.Millisecond})
	release := w.Hold()
	in := w.input(w.stream())
	in.retryEvery = time.Second // the agent is away for longer than ack_wait
	w.Start(in, 0)
	w.store(`{"n":1}`)
	w.waitConsumer("1 pending", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 1 })
	w.server.stop()
	w.waitLog("no connection to NATS")
	w.server.start(t)
	w.waitConsumer("a redelivery", func(i *jetstream.ConsumerInfo) bool { return i.NumRedelivered > 0 })
	release()
	w.waitDone(1)
	w.once(`{"n":1}`)
}

func TestDeletedConsumer(t *testing.T) {
	w := streamWorld(t)
	w.Start(w.input(w.stream()), 0)
	w.store(`{"n":1}`)
	w.waitDone(1)
	if err := w.js.DeleteConsumer(w.deadline(), "TRAIL", "trailcast"); err != nil {
		t.Fatal(err)
	}
	w.Wait("a new consumer", func() bool { return strings.Count(w.log.String(), "created the consumer") == 2 })
	w.store(`{"n":2}`)
	w.waitDone(2)
}

func TestDeletedConsumerThatMayNotBeCreated(t *testing.T) {
	w := streamWorld(t)
	explicit := jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy}
	w.makeConsumer(explicit)
	c := w.stream()
	c.Create = false
	w.Start(w.input(c), 0)
	w.waitLog("reading the stream")
	if err := w.js.DeleteConsumer(w.deadline(), "TRAIL", "trailcast"); err != nil {
		t.Fatal(err)
	}
	w.waitLog("stream TRAIL has no consumer trailcast (make it, or set create: true)")
	w.makeConsumer(explicit)
	w.store(`{"n":1}`)
	w.waitDone(1)
	if n := strings.Count(w.log.String(), "has no consumer"); n != 1 {
		t.Errorf("complained %d times, want once", n)
	}
}

func TestConsumerWithoutAcknowledgementIsRefused(t *testing.T) {
	for _, policy := range []jetstream.AckPolicy{jetstream.AckNonePolicy, jetstream.AckAllPolicy} {
		w := streamWorld(t)
		w.makeConsumer(jetstream.ConsumerConfig{AckPolicy: policy})
		in := w.input(w.stream())
		w.Start(in, 0)
		w.waitLog(fmt.Sprintf(`has the acknowledgement policy \"%s\", with which messages can be lost: it must be explicit`, policyName(policy)))
		if err := in.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "must be explicit") {
			t.Errorf("Check: %v", err)
		}
		w.store(`{"n":1}`)
		if err := w.js.DeleteConsumer(w.deadline(), "TRAIL", "trailcast"); err != nil {
			t.Fatal(err)
		}
		w.waitDone(1) // the agent makes one that is right
	}
}

func TestConsumerThatMayLoseIsTold(t *testing.T) {
	w := streamWorld(t)
	w.makeConsumer(jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: 3, FilterSubject: "trail.a"})
	c := w.stream()
	c.Subject = "trail.b"
	w.Start(w.input(c), 0)
	w.waitLog("max_deliver=3")
	w.waitLog("filter=trail.a subject=trail.b")
}

func TestStreamThatComesLater(t *testing.T) {
	w := newWorld(t, server.Options{JetStream: true})
	w.Start(w.input(w.stream()), 0)
	w.waitLog("stream TRAIL: there is none")
	w.makeStream()
	w.store(`{"n":1}`)
	w.waitDone(1)
}

func TestMaxInFlight(t *testing.T) {
	w := streamWorld(t)
	want := numbered(100)
	w.store(want...)
	c := w.stream()
	c.MaxInFlight = 7
	release := w.Hold()
	a := w.Start(w.input(c), 0)
	w.waitConsumer("7 pending", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending == 7 })
	w.Wait("7 events in the engine", func() bool { return a.Stats().In == 7 })
	if i := w.info(); i.NumAckPending != 7 || i.NumWaiting != 0 {
		t.Errorf("%d pending, %d requests for more; want 7 and 0", i.NumAckPending, i.NumWaiting)
	}
	release()
	w.waitDone(len(want))
	w.once(want...)
}

// What waits to be fed is bounded in bytes, and a message that is larger than the bound passes all the same.
func TestBytesThatWaitAreBounded(t *testing.T) {
	w := streamWorld(t)
	var want []string
	for i := range 40 {
		want = append(want, fmt.Sprintf(`{"n":%d,"text":"%s"}`, i, strings.Repeat("x", 1000)))
	}
	want[20] = fmt.Sprintf(`{"large":"%s"}`, strings.Repeat("x", 50_000))
	w.store(want...)
	in := w.input(w.stream())
	in.maxWaiting = 10_000
	release := w.Hold()
	w.narrow(in, time.Minute)
	w.waitConsumer("a full buffer", func(i *jetstream.ConsumerInfo) bool { return i.NumAckPending > 4 && i.NumWaiting == 0 })
	if n := w.info().NumAckPending; n > 13 {
		t.Errorf("%d messages of 1 kB are out, want what fits into 10 kB", n)
	}
	release()
	w.waitDone(len(want))
	w.once(want...)
}

func TestLimitsOfAConsumer(t *testing.T) {
	w := streamWorld(t)
	w.makeConsumer(jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckExplicitPolicy, MaxRequestBatch: 3, MaxRequestMaxBytes: 2000, MaxRequestExpires: 100 * time.Millisecond,
		BackOff: []time.Duration{200 * time.Millisecond, time.Minute}, MaxDeliver: 5,
	})
	want := numbered(20)
	w.store(want...)
	w.Start(w.input(w.stream()), 0)
	w.waitDone(len(want))
	w.once(want...)
	if strings.Contains(w.log.String(), "can not read") {
		t.Errorf("complaints: %s", w.log)
	}
}

func TestAgentsThatCreateTheConsumerAtOnce(t *testing.T) {
	w := streamWorld(t)
	for range 8 {
		w.Start(w.input(w.stream()), 0)
	}
	want := numbered(100)
	w.store(want...)
	w.waitDone(len(want))
	w.once(want...)
}

func TestContent(t *testing.T) {
	const record = `{"eventVersion":"1.08","eventID":"e%d","eventSource":"ec2.amazonaws.com","eventName":"RunInstances","eventTime":"2024-05-01T10:00:00Z","awsRegion":"eu-west-1"}`
	rec := func(n int) string { return fmt.Sprintf(record, n) }
	sns := `{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:eu-west-1:111122223333:t","Timestamp":"2024-05-01T10:00:00Z","Message":` +
		fmt.Sprintf("%q", rec(2)) + `}`
	tests := []struct {
		name, payload string
		want          []string
		aside         int
	}{
		{"one record", rec(1), []string{rec(1)}, 0},
		{"gzip", gzipped(t, rec(1)), []string{rec(1)}, 0},
		{"SNS envelope", sns, []string{rec(2)}, 0},
		{"Records document", `{"Records":[` + rec(1) + `,` + rec(2) + `]}`, []string{rec(1), rec(2)}, 0},
		{"several records", rec(1) + "\n" + rec(2) + "\n" + rec(3) + "\n", []string{rec(1), rec(2), rec(3)}, 0},
		{"gzip of several", gzipped(t, `{"Records":[`+rec(1)+`,`+rec(2)+`]}`), []string{rec(1), rec(2)}, 0},
		{"garbage", `}{ what`, nil, 1},
		{"garbage among records", rec(1) + "\n}{\n" + rec(2), []string{rec(1), rec(2)}, 1},
		{"a broken gzip", gzipped(t, rec(1))[:40], nil, 1},
		{"nothing", ``, nil, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := streamWorld(t)
			c := w.stream()
			c.Accept = []string{"cloudtrail"}
			w.Start(w.input(c), 0)
			w.store(test.payload)
			w.waitDone(1)
			w.once(test.want...)
			if n := len(w.Aside()); n != test.aside {
				t.Errorf("%d in quarantine, want %d: %+v", n, test.aside, w.Aside())
			}
		})
	}
}

// Headers are the sender's: nothing is believed of them.
func TestHeadersAreIgnored(t *testing.T) {
	w := streamWorld(t)
	w.Start(w.input(w.stream()), 0)
	h := nats.Header{"Trailcast-Account": {"999999999999"}, "Trailcast-Id": {"forged"}, "Trailcast-Kind": {"cloudtrail"}}
	if _, err := w.js.PublishMsg(w.deadline(), &nats.Msg{Subject: "trail.a", Data: []byte(`{"n":1}`), Header: h}); err != nil {
		t.Fatal(err)
	}
	w.waitDone(1)
	ev, _ := w.Event(`{"n":1}`)
	if ev.Record.Kind != pipeline.KindOther || ev.Record.Facts().Account.ID != "" || strings.Contains(ev.Key(), "forged") {
		t.Errorf("kind %s, facts %+v, key %s", ev.Record.Kind, ev.Record.Facts(), ev.Key())
	}
	if o := ev.Record.Origin; o.Object != "nats:trail.a" || o.Time.IsZero() || !strings.HasPrefix(o.Identity, "TRAIL:1:") {
		t.Errorf("origin %+v", o)
	}
}
