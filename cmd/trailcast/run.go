package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/trailcast/trailcast/internal/build"
	"github.com/trailcast/trailcast/internal/observe"
	"github.com/trailcast/trailcast/outputs/natsout/embedded/natsserver"
	"github.com/trailcast/trailcast/pipeline"
)

func runCommand(s streams) *cobra.Command {
	var path string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Run the agent",
		Long: `Run reads the inputs, filters, and delivers to the outputs until the inputs end, or until SIGTERM or
SIGINT: then it takes nothing more, waits for the outputs to confirm what is under way
(drain_timeout), and ends. What was not confirmed is read again at the next start. A second signal
ends it at once, which loses nothing either.

At the end it prints an account of what came in and what became of it. The exit code is 0 when all
of it was delivered or filtered, 3 when something is in quarantine or was not confirmed, 2 for a
wrong configuration, 1 for other failures.`,
		Example: `  trailcast run -c trailcast.yaml
  TRAILCAST_LOGS=logs trailcast run -c configs/quickstart.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dryRun {
				return countInputs(cmd.Context(), path, s)
			}
			return runAgent(cmd.Context(), path, s)
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only tell how much there is to read, and read nothing")
	return cmd
}

func runAgent(ctx context.Context, path string, s streams) error {
	config, err := loadConfig(path, false, s)
	if err != nil {
		return err
	}
	log := newLog(config.Log, s)
	defer limitMemory(int64(config.Limits.MaxBytes))()
	agent, err := build.Build(config, build.Options{Log: log, NATSServer: natsserver.Start})
	if err != nil {
		return configError(err, s)
	}
	if config.Metrics.Listen != build.Off {
		server, err := observe.Listen(config.Metrics.Listen, observe.Handler(agent, buildVersion(), agent.Notes()))
		if err != nil {
			closing, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			_ = agent.Close(closing) // the failure to listen is what the user hears of
			return &exitError{exitFailed, fmt.Errorf("%w (metrics: {listen: …} in the configuration; off needs no address)", err)}
		}
		defer server.Close()
		log.Info("metrics and health", "address", "http://"+server.Addr())
	}
	stopBar := showProgress(agent.Inputs, s.err)
	err = agent.Run(ctx)
	stopBar()
	stats := agent.Stats()
	fmt.Fprintln(s.err)
	observe.PrintAccount(s.err, stats)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	return outcome(ctx, agent.Inputs, stats)
}

// outcome is the exit code of a run that went through. One that was stopped leaves its inputs where they were: it is only
// judged by what outputs had in hand and did not confirm.
func outcome(ctx context.Context, inputs []pipeline.InputStage, s pipeline.Stats) error {
	partial := s.Frames[pipeline.Rejected] > 0
	for i, in := range inputs {
		_, persistent := in.Input.(pipeline.Persistent)
		partial = partial || !persistent && i < len(s.Inputs) && s.Inputs[i].Retried > 0
	}
	if ctx.Err() != nil {
		partial = false
		for _, o := range s.Outputs {
			partial = partial || o.GaveUp > 0 && !o.BestEffort
		}
	}
	if partial {
		return &exitError{code: exitPartial}
	}
	return nil
}

// progressing is an input that knows how much there is to read.
type progressing interface{ Progress() (done, total int64) }

// showProgress draws a bar on a terminal for inputs that read files once; it returns a function that takes it away.
func showProgress(inputs []pipeline.InputStage, w io.Writer) (stop func()) {
	const longRead = 16 << 20
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		bar := progressbar.NewOptions64(0, progressbar.OptionSetWriter(w), progressbar.OptionShowBytes(true),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetDescription("reading"))
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				_ = bar.Finish()
				return
			case <-tick.C:
			}
			var read, total int64
			for _, in := range inputs {
				if p, ok := in.Input.(progressing); ok {
					r, t := p.Progress()
					read, total = read+r, total+t
				}
			}
			if total > longRead {
				bar.ChangeMax64(total)
				_ = bar.Set64(min(read, total)) // a bar that cannot be drawn is no failure
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
	}
}
