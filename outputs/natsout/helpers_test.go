package natsout

import (
	"context"
	"errors"
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

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

const waitLimit = 20 * time.Second

// natsServer is a real server in this process that can be stopped and started again on the same port and store.
type natsServer struct {
	*server.Server
	options server.Options
}

func startServer(t testing.TB, o server.Options) *natsServer {
	t.Helper()
	o.NoSigs, o.NoLog = true, true
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	if o.JetStream && o.StoreDir == "" {
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
	return "nats://" + net.JoinHostPort(s.options.Host, strconv.Itoa(s.options.Port))
}

const testSubject = "audit.{account}.{region}.{service}.{action}"

// config is what most tests begin with.
func config(url string) Config {
	return Config{URL: []string{url}, Subject: conf.Text{Value: testSubject}, Timeout: 5 * time.Second}
}

func streamConfig(url string) Config {
	c := config(url)
	c.Stream, c.Create = "AUDIT", true
	return c
}

func open(t testing.TB, c Config, env pipeline.Env) *Output {
	t.Helper()
	if env.Name == "" {
		env.Name = "bus"
	}
	o, err := New(c, env)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { closeOutput(t, o) })
	return o
}

func closeOutput(t testing.TB, o *Output) {
	t.Helper()
	if err := o.Close(deadline(t)); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	t.Cleanup(cancel)
	return ctx
}

func dial(t testing.TB, url string, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatalf("connect to %s: %v", url, err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// stored returns all messages of a stream.
func stored(t testing.TB, url, stream string, options ...nats.Option) []*jetstream.RawStreamMsg {
	t.Helper()
	nc, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatalf("connect to %s: %v", url, err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx := deadline(t)
	st, err := js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	state := st.CachedInfo().State
	var all []*jetstream.RawStreamMsg
	for seq := state.FirstSeq; seq <= state.LastSeq && seq > 0; seq++ {
		msg, err := st.GetMsg(ctx, seq)
		if err != nil {
			t.Fatalf("message %d of %s: %v", seq, stream, err)
		}
		all = append(all, msg)
	}
	return all
}

func makeStream(t testing.TB, url string, c jetstream.StreamConfig, options ...nats.Option) {
	t.Helper()
	nc, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateOrUpdateStream(deadline(t), c); err != nil {
		t.Fatal(err)
	}
}

// listener collects what arrives on a subject by core NATS.
type listener struct {
	nc *nats.Conn

	mu   sync.Mutex
	msgs []*nats.Msg
}

func listen(t testing.TB, url, subject string, options ...nats.Option) *listener {
	t.Helper()
	l := &listener{nc: dial(t, url, options...)}
	sub, err := l.nc.Subscribe(subject, func(m *nats.Msg) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.msgs = append(l.msgs, m)
	})
	if err == nil {
		err = sub.SetPendingLimits(-1, -1)
	}
	if err == nil {
		err = l.nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// messages returns what has arrived of all that was published before the call.
func (l *listener) messages(t testing.TB) []*nats.Msg {
	t.Helper()
	if err := l.nc.FlushTimeout(waitLimit); err != nil {
		t.Fatal(err)
	}
	// All that came before the PONG is queued for the handler: wait for the end of the queue.
	handled := make(chan struct{})
	if err := l.nc.Barrier(func() { close(handled) }); err != nil {
		t.Fatal(err)
	}
	<-handled
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*nats.Msg(nil), l.msgs...)
}

// await returns what has arrived once there are n messages. A server may confirm a message to its publisher a moment
// before it has handed it to the last of its subscribers.
func (l *listener) await(t testing.TB, n int) []*nats.Msg {
	t.Helper()
	for end := time.Now().Add(waitLimit); ; {
		if all := l.messages(t); len(all) >= n || time.Now().After(end) {
			return all
		}
	}
}

// failures returns the failed indexes of a Write that may have failed in part.
func failures(t testing.TB, err error) map[int]error {
	t.Helper()
	partial, ok := errors.AsType[*pipeline.BatchError](err)
	if !ok {
		t.Fatalf("got %v (%T), want a BatchError", err, err)
	}
	failed := map[int]error{}
	for _, f := range partial.Failed {
		failed[f.Index] = f.Err
	}
	return failed
}

// wantRetry fails unless err is retryable and says text.
func wantRetry(t testing.TB, err error, text string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("got nil, want a retryable error with %q", text)
	case pipeline.IsRejected(err):
		t.Errorf("got the rejection %v, want a retryable error", err)
	case !strings.Contains(err.Error(), text):
		t.Errorf("got %q, want an error with %q", err, text)
	}
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

func msgID(o *Output, key string) string { return string(o.appendID(nil, key)) }
