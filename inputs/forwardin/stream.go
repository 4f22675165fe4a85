package forwardin

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/trailcast/trailcast/internal/msgpack"
)

// protocolError is what no client of the protocol sends.
type protocolError struct{ msg string }

func (e *protocolError) Error() string { return e.msg }

func protocolErrorf(format string, args ...any) error {
	return &protocolError{fmt.Sprintf(format, args...)}
}

// errTooLarge is a value beyond the limit of the one who reads it.
var errTooLarge = errors.New("too large")

// keepBytes is the buffer that a connection keeps between its messages.
const keepBytes = 32 << 10

// stream cuts what a client sends into MessagePack values. Its buffer grows with what has arrived, never with what a
// length claims.
type stream struct {
	src     io.Reader
	share   share
	buf     []byte // what was read
	given   int    // so much of buf was the last value
	scanner msgpack.Scanner
}

// pending reports whether a part of the next value is there already.
func (s *stream) pending() bool { return len(s.buf) > s.given }

// next returns the next value, which is valid until the next call. The error is io.EOF where the stream ends between
// values.
func (s *stream) next(ctx context.Context, limit int64) (msgpack.Value, error) {
	s.forget()
	scanned := 0
	for {
		taken, done, err := s.scanner.Scan(s.buf[scanned:])
		scanned += taken
		switch {
		case err != nil:
			return nil, protocolErrorf("what comes is no MessagePack: %v", err)
		case int64(scanned)+s.scanner.Missing() > limit:
			return nil, errTooLarge
		case done:
			s.given = scanned
			return s.buf[:scanned:scanned], nil
		}
		if len(s.buf) == cap(s.buf) {
			if err := s.grow(ctx); err != nil {
				return nil, err
			}
		}
		n, err := s.src.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		switch {
		case n > 0: // an error comes again
		case err == io.EOF && len(s.buf) > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
	}
}

func (s *stream) grow(ctx context.Context) error {
	size := max(2*cap(s.buf), keepBytes)
	if size > keepBytes {
		if err := s.share.grow(ctx, int64(size-cap(s.buf))); err != nil {
			return err
		}
	}
	s.buf = append(make([]byte, 0, size), s.buf...)
	return nil
}

// forget drops the last value. A large buffer goes with it, as soon as what follows in it is small.
func (s *stream) forget() {
	rest := s.buf[s.given:]
	if cap(s.buf) > keepBytes && len(rest) <= keepBytes {
		s.buf = append(make([]byte, 0, keepBytes), rest...)
		s.share.release()
	} else {
		s.buf = s.buf[:copy(s.buf, rest)]
	}
	s.given = 0
}
