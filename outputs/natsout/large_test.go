package natsout

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/outputs/outputtest"
	"github.com/trailcast/trailcast/pipeline"
)

func jsonString(s string) string { return string(rawjson.AppendString(nil, s)) }

func sessionLog(raw string) pipeline.Event {
	return outputtest.Event([]byte(raw), pipeline.Facts{ID: "log", Kind: pipeline.KindSessionLog}, "log")
}

func TestTooLargeForTheServer(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true, MaxPayload: 4096})
	big := strings.Repeat("x", 5000)
	request := outputtest.Event([]byte(`{"eventID":"r","requestParameters":{"text":"`+big+`"}}`),
		pipeline.Facts{ID: "r", Kind: pipeline.KindCloudTrail}, "r")
	message := outputtest.Event([]byte(`{"eventID":"m","errorMessage":"`+big+`"}`),
		pipeline.Facts{ID: "m", Kind: pipeline.KindCloudTrail}, "m")
	typed := sessionLog(`{"sessionId":"s","lines":["` + big + `","` + big + `"]}`)
	small := outputtest.Events(0, 1)[0]
	events := []pipeline.Event{request, small, message, typed}

	tests := []struct {
		name       string
		onTooLarge string
		core       bool
		rejected   []int
	}{
		{"reject", "", false, []int{0, 2}},
		{"trim", "trim", false, []int{2}},
		{"reject with core NATS", "reject", true, []int{0, 2}},
		{"trim with core NATS", "trim", true, []int{2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := listen(t, s.url(), "audit.>")
			c := streamConfig(s.url())
			c.OnTooLarge = test.onTooLarge
			if test.core {
				c.Stream, c.Create = "", false
			}
			o := open(t, c, pipeline.Env{Name: test.name})
			failed := failures(t, o.Write(deadline(t), events))
			var got []int
			for i := range events {
				if err, ok := failed[i]; ok {
					if !pipeline.IsRejected(err) {
						t.Errorf("event %d: got %v, want a rejection", i, err)
					}
					got = append(got, i)
				}
			}
			if diff := cmp.Diff(test.rejected, got); diff != "" {
				t.Errorf("rejected (-want +got):\n%s", diff)
			}
			ids, typed := map[string]bool{}, 0
			for _, m := range l.messages(t) {
				id := m.Header.Get(headerMsgID)
				if part := strings.LastIndex(id, "#s"); part > 0 { // a hash follows the number
					id, _, _ = strings.Cut(id, "-")
				}
				ids[id] = true
				typed += strings.Count(string(m.Data), "x")
				if m.Header.Get(headerID) == "log" && len(m.Data) > 4096 {
					t.Errorf("a part has %d bytes", len(m.Data))
				}
			}
			want := map[string]bool{msgID(o, small.Key()): true, msgID(o, "log") + "#s1": true, msgID(o, "log") + "#s2": true, msgID(o, "log") + "#s3": true,
				msgID(o, "log") + "#s4": true}
			if test.onTooLarge == "trim" {
				want[msgID(o, "r")] = true
			}
			if diff := cmp.Diff(want, ids); diff != "" {
				t.Errorf("message ids (-want +got):\n%s", diff)
			}
			if typed != 2*len(big) {
				t.Errorf("got %d characters of session text, want %d", typed, 2*len(big))
			}
		})
	}
}

func TestHeadersCountTowardMaxPayload(t *testing.T) {
	s := startServer(t, server.Options{MaxPayload: 4096})
	l := listen(t, s.url(), "audit.>")
	o := open(t, config(s.url()), pipeline.Env{})
	facts := pipeline.Facts{ID: "e", Kind: pipeline.KindOther, Account: pipeline.Account{ID: "123456789012"}}
	probe := outputtest.Event([]byte(`{}`), facts, "k")
	x, err := o.Explain(&probe)
	if err != nil {
		t.Fatal(err)
	}
	size := func(n int) pipeline.Event { // an event whose message has n bytes
		raw := `{"t":"` + strings.Repeat("x", n-x.Size+len(`{}`)-len(`{"t":""}`)) + `"}`
		return outputtest.Event([]byte(raw), facts, "k")
	}
	failed := failures(t, o.Write(deadline(t), []pipeline.Event{size(4096), size(4097)}))
	if len(failed) != 1 || !pipeline.IsRejected(failed[1]) {
		t.Errorf("got failures %v, want a rejection of the second event only", failed)
	}
	messages := l.messages(t)
	if len(messages) != 1 {
		t.Fatalf("got %d messages, want 1", len(messages))
	}
	if got := messages[0].Size() - len(messages[0].Subject); got != 4096 {
		t.Errorf("the message has %d bytes on the wire, Explain says 4096", got)
	}
}

func TestTooLargeForTheStream(t *testing.T) {
	s := startServer(t, server.Options{JetStream: true})
	stream := jetstream.StreamConfig{Name: "AUDIT", Subjects: []string{"audit.>"}, MaxMsgSize: 2000}
	makeStream(t, s.url(), stream)
	o := open(t, streamConfig(s.url()), pipeline.Env{})
	events := outputtest.Events(0, 3)
	big := `{"lines":["` + strings.Repeat("x", 3000) + `"]}`
	events[1] = outputtest.Event([]byte(big), pipeline.Facts{ID: "big", Kind: pipeline.KindOther}, "big")
	events[2] = sessionLog(big)
	failed := failures(t, o.Write(deadline(t), events))
	if len(failed) != 1 || !pipeline.IsRejected(failed[1]) {
		t.Errorf("got failures %v, want a rejection of event 1 only", failed)
	}
	if got := len(stored(t, s.url(), "AUDIT")); got != 3 {
		t.Errorf("the stream holds %d messages, want one event and two parts of another", got)
	}

	// The limit changes while the output runs: it learns of it by the refusal, and splits at the next try.
	stream.MaxMsgSize = 1000
	makeStream(t, s.url(), stream)
	events = []pipeline.Event{sessionLog(`{"lines":["` + strings.Repeat("y", 1200) + `"]}`)}
	wantRetry(t, o.Write(deadline(t), events), "max_msg_size")
	if err := o.Write(deadline(t), events); err != nil {
		t.Errorf("the second try: got %v, want nil", err)
	}
}

// FuzzFit checks that whatever an event is cut to is JSON that fits, and that splitting loses no text.
func FuzzFit(f *testing.F) {
	f.Add(`{"sessionId":"s","lines":["`+strings.Repeat("x", 700)+`","b","é\n\ud83d"]}`, 600)
	f.Add(`{"sessionData":["`+strings.Repeat(`\u0000\"`, 200)+`"],"trailcast":{"v":1},"lines":3}`, 700)
	f.Add(`{"requestParameters":{"a":"`+strings.Repeat("x", 700)+`"},"responseElements":null,"trailcast":7}`, 300)
	f.Add(`{"lines":["a"],"lines":["`+strings.Repeat("\U0001F510", 300)+`"]}`, 900)
	o := &Output{cfg: Config{OnTooLarge: tooLargeTrim}}
	f.Fuzz(func(t *testing.T, raw string, room int) {
		if rawjson.Valid([]byte(raw)) != nil || rawjson.KindOf([]byte(raw)) != rawjson.Object || room > 1<<20 {
			t.Skip("not an event")
		}
		ev := sessionLog(raw)
		parts, err := o.fit(&ev, room)
		if err != nil {
			return
		}
		var text strings.Builder
		for i, p := range parts {
			if len(p.Data) > room {
				t.Errorf("part %d of %d has %d bytes, want at most %d", i+1, len(parts), len(p.Data), room)
			}
			if err := rawjson.Valid(p.Data); err != nil {
				t.Errorf("part %d of %d: %v", i+1, len(parts), err)
			}
			text.WriteString(textOf(p.Data))
		}
		if want := textOf([]byte(raw)); parts[0].Suffix != "" && text.String() != want {
			t.Errorf("got the text %q, want %q", text.String(), want)
		}
	})
}

// textOf returns all session text of an event.
func textOf(raw []byte) string {
	var text strings.Builder
	for _, key := range []string{"lines", "sessionData"} {
		if array, ok := rawjson.Get(raw, key); ok && rawjson.KindOf(array) == rawjson.Array {
			_ = rawjson.EachElement(array, func(_ int, line []byte) bool {
				s, _ := rawjson.Text(line)
				text.WriteString(s)
				return true
			})
			return text.String()
		}
	}
	return text.String()
}
