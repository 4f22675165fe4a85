package jq

import (
	"regexp"
	regexps "regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// pattern is a regular expression. Most of those in filters are a few texts, perhaps at the beginning or the end: these are
// looked for as such, which is many times faster.
type pattern struct {
	regexp *regexp.Regexp
	texts  []string // nil: not that simple
	fold   bool     // the texts are in lower case, and case does not matter
	begin  bool
	end    bool
}

func compilePattern(expression string) (*pattern, error) {
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, err
	}
	p := &pattern{regexp: re}
	if parsed, err := regexps.Parse(expression, regexps.Perl); err == nil {
		p.simplify(parsed)
	}
	return p, nil
}

// simplify finds the texts of (^)(texts)($).
func (p *pattern) simplify(re *regexps.Regexp) {
	parts := []*regexps.Regexp{re}
	if re.Op == regexps.OpConcat {
		parts = re.Sub
	}
	if len(parts) > 0 && parts[0].Op == regexps.OpBeginText {
		p.begin, parts = true, parts[1:]
	}
	if n := len(parts); n > 0 && parts[n-1].Op == regexps.OpEndText {
		p.end, parts = true, parts[:n-1]
	}
	var t texts
	if list := t.concat(parts); !t.refused && !(t.folded && t.exact) {
		p.texts, p.fold = list, t.folded
	}
}

// texts are collected from a syntax tree.
type texts struct {
	folded  bool // some letter stands for both cases
	exact   bool // some letter does not
	refused bool
}

// maxTexts bounds what alternatives behind each other multiply to.
const maxTexts = 16

func (t *texts) of(re *regexps.Regexp) []string {
	switch re.Op {
	case regexps.OpLiteral:
		return []string{t.literal(re)}
	case regexps.OpEmptyMatch:
		return []string{""}
	case regexps.OpCapture:
		return t.of(re.Sub[0])
	case regexps.OpConcat:
		return t.concat(re.Sub)
	case regexps.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			all = append(all, t.of(sub)...)
		}
		t.refused = t.refused || len(all) > maxTexts
		return all
	}
	t.refused = true
	return nil
}

func (t *texts) concat(parts []*regexps.Regexp) []string {
	all := []string{""}
	for _, part := range parts {
		var next []string
		for _, tail := range t.of(part) {
			for _, head := range all {
				next = append(next, head+tail)
			}
		}
		if t.refused = t.refused || len(next) > maxTexts; t.refused {
			return nil
		}
		all = next
	}
	return all
}

func (t *texts) literal(re *regexps.Regexp) string {
	s := string(re.Rune)
	letters := strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf || isLetter(byte(r)) })
	switch {
	case slices.Contains(re.Rune, utf8.RuneError):
		t.refused = true // which also stands for invalid bytes
	case re.Flags&regexps.FoldCase != 0:
		t.folded = true
		t.refused = t.refused || !isASCII(s) // whose other cases are not told by a bit
		return strings.ToLower(s)
	case letters:
		t.exact = true
	}
	return s
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// match is regexp's MatchString.
func (p *pattern) match(s string) bool {
	if p.texts == nil || p.fold && !isASCII(s) { // in which some letters have a third form
		return p.regexp.MatchString(s)
	}
	for _, text := range p.texts {
		if p.matchText(s, text) {
			return true
		}
	}
	return false
}

func (p *pattern) matchText(s, text string) bool {
	switch {
	case len(s) < len(text) || p.begin && p.end && len(s) != len(text):
		return false
	case p.begin:
		return p.equal(s[:len(text)], text)
	case p.end:
		return p.equal(s[len(s)-len(text):], text)
	case !p.fold:
		return strings.Contains(s, text)
	}
	for i := 0; i+len(text) <= len(s); i++ {
		if p.equal(s[i:i+len(text)], text) {
			return true
		}
	}
	return false
}

// equal compares texts of one length.
func (p *pattern) equal(s, text string) bool {
	if !p.fold {
		return s == text
	}
	for i := range len(text) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != text[i] {
			return false
		}
	}
	return true
}
