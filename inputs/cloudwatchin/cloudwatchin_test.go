package cloudwatchin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/awstest"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

const streamed = `{"eventVersion":"1.0","eventTime":"2026-01-31T12:00:00Z","awsRegion":"eu-west-1","target":{"id":"i-0123456789abcdef0"},"userIdentity":{"arn":"arn:aws:iam::123456789012:user/alice"},"runAsUser":"ssm-user","sessionId":"` + session + `","sessionData":["ls -l"]}`

// TestShapes has all that Session Manager and CloudTrail write, in log groups that a pattern finds.
func TestShapes(t *testing.T) {
	awstest.NoLeaks(t)
	l := newLogs(t)
	l.put(l.root+"/trail", trailStream, 3*time.Minute, record("a"), record("b"))
	l.put(l.root+"/trail", trailStream+"_2", 2*time.Minute, record("c"), "garbage")
	l.put(l.root+"/sessions", session, time.Minute, streamed)
	l.put(l.root+"/sessions", "bob-0a1b2c3d4e5f60719", 30*time.Second, "$ whoami\nssm-user\n"+record("typed"))
	l.put(l.root+"x", trailStream, time.Minute, record("not this one"))
	l.config.LogGroups = []string{l.root + "/*"}
	l.once()

	transcript := fmt.Sprintf(`{"sessionId":"bob-0a1b2c3d4e5f60719","target":"","seq":0,"lines":["$ whoami","ssm-user",%q]}`, record("typed"))
	want := []string{record("a"), record("b"), record("c"), streamed, transcript}
	for _, raw := range want {
		if n := l.Events()[raw]; n != 1 {
			t.Errorf("%s came %d times", raw, n)
		}
	}
	if l.Total() != len(want) {
		t.Errorf("%d deliveries", l.Total())
	}
	if a := l.Aside(); len(a) != 1 || !strings.Contains(string(a[0].Raw), "garbage") || a[0].Origin.Object != l.root+"/trail:"+trailStream+"_2" {
		t.Errorf("in quarantine: %+v", a)
	}
	ev, _ := l.Event(transcript)
	o := ev.Record.Origin
	if o.Input != "logs" || o.Owner != awstest.Account || o.Region != awstest.Region || strings.Join(o.Via, " ") != "cloudwatch_logs" ||
		o.Object != l.root+"/sessions:bob-0a1b2c3d4e5f60719" {
		t.Errorf("%+v", o)
	}
	f := ev.Facts()
	if f.Account.ID != awstest.Account || f.Kind != pipeline.KindSessionLog || time.Since(f.Time) > 2*time.Minute || time.Since(f.Time) < 20*time.Second {
		t.Errorf("%+v", f)
	}
}

// TestKeys compares the transport keys with those of the events of a subscription's payload.
func TestKeys(t *testing.T) {
	l := newLogs(t)
	l.put(l.root, trailStream, time.Minute, record("a"), record("b"), `{"some":"thing"}`)
	l.put(l.root, session, time.Minute, streamed, "text\nmore text")
	l.once()
	out, err := l.client.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(l.root)})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range out.Events {
		payload, err := json.Marshal(map[string]any{
			"messageType": "DATA_MESSAGE", "owner": awstest.Account, "logGroup": l.root, "logStream": *e.LogStreamName, "subscriptionFilters": []string{"all"},
			"logEvents": []any{map[string]any{"id": *e.EventId, "timestamp": *e.Timestamp, "message": *e.Message}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var by collector
		origin := &pipeline.Origin{Input: "queue", Object: "sqs:q", Via: []string{"sqs"}}
		if _, err := split.New(split.Options{}).Split(t.Context(), strings.NewReader(string(payload)), origin, split.Base{}, &by); err != nil {
			t.Fatal(err)
		}
		if len(by) != 1 {
			t.Fatalf("%s: %d events", *e.Message, len(by))
		}
		got, ok := l.Event(string(by[0].Raw))
		if !ok || got.Key() != by[0].Key() || got.Record.Origin.Object != by[0].Record.Origin.Object || got.Record.Seed != *e.EventId || got.Record.Origin.Owner != awstest.Account {
			t.Errorf("%s: key %s, by a subscription %s", by[0].Raw, got.Key(), by[0].Key())
		}
	}
	if l.Total() != len(out.Events) {
		t.Errorf("%d deliveries of %d events", l.Total(), len(out.Events))
	}
}

type collector []pipeline.Event

func (c *collector) Feed(_ context.Context, events []pipeline.Event) error {
	*c = append(*c, events...)
	return nil
}

func (c *collector) Broken(context.Context, pipeline.Broken) error { return errors.New("broken") }

// TestBorders has events of one millisecond on both sides of the borders of pages and windows.
func TestBorders(t *testing.T) {
	l := newLogs(t)
	l.proxy.Fail(limited(3))
	l.trail(l.root, 30*time.Minute, 1, 20)
	l.set = func(in *Input) { in.config.Concurrency = 1 }
	at := time.Now().Add(-30 * time.Minute)
	l.config.Start = at.Add(-time.Hour).UTC().Format(time.RFC3339Nano)
	l.start()
	l.Wait("all events", func() bool { return len(l.Events()) == 20 })
	calls := l.proxy.Calls("FilterLogEvents")
	l.Wait("more polls", func() bool { return l.proxy.Calls("FilterLogEvents") > calls+20 })
	l.wantOnce(1, 20)
}

// TestWindowBorder reads up to a millisecond that has events, and from there.
func TestWindowBorder(t *testing.T) {
	l := newLogs(t)
	border := time.Now().Add(-10 * time.Minute).Truncate(time.Millisecond)
	for i, d := range []time.Duration{-time.Millisecond, 0, 0, time.Millisecond} {
		l.putAt(l.root, trailStream, border.Add(d), record(fmt.Sprint(i)))
	}
	l.config.LookBack = time.Nanosecond // does not help
	l.config.End = border.UTC().Format(time.RFC3339Nano)
	l.once()
	l.wantOnce(0, 0)
	l.config.End = ""
	l.once()
	l.wantOnce(0, 3)
}

// TestEmptyPages has pages without events that are not the last.
func TestEmptyPages(t *testing.T) {
	l := newLogs(t)
	l.trail(l.root, time.Minute, 1, 5)
	l.proxy.Fail(func(c awstest.Call) awstest.Fault {
		switch {
		case c.Operation != "FilterLogEvents":
			return awstest.Fault{}
		case asked(c)["nextToken"] == nil:
			return awstest.Fault{Rewrite: func(int, []byte) []byte { return []byte(`{"events":[],"nextToken":"1"}`) }}
		case asked(c)["nextToken"] == "1":
			return awstest.Fault{Rewrite: func(int, []byte) []byte { return []byte(`{"nextToken":"2"}`) }}
		}
		return awstest.Fault{Body: edit(c.Body, func(m map[string]any) { delete(m, "nextToken") })}
	})
	l.once()
	l.wantOnce(1, 5)
}

// TestLate has events that come with a time that was read already.
func TestLate(t *testing.T) {
	l := newLogs(t)
	l.trail(l.root, time.Second, 1, 1)
	shift := make(chan time.Duration, 1)
	var by time.Duration
	l.set = func(in *Input) {
		in.now = func() time.Time { // called by several goroutines
			in.mu.Lock()
			defer in.mu.Unlock()
			select {
			case by = <-shift:
			default:
			}
			return time.Now().Add(by)
		}
	}
	l.start()
	polled := func(what string) {
		n := l.proxy.Calls("FilterLogEvents")
		l.Wait(what, func() bool { return l.proxy.Calls("FilterLogEvents") > n+3 })
	}
	l.Wait("the first event", func() bool { return len(l.Events()) == 1 })
	polled("more polls")
	l.trail(l.root, 30*time.Second, 2, 2)
	l.Wait("an event that is a little late", func() bool { return len(l.Events()) == 2 })
	l.trail(l.root, 14*time.Minute, 3, 3)
	polled("polls without a sweep")
	if len(l.Events()) != 2 {
		t.Error("everything is read with each poll")
	}
	shift <- 90 * time.Second
	l.Wait("an event that is very late", func() bool { return len(l.Events()) == 3 })
	polled("more polls")
	l.wantOnce(1, 3)
}

func TestRestart(t *testing.T) {
	awstest.NoLeaks(t)
	l := newLogs(t)
	l.trail(l.root, time.Minute, 1, 10)
	a := l.start()
	l.Wait("the first events", func() bool { return len(l.Events()) == 10 })
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	l.trail(l.root, time.Minute, 11, 15) // late
	l.trail(l.root, 0, 16, 20)
	a = l.start()
	l.Wait("the others", func() bool { return len(l.Events()) == 20 })
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	l.wantOnce(1, 20)
}

// TestStartIsKept holds that "now" and "1h" are those of the first start.
func TestStartIsKept(t *testing.T) {
	l := newLogs(t)
	l.create(l.root)
	l.config.Start = ""
	a := l.start()
	l.Wait("a poll", func() bool { return l.proxy.Calls("FilterLogEvents") > 1 })
	_ = a.Stop()
	if err := os.Remove(l.new().store.Path(l.new().stateName(awstest.Region+":"+l.root)) + ".json"); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	l.trail(l.root, 0, 1, 3)
	l.start()
	l.Wait("what came while nobody read", func() bool { return len(l.Events()) == 3 })
}

// TestKilled has an end in the middle: what is done does not come again, what is not does.
func TestKilled(t *testing.T) {
	l := newLogs(t)
	l.trail(l.root, time.Minute, 1, 12)
	l.proxy.Fail(limited(3))
	l.Fail(func(raw string) error {
		if raw == record("5") {
			return errors.New("not now")
		}
		return nil
	})
	a := l.start()
	l.Wait("what is before and beside it", func() bool { return len(l.Events()) >= 5 })
	_ = a.Stop()
	l.Fail(nil)
	l.start()
	l.Wait("all", func() bool { return len(l.Events()) == 12 })
	for i := 1; i <= 12; i++ {
		n, page := l.Events()[record(fmt.Sprint(i))], i >= 4 && i <= 6
		if n != 1 && (!page || n != 2) {
			t.Errorf("event %d came %d times", i, n)
		}
	}
}

// TestRetry has frames that settle as Retry while the input runs: they are fed again, and the position waits for them.
func TestRetry(t *testing.T) {
	awstest.NoLeaks(t)
	l := newLogs(t)
	l.trail(l.root, time.Minute, 1, 6)
	l.proxy.Fail(limited(3))
	l.config.Follow = false
	in := &retrying{Input: l.new(), retry: func(n int64) bool { return n <= 5 }}
	if err := l.Start(in, time.Second).Wait(); err != nil {
		t.Fatal(err)
	}
	if l.Total() != 5*3+2*3 || len(l.Events()) != 6 || l.told.count("fed again") != 2 {
		t.Errorf("%d deliveries, told %d times", l.Total(), l.told.count("fed again"))
	}
	l.once()
	if l.Total() != 5*3+2*3 {
		t.Error("what is done comes again")
	}
}

// TestRetryAtStop has a stop while a frame is to be fed again: it is read again at the next start, and nothing else.
func TestRetryAtStop(t *testing.T) {
	awstest.NoLeaks(t)
	l := newLogs(t)
	l.trail(l.root, time.Minute, 1, 12)
	l.proxy.Fail(limited(3))
	in := &retrying{Input: l.new(), retry: func(n int64) bool { return n == 2 }}
	in.backoff = func(int) time.Duration { return time.Hour }
	a := l.Start(in, time.Second)
	l.Wait("all frames", func() bool { return l.Total() == 12 && l.told.count("fed again") == 1 })
	_ = a.Stop()
	l.once()
	for i := 1; i <= 12; i++ {
		want := 1
		if i >= 4 && i <= 6 {
			want = 2
		}
		if n := l.Events()[record(fmt.Sprint(i))]; n != want {
			t.Errorf("event %d came %d times, want %d", i, n, want)
		}
	}
}

func TestFaults(t *testing.T) {
	answer := func(status int, code string) awstest.Fault { return awstest.Fault{Status: status, Code: code} }
	for name, fault := range map[string]func(n int, c awstest.Call) awstest.Fault{
		"throttled": func(n int, c awstest.Call) awstest.Fault {
			if n%5 != 0 {
				return answer(400, "ThrottlingException")
			}
			return limited(4)(c)
		},
		"broken": func(n int, c awstest.Call) awstest.Fault {
			if n%3 == 0 {
				return answer(500, "ServiceUnavailableException")
			}
			return limited(4)(c)
		},
		"dropped": func(n int, c awstest.Call) awstest.Fault {
			if n%3 == 0 {
				return awstest.Fault{Drop: true}
			}
			return limited(4)(c)
		},
		"half answers": func(n int, c awstest.Call) awstest.Fault {
			if n%3 == 0 {
				return awstest.Fault{Cut: 30}
			}
			return limited(4)(c)
		},
		"lost answers": func(n int, c awstest.Call) awstest.Fault {
			if n%3 == 0 {
				return awstest.Fault{Lost: true}
			}
			return limited(4)(c)
		},
		"expired credentials": func(n int, c awstest.Call) awstest.Fault {
			if n < 6 {
				return answer(400, "ExpiredTokenException")
			}
			return limited(4)(c)
		},
		"expired token": func(n int, c awstest.Call) awstest.Fault {
			if n < 20 && n%3 == 0 && asked(c)["nextToken"] != nil {
				return answer(400, "InvalidParameterException")
			}
			return limited(4)(c)
		},
		"the same token again": func(n int, c awstest.Call) awstest.Fault {
			if token, _ := asked(c)["nextToken"].(string); token != "" && n < 10 {
				return awstest.Fault{Rewrite: func(int, []byte) []byte { return []byte(`{"nextToken":"` + token + `"}`) }}
			}
			return limited(4)(c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLogs(t)
			l.trail(l.root, time.Minute, 1, 30)
			n := 0
			l.proxy.Fail(func(c awstest.Call) awstest.Fault {
				n++
				return fault(n, c)
			})
			l.start()
			l.Wait("all events", func() bool { return len(l.Events()) == 30 })
			l.wantOnce(1, 30)
			if again := strings.Contains(name, "token"); again != (l.told.count("a window is read again") > 0) {
				t.Errorf("a window was read again: %v", !again)
			}
		})
	}
}

// TestHang holds that a stop does not wait for an answer.
func TestHang(t *testing.T) {
	awstest.NoLeaks(t)
	l := newLogs(t)
	l.create(l.root)
	l.proxy.Fail(func(awstest.Call) awstest.Fault { return awstest.Fault{Hang: true} })
	a := l.start()
	l.Wait("a call", func() bool { return l.proxy.Calls("DescribeLogGroups") > 0 })
	begun := time.Now()
	if err := a.Stop(); err != nil || time.Since(begun) > 10*time.Second {
		t.Error(err, time.Since(begun))
	}
}

// TestMissing has a log group that is made later, and one that may not be read; the others go on.
func TestMissing(t *testing.T) {
	l := newLogs(t)
	denied := true
	l.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if denied && asked(c)["logGroupName"] == l.root+"/denied" {
			return awstest.Fault{Status: 400, Code: "AccessDeniedException"}
		}
		return awstest.Fault{}
	})
	l.config.LogGroups = []string{l.root + "/none", l.root + "/denied", l.root + "/there"}
	l.trail(l.root+"/there", time.Minute, 1, 1)
	l.trail(l.root+"/denied", time.Minute, 2, 2)
	l.start()
	l.Wait("the one that is there", func() bool { return len(l.Events()) == 1 })
	n := l.proxy.Calls("FilterLogEvents") + l.proxy.Calls("DescribeLogGroups")
	l.Wait("more tries", func() bool { return l.proxy.Calls("FilterLogEvents")+l.proxy.Calls("DescribeLogGroups") > n+20 })
	for _, text := range []string{
		"logs:DescribeLogGroups log group " + l.root + "/none: ResourceNotFoundException: there is no such log group; look at the name",
		"logs:FilterLogEvents log group " + l.root + "/denied: AccessDeniedException: made by the test; the identity needs logs:FilterLogEvents",
	} {
		if l.told.count(text) != 1 {
			t.Errorf("%q was told %d times: %s", text, l.told.count(text), l.told.buf.String())
		}
	}
	l.trail(l.root+"/none", time.Minute, 3, 3)
	l.proxy.Fail(nil)
	l.Wait("all", func() bool { return len(l.Events()) == 3 })
	l.wantOnce(1, 3)
	if l.told.count("reading goes on") != 2 {
		t.Error("it is not told that it is over")
	}
}

// TestGivenUp holds that an input that is to end says what it could not read.
func TestGivenUp(t *testing.T) {
	l := newLogs(t)
	l.config.LogGroups = []string{l.root + "/none", l.root + "/there"}
	l.config.Follow = false
	l.trail(l.root+"/there", time.Minute, 1, 1)
	err := l.start().Wait()
	if err == nil || !strings.Contains(err.Error(), l.root+"/none") {
		t.Errorf("got %v", err)
	}
	l.wantOnce(1, 1)
}

// TestUnknownOwner holds that a log group is read without the right to describe it.
func TestUnknownOwner(t *testing.T) {
	l := newLogs(t)
	l.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation == "DescribeLogGroups" {
			return awstest.Fault{Status: 400, Code: "AccessDeniedException"}
		}
		return awstest.Fault{}
	})
	l.trail(l.root, time.Minute, 1, 3)
	l.once()
	l.wantOnce(1, 3)
	if l.told.count("the account of a log group is not known") != 1 {
		t.Error("it is not told")
	}
}

// TestDiscover has log groups that appear and disappear.
func TestDiscover(t *testing.T) {
	awstest.NoLeaks(t)
	l := newLogs(t)
	l.config.LogGroups = []string{l.root + "/*"}
	in := l.new()
	a := l.Start(in, time.Second)
	l.Wait("the warning", func() bool { return l.told.count("no log group matches") == 1 })
	l.trail(l.root+"/a", time.Second, 1, 2)
	l.Wait("the first log group", func() bool { return len(l.Events()) == 2 })
	if _, err := l.client.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String(l.root + "/a")}); err != nil {
		t.Fatal(err)
	}
	l.Wait("its end", func() bool { return l.told.count("no log group matches") == 2 && len(in.groups()) == 0 })
	l.trail(l.root+"/b", time.Second, 3, 4)
	l.trail(l.root+"/a", time.Second, 5, 6)
	l.Wait("the others", func() bool { return len(l.Events()) == 6 })
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	l.wantOnce(1, 6)
}

// TestLinked reads log groups of another account, which the emulator has not: what it is asked is looked at, and made
// into what it knows.
func TestLinked(t *testing.T) {
	l := newLogs(t)
	const arn = "arn:aws:logs:eu-west-1:" + awstest.Account + ":log-group:"
	l.config.LogGroups = []string{arn + l.root + "/named:*", arn + l.root + "/p*"}
	l.config.StreamPrefix, l.config.FilterPattern, l.config.StreamExclude = "1234", "ssm", []string{"*_2"}
	linked := 0
	l.proxy.Fail(func(c awstest.Call) awstest.Fault {
		m := asked(c)
		if c.Operation == "DescribeLogGroups" {
			if m["includeLinkedAccounts"] == true && fmt.Sprint(m["accountIdentifiers"]) == "["+awstest.Account+"]" && m["logGroupNamePrefix"] == l.root+"/p" {
				linked++
			}
			return awstest.Fault{}
		}
		name, ok := strings.CutPrefix(fmt.Sprint(m["logGroupIdentifier"]), arn)
		if !ok || m["logGroupName"] != nil || m["logStreamNamePrefix"] != "1234" || m["filterPattern"] != "ssm" {
			t.Errorf("asked %s", c.Body)
		}
		return awstest.Fault{Body: edit(c.Body, func(m map[string]any) {
			delete(m, "logGroupIdentifier")
			m["logGroupName"] = name
		})}
	})
	l.trail(l.root+"/named", time.Minute, 1, 2)
	l.trail(l.root+"/p1", time.Minute, 3, 4)
	l.put(l.root+"/p1", trailStream+"_2", time.Minute, record("left out"))
	l.once()
	l.wantOnce(1, 4)
	if linked == 0 {
		t.Error("no linked account was asked for")
	}
	ev, _ := l.Event(record("1"))
	if o := ev.Record.Origin; o.Owner != awstest.Account || o.Object != l.root+"/named:"+trailStream {
		t.Errorf("%+v", o)
	}
}

// TestNamedTwice has log groups by their names and by their ARNs: those of the own account are read once, by the name; those
// of another account are others.
func TestNamedTwice(t *testing.T) {
	awstest.NoLeaks(t)
	l := newLogs(t)
	const linked = "arn:aws:logs:eu-west-1:222222222222:log-group:"
	own := strings.Replace(linked, "222222222222", awstest.Account, 1)
	l.config.LogGroups = []string{own + l.root + "/a", own + l.root + "/*", linked + l.root + "/a", l.root + "/a", l.root + "/p*"}
	var byARN []string
	l.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if arn, _ := asked(c)["logGroupIdentifier"].(string); arn != "" {
			byARN = append(byARN, arn)
			return awstest.Fault{Rewrite: func(int, []byte) []byte { return []byte(`{"events":[]}`) }, Body: edit(c.Body, func(m map[string]any) {
				delete(m, "logGroupIdentifier")
				m["logGroupName"] = l.root + "/a"
			})}
		}
		return awstest.Fault{}
	})
	l.trail(l.root+"/a", time.Minute, 1, 2)
	l.trail(l.root+"/p1", time.Minute, 3, 4)
	l.create(l.root + "/other")
	l.once()
	l.wantOnce(1, 4)
	l.proxy.Fail(nil) // and no call is under way
	slices.Sort(byARN)
	if got, want := slices.Compact(byARN), []string{own + l.root + "/other", linked + l.root + "/a"}; !slices.Equal(got, want) {
		t.Errorf("by their ARNs were read %s, want %s", got, want)
	}
}

// TestEnd has a back-fill: from start on, before end.
func TestEnd(t *testing.T) {
	for _, follow := range []bool{false, true} {
		l := newLogs(t)
		l.trail(l.root, 50*time.Hour, 1, 1)
		l.trail(l.root, 30*time.Hour, 2, 3)
		l.trail(l.root, 5*time.Hour, 4, 5)
		l.trail(l.root, time.Hour, 6, 6)
		l.config.Start, l.config.End, l.config.Follow = "48h", "2h", follow
		if err := l.start().Wait(); err != nil {
			t.Fatal(err)
		}
		l.wantOnce(2, 5)
		if n := l.proxy.Calls("FilterLogEvents"); n > 12 {
			t.Errorf("%d calls for 46 hours", n)
		}
	}
}

// TestEndToCome follows up to an end, and waits for what comes late before it.
func TestEndToCome(t *testing.T) {
	awstest.NoLeaks(t)
	l := newLogs(t)
	end := time.Now().Add(time.Second)
	l.config.End = end.UTC().Format(time.RFC3339Nano)
	l.config.LookBack = 3 * time.Second
	l.trail(l.root, time.Minute, 1, 1)
	a := l.start()
	l.Wait("the first event", func() bool { return len(l.Events()) == 1 })
	l.trail(l.root, 0, 2, 2)
	l.Wait("the end", func() bool { return time.Now().After(end.Add(time.Second)) })
	l.putAt(l.root, trailStream, end.Add(-time.Millisecond), record("3")) // late
	l.putAt(l.root, trailStream, end.Add(time.Millisecond), record("too late"))
	if err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	if time.Now().Before(end.Add(l.config.LookBack)) {
		t.Error("it did not wait for look_back")
	}
	l.wantOnce(1, 3)
}

// TestEndSweeps holds that the last look at a log group goes as far back as events may come late.
func TestEndSweeps(t *testing.T) {
	now := time.Now()
	in := &Input{config: Config{Follow: true}.withDefaults(), end: now.Add(-15 * time.Minute), now: func() time.Time { return now }}
	g := newGroup(in, target{})
	g.at, g.swept = in.end.UnixMilli(), now.Add(-time.Minute)
	for _, last := range []bool{false, true} {
		if w := g.next(last); w.sweep != last || (w.from < in.end.Add(-in.config.LookBack).UnixMilli()) != last {
			t.Errorf("last %v: %+v", last, w)
		}
	}
}

// TestBackPressure holds that no more is read than max_in_flight while nothing is delivered.
func TestBackPressure(t *testing.T) {
	l := newLogs(t)
	l.config.MaxInFlight = 3 * pageRoom
	l.trail(l.root, time.Minute, 1, 40)
	l.proxy.Fail(limited(4))
	release := l.Hold()
	defer release()
	in := l.new()
	l.Start(in, time.Second)
	l.Wait("no more room", func() bool {
		if in.room.TryAcquire(1) {
			in.room.Release(1)
			return false
		}
		return true
	})
	l.Wait("the pages of three rooms", func() bool { return l.proxy.Calls("FilterLogEvents") == 3 })
	release()
	l.Wait("all events", func() bool { return len(l.Events()) == 40 })
	l.wantOnce(1, 40)
}

// TestBound has more events than are remembered.
func TestBound(t *testing.T) {
	l := newLogs(t)
	l.config.MaxSeen = 10
	for i := range 6 {
		l.trail(l.root, time.Duration(60-5*i)*time.Second, 5*i+1, 5*i+5)
	}
	var in *Input
	for i := range 2 { // also after a restart
		in = l.new()
		a := l.Start(in, time.Second)
		if i == 0 {
			l.Wait("the warning", func() bool { return l.told.count("more events within look_back than max_seen") == 1 })
		}
		n := l.proxy.Calls("FilterLogEvents")
		l.Wait("more polls", func() bool { return l.proxy.Calls("FilterLogEvents") > n+10 })
		l.wantOnce(1, 30)
		if i == 0 {
			_ = a.Stop()
		}
	}
	g := in.groups()[0]
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seen.n > 10 || g.floor < time.Now().Add(-time.Minute).UnixMilli() {
		t.Errorf("%d are remembered", g.seen.n)
	}
}

// TestCrowdedMoment has more events in one moment, which is now, than are remembered.
func TestCrowdedMoment(t *testing.T) {
	l := newLogs(t)
	l.config.MaxSeen = 10
	l.create(l.root)
	l.start()
	l.Wait("a poll", func() bool { return l.proxy.Calls("FilterLogEvents") > 0 })
	for i := range 3 {
		l.trail(l.root, 0, 30*i+1, 30*i+30)
		l.Wait("its events", func() bool { return len(l.Events()) == 30*i+30 })
		n := l.proxy.Calls("FilterLogEvents")
		l.Wait("more polls", func() bool { return l.proxy.Calls("FilterLogEvents") > n+20 })
	}
	l.wantOnce(1, 90)
	if l.told.count("more events within look_back than max_seen") != 1 {
		t.Error("it is not told")
	}
}

// TestFastClock holds that the position does not run ahead of the service's clock.
func TestFastClock(t *testing.T) {
	l := newLogs(t)
	l.set = func(in *Input) { in.now = func() time.Time { return time.Now().Add(3 * time.Hour) } }
	l.config.LookBack = time.Second
	l.config.Start = "4h"
	l.trail(l.root, time.Minute, 1, 1)
	in := l.new()
	l.Start(in, time.Second)
	l.Wait("the first event", func() bool { return len(l.Events()) == 1 })
	n := l.proxy.Calls("FilterLogEvents")
	l.Wait("more polls", func() bool { return l.proxy.Calls("FilterLogEvents") > n+10 })
	l.trail(l.root, 0, 2, 3)
	l.Wait("the others", func() bool { return len(l.Events()) == 3 })
	g := in.groups()[0]
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.at > time.Now().UnixMilli() {
		t.Error("the position is in the future")
	}
}

// TestFastClockAtFirst holds that "now" and "1h" are those of the service, where our clock is ahead at the first start.
func TestFastClockAtFirst(t *testing.T) {
	for _, start := range []string{"", "1h"} {
		l := newLogs(t)
		fast := 20 * time.Second
		l.set = func(in *Input) { in.now = func() time.Time { return time.Now().Add(fast) } }
		l.config.Start = start
		l.trail(l.root, time.Hour+30*time.Second, -1, -1) // before each start
		if start != "" {
			fast = 2 * time.Hour
			l.trail(l.root, 59*time.Minute, 1, 1)
		}
		in := l.new()
		a := l.Start(in, time.Second)
		l.Wait("a log group", func() bool { return len(in.groups()) == 1 })
		if start == "" {
			l.trail(l.root, -time.Second/2, 1, 1)
		}
		l.Wait("the first event", func() bool { return len(l.Events()) == 1 })
		_ = a.Stop()
		l.trail(l.root, 0, 2, 2)
		fast = 0
		l.start()
		l.Wait("the second event", func() bool { return len(l.Events()) == 2 })
		l.wantOnce(1, 2)
		var s inputState
		if ok, err := in.store.Load(in.stateName(""), &s); !ok || err != nil || s.Unchecked || s.Began.After(time.Now()) {
			t.Errorf("%v %v %+v", ok, err, s)
		}
	}
}

// TestFirstStartUnanswered holds that a first start counts that came to nothing, and that a right to describe log groups is
// not needed to learn the service's time.
func TestFirstStartUnanswered(t *testing.T) {
	l := newLogs(t)
	fast := time.Hour
	l.set = func(in *Input) { in.now = func() time.Time { return time.Now().Add(fast) } }
	l.config.Start = ""
	l.proxy.Fail(func(awstest.Call) awstest.Fault { return awstest.Fault{Drop: true} })
	a := l.start()
	l.Wait("some calls", func() bool { return l.proxy.Calls("DescribeLogGroups") > 2 })
	_ = a.Stop()
	l.trail(l.root, 0, 1, 2)
	l.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation == "DescribeLogGroups" {
			return awstest.Fault{Status: 400, Code: "AccessDeniedException"}
		}
		return awstest.Fault{}
	})
	l.start()
	l.Wait("what came since", func() bool { return len(l.Events()) == 2 })
	l.wantOnce(1, 2)
}

func TestDamagedState(t *testing.T) {
	l := newLogs(t)
	l.trail(l.root, time.Minute, 1, 2)
	l.once()
	in := l.new()
	path := in.store.Path(in.stateName(awstest.Region+":"+l.root)) + ".json"
	for _, text := range []string{`{"position":`, `{"position":"2026-01-01T00:00:00Z","looks_back":"2026-01-01T00:00:00Z","seen":{"7":"AAAA"}}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := l.start().Wait()
		if err == nil || !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), filepath.Base(path)) || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("got %v", err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.once()
	if l.Total() != 4 {
		t.Errorf("%d deliveries", l.Total())
	}
}

// TestState looks at what is kept.
func TestState(t *testing.T) {
	l := newLogs(t)
	l.trail(l.root, time.Minute, 1, 3)
	begun := time.Now()
	l.once()
	in := l.new()
	var s groupState
	if ok, err := in.store.Load(in.stateName(awstest.Region+":"+l.root), &s); !ok || err != nil {
		t.Fatal(ok, err)
	}
	done, err := decodeSeen(s.Seen)
	if err != nil || done.n != 3 || s.Owner != awstest.Account || s.Group != l.root || s.Position.Before(begun.Add(-2*time.Second)) {
		t.Errorf("%v %+v", err, s)
	}
	s.Owner = "999999999999" // another account's position is not taken
	if err := in.store.Save(in.stateName(awstest.Region+":"+l.root), s); err != nil {
		t.Fatal(err)
	}
	l.once()
	if l.Total() != 6 || l.told.count("another account") != 1 {
		t.Errorf("%d deliveries", l.Total())
	}
}

func TestCheck(t *testing.T) {
	l := newLogs(t)
	l.create(l.root)
	l.create(l.root + "/b")
	l.config.LogGroups = []string{l.root, l.root + "/*"}
	check := func() error { return l.new().Check(t.Context()) }
	if err := check(); err != nil {
		t.Error(err)
	}
	deny := func(operation string) func(awstest.Call) awstest.Fault {
		return func(c awstest.Call) awstest.Fault {
			if c.Operation == operation {
				return awstest.Fault{Status: 400, Code: "AccessDeniedException"}
			}
			return awstest.Fault{}
		}
	}
	for operation, want := range map[string]string{
		"FilterLogEvents":   "logs:FilterLogEvents log group " + l.root + ": AccessDeniedException: made by the test; the identity needs logs:FilterLogEvents, logs:DescribeLogGroups",
		"DescribeLogGroups": "logs:DescribeLogGroups log groups " + l.root + "/*: AccessDeniedException",
	} {
		l.proxy.Fail(deny(operation))
		if err := check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
	l.proxy.Fail(nil)
	l.config.LogGroups = []string{l.root + "/none", l.root + "/x*"}
	err := check()
	for _, want := range []string{"log group " + l.root + "/none: ResourceNotFoundException", "log groups " + l.root + "/x*: no log group matches"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

func TestValidate(t *testing.T) {
	const arn = "arn:aws:logs:eu-west-1:123456789012:log-group:"
	good := []string{"/aws/ssm"}
	for name, c := range map[string]struct {
		config Config
		fields string
	}{
		"nothing":        {Config{}, "log_groups"},
		"good":           {Config{LogGroups: []string{"/aws/*", "a.b#c_d-1", arn + "x", arn + "y:*", arn + "*"}, Start: "72h", End: "2h"}, ""},
		"no name":        {Config{LogGroups: []string{"", "a b", "arn:aws:s3:::x", "a?"}}, "log_groups log_groups log_groups log_groups"},
		"twice":          {Config{LogGroups: []string{arn + "x", arn + "x:*"}}, "log_groups"},
		"another region": {Config{LogGroups: []string{arn + "x"}, AWS: AWS{Region: "us-east-1"}}, "log_groups"},
		"two regions":    {Config{LogGroups: []string{arn + "x", strings.Replace(arn, "eu-west-1", "us-east-1", 1) + "x"}}, "log_groups"},
		"times":          {Config{LogGroups: good, Start: "yesterday", End: "tomorrow"}, "start end"},
		"order":          {Config{LogGroups: good, Start: "1h", End: "2h"}, "end"},
		"no start":       {Config{LogGroups: good, End: "2h"}, "start"},
		"numbers":        {Config{LogGroups: good, LookBack: -1, Concurrency: 51, MaxInFlight: -1, MaxSeen: -1}, "look_back concurrency max_in_flight max_seen"},
		"intervals":      {Config{LogGroups: good, Interval: time.Millisecond}, "interval"},
		"streams":        {Config{LogGroups: good, StreamInclude: []string{""}}, "stream_include"},
		"long pattern":   {Config{LogGroups: good, FilterPattern: strings.Repeat("x", 1025)}, "filter_pattern"},
		"accept":         {Config{LogGroups: good, Split: Split{Accept: []string{"x"}}}, "accept"},
		"aws":            {Config{LogGroups: good, AWS: AWS{RoleARN: "x"}}, "role_arn"},
	} {
		var fields []string
		c.config.Follow = true
		if err := c.config.Validate(); err != nil {
			for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
				fields = append(fields, e.(*conf.Error).Field)
			}
		}
		if got := strings.Join(fields, " "); got != c.fields {
			t.Errorf("%s: mistakes in %q, want %q", name, got, c.fields)
		}
	}
	if err := (&Config{LogGroups: good}).Validate(); err == nil || !strings.Contains(err.Error(), "start: it is missing") {
		t.Errorf("without follow and start: %v", err)
	}
}
