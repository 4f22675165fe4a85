package jq

import (
	"testing"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/rawjson"
)

// Drops is asked before an event is checked: whatever stands inside of it, it answers. So does OnBytes, with whatever results.
func FuzzDropsOfBrokenEvents(f *testing.F) {
	var dropping []*Program
	for _, text := range append(conditions, `any(.resources[]?; .ARN == "x")`, `.userIdentity | length > 1`, `.eventName | test("^G")`, `.eventName < .userIdentity`,
		`.resources == .userIdentity`, `[.resources[]?.type] | index("x")`, `.eventName | tostring | ascii_downcase == "a"`, `.resources[1] == "x"`) {
		p, err := Compile(conf.Text{Value: "select(" + text + ")"}, Options{})
		if err != nil {
			f.Fatal(err)
		}
		dropping = append(dropping, p)
	}
	for _, text := range append(programs, `[.eventName, .readOnly, .userIdentity?.type?] | @tsv`, `[..] | unique | length`, `[.. | scalars] | join("-")?`,
		`.userIdentity | to_entries`, `.resources[:1], .eventName[1:]`, `"\(.eventName)" + .eventID`, `.resources + [1] | sort_by(.ARN)`, `[.. | strings] | add`,
		`.resources | map(.ARN?) | @csv`, `(.eventName | tonumber) + 1`, `reduce .. as $x (0; . + ($x | length?))`, `.eventName | split("e") | last`,
		`(.eventName, .resources[]?.type?) |= tostring`, `.userIdentity.x += 1`, `del(.resources[]?.ARN?, .userIdentity.type)`, `[paths]`, `[paths(type == "string")]`,
		`. as {userIdentity: {$type}} | $type`, `[foreach .resources[]? as $r (0; . + 1; [$r, .])]`, `try (.eventName + 1) catch "none"`, `pick(.userIdentity.type)`) {
		if p, err := Compile(conf.Text{Value: text}, Options{}); err == nil && p.native.whole != nil {
			dropping = append(dropping, p)
		}
	}
	for _, raw := range []string{`{"eventName":"}`, `{"eventName":"x`, `{"a" "b"}`, `{"readOnly":tru}`, `{"resources":[{"ARN":]}`, `{"eventName":"\u00"}`, `{"userIdentity":{"type":}}`,
		`{"resources":[1 2,,]}`, `{"userIdentity":-}`, `{"resources":[[{]}]}`, `{"userIdentity":{"a":1,,"b"},"resources":{}}`} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var b rawjson.Bounds
		n, done := b.Scan(raw)
		if !done || n != len(raw) || raw[0] != '{' {
			return // no object by its structure
		}
		for _, ev := range variants(rawjson.ToValidUTF8(raw))[:2] {
			for _, p := range dropping {
				p.Drops(&ev)
				p.OnBytes(&ev, func([]byte, bool) {})
			}
		}
	})
}
