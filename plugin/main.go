// Command plugin is the Fluent Bit output plugin out_trailcast.so (go build -buildmode=c-shared). fluentbit.c holds the
// functions that Fluent Bit calls, package internal/fluentbit what they do; here the two meet.
package main

// #include <stdlib.h>
// #include "fluentbit.h"
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"unsafe"

	"github.com/trailcast/trailcast/internal/fluentbit"
)

var version = "dev" // set by the build

// process is all state that the plugin has. The library stays loaded when Fluent Bit reloads its configuration, and is
// registered again in the same process before the old instances end.
var process struct {
	host fluentbit.Host

	once sync.Once // what is set for the whole process

	mu        sync.Mutex
	instances map[uintptr]*fluentbit.Instance // by what Fluent Bit keeps as their context
	lastID    uintptr
	named     int // instances since the last registration
}

func main() {} // never called; the build mode asks for it

// trailcastRegistered is called once for each configuration that Fluent Bit loads.
//
//export trailcastRegistered
func trailcastRegistered() {
	process.mu.Lock()
	defer process.mu.Unlock()
	process.named = 0
	process.once.Do(beAGuest)
}

// beAGuest leaves half of the processors to Fluent Bit, which the plugin waits for: with all of them Go spends more time on
// waking threads than on events. The heap is small and its garbage comes in whole chunks, so that collecting it less often
// costs little memory. What the environment says goes first.
func beAGuest() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

const gcPercent = 300

// trailcastStart makes an instance and returns its context, 0 after a mistake in its configuration. What api and instance
// point to is used during the call only.
//
//export trailcastStart
func trailcastStart(api *C.struct_flb_api, instance unsafe.Pointer) (id C.uintptr_t) {
	print := printer(api.log_print)
	defer func() {
		if p := recover(); p != nil {
			print(fluentbit.LevelError, fmt.Sprintf("[output:trailcast] start: panic: %v\n%s", p, debug.Stack()))
			id = 0
		}
	}()
	process.mu.Lock()
	name := "trailcast." + strconv.Itoa(process.named) // as Fluent Bit names instances without an alias
	process.named++
	process.mu.Unlock()
	in, ok := process.host.Start(fluentbit.Options{
		Name: name, Version: version, Print: print, Level: fluentbit.Level(C.trailcast_level(api, instance)),
		Get: func(key string) string {
			k := C.CString(key)
			defer C.free(unsafe.Pointer(k))
			return C.GoString(C.trailcast_get(api, k, instance))
		},
	})
	if !ok {
		return 0
	}
	process.mu.Lock()
	defer process.mu.Unlock()
	if process.instances == nil {
		process.instances = map[uintptr]*fluentbit.Instance{}
	}
	process.lastID++
	process.instances[process.lastID] = in
	return C.uintptr_t(process.lastID)
}

// printer writes lines to Fluent Bit's log. The function that it calls is a part of Fluent Bit and stays; the API table is
// freed with the configuration.
func printer(log C.trailcast_log) func(fluentbit.Level, string) {
	return func(level fluentbit.Level, line string) {
		s := C.CString(line)
		defer C.free(unsafe.Pointer(s))
		C.trailcast_print(log, C.int(level), s)
	}
}

// trailcastFlush delivers a chunk, which belongs to Fluent Bit and is read during the call only.
//
//export trailcastFlush
func trailcastFlush(id C.uintptr_t, data unsafe.Pointer, size C.size_t, tag *C.char) C.int {
	process.mu.Lock()
	in := process.instances[uintptr(id)]
	process.mu.Unlock()
	if in == nil {
		fmt.Fprintln(os.Stderr, "trailcast: a flush for an instance that does not run; Fluent Bit keeps the chunk")
		return C.FLB_RETRY
	}
	if size == 0 {
		return C.FLB_OK
	}
	return C.int(in.Flush(C.GoString(tag), unsafe.Slice((*byte)(data), size)))
}

// trailcastStop ends an instance.
//
//export trailcastStop
func trailcastStop(id C.uintptr_t) {
	process.mu.Lock()
	in := process.instances[uintptr(id)]
	delete(process.instances, uintptr(id))
	process.mu.Unlock()
	if in == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "trailcast: stop: panic: %v\n%s", p, debug.Stack())
		}
	}()
	in.Close()
}
