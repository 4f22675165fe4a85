package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/bench/compare/figures"
)

// elements parses an image strictly and returns the texts in it and the classes of its bars.
func elements(t *testing.T, image []byte) (texts, bars []string) {
	t.Helper()
	parser := xml.NewDecoder(bytes.NewReader(image))
	for inText := false; ; {
		token, err := parser.Token()
		if errors.Is(err, io.EOF) {
			return texts, bars
		}
		if err != nil {
			t.Fatalf("no XML: %v\n%s", err, image)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
			if token.Name.Local == "rect" {
				bars = append(bars, token.Attr[0].Value)
			}
		case xml.EndElement:
			inText = false
		case xml.CharData:
			if inText {
				texts = append(texts, string(token))
			}
		}
	}
}

func TestImage(t *testing.T) {
	rate := func(records float64) figures.Spread { return figures.Spread{Median: records} }
	texts, bars := elements(t, SVG(&figures.Report{
		Machine: figures.Machine{CPU: `a "quick" & <new> CPU`, Cores: 2, Go: "Go 1.26"}, Records: 200_000, Rounds: 5,
		Workloads: []figures.Workload{
			{Name: "job", Title: "select(.a < 1 & true)", Reference: "bare", Contenders: []figures.Contender{
				{Name: "bare", Records: rate(500_000), Ratio: &figures.Spread{Median: 1}},
				{Name: "trailcast", Ours: true, Records: rate(412_345), Ratio: &figures.Spread{Median: 0.82}},
				{Name: "zip | <tool>", Records: rate(10), Ratio: &figures.Spread{Median: 23.4}},
				{Name: "broken", Failure: "exit"},
			}},
			{Name: "nothing", Contenders: []figures.Contender{{Name: "broken", Failure: "exit"}}},
		},
	}))
	for _, want := range []string{"job", "select(.a < 1 & true)", "zip | <tool>", "500,000 records/s", "412,000 records/s · ×0.82",
		"10 records/s · ×23", `a "quick" & <new> CPU, 2 cores, Go 1.26; 200,000 records, medians of 5 rounds.`} {
		if !slices.Contains(texts, want) {
			t.Errorf("no text %q in %q", want, texts)
		}
	}
	if all := strings.Join(texts, " "); strings.Contains(all, "broken") || strings.Contains(all, "nothing") {
		t.Errorf("what has no figures is drawn: %q", texts)
	}
	if want := []string{"other", "ours", "other"}; !slices.Equal(bars, want) {
		t.Errorf("bars %q, want %q", bars, want)
	}
}

func TestImageOfNothing(t *testing.T) {
	if _, bars := elements(t, SVG(&figures.Report{})); len(bars) != 0 {
		t.Errorf("%d bars", len(bars))
	}
}
