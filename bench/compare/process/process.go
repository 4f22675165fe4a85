// Package process runs a command and tells what it cost.
package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Command is what to run. The processes that it starts and waits for count with it.
type Command struct {
	Args  []string
	Stdin string   // a file; "": nothing
	Cores int      // how many cores it may use
	Quiet bool     // what it prints goes nowhere
	Env   []string // beside the environment of this process
}

// Cost is what one run took.
type Cost struct {
	Wall float64 `json:"wall"` // seconds
	CPU  float64 `json:"cpu"`  // seconds of user and system time, of the process and those it waited for
	Peak int64   `json:"peak"` // bytes of memory of the largest of these processes
}

// Files that Run leaves in the folder of a run.
const (
	Stdout = "stdout"
	stderr = "stderr"
	cost   = "cost.json"
)

// Runner runs commands one at a time.
type Runner struct {
	Launcher string        // bench/compare/programs/launch
	Timeout  time.Duration // of one command
	Taskset  string        // pins commands to cores; "": they are only asked by GOMAXPROCS
	CPUs     []int         // those that may be used
}

// Run runs c with dir as its working directory, and leaves what it prints there unless c is quiet. An error is one of starting it, an exit
// code other than 0, with the last lines of what it said, or the time limit.
func (r *Runner) Run(ctx context.Context, c Command, dir string) (Cost, error) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	args := append(r.pin(c.Cores), c.Args...)
	cmd := exec.CommandContext(ctx, r.Launcher, append([]string{filepath.Join(dir, cost)}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // the launcher passes it on
	cmd.WaitDelay = 5 * time.Second
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(c.Cores)), c.Env...)
	files, err := open(cmd, c, dir)
	defer func() {
		for _, f := range files {
			_ = f.Close() // the command has its own
		}
	}()
	if err != nil {
		return Cost{}, err
	}
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return Cost{}, fmt.Errorf("%s: %w%s", filepath.Base(c.Args[0]), err, lastLines(filepath.Join(dir, stderr)))
	}
	text, err := os.ReadFile(filepath.Join(dir, cost))
	if err != nil {
		return Cost{}, err
	}
	var figures Cost
	if err := json.Unmarshal(text, &figures); err != nil {
		return Cost{}, fmt.Errorf("read %s: %w", cost, err)
	}
	return figures, nil
}

func open(cmd *exec.Cmd, c Command, dir string) (files []*os.File, err error) {
	if c.Stdin != "" {
		in, err := os.Open(c.Stdin)
		if err != nil {
			return files, err
		}
		files, cmd.Stdin = append(files, in), in
	}
	if !c.Quiet { // else exec opens the null device
		out, err := os.Create(filepath.Join(dir, Stdout))
		if err != nil {
			return files, err
		}
		files, cmd.Stdout = append(files, out), out
	}
	said, err := os.Create(filepath.Join(dir, stderr))
	if err != nil {
		return files, err
	}
	files, cmd.Stderr = append(files, said), said
	return files, nil
}

// pin is what to put before a command so that it stays on so many cores. They are the last ones, since others of the
// machine's processes prefer the first.
func (r *Runner) pin(cores int) []string {
	if r.Taskset == "" || cores >= len(r.CPUs) {
		return nil
	}
	var list []string
	for _, cpu := range r.CPUs[len(r.CPUs)-cores:] {
		list = append(list, strconv.Itoa(cpu))
	}
	return []string{r.Taskset, "-c", strings.Join(list, ",")}
}

// lastLines is the end of what a command said, beginning with a newline.
func lastLines(path string) string {
	text, err := os.ReadFile(path)
	if text = bytes.TrimSpace(text); err != nil || len(text) == 0 {
		return ""
	}
	lines := bytes.Split(text, []byte("\n"))
	return "\n" + string(bytes.Join(lines[max(0, len(lines)-5):], []byte("\n")))
}
