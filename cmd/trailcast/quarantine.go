package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailcast/trailcast/internal/build"
	"github.com/trailcast/trailcast/internal/replay"
	"github.com/trailcast/trailcast/internal/terminal"
	"github.com/trailcast/trailcast/outputs/natsout/embedded/natsserver"
	"github.com/trailcast/trailcast/outputs/quarantine"
)

func quarantineCommand(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "List, show and replay what could not be delivered",
		Long: `The quarantine keeps broken pieces of input and events that a filter or an output rejected, with their
origin and the reason. Listing and showing work beside a running agent.`,
		Example: `  trailcast quarantine list -c trailcast.yaml
  trailcast quarantine show -c trailcast.yaml 7
  trailcast quarantine replay -c trailcast.yaml --component bus
  trailcast quarantine list --dir /var/lib/fluent-bit/quarantine`,
	}
	cmd.AddCommand(quarantineList(s), quarantineShow(s), quarantineReplay(s))
	return cmd
}

// selection says which entries are meant.
type selection struct {
	component string
	since     time.Duration
}

func (sel *selection) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&sel.component, "component", "", "only what this input, filter or output rejected")
	cmd.Flags().DurationVar(&sel.since, "since", 0, "only entries of the last such time, for example 24h")
}

func (sel *selection) takes(e *quarantine.Entry) bool {
	return (sel.component == "" || e.Component == sel.component) && (sel.since == 0 || time.Since(e.Time) <= sel.since)
}

// dirFlag names the directory where no configuration file does: the plugin with flat keys.
func dirFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", "", "directory of the quarantine, instead of a configuration")
	_ = cmd.MarkFlagDirname("dir") // the flag is there
}

func quarantineDir(dir, path string, plugin bool, s streams) (string, error) {
	if dir != "" {
		return dir, nil
	}
	config, err := loadConfig(path, plugin, s)
	if err != nil {
		return "", err
	}
	return config.QuarantineDir(), nil
}

func quarantineList(s streams) *cobra.Command {
	var path, dir string
	var plugin bool
	var asJSON bool
	var sel selection
	cmd := &cobra.Command{
		Use: "list", Short: "List the entries", Args: cobra.NoArgs,
		Example: "  trailcast quarantine list -c trailcast.yaml --since 24h\n  trailcast quarantine list -c trailcast.yaml --json | jq .reason",
		RunE: func(*cobra.Command, []string) error {
			dir, err := quarantineDir(dir, path, plugin, s)
			if err != nil {
				return err
			}
			t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
			if !asJSON {
				fmt.Fprintln(t, "ID\tTIME\tCOMPONENT\tBYTES\tFROM\tREASON")
			}
			var failed error
			err = quarantine.Each(dir, func(e quarantine.Entry) bool {
				if !sel.takes(&e) {
					return true
				}
				if asJSON {
					failed = json.NewEncoder(s.out).Encode(e)
					return failed == nil
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s:%d\t%s\n", e.ID, e.Time.Format(time.RFC3339), terminal.Line(e.Component), e.Size,
					terminal.Line(e.Object), e.Offset, terminal.Line(e.Reason))
				return true
			})
			if err == nil {
				err = failed
			}
			if err == nil {
				err = t.Flush()
			}
			if err != nil {
				return &exitError{exitFailed, err}
			}
			return nil
		},
	}
	configFlag(cmd, &path)
	pluginFlag(cmd, &plugin)
	dirFlag(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line, with the raw bytes")
	sel.flags(cmd)
	return cmd
}

func quarantineShow(s streams) *cobra.Command {
	var path, dir string
	var plugin bool
	var raw bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show one entry", Args: cobra.ExactArgs(1),
		Example: "  trailcast quarantine show -c trailcast.yaml 7\n  trailcast quarantine show -c trailcast.yaml 7 --raw > piece.bin",
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := quarantineDir(dir, path, plugin, s)
			if err != nil {
				return err
			}
			e, err := quarantine.Find(dir, args[0])
			if err != nil {
				return &exitError{exitFailed, err}
			}
			if raw {
				_, err := s.out.Write(e.Bytes())
				return err
			}
			t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
			fmt.Fprintf(t, "id\t%s\ntime\t%s\ncomponent\t%s\nreason\t%s\n", e.ID, e.Time.Format(time.RFC3339), terminal.Line(e.Component), terminal.Line(e.Reason))
			fmt.Fprintf(t, "input\t%s\nobject\t%s\nindex\t%d\noffset\t%d\nsize\t%d\n", terminal.Line(e.Input), terminal.Line(e.Object), e.Index, e.Offset, e.Size)
			if e.Key != "" {
				fmt.Fprintf(t, "key\t%s\n", terminal.Line(e.Key))
			}
			if err := t.Flush(); err != nil {
				return err
			}
			note := ""
			if e.Cut() {
				note = fmt.Sprintf("  (only the first %d of %d bytes were kept)\n", len(e.Bytes()), e.Size)
			}
			_, err = fmt.Fprintf(s.out, "\n%s\n%s", terminal.Line(string(e.Bytes())), note)
			return err
		},
	}
	configFlag(cmd, &path)
	pluginFlag(cmd, &plugin)
	dirFlag(cmd, &dir)
	cmd.Flags().BoolVar(&raw, "raw", false, "the bytes as they came, and nothing else")
	return cmd
}

func quarantineReplay(s streams) *cobra.Command {
	var path string
	var plugin bool
	var sel selection
	cmd := &cobra.Command{
		Use: "replay [ID…]", Short: "Send entries through the pipeline again",
		Long: `Replay sends entries through filters and outputs as they are configured now, all of them or those that
are named. An entry that was delivered leaves the quarantine; one that is rejected again stays as a
new entry. Messages of a queue that tell of objects in S3 stay: only their queue can have them
again. The agent of this configuration must be stopped: both need its state directory.`,
		Example: "  trailcast quarantine replay -c trailcast.yaml\n  trailcast quarantine replay -c trailcast.yaml 7 8",
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := loadConfig(path, plugin, s)
			if err != nil {
				return err
			}
			agent, err := build.Build(config, build.Options{Log: newLog(config.Log, s), NoInputs: true, NATSServer: natsserver.Start})
			if err != nil {
				return configError(err, s)
			}
			wanted := map[string]bool{}
			for _, id := range args {
				wanted[id] = true
			}
			result, err := replay.Run(cmd.Context(), agent, config.QuarantineDir(), func(e *quarantine.Entry) bool {
				return sel.takes(e) && (len(wanted) == 0 || wanted[e.ID])
			}, config.DrainTimeout)
			fmt.Fprintf(s.out, "%d delivered, %d rejected again, %d not confirmed, %d not whole\n",
				result.Delivered, result.Rejected, result.Retry, result.Cut)
			if result.Notices > 0 {
				fmt.Fprintf(s.out, "%d are messages that tell of objects, and stay: send them to their queue again (trailcast quarantine show ID --raw)\n", result.Notices)
			}
			if err != nil {
				return &exitError{exitFailed, err}
			}
			if result.Rejected+result.Retry+result.Cut+result.Notices > 0 {
				return &exitError{code: exitPartial}
			}
			return nil
		},
	}
	configFlag(cmd, &path)
	pluginFlag(cmd, &plugin)
	sel.flags(cmd)
	return cmd
}
