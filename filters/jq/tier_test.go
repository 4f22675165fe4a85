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
		`.a * 2`:                                "2 .a",
		`select(.x) | .a * 2`:                   "12 .x .a",
		`select(.x) | select(.a * 2 > 1) | keys | length`: "13 .x",
		`keys`:                        "3",
		`..`:                          "3",
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
