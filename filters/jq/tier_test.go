package jq

import (
	"strings"
	"testing"

	"github.com/trailcast/trailcast/internal/conf"
)

func TestTiers(t *testing.T) {
	for program, want := range map[string]string{
		`select(.a == 1 and .b.c)`:              "1 .a .b.c",
		`.a.b`:                                  "1 .a.b",
		`{a, who: .u.arn}`:                      "1 .a .u.arn",
		`"\(.a) \(.b)"`:                         "1 .a .b",
		`del(.a, .b.c)`:                         "1",
		`. + {a: 1}`:                            "1",
		`.a = .b`:                               "1 .b",
		`select(.a | test("^x"; "i"))`:          "1 .a",
		`any(.r[]?; .ARN == "x")`:               "1 .r",
		`.r | any(.t == "x")`:                   "1 .r",
		`[.a[]?.b] | index("x")`:                "1 .a",
		`.a // .b // "none"`:                    "1 .a .b",
		`if .a then .b else empty end`:          "1 .a .b",
		`has("a")`:                              "1 .a",
		`cidr_contains("10.0.0.0/8"; .ip)`:      "1 .ip",
		`select(actor == "x")`:                  "1",
		`.a | startswith("x") or endswith("y")`: "1 .a",
		`.a * 2`:                                "1 .a",
		`[.a, .b.c] | @tsv`:                     "1 .a .b.c",
		`.a[1:] | ascii_downcase`:               "1 .a",
		`.a, .b`:                                "1 .a .b",
		`.a[] | .b | tonumber + 1`:              "1 .a",
		`{id: .a, arns: ([.. | strings | select(startswith("arn:"))] | unique)}`: "1 .a",
		`reduce .a[] as $x (0; . + $x)`:                                          "1 .a",
		`.a as $x | .b | map(select(. == $x)) | join(", ")`:                      "1 .a .b",
		`.a | to_entries | first(.[]) | .value`:                                  "1 .a",
		`.a | fromdate`:                                                          "2 .a",
		`select(.x) | .a | gsub("(?<l>x)"; .l)`:                                  "2 .a .x",
		`select(.x) | select(.a | sub("x"; "y")) | tostream`:                     "13 .a .x",
		`def who: .u.arn // .u.type; {a: who, b: (.b | sub("x"; ""))}`:           "1 .b .u.arn .u.type",
		`def f: if .a then .a | f else . end; f`:                                 "3",
		`{(.a): .b, c: first(.c | getpath(.x))}`:                                 "2 .a .b .c",
		`tojson | length`:                                                        "1",
		`.a |= tojson`:                                                           "1 .a",
		`tostream`:                                                               "3", `[paths]`: "1",
		`select(.a | test("x"; "x"))`: "2 .a", // a flag that gojq refuses
	} {
		var b strings.Builder
		if err := WritePlan(&b, conf.Text{Value: program}, Options{}); err != nil {
			t.Fatalf("%s: %v", program, err)
		}
		tiers, reads := "", ""
		for line := range strings.Lines(b.String()) {
			line = strings.TrimSuffix(line, "\n")
			if rest, ok := strings.CutPrefix(line, "tier "); ok {
				tiers += rest[:1]
			}
			if rest, ok := strings.CutPrefix(line, "  reads "); ok && rest != "nothing of it" {
				reads += " " + rest
			}
		}
		if got := tiers + reads; got != want {
			t.Errorf("%s: %s, want %s\n%s", program, got, want, b.String())
		}
	}
}
