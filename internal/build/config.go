// Package build turns a configuration into a running pipeline. It holds the one list of all components.
package build

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/trailcast/trailcast/filters/jq"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/yamlconf"
	"github.com/trailcast/trailcast/outputs/quarantine"
)

// Config is a configuration file.
type Config struct {
	StateDir     string            `conf:"state_dir" default:"/var/lib/trailcast" doc:"Directory for positions, quarantine and the embedded NATS server. One agent at a time uses it." example:"/var/lib/trailcast"`
	Quarantine   quarantine.Config `conf:"quarantine" doc:"Where events and pieces of input are kept that can never be delivered."`
	Limits       Limits            `conf:"limits" doc:"Bounds of what is in memory."`
	DrainTimeout time.Duration     `conf:"drain_timeout" default:"30s" doc:"How long a stop waits for confirmations. What is not confirmed by then is read again at the next start."`
	Metrics      Metrics           `conf:"metrics" doc:"Metrics and health over HTTP: /metrics, /healthz, /readyz."`
	Log          Log               `conf:"log" doc:"The agent's own log, on standard error."`
	Inputs       []Input           `conf:"inputs" required:"true" doc:"Where events come from."`
	Filters      []Filter          `conf:"filters" doc:"What happens to every event, in this order, before the outputs."`
	Outputs      []Output          `conf:"outputs" required:"true" doc:"Where events go. Each output gets every event for which its when holds."`

	errs *yamlconf.Errors // of the file; for mistakes that show when components are made
}

// Limits bound what is in memory between an input and the confirmation of the outputs.
type Limits struct {
	MaxEvents int64     `conf:"max_events_in_flight" default:"20000" doc:"Events that were read and are not settled yet. Beyond it inputs wait."`
	MaxBytes  conf.Size `conf:"max_bytes_in_flight" default:"4MiB" doc:"Bytes of these events, as they were read."`
	Workers   int       `conf:"workers" doc:"Goroutines that run filters and conditions. Default: one per processor."`
}

// Validate implements the check of package conf.
func (l *Limits) Validate() error {
	switch {
	case l.MaxEvents < 1:
		return conf.FieldErrorf("max_events_in_flight", "must be at least 1")
	case l.MaxBytes < 1:
		return conf.FieldErrorf("max_bytes_in_flight", "must be at least 1")
	case l.Workers < 0 || l.Workers > 1024:
		return conf.FieldErrorf("workers", "must be between 1 and 1024")
	}
	return nil
}

// Metrics is the HTTP server of the agent.
type Metrics struct {
	Listen string `conf:"listen" default:"127.0.0.1:9464" doc:"Address to listen on, or off. There is no access control: keep it on loopback or in a closed network." example:"127.0.0.1:9464"`
}

// Off is the value of Metrics.Listen that starts no server.
const Off = "off"

// Log configures the agent's log.
type Log struct {
	Level  string `conf:"level" default:"info" enum:"debug,info,warn,error" doc:"The least level that is logged."`
	Format string `conf:"format" default:"text" enum:"text,json" doc:"text: key=value lines; json: one object a line."`
}

// Component is the one component of an item.
type Component struct {
	Type   string // its key in the file
	Config any    // a pointer to its Config
	Node   yamlconf.Node
}

// Input is an item of inputs.
type Input struct {
	Name string `conf:"name" doc:"Name in logs, metrics and origin. Default: the component's key."`

	Component Component
	node      yamlconf.Node
}

// Filter is an item of filters.
type Filter struct {
	Name    string    `conf:"name" doc:"Name in logs, metrics and quarantine. Default: the component's key."`
	When    conf.Text `conf:"when" doc:"jq condition: events for which it does not hold pass untouched; an error counts as true." example:".eventSource == \"ssm.amazonaws.com\""`
	OnError string    `conf:"on_error" default:"quarantine" enum:"quarantine,pass,drop" doc:"What becomes of an event on which the filter fails."`

	Component Component
	node      yamlconf.Node
}

// Validate implements the check of package conf.
func (f *Filter) Validate() error { return checkCondition(f.When) }

// Output is an item of outputs.
type Output struct {
	Name     string    `conf:"name" doc:"Name in logs, metrics and quarantine, and part of the ids by which destinations recognise repeats. Default: the component's key."`
	When     conf.Text `conf:"when" doc:"jq condition: only events for which it holds go to this output. Default: all." example:".eventName | IN(\"StartSession\", \"TerminateSession\")"`
	OnError  string    `conf:"on_error" default:"send" enum:"send,skip,quarantine" doc:"What an error of when means."`
	Filters  []Filter  `conf:"filters" doc:"Filters of this output's own copy of the event."`
	Delivery string    `conf:"delivery" default:"required" enum:"required,best_effort" doc:"required: an event is settled only when this output has confirmed it; best_effort: this output never holds back an event, and drops what exceeds best_effort_buffer."`
	Buffer   conf.Size `conf:"best_effort_buffer" doc:"Bytes that may wait for a best_effort output; beyond it events are dropped and counted. Default: 16MiB." example:"16MiB"`
	Ordered  bool      `conf:"ordered" doc:"Keep the order of the events of one file or message. Slower: one write at a time."`

	Component Component
	node      yamlconf.Node
}

// Validate implements the check of package conf.
func (o *Output) Validate() error {
	var buffer error
	if o.Buffer != 0 && o.Delivery != bestEffort {
		buffer = &conf.Error{Field: "best_effort_buffer", Msg: "has no effect with delivery: required",
			Hint: "set delivery: best_effort or remove it"}
	}
	return errors.Join(checkCondition(o.When), buffer)
}

// checkCondition compiles a `when`, so that its mistakes show together with all others.
func checkCondition(when conf.Text) error {
	switch {
	case when.Pos.Line == 0:
		return nil // not given
	case strings.TrimSpace(when.Value) == "":
		return conf.FieldErrorf("when", "must not be empty")
	}
	_, err := jq.NewCondition(when)
	if detail, ok := errors.AsType[*conf.Error](err); ok {
		return &conf.Error{Pos: detail.Pos, Field: "when", Msg: detail.Msg, Hint: detail.Hint}
	}
	return err
}

const bestEffort = "best_effort"

// UnmarshalConf implements yamlconf.Unmarshaler.
func (i *Input) UnmarshalConf(d *yamlconf.Decoder, n yamlconf.Node) {
	i.node = n
	i.Component = component(d, d.Item(n, i, names(inputs)), inputs)
}

// UnmarshalConf implements yamlconf.Unmarshaler.
func (f *Filter) UnmarshalConf(d *yamlconf.Decoder, n yamlconf.Node) {
	f.node = n
	f.Component = component(d, d.Item(n, f, names(filters)), filters)
}

// UnmarshalConf implements yamlconf.Unmarshaler.
func (o *Output) UnmarshalConf(d *yamlconf.Decoder, n yamlconf.Node) {
	o.node = n
	o.Component = component(d, d.Item(n, o, names(outputs)), outputs)
}

func component[I any](d *yamlconf.Decoder, item yamlconf.Item, table map[string]factory[I]) Component {
	factory, ok := table[item.Component]
	if !ok {
		return Component{}
	}
	c := Component{Type: item.Component, Config: factory.config(), Node: item.Node}
	d.Decode(item.Node, c.Config)
	return c
}

// Load reads a configuration. file is the name that mistakes are shown with; env looks environment variables up, as
// os.LookupEnv does. A returned error is a *yamlconf.Errors with all mistakes that show without making the components;
// Check finds those in files that it names.
func Load(file string, data []byte, env func(string) (string, bool)) (*Config, error) {
	c := &Config{}
	c.errs = yamlconf.Read(file, data, env, c)
	c.nameAll(c.errs)
	if err := c.errs.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// named is what an item's name is set by.
type named struct {
	name *string
	key  string
	node yamlconf.Node
}

// nameAll gives each item without a name its component's key, with -2, -3 … where that is taken, and refuses names that
// are used twice. Inputs, filters and outputs may share names; an output's own filters are named within it.
func (c *Config) nameAll(errs *yamlconf.Errors) {
	var items []named
	for i := range c.Inputs {
		items = append(items, named{&c.Inputs[i].Name, c.Inputs[i].Component.Type, c.Inputs[i].node})
	}
	nameItems(items, errs)
	nameItems(filterNames(c.Filters), errs)
	items = nil
	for i := range c.Outputs {
		items = append(items, named{&c.Outputs[i].Name, c.Outputs[i].Component.Type, c.Outputs[i].node})
		nameItems(filterNames(c.Outputs[i].Filters), errs)
	}
	nameItems(items, errs)
}

func filterNames(filters []Filter) []named {
	var items []named
	for i := range filters {
		items = append(items, named{&filters[i].Name, filters[i].Component.Type, filters[i].node})
	}
	return items
}

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

func nameItems(items []named, errs *yamlconf.Errors) {
	taken := map[string]bool{}
	for _, item := range items {
		switch name := *item.name; {
		case name == "":
			continue
		case !validName.MatchString(name):
			errs.Add(item.node, conf.FieldErrorf("name", "%q is no name: up to 64 letters, digits, _ . -", name))
		case taken[name]:
			errs.Add(item.node, conf.FieldErrorf("name", "the name %q is used twice", name))
		}
		taken[*item.name] = true
	}
	for _, item := range items {
		if *item.name != "" || item.key == "" {
			continue
		}
		*item.name = item.key
		for i := 2; taken[*item.name]; i++ {
			*item.name = fmt.Sprintf("%s-%d", item.key, i)
		}
		taken[*item.name] = true
	}
}

// quarantine returns where the quarantine is: by default in the state directory.
func (c *Config) quarantine() quarantine.Config {
	q := c.Quarantine
	if q.Path == "" {
		q.Path = filepath.Join(c.StateDir, "quarantine")
	}
	return q
}

// QuarantineDir is the directory of the quarantine.
func (c *Config) QuarantineDir() string { return c.quarantine().Path }
