package natsout

import (
	"encoding/json"
	"fmt"
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

func TestTrim(t *testing.T) {
	big := func(n int) string { return `{"text":"` + strings.Repeat("x", n) + `"}` }
	tests := []struct {
		name string
		raw  string
		room int
		want []string // trailcast.trimmed; nil: it can not be trimmed
	}{
		{"largest only", `{"eventID":"e","requestParameters":` + big(500) + `,"responseElements":` + big(900) + `}`, 800, []string{"responseElements"}},
		{"two", `{"eventID":"e","requestParameters":` + big(900) + `,"responseElements":` + big(901) + `}`, 800, []string{"responseElements", "requestParameters"}},
		{"all", `{"additionalEventData":` + big(900) + `,"requestParameters":` + big(900) + `,"responseElements":` + big(901) + `}`, 500,
			[]string{"responseElements", "requestParameters", "additionalEventData"}},
		{"with trailcast", `{"requestParameters":` + big(900) + `,"trailcast":{"v":1,"id":"e"}}`, 500, []string{"requestParameters"}},
		{"elsewhere", `{"requestParameters":` + big(100) + `,"errorMessage":"` + strings.Repeat("m", 900) + `"}`, 800, nil},
		{"nothing", `{"errorMessage":"` + strings.Repeat("m", 900) + `"}`, 800, nil},
		{"no room", `{"requestParameters":` + big(900) + `}`, -5, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := trim([]byte(test.raw), test.room)
			if test.want == nil {
				if err == nil {
					t.Fatalf("got %s, want an error", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(got) > test.room {
				t.Errorf("got %d bytes, want at most %d", len(got), test.room)
			}
			var before, after map[string]any
			if err := json.Unmarshal([]byte(test.raw), &before); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(got, &after); err != nil {
				t.Fatalf("%v: %s", err, got)
			}
			trimmed := []string{}
			for _, key := range after["trailcast"].(map[string]any)["trimmed"].([]any) {
				trimmed = append(trimmed, key.(string))
				size, _ := rawjson.Get([]byte(test.raw), key.(string))
				want := map[string]any{"trailcast_trimmed": map[string]any{"bytes": float64(len(size))}}
				if diff := cmp.Diff(want, after[key.(string)]); diff != "" {
					t.Errorf("marker of %s (-want +got):\n%s", key, diff)
				}
				delete(before, key.(string))
				delete(after, key.(string))
			}
			if diff := cmp.Diff(test.want, trimmed); diff != "" {
				t.Errorf("trailcast.trimmed (-want +got):\n%s", diff)
			}
			delete(after["trailcast"].(map[string]any), "trimmed")
			if before["trailcast"] == nil {
				before["trailcast"] = map[string]any{}
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("the rest has changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSplitText(t *testing.T) {
	lines := func(n, size int, unit string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = jsonString(fmt.Sprint(i, " ", strings.Repeat(unit, size)))
		}
		return strings.Join(all, ",")
	}
	tests := []struct {
		name, raw, key string
	}{
		{"many lines", `{"sessionId":"s","seq":1,"lines":[` + lines(100, 50, "x") + `]}`, "lines"},
		{"streamed", `{"eventVersion":"1.0","sessionData":[` + lines(20, 300, "é\t\"") + `],"target":{"id":"i"}}`, "sessionData"},
		{"one long line", `{"lines":[` + lines(1, 5000, "\x1b[1m") + `]}`, "lines"},
		{"long and short", `{"lines":["a",` + lines(3, 1500, "\U0001F510\\") + `,"","z"],"trailcast":{"v":1}}`, "lines"},
		{"escaped", `{"lines":["` + strings.Repeat(`A\n\/`, 1000) + `"]}`, "lines"},
	}
	const room = 1000
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			parts := splitText([]byte(test.raw), room)
			if len(parts) < 2 {
				t.Fatalf("got %d parts, want several", len(parts))
			}
			var whole struct {
				Lines       []string
				SessionData []string `json:"sessionData"`
			}
			if err := json.Unmarshal([]byte(test.raw), &whole); err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			for i, p := range parts {
				if len(p.data) > room {
					t.Errorf("part %d has %d bytes, want at most %d", i+1, len(p.data), room)
				}
				if want := fmt.Sprintf("#s%d", i+1); p.suffix != want {
					t.Errorf("part %d: got suffix %q, want %q", i+1, p.suffix, want)
				}
				if err := rawjson.Valid(p.data); err != nil {
					t.Fatalf("part %d: %v", i+1, err)
				}
				number, _ := rawjson.Get(p.data, "trailcast", "part")
				if want := fmt.Sprintf(`{"n":%d,"of":%d}`, i+1, len(parts)); string(number) != want {
					t.Errorf("part %d: got trailcast.part %s, want %s", i+1, number, want)
				}
				array, _ := rawjson.Get(p.data, test.key)
				var some []string
				if err := json.Unmarshal(array, &some); err != nil {
					t.Fatal(err)
				}
				if len(some) == 0 {
					t.Errorf("part %d has no text", i+1)
				}
				text.WriteString(strings.Join(some, ""))
				rest := rawjson.Delete(rawjson.Delete(p.data, test.key), "trailcast")
				if want := rawjson.Delete(rawjson.Delete([]byte(test.raw), test.key), "trailcast"); string(rest) != string(want) {
					t.Errorf("part %d: beside the text got %s, want %s", i+1, rest, want)
				}
			}
			if want := strings.Join(append(whole.Lines, whole.SessionData...), ""); text.String() != want {
				t.Errorf("the text of all parts is not the whole text: got %d bytes, want %d", text.Len(), len(want))
			}
			if again := splitText([]byte(test.raw), room); cmp.Diff(parts, again, cmp.AllowUnexported(part{})) != "" {
				t.Error("a repetition gives other parts")
			}
		})
	}
}

func TestTextThatCanNotBeSplit(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, raw := range []string{
		`{"lines":[1,"` + long + `",{"a":"` + long + `"}]}`,
		`{"lines":"` + long + `"}`,
		`{"lines":["a"],"target":"` + long + `"}`,
		`{"text":"` + long + `"}`,
	} {
		if parts := splitText([]byte(raw), 1000); parts != nil {
			t.Errorf("%.40s…: got %d parts, want none", raw, len(parts))
		}
	}
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
				ids[m.Header.Get(headerMsgID)] = true
				typed += strings.Count(string(m.Data), "x")
				if m.Header.Get(headerID) == "log" && len(m.Data) > 4096 {
					t.Errorf("a part has %d bytes", len(m.Data))
				}
			}
			want := map[string]bool{o.msgID(small.Key()): true, o.msgID("log") + "#s1": true, o.msgID("log") + "#s2": true, o.msgID("log") + "#s3": true,
				o.msgID("log") + "#s4": true}
			if test.onTooLarge == "trim" {
				want[o.msgID("r")] = true
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
			if len(p.data) > room {
				t.Errorf("part %d of %d has %d bytes, want at most %d", i+1, len(parts), len(p.data), room)
			}
			if err := rawjson.Valid(p.data); err != nil {
				t.Errorf("part %d of %d: %v", i+1, len(parts), err)
			}
			text.WriteString(textOf(p.data))
		}
		if want := textOf([]byte(raw)); parts[0].suffix != "" && text.String() != want {
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
