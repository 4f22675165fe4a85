package rawjson

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// Text decodes a JSON string. Where the string holds no escape and no invalid UTF-8 the result aliases value's bytes.
// Invalid bytes and lone surrogates become U+FFFD as in encoding/json. It returns "", false where value is no string.
func Text(value []byte) (string, bool) {
	i := Next(value, 0)
	if i >= len(value) || value[i] != '"' {
		return "", false
	}
	end := endOfString(value, i)
	if end < 0 {
		return "", false
	}
	s := value[i+1 : end-1]
	if bytes.IndexByte(s, '\\') < 0 && utf8.Valid(s) {
		return unsafe.String(unsafe.SliceData(s), len(s)), true
	}
	return string(appendDecoded(make([]byte, 0, len(s)), s)), true
}

// Str returns the decoded string at a path of object keys; "" where there is none.
func Str(obj []byte, path ...string) string {
	value, _ := Get(obj, path...)
	s, _ := Text(value)
	return s
}

// appendDecoded appends what the inside of a JSON string means.
func appendDecoded(dst, s []byte) []byte {
	for len(s) > 0 {
		if c := s[0]; c != '\\' && c < utf8.RuneSelf {
			dst = append(dst, c)
			s = s[1:]
			continue
		}
		r, n := decodeRune(s)
		dst = utf8.AppendRune(dst, r)
		s = s[n:]
	}
	return dst
}

// decodeRune decodes the first character of the inside of a JSON string and returns how many bytes it takes there, at
// least one. What is invalid is U+FFFD.
func decodeRune(s []byte) (rune, int) {
	if s[0] != '\\' {
		return utf8.DecodeRune(s)
	}
	if len(s) < 2 {
		return utf8.RuneError, 1
	}
	switch s[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case '"', '\\', '/':
		return rune(s[1]), 2
	}
	r := unicodeEscape(s)
	if r < 0 {
		return utf8.RuneError, 1
	}
	if utf16.IsSurrogate(r) {
		if pair := utf16.DecodeRune(r, unicodeEscape(s[6:])); pair != utf8.RuneError {
			return pair, 12
		}
		return utf8.RuneError, 6
	}
	return r, 6
}

// unicodeEscape returns the code unit of the \uXXXX that s begins with; -1 where there is none.
func unicodeEscape(s []byte) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range s[2:6] {
		v := hexValue(c)
		if v < 0 {
			return -1
		}
		r = r<<4 | v
	}
	return r
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Quotes, backslashes and control characters are escaped, invalid UTF-8
// becomes U+FFFD, everything else stays as it is: there is no escaping for HTML.
func AppendString(dst []byte, s string) []byte {
	if n := len(dst); len(s)+2 <= cap(dst)-n {
		if out := dst[n : n+len(s)+2]; copyPlain(out[1:len(out)-1], s) {
			out[0], out[len(out)-1] = '"', '"'
			return dst[:n+len(out)]
		}
	}
	dst = append(dst, '"')
	start := 0
	for i := plainPrefix(s); i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// plainPrefix returns how many bytes at the beginning of s, a multiple of eight, stand in a JSON string as they are: ASCII
// without quotes, backslashes and control characters. See skipString for the arithmetic.
func plainPrefix(s string) int {
	i := 0
	for b := unsafe.Slice(unsafe.StringData(s), len(s)); i+8 <= len(b); i += 8 {
		if !isPlain(binary.LittleEndian.Uint64(b[i:])) {
			break
		}
	}
	return i
}

// copyPlain copies s to dst, which is as long, and reports whether it may stand in a JSON string as it is: see plainPrefix.
// It stops where it is not. Nothing behind dst is written to.
func copyPlain(dst []byte, s string) bool {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	if len(b) != len(dst) || len(b) < 8 {
		return copyShort(dst, b)
	}
	for len(b) > 8 {
		w := binary.LittleEndian.Uint64(b)
		if !isPlain(w) {
			return false
		}
		binary.LittleEndian.PutUint64(dst, w)
		step := min(8, len(b)-8)
		b, dst = b[step:], dst[step:]
	}
	w := binary.LittleEndian.Uint64(b)
	binary.LittleEndian.PutUint64(dst, w)
	return isPlain(w)
}

// copyShort is copyPlain for less than eight bytes.
func copyShort(dst, b []byte) bool {
	if len(dst) != len(b) {
		return false
	}
	for i, c := range b {
		if c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
		dst[i] = c
	}
	return true
}

// isPlain reports whether all eight bytes are ASCII without quotes, backslashes and control characters.
func isPlain(w uint64) bool {
	return (w|(w-ones*0x20)|(w^ones*'"'-ones)|(w^ones*'\\'-ones))&tops == 0
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// ToValidUTF8 returns b itself where it is valid UTF-8, else a copy with U+FFFD for each invalid byte.
func ToValidUTF8(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	out := make([]byte, 0, len(b)+len(b)/8+8)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			out = append(out, "\uFFFD"...)
		} else {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}
