// Package explain shows what a pipeline would do with events, without doing it.
package explain

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/build"
	"github.com/trailcast/trailcast/internal/terminal"
	"github.com/trailcast/trailcast/pipeline"
)

var errEnough = errors.New("enough events")

// Run explains the first events of in, at most limit (0: all), and returns how many.
func Run(ctx context.Context, agent *build.Agent, input, object string, in io.Reader, limit int, out io.Writer) (int, error) {
	e := &explainer{agent: agent, out: out, limit: limit}
	_, err := split.New(split.Options{}).Split(ctx, in, &pipeline.Origin{Input: input, Object: object}, split.Base{}, e)
	if err != nil && !errors.Is(err, errEnough) {
		return e.n, fmt.Errorf("read %s: %w", object, err)
	}
	return e.n, nil
}

type explainer struct {
	agent *build.Agent
	out   io.Writer
	limit int
	n     int
}

// Broken implements split.Feeder.
func (e *explainer) Broken(_ context.Context, b pipeline.Broken) error {
	fmt.Fprintf(e.out, "byte %d: %d bytes go to quarantine: %s\n", b.Offset, b.Size, terminal.Line(b.Reason))
	return nil
}

// Feed implements split.Feeder.
func (e *explainer) Feed(ctx context.Context, events []pipeline.Event) error {
	for i := range events {
		if e.limit > 0 && e.n >= e.limit {
			return errEnough
		}
		e.n++
		e.event(ctx, events[i])
	}
	return nil
}

func (e *explainer) event(ctx context.Context, ev pipeline.Event) {
	f := ev.Facts()
	fmt.Fprintf(e.out, "event %d: %s %s.%s, account %s, actor %s, %d bytes\n", e.n, f.Kind, orNone(f.Service), orNone(f.Action),
		orNone(f.Account.ID), terminal.Line(f.ActorName()), len(ev.Raw))
	fmt.Fprintf(e.out, "  key  %s\n", terminal.Line(ev.Key()))
	if len(ev.Record.Origin.Via) > 0 {
		fmt.Fprintf(e.out, "  via  %s\n", terminal.Line(fmt.Sprint(ev.Record.Origin.Via)))
	}
	for _, ev := range e.filters(ctx, e.agent.Filters, []pipeline.Event{ev}, "  ") {
		e.outputs(ctx, ev)
	}
	fmt.Fprintln(e.out)
}

// filters runs a chain and tells what each filter does.
func (e *explainer) filters(ctx context.Context, stages []pipeline.FilterStage, events []pipeline.Event, indent string) []pipeline.Event {
	for _, stage := range stages {
		var next []pipeline.Event
		for _, ev := range events {
			if stage.When != nil {
				if ok, err := stage.When.Match(ctx, &ev); err == nil && !ok {
					fmt.Fprintf(e.out, "%sfilter %s: passed by, its when does not hold\n", indent, stage.Name)
					next = append(next, ev)
					continue
				}
			}
			results, err := stage.Filter.Apply(ctx, nil, ev)
			switch {
			case err != nil:
				fmt.Fprintf(e.out, "%sfilter %s: fails: %s; on_error: %s\n", indent, stage.Name, terminal.Line(err.Error()), orDefault(stage.OnError, "quarantine"))
				if stage.OnError == pipeline.OnErrorPass {
					next = append(next, ev)
				}
			case len(results) == 0:
				fmt.Fprintf(e.out, "%sfilter %s: drops it\n", indent, stage.Name)
			case len(results) == 1 && string(results[0].Raw) == string(ev.Raw):
				fmt.Fprintf(e.out, "%sfilter %s: passes it\n", indent, stage.Name)
			case len(results) == 1:
				fmt.Fprintf(e.out, "%sfilter %s: changes it, %d bytes\n", indent, stage.Name, len(results[0].Raw))
			default:
				fmt.Fprintf(e.out, "%sfilter %s: makes %d of it\n", indent, stage.Name, len(results))
			}
			if err == nil {
				next = append(next, results...)
			}
		}
		events = next
	}
	return events
}

func (e *explainer) outputs(ctx context.Context, ev pipeline.Event) {
	for _, o := range e.agent.Outputs {
		if o.When != nil {
			ok, err := o.When.Match(ctx, &ev)
			if err != nil {
				fmt.Fprintf(e.out, "  output %s: its when fails: %s; on_error: %s\n", o.Name, terminal.Line(err.Error()), orDefault(o.OnError, "send"))
				if o.OnError != "" && o.OnError != pipeline.OnErrorSend {
					continue
				}
			} else if !ok {
				fmt.Fprintf(e.out, "  output %s: no, its when does not hold\n", o.Name)
				continue
			}
		}
		fmt.Fprintf(e.out, "  output %s: yes\n", o.Name)
		for _, ev := range e.filters(ctx, o.Filters, []pipeline.Event{ev}, "    ") {
			e.leaves(o, &ev)
		}
	}
}

func (e *explainer) leaves(o pipeline.OutputStage, ev *pipeline.Event) {
	x, ok := o.Output.(pipeline.Explainer)
	if !ok {
		return
	}
	how, err := x.Explain(ev)
	if err != nil {
		fmt.Fprintf(e.out, "    goes to quarantine: %s\n", terminal.Line(err.Error()))
		return
	}
	fmt.Fprintf(e.out, "    to   %s\n", terminal.Line(how.Destination))
	for _, h := range how.Headers {
		fmt.Fprintf(e.out, "    %s: %s\n", terminal.Line(h[0]), terminal.Line(h[1]))
	}
	fmt.Fprintf(e.out, "    size %d bytes\n", how.Size)
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return terminal.Line(s)
}

func orDefault(p pipeline.ErrorPolicy, otherwise string) string {
	if p == "" {
		return otherwise
	}
	return string(p)
}
