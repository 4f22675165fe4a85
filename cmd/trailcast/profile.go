package main

import (
	"fmt"
	"os"
	"runtime/pprof"
)

// profileVariable names the file for a CPU profile, as `go tool pprof` reads it, of whatever command: for who works on
// trailcast, and for default.pgo in this folder, by which the Go compiler decides what is worth its while.
const profileVariable = "TRAILCAST_CPU_PROFILE"

// profile writes a CPU profile until stop is called; to "" none.
func profile(path string) (stop func()) {
	if path == "" {
		return func() {}
	}
	f, err := os.Create(path)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "trailcast: %s: %v\n", profileVariable, err)
		return func() {}
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}
}
