//go:build unix

package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func newRunner(t *testing.T) *Runner {
	t.Helper()
	launcher := filepath.Join(t.TempDir(), "launch")
	if out, err := exec.Command("go", "build", "-o", launcher, "../programs/launch").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return &Runner{Launcher: launcher, Timeout: time.Minute}
}

func TestRun(t *testing.T) {
	r, dir := newRunner(t), t.TempDir()
	in := filepath.Join(dir, "in")
	if err := os.WriteFile(in, []byte("given"), 0o644); err != nil {
		t.Fatal(err)
	}
	// A child of the command works: it counts with it.
	const script = `cat; echo " $GOMAXPROCS"; (i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done)`
	got, err := r.Run(context.Background(), Command{Args: []string{"sh", "-c", script}, Stdin: in, Cores: 3}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := os.ReadFile(filepath.Join(dir, Stdout)); string(out) != "given 3\n" {
		t.Errorf("printed %q", out)
	}
	if got.CPU <= 0.005 || got.Wall <= 0 || got.CPU > 30 {
		t.Errorf("cost %+v", got)
	}
	// A shell is small: the peak is not that of this test, which started the launcher.
	ballast := make([]byte, 64<<20)
	for i := range ballast {
		ballast[i] = 1
	}
	got, err = r.Run(context.Background(), Command{Args: []string{"true"}, Cores: 1}, dir)
	if err != nil || got.Peak < 100<<10 || got.Peak > 32<<20 {
		t.Errorf("peak of a small program %d, %v", got.Peak, err)
	}
	_ = ballast[len(ballast)-1]
}

func TestQuiet(t *testing.T) {
	r, dir := newRunner(t), t.TempDir()
	if _, err := r.Run(context.Background(), Command{Args: []string{"echo", "text"}, Cores: 1, Quiet: true}, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, Stdout)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what it printed is kept: %v", err)
	}
}

func TestFailures(t *testing.T) {
	r, dir := newRunner(t), t.TempDir()
	for name, c := range map[string]struct {
		script string
		want   []string
	}{
		"exit code": {"echo no memory >&2; exit 3", []string{"sh: exit status 3", "no memory"}},
		"signal":    {"kill -9 $$", []string{"killed"}},
	} {
		_, err := r.Run(context.Background(), Command{Args: []string{"sh", "-c", c.script}, Cores: 1}, dir)
		if err == nil || slices.ContainsFunc(c.want, func(w string) bool { return !strings.Contains(err.Error(), w) }) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := r.Run(context.Background(), Command{Args: []string{"/nowhere/tool"}, Cores: 1}, dir); err == nil {
		t.Error("a tool that is not there has run")
	}
	r.Timeout = 50 * time.Millisecond
	began := time.Now()
	_, err := r.Run(context.Background(), Command{Args: []string{"sleep", "60"}, Cores: 1}, dir)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 30*time.Second {
		t.Errorf("%v after %v, want the deadline", err, time.Since(began))
	}
}

func TestPin(t *testing.T) {
	r := Runner{Taskset: "/bin/taskset", CPUs: []int{0, 2, 5}}
	for cores, want := range map[int][]string{
		1: {"/bin/taskset", "-c", "5"}, 2: {"/bin/taskset", "-c", "2,5"}, 3: nil, 4: nil,
	} {
		if got := r.pin(cores); !slices.Equal(got, want) {
			t.Errorf("%d cores: %q, want %q", cores, got, want)
		}
	}
	r.Taskset = ""
	if got := r.pin(1); got != nil {
		t.Errorf("without taskset: %q", got)
	}
}
