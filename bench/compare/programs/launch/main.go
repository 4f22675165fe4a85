//go:build unix

// Command launch runs one command and writes what it cost: launch FILE COMMAND [ARGUMENT…]. The exit code is the command's.
//
// The peak memory that the kernel tells of a process is at least that of the process that started it, at the time of the
// start. So a small program starts what is measured.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/trailcast/trailcast/bench/compare/process"
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "launch:", err)
	}
	os.Exit(code)
}

const failed = 126 // what shells answer for a command that they can not run

func run(args []string) (code int, err error) {
	if len(args) < 2 {
		return failed, fmt.Errorf("want a file for the figures and a command")
	}
	path, err := exec.LookPath(args[1])
	if err != nil {
		return failed, err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	began := time.Now()
	pid, err := syscall.ForkExec(path, args[1:], &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		return failed, fmt.Errorf("start %s: %w", path, err)
	}
	go func() { // ends with the process
		<-signals
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	}()
	var status syscall.WaitStatus
	var usage syscall.Rusage
	for {
		if _, err = syscall.Wait4(pid, &status, 0, &usage); err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		return failed, fmt.Errorf("wait for %s: %w", path, err)
	}
	cost := process.Cost{
		Wall: time.Since(began).Seconds(),
		CPU:  seconds(usage.Utime) + seconds(usage.Stime),
		Peak: int64(usage.Maxrss) * maxrssUnit(),
	}
	text, err := json.Marshal(cost)
	if err != nil {
		return failed, err
	}
	if err := os.WriteFile(args[0], text, 0o644); err != nil {
		return failed, err
	}
	if status.Signaled() {
		return failed, fmt.Errorf("%s: %v", path, status.Signal())
	}
	return status.ExitStatus(), nil
}

func seconds(t syscall.Timeval) float64 { return time.Duration(t.Nano()).Seconds() }

// maxrssUnit is the number of bytes that ru_maxrss counts in.
func maxrssUnit() int64 {
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return 1
	}
	return 1 << 10
}
