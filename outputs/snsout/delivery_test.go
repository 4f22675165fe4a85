package snsout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trailcast/trailcast/internal/awstest"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

// TestComplete sends 10,000 events while 30 % of the calls are throttled and 1 % of the entries of the others fail alone.
func TestComplete(t *testing.T) {
	const events, topics = 10_000, 200 // the emulator is slow with queues that are long
	b := newBus(t)
	account := func(i int) string { return fmt.Sprintf("%012d", i/10%topics) }
	run := awstest.Name("run")
	queues := map[string]string{}
	for i := range topics {
		arn := b.named(run + "-" + account(i*10))
		queues[account(i*10)] = b.subscribe(arn, raw)
	}
	var all []pipeline.Event
	for i := range events {
		id := fmt.Sprintf("e%05d", i)
		all = append(all, event(id, account(i), fmt.Sprintf(`{"eventID":%q}`, id)))
	}
	faults := &awstest.EntryFaults{Every: 100}
	calls := 0
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation != "PublishBatch" {
			return awstest.Fault{}
		}
		if calls++; calls%10 < 3 {
			return awstest.Fault{Status: 400, Code: "Throttling"}
		}
		return faults.Of(c)
	})
	c := to("arn:aws:sns:eu-west-1:123456789012:" + run + "-{account}")
	c.Topics = []string{"arn:aws:sns:eu-west-1:123456789012:" + run + "-*"}
	engine(t, b.output(c, pipeline.Env{}), all)
	if calls < 1300 || faults.Failed() < 90 {
		t.Errorf("%d calls, %d failed entries: too few for this test", calls, faults.Failed())
	}
	got := map[string]int{}
	for _, m := range b.drain(slices.Collect(maps.Values(queues))...) {
		got[m.Body]++
		if m.Queue != queues[m.Attributes["trailcast_account"]] {
			t.Fatalf("%v is of another account", m)
		}
	}
	for _, ev := range all {
		if got[string(ev.Raw)] != 1 {
			t.Fatalf("%s came %d times", ev.Raw, got[string(ev.Raw)])
		}
	}
	if len(got) != events {
		t.Errorf("%d arrived", len(got))
	}
}

// engine delivers events as a program does.
func engine(t *testing.T, o *Output, events []pipeline.Event) {
	t.Helper()
	e, err := pipeline.New(pipeline.Settings{Outputs: []pipeline.OutputStage{{Name: "pager", Output: o}}, BackoffMax: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	settled := make(chan pipeline.Result, 1)
	frame := e.Open(func(r pipeline.Result) { settled <- r })
	if err := frame.Feed(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	frame.Seal()
	select {
	case r := <-settled:
		if r.Outcome != pipeline.Delivered {
			t.Fatalf("%+v", r)
		}
	case <-time.After(5 * time.Minute):
		t.Fatal("the events do not settle")
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestEntries tells what failures of single entries mean.
func TestEntries(t *testing.T) {
	for name, test := range map[string]struct {
		code     string
		sender   bool
		times    int // that it fails; 0: always
		rejected bool
		fails    bool
	}{
		"a passing fault of SNS":   {code: "InternalError", times: 2},
		"throttled":                {code: "ThrottledException", sender: true, times: 1},
		"a lasting fault of SNS":   {code: "InternalError", fails: true},
		"a key of KMS is disabled": {code: "KMSDisabledException", sender: true, fails: true},
		"not allowed":              {code: "AuthorizationError", sender: true, fails: true},
		"the message":              {code: "InvalidParameter", sender: true, fails: true, rejected: true},
		"an unknown code":          {code: "NewThing", sender: true, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t)
			topic := b.topic("")
			queue := b.subscribe(topic, raw)
			n := 0
			faults := &awstest.EntryFaults{Fail: func(_, message string) (string, bool) {
				if !strings.Contains(message, "bad") {
					return "", false
				}
				if n++; test.times > 0 && n > test.times {
					return "", false
				}
				return test.code, test.sender
			}}
			b.proxy.Fail(func(c awstest.Call) awstest.Fault {
				if c.Operation != "PublishBatch" {
					return awstest.Fault{}
				}
				return faults.Of(c)
			})
			o := b.output(to(topic), pipeline.Env{})
			err := o.Write(t.Context(), []pipeline.Event{event("1", "1", `{"n":1}`), event("2", "1", `{"n":"bad"}`), event("3", "1", `{"n":3}`)})
			partial, _ := errors.AsType[*pipeline.BatchError](err)
			switch {
			case !test.fails && err != nil:
				t.Fatal(err)
			case !test.fails:
			case partial == nil || len(partial.Failed) != 1 || partial.Failed[0].Index != 1:
				t.Fatalf("%v", err)
			case pipeline.IsRejected(partial.Failed[0].Err) != test.rejected:
				t.Errorf("%v", partial.Failed[0].Err)
			case !strings.Contains(partial.Failed[0].Err.Error(), test.code) || !strings.Contains(partial.Failed[0].Err.Error(), topic):
				t.Errorf("%v", partial.Failed[0].Err)
			}
			want := 3
			if test.fails {
				want = 2
			}
			if got := b.receive(queue); len(got) != want {
				t.Errorf("%d arrived", len(got))
			}
		})
	}
}

// TestCalls tells what failures of whole calls mean.
func TestCalls(t *testing.T) {
	for name, test := range map[string]struct {
		fault awstest.Fault
		says  string
	}{
		"access denied":       {awstest.Fault{Status: 403, Code: "AuthorizationError"}, "sns:Publish"},
		"expired credentials": {awstest.Fault{Status: 403, Code: "ExpiredToken"}, "ExpiredToken"},
		"throttled":           {awstest.Fault{Status: 400, Code: "Throttling"}, "Throttling"},
		"500":                 {awstest.Fault{Status: 500, Code: "InternalError"}, "InternalError"},
		"503":                 {awstest.Fault{Status: 503, Code: "ServiceUnavailable"}, "ServiceUnavailable"},
		"KMS":                 {awstest.Fault{Status: 400, Code: "KMSAccessDenied"}, "KMSAccessDenied"},
		"no topic":            {awstest.Fault{Status: 404, Code: "NotFound"}, "NotFound"},
		"no answer":           {awstest.Fault{Hang: true}, "deadline"},
		"dropped":             {awstest.Fault{Drop: true}, "EOF"},
		"answer lost":         {awstest.Fault{Lost: true}, "EOF"},
		"half an answer":      {awstest.Fault{Cut: 20}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			awstest.NoLeaks(t)
			b := newBus(t)
			topic := b.topic("")
			queue := b.subscribe(topic, raw)
			b.proxy.Fail(func(c awstest.Call) awstest.Fault {
				if c.Operation == "PublishBatch" {
					return test.fault
				}
				return awstest.Fault{}
			})
			c := to(topic)
			c.Timeout = time.Second
			o := b.output(c, pipeline.Env{})
			events := numbered(3)
			err := o.Write(t.Context(), events)
			partial, ok := errors.AsType[*pipeline.BatchError](err)
			if !ok || len(partial.Failed) != 3 || pipeline.IsRejected(partial.Failed[0].Err) {
				t.Fatalf("%v", err)
			}
			if msg := partial.Failed[0].Err.Error(); !strings.Contains(msg, test.says) || !strings.Contains(msg, topic) {
				t.Errorf("%s", msg)
			}
			b.proxy.Fail(nil)
			if rejected := deliver(t, o, events); rejected != nil {
				t.Fatal(rejected)
			}
			got := map[string]bool{}
			for _, body := range b.receive(queue) {
				got[string(body)] = true
			}
			if len(got) != 3 {
				t.Errorf("%d arrived", len(got))
			}
		})
	}
}

// TestFilterPolicies has SNS choose by the attributes.
func TestFilterPolicies(t *testing.T) {
	b := newBus(t)
	topic := b.topic("")
	policy := func(p string) map[string]string {
		return map[string]string{"RawMessageDelivery": "true", "FilterPolicy": p}
	}
	one := b.subscribe(topic, policy(`{"trailcast_account":["111122223333"],"trailcast_action":["StartSession"]}`))
	prefix := b.subscribe(topic, policy(`{"trailcast_outcome":[{"anything-but":["success"]}]}`))
	all := b.subscribe(topic, raw)
	events := numbered(20)
	denied := pipeline.Facts{ID: "denied", Kind: pipeline.KindCloudTrail, Account: pipeline.Account{ID: "111122223333"}, Action: "StopInstances", Outcome: "denied"}
	events = append(events, eventOf(`{"eventID":"denied"}`, denied, "denied"))
	o := b.output(to(topic), pipeline.Env{})
	if rejected := deliver(t, o, events); rejected != nil {
		t.Fatal(rejected)
	}
	if got := b.drain(one); len(got) != 10 {
		t.Errorf("%d of one account", len(got))
	}
	if got := b.drain(prefix); len(got) != 1 || got[0].Attributes["trailcast_id"] != "denied" {
		t.Errorf("%v", got)
	}
	got := b.drain(all)
	if len(got) != 21 {
		t.Fatalf("%d of all", len(got))
	}
	for _, m := range got {
		if m.Body == `{"eventID":"denied"}` {
			continue
		}
		want := map[string]bool{"trailcast_kind": true, "trailcast_account": true, "trailcast_region": true, "trailcast_service": true,
			"trailcast_action": true, "trailcast_outcome": true, "trailcast_id": true, "trailcast_key": true}
		for name := range m.Attributes {
			delete(want, name)
		}
		if len(want) > 0 || m.Attributes["trailcast_key"] != "pager:"+m.Attributes["trailcast_id"] {
			t.Errorf("%v", m)
		}
	}
}

func TestWithoutAttributes(t *testing.T) {
	b := newBus(t)
	topic := b.topic("")
	queue := b.subscribe(topic, raw)
	c := to(topic)
	c.NoAttributes = true
	deliver(t, b.output(c, pipeline.Env{}), numbered(1))
	if got := b.drain(queue); len(got) != 1 || len(got[0].Attributes) != 0 {
		t.Errorf("%v", got)
	}
}

// TestOrder holds the order in each group while calls and entries fail.
func TestOrder(t *testing.T) {
	b := newBus(t)
	topic := b.topic(".fifo")
	queue := b.subscribe(topic, raw)
	faults := &awstest.EntryFaults{Every: 5}
	calls := 0
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation != "PublishBatch" {
			return awstest.Fault{}
		}
		if calls++; calls%5 == 0 {
			return awstest.Fault{Status: 400, Code: "Throttling"}
		}
		return faults.Of(c)
	})
	o := b.output(to(topic), pipeline.Env{Ordered: true})
	events := numbered(40)
	// As the engine does with ordered outputs: from the first failed event on, everything comes again.
	for len(events) > 0 {
		err := o.Write(t.Context(), events[:min(20, len(events))])
		if err == nil {
			events = events[min(20, len(events)):]
			continue
		}
		partial, ok := errors.AsType[*pipeline.BatchError](err)
		if !ok {
			t.Fatal(err)
		}
		var again []pipeline.Event
		for _, f := range partial.Failed {
			again = append(again, events[f.Index])
		}
		events = append(again, events[min(20, len(events)):]...)
	}
	if faults.Failed() == 0 {
		t.Error("nothing failed")
	}
	last := map[string]string{}
	got := b.drain(queue)
	for _, m := range got {
		if m.Group != m.Attributes["trailcast_account"] {
			t.Errorf("group %s of account %s", m.Group, m.Attributes["trailcast_account"])
		}
		if m.Body <= last[m.Group] {
			t.Errorf("group %s: %s after %s", m.Group, m.Body, last[m.Group])
		}
		last[m.Group] = m.Body
	}
	if len(got) != 40 || len(last) != 2 {
		t.Errorf("%d messages of %d groups", len(got), len(last))
	}
}

// TestHeldBack holds that nothing of a group passes one that fails for good, in the same call, and other groups go on.
func TestHeldBack(t *testing.T) {
	b := newBus(t)
	topic := b.topic(".fifo")
	queue := b.subscribe(topic, raw)
	events := numbered(8)
	faults := &awstest.EntryFaults{Fail: func(_, message string) (string, bool) {
		if message == string(events[2].Raw) {
			return "InternalError", false
		}
		return "", false
	}}
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation != "PublishBatch" {
			return awstest.Fault{}
		}
		return faults.Of(c)
	})
	err := b.output(to(topic), pipeline.Env{}).Write(t.Context(), events)
	partial, _ := errors.AsType[*pipeline.BatchError](err)
	if partial == nil || len(partial.Failed) != 3 || partial.Failed[0].Index != 2 || partial.Failed[1].Index != 4 || partial.Failed[2].Index != 6 {
		t.Fatalf("%v", err)
	}
	if !errors.Is(partial.Failed[1].Err, errHeldBack) {
		t.Errorf("%v", partial.Failed[1].Err)
	}
	if got := b.receive(queue); len(got) != 5 {
		t.Errorf("%d arrived", len(got))
	}
}

// TestRepeatsOfFIFO has SNS drop what comes twice.
func TestRepeatsOfFIFO(t *testing.T) {
	b := newBus(t)
	topic := b.topic(".fifo")
	queue := b.subscribe(topic, raw)
	o := b.output(to(topic), pipeline.Env{})
	deliver(t, o, numbered(5))
	deliver(t, o, numbered(5))
	if got := b.receive(queue); len(got) != 5 {
		t.Errorf("%d arrived", len(got))
	}
}

func TestTooLarge(t *testing.T) {
	large := `{"eventVersion":"1.11","eventName":"PutObject","requestParameters":{"text":"` + strings.Repeat("x", 300<<10) + `"},"eventID":"large"}`
	facts := pipeline.Facts{ID: "large", Kind: pipeline.KindCloudTrail, Account: pipeline.Account{ID: "111122223333"}}
	b := newBus(t)
	t.Run("reject", func(t *testing.T) {
		topic := b.topic("")
		queue := b.subscribe(topic, raw)
		rejected := deliver(t, b.output(to(topic), pipeline.Env{}), []pipeline.Event{event("1", "1", `{"n":1}`), eventOf(large, facts, "large"), event("2", "1", `{"n":2}`)})
		if len(rejected) != 1 || !strings.Contains(rejected[0].Error(), "on_too_large") {
			t.Errorf("%v", rejected)
		}
		if got := b.receive(queue); len(got) != 2 {
			t.Errorf("%d arrived", len(got))
		}
	})
	t.Run("trim", func(t *testing.T) {
		topic := b.topic("")
		queue := b.subscribe(topic, raw)
		c := to(topic)
		c.OnTooLarge = tooLargeTrim
		if rejected := deliver(t, b.output(c, pipeline.Env{}), []pipeline.Event{eventOf(large, facts, "large")}); rejected != nil {
			t.Fatal(rejected)
		}
		got := b.receive(queue)
		if len(got) != 1 || len(got[0]) > 256<<10 || !strings.Contains(string(got[0]), `"trimmed":["requestParameters"]`) || !strings.Contains(string(got[0]), `"eventID":"large"`) {
			t.Errorf("%.300s", got)
		}
	})
	t.Run("session text", func(t *testing.T) {
		topic := b.topic("")
		queue := b.subscribe(topic, raw)
		line := strings.Repeat("y", 40<<10)
		session := `{"sessionId":"zoe-0abc","target":"i-0abc","seq":1,"lines":["` + strings.Repeat(line+`","`, 9) + `end"]}`
		facts := pipeline.Facts{ID: "s", Kind: pipeline.KindSessionLog, Session: pipeline.Session{ID: "zoe-0abc"}}
		if rejected := deliver(t, b.output(to(topic), pipeline.Env{}), []pipeline.Event{eventOf(session, facts, "s")}); rejected != nil {
			t.Fatal(rejected)
		}
		got := b.receive(queue)
		whole := ""
		for _, part := range got {
			whole += string(part)
		}
		if len(got) < 2 || strings.Count(whole, line) != 9 || !strings.Contains(whole, `"end"`) {
			t.Errorf("%d parts", len(got))
		}
	})
	t.Run("the topic's limit", func(t *testing.T) {
		topic := b.topic("")
		queue := b.subscribe(topic, raw)
		c := to(topic)
		b.proxy.Fail(func(c awstest.Call) awstest.Fault {
			if c.Operation != "GetTopicAttributes" {
				return awstest.Fault{}
			}
			return awstest.Fault{Rewrite: func(_ int, body []byte) []byte { // the emulator does not know the attribute
				return []byte(strings.Replace(string(body), "</Attributes>", "<entry><key>MaximumMessageSize</key><value>1048576</value></entry></Attributes>", 1))
			}}
		})
		defer b.proxy.Fail(nil)
		if rejected := deliver(t, b.output(c, pipeline.Env{}), []pipeline.Event{eventOf(large, facts, "large")}); rejected != nil && strings.Contains(rejected[0].Error(), "SNS takes 262144") {
			t.Error("the topic's limit was not taken up: ", rejected)
		}
		_ = queue
	})
}

// TestHostile has text arrive escaped that could break out of an attribute, an e-mail or a terminal.
func TestHostile(t *testing.T) {
	b := newBus(t)
	topic := b.topic("")
	plain, enveloped := b.subscribe(topic, raw), b.subscribe(topic, nil)
	hostile := "x\x1b[31m\r\nBcc: all@example.com\u202e\u2028\ufffe<&>'\"é"
	facts := pipeline.Facts{
		ID: hostile, Kind: pipeline.KindCloudTrail, Account: pipeline.Account{ID: "1\n2"}, Action: hostile, Actor: pipeline.Actor{User: hostile},
		Region: strings.Repeat("r", 5000),
	}
	c := to(topic)
	c.Subject = conf.Text{Value: "{user} did {action}"}
	deliver(t, b.output(c, pipeline.Env{}), []pipeline.Event{eventOf(`{"text":"x\u001b[31m`+"\ufffe\u202e"+`"}`, facts, hostile)})
	got := b.drain(plain)
	if len(got) != 1 || got[0].Body != `{"text":"x\u001b[31m\ufffe`+"\u202e"+`"}` {
		t.Fatalf("%q", got)
	}
	for name, value := range got[0].Attributes {
		if strings.ContainsAny(value, "\x1b\r\n\u202e\u2028\ufffe") || len(value) > 1024 {
			t.Errorf("%s: %q", name, value)
		}
	}
	m := b.drain(enveloped)
	if len(m) != 1 {
		t.Fatal(m)
	}
	if s := m[0].notification(t).Subject; !subjectRule.MatchString(s) || !strings.HasPrefix(s, "x") {
		t.Errorf("subject %q", s)
	}
}

// subjectRule is what SNS takes as a subject (API reference, Publish).
var subjectRule = regexp.MustCompile(`^[ -~]{1,100}$`)

// TestForPeople has subject and message made by templates and by jq.
func TestForPeople(t *testing.T) {
	b := newBus(t)
	ev := event("1", "111122223333", `{"eventName":"StartSession","eventTime":"2026-03-01T12:00:00Z","lines":["a","b\u001b[0m"]}`)
	send := func(t *testing.T, c Config) notification {
		t.Helper()
		c.TopicARN = b.topic("")
		queue := b.subscribe(c.TopicARN, nil)
		c.CompileJQ = func(text conf.Text) (func(context.Context, *pipeline.Event) (string, bool, error), error) {
			return jqs[text.Value], nil
		}
		if rejected := deliver(t, b.output(c, pipeline.Env{}), []pipeline.Event{ev}); rejected != nil {
			t.Fatal(rejected)
		}
		got := b.drain(queue)
		if len(got) != 1 {
			t.Fatal(got)
		}
		return got[0].notification(t)
	}
	t.Run("templates", func(t *testing.T) {
		n := send(t, Config{Subject: conf.Text{Value: "{user}: {action} in {account}"}, Message: conf.Text{Value: "{user} did {action} at {.eventTime}\nlook"}})
		if n.Subject != "zo?: StartSession in 111122223333" || n.Message != "zoë did StartSession at 2026-03-01T12:00:00Z\nlook" || n.MessageAttributes["trailcast_action"].Value != "StartSession" {
			t.Errorf("%+v", n)
		}
	})
	t.Run("jq", func(t *testing.T) {
		n := send(t, Config{SubjectJQ: conf.Text{Value: "text"}, MessageJQ: conf.Text{Value: "text"}})
		if n.Subject != "two  lines ?[0m" || n.Message != "two \nlines \\u001b[0m" {
			t.Errorf("%+v", n)
		}
	})
	for _, program := range []string{"fails", "none", "blank"} {
		t.Run("jq that "+program, func(t *testing.T) {
			n := send(t, Config{SubjectJQ: conf.Text{Value: program}, MessageJQ: conf.Text{Value: program}})
			if n.Subject != "" || n.Message != string(ev.Raw) {
				t.Errorf("%+v", n)
			}
		})
	}
	t.Run("too long", func(t *testing.T) {
		n := send(t, Config{MessageJQ: conf.Text{Value: "long"}})
		if len(n.Message) > 256<<10 || len(n.Message) < 255<<10 || !strings.HasSuffix(n.Message, "é...") {
			t.Errorf("%d bytes", len(n.Message))
		}
	})
}

// jqs stand for compiled programs.
var jqs = map[string]func(context.Context, *pipeline.Event) (string, bool, error){
	"text": func(context.Context, *pipeline.Event) (string, bool, error) { return "two \nlines \x1b[0m", true, nil },
	"fails": func(context.Context, *pipeline.Event) (string, bool, error) {
		return "", false, errors.New("no such thing")
	},
	"none":  func(context.Context, *pipeline.Event) (string, bool, error) { return "", false, nil },
	"blank": func(context.Context, *pipeline.Event) (string, bool, error) { return " \n", true, nil },
	"long": func(context.Context, *pipeline.Event) (string, bool, error) {
		return strings.Repeat("é", 200<<10), true, nil
	},
}

// TestTemplateAttack has events try to choose topics that they must not reach.
func TestTemplateAttack(t *testing.T) {
	b := newBus(t)
	allowed, other := b.named("team-red"), b.named("team-redfinance")
	reds, others := b.subscribe(allowed, raw), b.subscribe(other, raw)
	c := to("arn:aws:sns:eu-west-1:123456789012:team-{.team}")
	c.Topics = []string{allowed}
	o := b.output(c, pipeline.Env{})
	var events []pipeline.Event
	for i, team := range []string{"red", "redfinance", "red:1", "red.fifo", "../red", "", "red finance", "red\\u0000", "red,finance", "*"} {
		events = append(events, event(fmt.Sprint(i), "1", `{"team":"`+team+`"}`))
	}
	rejected := deliver(t, o, events)
	if len(rejected) != len(events)-1 {
		t.Errorf("%d rejected: %v", len(rejected), rejected)
	}
	if got := b.receive(reds); len(got) != 1 || string(got[0]) != `{"team":"red"}` {
		t.Errorf("%s", got)
	}
	if got := b.receive(others); len(got) != 0 {
		t.Errorf("%s", got)
	}
}

// TestTelephone sends a text message, and one to an endpoint of an application.
func TestTelephone(t *testing.T) {
	b := newBus(t)
	c := Config{PhoneNumber: "+4930123456", Message: conf.Text{Value: "{user} did {action}"}}
	c.Region = awstest.Region
	if rejected := deliver(t, b.output(c, pipeline.Env{}), numbered(2)); rejected != nil {
		t.Fatal(rejected)
	}
	if n := b.proxy.Calls("Publish"); n != 2 {
		t.Errorf("%d calls", n)
	}
	b.proxy.Fail(func(awstest.Call) awstest.Fault { return awstest.Fault{Status: 400, Code: "OptedOut"} })
	err := b.output(c, pipeline.Env{}).Write(t.Context(), numbered(1))
	if err == nil || pipeline.IsRejected(err) || !strings.Contains(err.Error(), "OptedOut") {
		t.Errorf("%v", err)
	}
}

func TestCheck(t *testing.T) {
	b := newBus(t)
	if err := b.output(to(b.topic("")), pipeline.Env{}).Check(t.Context()); err != nil {
		t.Error(err)
	}
	missing := "arn:aws:sns:eu-west-1:123456789012:no-such-topic"
	err := b.output(to(missing), pipeline.Env{}).Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), "sns:GetTopicAttributes") || !strings.Contains(err.Error(), missing) || !strings.Contains(err.Error(), "NotFound") {
		t.Errorf("%v", err)
	}
	b.proxy.Fail(func(awstest.Call) awstest.Fault { return awstest.Fault{Status: 403, Code: "AuthorizationError"} })
	if err := b.output(to(missing), pipeline.Env{}).Check(t.Context()); err != nil {
		t.Errorf("an identity that may only publish: %v", err)
	}
	b.proxy.Fail(func(awstest.Call) awstest.Fault { return awstest.Fault{Status: 403, Code: "InvalidClientTokenId"} })
	if err := b.output(to(missing), pipeline.Env{}).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "InvalidClientTokenId") {
		t.Errorf("unknown credentials: %v", err)
	}
}

// TestUnknownLimit holds that nothing is rejected because a topic's limit can not be asked for just now.
func TestUnknownLimit(t *testing.T) {
	b := newBus(t)
	topic := b.topic("")
	large := event("large", "1", `{"text":"`+strings.Repeat("x", 300<<10)+`"}`)
	asked := 0
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation == "GetTopicAttributes" {
			asked++
			return awstest.Fault{Status: 503, Code: "ServiceUnavailable"}
		}
		return awstest.Fault{}
	})
	for _, policy := range []string{tooLargeReject, tooLargeTrim} {
		c := to(topic)
		c.OnTooLarge = policy
		err := b.output(c, pipeline.Env{}).Write(t.Context(), []pipeline.Event{large, event("small", "1", `{"n":1}`)})
		partial, _ := errors.AsType[*pipeline.BatchError](err)
		if partial == nil || len(partial.Failed) != 1 || partial.Failed[0].Index != 0 || pipeline.IsRejected(partial.Failed[0].Err) || !strings.Contains(partial.Failed[0].Err.Error(), "sns:GetTopicAttributes") {
			t.Errorf("%s: %v", policy, err)
		}
	}
	if asked == 0 {
		t.Error("the topic was not asked")
	}
	// Without permission to ask, the least is what it is.
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation == "GetTopicAttributes" {
			return awstest.Fault{Status: 403, Code: "AuthorizationError"}
		}
		return awstest.Fault{}
	})
	err := b.output(to(topic), pipeline.Env{}).Write(t.Context(), []pipeline.Event{large})
	if partial, _ := errors.AsType[*pipeline.BatchError](err); partial == nil || !pipeline.IsRejected(partial.Failed[0].Err) {
		t.Errorf("%v", err)
	}
}

// TestPartsHaveKeysOfTheirOwn: a consumer that drops repeats by the key must not drop the parts of one event.
func TestPartsHaveKeysOfTheirOwn(t *testing.T) {
	b := newBus(t)
	topic := b.topic("")
	queue := b.subscribe(topic, raw)
	facts := pipeline.Facts{ID: "s", Kind: pipeline.KindSessionLog, Session: pipeline.Session{ID: "zoe-0abc"}}
	line := strings.Repeat("\ufffe", 60<<10) // three bytes each, and six where SNS is to take it
	session := `{"sessionId":"zoe-0abc","lines":["` + line + `","` + line + `"]}`
	if rejected := deliver(t, b.output(to(topic), pipeline.Env{}), []pipeline.Event{eventOf(session, facts, "s")}); rejected != nil {
		t.Fatal(rejected)
	}
	keys, text := map[string]bool{}, 0
	for _, m := range b.drain(queue) {
		keys[m.Attributes["trailcast_key"]] = true
		text += strings.Count(m.Body, `\ufffe`)
		if len(m.Body) > 256<<10 {
			t.Errorf("a message of %d bytes", len(m.Body))
		}
	}
	if len(keys) < 3 || text != 2*60<<10 {
		t.Errorf("%v, %d characters", keys, text)
	}
}

func TestNoRoomBesideAttributes(t *testing.T) {
	awstest.Environment(t)
	c := to(someTopic)
	c.MaxMessageSize, c.Message = 1024, conf.Text{Value: "{action}"}
	o, err := New(c, pipeline.Env{Name: "pager"})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("a", 1000)
	err = o.Write(t.Context(), []pipeline.Event{eventOf(`{}`, pipeline.Facts{ID: long, Region: long, Action: long}, long)})
	if partial, _ := errors.AsType[*pipeline.BatchError](err); partial == nil || !pipeline.IsRejected(partial.Failed[0].Err) || !strings.Contains(err.Error(), "no room") {
		t.Errorf("%v", err)
	}
}
