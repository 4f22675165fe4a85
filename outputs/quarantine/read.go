package quarantine

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// Each calls fn for every entry in the directory that was not removed, oldest first, until fn returns false. It takes
// no lock and works beside a running agent.
func Each(dir string, fn func(Entry) bool) error {
	removed, err := removedIDs(dir)
	if err != nil {
		return err
	}
	names, err := segments(dir)
	if err != nil {
		return fmt.Errorf("read the quarantine: %w", err)
	}
	for _, name := range names {
		more, err := eachIn(filepath.Join(dir, name), removed, fn)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func eachIn(path string, removed map[string]bool, fn func(Entry) bool) (more bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // removed in the meantime
	}
	if err != nil {
		return false, fmt.Errorf("read the quarantine: %w", err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 256<<10)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return true, nil // an entry without its newline is still being written
		}
		if err != nil {
			return false, fmt.Errorf("read the quarantine: %w", err)
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return false, fmt.Errorf("read the quarantine: %s holds a line that is no entry: %w", path, err)
		}
		if !removed[e.ID] && !fn(e) {
			return false, nil
		}
	}
}

// Find returns one entry.
func Find(dir, id string) (Entry, error) {
	var found *Entry
	err := Each(dir, func(e Entry) bool {
		if e.ID == id {
			found = &e
		}
		return found == nil
	})
	if err != nil {
		return Entry{}, err
	}
	if found == nil {
		return Entry{}, fmt.Errorf("there is no entry %q in the quarantine %s", id, dir)
	}
	return *found, nil
}

// Remove takes entries out, after they were delivered in another way. It works beside a running agent. Segments of
// which every entry is removed are deleted, but for the last one, which may be in use.
func Remove(dir string, ids []string) error {
	lock := flock.New(filepath.Join(dir, removedName+".lock"), flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("remove quarantine entries: %w", err)
	}
	defer lock.Close()
	f, err := os.OpenFile(filepath.Join(dir, removedName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("remove quarantine entries: %w", err)
	}
	_, err = f.WriteString(strings.Join(ids, "\n") + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("remove quarantine entries: %w", err)
	}
	return sweep(dir)
}

func removedIDs(dir string) (map[string]bool, error) {
	data, err := os.ReadFile(filepath.Join(dir, removedName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	ids := map[string]bool{}
	for _, id := range strings.Fields(string(data)) {
		ids[id] = true
	}
	return ids, nil
}

// sweep deletes segments that hold nothing any more.
func sweep(dir string) error {
	removed, err := removedIDs(dir)
	if err != nil {
		return err
	}
	names, err := segments(dir)
	if err != nil {
		return err
	}
	for i, name := range names {
		if i == len(names)-1 {
			break
		}
		path := filepath.Join(dir, name)
		empty := true
		if _, err := eachIn(path, removed, func(Entry) bool { empty = false; return false }); err != nil {
			return err
		}
		if empty {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("remove an empty quarantine segment: %w", err)
			}
		}
	}
	return nil
}
