// Package statedir is the agent's state directory: a format version, a lock that keeps a second agent out, and small
// JSON documents that survive a crash.
//
//	lock         locked (flock) while an agent runs; holds its process id
//	version      the number of the directory's format, in decimal
//	NAME.json    a document of Store
package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"

	"github.com/trailcast/trailcast/internal/durable"
)

// Version is the format that this program writes, and the newest that it reads.
const Version = 1

const (
	lockName    = "lock"
	versionName = "version"
)

// Dir is a state directory that this process holds.
type Dir struct {
	Store
	lock *flock.Flock
}

// InUseError says that another process holds the state directory.
type InUseError struct {
	Dir string
	PID int // the holder as it wrote itself down; 0 when it is not known
}

func (e *InUseError) Error() string {
	holder := "another trailcast"
	if e.PID != 0 {
		holder += fmt.Sprintf(" (pid %d)", e.PID)
	}
	return fmt.Sprintf("state directory %s is in use by %s: stop that one, or give this one its own state_dir", e.Dir, holder)
}

// Open creates the directory (mode 0700) when it is missing, takes its lock, checks its version and removes what a
// crash left unfinished. An *InUseError says that another process holds it. Close gives it free.
func Open(dir string) (*Dir, error) {
	if dir == "" {
		return nil, errors.New("open state directory: no state_dir is configured")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open state directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create state directory: %w", err)
	}
	d := &Dir{Store: NewStore(dir), lock: flock.New(filepath.Join(dir, lockName), flock.SetPermissions(0o600))}
	locked, err := d.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock state directory %s: %w", dir, err)
	}
	if !locked {
		return nil, &InUseError{Dir: dir, PID: holder(d.lock.Path())}
	}
	if err := d.prepare(); err != nil {
		_ = d.Close() // the reason for closing is the error to report
		return nil, err
	}
	return d, nil
}

// Dir returns the directory's absolute path.
func (d *Dir) Dir() string { return d.dir }

// Close gives the lock free; calling it twice is harmless. The lock file stays: removing it would let two processes
// lock different files of one name.
func (d *Dir) Close() error {
	if !d.lock.Locked() {
		return nil
	}
	_ = os.Truncate(d.lock.Path(), 0) // the process id is a courtesy only
	if err := d.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock state directory %s: %w", d.dir, err)
	}
	return nil
}

// prepare does what only the holder of the lock may do.
func (d *Dir) prepare() error {
	if err := d.checkVersion(); err != nil {
		return err
	}
	if err := durable.Sweep(d.dir); err != nil {
		return fmt.Errorf("state directory %s: %w", d.dir, err)
	}
	if err := os.WriteFile(d.lock.Path(), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return fmt.Errorf("lock state directory %s: write process id: %w", d.dir, err)
	}
	return nil
}

func (d *Dir) checkVersion() error {
	path := filepath.Join(d.dir, versionName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := durable.WriteFile(path, []byte(strconv.Itoa(Version)+"\n"), 0o600); err != nil {
			return fmt.Errorf("state directory %s: write version: %w", d.dir, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("state directory %s: read version: %w", d.dir, err)
	}
	version, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || version < 1 {
		return fmt.Errorf("state directory %s: its file %q does not hold a version number: restore the directory from a "+
			"backup, or give another state_dir to start without state", d.dir, versionName)
	}
	if version > Version {
		return fmt.Errorf("state directory %s has format version %d, written by a newer trailcast; this one knows "+
			"versions up to %d: run the newer one, or give another state_dir to start without state", d.dir, version, Version)
	}
	return nil
}

// holder reads the process id of the lock's holder; 0 when it has not written it.
func holder(path string) int {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid < 1 {
		return 0
	}
	return pid
}
