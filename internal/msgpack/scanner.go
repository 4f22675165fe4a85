package msgpack

import "errors"

// Scanner finds the end of a value that arrives piece by piece. Each byte is looked at once, and nothing is kept, so that
// lengths which a value merely claims cost nothing. The zero Scanner expects the beginning of a value.
type Scanner struct {
	begun  bool
	bytes  int64 // of the value whose head was read last that are still to come
	values int64 // that are still to begin
}

// Scan takes bytes that follow those that were taken before. When it is done the value ends with the taken bytes, and the
// Scanner expects another one. Otherwise what is not taken is the beginning of a head that is cut off: it is given again
// together with what comes behind it. An error is bytes that are no MessagePack; the Scanner is of no more use then.
func (s *Scanner) Scan(b []byte) (taken int, done bool, err error) {
	if !s.begun {
		s.begun, s.values = true, 1
	}
	for {
		n := min(s.bytes, int64(len(b)-taken))
		taken += int(n)
		s.bytes -= n
		switch {
		case s.bytes > 0:
			return taken, false, nil
		case s.values == 0:
			*s = Scanner{}
			return taken, true, nil
		}
		size, more, err := head(b, taken)
		if errors.Is(err, errShort) {
			return taken, false, nil
		}
		if err != nil {
			return taken, false, err
		}
		s.bytes = size
		s.values += more - 1
	}
}

// Missing is how many bytes must still come for the value to end, at least: what it claims. A reader with a limit gives up
// as soon as the limit cannot be kept.
func (s *Scanner) Missing() int64 { return s.bytes + s.values }
