// Package redact replaces secrets in events: values of keys that hold some, values at given paths, and what looks like
// one in any text.
package redact

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unsafe"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// Config is what users write under `redact`.
type Config struct {
	Defaults    bool      `conf:"defaults" doc:"Use the built-in keys and patterns: docs/redaction.md lists them."`
	Keys        []string  `conf:"keys" doc:"Names of keys whose text is replaced wherever they stand; * stands for any characters, case does not matter." example:"[\"*Password\", pin]"`
	Paths       []string  `conf:"paths" doc:"Paths whose value is replaced: keys separated by dots; * is any key or element, ** any number of them." example:"[requestParameters.tags.*.value]"`
	Patterns    []Pattern `conf:"patterns" doc:"Regular expressions for secrets in any text of an event."`
	Replacement string    `conf:"replacement" default:"[REDACTED]" doc:"What stands in place of a secret."`
}

// Pattern is one rule for text.
type Pattern struct {
	Name  string `conf:"name" required:"true" doc:"Name of the rule."`
	Regex string `conf:"regex" required:"true" doc:"Regular expression (RE2). A group named secret tells what is replaced; without one the whole match is." example:"token=(?P<secret>\\w+)"`
}

const defaultReplacement = "[REDACTED]"

// Validate returns all mistakes in c.
func (c *Config) Validate() error {
	_, err := c.compile()
	return err
}

// Filter replaces secrets. It works on raw bytes: what is no secret keeps its bytes. It is safe for concurrent use.
type Filter struct {
	keys        *keySet
	paths       [][]string
	rules       []rule
	replacement string
	hints       hints
	unhinted    ruleSet // rules without hints: they may always match
}

// rule is a compiled pattern.
type rule struct {
	name   string
	re     *regexp.Regexp
	secret int      // number of the group; 0 is the whole match
	hints  []string // lower-case texts of which one must stand in the text for the expression to be tried; nil: always
}

// New returns a filter.
func New(cfg Config, _ pipeline.Env) (*Filter, error) { return cfg.compile() }

func (c *Config) compile() (*Filter, error) {
	var errs []error
	f := &Filter{replacement: c.Replacement}
	if f.replacement == "" {
		f.replacement = defaultReplacement
	}
	names := c.Keys
	if c.Defaults {
		names = append(defaultKeys(), names...)
		f.rules = defaultRules()
	}
	f.keys = newKeySet(names)
	for _, p := range c.Paths {
		if p == "" || strings.Contains("."+p+".", "..") {
			errs = append(errs, conf.FieldErrorf("paths", "%q is no path: keys are separated by single dots", p))
			continue
		}
		f.paths = append(f.paths, strings.Split(p, "."))
	}
	for _, p := range c.Patterns {
		re, err := regexp.Compile(p.Regex)
		if err != nil {
			errs = append(errs, conf.FieldErrorf("patterns", "%s: %v", p.Name, err))
			continue
		}
		if re.MatchString("") {
			errs = append(errs, conf.FieldErrorf("patterns", "%s: the expression matches the empty text", p.Name))
			continue
		}
		f.rules = append(f.rules, rule{name: p.Name, re: re, secret: max(re.SubexpIndex("secret"), 0)})
	}
	if len(f.rules) > maxRules {
		errs = append(errs, conf.FieldErrorf("patterns", "more than %d patterns", maxRules-len(f.rules)+len(c.Patterns)))
		return f, errors.Join(errs...)
	}
	f.index()
	return f, errors.Join(errs...)
}

// index prepares the search for the hints of the rules.
func (f *Filter) index() {
	f.hints, f.unhinted = newHints(f.rules), 0
	for i := range f.rules {
		if f.rules[i].hints == nil {
			f.unhinted |= 1 << i
		}
	}
}

// Apply implements pipeline.Filter.
func (f *Filter) Apply(_ context.Context, dst []pipeline.Event, ev pipeline.Event) ([]pipeline.Event, error) {
	e := editor{filter: f, raw: ev.Raw}
	e.rules = f.candidates(ev.Raw)
	if err := e.object(ev.Raw, 0, f.paths); err != nil {
		return dst, fmt.Errorf("redact: %w", err)
	}
	if e.out == nil {
		return append(dst, ev), nil
	}
	return append(dst, ev.WithRaw(append(e.out, ev.Raw[e.copied:]...))), nil
}

// editor replaces values while it walks through an event.
type editor struct {
	filter *Filter
	raw    []byte
	out    []byte // nil while nothing was replaced
	copied int    // bytes of raw that are in out

	rules ruleSet // those that may match somewhere in the event
}

// candidates returns the rules that may match somewhere in an event: those with a hint in it. Where characters may be
// written with escapes, all of them may.
func (f *Filter) candidates(raw []byte) ruleSet {
	if len(f.rules) == 0 {
		return 0
	}
	if bytes.Contains(raw, []byte(`\u`)) {
		return 1<<len(f.rules) - 1
	}
	return f.hints.find(raw) | f.unhinted
}

// replace puts text in place of a value of raw.
func (e *editor) replace(value []byte, text string) {
	at := offset(e.raw, value)
	e.out = append(e.out, e.raw[e.copied:at]...)
	e.out = rawjson.AppendString(e.out, text)
	e.copied = at + len(value)
}

// object walks through the members of an object.
func (e *editor) object(raw []byte, depth int, paths [][]string) error {
	return rawjson.EachMember(raw, func(key string, value []byte) bool {
		if depth == 0 && key == "trailcast" && !names(paths, key) {
			return true // what enrichment wrote holds no secrets of its own
		}
		below, here := descend(paths, key)
		e.value(key, value, depth, below, here)
		return true
	})
}

// value replaces one value, or walks into it.
func (e *editor) value(key string, value []byte, depth int, paths [][]string, here bool) {
	if here {
		if s, ok := rawjson.Text(value); !ok || s != e.filter.replacement {
			e.replace(trim(value), e.filter.replacement)
		}
		return
	}
	switch rawjson.KindOf(value) {
	case rawjson.Object:
		_ = e.object(value, depth+1, paths) // the whole event was checked when it was split
	case rawjson.Array:
		e.array(key, value, depth+1, paths)
	case rawjson.String:
		e.text(key, value)
	}
}

func (e *editor) array(key string, raw []byte, depth int, paths [][]string) {
	block := false // inside a private key that spans elements
	_ = rawjson.EachElement(raw, func(_ int, value []byte) bool {
		below, here := descend(paths, "*")
		if rawjson.KindOf(value) == rawjson.String && !here {
			block = e.line(key, value, block)
			return true
		}
		e.value(key, value, depth, below, here)
		return true
	})
}

// line is one element of an array of texts, as the lines of a session are: a private key may span several.
func (e *editor) line(key string, value []byte, block bool) (stillBlock bool) {
	if e.rules == 0 || !block && !mentions(value, privateKeyBegin) {
		e.text(key, value)
		return false
	}
	s, _ := rawjson.Text(value)
	if !e.filter.has(privateKeyRule) {
		e.text(key, value)
		return false
	}
	if !block {
		if !privateKeyStart.MatchString(s) || privateKeyEnd.MatchString(s) {
			e.text(key, value)
			return false
		}
		e.text(key, value)
		return true
	}
	if privateKeyEnd.MatchString(s) {
		return false
	}
	if s != e.filter.replacement && s != "" {
		e.replace(trim(value), e.filter.replacement)
	}
	return true
}

func (f *Filter) has(name string) bool {
	for i := range f.rules {
		if f.rules[i].name == name {
			return true
		}
	}
	return false
}

// text replaces secrets in a string.
func (e *editor) text(key string, value []byte) {
	f := e.filter
	if f.keys.has(key) {
		s, _ := rawjson.Text(value)
		if s != "" && s != f.replacement && !hidden(s) {
			e.replace(trim(value), f.replacement)
		}
		return
	}
	if e.rules == 0 || len(value) < shortestSecret {
		return
	}
	s, _ := rawjson.Text(value)
	if redacted := e.redactText(s); redacted != s {
		e.replace(trim(value), redacted)
	}
}

// hidden are values that AWS has hidden itself.
func hidden(s string) bool {
	return s == "HIDDEN_DUE_TO_SECURITY_REASONS" || strings.HasPrefix(s, "Value hidden due to") || strings.Trim(s, "*") == ""
}

// redactText applies the patterns whose hints stand in the text.
func (e *editor) redactText(s string) string {
	f := e.filter
	some := e.rules & (f.hints.find(unsafe.Slice(unsafe.StringData(s), len(s))) | f.unhinted)
	for i := 0; some != 0; i++ {
		if some&(1<<i) != 0 {
			some &^= 1 << i
			s = f.rules[i].apply(s, f.replacement)
		}
	}
	return s
}

// apply replaces the secret of each match.
func (r *rule) apply(s, replacement string) string {
	matches := r.re.FindAllStringSubmatchIndex(s, -1)
	if matches == nil {
		return s
	}
	var b strings.Builder
	at := 0
	for _, m := range matches {
		begin, end := m[2*r.secret], m[2*r.secret+1]
		if begin < at || begin == end || s[begin:end] == replacement || strings.Contains(replacement, s[begin:end]) || hidden(s[begin:end]) {
			continue
		}
		b.WriteString(s[at:begin])
		b.WriteString(replacement)
		at = end
	}
	b.WriteString(s[at:])
	return b.String()
}
