package filein

import (
	"fmt"
	"sync"
	"time"

	"github.com/trailcast/trailcast/internal/statedir"
)

// entry is what is remembered of a file. Every event before Offset has its outcome.
type entry struct {
	Path    string    `json:"path"`
	Inode   string    `json:"inode"`
	ID      string    `json:"identity"` // see file.id
	Print   string    `json:"fingerprint"`
	PrintOf int       `json:"fingerprint_bytes"`
	Size    int64     `json:"size"`  // when it was last read to its end
	ModTime time.Time `json:"mtime"` // likewise
	Offset  int64     `json:"offset"`
	Index   int64     `json:"index"` // records before Offset
	Done    bool      `json:"done"`  // read to its end
	Seen    time.Time `json:"seen"`
}

// forgetAfter is how long a file that is gone is remembered.
const forgetAfter = 14 * 24 * time.Hour

const (
	stateVersion = 1
	saveInterval = 200 * time.Millisecond
)

type savedState struct {
	Version int     `json:"version"`
	Files   []entry `json:"files"`
}

// state keeps the entries and saves them, at most every saveInterval and never more than a twentieth of the time.
type state struct {
	store statedir.Store
	name  string
	keep  bool // there is a state directory

	mu      sync.Mutex
	dirty   bool
	lastEnd time.Time
	wait    time.Duration
}

func openState(dir, input string) (*state, []entry, error) {
	s := &state{name: "file-" + input, keep: dir != "", wait: saveInterval}
	if !s.keep {
		return s, nil, nil
	}
	s.store = statedir.NewStore(dir)
	var saved savedState
	if _, err := s.store.Load(s.name, &saved); err != nil {
		return nil, nil, err
	}
	if saved.Version > stateVersion {
		return nil, nil, fmt.Errorf("the positions of input %q were saved by a newer version of trailcast", input)
	}
	return s, saved.Files, nil
}

func (s *state) touch() {
	s.mu.Lock()
	s.dirty = true
	s.mu.Unlock()
}

// due reports whether there is something to save, and how long to wait before it may be.
func (s *state) due(now time.Time) (dirty bool, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dirty && s.keep, s.wait - now.Sub(s.lastEnd)
}

// save writes the entries.
func (s *state) save(entries []entry) error {
	if !s.keep {
		return nil
	}
	s.mu.Lock()
	s.dirty = false
	s.mu.Unlock()
	began := time.Now()
	err := s.store.Save(s.name, savedState{stateVersion, entries})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastEnd = time.Now()
	s.wait = max(saveInterval, 20*s.lastEnd.Sub(began))
	if err != nil {
		s.dirty = true
	}
	return err
}
