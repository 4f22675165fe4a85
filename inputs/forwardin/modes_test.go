package forwardin

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/trailcast/trailcast/internal/msgpack/msgpacktest"
	"github.com/trailcast/trailcast/internal/splitconf"
)

func zip(parts ...[]byte) []byte {
	var b bytes.Buffer
	for _, p := range parts { // a member each
		w := gzip.NewWriter(&b)
		_, _ = w.Write(p)
		_ = w.Close()
	}
	return b.Bytes()
}

func zst(parts ...[]byte) []byte {
	var b []byte
	e, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	defer e.Close()
	for _, p := range parts {
		b = e.EncodeAll(p, b)
	}
	return b
}

func TestModes(t *testing.T) {
	one, two := array(eventTime(noon), body(`{"a":1}`)), array(eventTime(noon), body(`{"a":2}`))
	both := append(bytes.Clone(one), two...)
	fluentBit := msgpacktest.AppendRecord(msgpacktest.AppendRecord(nil, noon, []byte(`{"a":1}`)), noon, []byte(`{"a":2}`))
	float := binary.BigEndian.AppendUint64([]byte{0xcb}, math.Float64bits(1714564800.5))
	long := append(binary.BigEndian.AppendUint32([]byte{0xdd}, 2), both...)
	id := options("chunk", "c", "size", 2)
	for name, c := range map[string]struct {
		message []byte
		want    string
	}{
		"message":                   {array(text("t"), eventTime(noon), body(`{"a":1}`), options("chunk", "c")), `{"a":1}`},
		"message in whole seconds":  {array(text("t"), seconds(1714564800), body(`{"a":1}`), options("chunk", "c")), `{"a":1}`},
		"message with a float":      {array(text("t"), float, body(`{"a":1}`), options("chunk", "c")), `{"a":1}`},
		"forward":                   {array(text("t"), array(one, two), id), `{"a":1} {"a":2}`},
		"forward with a long array": {array(text("t"), long, id), `{"a":1} {"a":2}`},
		"forward with metadata":     {array(text("t"), append([]byte{0x92}, fluentBit...), id), `{"a":1} {"a":2}`},
		"packed":                    {array(text("t"), bin(both), id), `{"a":1} {"a":2}`},
		"packed as text":            {array(text("t"), text(string(both)), id), `{"a":1} {"a":2}`},
		"packed with metadata":      {array(text("t"), bin(fluentBit), id), `{"a":1} {"a":2}`},
		"said to be text":           {array(text("t"), bin(both), options("compressed", "text", "chunk", "c")), `{"a":1} {"a":2}`},
		"gzip":                      {array(text("t"), bin(zip(both)), options("compressed", "gzip", "chunk", "c")), `{"a":1} {"a":2}`},
		"gzip in members":           {array(text("t"), bin(zip(one, two[:5], two[5:])), options("compressed", "gzip", "chunk", "c")), `{"a":1} {"a":2}`},
		"zstd":                      {array(text("t"), bin(zst(both)), options("compressed", "zstd", "chunk", "c")), `{"a":1} {"a":2}`},
		"zstd in frames":            {array(text("t"), bin(zst(one, two)), options("chunk", "c", "compressed", "zstd")), `{"a":1} {"a":2}`},
		"no entries":                {array(text("t"), array(), options("chunk", "c")), ``},
		"tag and id as bytes":       {array(bin([]byte("t")), bin(both), append([]byte{0x81, 0xa5, 'c', 'h', 'u', 'n', 'k'}, bin([]byte("c"))...)), `{"a":1} {"a":2}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{}, openSink())
			cl := s.dial()
			cl.send([]byte{0xc0}, c.message) // behind a heartbeat
			cl.acked("c")
			if got := s.sink.bodies(); got != c.want {
				t.Errorf("got %s", got)
			}
			for _, ev := range s.sink.got() {
				o := ev.Record.Origin
				if o.Input != "agents" || o.Tag != "t" || o.Object != "t" || o.Time.Unix() != noon.Unix() {
					t.Errorf("origin %+v", o)
				}
			}
			if n := len(s.aside.all()); n > 0 {
				t.Errorf("%d pieces in quarantine: %s", n, s.aside.all()[0].Reason)
			}
		})
	}
}

func TestMessagesWithoutAChunkID(t *testing.T) {
	s := start(t, Config{}, openSink())
	c := s.dial()
	c.send(array(text("t"), eventTime(noon), body(`{"a":1}`)))
	c.send(array(text("t"), eventTime(noon), body(`{"a":2}`), []byte{0xc0}))
	c.send(array(text("t"), array(packed(`{"a":3}`))))
	c.send(array(text("t"), bin(packed(`{"a":4}`)), options("size", 1)))
	c.done()
	if got := s.sink.bodies(); got != `{"a":1} {"a":2} {"a":3} {"a":4}` {
		t.Errorf("got %s", got)
	}
}

func TestManyMessagesInOnePieceAndInBytes(t *testing.T) {
	s := start(t, Config{MaxInFlight: 3}, openSink())
	c := s.dial()
	m := array(text("t"), bin(packed(`{"a":1}`)), options("chunk", "c"))
	const n = 50
	go func() {
		_, _ = c.nc.Write(bytes.Repeat(m, n))
		for _, b := range bytes.Repeat(m, n) {
			_, _ = c.nc.Write([]byte{b})
		}
	}()
	for range 2 * n {
		c.acked("c")
	}
	if got := len(s.sink.got()); got != 2*n {
		t.Errorf("%d events", got)
	}
}

func TestCloudTrailInsideALogLine(t *testing.T) {
	s := start(t, Config{Config: splitconf.Config{Unwrap: []string{"log"}}}, openSink())
	c := s.dial()
	line := `{"log":"{\"Records\":[{\"eventVersion\":\"1.08\",\"eventSource\":\"s3.amazonaws.com\",\"eventName\":\"A\",\"eventID\":\"x\"},{\"eventVersion\":\"1.08\",\"eventSource\":\"s3.amazonaws.com\",\"eventName\":\"B\",\"eventID\":\"y\"}]}\n"}`
	c.send(array(text("t"), bin(packed(line)), options("chunk", "c")))
	c.acked("c")
	var names []string
	for _, ev := range s.sink.got() {
		names = append(names, ev.Facts().Action)
	}
	if strings.Join(names, " ") != "A B" {
		t.Errorf("got %v: %s", names, s.sink.bodies())
	}
}

func TestBrokenEntriesGoToQuarantine(t *testing.T) {
	good := packed(`{"a":1}`)
	bad := array(eventTime(noon), text("no map"))
	huge := array(eventTime(noon), body(`{"a":["`+strings.Repeat("x", 3000)+`"],"b":[1]}`))
	for name, c := range map[string]struct {
		message []byte
		events  int
		reason  string
	}{
		"a record that is no map":   {array(text("t"), array(good, bad, good), options("chunk", "c")), 2, "can not be used"},
		"a message of text":         {array(text("t"), eventTime(noon), text("x"), options("chunk", "c")), 0, "can not be used"},
		"a time that is text":       {array(text("t"), []byte{0xc3}, body(`{}`), options("chunk", "c")), 0, "can not be used"},
		"a large record":            {array(text("t"), array(good, huge, good), options("chunk", "c")), 2, "too large"},
		"a chunk that breaks off":   {array(text("t"), bin(append(bytes.Clone(good), good[:7]...)), options("chunk", "c")), 1, "from byte " + strconv.Itoa(len(good))},
		"a chunk of other bytes":    {array(text("t"), bin([]byte{0xc1, 1, 2}), options("chunk", "c")), 0, "from byte 0"},
		"gzip that breaks off":      {array(text("t"), bin(zip(bytes.Repeat(good, 3))[:30]), options("chunk", "c", "compressed", "gzip")), -1, "gzip: "},
		"gzip that is none":         {array(text("t"), bin(good), options("chunk", "c", "compressed", "gzip")), 0, "gzip: "},
		"zstd that is none":         {array(text("t"), bin(good), options("chunk", "c", "compressed", "zstd")), 0, "zstd: "},
		"an unknown compression":    {array(text("t"), bin(good), options("chunk", "c", "compressed", "lz4")), 0, "lz4"},
		"more than may be unpacked": {array(text("t"), bin(zip(bytes.Repeat(good, 1000))), options("chunk", "c", "compressed", "gzip")), -1, "max_decompressed"},
		"metrics":                   {array(text("t"), bin([]byte{0x91, 1}), options("chunk", "c", "fluent_signal", 1)), 0, "metrics"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{MaxDecompressed: 4096, Config: splitconf.Config{MaxRecord: 2048}}, openSink())
			cl := s.dial()
			cl.send(c.message)
			cl.acked("c")
			if got := len(s.sink.got()); c.events >= 0 && got != c.events {
				t.Errorf("%d events: %s", got, s.sink.bodies())
			}
			all := s.aside.all()
			if len(all) != 1 || !strings.Contains(all[0].Reason, c.reason) || all[0].Origin.Tag != "t" || len(all[0].Raw) == 0 {
				t.Errorf("quarantine: %+v", all)
			}
		})
	}
}
