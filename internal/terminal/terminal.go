// Package terminal keeps text that came from events from doing anything to a terminal.
package terminal

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Hostile reports whether a terminal would obey a character, or be led astray by it: control characters but newline and
// tab, C1 ones included, line and paragraph separators, those that turn the direction of writing, and those that nobody sees.
func Hostile(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < ' ', r >= 0x7f && r < 0xa0, r == 0xad, r == 0x61c, r == 0x115f, r == 0x1160, r == 0x180e, r >= 0x200b && r <= 0x200f,
		r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r == 0x3164, r == 0xfeff, r == 0xffa0, r >= 0xe0000 && r <= 0xe01ef:
		return true
	}
	return false
}

// AppendEscape appends a character as JSON escapes it: \uXXXX, or two of them.
func AppendEscape(dst []byte, r rune) []byte {
	if r > 0xffff {
		high, low := utf16.EncodeRune(r)
		return fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(dst, `\u%04x`, r)
}

// Line returns s for one line of output: hostile characters, newline and tab are written \uXXXX. Bytes that are no UTF-8, which
// some terminals obey, become U+FFFD.
func Line(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return Hostile(r) || r == '\n' || r == '\t' }) < 0 {
		return s
	}
	var b []byte
	for _, r := range s {
		if Hostile(r) || r == '\n' || r == '\t' {
			b = AppendEscape(b, r)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}
