package jq

import (
	"strings"
	"testing"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

func TestText(t *testing.T) {
	raw := `{"b":1.0,"a":"x","eventName":"StartSession"}`
	for program, want := range map[string]string{
		`"\(.eventName)!"`:           "StartSession!",
		`.`:                          raw,
		`{z: .a, c: .b}`:             `{"z":"x","c":1.0}`,
		`.a, .b`:                     "x",
		`[.a]`:                       `["x"]`,
		`select(false)`:              "-",
		`null`:                       "-",
		`.none // empty`:             "-",
		`error("no")`:                "error",
		`.a + 1`:                     "error",
		`service`:                    "ssm",
		`"a\nb"`:                     "a\nb",
		`if .a == "x" then 5 else 6`: "compile",
		`input`:                      "compile",
	} {
		make, err := NewText(conf.Text{Value: program})
		if (err != nil) != (want == "compile") {
			t.Errorf("%s: %v", program, err)
		}
		if err != nil {
			continue
		}
		ev := pipeline.NewEvent(&pipeline.Record{Raw: []byte(raw), Kind: pipeline.KindCloudTrail, Reader: reader{}})
		got, ok, err := make(t.Context(), &ev)
		switch {
		case err != nil:
			got = "error"
			if !strings.HasPrefix(err.Error(), "jq: ") {
				t.Errorf("%s: %v", program, err)
			}
		case !ok:
			got = "-"
		}
		if got != want {
			t.Errorf("%s gives %s", program, got)
		}
	}
}

type reader struct{}

func (reader) Facts(*pipeline.Record) *pipeline.Facts {
	return &pipeline.Facts{Kind: pipeline.KindCloudTrail, Service: "ssm"}
}
func (reader) Key(*pipeline.Record) string { return "k" }
