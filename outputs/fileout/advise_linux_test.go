package fileout

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/trailcast/trailcast/outputs/outputtest"
	"github.com/trailcast/trailcast/pipeline"
)

// TestFloodLeavesTheCache: what comes in large writes does not stay in the system's cache; a little does, since somebody
// may follow the file.
func TestFloodLeavesTheCache(t *testing.T) {
	for _, tt := range []struct {
		name   string
		size   int
		cached bool
	}{
		{"flood", 4 << 20, false},
		{"little", 256 << 10, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			var where unix.Statfs_t
			if err := unix.Statfs(dir, &where); err != nil || where.Type == unix.TMPFS_MAGIC {
				t.Skipf("files here are in memory only (%v)", err)
			}
			name := filepath.Join(dir, "all.ndjson")
			out := newOutput(t, config(name))
			large := fmt.Appendf(nil, `{"a":"%s"}`, strings.Repeat("x", 1000))
			write(t, out, slices.Repeat([]pipeline.Event{outputtest.Event(large, pipeline.Facts{}, "1")}, tt.size/len(large))...)
			resident, pages := cached(t, name)
			if got := resident > pages/2; got != tt.cached {
				t.Errorf("%d of %d pages are in the cache", resident, pages)
			}
		})
	}
}

// TestFloodReservesNoMore: what was reserved for a flood and not needed, since events lost white space, is given back.
func TestFloodReservesNoMore(t *testing.T) {
	name := filepath.Join(t.TempDir(), "all.ndjson")
	out := newOutput(t, config(name))
	spaced := fmt.Appendf(nil, "{\n%s\"a\":1}", strings.Repeat(" ", 1000))
	write(t, out, slices.Repeat([]pipeline.Event{outputtest.Event(spaced, pipeline.Facts{}, "1")}, (4<<20)/len(spaced))...)
	var file unix.Stat_t
	if err := unix.Stat(name, &file); err != nil {
		t.Fatal(err)
	}
	if has := file.Blocks * 512; has > file.Size+1<<20 {
		t.Errorf("a file of %d bytes has %d on the disk", file.Size, has)
	}
}

// cached returns how many of a file's pages are in the system's cache.
func cached(t *testing.T, name string) (resident, pages int) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(m)
	pages = (len(m) + os.Getpagesize() - 1) / os.Getpagesize()
	state := make([]byte, pages)
	if _, _, errno := syscall.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), uintptr(unsafe.Pointer(&state[0]))); errno != 0 {
		t.Fatal(errno)
	}
	for _, s := range state {
		resident += int(s & 1)
	}
	return resident, pages
}
