package jq

import (
	"slices"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

// What assignments, patterns and the like make of an event on its bytes; "" is left to gojq, which gives an error or the same.
func TestOnBytes(t *testing.T) {
	tests := []struct {
		program, event string
		want           string // results with a semicolon behind each
	}{
		// |=
		{`.a |= ascii_downcase`, `{"b":1.0,"a":"AB"}`, `{"a":"ab","b":1.0};`},
		{`.a |= ascii_downcase`, `{"b":1.0}`, ``},
		{`.a |= ascii_downcase`, `{"a":null}`, ``},
		{`.a |= tojson`, `{"z":1}`, `{"a":"null","z":1};`},
		{`.a |= tojson`, `{"a":{"y":1.0,"x":[1e400]}}`, `{"a":"{\"x\":[1e400],\"y\":1.0}"};`},
		{`.a |= .`, `{"b":2,"a":1e400}`, `{"a":1e400,"b":2};`},
		{`.a |= .`, `{"b":2}`, `{"a":null,"b":2};`},
		{`.a |= .`, `{"a":1,"b":2,"a":"last"}`, `{"a":"last","b":2};`},
		{`.a |= .`, `{"\u0061":1,"b":"\u00e9"}`, `{"a":1,"b":"\u00e9"};`},
		{`.a |= empty`, `{"b":2,"a":1}`, `{"b":2};`},
		{`.a |= empty`, `{"b":2}`, ``},
		{`.a |= (.x, .y)`, `{"a":{"x":1,"y":2}}`, `{"a":1};`},
		{`.a |= (1, error)`, `{"a":2}`, `{"a":1};`},
		{`.a |= select(. > 1)`, `{"a":2,"b":0}`, `{"a":2,"b":0};`},
		{`.a |= select(. > 1)`, `{"a":1,"b":0}`, `{"b":0};`},
		{`.a.b |= length`, `{}`, `{"a":{"b":0}};`},
		{`.a.b |= length`, `{"a":null}`, `{"a":{"b":0}};`},
		{`.a.b |= length`, `{"a":"x"}`, ``},
		{`.a.b |= length`, `{"a":[1]}`, ``},
		{`.a.b? |= length`, `{"b":1,"a":"x"}`, `{"b":1,"a":"x"};`},
		{`(.a, .b) |= tojson`, `{"b":1,"a":2}`, `{"a":"2","b":"1"};`},
		{`(.a | .b, .c) |= tojson`, `{"a":{"b":1,"c":2}}`, `{"a":{"b":"1","c":"2"}};`},
		{`.a |= with_entries(.value |= tostring)`, `{"a":{"y":1,"x":{}}}`, `{"a":{"x":"{}","y":"1"}};`},
		{`.a |= map_values(empty)`, `{"a":{"y":1}}`, ``},
		{`.a[] |= empty`, `{"a":{"y":1},"b":2}`, `{"a":{},"b":2};`},
		{`.a[] |= empty`, `{"a":[1,2],"b":2}`, `{"a":[],"b":2};`},
		{`.a[] |= select(. != 2)`, `{"a":[1,2,3,2]}`, `{"a":[1,3]};`},
		{`.a[] |= . + 1`, `{"a":{"y":1,"x":2}}`, `{"a":{"x":3,"y":2}};`},
		{`.a[] |= . + 1`, `{"b":1}`, ``},
		{`.a[]? |= . + 1`, `{"b":1,"a":"x"}`, `{"b":1,"a":"x"};`},
		{`.a[]? |= . + 1`, `{"b":1, "a":{ }}`, `{"b":1, "a":{ }};`},
		{`.r[]?.n |= ascii_downcase`, `{"r":[{"n":"A","m":1},{"n":"B"}]}`, `{"r":[{"m":1,"n":"a"},{"n":"b"}]};`},
		{`.r[]?.n |= ascii_downcase`, `{"z":1,"r":null}`, `{"z":1,"r":null};`},
		{`(.r[] | select(.t == 1) | .n) |= 5`, `{"r":[{"t":1},{"t":2,"n":3}]}`, `{"r":[{"n":5,"t":1},{"t":2,"n":3}]};`},
		{`(.a | select(. == 1)) |= 5`, `{"b":0,"a":2}`, `{"b":0,"a":2};`},
		{`.x | (.a |= 1)`, `{"x":{"b":1}}`, `{"a":1,"b":1};`},
		{`getpath(["a", "b"]) |= 1`, `{"a":{"c":2}}`, `{"a":{"b":1,"c":2}};`},

		// = with iterators and several results; the right side counts where no path leads anywhere
		{`.a = (1, 2)`, `{"b":0}`, `{"a":1,"b":0};{"a":2,"b":0};`},
		{`.a = empty`, `{"b":0}`, ``},
		{`.a[] = .b`, `{"a":[1,2],"b":"x"}`, `{"a":["x","x"],"b":"x"};`},
		{`.a[]? = (.b | length | -1 * .)`, `{"b":"xy","a":0}`, `{"b":"xy","a":0};`},
		{`.a? = (.b | ascii_downcase)`, `{"b":1}`, ``},

		// += and the like
		{`.a += 1`, `{"b":0}`, `{"a":1,"b":0};`},
		{`.a += 1`, `{"a":1.0}`, `{"a":2};`},
		{`.a += 1`, `{"a":1e400}`, ``},
		{`.a += 1`, `{"a":"x"}`, ``},
		{`.a += "y"`, `{"a":"x"}`, `{"a":"xy"};`},
		{`.a += [2]`, `{"a":[1]}`, `{"a":[1,2]};`},
		{`.a += {x: 2}`, `{"a":{"y":1,"x":0}}`, `{"a":{"x":2,"y":1}};`},
		{`.a += {x: 2}`, `{}`, `{"a":{"x":2}};`},
		{`.a += (1, 2)`, `{"a":1}`, `{"a":2};{"a":3};`},
		{`.a += .b`, `{"a":1,"b":2}`, `{"a":3,"b":2};`},
		{`.a += empty`, `{"a":1}`, `;`},
		{`.a.b -= 1`, `{"a":{"b":3}}`, `{"a":{"b":2}};`},
		{`.a.b -= 1`, `{}`, ``},
		{`.a *= 2 | .a /= 4 | .a %= 2`, `{"a":6}`, `{"a":1};`},
		{`.a /= 0`, `{"a":6}`, ``},
		{`.a //= "x"`, `{"b":1}`, `{"a":"x","b":1};`},
		{`.a //= "x"`, `{"b":1,"a":false}`, `{"a":"x","b":1};`},
		{`.a //= "x"`, `{"b":1,"a":0}`, `{"a":0,"b":1};`},

		// del
		{`del(.a[].x, .b)`, `{"b":1,"a":[{"x":1,"y":2},{"y":3}]}`, `{"a":[{"y":2},{"y":3}]};`},
		{`del(.a[].x)`, `{"b":1,"a":[ {"y":3}]}`, `{"a":[{"y":3}],"b":1};`},
		{`del(.a[])`, `{"b":1}`, ``},
		{`del(.a[]?)`, `{"b":1}`, `{"b":1};`},
		{`del(.a.b)`, `{"b":1,"a":null}`, `{"a":null,"b":1};`},
		{`del(.a.b)`, `{"b":1,"c":0}`, `{"b":1,"c":0};`},
		{`del(.r[] | select(.x == 1))`, `{"r":[{"x":1},{"x":2}]}`, `{"r":[{"x":2}]};`},

		// patterns, foreach
		{`. as {a: $n, u: {b: $m}} | [$n, $m]`, `{"a":1.0,"u":{"b":"\u0061"}}`, `[1.0,"\u0061"];`},
		{`. as {a: $n, u: {b: $m}} | [$n, $m]`, `{}`, `[null,null];`},
		{`. as {u: {b: $m}} | $m`, `{"u":"x"}`, ``},
		{`.a as [$x, $y] | {$x, $y}`, `{"a":[1]}`, `{"x":1,"y":null};`},
		{`.a as [$x, $y] | {$x, $y}`, `{"a":{}}`, ``},
		{`.a[] as {$x, y: [$z]} | [$x, $z]`, `{"a":[{"x":1,"y":[2]},{"x":3}]}`, `[1,2];[3,null];`},
		{`. as {$a: {b: $c}} | [$a, $c]`, `{"a":{"b":1}}`, `[{"b":1},1];`},
		{`reduce .a[] as [$x, $y] (0; . + $x * $y)`, `{"a":[[1,2],[3,4]]}`, `14;`},
		{`foreach .a[] as $x (0; . + $x)`, `{"a":[1,2,3]}`, `1;3;6;`},
		{`foreach .a[] as {x: $y} (0; . + $y; [$y, .])`, `{"a":[{"x":1},{"x":2}]}`, `[1,1];[2,3];`},
		{`[foreach .a[] as $x (0; . + $x; select(. > 1))]`, `{"a":[1,2,3]}`, `[3,6];`},
		{`foreach .a[] as $x (0; empty)`, `{"a":[1]}`, ``},

		// paths
		{`paths`, `{"b":{"x":[null]},"a":1}`, `["a"];["b"];["b","x"];["b","x",0];`},
		{`[path(..)]`, `{"é\"":{}}`, `[[],["é\""]];`},
		{`[paths(type == "number")]`, `{"b":[1,"x",2],"a":3}`, `[["a"],["b",0],["b",2]];`},
		{`[paths(.x)]`, `{"b":1}`, ``},
		{`getpath(["a", "b"])`, `{"a":{"b":[1.0]}}`, `[1.0];`},
		{`getpath(["a", "b"])`, `{}`, `null;`},
		{`getpath(["a", "b"])`, `{"a":1}`, ``},
		{`pick(.c.y, .a, .c.x)`, `{"a":1.0,"b":2,"c":{"x":3}}`, `{"a":1.0,"c":{"x":3,"y":null}};`},

		// try, error
		{`try (.a | ascii_downcase) catch "none"`, `{"a":1}`, `"none";`},
		{`try (.a | ascii_downcase) catch .`, `{"a":"X"}`, `"x";`},
		{`try (.a | ascii_downcase) catch .`, `{"a":1}`, ``},
		{`[try (1, error, 2) catch 3]`, `{}`, `[1,3];`},
		{`.a // error("none")`, `{"a":1}`, `1;`},
		{`.a // error("none")`, `{}`, ``},
		{`[.a | scan("[a-c]")]`, `{"a":"xaybc"}`, `["a","b","c"];`},
		{`[.a | splits(", *")] | length`, `{"a":"1, 2,3"}`, `3;`},
		{`{x: 1} + .a`, `{"a":{"y":1.0,"x":2}}`, `{"x":2,"y":1.0};`},
	}
	for _, tt := range tests {
		p, err := Compile(conf.Text{Value: tt.program}, Options{})
		if err != nil {
			t.Fatalf("%s: %v", tt.program, err)
		}
		if p.native.whole == nil {
			t.Errorf("%s is left to gojq because of %s", tt.program, p.native.reason)
			continue
		}
		ev := pipeline.NewEvent(&pipeline.Record{Raw: []byte(tt.event)})
		var got strings.Builder
		if p.OnBytes(&ev, func(made []byte, same bool) {
			if same {
				made = ev.Raw
			}
			got.WriteString(string(made) + ";")
		}) && got.Len() == 0 {
			got.WriteString(";") // no result, and not left to gojq
		}
		if got.String() != tt.want && !(tt.want == "" && got.String() == ";") {
			t.Errorf("%s on %s: got %s, want %s", tt.program, tt.event, got.String(), tt.want)
		}
		if got, want := outcome(t.Context(), p, ev), outcome(t.Context(), plainly(p), ev); got != want {
			t.Errorf("%s on %s: %s, gojq %s", tt.program, tt.event, got, want)
		}
	}
}

// What these change could overlap, or is not known: gojq runs them.
func TestEditsThatAreLeftToGojq(t *testing.T) {
	for _, program := range []string{
		`(.a, .a) |= 1`, `(.a, .a.b) |= 1`, `(.a[], .a.b) |= 1`, `. |= 1`, `.a[0] |= 1`, `.a[1:] |= 1`, `(.a | if . then . else .b end) |= 1`,
		`(..) |= 1`, `.a[.b] |= 1`, `del(.)`, `. as [$x] ?// $x | $x`, `. as {(.a): $x} | $x`, `reduce .a as $x (0; 1, 2)`, `pick(.a, .a.b)`, `pick(.a[])`,
	} {
		p, err := Compile(conf.Text{Value: program}, Options{})
		if err != nil {
			t.Fatalf("%s: %v", program, err)
		}
		if p.native.whole != nil {
			t.Errorf("%s is run on bytes", program)
		}
	}
}

func TestUpdatesAreRead(t *testing.T) {
	p, err := Compile(conf.Text{Value: `.b.c |= length | del(.x) | .y = 1 | .a[].n += 1`}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, path := range p.native.read() {
		got = append(got, pathText(path))
	}
	if want := []string{".b.c"}; !slices.Equal(got, want) { // what is behind the first step is no part of the event
		t.Errorf("got %q, want %q", got, want)
	}
}
