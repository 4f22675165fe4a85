package httpin

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/pipeline"
)

// head is a request up to its body, of which length bytes are announced; below 0: chunks.
func head(length int) string {
	if length < 0 {
		return "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	}
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", length)
}

// answerTo reads what comes on a connection.
func (s *site) answerTo(c net.Conn) reply {
	s.Helper()
	got, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		s.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		s.Fatal(err)
	}
	return reply{got.StatusCode, got.Header, string(text)}
}

func (s *site) send(c net.Conn, text string) {
	s.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		s.Fatal(err)
	}
}

func TestLargeBodies(t *testing.T) {
	s := start(t, Config{MaxBody: 1000, MaxBuffered: 1001})
	exact := trail("a") + strings.Repeat(" ", 1000-len(trail("a")))
	s.post(exact).want(t, 200, ok1)
	s.post(exact+" ").want(t, 413, "")
	c := s.dial()
	s.send(c, head(-1)+fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(exact), exact))
	s.answerTo(c).want(t, 200, ok1)
	s.send(c, head(-1)+fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(exact)+1, exact+" "))
	s.answerTo(c).want(t, 413, "")
	c = s.dial()
	s.send(c, head(60_000_000)) // and nothing of it
	s.answerTo(c).want(t, 413, "")
	if s.Total() != 2 {
		t.Errorf("%d deliveries", s.Total())
	}
}

// TestBodiesThatBreakOff holds that nothing of a body is fed unless all of it is there.
func TestBodiesThatBreakOff(t *testing.T) {
	whole := trail("a") + "\n" + trail("b") + "\n"
	for name, text := range map[string]string{
		"by its length":          head(len(whole)+1) + whole,
		"in a chunk":             head(-1) + fmt.Sprintf("%x\r\n%s", len(whole)+1, whole),
		"without a last chunk":   head(-1) + fmt.Sprintf("%x\r\n%s\r\n", len(whole), whole),
		"with a chunk of no hex": head(-1) + fmt.Sprintf("%x\r\n%s\r\nzz\r\n", len(whole), whole),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{})
			c := s.dial()
			s.send(c, text)
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			s.answerTo(c).want(t, 503, "")
			s.nothing()
		})
	}
}

func TestSlowClients(t *testing.T) {
	s := start(t, Config{HeaderTimeout: 200 * time.Millisecond, ReadTimeout: 200 * time.Millisecond, IdleTimeout: 200 * time.Millisecond, AccessKey: accessKey})
	withKey := strings.Replace(head(100), "\r\n\r\n", "\r\n"+headerFirehoseKey+": "+accessKey+"\r\n\r\n", 1)
	for name, text := range map[string]string{"no request": "", "half a header": "POST / HTTP/1.1\r\nHost:", "a header without its end": withKey[:len(withKey)-4]} {
		c := s.dial()
		s.send(c, text)
		if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 && !strings.Contains(string(rest), "400") && !strings.Contains(string(rest), "408") {
			t.Errorf("%s: got %q, %v", name, rest, err)
		}
	}
	c := s.dial()
	s.send(c, withKey+`{"half":`)
	s.answerTo(c).want(t, 503, "")
	c = s.dial()
	s.send(c, head(100)+`{"refused":`) // the server passes over the rest of such a body, within the same time
	s.answerTo(c).want(t, 401, "")
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("the connection is not closed: %v", err)
	}
	s.nothing()
}

// TestSlowButSteady has a body that takes longer than read_timeout in all, and then a wait for its delivery that does.
func TestSlowButSteady(t *testing.T) {
	s := start(t, Config{ReadTimeout: 400 * time.Millisecond})
	release := s.Hold()
	body := trail("a") + strings.Repeat(" ", 5*progress)
	c := s.dial()
	s.send(c, head(len(body)))
	for len(body) > 0 {
		n := min(progress, len(body))
		s.send(c, body[:n])
		body = body[n:]
		time.Sleep(150 * time.Millisecond) // a slow client, which is what is tested
	}
	s.Wait("the event in flight", func() bool { return s.agent.Stats().EventsInFlight == 1 })
	time.AfterFunc(600*time.Millisecond, release)
	s.answerTo(c).want(t, 200, ok1)
	s.send(c, head(2)+"{}") // the connection lives on
	s.answerTo(c).want(t, 200, ok1)
}

func TestTooManyRequests(t *testing.T) {
	s := start(t, Config{MaxRequests: 2})
	release := s.Hold()
	answers := make(chan reply, 2)
	for _, id := range []string{"a", "b"} {
		go func() {
			got, _ := s.try(s.url, trail(id))
			answers <- got
		}()
	}
	s.Wait("two events in flight", func() bool { return s.agent.Stats().EventsInFlight == 2 })
	s.post(trail("c")).want(t, 503, "")
	release()
	for range 2 {
		if got := <-answers; got.status != 200 {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	}
	s.post(trail("c")).want(t, 200, ok1)
	if s.Total() != 3 {
		t.Errorf("%d deliveries", s.Total())
	}
}

func TestMemoryOfBodiesIsBounded(t *testing.T) {
	s := start(t, Config{MaxBody: 60 << 10, MaxBuffered: 100 << 10})
	c := s.dial()
	s.send(c, head(60<<10)+strings.Repeat(" ", 50<<10))
	s.Wait("the first body", func() bool { // 64 KiB and less are taken
		if s.in.room.bytes.TryAcquire(50 << 10) {
			s.in.room.bytes.Release(50 << 10)
			return false
		}
		return true
	})
	large := trail("a") + strings.Repeat(" ", 55<<10)
	s.post(large).want(t, 503, "")
	s.post(trail("small")).want(t, 200, ok1)
	s.send(c, strings.Repeat(" ", 10<<10-2)+"{}")
	s.answerTo(c).want(t, 200, ok1)
	s.post(large).want(t, 200, ok1)
}

// TestBuffersCountWhileTheyAreCopied holds it for the old buffer and the new one.
func TestBuffersCountWhileTheyAreCopied(t *testing.T) {
	const kib = 1 << 10
	for name, c := range map[string]struct {
		room, others int64
		want         error
	}{
		"enough":         {100 * kib, 50 * kib, nil}, // 16 and 32
		"for one only":   {100 * kib, 60 * kib, errFull},
		"a small room":   {40 * kib, 0, nil}, // alone a body may fill the room
		"and others":     {40 * kib, 1, errFull},
		"too small":      {30 * kib, 0, errLarge},
		"too small, too": {30 * kib, 10 * kib, errLarge},
	} {
		p := newPool(c.room, 2)
		if !p.room.bytes.TryAcquire(c.others) {
			t.Fatal("no room for others")
		}
		held, err := p.enter()
		if err != nil {
			t.Fatal(err)
		}
		b, err := held.enlarge(nil, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, "text"...)
		larger, err := held.enlarge(b[:cap(b)], 1<<20)
		if !errors.Is(err, c.want) || err == nil && (cap(larger) != 32*kib || string(larger[:4]) != "text" || held.held != 32*kib) || err != nil && held.held != 16*kib {
			t.Errorf("%s: %d bytes, %d held, %v", name, cap(larger), held.held, err)
		}
		held.leave()
		if !p.room.bytes.TryAcquire(c.room-c.others) || len(p.places) > 0 {
			t.Errorf("%s: not all was given back", name)
		}
	}
}

// TestCopiesOfRecordsCount has a Firehose request for whose body there is room, but not for what becomes of its record.
func TestCopiesOfRecordsCount(t *testing.T) {
	s := start(t, Config{AccessKey: accessKey, MaxBody: 60 << 10, MaxBuffered: 100 << 10})
	body := firehoseBody(trail("a") + strings.Repeat(" ", 22<<10))
	if !s.in.room.bytes.TryAcquire(30 << 10) {
		t.Fatal("no room")
	}
	s.firehose(body).wantFirehose(t, 503, "")
	s.nothing()
	s.in.room.bytes.Release(30 << 10)
	s.firehose(body).wantFirehose(t, 200, "")
	s.firehose(firehoseBody(trail("b")+strings.Repeat(" ", 42<<10))).wantFirehose(t, 200, "") // larger than what is left, but alone
}

// wideZstd is an empty line in a frame that asks for a window of 128 MiB.
const wideZstd = "\x28\xb5\x2f\xfd\x00\x88\x09\x00\x00\n"

// TestWideWindows has few bytes that ask for much memory. What is counted is all that was ever allocated, so that the
// garbage collector makes no difference.
func TestWideWindows(t *testing.T) {
	s := start(t, Config{MaxBody: 1 << 20, MaxBuffered: 4 << 20})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 8 {
		s.post(wideZstd).want(t, 200, `{"events":0,"rejected":1}`)
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 256 {
		t.Errorf("%d MiB were allocated", n)
	}
	if a := s.Aside(); len(a) != 8 || !strings.Contains(a[0].Reason, "zstd") {
		t.Errorf("quarantine: %+v", a)
	}
}

// blocking is a frame that waits.
type blocking struct {
	once           sync.Once
	begun, release chan struct{}
}

func (b *blocking) Feed(context.Context, []pipeline.Event) error {
	b.once.Do(func() { close(b.begun) })
	<-b.release
	return nil
}

func (b *blocking) Broken(context.Context, pipeline.Broken) error { return nil }

// TestUnpackingIsBounded has a request that is unpacked and does not end: others that are to be unpacked wait, wherever
// the compressed data stands, and those without any do not.
func TestUnpackingIsBounded(t *testing.T) {
	s := start(t, Config{MaxBody: 1 << 20, MaxBuffered: 4 << 20, Timeout: time.Second}) // room for one
	b := &blocking{begun: make(chan struct{}), release: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		data := packed(strings.Repeat(trail("first")+"\n", 2_000)) // more than one batch
		_, err := s.in.splitter.Split(context.Background(), strings.NewReader(data), &pipeline.Origin{}, split.Base{}, b)
		ended <- err
	}()
	<-b.begun
	posts := map[string][]string{
		packed(trail("gzip")):    nil,
		zstandard(trail("zstd")): nil,
		`{"awslogs":{"data":"` + base64.StdEncoding.EncodeToString([]byte(packed(logs7("s", trail("inside"))))) + `"}}`: nil,
		firehoseBody(packed(trail("firehose"))): {headerFirehoseID, requestID},
	}
	answers := make(chan reply, len(posts))
	for body, headers := range posts {
		go func() {
			got, _ := s.try(s.url, body, headers...)
			answers <- got
		}()
	}
	s.post(trail("plain")).want(t, 200, ok1)
	for range posts {
		if got := <-answers; got.status != 503 {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	}
	if s.Total() != 1 {
		t.Errorf("%d events", s.Total())
	}
	close(b.release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for body, headers := range posts {
		s.post(body, headers...).want(t, 200, "")
	}
}

// snsHead is a request with what a message of SNS has in its header.
func snsHead(length int) string {
	return strings.Replace(head(length), "\r\n\r\n", "\r\n"+headerSNSType+": Notification\r\n"+headerSNSTopic+": "+snsTopic+"\r\n\r\n", 1)
}

// TestStrangersShutNobodyOut has senders whom nobody knows begin what might be messages of SNS.
func TestStrangersShutNobodyOut(t *testing.T) {
	s := start(t, Config{SNSTopics: []string{snsTopic}, AccessKey: accessKey, MaxRequests: 8, MaxBody: 200 << 10, MaxBuffered: 400 << 10})
	sns := []string{headerSNSType, "Notification", headerSNSTopic, snsTopic}
	var slow []net.Conn
	for range 2 {
		c := s.dial()
		s.send(c, snsHead(30<<10)+strings.Repeat(" ", 29<<10))
		slow = append(slow, c)
	}
	s.Wait("two of them", func() bool { return len(s.in.strangers.places) == 2 })
	if !s.in.room.bytes.TryAcquire(s.in.room.size) || len(s.in.places) > 0 {
		t.Error("they take what others could")
	} else {
		s.in.room.bytes.Release(s.in.room.size)
	}
	if got := s.post("{}", sns...); got.status != 503 || !strings.Contains(got.body, "max_requests") {
		t.Errorf("a third is answered %d %s", got.status, got.body)
	}
	s.post(trail("a")+strings.Repeat(" ", 190<<10), headerFirehoseKey, accessKey).want(t, 200, ok1)
	end := func(i int) {
		s.send(slow[i], strings.Repeat(" ", 1<<10))
		s.answerTo(slow[i]).want(t, 400, "")
		s.Wait("its end", func() bool { return len(s.in.strangers.places) == 1-i })
	}
	end(0)
	if got := s.post(strings.Repeat(" ", 80<<10), sns...); got.status != 503 || !strings.Contains(got.body, "max_buffered") {
		t.Errorf("one that is too large beside the other is answered %d %s", got.status, got.body)
	}
	end(1)
	s.post(strings.Repeat(" ", 110<<10), sns...).want(t, 413, "")
}

// TestStrangersHaveOneDeadline has a sender who would be in time for each part of a body.
func TestStrangersHaveOneDeadline(t *testing.T) {
	s := start(t, Config{SNSTopics: []string{snsTopic}, ReadTimeout: 400 * time.Millisecond})
	c := s.dial()
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, err := io.WriteString(c, snsHead(20*progress))
		for i := 0; i < 20 && err == nil; i++ {
			_, err = io.WriteString(c, strings.Repeat(" ", progress))
			time.Sleep(100 * time.Millisecond) // a slow client, which is what is tested
		}
	}()
	s.answerTo(c).want(t, 503, `{"error":"the body breaks off"}`)
	_ = c.Close()
	<-over
}

func TestTooManyConnections(t *testing.T) {
	s := start(t, Config{MaxConnections: 2})
	first, second := s.dial(), s.dial()
	for _, c := range []net.Conn{first, second} {
		s.send(c, head(2)+"{}")
		s.answerTo(c).want(t, 200, ok1)
	}
	third := s.dial()
	s.send(third, head(2)+"{}")
	s.Wait("word of it", func() bool { return strings.Contains(s.logs.String(), "max_connections") })
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	s.answerTo(third).want(t, 200, ok1)
}

func TestNotDelivered(t *testing.T) {
	s := start(t, Config{Timeout: 100 * time.Millisecond})
	s.Fail(func(string) error { return errors.New("down") })
	s.post(trail("a")).want(t, 503, `{"error":"not delivered; it is to be sent again"}`)
	s.Fail(nil)
	s.Wait("the late event", func() bool { return s.Total() == 1 })
	s.post(trail("a")).want(t, 200, ok1)
}

// TestBackPressure has more events in one request than the engine takes while its output waits.
func TestBackPressure(t *testing.T) {
	s := start(t, Config{Timeout: 2 * time.Second})
	release := s.Hold()
	var lines strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&lines, "{\"n\":%d}\n", i)
	}
	s.post(lines.String()).want(t, 503, "")
	if n := s.agent.Stats().EventsInFlight; n > 20_000 {
		t.Errorf("%d events are in flight", n)
	}
	release()
	s.Wait("what was fed", func() bool { return s.agent.Stats().EventsInFlight == 0 })
	s.post(lines.String()).want(t, 200, `{"events":30000,"rejected":0}`)
	if n := len(s.Events()); n != 30_000 {
		t.Errorf("%d events", n)
	}
}

// TestStopAnswers holds that a stop waits for what is in flight, and answers it.
func TestStopAnswers(t *testing.T) {
	for name, delivered := range map[string]bool{"delivered in time": true, "not delivered": false} {
		t.Run(name, func(t *testing.T) {
			drain := patience
			if !delivered {
				drain = 300 * time.Millisecond
			}
			s := startFor(t, Config{}, drain)
			release := s.Hold()
			defer release()
			waiting, reading := s.dial(), s.dial()
			s.send(waiting, head(len(trail("a")))+trail("a"))
			s.send(reading, head(100)+`{"half":`)
			s.Wait("one event in flight", func() bool { return s.agent.Stats().EventsInFlight == 1 && len(s.in.places) == 2 })
			stopped := s.stopping()
			s.answerTo(reading).want(t, 503, `{"error":"the agent stops"}`)
			s.Wait("the end of listening", func() bool {
				c, err := net.Dial("tcp", waiting.RemoteAddr().String())
				if err == nil {
					_ = c.Close()
				}
				return err != nil
			})
			if delivered {
				release()
				s.answerTo(waiting).want(t, 200, ok1)
			} else {
				s.answerTo(waiting).want(t, 503, "")
			}
			if err := <-stopped; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestClientsThatLeave(t *testing.T) {
	s := start(t, Config{})
	release := s.Hold()
	c := s.dial()
	s.send(c, head(len(trail("a")))+trail("a"))
	s.Wait("the event in flight", func() bool { return s.agent.Stats().EventsInFlight == 1 })
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	s.Wait("the end of the request", func() bool { return len(s.in.places) == 0 })
	release()
	s.Wait("the event", func() bool { return s.Total() == 1 })
	s.post(trail("a")).want(t, 200, ok1)
	if keys := s.Keys(trail("a")); len(keys) != 1 {
		t.Errorf("the repeat has another key: %v", keys)
	}
}

func TestAPanicIsAnswered(t *testing.T) {
	s := start(t, Config{}, func(in *Input) { in.splitter = nil })
	for range 2 {
		s.post(trail("a")).want(t, 500, "")
	}
	if !strings.Contains(s.logs.String(), "panicked") {
		t.Errorf("log: %s", s.logs)
	}
	s.nothing()
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	s := start(t, Config{Listen: "unix://" + path})
	s.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	s.url = "http://trailcast/"
	s.post(trail("a")).want(t, 200, ok1)
	if o := s.one(trail("a")).Record.Origin; o.Object != "http:local" {
		t.Errorf("origin %+v", o)
	}
	if err := s.in.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.agent.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestCheck(t *testing.T) {
	s := start(t, Config{})
	if err := s.in.Check(t.Context()); err != nil {
		t.Errorf("its own address: %v", err)
	}
	other, err := New(Config{Listen: s.in.Addr().String()}, pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Check(t.Context()); err == nil || !strings.Contains(err.Error(), s.in.Addr().String()) {
		t.Errorf("an address that is taken: %v", err)
	}
	if err := other.Run(t.Context(), nil); err == nil {
		t.Error("it runs")
	}
	free, err := New(Config{Listen: "127.0.0.1:0"}, pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Check(t.Context()); err != nil || free.Addr() != nil {
		t.Errorf("a free address: %v, %v", err, free.Addr())
	}
}
