// Package redact replaces secrets in events: values of keys that hold some, values at given paths, and what looks like
// one in any text. The text of sessions it reads as a terminal's: line by line, over the ends of records.
package redact

import (
	"bytes"
	"context"
	"fmt"

	"github.com/trailcast/trailcast/pipeline"
)

// Filter replaces secrets. It works on raw bytes: what is no secret keeps its bytes. It is safe for concurrent use.
type Filter struct {
	keys        *keySet
	paths       [][]string
	rules       []rule
	replacement string
	hints       hints
	unhinted    ruleSet // rules without hints: they may always match
	general     ruleSet // rules for any text
	all         ruleSet // rules for the text of sessions
	key, prompt ruleSet // the rules for private keys and for answers to prompts; 0 where they are switched off

	generalHints  hints // of the general rules only
	memory        *memory
	rawQuarantine bool
}

// Apply implements pipeline.Filter.
func (f *Filter) Apply(_ context.Context, dst []pipeline.Event, ev pipeline.Event) ([]pipeline.Event, error) {
	raw, err := f.redact(ev.Raw, ev)
	switch {
	case err != nil:
		return dst, fmt.Errorf("redact: %w", err)
	case raw == nil:
		return append(dst, ev), nil
	}
	return append(dst, ev.WithRaw(raw)), nil
}

// Settled implements pipeline.Settler. What ended in quarantine was said in its session all the same, so rejected does not
// count.
func (f *Filter) Settled(frame uint64, outcome pipeline.Outcome, _ []string) {
	f.memory.settled(frame, outcome)
}

// InOrder implements pipeline.Sequential: what a record of a session ends with holds for the next.
func (f *Filter) InOrder(kind pipeline.Kind) bool {
	return kind == pipeline.KindSessionLog && f.all != 0
}

// redact returns raw, which are an event's bytes at some time, with its secrets replaced; nil where it holds none.
func (f *Filter) redact(raw []byte, ev pipeline.Event) ([]byte, error) {
	e := editor{filter: f, raw: raw}
	if ev.Record.Kind == pipeline.KindSessionLog {
		session := ev // so that other events need not escape to the heap
		e.session = &session
		e.rules = f.mayMatch(raw, &f.hints, f.all)
	} else {
		e.rules = f.mayMatch(raw, &f.generalHints, f.general)
	}
	if err := e.object(raw, 0, f.paths); err != nil {
		return nil, err
	}
	if e.out == nil {
		return nil, nil
	}
	return append(e.out, raw[e.copied:]...), nil
}

// mayMatch returns the rules that may match somewhere in an event: those with a hint in it. Where characters may be
// written with escapes, all of them may.
func (f *Filter) mayMatch(raw []byte, h *hints, some ruleSet) ruleSet {
	if some == 0 {
		return 0
	}
	if bytes.Contains(raw, []byte(`\u`)) {
		return some
	}
	return some & (h.find(raw) | f.unhinted)
}
