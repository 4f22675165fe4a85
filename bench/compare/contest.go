package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/trailcast/trailcast/bench/compare/figures"
	"github.com/trailcast/trailcast/bench/compare/process"
)

// workload is a job that several contenders do.
type workload struct {
	title      string
	reference  string // the contender that ratios are to
	bytes      int64  // of JSON that each reads
	contenders []contender
}

// contender is one tool at a workload's job.
type contender struct {
	name  string
	ours  bool // trailcast itself
	cores int

	// command is called before each run, with an empty folder in which the command will run; it makes ready what the
	// command needs.
	command func(dir string) (process.Command, error)

	// check says what is wrong with the outcome; the standard output is in the folder.
	check func(dir string) error

	// quiet contenders print their outcome. It is checked once, before the rounds, in which it goes nowhere: writing it to a
	// file would be a large part of what a fast one does.
	quiet bool
}

// contest runs the contenders in turn for the number of rounds, beginning with another one each time. A contender that
// fails, or whose outcome is wrong, has no figures. The error is one of trailcast or of the reference: others may fail.
func (b *bench) contest(ctx context.Context, name string, w workload) (figures.Workload, error) {
	measured := figures.Workload{Name: name, Title: w.title, Reference: w.reference, Bytes: w.bytes}
	for _, c := range w.contenders {
		measured.Contenders = append(measured.Contenders, figures.Contender{Name: c.name, Ours: c.ours, Cores: c.cores})
	}
	costs := make(map[string][]process.Cost)
	var failed error
	for round := range b.options.rounds {
		fmt.Fprintf(b.stderr, "%s: round %d of %d\n", name, round+1, b.options.rounds)
		for i := range w.contenders {
			i = (i + round) % len(w.contenders)
			c := w.contenders[i]
			if measured.Contenders[i].Failure != "" {
				continue
			}
			cost, err := b.measure(ctx, c, round)
			if ctx.Err() != nil {
				return measured, ctx.Err()
			}
			if err != nil {
				measured.Contenders[i].Failure = err.Error()
				delete(costs, c.name)
				if failed == nil && (c.ours || c.name == w.reference) {
					failed = fmt.Errorf("%s, %s: %w", name, c.name, err)
				}
				continue
			}
			costs[c.name] = append(costs[c.name], cost)
		}
	}
	measured.Measured(b.options.records, costs)
	return measured, failed
}

// measure runs a contender once; a quiet one is checked before its first round.
func (b *bench) measure(ctx context.Context, c contender, round int) (process.Cost, error) {
	if !c.quiet {
		return b.runOnce(ctx, c)
	}
	if round == 0 {
		checked := c
		checked.quiet = false
		if cost, err := b.runOnce(ctx, checked); err != nil {
			return cost, err
		}
	}
	c.check = func(string) error { return nil }
	return b.runOnce(ctx, c)
}

func (b *bench) runOnce(ctx context.Context, c contender) (process.Cost, error) {
	dir := filepath.Join(b.work, "run")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return process.Cost{}, err
	}
	defer os.RemoveAll(dir)
	command, err := c.command(dir)
	if err != nil {
		return process.Cost{}, err
	}
	command.Cores, command.Quiet = c.cores, c.quiet
	if c.ours && b.options.profile != "" {
		command.Env = append(command.Env, "TRAILCAST_CPU_PROFILE="+b.profiles.next(b.work))
	}
	if err := b.data.readThrough(); err != nil {
		return process.Cost{}, err
	}
	cost, err := b.runner.Run(ctx, command, dir)
	if err != nil {
		return cost, err
	}
	if err := c.check(dir); err != nil {
		return cost, fmt.Errorf("wrong outcome: %w", err)
	}
	return cost, nil
}
