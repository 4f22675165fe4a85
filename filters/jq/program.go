package jq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

// Options say what a program may use.
type Options struct {
	Vars    map[string]any // $name: value; values as gojq takes them (nil, bool, int, float64, json.Number, string, []any, map[string]any)
	Modules []string       // directories for import and include
	Timeout time.Duration  // for one event; default 1 s, negative: none

	// Allow lifts the refusal of functions that reach outside of the event, for use at a command line.
	Allow *Runtime
}

// Runtime gives a program at the command line what it may reach.
type Runtime struct {
	Inputs        gojq.Iter // of input and inputs
	InputFilename func() any
	Environ       func() []string
	Debug         func(v any, label string) // of debug and stderr; label tells which
}

// Program is a compiled jq program. It is safe for concurrent use.
type Program struct {
	query    *gojq.Query
	native   *native
	whole    stage
	rest     *stage      // what is behind the selects that bytes decide; nil: there are none
	values   []any       // of the variables
	facts    []factsFunc // which facts are bound behind them
	order    []string    // keys of the object that the program builds at its end, as written; nil: not known
	timeout  time.Duration
	endless  bool // may run for long, so the time limit is needed
	onItsOwn bool // see OneByOne
}

// stage is what gojq runs, on what it needs of the event.
type stage struct {
	code     *gojq.Code
	plan     plan
	planID   string     // equal for equal plans
	decoders *sync.Pool // of *decoder
}

// OneByOne reports whether the program calls functions that depend on the order of its runs (input, debug, halt …), so
// that runs on several events must follow one another.
func (p *Program) OneByOne() bool { return p.onItsOwn }

// Order returns the keys of the object that the program builds at its end as they are written, for Encoder.Append.
func (p *Program) Order() []string { return p.order }

// Compile compiles a program. An error is a *conf.Error with the place of the mistake.
func Compile(text conf.Text, o Options) (*Program, error) {
	query, err := gojq.Parse(text.Value)
	if err != nil {
		return nil, parseError(text, err)
	}
	syntax := inspect(query)
	if o.Allow == nil {
		if name, arity, ok := syntax.refused(); ok {
			return nil, refusal(text, name, arity)
		}
	}
	_, _, onItsOwn := syntax.refused()
	p := &Program{query: query, onItsOwn: onItsOwn, timeout: cmp.Or(o.Timeout, defaultTimeout), endless: syntax.mayRunLong(), order: builtOrder(query)}
	names, values := sortedVars(o.Vars)
	p.values = values
	for _, f := range factsFunctions {
		if syntax.rename(f.name, f.variable) {
			names = append(names, f.variable)
			p.facts = append(p.facts, f)
		}
	}
	options := []gojq.CompilerOption{gojq.WithVariables(names), gojq.WithModuleLoader(&modules{dirs: o.Modules, strict: o.Allow == nil})}
	options = append(options, extraFunctions()...)
	if o.Allow != nil {
		options = append(options, o.Allow.options()...)
	}
	if p.whole, err = compileStage(query, options); err != nil {
		return nil, compileError(text, err)
	}
	p.native = compileNative(query, o.Vars, p.facts)
	if p.native.first != nil && p.native.whole == nil && len(p.native.after) > 0 {
		rest, err := compileStage(pipeOf(p.native.after), options)
		if err != nil {
			return nil, compileError(text, err)
		}
		p.rest = &rest
	}
	return p, nil
}

func compileStage(q *gojq.Query, options []gojq.CompilerOption) (s stage, err error) {
	s.decoders = &sync.Pool{New: func() any { return new(decoder) }}
	s.plan = planOf(q)
	s.planID = strings.Join(s.plan.keys, "\x00")
	s.code, err = gojq.Compile(q, options...)
	return s, err
}

// pipeOf is the opposite of steps.
func pipeOf(steps []*gojq.Query) *gojq.Query {
	last := len(steps) - 1
	q := steps[last]
	for i := last - 1; i >= 0; i-- {
		q = &gojq.Query{Left: steps[i], Op: gojq.OpPipe, Right: q}
	}
	return q
}

func (r *Runtime) options() []gojq.CompilerOption {
	debug := func(label string) func(any, []any) any {
		return func(v any, args []any) any {
			if r.Debug != nil {
				if len(args) > 0 {
					r.Debug(args[0], label)
				} else {
					r.Debug(v, label)
				}
			}
			return v
		}
	}
	options := []gojq.CompilerOption{
		gojq.WithFunction("input_filename", 0, 0, func(any, []any) any {
			if r.InputFilename == nil {
				return nil
			}
			return r.InputFilename()
		}),
		gojq.WithFunction("debug", 0, 1, debug("debug")),
		gojq.WithFunction("stderr", 0, 0, debug("stderr")),
	}
	if r.Inputs != nil {
		options = append(options, gojq.WithInputIter(r.Inputs))
	}
	if r.Environ != nil {
		options = append(options, gojq.WithEnvironLoader(r.Environ))
	}
	return options
}

// errTimeout is a program that ran out of time.
var errTimeout = errors.New("the program ran out of time on this event")

// Drops reports whether the program yields nothing for an event because of the selects that it begins with. It is cheap,
// and looks at the structure of the event's bytes only; false says nothing.
func (p *Program) Drops(ev *pipeline.Event) bool { return p.native.selects(ev) == pipeline.No }

// OnBytes runs the program on an event's bytes, and calls yield for each result, or reports that this is not possible.
// made is JSON and valid while yield runs; same says that the result is the event, untouched.
func (p *Program) OnBytes(ev *pipeline.Event, yield func(made []byte, same bool)) (done bool) {
	n := p.native
	if n.whole == nil {
		return false
	}
	f := n.frame(ev)
	if f == nil {
		return false
	}
	if done = f.run(n.whole); done {
		f.eachResult(yield)
	}
	n.release(f)
	return done
}

// Run runs the program on an event and yields each result together with what the program saw of the event: the event, or
// those of its members that the program reads, for Same and NewEncoder. It ends when yield returns an error. Both values are
// read-only.
func (p *Program) Run(ctx context.Context, ev *pipeline.Event, yield func(input, result any) error) error {
	s := &p.whole
	if p.rest != nil {
		switch p.native.selects(ev) {
		case pipeline.No:
			return nil
		case pipeline.Yes:
			s = p.rest
		}
	}
	shared, err := ev.Decoded(newInput)
	if err != nil {
		return err
	}
	input := shared.(*input).of(s, ev)
	return p.run(ctx, s.code, input.value, ev, func(result any) error { return yield(input, result) })
}

// RunValue runs the program on a value. ev gives the facts; it may be nil.
func (p *Program) RunValue(ctx context.Context, input any, ev *pipeline.Event, yield func(result any) error) error {
	return p.run(ctx, p.whole.code, input, ev, yield)
}

func (p *Program) run(ctx context.Context, code *gojq.Code, input any, ev *pipeline.Event, yield func(result any) error) error {
	values := p.values
	if len(p.facts) > 0 {
		values = make([]any, 0, len(p.values)+len(p.facts))
		values = append(values, p.values...)
		for _, f := range p.facts {
			if ev == nil {
				values = append(values, nil)
			} else {
				values = append(values, f.value(ev.Facts()))
			}
		}
	}
	if !p.endless {
		// Such programs end by themselves. Not to look at each step whether to stop saves gojq a fifth of its time.
		return drain(code.RunWithContext(context.Background(), input, values...), yield)
	}
	limited := newPatience(ctx, p.timeout)
	err := drain(code.RunWithContext(limited, input, values...), yield)
	if err != nil && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("%w (timeout %v)", errTimeout, p.timeout)
	}
	return err
}

func drain(iter gojq.Iter, yield func(result any) error) error {
	for {
		v, ok := iter.Next()
		if !ok {
			return nil
		}
		if err, ok := v.(error); ok {
			return err
		}
		if err := yield(v); err != nil {
			return err
		}
	}
}
