// Command compare measures trailcast beside other tools, and beside the bare work that none can avoid: whole processes on
// the same generated records, in turn, their outputs checked.
//
//	go run ./bench/compare                                   everything that is there
//	go run ./bench/compare -only select-gzip,run-file -rounds 9
//	go run ./bench/compare -check bench/ratios.json          fails if a ratio has become worse
//	go run ./bench/compare -profile cmd/trailcast/default.pgo   trailcast alone, for the compiler
//
// jq and gojq are looked for in PATH, or where JQ and GOJQ say; REDPANDA_CONNECT, FLUENT_BIT and VECTOR name the programs of
// these tools. What is not there is left out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/trailcast/trailcast/bench/compare/chart"
	"github.com/trailcast/trailcast/bench/compare/figures"
	"github.com/trailcast/trailcast/bench/compare/process"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

type options struct {
	records   int64
	rounds    int
	only      []string
	list      bool
	cache     string
	trailcast string
	json      string
	svg       string
	check     string
	profile   string
	tolerance float64
	timeout   time.Duration
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Int64Var(&o.records, "n", 200_000, "number of generated records")
	flags.IntVar(&o.rounds, "rounds", 5, "how often every contender runs")
	only := flags.String("only", "", "names of workloads, separated by commas; default: all")
	flags.BoolVar(&o.list, "list", false, "print the names of the workloads, and do nothing else")
	flags.StringVar(&o.cache, "cache", filepath.Join(os.TempDir(), "trailcast-compare"), "folder for generated records, which are kept")
	flags.StringVar(&o.trailcast, "trailcast", "", "program to measure; default: one that is built from this checkout")
	flags.StringVar(&o.json, "json", "", "file to write the figures to")
	flags.StringVar(&o.svg, "svg", "", "file to draw a chart into")
	flags.StringVar(&o.check, "check", "", "file of earlier figures: fail if a ratio is worse now")
	flags.StringVar(&o.profile, "profile", "", "file for a CPU profile of trailcast at all of this, which the Go compiler can use; nothing else runs then")
	flags.Float64Var(&o.tolerance, "tolerance", 0.2, "by which share a ratio may be lower with -check")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Minute, "how long one process may take")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.records < 1 || o.rounds < 1:
		return o, errors.New("-n and -rounds must be at least 1")
	case o.tolerance < 0 || o.tolerance >= 1:
		return o, errors.New("-tolerance is a share such as 0.2")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	chosen, err := choose(o.only)
	if err != nil {
		return err
	}
	if o.list {
		for _, w := range chosen {
			fmt.Fprintln(stdout, w.name)
		}
		return nil
	}
	var earlier *figures.Report
	if o.check != "" {
		if earlier, err = figures.Read(o.check); err != nil { // now, not after an hour
			return err
		}
	}
	report, failed := compare(ctx, o, chosen, stderr)
	if report == nil {
		return failed
	}
	if err := report.Print(stdout); err != nil {
		return err
	}
	return errors.Join(failed, keep(o, report), judge(o, report, earlier, stdout))
}

// compare runs the workloads. With a report, the error names what failed that must not.
func compare(ctx context.Context, o options, chosen []definition, stderr io.Writer) (*figures.Report, error) {
	work, err := os.MkdirTemp("", "trailcast-compare-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	b, err := newBench(ctx, o, work, stderr)
	if err != nil {
		return nil, err
	}
	defer b.broker.close()
	report := &figures.Report{Machine: thisMachine(), Tools: b.tools.versions(ctx), Records: o.records, Rounds: o.rounds}
	var failures []error
	for _, definition := range chosen {
		w, err := definition.make(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", definition.name, err)
		}
		if o.profile != "" {
			w.contenders = slices.DeleteFunc(w.contenders, func(c contender) bool { return !c.ours })
		}
		measured, err := b.contest(ctx, definition.name, w)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failures = append(failures, err)
		report.Workloads = append(report.Workloads, measured)
	}
	report.LeftOut = b.leftOut
	failures = append(failures, b.profiles.merge(ctx, o.profile))
	return report, errors.Join(failures...)
}

// bench is what workloads are made of.
type bench struct {
	options  options
	work     string // a folder that is removed at the end
	stderr   io.Writer
	bin      programs
	tools    tools
	data     data
	broker   *broker
	runner   *process.Runner
	truths   truths
	profiles profiles
	leftOut  []string // what is not compared, and why
}

func newBench(ctx context.Context, o options, work string, stderr io.Writer) (*bench, error) {
	b := &bench{options: o, work: work, stderr: stderr, truths: truths{}}
	var err error
	fmt.Fprintln(stderr, "building")
	if b.bin, err = build(ctx, o.trailcast, filepath.Join(work, "bin"), o.profile != ""); err != nil {
		return nil, err
	}
	if b.data, err = prepare(ctx, b.bin.gen, o.cache, o.records, stderr); err != nil {
		return nil, err
	}
	if b.tools, b.leftOut, err = findTools(); err != nil {
		return nil, err
	}
	b.runner = &process.Runner{Launcher: b.bin.launch, Timeout: o.timeout, Taskset: b.tools.taskset, CPUs: allowedCPUs()}
	b.broker, err = startBroker(filepath.Join(work, "nats"))
	return b, err
}

func keep(o options, report *figures.Report) error {
	if o.json != "" {
		if err := report.Write(o.json); err != nil {
			return err
		}
	}
	if o.svg != "" {
		return os.WriteFile(o.svg, chart.SVG(report), 0o644)
	}
	return nil
}

func judge(o options, report, earlier *figures.Report, stdout io.Writer) error {
	if earlier == nil {
		return nil
	}
	compared, err := report.Check(earlier, o.tolerance)
	if err != nil {
		return fmt.Errorf("check against %s: %w", o.check, err)
	}
	fmt.Fprintf(stdout, "\nno ratio is more than %.0f %% below that in %s (%d compared)\n", o.tolerance*100, o.check, compared)
	return nil
}
