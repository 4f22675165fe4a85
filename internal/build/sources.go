package build

import (
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/yamlconf"
)

// Sources is the configuration of a command that reads once: the agent's language with inputs and filters alone.
type Sources struct {
	Inputs  []Input  `conf:"inputs" required:"true" doc:"Where events come from. Each input must come to an end."`
	Filters []Filter `conf:"filters" doc:"What happens to every event, in this order."`
}

// ending is the configuration of an input that can come to an end by itself.
type ending interface{ Ends() bool }

// LoadSources reads Sources, for an agent with that state directory and without outputs of its own; see Load. It refuses
// inputs that would go on for ever, and so take what the agent is to read.
func LoadSources(file string, data []byte, env func(string) (string, bool), stateDir string) (*Config, error) {
	s := &Sources{}
	errs := yamlconf.Read(file, data, env, s)
	c := &Config{StateDir: stateDir, Inputs: s.Inputs, Filters: s.Filters, errs: errs}
	_ = yamlconf.Decode(file, []byte("{}"), env, &c.Limits) // the defaults
	c.nameAll(errs)
	for i := range c.Inputs {
		in := &c.Inputs[i].Component
		if e, ok := in.Config.(ending); in.Config != nil && (!ok || !e.Ends()) {
			errs.Add(in.Node, &conf.Error{Msg: "this input goes on for ever", Hint: "give file, s3 with bucket, nats with stream and once, cloudtrail_lookup with follow: false, or stdin"})
		}
	}
	if err := errs.Err(); err != nil {
		return nil, err
	}
	return c, nil
}
