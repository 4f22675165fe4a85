package build

import (
	"path/filepath"
	"time"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/yamlconf"
	"github.com/trailcast/trailcast/outputs/natsout"
)

// PluginConfig is the configuration file of an instance of the Fluent Bit plugin: the agent's language without inputs
// and without what belongs to a process of its own.
type PluginConfig struct {
	FluentBit  FluentBit   `conf:"fluent_bit" doc:"How the records of Fluent Bit are read and answered."`
	Quarantine Quarantine  `conf:"quarantine" doc:"Where events and pieces of input are kept that can never be delivered."`
	Limits     ChunkLimits `conf:"limits" doc:"Bounds of what is in memory."`
	Filters    []Filter    `conf:"filters" doc:"What happens to every event, in this order, before the outputs."`
	Outputs    []Output    `conf:"outputs" required:"true" doc:"Where events go. Each output gets every event for which its when holds."`

	pipeline *Config
	flat     *flat // what it was made of; nil: of a file
}

// Quarantine is the quarantine of a plugin. All instances in one process that name the same directory share it.
type Quarantine struct {
	Path    string    `conf:"path" default:"/var/lib/trailcast/fluent-bit/quarantine" doc:"Directory of the entries. It is made if it is not there. One process at a time uses it, with any number of instances." example:"/var/lib/trailcast/fluent-bit/quarantine"`
	MaxSize conf.Size `conf:"max_size" default:"1GiB" doc:"Largest size of all entries. When it is reached nothing is dropped: what would have to be kept holds back its chunk."`
}

// ChunkLimits are the Limits of a plugin: chunks come whole, and Fluent Bit holds them in memory besides.
type ChunkLimits struct {
	MaxEvents int64     `conf:"max_events_in_flight" default:"20000" doc:"Events that were read and are not settled yet. Beyond it inputs wait."`
	MaxBytes  conf.Size `conf:"max_bytes_in_flight" default:"64MiB" doc:"Bytes of these events."`
	Workers   int       `conf:"workers" doc:"Goroutines that run filters and conditions. Default: one per processor."`
}

// Validate implements the check of package conf.
func (l *ChunkLimits) Validate() error { return (*Limits)(l).Validate() }

// Validate implements the check of package conf.
func (q *Quarantine) Validate() error {
	if q.MaxSize < 0 {
		return conf.FieldErrorf("max_size", "%d is negative", q.MaxSize)
	}
	return nil
}

// FluentBit is how an instance of the plugin reads records and answers Fluent Bit.
type FluentBit struct {
	Unwrap        []string      `conf:"unwrap" doc:"Names of top-level fields of a record that carry a JSON document as a string, as log does for containers and FireLens." example:"[log]"`
	Accept        []string      `conf:"accept" doc:"Kinds of events that may come out: cloudtrail, insight, session_log, other. Others go to quarantine. Default: all."`
	MaxRecord     conf.Size     `conf:"max_record" default:"64MiB" doc:"Largest record of Fluent Bit as JSON; larger ones go to quarantine."`
	FlushTimeout  time.Duration `conf:"flush_timeout" default:"4s" doc:"How long a flush waits for confirmations before it answers retry; what it handed over goes on, and the retried chunk waits for it. Keep it below Grace of Fluent Bit."`
	StatsInterval time.Duration `conf:"stats_interval" default:"1m" doc:"How often the counters are logged, when they have changed; 0 means never."`
}

// Validate implements the check of package conf.
func (f *FluentBit) Validate() error {
	if _, err := split.Kinds(f.Accept); err != nil {
		return conf.FieldErrorf("accept", "%v", err)
	}
	switch {
	case f.MaxRecord < 1:
		return conf.FieldErrorf("max_record", "must be at least 1")
	case f.FlushTimeout < 10*time.Millisecond || f.FlushTimeout > time.Hour:
		return conf.FieldErrorf("flush_timeout", "%v is not between 10ms and 1h", f.FlushTimeout)
	case f.StatsInterval < 0:
		return conf.FieldErrorf("stats_interval", "%v is negative", f.StatsInterval)
	}
	return nil
}

// Splitter returns what finds the events in Fluent Bit's records.
func (f *FluentBit) Splitter() *split.Splitter {
	kinds, _ := split.Kinds(f.Accept) // checked by Validate
	return split.New(split.Options{Accept: kinds, Unwrap: f.Unwrap})
}

// LoadPlugin reads the configuration of an instance of the Fluent Bit plugin; see Load.
func LoadPlugin(file string, data []byte, env func(string) (string, bool)) (*PluginConfig, error) {
	c := &PluginConfig{}
	errs := yamlconf.Read(file, data, env, c)
	c.pipeline = &Config{Limits: Limits(c.Limits), Filters: c.Filters, Outputs: c.Outputs, DrainTimeout: pluginDrain, errs: errs}
	c.pipeline.Quarantine.Path, c.pipeline.Quarantine.MaxSize = c.Quarantine.Path, c.Quarantine.MaxSize
	c.pipeline.StateDir = filepath.Dir(c.Quarantine.Path)
	c.pipeline.nameAll(errs)
	for i := range c.Outputs {
		o := &c.Outputs[i]
		if n, ok := o.Component.Config.(*natsout.Config); ok && n.Embedded != nil {
			errs.Add(o.Component.Node.Field("embedded"), &conf.Error{Msg: "the Fluent Bit plugin runs no NATS server", Hint: "set url instead"})
		}
	}
	if err := errs.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// pluginDrain is how long the closing of an instance waits for confirmations. Fluent Bit waits for it.
const pluginDrain = 2 * time.Second

// Pipeline is the part of the configuration that Build makes a pipeline of: filters and outputs.
func (c *PluginConfig) Pipeline() *Config { return c.pipeline }

// PluginSchema describes the configuration file of the Fluent Bit plugin in JSON Schema 2020-12.
func PluginSchema() ([]byte, error) {
	const id = "https://github.com/trailcast/trailcast/configs/fluent-bit/pipeline.schema.json"
	return yamlconf.JSONSchema(id, "configuration file of trailcast's Fluent Bit plugin", PluginConfig{})
}
