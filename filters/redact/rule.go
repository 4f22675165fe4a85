package redact

import (
	"regexp"
	"strings"
)

// rule is a compiled pattern.
type rule struct {
	name    string
	re      *regexp.Regexp
	secret  int            // number of the group; 0 is the whole match
	open    *regexp.Regexp // a match that the end of the text cuts off inside of the secret, or behind it; nil: not known
	hints   []string       // lower-case texts of which one must stand in the text for the expression to be tried; nil: always
	session bool           // for the text of sessions only

	needs func(s string) bool // a cheap condition of a text beside the hints; nil: none
}

// newRule compiles a pattern.
func newRule(name, expr string, hints ...string) (rule, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return rule{}, err
	}
	return rule{name: name, re: re, secret: max(re.SubexpIndex(secretGroup), 0), open: opening(expr), hints: hints}, nil
}

// find adds the secrets of a text. With cut the text goes on where it ends, so that a secret may begin in it only.
func (r *rule) find(dst []span, s, replacement string, cut bool) []span {
	if r.needs != nil && !r.needs(s) {
		return dst
	}
	for _, m := range r.re.FindAllStringSubmatchIndex(s, -1) {
		dst = addSecret(dst, s, m[2*r.secret], m[2*r.secret+1], replacement)
	}
	if cut && r.open != nil {
		if m := r.open.FindStringSubmatchIndex(s); m != nil {
			dst = addSecret(dst, s, first(m[2:]), len(s), replacement)
		}
	}
	return dst
}

// has returns a condition for a character to stand in a text.
func has(c byte) func(string) bool {
	return func(s string) bool { return strings.IndexByte(s, c) >= 0 }
}

// first returns where the first group begins that takes part in a match.
func first(groups []int) int {
	for _, at := range groups {
		if at >= 0 {
			return at
		}
	}
	return -1
}

// addSecret leaves out what is replaced already, and what AWS has hidden.
func addSecret(dst []span, s string, from, to int, replacement string) []span {
	if from < 0 || from >= to || replaced(s, span{from, to}, replacement) || hidden(s[from:to]) {
		return dst
	}
	return append(dst, span{from, to})
}

// replaced reports whether a part of a text belongs to a replacement that stands there.
func replaced(s string, x span, replacement string) bool {
	if x.to-x.from > len(replacement) {
		return false
	}
	around := max(x.to-len(replacement), 0)
	i := strings.Index(s[around:min(x.from+len(replacement), len(s))], replacement)
	return i >= 0 && around+i <= x.from
}

// hidden are values that AWS has hidden itself.
func hidden(s string) bool {
	return s == "HIDDEN_DUE_TO_SECURITY_REASONS" || strings.HasPrefix(s, "Value hidden due to") || strings.Trim(s, "*") == ""
}
