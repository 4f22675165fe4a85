//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/bench/compare/figures"
)

// TestComparison runs every workload once on few records, with the tools that are there.
func TestComparison(t *testing.T) {
	if testing.Short() {
		t.Skip("builds trailcast and runs it often")
	}
	dir := t.TempDir()
	bin, err := build(t.Context(), "", filepath.Join(dir, "bin"), false)
	if err != nil {
		t.Fatal(err)
	}
	common := []string{"-n", "2000", "-rounds", "1", "-cache", filepath.Join(dir, "cache"), "-trailcast", bin.trailcast}
	t.Run("every workload", func(t *testing.T) { testEveryWorkload(t, common) })
	t.Run("a wrong tool", func(t *testing.T) { testWrongTool(t, common) })
}

func testEveryWorkload(t *testing.T, common []string) {
	json, svg := filepath.Join(t.TempDir(), "figures.json"), filepath.Join(t.TempDir(), "chart.svg")
	var out, log bytes.Buffer
	if err := run(t.Context(), append(common, "-json", json, "-svg", svg), &out, &log); err != nil {
		t.Fatalf("%v\n%s%s", err, &log, &out)
	}
	report, err := figures.Read(json)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, w := range report.Workloads {
		names = append(names, w.Name)
		for _, c := range w.Contenders {
			if c.Failure != "" {
				t.Errorf("%s, %s: %s", w.Name, c.Name, c.Failure)
			}
			if c.CPU.Median <= 0 || c.Peak.Median < 0.1 || c.Records.Median <= 0 || c.JSON.Median <= 0 {
				t.Errorf("%s, %s: no figures: %+v", w.Name, c.Name, c)
			}
			if c.Name == w.Reference && (c.Ratio == nil || c.Ratio.Median != 1) {
				t.Errorf("%s: the reference's ratio to itself: %v", w.Name, c.Ratio)
			}
		}
		if !slices.ContainsFunc(w.Contenders, func(c figures.Contender) bool { return c.Ours }) {
			t.Errorf("%s without trailcast", w.Name)
		}
	}
	var want []string
	for _, d := range definitions() {
		want = append(want, d.name)
	}
	if !slices.Equal(names, want) {
		t.Errorf("workloads %q, want %q", names, want)
	}
	image, err := os.ReadFile(svg)
	if err != nil {
		t.Fatal(err)
	}
	parser := xml.NewDecoder(bytes.NewReader(image))
	for err == nil {
		_, err = parser.Token()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("the chart is no XML: %v", err)
	}
	if report, err := report.Check(report, 0.2); report == 0 || err != nil {
		t.Errorf("compared %d ratios with themselves: %v", report, err)
	}
}

// testWrongTool: one that answers at once, but not what was asked, has no figures, and is no reference.
func testWrongTool(t *testing.T, common []string) {
	tool := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\necho '{}'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOJQ", tool)
	t.Setenv("JQ", tool)
	json := filepath.Join(t.TempDir(), "figures.json")
	var out bytes.Buffer
	err := run(t.Context(), append(common, "-only", "project-ndjson", "-json", json), &out, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "project-ndjson, gojq: wrong outcome: 1 results, want 2000") {
		t.Errorf("%v, want that gojq is wrong", err)
	}
	if !strings.Contains(out.String(), "jq failed: wrong outcome: 1 results, want 2000") {
		t.Errorf("the table does not say that jq is wrong:\n%s", &out)
	}
	report, err := figures.Read(json)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Workloads[0].Contenders {
		if c.Ours == (c.Records.Median == 0) || c.Ratio != nil {
			t.Errorf("%s: %v records in a second, ratio %v", c.Name, c.Records.Median, c.Ratio)
		}
	}
}

func TestWrongFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-only select":           `no workload is called "select"; there are select-gzip, select-ndjson`,
		"-n 0":                   "-n and -rounds must be at least 1",
		"-rounds 0":              "-n and -rounds must be at least 1",
		"-tolerance 20":          "-tolerance is a share",
		"x":                      `unexpected argument "x"`,
		"-check /nowhere/x.json": "no such file",
	} {
		err := run(context.Background(), strings.Fields(args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("compare %s: %v, want %q", args, err, want)
		}
	}
}

func TestChooseKeepsTheUsualOrder(t *testing.T) {
	chosen, err := choose([]string{"run-file", "select-gzip"})
	if err != nil || len(chosen) != 2 || chosen[0].name != "select-gzip" {
		t.Errorf("%v, %v", chosen, err)
	}
}

func TestToolsByVariable(t *testing.T) {
	t.Setenv("GOJQ", "/nowhere/gojq")
	if _, _, err := findTools(); err == nil || !strings.Contains(err.Error(), "GOJQ") {
		t.Errorf("%v, want that GOJQ is wrong", err)
	}
	tool := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOJQ", tool)
	t.Setenv("VECTOR", tool)
	t.Setenv("FLUENT_BIT", "")
	found, leftOut, err := findTools()
	if err != nil || found.gojq != tool || found.vector != tool || found.fluentBit != "" {
		t.Errorf("%+v, %v", found, err)
	}
	if said := strings.Join(leftOut, "; "); !strings.Contains(said, "FLUENT_BIT is not set") || strings.Contains(said, "VECTOR") {
		t.Errorf("left out: %s", said)
	}
}

func TestVersions(t *testing.T) {
	for said, want := range map[string]string{
		"jq-1.7.1":                           "tool 1.7.1",
		"gojq 0.12.20 (rev: HEAD/go1.26)":    "tool 0.12.20",
		"Fluent Bit v5.1.1\nGit commit: abc": "tool 5.1.1",
		"":                                   "tool",
	} {
		tool := filepath.Join(t.TempDir(), "tool")
		if err := os.WriteFile(tool, []byte("#!/bin/sh\ncat <<END\n"+said+"\nEND\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if got := version(t.Context(), "tool", tool); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}

func TestMachine(t *testing.T) {
	for list, want := range map[string][]int{"0-2,5": {0, 1, 2, 5}, "7": {7}, "": nil, "0-": nil} {
		if got := parseCPUs(list); !slices.Equal(got, want) {
			t.Errorf("cores %q: %v, want %v", list, got, want)
		}
	}
	if got, want := generalName("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz"), "Intel Xeon Platinum 8259CL"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if m := thisMachine(); m.CPU == "" || m.Cores < 1 || !strings.HasPrefix(m.Go, "Go ") {
		t.Errorf("%+v", m)
	}
}
