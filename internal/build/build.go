package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/trailcast/trailcast/filters/jq"
	"github.com/trailcast/trailcast/inputs/stdin"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/statedir"
	"github.com/trailcast/trailcast/internal/yamlconf"
	"github.com/trailcast/trailcast/outputs/natsout"
	"github.com/trailcast/trailcast/outputs/natsout/embedded"
	"github.com/trailcast/trailcast/outputs/quarantine"
	"github.com/trailcast/trailcast/outputs/stdout"
	"github.com/trailcast/trailcast/pipeline"
)

// Options say how much of a configuration is built.
type Options struct {
	Log *slog.Logger // nil: nothing is logged

	Stdin  io.Reader // of stdin inputs; nil: the process's
	Stdout io.Writer // of stdout outputs; nil: the process's

	// NATSServer starts the NATS server that an output with embedded asks for; nil: such an output is refused.
	NATSServer embedded.Starter

	// Outputs are further ones, beside those of the configuration. The engine closes them.
	Outputs []pipeline.OutputStage

	// NoInputs leaves out the inputs: events come in by Agent.Engine.Open or Deliver.
	NoInputs bool

	// Quarantine is one that is open already and stays open; then no state directory is used. This is the plugin's way:
	// several instances in one process share a quarantine.
	Quarantine *quarantine.Store

	// Offline takes no lock, starts no engine and no embedded NATS server (an output that has one connects to the
	// address that it would listen on), and has no quarantine: for looking at a configuration that an agent may be
	// running. Nothing is to be written to the outputs.
	Offline bool
}

// Agent is a configuration come to life. Run or Close ends it.
type Agent struct {
	Config     *Config
	Engine     *pipeline.Engine      // nil when Offline
	Inputs     []pipeline.InputStage // none with NoInputs
	Filters    []pipeline.FilterStage
	Outputs    []pipeline.OutputStage
	Quarantine *quarantine.Store // nil when Offline

	closers []func() error // what the engine does not own, in the order of opening
}

// Check makes the filters and conditions of a configuration, and so finds the mistakes that Load can not see: files that
// can not be read. It opens no connection. The error is a *yamlconf.Errors.
func (c *Config) Check() error {
	b := newBuilder(c, Options{})
	b.filters(c.Filters, "")
	for i := range c.Outputs {
		o := &c.Outputs[i]
		b.condition(o.When, o.node)
		b.filters(o.Filters, o.Name+"/")
	}
	b.undo()
	return b.errs.Err()
}

// Build makes all components and the engine. An error is a *yamlconf.Errors when components refuse their configuration,
// with all of them in it; otherwise it is about the state directory or the quarantine. What was opened before an error
// is closed again.
func Build(c *Config, o Options) (*Agent, error) {
	b := newBuilder(c, o)
	a, err := b.build()
	if err != nil {
		b.undo()
		return nil, err
	}
	return a, nil
}

// builder collects components, and how to close them should a later one fail.
type builder struct {
	config  *Config
	options Options
	log     *slog.Logger
	errs    *yamlconf.Errors
	opened  []func() error
}

func newBuilder(c *Config, o Options) *builder {
	return &builder{config: c, options: o, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), errs: c.errs.Fresh()}
}

func (b *builder) build() (*Agent, error) {
	c := b.config
	a := &Agent{Config: c}
	// First what can be wrong in the file, then what holds locks, ports and connections.
	a.Filters = b.filters(c.Filters, "")
	for i := range c.Outputs {
		a.Outputs = append(a.Outputs, b.outputStage(&c.Outputs[i]))
	}
	if err := b.errs.Err(); err != nil {
		return nil, err
	}
	owned := len(b.opened) // filters: the engine closes them
	switch {
	case b.options.Offline:
	case b.options.Quarantine != nil:
		a.Quarantine = b.options.Quarantine
	default:
		if err := b.storage(a); err != nil {
			return nil, err
		}
	}
	storage := len(b.opened)
	for i := range c.Outputs {
		a.Outputs[i].Output = b.output(&c.Outputs[i])
	}
	a.Outputs = append(a.Outputs, b.options.Outputs...)
	if !b.options.NoInputs {
		for i := range c.Inputs {
			a.Inputs = append(a.Inputs, b.input(&c.Inputs[i]))
		}
	}
	if err := b.errs.Err(); err != nil {
		return nil, err
	}
	if b.options.Offline {
		a.closers = b.opened
		return a, nil
	}
	engine, err := pipeline.New(b.settings(a))
	if err != nil {
		return nil, err
	}
	a.Engine = engine
	a.closers = b.opened[owned:storage]
	return a, nil
}

func (b *builder) settings(a *Agent) pipeline.Settings {
	return pipeline.Settings{
		Log: b.log, Filters: a.Filters, Outputs: a.Outputs, Quarantine: a.Quarantine, NewMatcher: jq.Together(a.Outputs),
		Workers: b.config.Limits.Workers, DrainTimeout: b.config.DrainTimeout,
		MaxEvents: b.config.Limits.MaxEvents, MaxBytes: int64(b.config.Limits.MaxBytes),
	}
}

// storage opens the state directory, which keeps a second agent out, and the quarantine.
func (b *builder) storage(a *Agent) error {
	dir, err := statedir.Open(b.config.StateDir)
	if err != nil {
		return err
	}
	b.opened = append(b.opened, dir.Close)
	a.Quarantine, err = quarantine.Open(b.config.quarantine())
	if err != nil {
		return fmt.Errorf("open quarantine: %w", err)
	}
	b.opened = append(b.opened, a.Quarantine.Close)
	return nil
}

func (b *builder) filters(items []Filter, prefix string) []pipeline.FilterStage {
	var stages []pipeline.FilterStage
	for i := range items {
		f := &items[i]
		when := b.condition(f.When, f.node)
		made, err := filters[f.Component.Type].make(f.Component.Config, b.env("filter", prefix+f.Name, false))
		if err != nil {
			b.errs.Add(f.Component.Node, err)
			continue
		}
		b.closeLater(made)
		stages = append(stages, pipeline.FilterStage{
			Name: f.Name, Filter: made, When: when, OnError: pipeline.ErrorPolicy(f.OnError),
		})
	}
	return stages
}

// outputStage makes everything of an output but the output itself.
func (b *builder) outputStage(o *Output) pipeline.OutputStage {
	return pipeline.OutputStage{
		Name: o.Name, When: b.condition(o.When, o.node), OnError: pipeline.ErrorPolicy(o.OnError),
		Filters:    b.filters(o.Filters, o.Name+"/"),
		BestEffort: o.Delivery == bestEffort, BufferBytes: int64(o.Buffer), Ordered: o.Ordered,
	}
}

func (b *builder) output(o *Output) pipeline.Output {
	config := o.Component.Config
	switch c := config.(type) {
	case *natsout.Config:
		if b.options.Offline && c.Embedded != nil {
			config = withoutServer(*c)
		} else {
			copied := *c
			copied.Start = b.options.NATSServer
			config = &copied
		}
	case *stdout.Config:
		copied := *c
		copied.Writer = b.options.Stdout
		config = &copied
	}
	made, err := outputs[o.Component.Type].make(config, b.env("output", o.Name, o.Ordered))
	if err != nil {
		b.errs.Add(o.Component.Node, err)
		return nil
	}
	b.opened = append(b.opened, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return made.Close(ctx)
	})
	return made
}

// withoutServer points an output with an embedded NATS server to where that server listens.
func withoutServer(c natsout.Config) *natsout.Config {
	c.URL = []string{"nats://" + cmp.Or(c.Embedded.Listen, embedded.DefaultListen)}
	c.Embedded = nil
	return &c
}

func (b *builder) input(in *Input) pipeline.InputStage {
	config := in.Component.Config
	if c, ok := config.(*stdin.Config); ok && b.options.Stdin != nil {
		copied := *c
		copied.Reader = b.options.Stdin
		config = &copied
	}
	made, err := inputs[in.Component.Type].make(config, b.env("input", in.Name, false))
	if err != nil {
		b.errs.Add(in.Component.Node, err)
		return pipeline.InputStage{}
	}
	b.closeLater(made)
	return pipeline.InputStage{Name: in.Name, Input: made}
}

// condition compiles the `when` of an item; nil when there is none.
func (b *builder) condition(text conf.Text, item yamlconf.Node) pipeline.Condition {
	if text.Value == "" {
		return nil
	}
	c, err := jq.NewCondition(text)
	if err != nil {
		b.errs.Add(item.Field("when"), err)
		return nil
	}
	return c
}

func (b *builder) env(kind, name string, ordered bool) pipeline.Env {
	return pipeline.Env{Name: name, Log: b.log.With(kind, name), StateDir: b.config.StateDir, Ordered: ordered}
}

func (b *builder) closeLater(component any) {
	if c, ok := component.(io.Closer); ok {
		b.opened = append(b.opened, c.Close)
	}
}

// undo closes what was opened, last first.
func (b *builder) undo() {
	if err := closeAll(b.opened); err != nil {
		b.log.Warn("closing after a failed start", "err", err)
	}
	b.opened = nil
}

func closeAll(closers []func() error) error {
	var errs []error
	for i := len(closers) - 1; i >= 0; i-- {
		errs = append(errs, closers[i]())
	}
	return errors.Join(errs...)
}

// Run reads the inputs until they end or ctx does, drains, and closes everything.
func (a *Agent) Run(ctx context.Context) error {
	err := a.Engine.Run(ctx, a.Inputs)
	return errors.Join(err, a.release())
}

// Close ends an agent that was not run: it waits until what is in flight has settled or ctx ends, and closes
// everything.
func (a *Agent) Close(ctx context.Context) error {
	var err error
	if a.Engine != nil {
		for _, in := range a.Inputs {
			if c, ok := in.Input.(io.Closer); ok {
				err = errors.Join(err, c.Close())
			}
		}
		err = errors.Join(err, a.Engine.Close(ctx))
	}
	return errors.Join(err, a.release())
}

func (a *Agent) release() error {
	err := closeAll(a.closers)
	a.closers = nil
	return err
}

// Stats returns a snapshot of all counters; empty when Offline.
func (a *Agent) Stats() pipeline.Stats {
	if a.Engine == nil {
		return pipeline.Stats{}
	}
	return a.Engine.Stats()
}
