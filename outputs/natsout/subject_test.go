package natsout

import (
	"errors"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/outputs/outputtest"
	"github.com/trailcast/trailcast/pipeline"
)

func TestSubjectTemplates(t *testing.T) {
	tests := []struct{ text, pattern, root string }{
		{"audit.{account}.{region}", "audit.*.*", "audit.>"},
		{"audit", "audit", "audit"},
		{"audit.all", "audit.all", "audit.all"},
		{"org.audit.x-{account}.{service}.end", "org.audit.*.*.end", "org.audit.>"},
		{"a.{{x}}.{id}", "a.{x}.*", "a.{x}.>"},
		{"äudit.{.detail.name}", "äudit.*", "äudit.>"},
	}
	for _, test := range tests {
		s, err := parseSubject(conf.Text{Value: test.text})
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		if s.pattern != test.pattern || s.root != test.root {
			t.Errorf("%q: got pattern %q and root %q, want %q and %q", test.text, s.pattern, s.root, test.pattern, test.root)
		}
	}
}

func TestWrongSubjectTemplates(t *testing.T) {
	tests := []struct {
		text   string
		want   string
		column int
	}{
		{"", "no subject", 0},
		{"{account}.x", "first token", 10},
		{"a{account}.x", "first token", 10},
		{"audit.{nope}", "unknown template field", 17},
		{"audit.{account", "unclosed", 16},
		{"audit..{account}", "empty token", 10},
		{"audit.{account}.", "empty token", 10},
		{".audit", "empty token", 10},
		{"audit.{account}. x", "a space", 26},
		{"audit.*", "the wildcard *", 16},
		{"audit.>", "the wildcard >", 16},
		{"au\tdit", `'\t'`, 12},
		{"au\x00dit", `'\x00'`, 12},
		{"$JS.API.{account}", "belong to the server", 10},
		{"$SYS", "belong to the server", 10},
		{"_INBOX.{account}", "belong to the server", 10},
		{"audit" + strings.Repeat(".{account}", 20), "bytes long", 10},
	}
	for _, test := range tests {
		_, err := parseSubject(conf.Text{Value: test.text, Pos: conf.Pos{File: "a.yaml", Line: 3, Column: 10}})
		ce, ok := errors.AsType[*conf.Error](err)
		if !ok || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want a *conf.Error with %q", test.text, err, test.want)
			continue
		}
		if test.column > 0 && (ce.Pos.Column != test.column || ce.Pos.Line != 3) {
			t.Errorf("%q: %v is at %v, want column %d", test.text, err, ce.Pos, test.column)
		}
	}
}

func TestCovers(t *testing.T) {
	tests := []struct {
		filter, pattern string
		want            bool
	}{
		{"audit.>", "audit.*.*", true},
		{"audit.>", "audit", false},
		{">", "audit", true},
		{"audit.*.*", "audit.*.*", true},
		{"audit.*", "audit.*.*", false},
		{"audit.*.*.*", "audit.*.*", false},
		{"audit.111.*", "audit.*.*", false},
		{"*.*.*", "audit.*.*", true},
		{"other.>", "audit.*.*", false},
		{"audit.all", "audit.all", true},
	}
	for _, test := range tests {
		if got := covers(test.filter, test.pattern); got != test.want {
			t.Errorf("covers(%q, %q): got %v, want %v", test.filter, test.pattern, got, test.want)
		}
	}
}

// hostile returns values that somebody could write into a record to reach another subject or to forge a header.
func hostile() []string {
	return []string{
		"", ".", "..", "*", ">", "a.b.>", "../../x", "$JS.API.STREAM.DELETE.AUDIT", "_INBOX.x",
		"line\nline", "line\r\nNats-Msg-Id: forged", "x\r\n\r\nbody", "\x00", "tab\tspace ", " lead", "\u2028\u2029\u0085\u00a0",
		"\xff\xfe", "zoë", "\U0001F510", "\u202egnp.exe", strings.Repeat("k", 10<<10), strings.Repeat("ä.", 5<<10), "{account}",
	}
}

// hostileEvent has the value in every fact, in its origin, in its key and in its bytes.
func hostileEvent(value string) pipeline.Event {
	f := pipeline.Facts{
		ID: value, Kind: pipeline.Kind(value), Region: value, Service: value, Action: value, Outcome: value,
		Account: pipeline.Account{ID: value, Name: value},
		Actor:   pipeline.Actor{Type: value, User: value, Role: value, SessionName: value},
		Session: pipeline.Session{ID: value, Target: value},
	}
	quoted := jsonString(value)
	ev := outputtest.Event([]byte(`{"field":`+quoted+`}`), f, "key "+value)
	ev.Record.Origin = &pipeline.Origin{Input: value, Tag: value}
	return ev
}

// FuzzSubjectToken checks that no value adds a token, a wildcard or a line.
func FuzzSubjectToken(f *testing.F) {
	for _, value := range hostile() {
		f.Add(value)
	}
	s, err := parseSubject(conf.Text{Value: "a.{account}-{region}.{region}.{service}.{action}.{kind}.{outcome}.{actor}.{actor_type}." +
		"{role}.{user}.{session}.{target}.{id}.{tag}"})
	if err != nil {
		f.Fatal(err)
	}
	o := &Output{idPrefix: "bus:"}
	f.Fuzz(func(t *testing.T, value string) {
		ev := hostileEvent(value)
		subject := string(s.appendTo(nil, &ev))
		if !covers(s.pattern, subject) || !plainSubject(subject) || len(subject) > maxSubject {
			t.Errorf("value %q gives the subject %q, which does not match %s", value, subject, s.pattern)
		}
		values := valuesOf(&ev, msgID(o, ev.Key()))
		for _, h := range values.list(nil) {
			if strings.ContainsAny(h[1], "\r\n\x00") || strings.TrimSpace(h[1]) != h[1] || h[1] == "" {
				t.Errorf("value %q gives the header %q", value, h)
			}
		}
	})
}

func TestDifferentKeysHaveDifferentMessageIDs(t *testing.T) {
	o := &Output{idPrefix: "bus:"}
	seen := map[string]string{}
	for _, key := range append(hostile(), "a b", "a_b", "a\nb", "a\tb", "a", "a ", " a", "bus:a", strings.Repeat("k", 10<<10)+"x") {
		id := msgID(o, key)
		if other, ok := seen[id]; ok {
			t.Errorf("keys %q and %q have the same message id %q", key, other, id)
		}
		if !visible(id) || len(id) > maxKey+len(o.idPrefix) {
			t.Errorf("key %q gives the message id %q", key, id)
		}
		seen[id] = key
	}
}
