package jq

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// choices makes decisions of the bytes of a fuzzer; where they end it takes the first choice.
type choices []byte

func (c *choices) below(n int) int {
	if len(*c) == 0 || n < 2 {
		return 0
	}
	b := (*c)[0]
	*c = (*c)[1:]
	return int(b) % n
}

func (c *choices) pick(of ...string) string { return of[c.below(len(of))] }

var memberNames = []string{"eventName", "userIdentity", "resources", "errorCode", "x", "y", "trailcast", "type"}

func (c *choices) key() string { return c.pick(memberNames...) }

func (c *choices) literal() string {
	return c.pick(`"a"`, `"GetObject"`, `""`, `null`, `true`, `false`, `0`, `1`, `-5`, `1.5`, `"é"`, `"\n"`, `10000000000000000000000`, `"10.0.0.1"`,
		`1e3`, `"ab"`, `"A"`, `9007199254740993`, `-0`, `"\u001f\"\\"`, `100`)
}

func (c *choices) text() string {
	return c.pick(`"a"`, `"GetObject"`, `""`, `"é"`, `"b"`, `"\n"`, `"Get"`, `"10.0.0.0/8"`, `"/"`)
}

func (c *choices) path() string {
	var b strings.Builder
	for i := range 1 + c.below(3) {
		switch c.below(8) {
		case 0:
			fmt.Fprintf(&b, ".%s?", c.key())
		case 1:
			if i == 0 {
				b.WriteByte('.')
			}
			fmt.Fprintf(&b, "[%q]", c.key())
		case 2:
			if i > 0 {
				fmt.Fprintf(&b, "[%d]", c.below(4)-2)
				continue
			}
			fallthrough
		default:
			fmt.Fprintf(&b, ".%s", c.key())
		}
	}
	return b.String()
}

func (c *choices) stream(depth int) string {
	switch c.below(8) {
	case 6:
		return "(" + c.path() + " | ..)"
	case 7:
		return "if " + c.expr(depth-1) + " then " + c.stream(depth-1) + " else empty end"
	case 0:
		return c.path() + "[]?"
	case 1:
		return c.path() + "[]"
	case 2:
		return c.path() + "[]?" + c.path()
	case 3:
		return c.expr(depth) + ", " + c.expr(depth)
	case 4:
		return c.path() + "[]? | " + c.expr(depth)
	}
	return c.expr(depth)
}

// expr is an expression of jq of which bytes decide the most.
func (c *choices) expr(depth int) string {
	if depth <= 0 {
		return c.pick(c.path(), c.path(), c.literal(), ".")
	}
	d := depth - 1
	switch c.below(62) {
	case 0, 1:
		return c.path()
	case 2:
		return c.literal()
	case 3, 4, 5:
		return "(" + c.expr(d) + c.pick(" == ", " != ", " < ", " <= ", " > ", " >= ") + c.expr(d) + ")"
	case 6:
		return "(" + c.expr(d) + c.pick(" and ", " or ", " // ") + c.expr(d) + ")"
	case 7:
		return "(" + c.expr(d) + " | " + c.expr(d) + ")"
	case 8:
		return "(" + c.expr(d) + " | not)"
	case 9:
		return "(" + c.expr(d) + " | " + c.pick("startswith", "endswith", "contains", "inside", "ltrimstr", "rtrimstr", "index", "has", "test") + "(" + c.text() + "))"
	case 10:
		return "(" + c.expr(d) + " | " + c.pick("type", "length", "tostring", "@json", "@text", "ascii_downcase", "ascii_upcase", "strings", "values", "scalars", "nulls", "objects", "arrays", "numbers", "booleans", "iterables", "any", "all") + ")"
	case 11:
		return "(" + c.path() + " | IN(" + c.literal() + ", " + c.literal() + ", " + c.literal() + "))"
	case 12:
		return c.pick("any", "all") + "(" + c.stream(d) + "; " + c.expr(d) + ")"
	case 13:
		return "(" + c.path() + " | " + c.pick("any", "all") + "(" + c.expr(d) + "))"
	case 14:
		return "([" + c.stream(d) + "] | " + c.pick(`index("a")`, "any", "all", `index("GetObject")`, "length") + ")"
	case 15:
		return "select(" + c.expr(d) + ")"
	case 16:
		return "(" + c.expr(d) + ")?"
	case 17:
		return "if " + c.expr(d) + " then " + c.expr(d) + c.pick("", " elif "+c.expr(d)+" then "+c.expr(d)) + c.pick("", " else "+c.expr(d)) + " end"
	case 18, 19:
		return "{" + c.member(d) + ", " + c.member(d) + "}"
	case 20:
		return "[" + c.stream(d) + "]"
	case 21:
		return `"` + c.pick("", "x ", `\n`) + `\(` + c.expr(d) + `)` + c.pick("", " - ", `\u00e9`) + `\(` + c.expr(d) + `)"`
	case 22:
		return `"\(` + c.expr(d) + `)"`
	case 23:
		return "try " + c.path()
	case 24:
		return "(" + c.expr(d) + " | test(" + c.pick(`"^Get"`, `"a|b"`, `"["`, `"É"`) + "; " + c.pick(`"i"`, `"g"`, `"x"`, `"m"`, `null`) + "))"
	case 25:
		return "cidr_contains(" + c.pick(`"10.0.0.0/8"`, `["10.0.0.0/8", "::/0"]`, `"x"`) + "; " + c.expr(d) + ")"
	case 26:
		return "(" + c.path() + " | " + c.expr(d) + ")"
	case 27:
		return "(" + c.path() + ")" + c.path()
	case 28:
		return "(" + c.path() + " == " + c.literal() + " or " + c.path() + " == " + c.literal() + ")"
	case 29:
		return c.pick("account", "actor", "service", "empty", "error", "$team", "keys", "now | type")
	case 30:
		return "del(" + c.path() + c.pick("", ", "+c.path()) + ")"
	case 31:
		return "(. + {" + c.member(d) + c.pick("", ", "+c.member(d)) + "})"
	case 32:
		return "(" + c.path() + " = " + c.expr(d) + ")"
	case 33:
		return "(" + c.path() + " as $v | " + c.pick("$v", c.expr(d), "[$v, "+c.expr(d)+"]") + ")"
	case 34:
		return "(reduce " + c.path() + "[]? as $v (" + c.expr(d) + "; . + 1))"
	case 36:
		return "(" + c.stream(d) + " | " + c.expr(d) + ")"
	case 37:
		return "([" + c.stream(d) + ", " + c.stream(d) + "] | " + c.pick("@tsv", "@csv", `join("-")`, `join("\t\"")`, "unique", "sort", "add", "reverse", "min", "max", "first", "last", ".[0]", ".[1:]", ".[]", "length", "unique_by(type)", "sort_by(.x?)", "map("+c.expr(d)+")", "keys", "index(\"a\")", "contains([1])") + ")"
	case 38:
		return "(" + c.path() + " | " + c.pick("keys", "to_entries", "length", ".[]", ".[]?", "..", "tonumber", "tostring", "add", ".[:2]", ".[-3:]", ".[1:2]", `split("e")`, `join(",")`, "unique", "sort", "reverse", "max", "@tsv", "@csv", "[.[]?]", "map_values(.)", "tojson", "fromjson", "tojson | fromjson", "with_entries(select(.value != null))", "with_entries(.value |= tojson)", "with_entries(.key)?", "with_entries("+c.expr(d)+")", "map_values("+c.expr(d)+")", "walk("+c.expr(d)+")", `walk(if type == "string" then "a" else . end)`, "to_entries | from_entries", "group_by(type?)", `sub("a"; "b")`, `gsub("a"; "\"")`, `gsub("x?"; "-")`, `sub("^.|o$"; "")`, "tostring", `gsub("(?<x>[a-z])"; .x)`, `sub("a"; "b", "c")`, `test("a", "b")`, "fromdate", "ltrimstr(.)", "startswith(.x?)", "from_entries", "del(.x?)", `capture("(?<a>.)")`, "min", "first?", "last", "recurse") + ")"
	case 39:
		return "(" + c.expr(d) + c.pick(" + ", " - ", " * ", " / ", " % ") + c.expr(d) + ")"
	case 40:
		return "(" + c.stream(d) + " as $x | " + c.pick("$x", "{$x}", "[$x, "+c.expr(d)+"]", c.stream(d), "("+c.path()+" as $y | [$x, $y])", "select($x == "+c.expr(d)+")") + ")"
	case 41:
		return "reduce " + c.pick(c.path()+"[]?", "("+c.stream(d)+")") + " as $x (" + c.pick("0", "null", `""`, "[]", c.expr(d)) + "; " + c.pick(". + 1", ". + $x", "$x", ". + [$x]", c.expr(d)) + ")"
	case 42:
		return c.pick("first", "last", "add") + "(" + c.stream(d) + ")"
	case 43:
		return "[limit(" + c.pick("0", "1", "2") + "; " + c.stream(d) + ")]"
	case 44:
		return "[(" + c.path() + " | ..) | " + c.pick("strings", "numbers", "scalars", c.expr(d)) + "]" + c.pick("", " | unique", " | length", " | add")
	case 45:
		return "(" + c.stream(d) + ")?"
	case 46, 47, 48, 49, 50:
		return "(" + c.update(d) + ")"
	case 51:
		return "(" + c.pick(c.path(), c.stream(d)) + " | " + c.update(d) + ")"
	case 52, 53:
		pattern, variables := c.pattern(2)
		return "(" + c.pick(".", c.path(), c.stream(d)) + " as " + pattern + " | " + c.pick(variables, "["+variables+", "+c.expr(d)+"]", "("+c.update(d)+") | "+variables) + ")"
	case 54:
		pattern, variables := c.pattern(2)
		return c.pick("reduce ", "foreach ") + c.pick(c.path()+"[]?", "("+c.stream(d)+")") + " as " + pattern + " (" + c.pick("0", "[]", c.expr(d)) + "; " + c.pick("["+variables+"]", ". + 1", ". + [$x]", c.expr(d)) + ")"
	case 55:
		pattern, variables := c.pattern(1)
		return "[foreach " + c.pick(c.path()+"[]?", "("+c.stream(d)+")") + " as " + pattern + " (" + c.pick("0", "[]", c.expr(d)) + "; " + c.pick(". + 1", "$x", c.expr(d)) + "; " + c.pick("[., "+variables+"]", ".", "empty", c.stream(d)) + ")]"
	case 56:
		return "(try " + c.pick("("+c.stream(d)+")", "("+c.expr(d)+" | "+c.expr(d)+")", c.path(), "error", "error(\"x\")") + " catch " + c.pick(".", "null", c.literal(), "("+c.expr(d)+")", "empty") + ")"
	case 57:
		return "[" + c.pick("", c.path()+" | ", c.stream(d)+" | ") + c.pick("paths", "path(..)", "paths("+c.expr(d)+")", "paths(type == \"string\")", "paths | length", "(paths | length), "+c.expr(d)) + "]"
	case 58:
		return c.pick("getpath([\""+c.key()+"\"])", "getpath([\""+c.key()+"\", \""+c.key()+"\"])", "pick("+c.path()+")", "pick("+c.path()+", "+c.path()+")", "("+c.path()+" | pick("+c.path()+"))")
	case 59:
		return "[" + c.path() + c.pick("", "[]?") + " | " + c.pick(`splits("a|e")`, `match("[a-z]").offset`, `scan("[a-z]")`, `scan("(.)o")`, "trim", "ltrim", "flatten", "tostream", `capture("(?<a>.)"; "g")`, "abs", "implode?", "toarray", `split("a"; "g")`, "keys_unsorted", "error", `error("x")`) + c.pick("", "?") + "]"
	case 60:
		return "(" + c.expr(d) + " + {" + c.member(d) + "})"
	case 61:
		return "(" + c.path() + " // " + c.pick("error", `error("x")`, "empty") + ")"
	case 35:
		return "(" + c.expr(d) + " | " + c.pick("first(.[]?)", "map(.)", "to_entries", "tojson", "[limit(2; .[]?)]", "keys", "add", `join("-")`, `split("e")`, "@tsv", "@json", "tonumber", `sub("a"; "b")`, "fromjson", `getpath(["x"])`, "[paths]", "[..]", "with_entries(.)", "walk(.)", "walk(numbers // .)", "map_values(tostring)", "with_entries(.value = 1)", "has(0)", "recurse") + ")"
	}
	return c.pick("(def f: "+c.expr(d)+"; "+c.pick("f", "f | "+c.expr(d), "[f, f]")+")",
		"(def f: "+c.expr(d)+"; def g(f): f, "+c.path()+" | f; [g("+c.expr(d)+"), f])",
		"(def f: "+c.expr(d)+"; def g($x; y): def f: $x; [f, y, .x?, (. as $x | y)]; "+c.path()+" as $x | g("+c.expr(d)+"; $x, f))",
		"(def f: "+c.expr(d)+"; def test(x): x; "+c.path()+" | "+c.pick("test(f)", "map_values(test(.))", "f")+")")
}

// target is what stands on the left of an assignment.
func (c *choices) target() string {
	step := func() string {
		return c.pick(".x", ".y", "."+c.key(), ".x?", "[]", "[]?", ".resources[]?", "."+c.key()+"[]", `["x"]`, "."+c.key()+"."+c.key())
	}
	first := func() string {
		s := step()
		if s[0] == '[' {
			s = "." + s
		}
		return s
	}
	switch c.below(12) {
	case 0:
		return "(" + first() + ", " + first() + ")"
	case 1:
		return "(" + first() + ", " + first() + step() + ")" + step()
	case 2:
		return "(" + first() + " | select(" + c.expr(1) + "))" + c.pick("", step())
	case 3:
		return "(" + first() + " | " + first() + ")" + c.pick("", "?")
	case 4:
		return `getpath(["` + c.key() + `", "x"])` + c.pick("", "?", ".y")
	case 5:
		return c.path()
	case 6:
		return "(" + first() + step() + "?, " + first() + step() + ")"
	case 7:
		return first() + step() + step()
	}
	return first() + c.pick("", step())
}

// update is an assignment, or del.
func (c *choices) update(depth int) string {
	d := max(depth-1, 0)
	switch c.below(8) {
	case 0:
		return c.target() + " = " + c.pick(c.expr(d), "("+c.stream(d)+")", "empty")
	case 1, 2:
		return c.target() + c.pick(" += ", " -= ", " *= ", " /= ", " %= ", " //= ") + c.pick("1", "2", "null", `"a"`, "[1]", `{"x": 1}`, c.expr(d), "("+c.stream(d)+")", "empty")
	case 3:
		return "del(" + c.target() + ")"
	case 4:
		return "del(" + c.target() + ", " + c.target() + ")"
	}
	return c.target() + " |= " + c.pick("ascii_downcase", "ascii_downcase?", "tojson", "empty", "(.x, .y)", "(.[]?)", "select(type == \"string\")", "(. // 1)", "length", "with_entries(.value |= tojson)",
		"map_values(.)", "{y: .}", "[.]", ".x?", "fromjson?", "(1, 2)", "("+c.expr(d)+")", "("+c.stream(d)+")", "("+c.update(d)+")")
}

// pattern is one of as, reduce and foreach, and the variables that it binds, $x among them.
func (c *choices) pattern(depth int) (pattern, variables string) {
	switch c.below(8) {
	case 0:
		return "[$x, $y]", "$x, $y"
	case 1:
		return "{$x}", "$x"
	case 2:
		return "{" + c.key() + ": $x, y: $y}", "$x, $y"
	case 3:
		return `{"` + c.key() + `": $x, $y}`, "$x, $y"
	case 4:
		if depth > 0 {
			p, v := c.pattern(depth - 1)
			return "{$y: " + p + "}", "$y, " + v
		}
	case 5:
		if depth > 0 {
			p, v := c.pattern(depth - 1)
			return "[$y, " + p + "]", "$y, " + v
		}
	case 6:
		if depth > 0 {
			p, v := c.pattern(depth - 1)
			return "{" + c.key() + ": " + p + ", $type}", "$type, " + v
		}
	}
	return "$x", "$x"
}

func (c *choices) member(depth int) string {
	switch c.below(6) {
	case 4:
		return "(" + c.stream(depth) + "): " + "(" + c.stream(depth) + ")"
	case 5:
		return c.pick(`"\(`+c.expr(depth)+`)"`, "("+c.path()+" | tostring)") + ": (" + c.expr(depth) + ")"
	case 0:
		return c.key()
	case 1:
		return fmt.Sprintf("%q: %s", c.key(), c.expr(depth))
	case 2:
		return c.pick("a", "b", "z") + ": " + "(" + c.stream(depth) + ")"
	}
	return c.pick("a", "b", "z") + ": (" + c.expr(depth) + ")"
}

// program is a pipe of expressions, mostly with selects before.
func (c *choices) program() string {
	var steps []string
	for range c.below(3) {
		steps = append(steps, "select("+c.expr(2)+")")
	}
	if c.below(4) == 3 {
		return strings.Join(append(steps, c.stream(3)), " | ")
	}
	return strings.Join(append(steps, c.expr(3)), " | ")
}

// value is a JSON text, also with what writers rarely produce.
func (c *choices) value(depth int) string {
	kind := c.below(8)
	if depth <= 0 && kind > 5 {
		kind = 0
	}
	switch kind {
	case 6:
		var b strings.Builder
		b.WriteString(c.pick("[", "[ "))
		for i := range c.below(4) {
			if i > 0 {
				b.WriteString(c.pick(",", " , "))
			}
			b.WriteString(c.value(depth - 1))
		}
		return b.String() + c.pick("]", " ]")
	case 7:
		return c.object(depth - 1)
	}
	return c.pick(`null`, `true`, `false`, `"a"`, `"GetObject"`, `""`, `1`, `0`, `-5`, `1.50`, `1e3`, `-0`, `10000000000000000000000`,
		`9007199254740993`, `"\u0061"`, `"\u00e9 \/ \n"`, `"é"`, `"10.0.0.1"`, `"10"`, `1E400`, `"\ud83d\ude00x"`, `"\ud800"`, `"{\"x\":1}"`, `"A-b"`, `0.1`, `"AB"`)
}

func (c *choices) object(depth int) string {
	var b strings.Builder
	b.WriteString(c.pick("{", "{ "))
	for i := range c.below(6) {
		if i > 0 {
			b.WriteString(c.pick(",", ", "))
		}
		key := c.key()
		if c.below(8) == 7 {
			key = fmt.Sprintf(`\u%04x%s`, key[0], key[1:])
		}
		fmt.Fprintf(&b, `"%s"%s%s`, key, c.pick(":", " : "), c.value(depth))
	}
	return b.String() + "}"
}

// Whatever is decided on bytes or on a part of the event is what gojq makes of the whole event.
func FuzzProgramsAreGojqs(f *testing.F) {
	for _, program := range append(programs, conditions...) {
		f.Add(program, []byte(nil), []byte(`{"eventName":"GetObject","resources":[{"ARN":"x","type":"y"}],"userIdentity":{"type":"Root","arn":"\u0061"}}`))
	}
	for i := range 200 {
		f.Add("", fmt.Appendf(nil, "%c%d the quick brown fox %d jumps over %x", i*7, i*i, i*13, i*77), fmt.Appendf(nil, "%c%c lazy dogs %d%d", i, i*3, i, i*11))
	}
	f.Fuzz(func(t *testing.T, text string, program, event []byte) {
		if text == "" {
			text = (*choices)(&program).program()
		}
		if rawjson.Valid(event) != nil || rawjson.KindOf(event) != rawjson.Object {
			event = []byte((*choices)(&event).object(3))
		}
		differ(t, text, rawjson.ToValidUTF8(event))
	})
}

// differ fails where a program has other results on an event than gojq has on all of it.
func differ(t *testing.T, text string, raw []byte) {
	t.Helper()
	p, err := Compile(conf.Text{Value: text}, Options{Vars: map[string]any{"team": "a"}})
	if err != nil || p.endless && (strings.Contains(text, "def ") && !strings.Contains(text, "(def f: ") || strings.Contains(text, "recurse")) || strings.Contains(text, "now") {
		return
	}
	plain := plainly(p)
	for _, ev := range variants(raw) {
		whole := pipeline.NewEvent(&pipeline.Record{Raw: ev.Raw})
		whole = whole.WithFacts(ev.Facts())
		got, want := outcome(t.Context(), p, ev), outcome(t.Context(), plain, whole)
		if got != want {
			t.Fatalf("%s on %s\n got %s\nwant %s\nnative %v", text, ev.Raw, got, want, p.native.whole != nil)
		}
		if p.Drops(&ev) && want != "" {
			t.Fatalf("%s on %s is dropped, want %s", text, ev.Raw, want)
		}
		holds, err := (&Condition{p}).Match(t.Context(), &ev)
		wantHolds, wantErr := (&Condition{plain}).Match(t.Context(), &whole)
		if holds != wantHolds || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("%s as a condition on %s: %v, %v; want %v, %v", text, ev.Raw, holds, err, wantHolds, wantErr)
		}
	}
}

// Thousands of programs and events, the same ones at each run.
func TestProgramsAreGojqs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	native, all := 0, 0
	rounds := 20_000
	if testing.Short() {
		rounds = 2_000
	}
	for range rounds {
		program, event := make(choices, 60), make(choices, 120)
		for i := range program {
			program[i] = byte(random.Uint32())
		}
		for i := range event {
			event[i] = byte(random.Uint32())
		}
		text := program.program()
		if p, err := Compile(conf.Text{Value: text}, Options{Vars: map[string]any{"team": "a"}}); err == nil {
			all++
			if p.native.whole != nil {
				native++
			}
		}
		differ(t, text, []byte(event.object(3)))
	}
	t.Logf("%d of %d programs are decided on bytes", native, all)
	if native < all/4 {
		t.Errorf("only %d of %d programs are decided on bytes", native, all)
	}
}
