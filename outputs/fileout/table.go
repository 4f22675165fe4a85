package fileout

import (
	"container/list"
	"sync"
	"time"
)

// table holds the files that are in use, open or to be finished, and keeps the number of open ones within a limit.
// Whoever pins files never pins more than the limit at once; Output.turns sees to that.
type table struct {
	max    int
	staged bool

	mu    sync.Mutex // guards what follows
	files map[string]*file
	idle  *list.List // of *file: open and not pinned, the least recently used first
	place map[*file]*list.Element
	slots int // files that count as open
}

func newTable(limit int, staged bool) *table {
	return &table{max: limit, staged: staged, files: map[string]*file{}, idle: list.New(), place: map[*file]*list.Element{}}
}

// pin returns the file of a name, with the right to open it, closing the least recently used one where that is needed.
func (t *table) pin(name string) *file {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.files[name]
	if f == nil {
		f = &file{name: name}
		t.files[name] = f
	}
	f.pins++
	t.leaveIdle(f)
	if !f.slot {
		if t.slots >= t.max {
			t.evict()
		}
		f.slot = true
		t.slots++
	}
	return f
}

// unpin ends the use of a file.
func (t *table) unpin(f *file) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.pins--; f.pins > 0 {
		return
	}
	if f.h != nil {
		t.place[f] = t.idle.PushBack(f)
		return
	}
	t.release(f)
}

// evict closes the least recently used file.
func (t *table) evict() {
	if front := t.idle.Front(); front != nil {
		f := front.Value.(*file)
		t.leaveIdle(f)
		f.closeHandle()
		t.release(f)
	}
}

func (t *table) leaveIdle(f *file) {
	if e := t.place[f]; e != nil {
		t.idle.Remove(e)
		delete(t.place, f)
	}
}

// release gives a closed file's slot back and forgets the file where nothing is to be remembered.
func (t *table) release(f *file) {
	f.slot = false
	t.slots--
	if f.forgettable(t.staged) {
		delete(t.files, f.name)
	}
}

// adopt takes up a working file that an earlier run left.
func (t *table) adopt(name string, written time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files[name] == nil {
		t.files[name] = &file{name: name, exists: true, began: written, written: written}
	}
}

// unused returns the names of the files that nobody uses now and that want holds for.
func (t *table) unused(want func(*file) bool) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for name, f := range t.files {
		if f.pins == 0 && want(f) {
			names = append(names, name)
		}
	}
	return names
}

// forget closes all files and forgets them. The caller knows that none is pinned.
func (t *table) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.files {
		f.closeHandle()
	}
	clear(t.files)
	clear(t.place)
	t.idle.Init()
	t.slots = 0
}
