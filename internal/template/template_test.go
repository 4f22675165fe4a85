package template

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

// fixedFacts is a reader that gives every record the same facts.
type fixedFacts struct{ facts pipeline.Facts }

func (r fixedFacts) Facts(*pipeline.Record) *pipeline.Facts { return &r.facts }
func (r fixedFacts) Key(*pipeline.Record) string            { return "key" }

// event is made up.
func event(raw string, facts pipeline.Facts) *pipeline.Event {
	ev := pipeline.NewEvent(&pipeline.Record{
		Raw:    []byte(raw),
		Kind:   facts.Kind,
		Origin: &pipeline.Origin{Input: "trail", Tag: "cloudtrail.prod"},
		Reader: fixedFacts{facts},
	})
	return &ev
}

var facts = pipeline.Facts{
	ID: "832b82d5", Kind: pipeline.KindCloudTrail, Region: "us-east-2", Service: "ssm", Action: "StartSession",
	Outcome: "success",
	Time:    time.Date(2024, 2, 29, 23, 30, 0, 0, time.FixedZone("UTC-2", -2*3600)),
	Account: pipeline.Account{ID: "123456789012", Name: "payments prod"},
	Actor:   pipeline.Actor{Type: "AssumedRole", Role: "admin", SessionName: "jane", User: ""},
	Session: pipeline.Session{ID: "jane-0e34", Target: "i-0abc"},
}

const raw = `{"a":{"b" : [1, {"c":"x\u0041\n"}], "odd key":"o", "}":"brace", "n":null},"num":12345678901234567890.10,` +
	`"yes":true,"empty":"","dup":1,"dup":"last","aws:arn":"arn","x-amz":{"k" : [ 1,2 ]}}`

// verbatim shows values as they are.
func verbatim(dst []byte, value string) []byte {
	return append(append(append(dst, '<'), value...), '>')
}

func TestAppend(t *testing.T) {
	for text, want := range map[string]string{
		``:                        ``,
		`audit`:                   `audit`,
		`audit.{account}.x`:       `audit.<123456789012>.x`,
		`{account_name}{region}`:  `<payments prod><us-east-2>`,
		`{service}.{action}`:      `<ssm>.<StartSession>`,
		`{kind}/{outcome}`:        `<cloudtrail>/<success>`,
		`{actor}|{actor_type}`:    `<admin/jane>|<AssumedRole>`,
		`{role}{user}`:            `<admin><>`,
		`{session}{target}`:       `<jane-0e34><i-0abc>`,
		`{year}{month}{day}`:      `20240301`,
		`{date}T{hour}`:           `2024-03-01T01`,
		`{id}{tag}{input}`:        `<832b82d5><cloudtrail.prod><trail>`,
		`{{account}}`:             `{account}`,
		`{{{account}}}`:           `{<123456789012>}`,
		`{.a.b[1].c}`:             "<xA\n>",
		`{.a.b[0]}{.a.b[2]}`:      `<1><>`,
		`{.a.b}`:                  `<[1,{"c":"x\u0041\n"}]>`,
		`{.a["odd key"]}`:         `<o>`,
		`{.a.["odd key"]}`:        `<o>`,
		`{.["a"]["}"]}`:           `<brace>`,
		`{.["\u0061"].b[0]}`:      `<1>`,
		`{.a.n}`:                  `<null>`,
		`{.num}{.yes}{.empty}`:    `<12345678901234567890.10><true><>`,
		`{.dup}`:                  `<last>`,
		`{.absent}{.a.b.c}{.[0]}`: `<><><>`,
		`{.a[0]}{.num.x}`:         `<><>`,
		`{.aws:arn}{.x-amz}`:      `<arn><{"k":[1,2]}>`,
	} {
		tmpl, err := Parse(conf.Text{Value: text})
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if got := string(tmpl.Append([]byte("x"), event(raw, facts), verbatim)); got != "x"+want {
			t.Errorf("%q gives %q, want %q", text, got, "x"+want)
		}
		if tmpl.String() != text {
			t.Errorf("String() = %q, want %q", tmpl, text)
		}
	}
}

func TestShortNamesSurviveAProjectionAndPathsFollowIt(t *testing.T) {
	tmpl, err := Parse(conf.Text{Value: `{action}{.only}{.num}`})
	if err != nil {
		t.Fatal(err)
	}
	ev := event(raw, facts).WithRaw([]byte(`{"only":1}`))
	if got := string(tmpl.Append(nil, &ev, verbatim)); got != "<StartSession><1><>" {
		t.Errorf("got %q", got)
	}
}

func TestUnknownFactsAreEmptyValues(t *testing.T) {
	bare := pipeline.NewEvent(&pipeline.Record{Raw: []byte(`{}`)})
	for _, name := range Names() {
		tmpl, err := Parse(conf.Text{Value: "{" + name + "}"})
		if err != nil {
			t.Fatal(err)
		}
		want := "_"
		if name == "actor" {
			want = "unknown"
		}
		if got := string(tmpl.Append(nil, &bare, AppendToken)); got != want {
			t.Errorf("{%s} of an event without facts = %q, want %q", name, got, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string // position and beginning of each error
		hint string   // part of the first one's hint
	}{
		{`{acount}`, []string{`a.yaml:3:8: unknown template field {acount}`}, `did you mean {account}?`},
		{`x.{Account}`, []string{`a.yaml:3:10: unknown template field {Account}`}, `did you mean {account}?`},
		{`{ region }`, []string{`a.yaml:3:8: unknown template field { region }`}, `did you mean {region}?`},
		{`{eventName}`, []string{`a.yaml:3:8: unknown template field {eventName}`},
			`a field of the event is written {.eventName}`},
		{`{a b c d e f}`, []string{`a.yaml:3:8: unknown template field {a b c d e f}`}, `the names are account`},
		{`{}`, []string{`a.yaml:3:7: empty name`}, `{{`},
		{`é{  }`, []string{`a.yaml:3:8: empty name`}, ``},
		{`a{account`, []string{`a.yaml:3:8: unclosed {`}, `write {{`},
		{`{account.{region}`, []string{`a.yaml:3:7: unclosed {`}, ``},
		{`{`, []string{`a.yaml:3:7: unclosed {`}, ``},
		{`{.a["x}`, []string{`a.yaml:3:7: unclosed {`}, ``},
		{`{account}}`, []string{`a.yaml:3:16: unexpected }`}, `write }}`},
		{`{.}`, []string{`a.yaml:3:9: missing key`}, `{.userIdentity.arn}`},
		{`{.a..b}`, []string{`a.yaml:3:11: missing key`}, ``},
		{`{.a b}`, []string{`a.yaml:3:10: unexpected ' '`}, ``},
		{`{.a|.b}`, []string{`a.yaml:3:10: unexpected '|'`}, ``},
		{`{.a[x]}`, []string{`a.yaml:3:10: malformed index`}, ``},
		{`{.a[-1]}`, []string{`a.yaml:3:10: malformed index`}, ``},
		{`{.a[99999999999]}`, []string{`a.yaml:3:10: malformed index`}, ``},
		{`{.a["x"}`, []string{`a.yaml:3:10: malformed index`}, ``},
		{`{.a[}`, []string{`a.yaml:3:10: malformed index`}, ``},
		{`{x}{.a..}{`, []string{`a.yaml:3:8: unknown`, `a.yaml:3:14: missing key`, `a.yaml:3:16: unclosed`}, ``},
	} {
		_, err := Parse(conf.Text{Value: c.text, Pos: conf.Pos{File: "a.yaml", Line: 3, Column: 7}})
		if err == nil {
			t.Errorf("Parse(%q) = nil, want %q", c.text, c.want)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(c.want) {
			t.Errorf("Parse(%q) = %q, want %d errors", c.text, lines, len(c.want))
			continue
		}
		for i, line := range lines {
			if !strings.HasPrefix(line, c.want[i]) {
				t.Errorf("Parse(%q) = %q, want %q", c.text, line, c.want[i])
			}
		}
		first, ok := errors.AsType[*conf.Error](err)
		if !ok || !strings.Contains(first.Hint, c.hint) {
			t.Errorf("Parse(%q) = %#v, want a *conf.Error with the hint %q", c.text, err, c.hint)
		}
	}
}

func TestPartsAndLiteral(t *testing.T) {
	tmpl, err := Parse(conf.Text{Value: "a{{b.{account}.{.x}", Pos: conf.Pos{File: "f", Line: 1, Column: 1}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range tmpl.Parts() {
		got = append(got, p.Pos.String()+" "+p.Literal+"|"+p.Field)
	}
	want := []string{"f:1:1 a{b.|", "f:1:6 |account", "f:1:15 .|", "f:1:16 |.x"}
	if !slices.Equal(got, want) {
		t.Errorf("Parts = %q, want %q", got, want)
	}
	if _, ok := tmpl.Literal(); ok {
		t.Error("Literal says that a template with fields has none")
	}
	for text, want := range map[string]string{"": "", "a{{}}": "a{}"} {
		tmpl, err := Parse(conf.Text{Value: text})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := tmpl.Literal(); got != want || !ok {
			t.Errorf("Literal of %q = %q, %v, want %q", text, got, ok, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"audit.{account}", "{{}}", "{.a[\"}\"][0]}", "{", "{.a..}", "é{x}",
		"{.a[\"\\u0041\"]}"} {
		f.Add(s, raw)
	}
	f.Fuzz(func(t *testing.T, text, doc string) {
		tmpl, err := Parse(conf.Text{Value: text, Pos: conf.Pos{File: "f", Line: 1, Column: 1}})
		if err != nil {
			if e, ok := errors.AsType[*conf.Error](err); !ok || e.Pos.Line == 0 {
				t.Errorf("Parse(%q) = %v without a position", text, err)
			}
			return
		}
		dst := tmpl.Append(nil, event(doc, facts), AppendToken)
		if literal, ok := tmpl.Literal(); ok && literal != string(dst) {
			t.Errorf("%q: literal %q, filled %q", text, literal, dst)
		}
	})
}

func TestFactsWithoutTimeAllocateNothing(t *testing.T) {
	tmpl, err := Parse(conf.Text{Value: "audit.{account}.{region}.{service}.{action}.{.a.b[1].n}{.aws:arn}"})
	if err != nil {
		t.Fatal(err)
	}
	ev := event(raw, facts)
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { tmpl.Append(buf, ev, AppendToken) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, text := range []string{"audit.{account}.{region}.{service}.{action}",
		"archive/{account}/{date}/{hour}.ndjson"} {
		b.Run(text, func(b *testing.B) {
			tmpl, err := Parse(conf.Text{Value: text})
			if err != nil {
				b.Fatal(err)
			}
			ev := event(raw, facts)
			buf := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				tmpl.Append(buf, ev, AppendToken)
			}
		})
	}
}

func TestFillingAllocatesNothing(t *testing.T) {
	tmpl, err := Parse(conf.Text{Value: "a/{account}/{year}/{month}/{day}/{date}/{hour}/{service}.{action}"})
	if err != nil {
		t.Fatal(err)
	}
	facts := &pipeline.Facts{Account: pipeline.Account{ID: "123456789012"}, Service: "s3", Action: "GetObject",
		Time: time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3*3600))}
	ev := pipeline.Event{Raw: []byte("{}"), Record: &pipeline.Record{}}.WithFacts(facts)
	for _, escape := range []func([]byte, string) []byte{AppendToken, AppendPathSegment, AppendHeader} {
		buf := make([]byte, 0, 256)
		if n := testing.AllocsPerRun(100, func() { buf = tmpl.Append(buf[:0], &ev, escape) }); n != 0 {
			t.Errorf("%v allocations, want 0", n)
		}
		if want := "a/123456789012/2026/03/04/2026-03-04/02/s3.GetObject"; string(buf) != want {
			t.Errorf("got %s, want %s", buf, want)
		}
	}
}
