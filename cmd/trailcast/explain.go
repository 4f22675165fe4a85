package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/trailcast/trailcast/filters/jq"
	"github.com/trailcast/trailcast/internal/build"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/explain"
)

func explainCommand(s streams) *cobra.Command {
	var path, plan string
	var plugin bool
	var limit int
	cmd := &cobra.Command{
		Use:   "explain -c FILE EVENT",
		Short: "Show what a configuration does with an event",
		Long: `Explain takes the records of a file (or of standard input, -) through the filters of a configuration and
shows for each what every filter made of it, which outputs take it, and how it would leave: subject
or path, headers and size. Nothing is sent or written.

With --plan it tells of a jq program instead how fast it is: whether it is decided on an event's bytes
(tier 1), or needs gojq on a part of the event (2) or on all of it (3), what it reads, and which part of
it is the reason.`,
		Example: `  trailcast explain -c trailcast.yaml event.json
  zcat log.json.gz | trailcast explain -c trailcast.yaml -
  trailcast explain --plan 'select(.errorCode) | {eventName, who: .userIdentity.arn}'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("plan") {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("plan") {
				if err := jq.WritePlan(s.out, conf.Text{Value: plan, Pos: conf.Pos{File: "program", Line: 1, Column: 1}}, jq.Options{}); err != nil {
					return &exitError{exitUsage, err}
				}
				return nil
			}
			config, err := loadConfig(path, plugin, s)
			if err != nil {
				return err
			}
			agent, err := build.Build(config, build.Options{Offline: true})
			if err != nil {
				return configError(err, s)
			}
			defer agent.Close(cmd.Context())
			var in io.Reader = s.in
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return &exitError{exitFailed, err}
				}
				defer f.Close()
				in = f
			}
			name := ""
			if len(config.Inputs) > 0 {
				name = config.Inputs[0].Name
			}
			n, err := explain.Run(cmd.Context(), agent, name, args[0], in, limit, s.out)
			if err != nil {
				return &exitError{exitFailed, err}
			}
			if n == 0 {
				return &exitError{exitFailed, fmt.Errorf("no event in %s", args[0])}
			}
			return nil
		},
	}
	configFlag(cmd, &path)
	pluginFlag(cmd, &plugin)
	cmd.Flags().StringVar(&plan, "plan", "", "a jq program, of which to tell how it is run")
	cmd.Flags().IntVar(&limit, "limit", 10, "events to explain; 0 for all")
	return cmd
}
