package fileout

import (
	"os"

	"golang.org/x/sys/unix"
)

// uncache tells the system that nobody will soon read a part of a file that is on the disk. It is advice: what goes wrong
// changes nothing.
func uncache(h handle, from, size int64) {
	f, ok := h.(*os.File)
	if !ok {
		return
	}
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.Fadvise(int(fd), from, size, unix.FADV_DONTNEED) })
	}
}
