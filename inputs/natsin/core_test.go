package natsin

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func TestQueueGroupSharesMessages(t *testing.T) {
	w := newWorld(t, server.Options{})
	first := w.Start(w.input(w.core("trail.>", "agents")), 0)
	second := w.Start(w.input(w.core("trail.>", "agents")), 0)
	w.listening("trail.a", 2)
	want := numbered(500)
	w.publish("trail.a", want...)
	w.waitEvents(len(want))
	w.once(want...)
	w.Wait("all to be counted", func() bool { return first.Stats().In+second.Stats().In >= int64(len(want)) })
	if a, b := first.Stats().In, second.Stats().In; a == 0 || b == 0 || a+b != int64(len(want)) {
		t.Errorf("the agents took %d and %d, want a share of %d each", a, b, len(want))
	}
}

func TestWildcards(t *testing.T) {
	w := newWorld(t, server.Options{})
	w.Start(w.input(w.core("trail.*.eu.>", "")), 0)
	w.listening("trail.1.eu.ec2", 1)
	w.publish("trail.1.us.ec2", `{"n":"no"}`)
	w.publish("trail.1.eu.ec2", `{"n":"a"}`)
	w.publish("trail.2.eu.iam.x", `{"n":"b"}`)
	w.publish("trail.2.eu", `{"n":"no"}`)
	w.publish("trail.3.eu.z", `{"n":"last"}`)
	w.waitEvents(3)
	w.once(`{"n":"a"}`, `{"n":"b"}`, `{"n":"last"}`)
	if ev, _ := w.Event(`{"n":"b"}`); ev.Record.Origin.Object != "nats:trail.2.eu.iam.x" {
		t.Errorf("the origin is %+v, want the message's subject", ev.Record.Origin)
	}
}

// Equal messages are different ones in core NATS, unless their sender gave them one id.
func TestIdentityOfCoreMessages(t *testing.T) {
	w := newWorld(t, server.Options{})
	w.Start(w.input(w.core("trail.>", "")), 0)
	w.listening("trail.a", 1)
	w.publish("trail.a", `{"n":1}`, `{"n":1}`)
	for range 2 {
		if err := w.nc.PublishMsg(&nats.Msg{Subject: "trail.a", Data: []byte(`{"n":2}`), Header: nats.Header{nats.MsgIdHdr: {"one"}}}); err != nil {
			t.Fatal(err)
		}
	}
	w.flush()
	w.Wait("4 deliveries", func() bool { return w.Total() == 4 })
	if a, b := len(w.Keys(`{"n":1}`)), len(w.Keys(`{"n":2}`)); a != 2 || b != 1 {
		t.Errorf("%d keys without an id, %d with one; want 2 and 1", a, b)
	}
}

// What has arrived is delivered at a stop: nobody would give it a second time.
func TestStopDeliversWhatHasArrived(t *testing.T) {
	w := newWorld(t, server.Options{})
	release := w.Hold()
	stop := w.narrow(w.input(w.core("trail.>", "")), time.Minute)
	w.listening("trail.a", 1)
	want := numbered(100)
	w.publish("trail.a", want...)
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	w.listening("trail.a", 0) // no more arrives
	release()
	<-stopped
	w.once(want...)
	if strings.Contains(w.log.String(), "lost") {
		t.Errorf("the log tells of a loss: %s", w.log)
	}
}

func TestStopTellsWhatWasNotDelivered(t *testing.T) {
	w := newWorld(t, server.Options{})
	release := w.Hold()
	defer release()
	stop := w.narrow(w.input(w.core("trail.>", "")), 50*time.Millisecond)
	w.listening("trail.a", 1)
	w.publish("trail.a", numbered(10)...)
	stop()
	if total, lost := w.Total(), sum(t, w.log.String(), "before the end of the stop", "lost"); total != 0 || lost == 0 {
		t.Errorf("%d delivered and %d said to be lost, want 0 and more than 0: %s", total, lost, w.log)
	}
}

func TestSlowConsumerCountsItsLoss(t *testing.T) {
	w := newWorld(t, server.Options{})
	in := w.input(w.core("trail.>", ""))
	in.maxWaiting = 200
	release := w.Hold()
	stop := w.narrow(in, time.Minute)
	w.listening("trail.a", 1)
	const n = 1000
	w.publish("trail.a", numbered(n)...)
	w.waitLog("messages are lost")
	release()
	// A message that arrives shows that all before it were taken or dropped.
	w.Wait("a message after the loss", func() bool {
		w.publish("trail.z", `{"end":true}`)
		return w.Events()[`{"end":true}`] > 0
	})
	stop()
	ends := w.Events()[`{"end":true}`]
	lost := sum(t, w.log.String(), "messages are lost", "lost")
	if got := len(w.Events()) - 1; lost == 0 || got+lost < n || got+lost > n+ends+1000 {
		t.Errorf("%d delivered, %d said to be lost, want %d together", got, lost, n)
	}
	if total := last(t, w.log.String(), "lost_in_total"); total != lost {
		t.Errorf("the total is said to be %d, the parts add up to %d", total, lost)
	}
	if strings.Contains(w.log.String(), `"n":`) {
		t.Error("the log holds a payload")
	}
}

// sum adds up a number in the log lines that contain text.
func sum(t *testing.T, log, text, key string) int {
	t.Helper()
	total := 0
	for line := range strings.Lines(log) {
		if strings.Contains(line, text) {
			total += last(t, line, key)
		}
	}
	return total
}

// last returns the last number of a key in the log.
func last(t *testing.T, log, key string) int {
	t.Helper()
	found := regexp.MustCompile(` `+key+`=(\d+)`).FindAllStringSubmatch(log, -1)
	if len(found) == 0 {
		t.Fatalf("the log does not say %s: %s", key, log)
	}
	n, err := strconv.Atoi(found[len(found)-1][1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCoreSurvivesARestartOfTheServer(t *testing.T) {
	w := newWorld(t, server.Options{})
	a := w.Start(w.input(w.core("trail.>", "agents")), 0)
	w.listening("trail.a", 1)
	w.server.stop()
	w.waitLog("the connection to NATS was lost")
	w.server.start(t)
	w.listening("trail.a", 1)
	w.waitLog("connected to NATS again")
	w.Wait("an event", func() bool {
		w.publish("trail.a", `{"n":1}`)
		return w.Total() > 0
	})
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
}

func TestStopWhileTheServerIsAway(t *testing.T) {
	for _, stream := range []bool{false, true} {
		w := newWorld(t, server.Options{JetStream: true})
		c := w.core("trail.>", "")
		if stream {
			w.makeStream()
			c = w.stream()
		}
		a := w.Start(w.input(c), 0)
		w.waitLog("connected to NATS")
		w.server.stop()
		w.waitLog("the connection to NATS was lost")
		began := time.Now()
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("stream %v: the stop took %v", stream, took)
		}
		if n := strings.Count(w.log.String(), "can not read"); n > 1 { // a stream's pull is told of the shutdown
			t.Errorf("stream %v: %d complaints beside that of the connection: %s", stream, n, w.log)
		}
	}
}

func TestStartBeforeTheServer(t *testing.T) {
	w := newWorld(t, server.Options{})
	w.server.stop()
	w.Start(w.input(w.core("trail.>", "")), 0)
	w.waitLog("no connection to NATS; it is tried again")
	w.server.start(t)
	w.listening("trail.a", 1)
	w.Wait("an event", func() bool {
		w.publish("trail.a", `{"n":1}`)
		return w.Total() > 0
	})
}

func TestSubscriptionThatIsNotPermittedIsTriedAgain(t *testing.T) {
	user := &server.User{Username: "u", Password: "p", Permissions: &server.Permissions{Subscribe: &server.SubjectPermission{Deny: []string{"trail.>"}}}}
	w := newWorld(t, server.Options{Users: []*server.User{user}}, nats.UserInfo("u", "p"))
	c := w.core("trail.>", "agents")
	c.User, c.Password = "u", "p"
	w.Start(w.input(c), 0)
	w.waitLog("can not read the subject trail.>; it is tried again")
	w.waitLog("Permissions Violation")
}
