package split

import (
	"io"
	"sync"
)

const (
	aheadBlocks = 4
	aheadBlock  = 32 << 10 // as much as gzip gives at once
)

// ahead reads a stream on a goroutine of its own, some blocks further than it is asked for. Its bytes are copied once
// more, into the window of whoever splits them: the blocks are used again.
type ahead struct {
	filled chan piece
	free   chan []byte
	stop   chan struct{}
	reader sync.WaitGroup

	piece        // the one in use
	rest  []byte // of it
}

// piece is what one call of Read gave.
type piece struct {
	bytes []byte
	err   error
}

func readAhead(r io.Reader) *ahead {
	a := &ahead{filled: make(chan piece, aheadBlocks), free: make(chan []byte, aheadBlocks), stop: make(chan struct{})}
	for range aheadBlocks {
		a.free <- make([]byte, aheadBlock)
	}
	a.reader.Go(func() {
		for {
			select {
			case b := <-a.free:
				n, err := r.Read(b)
				a.filled <- piece{b[:n], err}
				if err != nil {
					return
				}
			case <-a.stop:
				return
			}
		}
	})
	return a
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.err != nil {
			return 0, a.err
		}
		if a.bytes != nil {
			a.free <- a.bytes[:cap(a.bytes)]
		}
		a.piece = <-a.filled
		a.rest = a.bytes
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// close ends reading. It waits for the call of Read that is under way.
func (a *ahead) close() {
	close(a.stop)
	a.reader.Wait()
}
