package jq

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

func TestPlans(t *testing.T) {
	for program, want := range map[string]string{
		`select(.a == 1)`:                        "a",
		`select(.a.b.c | test("x"))`:             "a",
		`select(.a == 1 and (.b | IN("x","y")))`: "a b",
		`select(.a) | select(.b != .c)`:          "a b c",
		`.`:                                      "",
		`{a, b: .c.d, "e", "f": 1}`:              "a c e",
		`[.a, .b[0]]`:                            "a b",
		`"\(.a) \(.b)"`:                          "a b",
		`.a // .b`:                               "a b",
		`.["a b"]`:                               "a b",
		`."a b".c`:                               "a b",
		`if .a then .b else .c end`:              "a b c",
		`if .a then .b end`:                      "a b",
		`.a as $x | select(.b == $x)`:            "a b",
		`try .a catch .`:                         "a",
		`.a | .b`:                                "a",
		`.a[.i]`:                                 "a i",
		`.a[] | select(.b) | keys`:               "a",
		`empty`:                                  "",
		`. | .a`:                                 "a",
		`(., .a) | .b`:                           "a b",
		`@base64 "\(.a)"`:                        "a",
		`-.a`:                                    "a",
		`.a?`:                                    "a",
		`{x: $v, y: .a}`:                         "a",
		`[.]`:                                    "ALL",
		`{x: .}`:                                 "ALL",
		`keys`:                                   "ALL",
		`del(.a)`:                                "ALL",
		`.a = 1`:                                 "ALL",
		`.a |= 1`:                                "ALL",
		`. == {}`:                                "ALL",
		`select(has("a"))`:                       "ALL",
		`.[]`:                                    "ALL",
		`..`:                                     "ALL",
		`tojson`:                                 "ALL",
		`@json`:                                  "ALL",
		`.[.a]`:                                  "ALL",
		`. as $x | .a`:                           "ALL",
		`. as {a: $x} | $x`:                      "ALL",
		`def f: .a; f`:                           "ALL",
		`reduce .a[] as $x (0; . + $x)`:          "a",
		`reduce .a[] as $x (.b; .c + $x)`:        "a b",
		`reduce .a[] as $x (.; .c + $x)`:         "ALL",
		`foreach .a[] as [$x] (0; . + $x; .)`:    "ALL",
		`foreach .a[] as $x (.b; . + $x; .)`:     "a b",
		`any(.a[]; .b == 1)`:                     "a",
		`any(.; .b == 1)`:                        "b",
		`select(.)`:                              "ALL",
		`path(.a)`:                               "ALL",
		`first(.a)`:                              "a",
		`if . then 1 else 2 end`:                 "ALL",
		`-.`:                                     "ALL",
		`.a[1:]`:                                 "a",
		`.[1:]`:                                  "ALL",
		`label $f | .a`:                          "ALL",
		`{"x\(.a)"}`:                             "ALL",
		`{(.k): .v}`:                             "k v",
		`error`:                                  "ALL",
		`.a + 1 | tostring`:                      "a",
		`limit(.n; .a)`:                          "a n",
		`$__loc__`:                               "",
		`.a."b"`:                                 "a",
		`.a["b"]`:                                "a",
		`.a[(.b)]`:                               "a b",
		`.a[.]`:                                  "ALL",
		`.a."\(.)"`:                              "ALL",
	} {
		q, err := gojq.Parse(program)
		if err != nil {
			t.Errorf("%s: %v", program, err)
			continue
		}
		p := planOf(q)
		got := strings.Join(p.keys, " ")
		if p.keys = slices.DeleteFunc(p.keys, func(k string) bool { return k == "a b" }); p.whole {
			got = "ALL"
		}
		if got != want {
			t.Errorf("%s reads %q, want %q", program, got, want)
		}
	}
}

// programs are such as people write, and such as nobody does.
var programs = []string{
	`.`, `select(.eventName == "x")`, `select(.readOnly != true)`, `select(.userIdentity.type | IN("Root","IAMUser"))`,
	`select(.errorCode) | {eventTime, who: .userIdentity.arn, what: .eventName}`, `[.eventName, .awsRegion]`,
	`"\(.eventTime) \(.userIdentity.arn // "nobody")"`, `.requestParameters | keys`, `.resources[]?.ARN`, `.resources[].ARN`,
	`if .errorCode then .errorMessage else .eventName end`, `.userIdentity.sessionContext.attributes as $a | {a: $a, e: .eventID}`,
	`try (.eventName | error) catch .`, `.eventName.x`, `.none.x`, `.eventTime | fromdate`, `(., .eventName) | .eventID?`,
	`{e: .}`, `keys`, `del(.userIdentity)`, `.userIdentity.type |= ascii_downcase`, `to_entries | length`, `.[]?`, `tojson`,
	`select(.eventSource | test("^s3"; "i")) | .eventName`, `.requestParameters as {bucketName: $b} | $b`, `[.. | numbers]`,
	`{(.eventName): .eventID}`, `.eventName + .awsRegion`, `-.x`, `@json "\(.userIdentity)"`, `[.eventName, .] | length`,
	`select(.a // .b // .eventID)`, `.eventName // error("none")`, `. as $e | $e.eventName`, `first(.eventName, .x)`,
	`select(.requestParameters.maxResults > 10)`, `.requestParameters.maxResults`, `any(.resources[]?; .type != null)`,
	`.trailcast.actor.arn`, `{eventName, t: .trailcast}`, `select(.trailcast.actor.arn == "x" and .eventName != null)`,
	`account`, `select(actor == service)`, `{service, eventName}`, `.["eventName"]`, `."eventName"`, `.additionalEventData?`,
}

// Every program gives the same results, and fails with the same error, on what its plan leaves as on the whole event.
func TestPlansChangeNoResult(t *testing.T) {
	events := eventBytes()
	for _, program := range programs {
		p, err := Compile(conf.Text{Value: program}, Options{})
		if err != nil {
			t.Fatalf("%s: %v", program, err)
		}
		whole := plainly(p)
		for _, raw := range events {
			for _, ev := range variants(raw) {
				want := pipeline.NewEvent(&pipeline.Record{Raw: ev.Raw})
				if got, want := outcome(t.Context(), p, ev), outcome(t.Context(), whole, want); got != want {
					t.Fatalf("%s on %.300s\n got %s\nwant %s", program, ev.Raw, got, want)
				}
			}
		}
	}
}

// plainly is a program as gojq runs it on the whole event.
func plainly(p *Program) *Program {
	plain := *p
	plain.native, plain.rest = &native{}, nil
	plain.whole.plan, plain.whole.planID = plan{whole: true}, "whole"
	return &plain
}

// eventBytes are generated and real records, and what is odd.
func eventBytes() [][]byte {
	var events [][]byte
	g := records.New(4)
	for i := range int64(300) {
		events = append(events, g.Append(nil, i))
	}
	for _, dir := range []string{"../../internal/demo/data", "../../../shared/data/panther", "../../../shared/data/stratus", "../../../shared/data/invictus"} {
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil
			}
			data, err := os.ReadFile(path)
			if err == nil && rawjson.Valid(data) == nil && rawjson.KindOf(data) == rawjson.Object {
				events = append(events, bytes.TrimSpace(data))
			}
			return nil
		})
	}
	events = append(events, []byte(`{}`), []byte(`{"eventID":"\u0065scaped","eventName":"GetObject","event\\u004eame":"x"}`), []byte(`{"eventName":1,"eventName":"last","\u0065ventID":"escaped"}`), []byte(`{"eventName":null,"resources":{"a":1},"userIdentity":[1]}`))
	return events
}

// variants are an event as it is, as the splitter recognises it, and enriched.
func variants(raw []byte) []pipeline.Event {
	var notes record.Notes
	noted := &pipeline.Record{Raw: raw, Kind: record.Recognise(raw, &notes), Notes: &notes}
	enriched := pipeline.NewEvent(noted)
	enriched = enriched.WithMember(rawjson.Add(raw, "trailcast", []byte(`{"v":1,"actor":{"arn":"x"}}`)))
	return []pipeline.Event{pipeline.NewEvent(&pipeline.Record{Raw: raw}), pipeline.NewEvent(noted), enriched}
}

// outcome is everything that a program does with an event, as text.
func outcome(ctx context.Context, p *Program, ev pipeline.Event) string {
	var b strings.Builder
	if p.OnBytes(&ev, func(made []byte, same bool) {
		if same {
			made = ev.Raw
		}
		b.Write(made)
		b.WriteByte(';')
	}) {
		return b.String()
	}
	err := p.Run(ctx, &ev, func(input, result any) error {
		if Same(input, result) {
			b.WriteString(string(ev.Raw) + ";")
			return nil
		}
		b.Write(NewEncoder(ev.Raw, input).Append(nil, result, p.Order()))
		b.WriteByte(';')
		return nil
	})
	if err != nil {
		fmt.Fprintf(&b, " error: %v", err)
	}
	return b.String()
}

// conditions are decided on bytes where that is possible.
var conditions = []string{
	`.eventName == "x"`, `.eventName != "GetObject"`, `.readOnly == true`, `.readOnly != true`, `.errorCode == null`, `.errorCode`, `.errorCode | not`,
	`.userIdentity.type == "Root"`, `.userIdentity.sessionContext.attributes.mfaAuthenticated == "false"`, `.userIdentity.type.x == "y"`,
	`.eventName.x`, `.eventName | IN("GetObject", "PutObject", "AssumeRole")`, `.readOnly | IN(true, null)`, `.resources == null or .errorCode == "x"`,
	`(.eventName == "a" or .eventName == "GetObject") and (.readOnly | not)`, `"GetObject" == .eventName`, `null != .errorCode`,
	`.eventName == "a\"b"`, `.eventName == "\u00e4"`, `."eventName" == "x"`, `.trailcast.actor.arn == "x"`, `.trailcast.v`, `.none.none.none == null`,
	`.eventID == "escaped"`, `.eventName == "last"`, `.userIdentity == "x"`, `.userIdentity`, `.resources.a.b or true`, `true and .eventName`,
	`.eventName == "" or .eventName.x.y`, `.errorCode and .eventName.x`, `(.eventName | not) | not`, `.eventName == 1`, `.eventName == .eventID`,
	`."event\\u004eame" == "GetObject"`, `."event\\u004eame" == null`, `.userIdentity."\\u0061rn" == null`, `."\\u0065ventID" == "escaped"`,
	`.eventID != "escaped"`, `.eventID == "e\u0073caped"`, `.eventID == "\\u0065scaped"`, `.eventName? == "x"`, `.resources[0] == null`, `.eventName | IN(.eventID)`, `select(.eventName == "GetObject")`, `select(.readOnly) | .eventName`,
}

func TestDecisionsOnBytesAreGojqs(t *testing.T) {
	events := eventBytes()
	native := 0
	for _, text := range conditions {
		c, err := NewCondition(conf.Text{Value: text})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if c.program.native.whole != nil {
			native++
		}
		reference := &Condition{plainly(c.program)}
		f, err := New(Config{Program: conf.Text{Value: "select(" + text + ")"}, Timeout: -1}, pipeline.Env{})
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range events {
			for _, ev := range variants(raw) {
				got, gotErr := c.Match(t.Context(), &ev)
				want, wantErr := reference.Match(t.Context(), &ev)
				if got != want || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
					t.Fatalf("%s on %.300s: %v, %v; want %v, %v", text, ev.Raw, got, gotErr, want, wantErr)
				}
				passed, err := f.Apply(t.Context(), nil, ev)
				if (len(passed) > 0) != want || (err == nil) != (wantErr == nil) || len(passed) > 1 {
					if !strings.Contains(text, "select") { // its result is the event, or none
						t.Fatalf("select(%s) on %.300s: %d, %v; want %v, %v", text, ev.Raw, len(passed), err, want, wantErr)
					}
				}
			}
		}
	}
	if native < 25 {
		t.Errorf("only %d conditions are decided on bytes", native)
	}
}

func TestADroppedEventAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector pools forget at random")
	}
	f, err := New(Config{Program: conf.Text{Value: `select(.eventName == "none" and (.readOnly | not))`}, Timeout: -1}, pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	ev := variants(records.New(1).Append(nil, 1))[1]
	dst := make([]pipeline.Event, 0, 1)
	if n := testing.AllocsPerRun(100, func() { _, _ = f.Apply(t.Context(), dst, ev) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestWhatIsMadeOnBytesAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector pools forget at random")
	}
	ev := variants(records.New(1).Append(nil, 1))[1]
	for _, text := range []string{
		`{account: .recipientAccountId, who: .userIdentity.arn, what: .eventName}`,
		`[.eventTime, .userIdentity.arn, .eventName] | @tsv`,
		`.eventTime, .eventName`,
		`(.eventVersion | tonumber) * 100 + (.requestParameters | length)`,
		`{id: .eventID, arns: ([.. | strings | select(startswith("arn:"))] | unique)}`,
		`.userIdentity | with_entries(select(.value | type == "string"))`,
		`reduce (.resources[]?) as $r (0; . + 1)`,
		`.userIdentity.x += 1 | .resources[]?.n |= length`,
		`del(.resources[]?.ARN, .userAgent)`,
		`. as {eventName: $n, userIdentity: {arn: $a}} | {$n, $a}`,
		`foreach .resources[]? as $r (0; . + 1; [$r, .])`,
		`[paths] | length`,
	} {
		p, err := Compile(conf.Text{Value: text}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { p.OnBytes(&ev, func([]byte, bool) {}) }); n > 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}

// Conditions of many outputs that read the same share what is decoded, also at the same time.
func TestPartsAreShared(t *testing.T) {
	raw := []byte(`{"a":{"x":1},"b":2}`)
	ev := pipeline.NewEvent(&pipeline.Record{Raw: raw})
	one, err := Compile(conf.Text{Value: `select(.b) | .a | getpath(.x)`}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	two, err := Compile(conf.Text{Value: `.a`}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := ev.Decoded(newInput)
	if err != nil {
		t.Fatal(err)
	}
	in := decoded.(*input)
	if !Same(in.of(one.rest, &ev), in.of(&two.whole, &ev).value) || in.whole != nil || len(in.parts) != 1 {
		t.Errorf("%d parts, whole %v", len(in.parts), in.whole)
	}
}
