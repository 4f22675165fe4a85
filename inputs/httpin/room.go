package httpin

import (
	"errors"

	"golang.org/x/sync/semaphore"
)

// room bounds what the bodies of requests hold together. Nobody waits for it: a request that finds none is to come again.
type room struct {
	size  int64
	bytes *semaphore.Weighted
}

func newRoom(size int64) *room { return &room{size, semaphore.NewWeighted(size)} }

// pool is what requests share.
type pool struct {
	room   *room
	places chan struct{} // requests at one time
}

func newPool(bytes int64, requests int) pool {
	return pool{newRoom(bytes), make(chan struct{}, requests)}
}

var (
	errBusy  = errors.New("too many requests at one time (option max_requests)")
	errFull  = errors.New("the bodies of other requests take all the memory that there is for them (option max_buffered)")
	errLarge = errors.New("too large")
)

// enter takes a place for a request, which leave gives back.
func (p *pool) enter() (*share, error) {
	select {
	case p.places <- struct{}{}:
		return &share{pool: p}, nil
	default:
		return nil, errBusy
	}
}

// share is what one request holds.
type share struct {
	pool *pool
	held int64
}

// grow takes more: errFull where others hold it, errLarge where the request alone would need more than there is.
func (s *share) grow(bytes int64) error {
	switch {
	case s.held+bytes > s.pool.room.size:
		return errLarge
	case !s.pool.room.bytes.TryAcquire(bytes):
		return errFull
	}
	s.held += bytes
	return nil
}

// growBeside takes what is needed beside the body, or all that the request could have where that is less: it must not be
// what makes a body too large.
func (s *share) growBeside(bytes int64) error { return s.grow(min(bytes, s.pool.room.size-s.held)) }

// enlarge returns a buffer with room for more than b, but for no more than most. Both count while b is copied.
func (s *share) enlarge(b []byte, most int64) ([]byte, error) {
	before := s.held
	size := grown(cap(b), most)
	if err := s.grow(int64(size - cap(b))); err != nil {
		return nil, err
	}
	after := s.held
	if err := s.growBeside(int64(cap(b))); err != nil {
		s.shrink(before)
		return nil, err
	}
	larger := append(make([]byte, 0, size), b...)
	s.shrink(after)
	return larger, nil
}

const firstBody = 16 << 10 // bytes of a body's first buffer

// grown is the next size of a buffer that never needs to be larger than most.
func grown(size int, most int64) int { return int(min(max(2*int64(size), firstBody), most)) }

// shrink gives back what is more than bytes.
func (s *share) shrink(bytes int64) {
	s.pool.room.bytes.Release(s.held - bytes)
	s.held = bytes
}

func (s *share) release() { s.shrink(0) }

// move makes the request one of another pool's.
func (s *share) move(to *pool) error {
	next, err := to.enter()
	if err != nil {
		return err
	}
	if err := next.grow(s.held); err != nil {
		next.leave()
		return err
	}
	s.leave()
	*s = *next
	return nil
}

// leave gives back all that the request holds.
func (s *share) leave() {
	s.release()
	<-s.pool.places
}
