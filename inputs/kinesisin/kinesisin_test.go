package kinesisin

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/trailcast/trailcast/internal/awstest"
	"github.com/trailcast/trailcast/pipeline"
)

func TestShapes(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t, 1)
	bridge := `{"version":"0","id":"x","detail-type":"AWS API Call via CloudTrail","source":"aws.ssm","account":"123456789012","region":"eu-west-1","resources":[],"detail":` + record("e") + `}`
	b.put(record("a"), record("b")+"\n"+record("c")+"\n", `{"Records": [`+record("d")+`]}`, bridge, subscription(record("f"), record("g")),
		"garbage", aggregated(record("h"), subscription(record("i"))), packed(record("j")), subscription(record("k"))[:60], record("l"))
	a := b.start()
	var all []string
	for _, id := range "abcdefghijl" {
		all = append(all, record(string(id)))
	}
	b.each(all...)
	b.Wait("the broken ones", func() bool { return len(b.Aside()) == 2 })
	b.stop(a)
	b.once()

	ev, _ := b.Event(record("i"))
	if o := ev.Record.Origin; strings.Join(o.Via, " ") != "kinesis cloudwatch_logs" || !strings.HasSuffix(o.Identity, ":1") || o.Time.IsZero() || o.Owner != "123456789012" {
		t.Errorf("%+v", o)
	}
	ev, _ = b.Event(record("a"))
	if o := ev.Record.Origin; o.Object != "kinesis:"+b.config.Stream+"/shardId-000000000000" || o.Identity != "1" || o.Region != "eu-west-1" || o.Input != "stream" {
		t.Errorf("%+v", o)
	}
	if e := b.Aside()[0]; string(e.Raw) != "garbage" || e.Origin.Identity == "" {
		t.Errorf("%+v", e)
	}
	if at := b.saved()["shardId-000000000000"]; at.After != "10" || at.Time.IsZero() || at.Ended {
		t.Errorf("%+v", at)
	}
}

// TestKeys holds that what has no id of its own keeps its transport key when it is read again, and shares it with nothing.
func TestKeys(t *testing.T) {
	b := newBench(t, 1)
	b.put(`{"n":1}`, `{"n":2}`+"\n"+` {"n": 3}`, aggregated(`{"n":4}`, `{"n":5}`), `{"n":6}`)
	for range 2 {
		b.state = t.TempDir()
		a := b.start()
		total := b.Total()
		b.Wait("all events", func() bool { return b.Total() == total+6 })
		b.stop(a)
	}
	seen := map[string]bool{}
	for raw := range b.Events() {
		for key := range b.Keys(raw) {
			seen[key] = true
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d keys of 6 events", len(seen))
	}

	b.put(`{"n":6}`) // the same content in another record
	b.start()
	b.Wait("the repeat", func() bool { return len(b.Keys(`{"n":6}`)) == 2 })
}

// TestRestart has many shards, and no event comes twice or is lost over several runs.
func TestRestart(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t, 7)
	b.config.MaxRecords = 5
	var all []string
	for run := range 3 {
		more := records(fmt.Sprint(run, "-"), 60)
		all = append(all, more...)
		b.put(more...)
		a := b.start()
		b.each(all...)
		b.stop(a)
	}
	b.once()
	if n := len(b.saved()); n != 7 {
		t.Errorf("%d positions", n)
	}
}

// TestNotBefore holds that no position passes what is not delivered.
func TestNotBefore(t *testing.T) {
	b := newBench(t, 1)
	b.put(records("a", 3)...)
	release := b.Hold()
	a := b.start()
	b.Wait("reads", func() bool { return b.proxy.Calls("GetRecords") > 3 })
	b.stop(a)
	release()
	if at := b.saved()["shardId-000000000000"]; at.After != "" || !at.First {
		t.Errorf("%+v", at)
	}
	b.start()
	b.each(records("a", 3)...)
}

// TestRetry has the first of two frames fail, and the agent stop before it is tried again.
func TestRetry(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t, 1)
	b.config.MaxRecords = 1
	b.put(records("a", 3)...)
	in := b.input()
	in.again = time.Hour
	var frames atomic.Int32
	a := b.Start(fickle{in, func() bool { return frames.Add(1) == 1 }}, time.Second)
	b.each(records("a", 3)...)
	b.Wait("settled frames", func() bool { return frames.Load() == 3 })
	b.stop(a)
	if at := b.saved()["shardId-000000000000"]; at.After != "" {
		t.Errorf("%+v", at)
	}
	// It is fed again from memory while the agent runs.
	frames.Store(0)
	a = b.Start(fickle{b.input(), func() bool { return frames.Add(1) <= 2 }}, time.Second)
	b.Wait("the repeats", func() bool { return b.Total() == 3+3+2 })
	b.Wait("settled frames", func() bool { return frames.Load() == 5 })
	b.stop(a)
	if at := b.saved()["shardId-000000000000"]; at.After != "3" {
		t.Errorf("%+v", at)
	}
	if n := b.log.count("could not be delivered"); n > 3 {
		t.Errorf("told %d times", n)
	}
}

// TestRoom holds that no more is read than may be in flight.
func TestRoom(t *testing.T) {
	b := newBench(t, 1)
	b.config.MaxRecords = 1
	var all []string
	for i := range 20 {
		all = append(all, record(fmt.Sprintf("%d%01000d", i, 0)))
	}
	b.put(all...)
	in := b.input()
	release := b.Hold()
	defer release()
	in.config.MaxInFlight = 4 << 10 // two records and what they take besides
	reserved := newReading(in, nil, in.newPositions()).reserve
	if reserved != 4<<10 {
		t.Fatal(reserved)
	}
	a := b.Start(in, time.Second)
	b.Wait("a read", func() bool { return b.proxy.Calls("GetRecords") == 1 })
	release()
	b.each(all...)
	b.stop(a)
	b.once()
	if n := b.proxy.Calls("GetRecords"); n < 20 {
		t.Errorf("%d reads", n)
	}
}

func TestStart(t *testing.T) {
	t.Run("latest", func(t *testing.T) {
		b := newBench(t, 2)
		b.config.Start = startLatest
		b.put(records("old", 4)...)
		b.nextSecond()
		a := b.start()
		b.Wait("reads", func() bool { return b.proxy.Calls("GetRecords") > 4 })
		b.stop(a)
		b.put(records("between", 4)...) // nothing was read before, and still they count
		b.nextSecond()
		a = b.start()
		b.each(records("between", 4)...)
		b.put(records("new", 4)...)
		b.each(append(records("between", 4), records("new", 4)...)...)
		b.stop(a)
		b.once()
	})
	t.Run("time", func(t *testing.T) {
		b := newBench(t, 1)
		b.put(records("old", 4)...)
		b.nextSecond()
		b.config.Start = time.Now().UTC().Truncate(time.Second).Format(time.RFC3339)
		b.put(records("new", 4)...)
		b.start()
		b.each(records("new", 4)...)
	})
}

func TestShare(t *testing.T) {
	b := newBench(t, 9)
	all := records("a", 120)
	b.put(all...)
	b.config.Of = 3
	for i := range 3 {
		b.config.Index, b.state = i, t.TempDir()
		before := b.Total()
		a := b.start()
		b.Wait("a third", func() bool { return b.Total() > before && b.proxy.Calls("GetRecords") > 20*(i+1) })
		b.stop(a)
		if n := len(b.saved()); n != 3 {
			t.Errorf("%d of 9 shards", n)
		}
	}
	b.each(all...)
	b.once()
}

func TestARN(t *testing.T) {
	b := newBench(t, 3)
	name := b.config.Stream
	b.put(records("a", 9)...)
	b.config.Stream = "arn:aws:kinesis:" + awstest.Region + ":" + awstest.Account + ":stream/" + name
	in := b.input()
	in.api.page = aws.Int32(2) // two pages
	a := b.Start(in, time.Second)
	b.each(records("a", 9)...)
	b.stop(a)
	if n := len(b.saved()); n != 3 || b.proxy.Calls("ListShards") < 2 {
		t.Errorf("%d positions, %d calls", n, b.proxy.Calls("ListShards"))
	}

	b.config.Stream = name // has the same positions
	b.put(record("b"))
	a = b.start()
	b.each(append(records("a", 9), record("b"))...)
	b.stop(a)
	b.once()
}

func TestFaults(t *testing.T) {
	refuse := func(status int, code string) awstest.Fault { return awstest.Fault{Status: status, Code: code} }
	for name, fault := range map[string]func(n int, c awstest.Call) awstest.Fault{
		"throttled": func(n int, c awstest.Call) awstest.Fault {
			if n%3 != 0 && c.Operation == "GetRecords" {
				return refuse(400, "ProvisionedThroughputExceededException")
			}
			return awstest.Fault{}
		},
		"KMS throttled": func(n int, c awstest.Call) awstest.Fault {
			if n%2 != 0 && c.Operation == "GetRecords" {
				return refuse(400, "KMSThrottlingException")
			}
			return awstest.Fault{}
		},
		"expired iterators": func(n int, c awstest.Call) awstest.Fault {
			if n%3 == 0 && c.Operation == "GetRecords" {
				return refuse(400, "ExpiredIteratorException")
			}
			return awstest.Fault{}
		},
		"lost answers": func(n int, c awstest.Call) awstest.Fault {
			return awstest.Fault{Lost: n%3 == 0 && c.Operation == "GetRecords"}
		},
		"half answers": func(n int, c awstest.Call) awstest.Fault {
			if n%2 == 0 && c.Operation == "GetRecords" {
				return awstest.Fault{Cut: 100}
			}
			return awstest.Fault{}
		},
		"dropped connections": func(n int, c awstest.Call) awstest.Fault { return awstest.Fault{Drop: n%5 == 4} },
		"errors of the server": func(n int, c awstest.Call) awstest.Fault {
			if n%2 == 0 && c.Operation == "GetRecords" {
				return refuse(500, "InternalFailure")
			}
			return awstest.Fault{}
		},
		"expired credentials": func(n int, c awstest.Call) awstest.Fault {
			if n < 5 || n > 10 && n < 15 {
				return refuse(400, "ExpiredTokenException")
			}
			return awstest.Fault{}
		},
		"denied for a while": func(n int, c awstest.Call) awstest.Fault {
			if n < 15 && c.Operation == "GetRecords" {
				return refuse(400, "AccessDeniedException")
			}
			return awstest.Fault{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 2)
			b.config.MaxRecords = 4
			all := records("a", 20)
			b.put(all...)
			n := 0
			b.proxy.Fail(func(c awstest.Call) awstest.Fault {
				n++
				return fault(n, c)
			})
			a := b.start()
			b.each(all...)
			b.stop(a)
			b.once()
		})
	}
}

func TestHang(t *testing.T) {
	b := newBench(t, 1)
	b.put(record("a"))
	hung := 0
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation == "GetRecords" {
			hung++
		}
		return awstest.Fault{Hang: c.Operation == "GetRecords" && hung == 1}
	})
	in := b.input()
	in.api.timeout = 200 * time.Millisecond
	b.Start(in, time.Second)
	b.each(record("a"))
}

// TestTold holds that a failure of all shards is told once, and its end once.
func TestTold(t *testing.T) {
	b := newBench(t, 4)
	b.put(records("a", 12)...)
	var denied atomic.Bool
	denied.Store(true)
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation == "GetRecords" && denied.Load() {
			return awstest.Fault{Status: 400, Code: "AccessDeniedException"}
		}
		return awstest.Fault{}
	})
	a := b.start()
	b.Wait("many tries", func() bool { return b.proxy.Calls("GetRecords") > 24 })
	if n := b.log.count("can not be read; it is tried again"); n != 1 {
		t.Errorf("told %d times", n)
	}
	if b.log.count("the identity needs kinesis:GetRecords, ") != 1 {
		t.Error(b.log.text.String())
	}
	denied.Store(false)
	b.each(records("a", 12)...)
	b.Wait("the end of it", func() bool { return b.log.count("can be read again") == 1 })
	b.stop(a)
	b.once()
}

// TestMissing has an agent wait for its stream.
func TestMissing(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t, 0)
	a := b.start()
	b.Wait("many tries", func() bool { return b.proxy.Calls("DescribeStreamSummary") > 5 })
	if b.log.count("look at the name, the account and the region") != 1 {
		t.Error(b.log.text.String())
	}
	b.create(1)
	b.put(record("a"))
	b.each(record("a"))
	b.stop(a)
}

// TestAnew deletes the stream and makes it again, while the agent runs and while it does not.
func TestAnew(t *testing.T) {
	b := newBench(t, 2)
	anew := func() {
		if _, err := b.client.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: &b.config.Stream}); err != nil {
			t.Fatal(err)
		}
		b.create(2)
	}
	b.put(records("a", 8)...)
	a := b.start()
	b.each(records("a", 8)...)
	anew()
	b.put(records("b", 4)...)
	all := append(records("a", 8), records("b", 4)...)
	b.each(all...)
	b.stop(a)
	anew()
	b.put(records("c", 4)...)
	b.start()
	b.each(append(all, records("c", 4)...)...)
	if n := b.log.count("deleted and made anew"); n != 2 {
		t.Errorf("told %d times", n)
	}
	for id, at := range b.saved() {
		if at.First {
			t.Errorf("%s begins where start says, not at its oldest record", id)
		}
	}
}

func TestStopAtAnyTime(t *testing.T) {
	awstest.NoLeaks(t)
	b := newBench(t, 3)
	for _, op := range []string{"DescribeStreamSummary", "ListShards", "GetShardIterator", "GetRecords"} {
		b.proxy.Fail(func(c awstest.Call) awstest.Fault { return awstest.Fault{Hang: c.Operation == op} })
		before := b.proxy.Calls(op)
		in := b.input()
		in.api.timeout = time.Minute
		a := b.Start(in, time.Second)
		b.Wait(op, func() bool { return b.proxy.Calls(op) > before })
		b.stop(a)
	}
}

func TestDamagedState(t *testing.T) {
	b := newBench(t, 1)
	b.put(record("a"))
	a := b.start()
	b.each(record("a"))
	b.stop(a)
	files, err := filepath.Glob(filepath.Join(b.state, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.start().Wait(); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Error(err)
	}
}

func TestWithoutState(t *testing.T) {
	b := newBench(t, 1)
	b.state = ""
	b.put(record("a"))
	b.start()
	b.each(record("a"))
}

func TestCheck(t *testing.T) {
	b := newBench(t, 2)
	if err := b.input().Check(t.Context()); err != nil {
		t.Error(err)
	}
	for _, call := range []string{"DescribeStreamSummary", "ListShards", "GetShardIterator", "GetRecords"} {
		b.proxy.Fail(func(c awstest.Call) awstest.Fault {
			if c.Operation == call {
				return awstest.Fault{Status: 400, Code: "AccessDeniedException"}
			}
			return awstest.Fault{}
		})
		err := b.input().Check(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), "kinesis:"+call+" "+b.config.Stream+": ") || !strings.Contains(err.Error(), "the identity needs kinesis:"+call+", kinesis:") {
			t.Error(err)
		}
	}
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation == "GetRecords" {
			return awstest.Fault{Status: 400, Code: "ProvisionedThroughputExceededException"}
		}
		return awstest.Fault{}
	})
	if err := b.input().Check(t.Context()); err != nil {
		t.Error(err)
	}
	b.proxy.Fail(nil)
	b.config.Stream = "none"
	if err := b.input().Check(t.Context()); err == nil || !strings.Contains(err.Error(), "look at the name, the account and the region") {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	const arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/audit"
	for name, c := range map[string]Config{
		"no stream":    {},
		"a name":       {Stream: "a stream"},
		"an ARN":       {Stream: "arn:aws:kinesis:eu-west-1:123456789012:audit"},
		"two regions":  {Stream: arn, AWS: AWS{Region: "eu-central-1"}},
		"start":        {Stream: "s", Start: "yesterday"},
		"the future":   {Stream: "s", Start: time.Now().Add(time.Hour).Format(time.RFC3339)},
		"interval":     {Stream: "s", Interval: 100 * time.Millisecond},
		"discover":     {Stream: "s", Discover: -1},
		"too many":     {Stream: "s", MaxRecords: 10_001},
		"negative":     {Stream: "s", MaxInFlight: -1},
		"unpacked":     {Stream: "s", MaxDecompressed: -1},
		"index":        {Stream: "s", Index: 2, Of: 2},
		"index, no of": {Stream: "s", Index: 1},
		"of":           {Stream: "s", Of: -1},
		"accept":       {Stream: "s", Split: Split{Accept: []string{"x"}}},
	} {
		if c.Validate() == nil {
			t.Errorf("%s: no mistake is found", name)
		}
	}
	for _, c := range []Config{{Stream: arn}, {Stream: "s", Start: "2026-01-31T12:00:00+01:00"}, {Stream: "s", Index: 1, Of: 2}} {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
	c := (&Config{Stream: arn}).withDefaults()
	if c.Region != "eu-west-1" || c.name() != "audit" {
		t.Error(c.Region, c.name())
	}
}

// TestSession holds that where only session data is accepted, text that looks like JSON is the text of a session.
func TestSession(t *testing.T) {
	b := newBench(t, 1)
	b.config.Accept = []string{string(pipeline.KindSessionLog)}
	b.put(`{"typed":true}`)
	b.start()
	b.Wait("the text", func() bool { return b.Total() == 1 })
	for raw := range b.Events() {
		if ev, _ := b.Event(raw); ev.Record.Kind != pipeline.KindSessionLog || !strings.Contains(raw, `{\"typed\":true}`) {
			t.Errorf("%s: %s", ev.Record.Kind, raw)
		}
	}
}

var _ interface {
	pipeline.Input
	pipeline.Checker
	pipeline.Persistent
} = (*Input)(nil)
