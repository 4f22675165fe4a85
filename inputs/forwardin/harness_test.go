package forwardin

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ugorji/go/codec"
	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/internal/msgpack/msgpacktest"
	"github.com/trailcast/trailcast/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long what must happen may take.
const patience = 20 * time.Second

// sink is an output that keeps what it gets, while its gate is open.
type sink struct {
	mu     sync.Mutex
	events []pipeline.Event
	opened bool
	gate   chan struct{}
	called chan struct{} // one for each Write that has begun
	stored chan struct{} // one for each that has ended
}

func newSink() *sink {
	return &sink{gate: make(chan struct{}), called: make(chan struct{}, 10_000), stored: make(chan struct{}, 10_000)}
}

func openSink() *sink {
	s := newSink()
	s.open()
	return s
}

func (s *sink) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = true
	close(s.gate)
}

func (s *sink) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

func (s *sink) Write(ctx context.Context, events []pipeline.Event) error {
	select {
	case s.called <- struct{}{}:
	default:
	}
	select {
	case <-s.gate:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
	select {
	case s.stored <- struct{}{}:
	default:
	}
	return nil
}

func (s *sink) Limits() pipeline.Limits { return pipeline.Limits{Concurrency: 4} }

func (s *sink) Close(context.Context) error { return nil }

func (s *sink) got() []pipeline.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events
}

// add makes the sink have events that another one got.
func (s *sink) add(events []pipeline.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
}

// bodies are the contents of what arrived, sorted: no order of messages is promised.
func (s *sink) bodies() string {
	var all []string
	for _, ev := range s.got() {
		all = append(all, string(ev.Raw))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// aside is a quarantine in memory.
type aside struct {
	mu      sync.Mutex
	entries []pipeline.QuarantineEntry
}

func (a *aside) Put(_ context.Context, entries ...pipeline.QuarantineEntry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entries = append(a.entries, entries...)
	return nil
}

func (a *aside) all() []pipeline.QuarantineEntry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.entries
}

// server is a running input.
type server struct {
	t      testing.TB
	in     *Input
	engine *pipeline.Engine
	sink   *sink
	aside  *aside
	logs   *logs
	stop   context.CancelFunc
	ended  chan error
	once   sync.Once
}

// logs keeps what is logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed by the next line
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
	return l.text.Write(p)
}

// written returns what is closed when there is more.
func (l *logs) written() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return l.more
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func start(t testing.TB, cfg Config, out *sink) *server {
	return startWith(t, cfg, out, pipeline.Settings{})
}

// startWith changes the input before it runs.
func startWith(t testing.TB, cfg Config, out *sink, settings pipeline.Settings, changes ...func(*Input)) *server {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	s := &server{t: t, sink: out, aside: &aside{}, logs: &logs{}, ended: make(chan error, 1)}
	log := slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	in, err := New(cfg, pipeline.Env{Name: "agents", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		change(in)
	}
	settings.Quarantine = s.aside
	settings.Outputs = []pipeline.OutputStage{{Name: "out", Output: out}}
	e, err := pipeline.New(settings)
	if err != nil {
		t.Fatal(err)
	}
	s.in, s.engine = in, e
	ctx, cancel := context.WithCancel(t.Context())
	s.stop = cancel
	go func() { s.ended <- in.Run(ctx, e) }()
	t.Cleanup(s.end)
	select {
	case <-in.listening:
	case err := <-s.ended:
		s.ended <- err
		t.Fatal(err)
	}
	return s
}

// closeEngine ends the engine; what is not delivered comes again.
func (s *server) closeEngine() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.engine.Close(ctx); err != nil {
		s.t.Error(err)
	}
}

func (s *server) end() {
	s.once.Do(func() {
		s.stop()
		if !s.sink.isOpen() {
			s.closeEngine()
		}
		select {
		case err := <-s.ended:
			if err != nil && !errors.Is(err, context.Canceled) {
				s.t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			s.t.Error("Run does not return")
		}
		s.closeEngine()
		if st := s.engine.Stats(); st.OpenFrames != 0 || st.EventsInFlight != 0 {
			s.t.Errorf("%d frames and %d events are left", st.OpenFrames, st.EventsInFlight)
		}
		whole := s.in.room
		if !whole.flight.TryAcquire(whole.flightMax) || !whole.unread.TryAcquire(whole.flightMax) || !whole.last.TryAcquire(1) || !whole.unpacking.TryAcquire(unpackers) {
			s.t.Error("not all of the room was given back")
		}
	})
}

// client speaks the protocol by other means than the input.
type client struct {
	t  testing.TB
	nc net.Conn
	d  *codec.Decoder
}

func (s *server) dial() *client {
	s.t.Helper()
	nc, err := net.Dial(s.in.Addr().Network(), s.in.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	return newClient(s.t, nc)
}

func (s *server) dialTLS(c *tls.Config) (*client, error) {
	nc, err := tls.Dial("tcp", s.in.Addr().String(), c)
	if err != nil {
		return nil, err
	}
	return newClient(s.t, nc), nil
}

func newClient(t testing.TB, nc net.Conn) *client {
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return &client{t, nc, codec.NewDecoder(nc, &codec.MsgpackHandle{})}
}

func (c *client) send(b ...[]byte) {
	c.t.Helper()
	if _, err := c.nc.Write(bytes.Join(b, nil)); err != nil {
		c.t.Fatal(err)
	}
}

// read returns what the server sends next, with binary and text as strings.
func (c *client) read() (any, error) {
	var v any
	err := c.d.Decode(&v)
	return texts(v), err
}

func texts(v any) any {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case []any:
		for i := range v {
			v[i] = texts(v[i])
		}
	case map[any]any:
		m := map[string]any{}
		for k, e := range v {
			m[fmt.Sprint(texts(k))] = texts(e)
		}
		return m
	}
	return v
}

// acked waits for the acknowledgement of a chunk.
func (c *client) acked(id string) {
	c.t.Helper()
	v, err := c.read()
	if m, ok := v.(map[string]any); err != nil || !ok || len(m) != 1 || m["ack"] != id {
		c.t.Fatalf("got %v, %v, want an acknowledgement of %q", v, err, id)
	}
}

// closed waits for the end of the connection, before which nothing comes.
func (c *client) closed() {
	c.t.Helper()
	v, err := c.read()
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		c.t.Fatalf("got %v, %v, want the connection's end", v, err)
	}
}

// done ends a client's sending, and waits until the server has settled all of it. It returns the number of
// acknowledgements that have come until then.
func (c *client) done() (acks int) {
	c.t.Helper()
	if err := c.nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
	for ; ; acks++ {
		v, err := c.read()
		switch {
		case errors.Is(err, io.EOF):
			return acks
		case err != nil:
			c.t.Fatalf("got %v, %v, want the connection's end", v, err)
		}
	}
}

// MessagePack as clients pack it.

func text(s string) []byte { return appendText(nil, s) }

func bin(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0xc6}, uint32(len(b))), b...)
}

func array(values ...[]byte) []byte {
	return append([]byte{0x90 | byte(len(values))}, bytes.Join(values, nil)...)
}

func eventTime(t time.Time) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0xd7, 0}, uint32(t.Unix()))
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

func seconds(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{0xce}, n) }

func body(json string) []byte {
	const head = 13 // [[time, {}], …
	return msgpacktest.AppendRecord(nil, time.Unix(0, 0), []byte(json))[head:]
}

func options(pairs ...any) []byte {
	b := []byte{0x80 | byte(len(pairs)/2)}
	for _, v := range pairs {
		switch v := v.(type) {
		case string:
			b = appendText(b, v)
		case int:
			b = append(b, byte(v))
		}
	}
	return b
}

var noon = time.Date(2024, 5, 1, 12, 0, 0, 123_456_789, time.UTC)

// packed are entries one after the other, at noon and the nanoseconds after it.
func packed(jsons ...string) []byte {
	var b []byte
	for i, json := range jsons {
		b = append(b, array(eventTime(noon.Add(time.Duration(i))), body(json))...)
	}
	return b
}
