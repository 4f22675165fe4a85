package redact

import (
	"strings"
	"unsafe"

	"github.com/trailcast/trailcast/formats/session"
)

// maxPasses bounds how often a text is searched: what stands in place of a secret may complete another match.
const maxPasses = 4

// candidates returns the rules of some that may match in a text.
func (f *Filter) candidates(s string, some ruleSet) ruleSet {
	if len(s) == 0 {
		return 0
	}
	return some & (f.hints.find(unsafe.Slice(unsafe.StringData(s), len(s))) | f.unhinted)
}

// search returns the secrets that some rules find in a text as it stands.
func (f *Filter) search(s string, some ruleSet, cut bool) []span {
	var spans []span
	for i := 0; some != 0; i++ {
		if some&(1<<i) != 0 {
			some &^= 1 << i
			spans = f.rules[i].find(spans, s, f.replacement, cut)
		}
	}
	return merge(spans)
}

// redactText replaces what the rules find in a text.
func (f *Filter) redactText(s string, some ruleSet) string {
	for range maxPasses {
		spans := f.search(s, f.candidates(s, some), false)
		if spans == nil {
			break
		}
		s = replace(s, spans, f.replacement)
	}
	return s
}

// searchLine returns the secrets in a line of a terminal's text, whatever hides them there. some are the rules that may
// match in its view.
func (f *Filter) searchLine(s string, v *view, some ruleSet, cut bool) []span {
	spans := f.search(v.text, some, cut)
	if v.at == nil {
		return spans
	}
	for i := range spans {
		spans[i] = v.raw(spans[i])
	}
	for _, part := range v.parts {
		title := s[part.from:part.to]
		for _, x := range f.search(title, f.candidates(title, f.all), false) {
			spans = append(spans, span{part.from + x.from, part.from + x.to})
		}
	}
	spans = merge(spans)
	if v.moves && f.shows(s, spans, cut) {
		return []span{{0, len(s)}}
	}
	return spans
}

// shows reports whether a terminal would show of a line a piece of a secret that the spans do not cover: of one whose name
// was typed with corrections. Where in the line its characters come from is not known then.
func (f *Filter) shows(s string, spans []span, cut bool) bool {
	shown := cleaned(s)
	secrets := f.search(shown, f.candidates(shown, f.all), cut)
	if secrets == nil {
		return false
	}
	left := cleaned(replace(s, spans, f.replacement))
	for _, x := range secrets {
		if holdsPiece(left, shown[x.from:x.to]) {
			return true
		}
	}
	return false
}

// holdsPiece reports whether a text holds four bytes of a secret in a row, or all of a shorter one.
func holdsPiece(text, secret string) bool {
	const size = 4
	if len(secret) <= size {
		return strings.Contains(text, secret)
	}
	pieces := map[string]bool{}
	for i := range len(secret) - size + 1 {
		pieces[secret[i:i+size]] = true
	}
	for i := range max(len(text)-size+1, 0) {
		if pieces[text[i:i+size]] {
			return true
		}
	}
	return false
}

// cleaned is a line as a terminal shows it.
func cleaned(s string) string {
	var lines []string
	c := session.NewCleaner(session.Settings{MaxLine: len(s) + 16}, func(line string) { lines = append(lines, line) })
	c.Write([]byte(s))
	c.Close()
	return strings.Join(lines, "\n")
}
