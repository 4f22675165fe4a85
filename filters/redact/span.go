package redact

import (
	"cmp"
	"slices"
	"strings"
)

// span is a part of a text, in bytes.
type span struct{ from, to int }

// merge sorts spans and joins those that overlap or touch: one secret is one replacement.
func merge(spans []span) []span {
	if len(spans) < 2 {
		return spans
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	merged := spans[:1]
	for _, s := range spans[1:] {
		if last := &merged[len(merged)-1]; s.from <= last.to {
			last.to = max(last.to, s.to)
		} else {
			merged = append(merged, s)
		}
	}
	return merged
}

// replace puts the replacement in place of merged spans.
func replace(s string, spans []span, replacement string) string {
	if len(spans) == 0 {
		return s
	}
	var b strings.Builder
	at := 0
	for _, x := range spans {
		b.WriteString(s[at:x.from])
		b.WriteString(replacement)
		at = x.to
	}
	b.WriteString(s[at:])
	return b.String()
}

// behind returns the parts of spans that lie behind the first n bytes, counted from there.
func behind(spans []span, n int) []span {
	kept := spans[:0]
	for _, s := range spans {
		if s.to > n {
			kept = append(kept, span{max(s.from-n, 0), s.to - n})
		}
	}
	return kept
}
