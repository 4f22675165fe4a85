package redact

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

// Config is what users write under `redact`.
type Config struct {
	Defaults    bool      `conf:"defaults" doc:"Use the built-in keys and patterns: docs/redaction.md lists them."`
	Keys        []string  `conf:"keys" doc:"Names of keys whose text is replaced wherever they stand; * stands for any characters, case does not matter." example:"[\"*Password\", pin]"`
	Paths       []string  `conf:"paths" doc:"Paths whose value is replaced: keys separated by dots; * is any key or element, ** any number of them." example:"[requestParameters.tags.*.value]"`
	Patterns    []Pattern `conf:"patterns" doc:"Regular expressions for secrets in any text of an event."`
	Without     []string  `conf:"without" doc:"Names of built-in patterns that are not used." example:"[assignment, net-user]"`
	Replacement string    `conf:"replacement" default:"[REDACTED]" doc:"What stands in place of a secret."`

	SessionMemory conf.Size `conf:"session_memory" default:"16MiB" doc:"Memory for the ends of sessions' records, where a secret may go on in the next record: up to 5 KiB for each session and each of its records that is on its way. Beyond it the sessions that were heard of longest ago are forgotten."`
	RawQuarantine bool      `conf:"raw_quarantine" default:"false" doc:"Keep the text of sessions in quarantine as it came, with its secrets."`
}

// Pattern is one rule for text.
type Pattern struct {
	Name  string `conf:"name" required:"true" doc:"Name of the rule."`
	Regex string `conf:"regex" required:"true" doc:"Regular expression (RE2). A group named secret tells what is replaced; without one the whole match is." example:"token=(?P<secret>\\w+)"`
}

const (
	defaultReplacement   = "[REDACTED]"
	defaultSessionMemory = 16 << 20
)

// Validate returns all mistakes in c.
func (c *Config) Validate() error {
	_, err := c.compile()
	return err
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
	for _, name := range c.Without {
		n := len(f.rules)
		f.rules = slices.DeleteFunc(f.rules, func(r rule) bool { return r.name == name })
		if len(f.rules) == n {
			errs = append(errs, conf.FieldErrorf("without", "%q is no built-in pattern that is in use", name))
		}
	}
	if c.SessionMemory < 0 {
		errs = append(errs, conf.FieldErrorf("session_memory", "%d is negative", c.SessionMemory))
	}
	f.memory, f.rawQuarantine = newMemory(int64(cmp.Or(c.SessionMemory, defaultSessionMemory))), c.RawQuarantine
	f.keys = newKeySet(names)
	for _, p := range c.Paths {
		if p == "" || strings.Contains("."+p+".", "..") {
			errs = append(errs, conf.FieldErrorf("paths", "%q is no path: keys are separated by single dots", p))
			continue
		}
		f.paths = append(f.paths, strings.Split(p, "."))
	}
	for _, p := range c.Patterns {
		r, err := newRule(p.Name, p.Regex)
		if err != nil {
			errs = append(errs, conf.FieldErrorf("patterns", "%s: %v", p.Name, err))
			continue
		}
		if r.re.MatchString("") {
			errs = append(errs, conf.FieldErrorf("patterns", "%s: the expression matches the empty text", p.Name))
			continue
		}
		f.rules = append(f.rules, r)
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
	f.unhinted, f.general, f.key, f.prompt = 0, 0, 0, 0
	for i, r := range f.rules {
		bit := ruleSet(1) << i
		if r.hints == nil {
			f.unhinted |= bit
		}
		if !r.session {
			f.general |= bit
		}
		switch r.name {
		case privateKeyRule:
			f.key |= bit
		case promptRule:
			f.prompt |= bit
		}
	}
	f.all = ruleSet(1)<<len(f.rules) - 1
	f.hints, f.generalHints = newHints(f.rules, f.all), newHints(f.rules, f.general)
}
