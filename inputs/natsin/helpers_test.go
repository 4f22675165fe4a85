package natsin

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/inputs/inputtest"
	"github.com/trailcast/trailcast/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const waitLimit = 30 * time.Second

// natsServer is a real server in this process that can be stopped and started again on the same port and store.
type natsServer struct {
	*server.Server
	options server.Options
}

func startServer(t testing.TB, o server.Options) *natsServer {
	t.Helper()
	o.NoSigs, o.NoLog, o.Host = true, true, "127.0.0.1"
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	if o.JetStream {
		o.StoreDir = t.TempDir()
	}
	s := &natsServer{options: o}
	s.start(t)
	t.Cleanup(s.stop)
	return s
}

func (s *natsServer) start(t testing.TB) {
	t.Helper()
	o := s.options // the server changes its options
	srv, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(waitLimit) {
		t.Fatal("the NATS server does not start")
	}
	s.Server = srv
	s.options.Port = srv.Addr().(*net.TCPAddr).Port
}

func (s *natsServer) stop() {
	s.Shutdown()
	s.WaitForShutdown()
}

func (s *natsServer) url() string {
	return "nats://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.options.Port))
}

// world is a server, a client that publishes and looks, and a bench for agents.
type world struct {
	*testing.T
	*inputtest.Bench
	server *natsServer
	nc     *nats.Conn
	js     jetstream.JetStream
	log    *logged
}

func newWorld(t *testing.T, o server.Options, options ...nats.Option) *world {
	t.Helper()
	w := &world{T: t, server: startServer(t, o), log: &logged{}}
	nc, err := nats.Connect(w.server.url(), append(options, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	w.nc, w.js = nc, js
	w.Bench = inputtest.New(t) // its agents are stopped before the server
	return w
}

// streamWorld has a stream TRAIL on trail.> too.
func streamWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, server.Options{JetStream: true})
	w.makeStream()
	return w
}

func (w *world) makeStream() {
	w.Helper()
	// Where one of that name was deleted a moment ago, the server may still be busy with its files.
	w.Wait("the stream to be made", func() bool {
		_, err := w.js.CreateStream(w.deadline(), jetstream.StreamConfig{Name: "TRAIL", Subjects: []string{"trail.>"}})
		return err == nil
	})
}

func (w *world) makeConsumer(c jetstream.ConsumerConfig) {
	w.Helper()
	c.Durable = "trailcast"
	if _, err := w.js.CreateConsumer(w.deadline(), "TRAIL", c); err != nil {
		w.Fatal(err)
	}
}

func (w *world) deadline() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	w.Cleanup(cancel)
	return ctx
}

// core listens with core NATS, stream reads the stream and makes the consumer.
func (w *world) core(subject, queue string) Config {
	return Config{URL: []string{w.server.url()}, Subject: subject, Queue: queue}
}

func (w *world) stream() Config {
	return Config{URL: []string{w.server.url()}, Stream: "TRAIL", Create: true}
}

func (w *world) input(c Config) *Input {
	w.Helper()
	in, err := New(c, pipeline.Env{Name: "in", Log: w.log.logger()})
	if err != nil {
		w.Fatal(err)
	}
	in.retryEvery, in.redeliverAfter, in.pullFor = 20*time.Millisecond, 50*time.Millisecond, 100*time.Millisecond
	return in
}

// narrow runs an input with an engine that takes one event at a time, so that Feed blocks.
func (w *world) narrow(in *Input, drain time.Duration) (stop func()) {
	w.Helper()
	engine, err := pipeline.New(pipeline.Settings{
		Outputs: []pipeline.OutputStage{{Name: "out", Output: w.Bench}}, MaxEvents: 1, DrainTimeout: drain,
	})
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx, []pipeline.InputStage{{Name: "in", Input: in}}) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.Error(err)
		}
	})
	w.Cleanup(stop)
	return stop
}

func (w *world) publish(subject string, payloads ...string) {
	w.Helper()
	for _, p := range payloads {
		if err := w.nc.Publish(subject, []byte(p)); err != nil {
			w.Fatal(err)
		}
	}
	w.flush()
}

func (w *world) flush() {
	w.Helper()
	if err := w.nc.FlushTimeout(waitLimit); err != nil {
		w.Fatal(err)
	}
}

// store publishes to the stream.
func (w *world) store(payloads ...string) {
	w.Helper()
	for _, p := range payloads {
		if _, err := w.js.Publish(w.deadline(), "trail.a", []byte(p)); err != nil {
			w.Fatal(err)
		}
	}
}

// listening waits until so many subscriptions are on a subject.
func (w *world) listening(subject string, n int) {
	w.Helper()
	w.Wait(fmt.Sprintf("%d subscriptions on %s", n, subject), func() bool {
		subs, err := w.server.Subsz(&server.SubszOptions{Subscriptions: true, Test: subject})
		if err != nil {
			w.Fatal(err)
		}
		return len(subs.Subs) == n
	})
}

// info returns the state of the consumer, nil while there is none.
func (w *world) info() *jetstream.ConsumerInfo {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	cons, err := w.js.Consumer(ctx, "TRAIL", "trailcast")
	if err != nil {
		return nil
	}
	return cons.CachedInfo()
}

// waitConsumer waits for a state of the consumer.
func (w *world) waitConsumer(what string, met func(*jetstream.ConsumerInfo) bool) {
	w.Helper()
	w.Wait(what, func() bool {
		info := w.info()
		return info != nil && met(info)
	})
}

// waitDone waits until the first n messages of the stream are acknowledged and no other one is out.
func (w *world) waitDone(n int) {
	w.Helper()
	w.waitConsumer(fmt.Sprintf("%d acknowledgements", n), func(i *jetstream.ConsumerInfo) bool {
		return i.NumAckPending == 0 && i.NumPending == 0 && i.AckFloor.Stream == uint64(n)
	})
}

func (w *world) waitLog(text string) {
	w.Helper()
	w.Wait("the log to say "+text, func() bool { return strings.Contains(w.log.String(), text) })
}

func (w *world) waitEvents(n int) {
	w.Helper()
	w.Wait(fmt.Sprintf("%d events", n), func() bool { return len(w.Events()) >= n })
}

// once fails unless each of the events was delivered once, and nothing else was.
func (w *world) once(want ...string) {
	w.Helper()
	got := w.Events()
	for _, raw := range want {
		if got[raw] != 1 {
			w.Errorf("%s: delivered %d times, want once", raw, got[raw])
		}
	}
	if len(got) != len(want) {
		w.Errorf("%d different events were delivered, want %d", len(got), len(want))
	}
}

// numbered returns n records without an eventID.
func numbered(n int) []string { return numberedFrom(0, n) }

func numberedFrom(first, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`{"n":%d}`, first+i)
	}
	return all
}

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// retried makes frames settle with a retry, as often as told.
type retried struct {
	*Input
	mu    sync.Mutex
	times int
}

func (r *retried) Run(ctx context.Context, to pipeline.Intake) error {
	return r.Input.Run(ctx, retriedIntake{to, r})
}

type retriedIntake struct {
	pipeline.Intake
	r *retried
}

func (i retriedIntake) Open(settled func(pipeline.Result)) *pipeline.Frame {
	return i.Intake.Open(func(result pipeline.Result) {
		i.r.mu.Lock()
		if i.r.times > 0 {
			i.r.times--
			result.Outcome, result.Err = pipeline.Retry, errors.New("try again")
		}
		i.r.mu.Unlock()
		settled(result)
	})
}

// logged collects log lines.
type logged struct {
	mu    sync.Mutex
	lines strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
