// Package jq runs jq programs over events: as a filter that yields none, one or several events, and as the condition of
// `when`. The language is gojq's; docs/jq.md names what is added and what is refused.
package jq

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

// Config is what users write under `jq`: the program itself, or a mapping.
type Config struct {
	Program conf.Text      `conf:"program,inline" required:"true" doc:"The jq program. Each event is its input; each object that it yields goes on as an event." example:"select(.readOnly != true)"`
	Vars    map[string]any `conf:"vars" doc:"Variables of the program: name: value becomes $name." example:"{region: eu-west-1}"`
	Modules []string       `conf:"modules" doc:"Directories with module files for import and include." example:"[/etc/trailcast/jq]"`
	Timeout time.Duration  `conf:"timeout" default:"1s" doc:"How long the program may run on one event; then the event has failed."`
}

const defaultTimeout = time.Second

// Validate compiles the program.
func (c *Config) Validate() error {
	if c.Timeout < 0 {
		return conf.FieldErrorf("timeout", "%v is negative", c.Timeout)
	}
	if c.Program.Value == "" {
		return nil // said by the decoder
	}
	_, err := c.compile()
	return err
}

func (c *Config) compile() (*Program, error) {
	return Compile(c.Program, Options{Vars: c.Vars, Modules: c.Modules, Timeout: c.Timeout})
}

// Filter is a jq program as a filter. It is safe for concurrent use.
type Filter struct{ program *Program }

// New compiles the program.
func New(cfg Config, _ pipeline.Env) (*Filter, error) {
	p, err := cfg.compile()
	if err != nil {
		return nil, err
	}
	return &Filter{p}, nil
}

// Apply implements pipeline.Filter. A result that is the event itself keeps its bytes; one that is no object is an
// error, and so is a program that runs out of time.
func (f *Filter) Apply(ctx context.Context, dst []pipeline.Event, ev pipeline.Event) ([]pipeline.Event, error) {
	before, objects := len(dst), true
	done := f.program.OnBytes(&ev, func(made []byte, same bool) {
		switch {
		case same:
			dst = append(dst, ev)
		case made[0] == '{':
			dst = append(dst, ev.WithRaw(bytes.Clone(made)))
		default: // gojq tells what it is
			objects = false
		}
	})
	if done && objects {
		return dst, nil
	}
	return f.run(ctx, dst[:before], ev)
}

// Drops implements pipeline.Dropper.
func (f *Filter) Drops(ev *pipeline.Event) bool { return f.program.Drops(ev) }

// run is Apply with gojq.
func (f *Filter) run(ctx context.Context, dst []pipeline.Event, ev pipeline.Event) ([]pipeline.Event, error) {
	before := len(dst)
	var enc *Encoder
	err := f.program.Run(ctx, &ev, func(input, result any) error {
		if Same(input, result) {
			dst = append(dst, ev)
			return nil
		}
		if _, ok := result.(map[string]any); !ok {
			return fmt.Errorf("the program yields %s, but an event is an object", kindOf(result))
		}
		if enc == nil {
			enc = NewEncoder(ev.Raw, input)
		}
		dst = append(dst, ev.WithRaw(enc.Append(nil, result, f.program.order)))
		return nil
	})
	if err != nil {
		return dst[:before], fmt.Errorf("jq: %w", err)
	}
	return dst, nil
}

// Condition is a jq program as a condition: its first result decides, by jq's truth; no result is false.
type Condition struct{ program *Program }

// NewCondition compiles a condition.
func NewCondition(text conf.Text) (*Condition, error) {
	p, err := Compile(text, Options{})
	if err != nil {
		return nil, err
	}
	return &Condition{p}, nil
}

var errEnough = errors.New("first result found")

// Match implements pipeline.Condition.
func (c *Condition) Match(ctx context.Context, ev *pipeline.Event) (bool, error) {
	if t := c.program.native.condition(ev); t != pipeline.Unknown {
		return t == pipeline.Yes, nil
	}
	truth := false
	err := c.program.Run(ctx, ev, func(_, result any) error {
		truth = result != nil && result != false
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return false, fmt.Errorf("jq: %w", err)
	}
	return truth, nil
}

// sortedVars returns the names with a dollar sign, sorted, and the values in that order.
func sortedVars(vars map[string]any) (names []string, values []any) {
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		names = append(names, "$"+name)
		values = append(values, vars[name])
	}
	return names, values
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case []any:
		return fmt.Sprintf("an array of %d", len(v))
	case map[string]any:
		return "an object"
	}
	return "a number"
}
