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
func (s *Session) lines(err *error) iter.Seq[string] {
	return func(yield func(string) bool) {
		if s.Transcript == nil {
			return
		}
		in, openErr := s.Transcript.Open()
		if openErr != nil {
			*err = fmt.Errorf("open log: %w", openErr)
			return
		}
		var ready []string
		c := session.NewCleaner(session.Settings{}, func(line string) { ready = append(ready, line) })
		pass := func() bool {
			for _, line := range ready {
				if !yield(line) {
					return false
				}
			}
			ready = ready[:0]
			return true
		}
		defer func() {
			if closeErr := in.Close(); closeErr != nil && *err == nil {
				*err = fmt.Errorf("close log: %w", closeErr)
			}
		}()
		buf := make([]byte, readSize)
		for {
			n, readErr := in.Read(buf)
			c.Write(buf[:n])
			if !pass() {
				return
			}
			if readErr != nil {
				if !errors.Is(readErr, io.EOF) {
					*err = fmt.Errorf("read log: %w", readErr)
				}
				break
			}
		}
		c.Close()
		pass()
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
