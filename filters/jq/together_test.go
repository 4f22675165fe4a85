package jq

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

func outputsWhen(t testing.TB, conditions ...string) []pipeline.OutputStage {
	t.Helper()
	outputs := make([]pipeline.OutputStage, len(conditions))
	for i, text := range conditions {
		if text == "" {
			continue
		}
		c, err := NewCondition(conf.Text{Value: text})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		outputs[i].When = c
	}
	return outputs
}

// matched asks a matcher, and the conditions that it leaves open.
func matched(t testing.TB, m pipeline.Matcher, outputs []pipeline.OutputStage, ev *pipeline.Event) string {
	var went []string
	last := -1
	for _, match := range m.Match(ev, nil) {
		if match.Output <= last || match.Holds == pipeline.No {
			t.Fatalf("output %d after %d, holds %v", match.Output, last, match.Holds)
		}
		last = match.Output
		if match.Holds == pipeline.Unknown && outputs[match.Output].When != nil {
			if holds, err := outputs[match.Output].When.Match(t.Context(), ev); err != nil {
				went = append(went, fmt.Sprint(match.Output, err))
				continue
			} else if !holds {
				continue
			}
		}
		went = append(went, fmt.Sprint(match.Output))
	}
	return fmt.Sprint(went)
}

func oneByOne(t testing.TB, outputs []pipeline.OutputStage, ev *pipeline.Event) string {
	var went []string
	for i := range outputs {
		if outputs[i].When != nil {
			if holds, err := outputs[i].When.Match(t.Context(), ev); err != nil {
				went = append(went, fmt.Sprint(i, err))
				continue
			} else if !holds {
				continue
			}
		}
		went = append(went, fmt.Sprint(i))
	}
	return fmt.Sprint(went)
}

func TestConditionsTogetherDecideAsEachByItself(t *testing.T) {
	outputs := outputsWhen(t, append([]string{"", `.recipientAccountId == "111122223333"`, `.eventName == "GetObject" and .readOnly`,
		`.eventName | IN("PutObject", "GetObject", "AssumeRole")`, `.eventName == "GetObject" and .userIdentity.type.x == 1`, `.userIdentity.type == "Root"`,
		`[limit(1; .eventName)] == ["GetObject"]`, `.userIdentity.x.y == "z"`, `.eventName == "GetObject" or .errorCode == "AccessDenied"`, `true`, `false`,
		`.eventName == "GetObject" and .errorCode and .x`, `"GetObject" == .eventName`, `.eventName == 1`}, conditions...)...)
	newMatcher := Together(outputs)
	m := newMatcher()
	for _, raw := range eventBytes() {
		for _, ev := range variants(raw) {
			if got, want := matched(t, m, outputs, &ev), oneByOne(t, outputs, &ev); got != want {
				t.Fatalf("%s\n got %s\nwant %s", ev.Raw, got, want)
			}
		}
	}
	ev := pipeline.NewEvent(&pipeline.Record{Raw: []byte(`"text"`)})
	if got, want := matched(t, m, outputs, &ev), oneByOne(t, outputs, &ev); got != want {
		t.Errorf("no object:\n got %s\nwant %s", got, want)
	}
}

func TestRandomConditionsTogether(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		var texts []string
		for range 12 {
			c := make(choices, 40)
			for i := range c {
				c[i] = byte(random.Uint32())
			}
			text := c.path() + " == " + c.literal()
			if c.below(3) == 0 {
				text += " and " + c.expr(1)
			}
			if c.below(3) == 0 {
				text = c.expr(2)
			}
			if _, err := NewCondition(conf.Text{Value: text}); err == nil && !strings.Contains(text, "now") { // no two runs are at one time
				texts = append(texts, text)
			}
		}
		outputs := outputsWhen(t, texts...)
		newMatcher := Together(outputs)
		if newMatcher == nil {
			continue
		}
		m := newMatcher()
		for range 20 {
			c := make(choices, 80)
			for i := range c {
				c[i] = byte(random.Uint32())
			}
			for _, ev := range variants([]byte(c.object(3))) {
				if got, want := matched(t, m, outputs, &ev), oneByOne(t, outputs, &ev); got != want {
					t.Fatalf("%q on %s\n got %s\nwant %s", texts, ev.Raw, got, want)
				}
			}
		}
	}
}

// One condition has a matcher too: without filters it says what is not fed.
func TestOneConditionIsMatched(t *testing.T) {
	if Together(outputsWhen(t, "", `.a == 1`, `label $f | .a`)) == nil {
		t.Error("no matcher for one condition")
	}
	if Together(outputsWhen(t, "", `label $f | .a`)) != nil {
		t.Error("a matcher for what gojq must decide")
	}
}

// accounts are conditions as they are for an output for each account.
func accounts(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf(`.recipientAccountId == "%012d"`, 100_000_000_000+i)
	}
	return texts
}

func benchmarkWhens(b *testing.B, n int) {
	outputs := outputsWhen(b, accounts(n)...)
	outputs = append(outputs, outputsWhen(b, `.eventName == "none"`)...)
	m := Together(outputs)()
	events := benchEvents()
	dst := make([]pipeline.Match, 0, n)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		dst = m.Match(&events[i%len(events)], dst[:0])
		i++
	}
}

func BenchmarkWhens1(b *testing.B)   { benchmarkWhens(b, 1) }
func BenchmarkWhens100(b *testing.B) { benchmarkWhens(b, 100) }

// BenchmarkWhens100OneByOne asks each condition by itself, as it was done without Together.
func BenchmarkWhens100OneByOne(b *testing.B) {
	outputs := outputsWhen(b, accounts(100)...)
	events := benchEvents()
	i := 0
	for b.Loop() {
		for k := range outputs {
			_, _ = outputs[k].When.Match(b.Context(), &events[i%len(events)])
		}
		i++
	}
}

// benchEvents are generated records as the splitter hands them on.
func benchEvents() []pipeline.Event {
	g := records.New(1)
	var events []pipeline.Event
	for i := range int64(2000) {
		events = append(events, variants(g.Append(nil, i))[1])
	}
	return slices.Clip(events)
}
