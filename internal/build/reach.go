package build

import (
	"context"

	"github.com/trailcast/trailcast/outputs/natsout"
	"github.com/trailcast/trailcast/pipeline"
)

// Reached is how the check of one connection went.
type Reached struct {
	Kind string // input or output
	Name string
	Err  error
}

// Reach checks the connections of all inputs and outputs that can be checked.
func (a *Agent) Reach(ctx context.Context) []Reached {
	var all []Reached
	check := func(kind, name string, component any) {
		if c, ok := component.(pipeline.Checker); ok {
			all = append(all, Reached{kind, name, c.Check(ctx)})
		}
	}
	for _, in := range a.Inputs {
		check("input", in.Name, in.Input)
	}
	for _, o := range a.Outputs {
		check("output", o.Name, o.Output)
	}
	return all
}

// Notes are what operators should see of a running agent beside its counters: embedded servers and where they listen.
func (a *Agent) Notes() map[string]string {
	notes := map[string]string{}
	for _, o := range a.Outputs {
		n, ok := o.Output.(*natsout.Output)
		if !ok {
			continue
		}
		if s := n.Server(); s != nil {
			notes["embedded NATS server of output "+o.Name] = s.ClientURL()
		}
	}
	return notes
}
