package forwardin

import (
	"bytes"
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/listener"
	"github.com/trailcast/trailcast/pipeline"
)

// TestClaimsCostNothing holds that lengths which are only claimed take no memory, and end the connection at once where
// they are beyond the limit.
func TestClaimsCostNothing(t *testing.T) {
	for name, b := range map[string][]byte{
		"4 GB of bytes":       append(array(text("t"))[1:], 0xc6, 0xff, 0xff, 0xff, 0xff),
		"4 G values":          append(array(text("t"))[1:], 0xdd, 0xff, 0xff, 0xff, 0xff),
		"4 G pairs":           append(array(text("t"))[1:], 0xdf, 0xff, 0xff, 0xff, 0xff),
		"a tag of 4 GB":       {0xdb, 0xff, 0xff, 0xff, 0xff},
		"an extension":        {0xc9, 0xff, 0xff, 0xff, 0xff, 0},
		"4 G values in 4 G":   bytes.Repeat([]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, 1000),
		"arrays without end":  bytes.Repeat([]byte{0x92}, 100_000),
		"more than max_chunk": bytes.Join([][]byte{text("t"), {0xc6, 0, 0, 0x80, 0}, make([]byte, 1<<15)}, nil),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{MaxChunk: 32 << 10}, openSink())
			c := s.dial()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			go func() { _, _ = c.nc.Write(append([]byte{0x93}, b...)) }()
			c.closed()
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
				t.Errorf("%d bytes were allocated", n)
			}
			s.end()
			if log := s.logs.String(); !strings.Contains(log, "max_chunk") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

func TestStreamKeepsToWhatHasArrived(t *testing.T) {
	s := &stream{src: bytes.NewReader([]byte{0xc6, 0x3f, 0xff, 0xff, 0xff, 1}), share: share{room: newRoom(1 << 30)}}
	if _, err := s.next(t.Context(), 2<<30); err != io.ErrUnexpectedEOF || cap(s.buf) > keepBytes {
		t.Errorf("a buffer of %d bytes, %v", cap(s.buf), err)
	}
}

func TestNoMessages(t *testing.T) {
	entry := array(eventTime(noon), body(`{}`))
	for name, b := range map[string][]byte{
		"HTTP":                 []byte("GET / HTTP/1.1\r\n\r\n"),
		"JSON":                 []byte(`["t", 1, {"a": 1}]`),
		"no msgpack":           {0xc1},
		"a number":             {5},
		"a map":                {0x80},
		"an empty array":       {0x90},
		"a tag alone":          array(text("t")),
		"a tag and a time":     array(text("t"), seconds(1)),
		"a tag that is none":   array([]byte{1}, array(entry)),
		"a long tag":           array(append([]byte{0xdb, 0, 1, 0, 1}, make([]byte, 1<<16+1)...), array(entry)),
		"options of text":      array(text("t"), array(entry), text("chunk")),
		"an id that is none":   array(text("t"), array(entry), options("chunk", 1)),
		"an empty id":          array(text("t"), array(entry), options("chunk", "")),
		"a long id":            array(text("t"), array(entry), options("chunk", strings.Repeat("x", maxID+1))),
		"two maps of options":  array(text("t"), array(entry), options("chunk", "c"), options("chunk", "c")),
		"five parts":           array(text("t"), seconds(1), body(`{}`), options("chunk", "c"), options("chunk", "c")),
		"a message breaks off": chunkOf("c", `{"a":1}`)[:20],
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{}, openSink())
			c := s.dial()
			c.send(chunkOf("first", `{"first":1}`), b)
			c.acked("first") // it was whole
			_ = c.nc.(*net.TCPConn).CloseWrite()
			c.closed()
			s.end()
			if got := s.sink.bodies(); got != `{"first":1}` || len(s.aside.all()) > 0 {
				t.Errorf("got %s, %d in quarantine", got, len(s.aside.all()))
			}
			if log := s.logs.String(); !strings.Contains(log, "a connection was closed") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

func TestLargeMessagesWithLittleRoom(t *testing.T) {
	s := start(t, Config{MaxBuffered: 256 << 10}, openSink())
	line := `{"a":"` + strings.Repeat("x", 1<<20) + `"}`
	m := chunkOf("c", line)
	const clients = 8
	for range clients {
		c := s.dial()
		go func() {
			for b := m; len(b) > 0; {
				n := min(len(b), 100_000)
				_, _ = c.nc.Write(b[:n])
				b = b[n:]
			}
		}()
		defer c.acked("c")
	}
}

func TestTooManyConnectionsWait(t *testing.T) {
	s := start(t, Config{MaxConnections: 1}, openSink())
	first, second := s.dial(), s.dial()
	second.send(chunkOf("second", `{"a":2}`))
	first.send(chunkOf("first", `{"a":1}`))
	first.acked("first")
	if got := s.sink.bodies(); got != `{"a":1}` {
		t.Errorf("got %s", got)
	}
	first.done()
	second.acked("second")
}

func TestDeadlines(t *testing.T) {
	cfg := Config{HandshakeTimeout: 50 * time.Millisecond, ReadTimeout: 50 * time.Millisecond, IdleTimeout: 50 * time.Millisecond}
	t.Run("nothing comes", func(t *testing.T) {
		s := start(t, cfg, openSink())
		s.dial().closed()
	})
	t.Run("half a message comes", func(t *testing.T) {
		s := start(t, cfg, openSink())
		c := s.dial()
		c.send(chunkOf("c", `{"a":1}`)[:10])
		c.closed()
	})
	t.Run("a message and a half come", func(t *testing.T) {
		cfg := cfg
		cfg.IdleTimeout = time.Hour
		s := start(t, cfg, openSink())
		c := s.dial()
		c.send(chunkOf("c", `{"a":1}`), chunkOf("d", `{"a":1}`)[:10])
		c.acked("c")
		c.closed()
	})
	t.Run("no PING comes", func(t *testing.T) {
		cfg := cfg
		cfg.SharedKey = "k"
		s := start(t, cfg, openSink())
		c := s.dial()
		c.hello()
		c.closed()
	})
	t.Run("a client without ids may rest", func(t *testing.T) {
		s := start(t, cfg, openSink())
		rests := s.dial()
		rests.send(array(text("t"), eventTime(noon), body(`{"a":1}`)))
		<-s.sink.stored
		s.dial().closed() // which came later
		rests.send(array(text("t"), eventTime(noon), body(`{"a":2}`)))
		rests.done()
		if got := s.sink.bodies(); got != `{"a":1} {"a":2}` {
			t.Errorf("got %s", got)
		}
	})
}

func TestMistakes(t *testing.T) {
	mtls := &listener.TLS{CertFile: "c", KeyFile: "k", ClientCAFile: "ca"}
	for name, c := range map[string]struct {
		config Config
		field  string // "": none
	}{
		"nothing":                  {Config{}, ""},
		"a socket":                 {Config{Listen: "/run/trailcast.sock"}, ""},
		"localhost":                {Config{Listen: "localhost:1"}, ""},
		"IPv6":                     {Config{Listen: "[::1]:24224"}, ""},
		"anonymous":                {Config{Listen: ":24224"}, "listen"},
		"anonymous, IPv6":          {Config{Listen: "[::]:24224"}, "listen"},
		"anonymous, by name":       {Config{Listen: "collector:24224"}, "listen"},
		"anonymous, TLS":           {Config{Listen: "0.0.0.0:24224", TLS: &listener.TLS{CertFile: "c", KeyFile: "k"}}, "listen"},
		"anonymous, and so wanted": {Config{Listen: ":24224", AllowAnonymous: true}, ""},
		"a key":                    {Config{Listen: ":24224", SharedKey: "k"}, ""},
		"a key in a file":          {Config{Listen: ":24224", SharedKeyFile: "k"}, ""},
		"certificates":             {Config{Listen: ":24224", TLS: mtls}, ""},
		"no port":                  {Config{Listen: "127.0.0.1"}, "listen"},
		"two keys":                 {Config{SharedKey: "k", SharedKeyFile: "f"}, "shared_key_file"},
		"users without a key":      {Config{Users: map[string]conf.Secret{"a": "b"}}, "users"},
		"an empty password":        {Config{SharedKey: "k", Users: map[string]conf.Secret{"a": ""}}, "users"},
		"a negative size":          {Config{MaxChunk: -1}, "max_chunk"},
		"a negative time":          {Config{ReadTimeout: -1}, "read_timeout"},
		"a long name":              {Config{SelfHostname: strings.Repeat("x", 256)}, "self_hostname"},
	} {
		err := c.config.Validate()
		if c.field == "" && err != nil || c.field != "" && (err == nil || !strings.HasPrefix(err.Error(), c.field+": ")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range []Config{{SharedKeyFile: "/nowhere"}, {TLS: &listener.TLS{CertFile: "/nowhere", KeyFile: "/nowhere"}}, {Listen: "x"}} {
		if _, err := New(c, pipeline.Env{}); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

// FuzzStream sends any bytes, in pieces of any size, through reading, parsing and splitting.
func FuzzStream(f *testing.F) {
	both := packed(`{"a":1}`, `{"Records":[{"eventVersion":"1","eventSource":"s3.amazonaws.com","eventName":"A"}]}`)
	f.Add(array(text("t"), eventTime(noon), body(`{"a":1}`), options("chunk", "c")), uint8(7))
	f.Add(array(text("t"), array(both), options("chunk", "c", "size", 1)), uint8(1))
	f.Add(array(text("t"), bin(both)), uint8(200))
	f.Add(array(text("t"), bin(zip(both)), options("compressed", "gzip", "chunk", "c")), uint8(30))
	f.Add(array(text("t"), bin(zst(both)), options("compressed", "zstd")), uint8(30))
	f.Add(array(text("t"), bin([]byte{1}), options("fluent_signal", 1)), uint8(30))
	f.Add(pingOf("s", "h", "d", "u", "p"), uint8(3))
	f.Add([]byte{0xc0, 0xdd, 0xff, 0xff, 0xff, 0xff}, uint8(0))
	in, err := New(Config{MaxChunk: 64 << 10, MaxDecompressed: 64 << 10}, pipeline.Env{Name: "in"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		s := stream{src: &pieces{b, int(size) + 1}, share: share{room: in.room}}
		defer s.share.release()
		read := 0
		for {
			v, err := s.next(t.Context(), 64<<10)
			if err != nil {
				return
			}
			if !bytes.Equal(v, b[read:read+len(v)]) {
				t.Fatalf("a value of other bytes at %d", read)
			}
			read += len(v)
			_, _ = parsePing(v)
			m, err := parse(v)
			if err != nil {
				return
			}
			if m == nil {
				continue
			}
			entries, packing, weight, err := in.reserve(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			if err := in.feed(t.Context(), m, entries, packing, &taken{t: t}); err != nil {
				t.Fatal(err)
			}
			in.room.flight.Release(weight)
		}
	})
}

// pieces gives bytes a few at a time.
type pieces struct {
	b    []byte
	size int
}

func (p *pieces) Read(to []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(to, p.b[:min(p.size, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}

type taken struct{ t *testing.T }

func (f *taken) Feed(_ context.Context, events []pipeline.Event) error {
	for _, ev := range events {
		if len(ev.Raw) == 0 || ev.Key() == "" {
			f.t.Errorf("event %q, key %q", ev.Raw, ev.Key())
		}
	}
	return nil
}

func (f *taken) Broken(_ context.Context, b pipeline.Broken) error {
	if b.Reason == "" || b.Origin == nil {
		f.t.Errorf("%+v", b)
	}
	return nil
}
