package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/trailcast/trailcast/bench/compare/output"
	"github.com/trailcast/trailcast/bench/compare/process"
)

// definition is how a workload is made.
type definition struct {
	name string
	make func(*bench) (workload, error)
}

func definitions() []definition {
	return []definition{
		{"select-gzip", selectZipped},
		{"select-ndjson", queryLines("a comparison selects whole records", selection)},
		{"project-ndjson", queryLines("three members of each record", projection)},
		{"tier2-ndjson", queryLines("a regular expression and a sum", regexAndSum)},
		{"tier3-ndjson", queryLines("every ARN, wherever it is in a record", everywhere)},
		{"run-file", runFile},
		{"many-whens", manyWhens},
		{"run-nats", runNATS},
		{"run-jetstream", runJetStream},
		{"connect-jetstream", connectJetStream},
		{"select-file", selectFile},
	}
}

// choose returns the named workloads in their usual order, all of them without names.
func choose(names []string) ([]definition, error) {
	all := definitions()
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, d := range all {
		known = append(known, d.name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no workload is called %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(all, func(d definition) bool { return !slices.Contains(names, d.name) }), nil
}

// args is the command that runs these arguments.
func args(list ...string) func(string) (process.Command, error) {
	return func(string) (process.Command, error) { return process.Command{Args: list}, nil }
}

// printed checks that a number was printed and nothing else.
func printed(want int64) func(dir string) error {
	return func(dir string) error {
		got, err := os.ReadFile(filepath.Join(dir, process.Stdout))
		if err != nil {
			return err
		}
		if text := strings.TrimSpace(string(got)); text != strconv.FormatInt(want, 10) {
			return fmt.Errorf("printed %.100q, want %d", text, want)
		}
		return nil
	}
}

// yields checks that the standard output is the results of a jq program.
func yields(want output.Summary) func(dir string) error {
	return func(dir string) error {
		f, err := os.Open(filepath.Join(dir, process.Stdout))
		if err != nil {
			return err
		}
		defer f.Close()
		got, err := output.Of(f)
		switch {
		case err != nil:
			return err
		case got.Results != want.Results:
			return fmt.Errorf("%d results, want %d", got.Results, want.Results)
		case got.Hash != want.Hash:
			return fmt.Errorf("the %d results are others than gojq's", got.Results)
		}
		return nil
	}
}

// writes checks the number of lines in the one file of the folder's folder "out".
func writes(want int64) func(dir string) error {
	return func(dir string) error {
		files, err := filepath.Glob(filepath.Join(dir, "out", "*"))
		if err != nil {
			return err
		}
		if len(files) != 1 {
			return fmt.Errorf("%d files, want one", len(files))
		}
		f, err := os.Open(files[0])
		if err != nil {
			return err
		}
		defer f.Close()
		got, err := output.Lines(f)
		if err == nil && got != want {
			err = fmt.Errorf("%d lines, want %d", got, want)
		}
		return err
	}
}
