package rawjson

import "bytes"

// Bounds finds the end of one object, array or string in a stream that arrives in blocks. It looks at brackets, strings
// and escapes only, so what it finds is not checked yet, and it takes any depth of nesting without memory for it. The
// zero value is ready.
type Bounds struct {
	depth    int
	deepest  int
	started  bool
	inString bool
	escaped  bool // in a string: the byte before this block was a backslash that escapes the next one
}

// Reset makes s ready for another value.
func (s *Bounds) Reset() { *s = Bounds{} }

// Depth is the deepest nesting level seen so far: 0 for a string, 1 for a flat object.
func (s *Bounds) Depth() int { return s.deepest }

// Scan consumes the next block: n bytes of it belong to the value, and done says that the value ends there. After Reset
// the first byte must be {, [ or "; with any other one Scan returns 0, true.
func (s *Bounds) Scan(b []byte) (n int, done bool) {
	if len(b) == 0 {
		return 0, false
	}
	if !s.started {
		if classes[b[0]]&structural != opens && b[0] != '"' {
			return 0, true
		}
		s.started = true
	}
	for i := 0; ; {
		if s.inString {
			if i = s.scanString(b, i); s.inString {
				return len(b), false
			}
			if s.depth == 0 {
				return i, true
			}
		}
		for ; ; i++ {
			if i >= len(b) {
				return len(b), false
			}
			class := classes[b[i]] & structural
			if class == 0 {
				continue
			}
			if class == quotes {
				s.inString = true
				i++
				break
			}
			if class == opens {
				s.depth++
				s.deepest = max(s.deepest, s.depth)
				continue
			}
			if s.depth--; s.depth == 0 {
				return i + 1, true
			}
		}
	}
}

// scanString returns the index after the quote that ends the string which b[i:] continues, and leaves inString set
// where it does not end in b.
func (s *Bounds) scanString(b []byte, i int) int {
	for {
		rest := b[i:]
		n := bytes.IndexByte(rest, '"')
		if n >= 0 {
			rest = rest[:n]
		}
		slashes := backslashes(rest)
		if s.escaped && slashes == len(rest) {
			slashes++
		}
		s.escaped = slashes%2 == 1
		if n < 0 {
			return len(b)
		}
		i += n + 1
		if !s.escaped {
			s.inString = false
			return i
		}
		s.escaped = false
	}
}
