// Command otherplugin is another Go plugin in the same process: it counts bytes.
package main

// #include <stdlib.h>
// #include <string.h>
// struct def { int type, proxy, flags; char *name, *description; };
// struct context { void *remote; void *proxy; };
// struct plugin { char *name; void *api; void *instance; struct context *context; };
// static void fill(void *p) { struct def *d = p; d->type = 2; d->proxy = 11; d->name = strdup("other"); d->description = strdup("another plugin"); }
import "C"

import (
	"sync/atomic"
	"unsafe"
)

var bytes atomic.Int64

func main() {}

//export FLBPluginRegister
func FLBPluginRegister(def unsafe.Pointer) C.int { C.fill(def); return 0 }

//export FLBPluginInit
func FLBPluginInit(unsafe.Pointer) C.int { return 1 }

//export FLBPluginFlushCtx
func FLBPluginFlushCtx(context, data unsafe.Pointer, size C.size_t, tag *C.char) C.int {
	garbage := make([]byte, size) // so that its collector has work
	bytes.Add(int64(len(garbage)))
	return 1
}

//export FLBPluginExitCtx
func FLBPluginExitCtx(unsafe.Pointer) C.int { return 1 }
