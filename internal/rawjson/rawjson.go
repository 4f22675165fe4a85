// Package rawjson finds, checks and edits values in JSON text without decoding it: bytes in, bytes out. It accepts what
// encoding/json accepts (RFC 8259, and invalid UTF-8 inside strings, which counts as U+FFFD) down to MaxDepth levels.
//
// Skip and Valid check every byte. All other functions take text that one of them has accepted and look at its
// structure only; on any other text they return something within its bounds, never panic and never loop. No function
// writes to the bytes that it is given, and results may alias them: bytes are immutable here.
package rawjson

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// MaxDepth is the number of nesting levels that Skip and Valid accept: [[1]] has two. encoding/json accepts 10000.
const MaxDepth = 512

// SyntaxError is the first place where a text is not JSON.
type SyntaxError struct {
	Offset int // index of the offending byte; the text's length where the text ends too early
	Msg    string

	eof bool
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Msg, e.Offset) }

// Unwrap returns io.ErrUnexpectedEOF where the text ends inside a value, so that more bytes may complete it.
func (e *SyntaxError) Unwrap() error {
	if e.eof {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// Kind is the type of a JSON value.
type Kind byte

const (
	Object Kind = 'o'
	Array  Kind = 'a'
	String Kind = 's'
	Number Kind = 'n'
	True   Kind = 't'
	False  Kind = 'f'
	Null   Kind = 'z'
)

// KindOf returns the type of a value from its first byte that is not white space; 0 where none begins there.
func KindOf(value []byte) Kind {
	i := Next(value, 0)
	if i == len(value) {
		return 0
	}
	switch c := value[i]; c {
	case '{':
		return Object
	case '[':
		return Array
	case '"':
		return String
	case 't':
		return True
	case 'f':
		return False
	case 'n':
		return Null
	default:
		if c == '-' || isDigit(c) {
			return Number
		}
		return 0
	}
}

// Next returns the index of the first byte at or after i that is not JSON white space; len(b) where there is none.
func Next(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// Valid reports whether b is exactly one JSON value with optional white space around it; nil means yes. An error is a
// *SyntaxError.
func Valid(b []byte) error {
	end, err := Skip(b, 0)
	if err != nil {
		return err
	}
	if end = Next(b, end); end < len(b) {
		return &SyntaxError{Offset: end, Msg: "unexpected " + describe(b[end]) + " after the value"}
	}
	return nil
}

// Skip skips white space at i, checks one value and returns the index after it. An error is a *SyntaxError, which wraps
// io.ErrUnexpectedEOF where b ends inside the value. A number at the very end of b counts as whole: whoever reads a
// stream has to know whether it goes on.
func Skip(b []byte, i int) (end int, err error) {
	return skipValue(b, Next(b, i), 0)
}

func skipValue(b []byte, i, depth int) (int, error) {
	if i >= len(b) {
		return i, errEOF(b, "where a value is due")
	}
	switch c := b[i]; c {
	case '"':
		return skipString(b, i)
	case '{':
		return skipObject(b, i, depth+1)
	case '[':
		return skipArray(b, i, depth+1)
	case 't':
		return skipLiteral(b, i, "true")
	case 'f':
		return skipLiteral(b, i, "false")
	case 'n':
		return skipLiteral(b, i, "null")
	default:
		if c == '-' || isDigit(c) {
			return skipNumber(b, i)
		}
		return i, errUnexpected(b, i, "where a value is due")
	}
}

func skipObject(b []byte, i, depth int) (int, error) {
	if depth > MaxDepth {
		return i, errDepth(i)
	}
	i = Next(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return i, errUnexpected(b, i, "where an object's key is due")
		}
		var err error
		if i, err = skipString(b, i); err != nil {
			return i, err
		}
		if i = Next(b, i); i >= len(b) || b[i] != ':' {
			return i, errUnexpected(b, i, "after an object's key")
		}
		if i, err = skipValue(b, Next(b, i+1), depth); err != nil {
			return i, err
		}
		if i = Next(b, i); i >= len(b) {
			return i, errEOF(b, "in an object")
		}
		switch b[i] {
		case ',':
			i = Next(b, i+1)
		case '}':
			return i + 1, nil
		default:
			return i, errUnexpected(b, i, "after an object's value")
		}
	}
}

func skipArray(b []byte, i, depth int) (int, error) {
	if depth > MaxDepth {
		return i, errDepth(i)
	}
	i = Next(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1, nil
	}
	for {
		var err error
		if i, err = skipValue(b, i, depth); err != nil {
			return i, err
		}
		if i = Next(b, i); i >= len(b) {
			return i, errEOF(b, "in an array")
		}
		switch b[i] {
		case ',':
			i = Next(b, i+1)
		case ']':
			return i + 1, nil
		default:
			return i, errUnexpected(b, i, "after an array's element")
		}
	}
}

func skipLiteral(b []byte, i int, word string) (int, error) {
	if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
		return i + len(word), nil
	}
	for j := range len(word) {
		if i+j == len(b) {
			return len(b), errEOF(b, "in "+word)
		}
		if b[i+j] != word[j] {
			return i + j, errUnexpected(b, i+j, "in "+word)
		}
	}
	return i, errUnexpected(b, i, "where a value is due") // not reached
}

func skipNumber(b []byte, i int) (int, error) {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else {
		var err error
		if i, err = skipDigits(b, i); err != nil {
			return i, err
		}
	}
	if i < len(b) && b[i] == '.' {
		var err error
		if i, err = skipDigits(b, i+1); err != nil {
			return i, err
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i, nil
}

// skipDigits skips one digit or more.
func skipDigits(b []byte, i int) (int, error) {
	start := i
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	if i == start {
		return i, errUnexpected(b, i, "where a number's digit is due")
	}
	return i, nil
}

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// skipString checks the string whose opening quote is at i. It looks at eight bytes at once: a top bit of stop is set
// for a quote, a backslash or a control character. Borrows may set further bits above the lowest one, which is exact.
func skipString(b []byte, i int) (int, error) {
	i++
	for {
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			quote := w ^ ones*'"'
			slash := w ^ ones*'\\'
			stop := ((w-ones*0x20)&^w | (quote-ones)&^quote | (slash-ones)&^slash) & tops
			if stop != 0 {
				i += bits.TrailingZeros64(stop) / 8
				break
			}
			i += 8
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= 0x20 {
			i++
		}
		if i >= len(b) {
			return i, errEOF(b, "in a string")
		}
		switch b[i] {
		case '"':
			return i + 1, nil
		case '\\':
			var err error
			if i, err = skipEscape(b, i); err != nil {
				return i, err
			}
		default:
			return i, errUnexpected(b, i, "in a string")
		}
	}
}

// skipEscape checks the escape whose backslash is at i.
func skipEscape(b []byte, i int) (int, error) {
	i++
	if i >= len(b) {
		return i, errEOF(b, "in a string")
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, nil
	case 'u':
		i++
		for end := i + 4; i < end; i++ {
			if i >= len(b) || hexValue(b[i]) < 0 {
				return i, errUnexpected(b, i, `in a string's \u escape`)
			}
		}
		return i, nil
	}
	return i, errUnexpected(b, i, "in a string's escape")
}

func hexValue(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c - 'a' + 10)
	case 'A' <= c && c <= 'F':
		return rune(c - 'A' + 10)
	}
	return -1
}

func errEOF(b []byte, where string) error {
	return &SyntaxError{Offset: len(b), Msg: "unexpected end of JSON " + where, eof: true}
}

func errUnexpected(b []byte, i int, where string) error {
	if i >= len(b) {
		return errEOF(b, where)
	}
	return &SyntaxError{Offset: i, Msg: "unexpected " + describe(b[i]) + " " + where}
}

func errDepth(i int) error {
	return &SyntaxError{Offset: i, Msg: fmt.Sprintf("nested deeper than %d levels", MaxDepth)}
}

// describe names a byte in an error.
func describe(c byte) string {
	if c < 0x20 || c >= 0x7f {
		return fmt.Sprintf("byte 0x%02x", c)
	}
	return fmt.Sprintf("character %q", c)
}
