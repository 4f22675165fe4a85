package natsout

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/trailcast/trailcast/outputs/outputtest"
	"github.com/trailcast/trailcast/pipeline"
)

func TestSubjectAndHeaders(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true})
	tests := []struct {
		name    string
		event   pipeline.Event
		subject string
		headers nats.Header
	}{
		{
			name: "all facts",
			event: outputtest.Event([]byte(`{"eventID":"832b82d5"}`), pipeline.Facts{
				ID: "832b82d5", Kind: pipeline.KindCloudTrail, Account: pipeline.Account{ID: "123456789012", Name: "payments"},
				Region: "us-east-2", Service: "ssm", Action: "DeleteDocument", Outcome: "denied",
			}, "832b82d5-00ff"),
			subject: "audit.123456789012.us-east-2.ssm.DeleteDocument",
			headers: nats.Header{
				"Nats-Msg-Id": {"bus:832b82d5-00ff"}, "Trailcast-Kind": {"cloudtrail"}, "Trailcast-Account": {"123456789012"},
				"Trailcast-Region": {"us-east-2"}, "Trailcast-Service": {"ssm"}, "Trailcast-Action": {"DeleteDocument"},
				"Trailcast-Outcome": {"denied"}, "Trailcast-Id": {"832b82d5"},
			},
		},
		{
			name:    "absent facts have no header",
			event:   outputtest.Event([]byte(`{}`), pipeline.Facts{Kind: pipeline.KindOther}, "k2"),
			subject: "audit._._._._",
			headers: nats.Header{"Nats-Msg-Id": {"bus:k2"}, "Trailcast-Kind": {"other"}},
		},
		{
			name: "not ASCII",
			event: outputtest.Event([]byte(`{}`), pipeline.Facts{Kind: pipeline.KindOther, Action: "Größe ändern", ID: "é\n"},
				"é\n"),
			subject: "audit._._._.Größe_ändern",
			headers: nats.Header{
				"Nats-Msg-Id":    {msgID(&Output{idPrefix: "bus:"}, "é\n")},
				"Trailcast-Kind": {"other"}, "Trailcast-Action": {"Größe ändern"}, "Trailcast-Id": {"é_"},
			},
		},
	}
	for _, mode := range []string{"core", "stream"} {
		for _, test := range tests {
			t.Run(mode+" "+test.name, func(t *testing.T) {
				l := listen(t, s.url(), ">")
				c := config(s.url())
				if mode == "stream" {
					c = streamConfig(s.url())
				}
				o := open(t, c, pipeline.Env{})
				if err := o.Write(deadline(t), []pipeline.Event{test.event}); err != nil {
					t.Fatal(err)
				}
				var got *nats.Msg
				for _, m := range l.messages(t) {
					if strings.HasPrefix(m.Subject, "audit") {
						got = m
					}
				}
				if got == nil {
					t.Fatal("nothing has arrived")
				}
				if got.Subject != test.subject {
					t.Errorf("got subject %q, want %q", got.Subject, test.subject)
				}
				if diff := cmp.Diff(test.headers, got.Header); diff != "" {
					t.Errorf("headers (-want +got):\n%s", diff)
				}
				if !bytes.Equal(got.Data, test.event.Raw) {
					t.Errorf("got payload %s, want %s", got.Data, test.event.Raw)
				}
				x, err := o.Explain(&test.event)
				if err != nil {
					t.Fatal(err)
				}
				explained := nats.Header{}
				for _, h := range x.Headers {
					explained[h[0]] = []string{h[1]}
				}
				if x.Destination != got.Subject || cmp.Diff(explained, got.Header) != "" {
					t.Errorf("Explain says %+v, sent were subject %s and headers %v", x, got.Subject, got.Header)
				}
			})
		}
	}
}

func TestHostileValuesStayInTheirPlace(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true, MaxPayload: 1 << 20})
	c := streamConfig(s.url())
	c.Subject.Value = "audit.{account}.{region}.{service}.{action}.{actor}-{user}.{session}.{.field}.{tag}.end"
	allowed := []string{headerMsgID, headerKind, headerAccount, headerRegion, headerService, headerAction, headerOutcome, headerID}
	for _, mode := range []string{"core", "stream"} {
		t.Run(mode, func(t *testing.T) {
			c := c
			if mode == "core" {
				c.Stream, c.Create = "", false
			}
			all := listen(t, s.url(), ">")
			exact := listen(t, s.url(), "audit.*.*.*.*.*.*.*.*.end")
			o := open(t, c, pipeline.Env{Name: "bus " + mode})
			var events []pipeline.Event
			for _, value := range hostile() {
				events = append(events, hostileEvent(value))
			}
			if err := o.Write(deadline(t), events); err != nil {
				t.Fatal(err)
			}
			if got := len(exact.await(t, len(events))); got != len(events) {
				t.Errorf("%d of %d messages have the subject's shape", got, len(events))
			}
			ids := map[string]bool{}
			audit := 0
			for _, m := range all.messages(t) {
				if m.Header == nil || strings.HasPrefix(m.Subject, "_INBOX") || strings.HasPrefix(m.Subject, "$JS") {
					continue
				}
				audit++
				if got := strings.Count(m.Subject, ".") + 1; got != 10 || strings.ContainsAny(m.Subject, "*> \t\r\n\x00") {
					t.Errorf("subject %q has %d tokens, want 10", m.Subject, got)
				}
				for name, values := range m.Header {
					if !slices.Contains(allowed, name) || len(values) != 1 || strings.ContainsAny(values[0], "\r\n\x00") {
						t.Errorf("header %q: %q", name, values)
					}
				}
				ids[m.Header.Get(headerMsgID)] = true
			}
			if audit != len(events) || len(ids) != len(events) {
				t.Errorf("got %d messages with %d ids, want %d", audit, len(ids), len(events))
			}
		})
	}
	if got := len(stored(t, s.url(), "AUDIT")); got < len(hostile()) {
		t.Errorf("the stream holds %d messages, want at least %d", got, len(hostile()))
	}
}

func TestRepeatsAreStoredOnce(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true})
	events := outputtest.Events(0, 300)
	for range 2 {
		o := open(t, streamConfig(s.url()), pipeline.Env{})
		for range 2 {
			if err := o.Write(deadline(t), events); err != nil {
				t.Fatal(err)
			}
		}
		closeOutput(t, o)
	}
	if got := len(stored(t, s.url(), "AUDIT")); got != len(events) {
		t.Errorf("the stream holds %d messages, want %d", got, len(events))
	}

	// A second output with a name of its own is another series of messages in the same stream.
	o := open(t, streamConfig(s.url()), pipeline.Env{Name: "other"})
	if err := o.Write(deadline(t), events); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, m := range stored(t, s.url(), "AUDIT") {
		ids[m.Header.Get(headerMsgID)] = true
	}
	if len(ids) != 2*len(events) {
		t.Errorf("the stream holds %d different ids, want %d of two outputs", len(ids), 2*len(events))
	}
}

func TestFurtherResultsOfAFilterAreStored(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true})
	o := open(t, streamConfig(s.url()), pipeline.Env{})
	// The engine gives the further results of a filter the keys k#1 and k#2.
	var events []pipeline.Event
	for _, key := range []string{"k", "k#1", "k#2", "k#1#2"} {
		events = append(events, outputtest.Event([]byte(`{"eventID":"k"}`), pipeline.Facts{ID: "k"}, key))
	}
	for range 2 {
		if err := o.Write(deadline(t), events); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(stored(t, s.url(), "AUDIT")); got != len(events) {
		t.Errorf("the stream holds %d messages, want %d", got, len(events))
	}
}

func TestCreatedStream(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true})
	c := streamConfig(s.url())
	c.MaxAge, c.MaxBytes, c.DuplicateWindow = 24*time.Hour, 1<<30, 30*time.Minute
	o := open(t, c, pipeline.Env{})
	if err := o.Check(deadline(t)); err != nil {
		t.Fatal(err)
	}
	got := streamInfo(t, s.url(), "AUDIT").Config
	want := jetstream.StreamConfig{
		Name: "AUDIT", Subjects: []string{"audit.>"}, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
		MaxAge: 24 * time.Hour, MaxBytes: 1 << 30, Duplicates: 30 * time.Minute, Replicas: 1,
	}
	if got.Name != want.Name || !slices.Equal(got.Subjects, want.Subjects) || got.Storage != want.Storage ||
		got.Discard != want.Discard || got.MaxAge != want.MaxAge || got.MaxBytes != want.MaxBytes ||
		got.Duplicates != want.Duplicates || got.Replicas != want.Replicas {
		t.Errorf("got stream %+v, want %+v", got, want)
	}
}

func streamInfo(t testing.TB, url, name string) *jetstream.StreamInfo {
	t.Helper()
	js, err := jetstream.New(dial(t, url))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(deadline(t), name)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo()
}

func TestExistingStreamIsCheckedAndNotChanged(t *testing.T) {
	tests := []struct {
		name   string
		stream jetstream.StreamConfig
		want   string // "": it will do
	}{
		{"wider", jetstream.StreamConfig{Subjects: []string{"other", "audit.*.>"}, MaxAge: time.Hour}, ""},
		{"exact", jetstream.StreamConfig{Subjects: []string{"audit.*.*.*.*"}, Storage: jetstream.MemoryStorage}, ""},
		{"elsewhere", jetstream.StreamConfig{Subjects: []string{"other.>"}}, "listens on other.>, which does not cover audit.*.*.*.*: add audit.>"},
		{"one account", jetstream.StreamConfig{Subjects: []string{"audit.123456789012.>"}}, "does not cover"},
		{"no acks", jetstream.StreamConfig{Subjects: []string{"audit.>"}, NoAck: true}, "no_ack"},
	}
	for _, test := range tests {
		for _, create := range []bool{false, true} {
			t.Run(fmt.Sprint(test.name, " create ", create), func(t *testing.T) {
				s := startServer(t, server.Options{JetStream: true})
				stream := test.stream
				stream.Name = "AUDIT"
				makeStream(t, s.url(), stream)
				before := streamInfo(t, s.url(), "AUDIT").Config
				c := streamConfig(s.url())
				c.Create = create
				o := open(t, c, pipeline.Env{})
				err, checkErr := o.Write(deadline(t), outputtest.Events(0, 5)), o.Check(deadline(t))
				if test.want == "" {
					if err != nil || checkErr != nil {
						t.Errorf("got %v from Write and %v from Check, want nil", err, checkErr)
					}
				} else {
					wantRetry(t, err, test.want)
					wantRetry(t, checkErr, test.want)
				}
				if diff := cmp.Diff(before, streamInfo(t, s.url(), "AUDIT").Config); diff != "" {
					t.Errorf("the stream has changed (-before +after):\n%s", diff)
				}
			})
		}
	}
}

func TestMissingStreamIsWaitedFor(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true})
	c := streamConfig(s.url())
	c.Create = false
	o := open(t, c, pipeline.Env{})
	events := outputtest.Events(0, 10)
	wantRetry(t, o.Write(deadline(t), events), "stream AUDIT: there is none")
	wantRetry(t, o.Check(deadline(t)), "there is none")
	makeStream(t, s.url(), jetstream.StreamConfig{Name: "AUDIT", Subjects: []string{"audit.>"}})
	if err := o.Write(deadline(t), events); err != nil {
		t.Fatalf("after the stream was made: %v", err)
	}

	// It goes, and comes back.
	js, err := jetstream.New(dial(t, s.url()))
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(deadline(t), "AUDIT"); err != nil {
		t.Fatal(err)
	}
	wantRetry(t, o.Write(deadline(t), events), "")
	makeStream(t, s.url(), jetstream.StreamConfig{Name: "AUDIT", Subjects: []string{"audit.>"}})
	if err := o.Write(deadline(t), events); err != nil {
		t.Fatalf("after the stream was made again: %v", err)
	}
	if got := len(stored(t, s.url(), "AUDIT")); got != len(events) {
		t.Errorf("the stream holds %d messages, want %d", got, len(events))
	}
}

func TestNoJetStream(t *testing.T) {
	s := startServer(t, server.Options{})
	o := open(t, streamConfig(s.url()), pipeline.Env{})
	wantRetry(t, o.Write(deadline(t), outputtest.Events(0, 2)), "no JetStream")
}

func TestAnotherStreamOnTheSubjectIsNoDelivery(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true})
	makeStream(t, s.url(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"audit.>"}})
	c := streamConfig(s.url())
	c.Create = false
	// The stream is not there, but the confirmations of another one are: as if it was replaced after the check.
	o := open(t, c, pipeline.Env{})
	link, err := o.link.get(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	link.stream.checked = true
	failed := failures(t, o.Write(deadline(t), outputtest.Events(0, 3)))
	if len(failed) != 3 {
		t.Fatalf("got %d failures, want 3", len(failed))
	}
	wantRetry(t, failed[0], "the stream OTHER has stored the event")
}

func TestFullStreamIsRetry(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true})
	stream := jetstream.StreamConfig{Name: "AUDIT", Subjects: []string{"audit.>"}, MaxMsgs: 10, Discard: jetstream.DiscardNew}
	makeStream(t, s.url(), stream)
	o := open(t, streamConfig(s.url()), pipeline.Env{})
	events := outputtest.Events(0, 15)
	failed := failures(t, o.Write(deadline(t), events))
	var again []pipeline.Event
	for i := range events {
		if err, ok := failed[i]; ok {
			wantRetry(t, err, "maximum messages exceeded")
			again = append(again, events[i])
		}
	}
	if len(again) != 5 {
		t.Errorf("got %d failures, want 5", len(again))
	}
	stream.MaxMsgs = 20
	makeStream(t, s.url(), stream)
	if err := o.Write(deadline(t), again); err != nil {
		t.Errorf("after the stream was made larger: %v", err)
	}
	if got := len(stored(t, s.url(), "AUDIT")); got != len(events) {
		t.Errorf("the stream holds %d messages, want %d", got, len(events))
	}
}

func TestOrderIsKept(t *testing.T) {
	for _, mode := range []string{"core", "stream"} {
		t.Run(mode, func(t *testing.T) {
			s := startServer(t, server.Options{JetStream: true, MaxPayload: 4096})
			c := config(s.url())
			if mode == "stream" {
				c = streamConfig(s.url())
			}
			l := listen(t, s.url(), "audit.>")
			o := open(t, c, pipeline.Env{Ordered: true})
			if got := o.Limits().Concurrency; got != 1 {
				t.Errorf("got %d concurrent Writes, want 1", got)
			}
			events := outputtest.Events(0, 200)
			tooLarge := outputtest.Event([]byte(`{"t":"`+strings.Repeat("x", 5000)+`"}`), pipeline.Facts{}, "large")
			given := slices.Insert(slices.Clone(events), 100, tooLarge)
			failed := failures(t, o.Write(deadline(t), given))
			if len(failed) != 1 || !pipeline.IsRejected(failed[100]) {
				t.Errorf("got failures %v, want a rejection of event 100", failed)
			}
			messages := l.messages(t)
			if len(messages) != len(events) {
				t.Fatalf("got %d messages, want %d", len(messages), len(events))
			}
			for i, m := range messages {
				if !bytes.Equal(m.Data, events[i].Raw) {
					t.Fatalf("message %d is not event %d", i, i)
				}
			}
		})
	}
}

func TestOrderedEventsAreHeldBackBehindAFailure(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true})
	makeStream(t, s.url(), jetstream.StreamConfig{Name: "AUDIT", Subjects: []string{"audit.>"}, MaxMsgs: 3, Discard: jetstream.DiscardNew})
	o := open(t, streamConfig(s.url()), pipeline.Env{Ordered: true})
	failed := failures(t, o.Write(deadline(t), outputtest.Events(0, 6)))
	if len(failed) != 3 {
		t.Fatalf("got failures %v, want events 3, 4 and 5", failed)
	}
	wantRetry(t, failed[3], "maximum messages exceeded")
	wantRetry(t, failed[4], "held back")
	wantRetry(t, failed[5], "held back")
}

// The server goes away and comes back, again and again, while several writers deliver: whatever Write calls delivered
// is in the stream, and at the end everything is.
func TestServerRestartsInTheMiddle(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true, MaxPending: 256 << 20})
	c := streamConfig(s.url())
	c.MaxInFlight = 300
	o := open(t, c, pipeline.Env{})
	const writers, batches, size = 4, 15, 100
	all := outputtest.Events(0, writers*batches*size)

	progress := make(chan struct{}, writers*batches)
	var wg sync.WaitGroup
	retries := make([]int, writers)
	for w := range writers {
		wg.Go(func() {
			for b := range batches {
				from := (w*batches + b) * size
				batch := all[from : from+size]
				for len(batch) > 0 {
					err := o.Write(context.Background(), batch)
					if err == nil {
						break
					}
					if pipeline.IsRejected(err) {
						t.Errorf("rejected: %v", err)
						return
					}
					retries[w]++
					if partial, ok := errors.AsType[*pipeline.BatchError](err); ok {
						var rest []pipeline.Event
						for _, f := range partial.Failed {
							rest = append(rest, batch[f.Index])
						}
						batch = rest
					}
				}
				progress <- struct{}{}
			}
		})
	}
	for range 5 {
		for range 6 {
			<-progress
		}
		s.stop()
		s.start(t)
	}
	wg.Wait()

	held := map[string]bool{}
	messages := stored(t, s.url(), "AUDIT")
	for _, m := range messages {
		held[m.Header.Get(headerMsgID)] = true
	}
	for i := range all {
		if !held[msgID(o, all[i].Key())] {
			t.Fatalf("event %d is lost", i)
		}
	}
	if len(messages) != len(all) {
		t.Errorf("the stream holds %d messages, want %d: repeats within the duplicate window are dropped", len(messages), len(all))
	}
	t.Logf("failed Writes by writer: %v", retries)
}

func TestServerThatIsNotThere(t *testing.T) {
	// A port that nobody listens on, and one that accepts and says nothing.
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, addr := range map[string]net.Addr{"refused": closed.Addr(), "silent": silent.Addr()} {
		t.Run(name, func(t *testing.T) {
			c := config("nats://user:pass@" + addr.String())
			c.Timeout = 500 * time.Millisecond
			var log logged
			o := open(t, c, pipeline.Env{Log: log.logger()})
			err := o.Write(deadline(t), outputtest.Events(0, 2))
			wantRetry(t, err, addr.String())
			err2 := o.Check(deadline(t))
			wantRetry(t, err2, addr.String())
			begin := time.Now()
			closeOutput(t, o)
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("Close took %v", took)
			}
			if text := log.String() + err.Error() + err2.Error(); strings.Contains(text, "pass@") {
				t.Errorf("a password is printed: %s", text)
			}
		})
	}
}

// A server that stops reading: Write returns with its context, nothing counts as delivered.
func TestServerThatStopsReading(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true, MaxPayload: 1 << 20})
	for _, mode := range []string{"core", "stream"} {
		t.Run(mode, func(t *testing.T) {
			p := newProxy(t, s)
			c := config(p.url())
			if mode == "stream" {
				c = streamConfig(p.url())
			}
			o := open(t, c, pipeline.Env{})
			if err := o.Write(deadline(t), outputtest.Events(0, 10)); err != nil {
				t.Fatal(err)
			}
			p.freeze()
			big := make([]pipeline.Event, 200) // more than the buffers of sockets hold
			for i := range big {
				raw := fmt.Sprintf(`{"n":%d,"t":"%s"}`, i, strings.Repeat("x", 500<<10))
				big[i] = outputtest.Event([]byte(raw), pipeline.Facts{}, fmt.Sprint("big", i))
			}
			for _, events := range [][]pipeline.Event{outputtest.Events(10, 5), big} {
				ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
				begin := time.Now()
				err := o.Write(ctx, events)
				cancel()
				if took := time.Since(begin); took > 4*time.Second {
					t.Errorf("Write of %d events returned after %v", len(events), took)
				}
				if err == nil {
					t.Errorf("Write of %d events: got nil, want an error", len(events))
				}
			}
			p.thaw()
			ctx := deadline(t)
			for err := errors.New(""); err != nil; {
				if err = o.Write(ctx, outputtest.Events(10, 5)); ctx.Err() != nil {
					t.Fatalf("Write when the server reads again: %v", err)
				}
			}
		})
	}
}

// A server that confirms slowly, but does: nothing is given up.
func TestSlowConfirmations(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true})
	p := newProxy(t, s)
	c := streamConfig(p.url())
	c.Timeout, c.MaxInFlight = 400*time.Millisecond, 4
	o := open(t, c, pipeline.Env{})
	if err := o.Check(deadline(t)); err != nil {
		t.Fatal(err)
	}
	p.delay(100 * time.Millisecond)
	begin := time.Now()
	if err := o.Write(deadline(t), outputtest.Events(0, 40)); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if took := time.Since(begin); took < 2*c.Timeout {
		t.Errorf("the test shows nothing: all was confirmed within %v", took)
	}
}

// proxy stands between an output and a server.
type proxy struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex
	cond  *sync.Cond
	stop  bool
	ice   bool
	pause time.Duration
	conns []net.Conn
}

func newProxy(t *testing.T, s *natsServer) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l}
	p.cond = sync.NewCond(&p.mu)
	p.wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			p.wg.Go(func() { p.copy(out, in, true) })
			p.wg.Go(func() { p.copy(in, out, false) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		p.stop = true
		for _, c := range p.conns {
			c.Close()
		}
		p.cond.Broadcast()
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) copy(to, from net.Conn, toServer bool) {
	defer to.Close()
	defer from.Close()
	r := bufio.NewReader(from)
	b := make([]byte, 4<<10)
	for {
		n, err := r.Read(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		for p.ice && !p.stop {
			p.cond.Wait()
		}
		pause := p.pause
		p.mu.Unlock()
		if pause > 0 && !toServer {
			time.Sleep(pause)
		}
		if _, err := io.Copy(to, bytes.NewReader(b[:n])); err != nil {
			return
		}
	}
}

func (p *proxy) freeze()               { p.set(func() { p.ice = true }) }
func (p *proxy) thaw()                 { p.set(func() { p.ice = false }) }
func (p *proxy) delay(d time.Duration) { p.set(func() { p.pause = d }) }

func (p *proxy) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.cond.Broadcast()
}
