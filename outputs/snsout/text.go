package snsout

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SNS carries text that XML can carry: no control characters but tab and line ends, no U+FFFE and U+FFFF (API reference,
// Publish, and the specification of XML 1.0, section 2.2).

// safeJSON returns JSON that SNS takes: the same value, with \ufffe and \uffff written as escapes. (Control characters are
// escapes in JSON already.)
func safeJSON(raw []byte) string {
	if !bytes.Contains(raw, []byte("\xef\xbf\xbe")) && !bytes.Contains(raw, []byte("\xef\xbf\xbf")) {
		return string(raw)
	}
	return strings.NewReplacer("\ufffe", `\ufffe`, "\uffff", `\uffff`).Replace(string(raw))
}

// safeText returns a text for people: what could move a cursor, turn the direction of writing or end a line unseen is
// written as an escape. Line ends and tabs stay where lines is true.
func safeText(s string, lines bool) string {
	var b strings.Builder
	for _, r := range s { // a byte that is no UTF-8 is U+FFFD
		switch {
		case lines && (r == '\n' || r == '\t'):
			b.WriteRune(r)
		case unicode.IsControl(r), unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp), r&0xfffe == 0xfffe:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// appendText escapes a value of a template.
func appendText(dst []byte, value string) []byte { return append(dst, safeText(value, false)...) }

// subjectOf returns what SNS takes as a subject: up to 100 printable ASCII characters.
func subjectOf(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			b.WriteByte(' ')
		case r < ' ' || r > '~':
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	s = strings.TrimSpace(b.String())
	if len(s) > maxSubject {
		s = strings.TrimSpace(s[:maxSubject-3]) + "..."
	}
	return s
}

// identifier returns a value as a group or deduplication id: up to n letters, digits and punctuation marks. Other values
// become their hash, so that different ones stay different.
func identifier(s string, n int) string {
	ok := s != "" && len(s) <= n
	for i := 0; ok && i < len(s); i++ {
		ok = s[i] > ' ' && s[i] <= '~'
	}
	if ok {
		return s
	}
	if s == "" {
		return "_"
	}
	sum := sha256.Sum256([]byte(s))
	return "~" + hex.EncodeToString(sum[:])
}

// cutText cuts a text to n bytes.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("...")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}
