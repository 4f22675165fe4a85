package forwardin

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

func chunkOf(id string, jsons ...string) []byte {
	return array(text("t"), bin(packed(jsons...)), options("chunk", id))
}

func TestAcknowledgedOnlyWhenDelivered(t *testing.T) {
	out := newSink()
	s := start(t, Config{}, out)
	c := s.dial()
	c.send(chunkOf("c", `{"a":1}`))
	early := make(chan bool, 1)
	go func() {
		c.acked("c")
		early <- !out.isOpen()
	}()
	<-out.called
	out.open()
	if <-early {
		t.Error("acknowledged before it was delivered")
	}
}

func TestWhatIsNotDeliveredIsNotAcknowledged(t *testing.T) {
	out := newSink()
	s := start(t, Config{}, out)
	c, other := s.dial(), s.dial()
	c.send(chunkOf("c", `{"a":1}`))
	<-out.called
	s.closeEngine()
	c.closed()
	other.send(chunkOf("d", `{"a":2}`)) // too late
	other.closed()
}

func TestLossIsSaid(t *testing.T) {
	out := newSink()
	s := start(t, Config{}, out)
	c := s.dial()
	c.send(array(text("t"), bin(packed(`{"a":1}`))))
	<-out.called
	s.closeEngine()
	c.closed()
	s.end()
	if log := s.logs.String(); !strings.Contains(log, "may not send it again") {
		t.Errorf("log: %s", log)
	}
}

func TestAStopAcknowledgesWhatIsInFlight(t *testing.T) {
	out := newSink()
	s := start(t, Config{}, out)
	c, idle := s.dial(), s.dial()
	idle.send(chunkOf("i", `{"a":0}`)[:9]) // half a message
	c.send(chunkOf("c", `{"a":1}`), chunkOf("d", `{"a":2}`))
	<-out.called
	for s.engine.Stats().OpenFrames < 2 { // both are read
		<-out.called
	}
	s.stop()
	idle.closed() // nothing more is read
	out.open()
	for range 2 {
		if v, err := c.read(); err != nil {
			t.Fatalf("got %v, %v", v, err)
		}
	}
	c.closed()
	s.end()
	if got := out.bodies(); got != `{"a":1} {"a":2}` {
		t.Errorf("got %s", got)
	}
}

func TestAClientThatHasGoneLosesNothing(t *testing.T) {
	out := newSink()
	s := start(t, Config{}, out)
	c := s.dial()
	c.send(chunkOf("c", `{"a":1}`))
	<-out.called
	_ = c.nc.Close()
	out.open()
	again := s.dial()
	again.send(chunkOf("c", `{"a":1}`))
	again.acked("c")
	s.end()
	events := out.got()
	if len(events) != 2 || events[0].Key() != events[1].Key() {
		t.Errorf("%d events", len(events))
	}
}

func TestKeys(t *testing.T) {
	key := func(t *testing.T, messages ...[]byte) []string {
		s := start(t, Config{}, openSink())
		c := s.dial()
		for _, m := range messages {
			c.send(m)
		}
		c.done()
		var keys []string
		for _, ev := range s.sink.got() {
			keys = append(keys, ev.Key())
		}
		if len(s.sink.got()) == 0 {
			t.Fatal("no events")
		}
		return keys
	}
	same := func(keys []string) bool {
		for _, k := range keys {
			if k != keys[0] {
				return false
			}
		}
		return true
	}
	with := func(tag, id string, at []byte, json string) []byte {
		return array(text(tag), at, body(json), options("chunk", id))
	}
	without := func(tag string, at []byte, json string) []byte { return array(text(tag), at, body(json)) }
	at, later, whole := eventTime(noon), eventTime(noon.Add(1)), seconds(uint32(noon.Unix()))
	for name, c := range map[string]struct {
		messages [][]byte
		same     bool
	}{
		"sent again":                   {[][]byte{with("t", "c", at, `{"a":1}`), with("t", "c", at, `{"a":1}`)}, true},
		"sent again in another mode":   {[][]byte{array(text("t"), array(packed(`{"a":1}`)), options("chunk", "c")), chunkOf("c", `{"a":1}`), array(text("t"), bin(zip(packed(`{"a":1}`))), options("chunk", "c", "compressed", "gzip"))}, true},
		"sent again in whole seconds":  {[][]byte{with("t", "c", whole, `{"a":1}`), with("t", "c", whole, `{"a":1}`)}, true},
		"another chunk":                {[][]byte{with("t", "c", at, `{"a":1}`), with("t", "d", at, `{"a":1}`)}, false},
		"another tag":                  {[][]byte{with("t", "c", at, `{"a":1}`), with("u", "c", at, `{"a":1}`)}, false},
		"another time":                 {[][]byte{with("t", "c", at, `{"a":1}`), with("t", "c", later, `{"a":1}`)}, false},
		"one line twice in one chunk":  {[][]byte{array(text("t"), array(array(at, body(`{"a":1}`)), array(at, body(`{"a":1}`))), options("chunk", "c"))}, false},
		"no id, sent again":            {[][]byte{without("t", at, `{"a":1}`), without("t", at, `{"a":1}`)}, true},
		"no id, another time":          {[][]byte{without("t", at, `{"a":1}`), without("t", later, `{"a":1}`)}, false},
		"no id, whole seconds":         {[][]byte{without("t", whole, `{"a":1}`), without("t", whole, `{"a":1}`)}, false},
		"no id, twice in whole second": {[][]byte{array(text("t"), array(array(whole, body(`{"a":1}`)), array(whole, body(`{"a":1}`))))}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if keys := key(t, c.messages...); same(keys) != c.same {
				t.Errorf("keys %v", keys)
			}
		})
	}
}

func TestRequireAck(t *testing.T) {
	s := start(t, Config{RequireAck: true}, openSink())
	c := s.dial()
	c.send([]byte{0xc0}, chunkOf("c", `{"a":1}`))
	c.acked("c")
	for range 2 {
		c := s.dial()
		c.send(array(text("t"), bin(packed(`{"a":2}`))))
		c.closed()
	}
	s.end()
	if got := s.sink.bodies(); got != `{"a":1}` {
		t.Errorf("got %s", got)
	}
	if n := strings.Count(s.logs.String(), "require_ack)"); n != 1 {
		t.Errorf("said %d times: %s", n, s.logs)
	}
}

// TestSlowOutput holds that an output that takes nothing stops the reading, and that everything arrives once it does.
func TestSlowOutput(t *testing.T) {
	out := newSink()
	s := startWith(t, Config{MaxInFlight: 4, MaxBuffered: 1 << 20}, out, pipeline.Settings{MaxBytes: 64 << 10, DrainTimeout: patience})
	const clients, messages = 5, 40
	line := `{"a":"` + strings.Repeat("x", 30_000) + `"}`
	sent := make(chan int, clients)
	var all []*client
	for range clients {
		c := s.dial()
		all = append(all, c)
		go func() {
			n := 0
			for range messages {
				if _, err := c.nc.Write(bytes.Repeat(chunkOf("c", line, line), 8)); err == nil {
					n += 8
				}
			}
			sent <- n
		}()
	}
	<-out.called
	if in := s.engine.Stats().EventsInFlight; in > 8 {
		t.Errorf("%d events are in flight", in)
	}
	out.open()
	for _, c := range all {
		for range 8 * messages {
			c.acked("c")
		}
	}
	for range clients {
		if n := <-sent; n != 8*messages {
			t.Errorf("%d messages were sent", n)
		}
	}
	if got := len(out.got()); got != 2*8*clients*messages {
		t.Errorf("%d events", got)
	}
}

func TestUnixSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "fw") // a short path
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	_ = left.Close() // as one that was killed
	s := start(t, Config{Listen: "unix://" + path}, openSink())
	c := s.dial()
	c.send(chunkOf("c", `{"a":1}`))
	c.acked("c")
	second, err := New(Config{Listen: path}, pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Check(t.Context()); err == nil {
		t.Error("a second one may listen")
	}
	s.dial().done() // the first one still does
	s.end()
	if err := second.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	in, err := New(Config{Listen: "127.0.0.1:0"}, pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Check(t.Context()); err != nil || in.Addr() != nil {
		t.Errorf("%v, %v", err, in.Addr())
	}
	s := start(t, Config{}, openSink())
	if err := s.in.Check(t.Context()); err != nil {
		t.Error(err)
	}
	taken, err := New(Config{Listen: s.in.Addr().String()}, pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if err := taken.Check(t.Context()); err == nil {
		t.Error("a port that is taken is fine")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := taken.Run(ctx, s.engine); err == nil || ctx.Err() != nil {
		t.Errorf("Run on a port that is taken: %v", err)
	}
	s.end()
	if s.in.Addr() != nil {
		t.Error("an input that has ended has an address")
	}
}
