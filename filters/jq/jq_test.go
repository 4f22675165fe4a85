package jq_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/filters/jq"
	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

func event(raw string) pipeline.Event {
	b := []byte(raw)
	return pipeline.NewEvent(&pipeline.Record{Raw: b, Kind: record.KindOf(b), Reader: record.Reader{}})
}

func text(s string) conf.Text {
	return conf.Text{Value: s, Pos: conf.Pos{File: "f.yaml", Line: 3, Column: 10}}
}

func TestCases(t *testing.T) {
	defer goleak.VerifyNone(t)
	data, err := os.ReadFile("testdata/cases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, Filter, Input, Error string
		Want                       []string
	}
	if err := yaml.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			f, err := jq.New(jq.Config{Program: text(c.Filter), Timeout: 100 * time.Millisecond}, pipeline.Env{})
			if err != nil {
				t.Fatal(err)
			}
			out, err := f.Apply(t.Context(), nil, event(c.Input))
			if c.Error != "" {
				if err == nil || !strings.Contains(err.Error(), c.Error) || len(out) > 0 {
					t.Errorf("got %d events and error %v, want %q", len(out), err, c.Error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, e := range out {
				got = append(got, string(e.Raw))
			}
			if diff := cmp.Diff(append([]string{}, c.Want...), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompileErrorsHaveAPlace(t *testing.T) {
	tests := []struct{ program, want string }{
		{"select(.a ==", "f.yaml:3:22: jq: the program ends too early"},
		{".a | selct(.b)", `f.yaml:3:15: jq: function not defined: selct/1 (did you mean "select"?)`},
		{".a | $x", "f.yaml:3:15: jq: variable not defined: $x"},
		{".a ] .b", `f.yaml:3:13: jq: unexpected token "]"`},
		{".a | input", "f.yaml:3:15: jq: input/0 is not allowed here"},
		{"def f: inputs; f", "f.yaml:3:17: jq: inputs/0 is not allowed here"},
		{"$ENV.HOME", "jq: $ENV/0 is not allowed here"},
		{"env | .HOME", "f.yaml:3:10: jq: env/0 is not allowed here"},
		{"if .a then halt else . end", "f.yaml:3:21: jq: halt/0 is not allowed here"},
		{`"\(halt_error)"`, "halt_error/0 is not allowed here"},
		{"{a: debug}", "debug/0 is not allowed here"},
		{".[stderr]", "stderr/0 is not allowed here"},
		{"input_filename", "input_filename/0 is not allowed here"},
	}
	for _, tt := range tests {
		_, err := jq.Compile(text(tt.program), jq.Options{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.program, err, tt.want)
		}
	}
}

func TestConditions(t *testing.T) {
	for program, want := range map[string]bool{
		".a == 1": true, ".a": true, ".b": false, "empty": false, "false, true": false, "true, error": true, `""`: true, "0": true,
		`.s | test("^x")`: true, `.s | IN("a","xy")`: true,
	} {
		c, err := jq.NewCondition(text(program))
		if err != nil {
			t.Fatal(err)
		}
		ev := event(`{"a":1,"s":"xy"}`)
		if got, err := c.Match(t.Context(), &ev); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", program, got, err, want)
		}
	}
	c, err := jq.NewCondition(text(".a.b"))
	if err != nil {
		t.Fatal(err)
	}
	ev := event(`{"a":1}`)
	if _, err := c.Match(t.Context(), &ev); err == nil {
		t.Error("no error where no decision is possible")
	}
}

func TestVarsAndModules(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{
		"lib.jq": "def double: . * 2;", "bad.jq": "def f: input;", "data.json": `{"x": 12345678901234567890}`, "../outside.jq": "def f: 1;",
	} {
		if err := os.WriteFile(filepath.Join(dir, "..", filepath.Base(dir), name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(program string) (string, error) {
		f, err := jq.New(jq.Config{Program: text(program), Vars: map[string]any{"n": json.Number("21"), "s": "x"}, Modules: []string{dir}}, pipeline.Env{})
		if err != nil {
			return "", err
		}
		out, err := f.Apply(t.Context(), nil, event(`{}`))
		if err != nil {
			return "", err
		}
		return string(out[0].Raw), nil
	}
	for program, want := range map[string]string{
		`import "lib" as l; {n: ($n | l::double), s: $s}`: `{"n":42,"s":"x"}`,
		`include "lib"; {n: ($n | double)}`:               `{"n":42}`,
		`import "data" as $d; {x: $d[0].x}`:               `{"x":12345678901234567890}`,
	} {
		if got, err := run(program); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", program, got, err, want)
		}
	}
	for program, want := range map[string]string{
		`import "bad" as b; {n: b::f}`:                                  "not allowed",
		`import "../outside" as b; {n: b::f}`:                           "below the module directories",
		`import "/etc/passwd" as b; {n: 1}`:                             "below the module directories",
		`import "none" as b; {n: 1}`:                                    "is in none of",
		`import "lib" as b {search: "/"}; import "bad" as c; {n: c::f}`: "not allowed",
	} {
		if _, err := run(program); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", program, err, want)
		}
	}
}

func TestValidatePointsAtTheProgram(t *testing.T) {
	c := jq.Config{Program: text(".a |")}
	if e, ok := errors.AsType[*conf.Error](c.Validate()); !ok || e.Pos.Line != 3 {
		t.Errorf("got %v", c.Validate())
	}
}

func TestDecodeAgreesWithEncodingJSON(t *testing.T) {
	gen := records.New(5)
	for i := range int64(300) {
		raw := gen.Append(nil, i)
		got, err := jq.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(strings.NewReader(string(raw)))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	}
}

func FuzzCompileRun(f *testing.F) {
	for _, p := range []string{".", "select(.a)", "{a, b: .c[]}", ".. | strings", "del(.a) | keys", `"\(.a)"`, "def f: .; f", "[.[]?]", "reduce .[] as $x (0; .+1)"} {
		f.Add(p, `{"a":"\u0041","c":[1,{"d":1.50}],"a":{"x":[]}}`)
	}
	f.Fuzz(func(t *testing.T, program, input string) {
		if len(program) > 60 || !json.Valid([]byte(input)) || !strings.HasPrefix(input, "{") {
			return
		}
		filter, err := jq.New(jq.Config{Program: text(program), Timeout: 20 * time.Millisecond}, pipeline.Env{})
		if err != nil {
			return
		}
		out, err := filter.Apply(t.Context(), nil, event(input))
		if err != nil {
			return
		}
		for _, e := range out {
			if !json.Valid(e.Raw) {
				t.Errorf("%s on %s yields %s", program, input, e.Raw)
			}
		}
	})
}

func benchmark(b *testing.B, program string) {
	f, err := jq.New(jq.Config{Program: text(program)}, pipeline.Env{})
	if err != nil {
		b.Fatal(err)
	}
	gen := records.New(5)
	var raws []string
	size := 0
	for i := range int64(100) {
		raws = append(raws, string(gen.Append(nil, i)))
		size += len(raws[i])
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, raw := range raws {
			if _, err := f.Apply(b.Context(), nil, event(raw)); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkDrop(b *testing.B) { benchmark(b, `select(.eventName == "none")`) }
func BenchmarkPass(b *testing.B) { benchmark(b, `select(.eventName != "none")`) }
func BenchmarkProject(b *testing.B) {
	benchmark(b, `{eventName, who: .userIdentity.arn, p: .requestParameters}`)
}
