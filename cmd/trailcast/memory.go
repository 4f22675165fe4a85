package main

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	programMemory = 56 << 20         // bytes of what the program itself needs, garbage included
	garbageRoom   = 16 << 20         // bytes beside what lives on, and a quarter of that
	gcPercent     = 300              // garbage beside what lives on, while the limit allows it
	memoryRecheck = 10 * time.Second // how often the limit follows what filters remember
)

// limitMemory makes the garbage collector work harder before the process grows beyond what the events in flight explain:
// twice their bytes, since filters make new ones, and what the program itself needs. The limit follows what components
// keep (sessions, a GeoIP database) until stop is called. GOMEMLIMIT overrides it.
func limitMemory(inFlight int64) (stop func()) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	debug.SetMemoryLimit(memoryLimit(inFlight, 0))
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(memoryRecheck)
		defer tick.Stop()
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			metrics.Read(live)
			debug.SetMemoryLimit(memoryLimit(inFlight, int64(live[0].Value.Uint64())))
		}
	}()
	return func() {
		close(done)
		<-stopped
	}
}

// memoryLimit leaves the collector room beside what lives on: with a limit next to that it would run all the time.
func memoryLimit(inFlight, live int64) int64 {
	return max(2*inFlight+programMemory, live+live/4+garbageRoom)
}
