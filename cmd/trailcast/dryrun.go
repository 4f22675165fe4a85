package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/trailcast/trailcast/internal/build"
	"github.com/trailcast/trailcast/internal/terminal"
	"github.com/trailcast/trailcast/pipeline"
)

// countInputs prints what each input would read.
func countInputs(ctx context.Context, path string, s streams) error {
	config, err := loadConfig(path, false, s)
	if err != nil {
		return err
	}
	agent, err := build.Build(config, build.Options{Log: newLog(config.Log, s), Offline: true})
	if err != nil {
		return configError(err, s)
	}
	defer agent.Close(ctx)
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "input\tobjects\tsize\tnote\n")
	var failed []error
	for _, in := range agent.Inputs {
		counter, ok := in.Input.(pipeline.Counter)
		if !ok {
			fmt.Fprintf(t, "%s\t\t\tit can not tell how much there is\n", terminal.Line(in.Name))
			continue
		}
		c, err := counter.Count(ctx)
		if err != nil {
			failed = append(failed, fmt.Errorf("input %s: %w", terminal.Line(in.Name), err))
			continue
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", terminal.Line(in.Name), c.Objects, size(c.Bytes), c.Note)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(failed) > 0 {
		return &exitError{exitFailed, errors.Join(failed...)}
	}
	return nil
}

// size writes a number of bytes with three digits or so.
func size(n int64) string {
	if n == 0 {
		return ""
	}
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1000, 0
	for value >= 999.5 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	return fmt.Sprintf("%.3g %cB", value, units[unit])
}
