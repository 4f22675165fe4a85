package httpin

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

// FuzzSNS holds that what is signed says the same as what is fed, whatever the message.
func FuzzSNS(f *testing.F) {
	f.Add([]byte(notification("text").with("Signature", "eA==").body()))
	f.Add([]byte(confirmation("SubscriptionConfirmation").body()))
	f.Add([]byte(`{"Type":"Notification","Message":"a\nMessageId\nb","Subject":null}`))
	f.Add([]byte(`{"M\u0065ssage":"a","Message":"b"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := parseSNS(body)
		if err != nil {
			return
		}
		again, err := parseSNS(m.envelope())
		if err != nil {
			t.Fatalf("%s: %v", m.envelope(), err)
		}
		m.kind = snsNotification
		if string(again.canonical()) != string(m.canonical()) {
			t.Errorf("%q is signed as %q, and fed as %q", body, m.canonical(), again.canonical())
		}
		var std map[string]any
		if err := json.Unmarshal(body, &std); err != nil {
			t.Errorf("%q is taken: %v", body, err)
		}
		if text, ok := std["Message"].(string); ok && text != m.message {
			t.Errorf("%q has the message %q", body, m.message)
		}
	})
}

// collected takes what a feeder finds.
type collected struct{ events, broken int }

func (c *collected) Feed(_ context.Context, events []pipeline.Event) error {
	for i := range events {
		if !json.Valid(events[i].Raw) {
			panic("an event that is no JSON: " + string(events[i].Raw))
		}
	}
	c.events += len(events)
	return nil
}

func (c *collected) Broken(context.Context, pipeline.Broken) error {
	c.broken++
	return nil
}

// FuzzFirehose holds that any body is either refused or fed to its end.
func FuzzFirehose(f *testing.F) {
	f.Add([]byte(firehoseBody(trail("a"), "text", packed(trail("b")))))
	f.Add([]byte(`{"requestId":"x","records":[{"data":7},{},null,[]]}`))
	f.Add([]byte(`{"requestId":"x","timestamp":-1,"records":[{"data":"e30="}],"records":[]}`))
	in, err := New(Config{MaxDecompressed: 1 << 20}, pipeline.Env{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := parseDelivery(body)
		if err != nil {
			return
		}
		var std struct{ Records []json.RawMessage }
		if err := json.Unmarshal(body, &map[string]json.RawMessage{}); err != nil {
			t.Fatalf("%q is taken: %v", body, err)
		}
		if err := json.Unmarshal(d.records, &std.Records); err != nil {
			t.Fatalf("records %q: %v", d.records, err)
		}
		got := &collected{}
		to := in.newFeeder(t.Context(), got)
		if err := d.feed(t.Context(), &pipeline.Origin{}, to); err != nil {
			t.Fatal(err)
		}
		if err := to.end(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzURLs holds that no URL passes whose host another parser takes for another one.
func FuzzURLs(f *testing.F) {
	const host = "sns.us-east-1.amazonaws.com"
	m := confirmation("SubscriptionConfirmation")
	for _, u := range []string{snsURL + certPath, m["SubscribeURL"], "https://u@" + host + "/", "https://" + host + ".evil.example/?" + strings.SplitN(m["SubscribeURL"], "?", 2)[1]} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, s string) {
		cert := isCertURL(s, host)
		confirms := isSubscribeURL(&snsMessage{subscribeURL: s, topic: snsTopic, token: m["Token"]}, host)
		if !cert && !confirms {
			return
		}
		u, err := url.Parse(s)
		if err != nil {
			t.Fatalf("%q passes: %v", s, err)
		}
		if u.Scheme != "https" || u.Host != host || u.User != nil || u.Fragment != "" || cert == confirms {
			t.Errorf("%q passes", s)
		}
		if confirms && !maps.EqualFunc(u.Query(), url.Values{"Action": {"ConfirmSubscription"}, "TopicArn": {snsTopic}, "Token": {m["Token"]}},
			func(a, b []string) bool { return len(a) == 1 && a[0] == b[0] }) {
			t.Errorf("%q confirms something else", s)
		}
	})
}
