package report

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/trailcast/trailcast/formats/session"
)

const readSize = 32 << 10

// lines yields a session's log as cleaned lines. What went wrong while it was read, other than its end, is put into err.
func (s *Session) lines(err *error) iter.Seq[string] { return session.CleanText(s.text(err)) }

// text yields a session's log as it was logged, in pieces.
func (s *Session) text(err *error) iter.Seq[string] {
	return func(yield func(string) bool) {
		if s.Transcript == nil {
			return
		}
		in, openErr := s.Transcript.Open()
		if openErr != nil {
			*err = fmt.Errorf("open log: %w", openErr)
			return
		}
		defer func() {
			if closeErr := in.Close(); closeErr != nil && *err == nil {
				*err = fmt.Errorf("close log: %w", closeErr)
			}
		}()
		buf := make([]byte, readSize)
		for {
			n, readErr := in.Read(buf)
			if !yield(string(buf[:n])) {
				return
			}
			if readErr != nil {
				if !errors.Is(readErr, io.EOF) {
					*err = fmt.Errorf("read log: %w", readErr)
				}
				return
			}
		}
	}
}

// commands guesses the commands of a session's log; each line is given to seen too, unless that is nil.
func (s *Session) commands(seen func(line string), err *error) iter.Seq[session.Command] {
	return session.Commands(func(yield func(string) bool) {
		for line := range s.lines(err) {
			if seen != nil {
				seen(line)
			}
			if !yield(line) {
				return
			}
		}
	})
}
