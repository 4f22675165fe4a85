package enrich

import (
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
)

// watched is what a file says, read again when the file changes. A nil one has no content.
type watched[T any] struct {
	path    string
	read    func(path string) (*T, error)
	content atomic.Pointer[T]

	mu     sync.Mutex  // held while the file is looked at
	seen   os.FileInfo // of the version that was read last, good or bad; nil while the file is missing
	closed bool
}

func watch[T any](path string, read func(string) (*T, error)) (*watched[T], error) {
	// The file's state is taken first: a change while it is read is then found at the next look.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	w := &watched[T]{path: path, read: read, seen: info}
	w.content.Store(content)
	return w, nil
}

func (w *watched[T]) get() *T {
	if w == nil {
		return nil
	}
	return w.content.Load()
}

// recheck reads the file if it is another than at the last look. A version that is missing or broken is logged once and
// leaves the content as it was.
func (w *watched[T]) recheck(log *slog.Logger) {
	if w == nil || !w.mu.TryLock() { // somebody else is at it
		return
	}
	defer w.mu.Unlock()
	info, err := os.Stat(w.path)
	if w.closed || err == nil && sameVersion(info, w.seen) {
		return
	}
	if err != nil {
		if w.seen != nil {
			log.Error("file is gone, its last content stays in use", "path", w.path, "err", err)
		}
		w.seen = nil
		return
	}
	w.seen = info
	content, err := w.read(w.path)
	if err != nil {
		log.Error("new version of file is not usable, the old content stays in use", "path", w.path, "err", err)
		return
	}
	w.content.Store(content)
	log.Info("file read again", "path", w.path)
}

func sameVersion(a, b os.FileInfo) bool {
	return b != nil && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}

// drop forgets the content for good.
func (w *watched[T]) drop() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.content.Store(nil)
}
