package fileout

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/trailcast/trailcast/internal/durable"
)

// handle is what the output needs of an open file.
type handle interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
	Stat() (fs.FileInfo, error)
}

var errBusy = errors.New("another process or output is writing this file; give each a path of its own")

// openLocked opens a file that nobody else writes.
func openLocked(root *os.Root, name string, perm fs.FileMode) (handle, error) {
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, perm)
	if err != nil {
		return nil, err
	}
	locked, err := durable.TryLock(f)
	if err == nil && !locked {
		err = &fs.PathError{Op: "lock", Path: f.Name(), Err: errBusy}
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

// file is one destination of events: what the template made of their facts.
//
// While pins is above zero, mu guards the fields below it; otherwise table.mu does.
type file struct {
	name string // of the finished file, below the root

	pins int  // users; guarded by table.mu
	slot bool // counts as an open file; guarded by table.mu

	mu      sync.Mutex
	h       handle      // nil while closed
	info    fs.FileInfo // identity of h
	exists  bool        // there is, as far as we know, a working file on disk
	known   bool        // size holds
	size    int64       // the ack point: what is behind it was never acknowledged
	dirty   bool        // what is behind the ack point could not be cut off
	placed  bool        // the file's directory entries are durable
	began   time.Time   // when the working file was begun; for one left by an earlier run, when it was last written to
	written time.Time   // when the working file was last written to
}

// forgettable reports whether nothing of the file needs to be remembered once it is closed.
func (f *file) forgettable(staged bool) bool { return f.h == nil && !f.dirty && (!staged || !f.exists) }

// closeHandle gives the file descriptor back. All that was acknowledged is written, and synced where that is asked
// for, so an error here has nothing to say.
func (f *file) closeHandle() {
	if f.h != nil {
		_ = f.h.Close()
		f.h, f.info = nil, nil
	}
}

// reset makes f the file of a name under which nothing is on disk.
func (f *file) reset() {
	f.closeHandle()
	f.exists, f.known, f.dirty, f.placed, f.size = false, false, false, false, 0
	f.began, f.written = time.Time{}, time.Time{}
}

// A volume is the directory tree that an output writes to.
type volume struct {
	o    *Output
	root *os.Root
	path string // for messages
	info fs.FileInfo
}

// workingName is where a file is while it is written.
func (v *volume) workingName(f *file) string {
	if v.o.staged {
		return f.name + openSuffix
	}
	return f.name
}

// append writes behind the ack point and moves that. After an error nothing of what it adds stays in the file, or f
// remembers that it has to be cut before the next write. The caller holds f.mu.
func (v *volume) append(f *file, add addition) error {
	now := time.Now()
	if f.exists && v.o.due(f, now) || v.o.maxSize > 0 && f.size > 0 && f.size+add.size() > v.o.maxSize {
		if err := v.finish(f, now); err != nil {
			return err
		}
	}
	if err := v.open(f, now); err != nil {
		return err
	}
	most := add.atMost()
	flood := v.o.sync && most >= passing
	reserved := flood && reserve(f.h, f.size, most)
	size, err := add.writeTo(f.h, f.size)
	if err != nil {
		f.cut()
		return err
	}
	if reserved && size < most {
		_ = f.h.Truncate(f.size + size) // gives back what is reserved behind it
	}
	if v.o.sync {
		if err := f.h.Sync(); err != nil {
			// The system may hold pages for written that are not: they are written anew through a new handle.
			f.cut()
			f.closeHandle()
			return err
		}
		if flood {
			uncache(f.h, f.size, size)
		}
	}
	f.size += size
	f.written = now
	return nil
}

// passing is how much has to come at once for it to be a flood that no reader on this machine follows. Its pages would only
// drive others out of the system's cache, and finding new ones costs more than filling them.
const passing = 1 << 20

// cut takes the file back to the ack point.
func (f *file) cut() { f.dirty = f.h.Truncate(f.size) != nil }

// open makes f.h the file at its working name, ending at f.size, all of it whole. The path is looked up every time: the
// file may have been moved, removed or cut by somebody else (logrotate), and what is written to a file without a name
// is lost.
func (v *volume) open(f *file, now time.Time) error {
	name := v.workingName(f)
	info, err := v.root.Stat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", v.full(name))
	}
	if f.h != nil && (err != nil || !os.SameFile(info, f.info)) {
		v.o.log.Info("file was moved or removed by somebody else; going on in a new one", "path", v.full(name))
		f.reset()
	}
	if f.h == nil {
		if err == nil && v.o.staged && !f.known {
			twin, twinErr := v.finishedTwin(f, info)
			if twinErr != nil {
				return twinErr
			}
			if twin {
				err = fs.ErrNotExist
			}
		}
		if err != nil {
			f.reset()
		}
		if err := v.create(f, name); err != nil {
			return err
		}
		if info, err = f.h.Stat(); err != nil {
			f.closeHandle()
			return err
		}
		f.info = info
	}
	if err := v.settle(f, info.Size()); err != nil {
		f.closeHandle()
		return err
	}
	if !f.placed && v.o.sync {
		if err := v.syncDirs(name); err != nil {
			return fmt.Errorf("sync directory of %s: %w", v.full(name), err)
		}
	}
	f.placed = true
	if f.size == 0 || f.began.IsZero() {
		f.began, f.written = now, now
	}
	return nil
}

// create opens the working file, making it and its directories where they are missing.
func (v *volume) create(f *file, name string) error {
	h, err := v.o.openFile(v.root, name, v.o.mode)
	if errors.Is(err, fs.ErrNotExist) {
		if err := v.root.MkdirAll(path.Dir(name), dirMode(v.o.mode)); err != nil {
			return err
		}
		h, err = v.o.openFile(v.root, name, v.o.mode)
	}
	if err != nil {
		return err
	}
	f.h, f.exists = h, true
	return nil
}

// settle brings a file whose size on disk is onDisk to a whole state.
func (v *volume) settle(f *file, onDisk int64) error {
	switch {
	case f.known && onDisk == f.size && !f.dirty:
		return nil
	case f.known && onDisk > f.size && f.dirty:
		if err := f.h.Truncate(f.size); err != nil {
			return err
		}
		f.dirty = false
		return nil
	}
	end, missingEnd, err := v.o.codec.whole(f.h, onDisk)
	switch {
	case err != nil:
		return err
	case end < onDisk:
		if err := f.h.Truncate(end); err != nil {
			return err
		}
		v.o.log.Warn("file ended in the middle of a record, which was cut off; it was not acknowledged",
			"path", v.full(v.workingName(f)), "bytes", onDisk-end)
	case missingEnd:
		if _, err := f.h.WriteAt([]byte("\n"), end); err != nil {
			return err
		}
		end++
	}
	f.size, f.known, f.dirty = end, true, false
	return nil
}

// finishedTwin removes the working name of a file that already has its final one: a crash came between the two steps
// of finish.
func (v *volume) finishedTwin(f *file, info fs.FileInfo) (bool, error) {
	dir, base := path.Split(f.name)
	stem, _ := splitExtension(base)
	entries, err := fs.ReadDir(v.root.FS(), path.Clean("./"+dir))
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), stem) || e.Name() == base+openSuffix {
			continue
		}
		if other, err := e.Info(); err == nil && os.SameFile(info, other) {
			return true, v.root.Remove(v.workingName(f))
		}
	}
	return false, nil
}

// finish gives a working file its final name, or removes it when it is empty. The caller holds f.mu.
func (v *volume) finish(f *file, now time.Time) error {
	if !f.exists {
		return nil
	}
	name := v.workingName(f)
	if _, err := v.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		f.reset()
		return nil
	}
	if err := v.open(f, now); err != nil {
		return err
	}
	if f.size > 0 {
		if err := v.link(name, f.name, now); err != nil {
			return fmt.Errorf("finish %s: %w", v.full(name), err)
		}
	}
	if err := v.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.closeHandle()
		f.known = false
		return fmt.Errorf("finish %s: %w", v.full(name), err)
	}
	f.reset()
	if v.o.sync {
		return v.syncDir(path.Dir(name))
	}
	return nil
}

// link gives the working file a final name that nothing else has. A link never replaces a file, as a rename would.
func (v *volume) link(working, final string, now time.Time) error {
	const attempts = 10_000
	for k := range attempts {
		candidate := finishedName(final, now, k)
		err := v.root.Link(working, candidate)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, fs.ErrExist):
			continue
		case !noLinks(err):
			return err
		}
		// A file system without hard links: look, then rename. Only we write here.
		if _, err := v.root.Lstat(candidate); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return v.root.Rename(working, candidate)
	}
	return fmt.Errorf("%d names like %s are taken", attempts, v.full(final))
}

func noLinks(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EMLINK)
}

// syncDirs makes the directory entries from name's up to the root durable.
func (v *volume) syncDirs(name string) error {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if err := v.syncDir(dir); err != nil || dir == "." {
			return err
		}
	}
}

func (v *volume) syncDir(name string) error {
	d, err := v.root.Open(name)
	if err != nil {
		return err
	}
	return durable.SyncAndClose(d)
}

// full is the name of a file for people.
func (v *volume) full(name string) string { return path.Join(v.path, name) }

// explain says which file an error is about, once.
func (v *volume) explain(name string, err error) error {
	if e, ok := err.(*fs.PathError); ok { //nolint:errorlint // what is around a PathError is to be kept
		return fmt.Errorf("write %s: %s: %w", v.full(name), e.Op, e.Err)
	}
	return fmt.Errorf("write %s: %w", v.full(name), err)
}
