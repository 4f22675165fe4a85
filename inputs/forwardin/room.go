package forwardin

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// room bounds what the messages of all connections hold. A message passes its parts in one order and never waits for an
// earlier one while it holds a later one, so that no connections wait for each other for ever:
//
//   - unread: the buffers of messages that are being read or handed over;
//   - unpacking: compressed chunks that wait, unpacked, for a place in flight; a few, of at most max_decompressed each;
//   - flight: what is handed over and not settled. It is given back by the outputs alone.
type room struct {
	unread    *semaphore.Weighted
	last      *semaphore.Weighted // of one connection, to read on although unread is used up
	unpacking *semaphore.Weighted
	flight    *semaphore.Weighted
	flightMax int64
}

// unpackers is how many chunks are unpacked at once.
const unpackers = 2

func newRoom(bytes int64) *room {
	half := max(bytes/2, 1)
	return &room{
		unread: semaphore.NewWeighted(half), last: semaphore.NewWeighted(1), unpacking: semaphore.NewWeighted(unpackers),
		flight: semaphore.NewWeighted(half), flightMax: half,
	}
}

// share is what one connection holds of the unread part.
type share struct {
	room *room
	held int64
	last bool
}

// grow takes more of the room. How large a message gets is not known while it arrives. When the room is used up, one
// connection at a time may read its message to the end all the same; the others wait.
func (s *share) grow(ctx context.Context, bytes int64) error {
	switch {
	case s.last:
		return nil
	case s.room.unread.TryAcquire(bytes):
		s.held += bytes
		return nil
	}
	err := s.room.last.Acquire(ctx, 1)
	s.last = err == nil
	return err
}

func (s *share) release() {
	s.room.unread.Release(s.held)
	if s.last {
		s.room.last.Release(1)
	}
	s.held, s.last = 0, false
}
