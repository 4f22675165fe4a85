package fileout

import (
	"os"

	"golang.org/x/sys/unix"
)

// reserve gives a file the blocks for what will be written at once, which costs the system less than to find one after the
// other. The file's size stays. It is advice, as uncache is: where it is not done, writing does what is needed, or says what is
// wrong.
func reserve(h handle, from, size int64) (done bool) {
	control(h, func(fd int) {
		var system unix.Statfs_t
		if unix.Fstatfs(fd, &system) != nil || uint32(system.Type) == unix.BTRFS_SUPER_MAGIC { // which would not compress the file any more
			return
		}
		done = unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, from, size) == nil
	})
	return done
}

// uncache tells the system that nobody will soon read a part of a file that is on the disk.
func uncache(h handle, from, size int64) {
	control(h, func(fd int) { _ = unix.Fadvise(fd, from, size, unix.FADV_DONTNEED) })
}

func control(h handle, call func(fd int)) {
	f, ok := h.(*os.File)
	if !ok {
		return
	}
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { call(int(fd)) })
	}
}
