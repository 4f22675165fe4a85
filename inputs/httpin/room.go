package httpin

import (
	"errors"

	"golang.org/x/sync/semaphore"
)

// room bounds what the bodies of all requests hold together. Nobody waits for it: a request that finds none is to come
// again.
type room struct {
	size  int64
	bytes *semaphore.Weighted
}

func newRoom(size int64) *room { return &room{size, semaphore.NewWeighted(size)} }

var (
	errFull  = errors.New("the bodies of other requests take all the memory that there is for them (option max_buffered)")
	errLarge = errors.New("too large")
)

// share is what one request holds.
type share struct {
	room *room
	held int64
}

// grow takes more: errFull where others hold it, errLarge where the request alone would need more than there is.
func (s *share) grow(bytes int64) error {
	switch {
	case s.held+bytes > s.room.size:
		return errLarge
	case !s.room.bytes.TryAcquire(bytes):
		return errFull
	}
	s.held += bytes
	return nil
}

func (s *share) release() {
	s.room.bytes.Release(s.held)
	s.held = 0
}
