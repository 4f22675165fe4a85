// Command trailcast reads CloudTrail events and Session Manager logs, filters and enriches them, and delivers them to
// NATS, files and standard output.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes. `query` has jq's own beside them.
const (
	exitOK      = 0
	exitFailed  = 1 // the command did not do what it should; the message says why
	exitUsage   = 2 // wrong flags, arguments or configuration
	exitPartial = 3 // it ended, but something is in quarantine or was not confirmed (run, demo, quarantine replay)
)

// version is set by the linker.
var version = ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal drains, a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	stopProfile := profile(os.Getenv(profileVariable))
	code := execute(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stopProfile()
	stop()
	os.Exit(code)
}

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// exitError carries an exit code; a nil err has been reported already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, args []string, s streams) int {
	root := newRoot(s)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if exit, ok := errors.AsType[*exitError](err); ok {
		if exit.err != nil {
			fmt.Fprintln(s.err, "trailcast:", exit.err)
		}
		return exit.code
	}
	fmt.Fprintln(s.err, "trailcast:", err)
	return exitUsage // cobra's own: unknown command or flag, wrong number of arguments
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "trailcast",
		Short: "CloudTrail events and Session Manager logs to NATS and files, filtered with jq",
		Long: `trailcast reads CloudTrail events and Session Manager session logs in any envelope that AWS puts
them in, filters them with jq, adds who did what in which account, and delivers them to NATS
subjects and files. An event that was taken in is delivered at least once.`,
		Example: `  # See it work: sample data through filters to NATS subjects and files
  trailcast demo

  # Ask questions of log files
  trailcast query -r 'select(.errorCode) | "\(.eventTime) \(.eventName) \(.errorCode)"' logs/*.json.gz

  # Check a configuration, then run it
  trailcast check -c trailcast.yaml
  trailcast run -c trailcast.yaml`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		runCommand(s), checkCommand(s), queryCommand(s), sessionsCommand(s), explainCommand(s), quarantineCommand(s), demoCommand(s),
		versionCommand(s),
	)
	return root
}

func versionCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  trailcast version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, _ := debug.ReadBuildInfo()
			_, err := fmt.Fprintf(s.out, "trailcast %s (%s)\n", buildVersion(), info.GoVersion)
			return err
		},
	}
}

// buildVersion is the linked version, else what the Go toolchain recorded.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "dev"
}
