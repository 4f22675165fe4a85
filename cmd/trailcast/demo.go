package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/trailcast/trailcast/internal/demo"
)

func demoCommand(s streams) *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work on sample data, with nothing installed",
		Long: `Demo starts an embedded NATS server with JetStream, sends real sample events through jq filters,
enrichment and redaction, shows each as it arrives on its subject, and ends with an account of what
came in and what became of it. Its configuration and files stay in a directory that it names.`,
		Example: "  trailcast demo\n  trailcast demo --dir ./demo --rows 100",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = s.out
			o.Log = slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelError}))
			if _, err := demo.Run(cmd.Context(), o); err != nil {
				return configError(err, s)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&o.Dir, "dir", "", "directory for configuration and files (default: a new one for temporary files)")
	cmd.Flags().IntVar(&o.Rows, "rows", 0, "rows of the live table (default 24)")
	return cmd
}
