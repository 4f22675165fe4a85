package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tools are paths of programs of others; "" is one that is not there.
type tools struct{ jq, gojq, gzip, taskset, connect, fluentBit, vector string }

// findTools also says what is left out. A variable that names no program is an error.
func findTools() (t tools, leftOut []string, err error) {
	for _, tool := range []struct {
		path     *string
		name     string
		variable string // says where it is
		inPath   bool   // it is also looked for in PATH
		without  string // what is missing without it
	}{
		{&t.jq, "jq", "JQ", true, "jq: not in PATH, and JQ is not set"},
		{&t.gojq, "gojq", "GOJQ", true, "gojq: not in PATH, and GOJQ is not set"},
		{&t.gzip, "gzip", "", true, "jq and gojq on compressed files: no gzip"},
		{&t.taskset, "taskset", "", true, "pinning to cores: no taskset, only GOMAXPROCS"},
		{&t.connect, "", "REDPANDA_CONNECT", false, "Redpanda Connect: REDPANDA_CONNECT is not set"},
		{&t.fluentBit, "", "FLUENT_BIT", false, "Fluent Bit: FLUENT_BIT is not set"},
		{&t.vector, "", "VECTOR", false, "Vector: VECTOR is not set"},
	} {
		if named := os.Getenv(tool.variable); tool.variable != "" && named != "" {
			if *tool.path, err = find(named); err != nil {
				return t, nil, fmt.Errorf("%s: %w", tool.variable, err)
			}
			continue
		}
		if tool.inPath {
			*tool.path, _ = find(tool.name) // "" says that there is none
		}
		if *tool.path == "" {
			leftOut = append(leftOut, tool.without)
		}
	}
	return t, leftOut, nil
}

func find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// versions are what the tools say of themselves, by name.
func (t tools) versions(ctx context.Context) map[string]string {
	versions := make(map[string]string)
	for name, path := range map[string]string{
		"jq": t.jq, "gojq": t.gojq, "Redpanda Connect": t.connect, "Fluent Bit": t.fluentBit, "Vector": t.vector,
	} {
		if path != "" {
			versions[name] = version(ctx, name, path)
		}
	}
	return versions
}

// version is the first line of what a tool says to --version, with its name: "jq 1.7.1". A tool that says nothing is
// compared all the same.
func version(ctx context.Context, name, path string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, path, "--version").Output()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '-' }) {
		if word = strings.TrimPrefix(word, "v"); word != "" && word[0] >= '0' && word[0] <= '9' {
			return name + " " + word
		}
	}
	return name
}
