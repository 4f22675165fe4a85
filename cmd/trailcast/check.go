package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailcast/trailcast/internal/build"
)

func checkCommand(s streams) *cobra.Command {
	var path string
	var plugin bool
	var connect bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Check a configuration",
		Long: `Check reads a configuration and reports every mistake in it as file:line:column with a sentence and
the line, and exits with 2. jq programs are compiled, templates parsed, and files that the
configuration names are opened. With --connect every input and output is reached too; what cannot be
reached is reported and the exit code is 1.`,
		Example: `  trailcast check -c trailcast.yaml
  trailcast check -c trailcast.yaml --connect
  trailcast check --fluent-bit -c pipeline.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := loadConfig(path, plugin, s)
			if err != nil {
				return err
			}
			if err := config.Check(); err != nil {
				return configError(err, s)
			}
			if connect {
				if err := reach(cmd.Context(), config, timeout, s); err != nil {
					return err
				}
			}
			fmt.Fprintf(s.out, "%s: ok: %d inputs, %d filters, %d outputs\n", path, len(config.Inputs), len(config.Filters), len(config.Outputs))
			return nil
		},
	}
	configFlag(cmd, &path)
	pluginFlag(cmd, &plugin)
	cmd.Flags().BoolVar(&connect, "connect", false, "reach every input and output")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "how long to try with --connect")
	return cmd
}

// reach checks every connection and says how it went.
func reach(ctx context.Context, config *build.Config, timeout time.Duration, s streams) error {
	agent, err := build.Build(config, build.Options{Offline: true})
	if err != nil {
		return configError(err, s)
	}
	defer agent.Close(ctx)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	failed := false
	for _, r := range agent.Reach(ctx) {
		if r.Err != nil {
			failed = true
			fmt.Fprintf(s.err, "%s %s: %v\n", r.Kind, r.Name, r.Err)
			continue
		}
		fmt.Fprintf(s.out, "%s %s: reached\n", r.Kind, r.Name)
	}
	if failed {
		return &exitError{code: exitFailed}
	}
	return nil
}
