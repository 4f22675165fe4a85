package natsout

import (
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/outputs/outputtest"
	"github.com/trailcast/trailcast/pipeline"
)

func newTestComposer(t *testing.T) *composer {
	t.Helper()
	s, err := parseSubject(conf.Text{Value: "audit.{account}.{region}.{action}"})
	if err != nil {
		t.Fatal(err)
	}
	return (&Output{idPrefix: "bus:", subject: s}).newComposer()
}

// A message has the headers of its own event, whatever those before it had, and what was taken of an earlier one stays.
func TestComposerRemembersNothing(t *testing.T) {
	c := newTestComposer(t)
	full := outputtest.Events(0, 1)[0]
	facts := *full.Facts()
	facts.Account.ID, facts.Region, facts.Service, facts.Action, facts.Outcome = "1", "eu", "s3", "Get", "success"
	full = full.WithFacts(&facts)
	bare := full.WithFacts(&pipeline.Facts{Kind: "other", Action: "Put"})
	var subjects []string
	for _, ev := range []pipeline.Event{full, bare, full, bare, bare, full} {
		parts, err := c.parts(&ev, 1<<20)
		if err != nil || len(parts) != 1 {
			t.Fatalf("%d parts, %v", len(parts), err)
		}
		for _, suffix := range []string{"", "#s1"} {
			msg := c.message(parts[0].Data, suffix)
			want := nats.Header{}
			values := valuesOf(&ev, msgID(c.o, ev.Key())+suffix)
			for _, h := range values.list(nil) {
				want[h[0]] = []string{h[1]}
			}
			if len(want) != len(msg.Header) {
				t.Errorf("headers %v, want %v", msg.Header, want)
			}
			for name := range want {
				if !slices.Equal(msg.Header[name], want[name]) {
					t.Errorf("header %s is %q, want %q", name, msg.Header[name], want[name])
				}
			}
		}
		subjects = append(subjects, c.msg.Subject)
	}
	if got, want := strings.Join(subjects, " "), strings.TrimSpace(strings.Repeat("audit.1.eu.Get audit._._.Put ", 2))+
		" audit._._.Put audit.1.eu.Get"; got != want {
		t.Errorf("subjects %s, want %s", got, want)
	}
}

func TestTextsStay(t *testing.T) {
	var kept texts
	var got, want []string
	for i := range 3000 {
		s := strings.Repeat(string(rune('a'+i%26)), i*7%97)
		scratch := []byte(s)
		got, want = append(got, kept.keep(scratch)), append(want, s)
		clear(scratch)
	}
	if !slices.Equal(got, want) {
		t.Error("a text was written over")
	}
}

func TestComposingAllocatesNothing(t *testing.T) {
	c := newTestComposer(t)
	events := outputtest.Events(0, 64)
	for i := range events {
		events[i].Key() // computed once for each event
	}
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		ev := &events[i%len(events)]
		i++
		parts, _ := c.parts(ev, 1<<20)
		c.message(parts[0].Data, parts[0].Suffix)
	}); n != 0 {
		t.Errorf("%v allocations for a message, want 0", n)
	}
}

// What the short way confirms, the long way confirms too.
func TestConfirmations(t *testing.T) {
	w := &window{stream: "AUDIT", confirmed: `{"stream":"AUDIT","seq":`}
	for _, c := range []struct {
		answer string
		short  bool
	}{
		{`{"stream":"AUDIT","seq":1}`, true},
		{`{"stream":"AUDIT","seq":12345678901}`, true},
		{`{"stream":"AUDIT","seq":1,"duplicate":true}`, false},
		{`{"stream":"AUDIT", "seq":1}`, false},
		{`{"stream":"AUDIT","seq":}`, false},
		{`{"stream":"AUDIT","seq":01}`, false},
		{`{"stream":"AUDIT","seq":1`, false},
		{`{"stream":"AUDIT2","seq":1}`, false},
		{`{"stream":"AUDIT","seq":1,"error":{"code":500}}`, false},
		{`{"error":{"code":503,"description":"x"},"stream":"AUDIT","seq":0}`, false},
		{``, false},
	} {
		if got := w.confirms([]byte(c.answer)); got != c.short {
			t.Errorf("%s: %v", c.answer, got)
		}
		if err := ackError(&nats.Msg{Data: []byte(c.answer)}, w.stream); c.short && err != nil {
			t.Errorf("%s: %v", c.answer, err)
		}
	}
}
