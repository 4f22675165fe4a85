package jq

import (
	regexps "regexp/syntax"
	"slices"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// substitution compiles sub and gsub of a literal expression by a literal text.
func (c *compiler) substitution(f *gojq.Func, in *node) *node {
	re, by := textOf(f.Args[0]), textOf(f.Args[1])
	if re == nil || by == nil {
		return nil
	}
	p, err := compilePattern(*re)
	if err != nil {
		return nil
	}
	if parsed, err := regexps.Parse(*re, regexps.Perl); err != nil || !matchesSomething(parsed) {
		return nil // jq finds empty matches where Go does not
	}
	return &node{op: opSubstitute, a: in, pattern: p, key: *by, all: f.Name == "gsub"}
}

// matchesSomething reports whether no match of an expression is empty, as far as that is plain to see.
func matchesSomething(re *regexps.Regexp) bool {
	switch re.Op {
	case regexps.OpLiteral, regexps.OpCharClass, regexps.OpAnyChar, regexps.OpAnyCharNotNL:
		return true
	case regexps.OpCapture, regexps.OpPlus:
		return matchesSomething(re.Sub[0])
	case regexps.OpRepeat:
		return re.Min > 0 && matchesSomething(re.Sub[0])
	case regexps.OpConcat:
		return slices.ContainsFunc(re.Sub, matchesSomething)
	case regexps.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(sub *regexps.Regexp) bool { return !matchesSomething(sub) })
	}
	return false
}

// substitute is sub, and gsub with n.all.
func (v *value) substitute(n *node) (value, status) {
	if v.kind != rawjson.String {
		return value{}, fails
	}
	if _, ok := v.plain(); v.raw != nil && !ok {
		return value{}, unknown // where nothing matches, its escapes stay
	}
	s := v.string()
	if n.pattern.texts != nil && !n.pattern.match(s) {
		return *v, found
	}
	most := 1
	if n.all {
		most = -1
	}
	places := n.pattern.regexp.FindAllStringIndex(s, most)
	if len(places) == 0 {
		return *v, found
	}
	var b strings.Builder
	from := 0
	for _, place := range places {
		b.WriteString(s[from:place[0]])
		b.WriteString(n.key)
		from = place[1]
	}
	b.WriteString(s[from:])
	return textValue(b.String()), found
}
