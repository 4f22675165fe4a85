package snsout

import (
	"errors"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/internal/awstest"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

const someTopic = "arn:aws:sns:eu-west-1:123456789012:sessions"

func TestConfig(t *testing.T) {
	text := func(s string) conf.Text { return conf.Text{Value: s} }
	for name, test := range map[string]struct {
		config Config
		says   string // "" for a valid one
	}{
		"a topic":                      {config: Config{TopicARN: someTopic}},
		"a topic of China":             {config: Config{TopicARN: "arn:aws-cn:sns:cn-north-1:123456789012:sessions.fifo"}},
		"an endpoint":                  {config: Config{TargetARN: "arn:aws:sns:eu-west-1:123456789012:endpoint/GCM/app/0123"}},
		"nothing":                      {config: Config{}, says: "one of topic_arn, target_arn and phone_number"},
		"two":                          {config: Config{TopicARN: someTopic, PhoneNumber: "+4930123456", Message: text("x")}, says: "one of topic_arn"},
		"a queue's ARN":                {config: Config{TopicARN: "arn:aws:sqs:eu-west-1:123456789012:q"}, says: "is not like arn:aws:sns"},
		"a template without topics":    {config: Config{TopicARN: "arn:aws:sns:eu-west-1:123456789012:{account}"}, says: "topics must list"},
		"a template with topics":       {config: Config{TopicARN: "arn:aws:sns:eu-west-1:{account}:sessions", Topics: []string{"arn:aws:sns:eu-west-1:*:sessions"}}},
		"a template of the region":     {config: Config{TopicARN: "arn:aws:sns:{region}:123456789012:t", Topics: []string{someTopic}}, says: "the region must be written out"},
		"an unknown field":             {config: Config{TopicARN: "arn:aws:sns:eu-west-1:123456789012:{acount}", Topics: []string{someTopic}}, says: "acount"},
		"topics without a template":    {config: Config{TopicARN: someTopic, Topics: []string{someTopic}}, says: "with a template in topic_arn only"},
		"topics that are none":         {config: Config{TopicARN: "arn:aws:sns:eu-west-1:123456789012:{account}", Topics: []string{"*"}}, says: `"*" is not like`},
		"a telephone without a text":   {config: Config{PhoneNumber: "+4930123456"}, says: "needs message or message_jq"},
		"no telephone":                 {config: Config{PhoneNumber: "030 123", Message: text("x")}, says: "is not like +49"},
		"two messages":                 {config: Config{TopicARN: someTopic, Message: text("x"), MessageJQ: text("y")}, says: "message and message_jq exclude each other"},
		"a bad template":               {config: Config{TopicARN: someTopic, Subject: text("{nobody}")}, says: "nobody"},
		"too large":                    {config: Config{TopicARN: someTopic, MaxMessageSize: 2 << 20}, says: "1KiB to 1MiB"},
		"jq that does not compile":     {config: Config{TopicARN: someTopic, MessageJQ: text("bad"), CompileJQ: refuse}, says: "no such program"},
		"a policy that does not exist": {config: Config{TopicARN: someTopic, OnTooLarge: "cut"}, says: "neither reject nor trim"},
		"negative":                     {config: Config{TopicARN: someTopic, Timeout: -1, MaxInFlight: -1}, says: "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.config.Validate()
			if (test.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

func refuse(conf.Text) (Text, error) { return nil, errors.New("no such program") }

func TestOrderedNeedsFIFO(t *testing.T) {
	awstest.Environment(t)
	if _, err := New(to(someTopic), pipeline.Env{Ordered: true}); err == nil || !strings.Contains(err.Error(), "FIFO") {
		t.Errorf("%v", err)
	}
	if _, err := New(to(someTopic+".fifo"), pipeline.Env{Ordered: true}); err != nil {
		t.Error(err)
	}
}

func TestExplain(t *testing.T) {
	awstest.Environment(t)
	c := to(someTopic + ".fifo")
	c.Subject.Value = "{user}: {action}"
	o, err := New(c, pipeline.Env{Name: "pager"})
	if err != nil {
		t.Fatal(err)
	}
	ev := event("e1", "111122223333", `{"n":1}`)
	x, err := o.Explain(&ev)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, h := range x.Headers {
		got[h[0]] = h[1]
	}
	for name, want := range map[string]string{
		"trailcast_account": "111122223333", "MessageGroupId": "111122223333", "MessageDeduplicationId": "pager:e1", "Subject": "zo?: StartSession",
	} {
		if got[name] != want {
			t.Errorf("%s is %q", name, got[name])
		}
	}
	if x.Destination != someTopic+".fifo" || x.Size <= len(`{"n":1}`) {
		t.Errorf("%+v", x)
	}
}

func TestTexts(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "é": "?", "a\nb\tc": "a b c", " \n ": "", "\x1b[0m": "?[0m",
		strings.Repeat("x", 100): strings.Repeat("x", 96) + "...",
		strings.Repeat("é", 99):  strings.Repeat("?", 99),
	} {
		if got := subjectOf(in); got != want {
			t.Errorf("subject of %q is %q", in, got)
		}
	}
	for in, want := range map[string]string{
		"a": "a", "": "_", strings.Repeat("a", 128): strings.Repeat("a", 128),
		"a b": "~" + "c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65",
	} {
		if got := identifier(in, maxGroup); got != want {
			t.Errorf("identifier of %q is %q", in, got)
		}
	}
	for _, s := range []string{"a\x00b", "\u202e", "\u2028", "\ufffe", "\uffff", "\x9b31m", "\u009b31m", "a\rb"} {
		if got := safeText(s, true); strings.ContainsAny(got, "\x00\u202e\u2028\ufffe\uffff\u009b\r") || strings.ContainsRune(got, 0x9b) {
			t.Errorf("%q becomes %q", s, got)
		}
	}
	if got := cutText("aéé", 4); got != "a..." {
		t.Errorf("%q", got)
	}
}

// FuzzSubject holds that whatever an event says, SNS takes the subject.
func FuzzSubject(f *testing.F) {
	f.Add("zoë: StartSession\r\nBcc: x")
	f.Fuzz(func(t *testing.T, s string) {
		if got := subjectOf(s); got != "" && !subjectRule.MatchString(got) {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}

// FuzzTopicName holds that a value never leaves its place in a topic's ARN.
func FuzzTopicName(f *testing.F) {
	f.Add("a:b")
	f.Fuzz(func(t *testing.T, s string) {
		got := string(appendName(nil, s))
		if got == "" || strings.Trim(got, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}
