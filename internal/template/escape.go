package template

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The escapes below are not reversible and two different values may give the same text: what is not safe becomes "_",
// so that "a.b" meets "a_b", and on file systems that fold case "A" meets "a". That is on purpose: subjects, paths
// and headers route and sort events, while each event carries its values unchanged. A value that is too long ends in
// "-" and 16 hexadecimal digits of the SHA-256 of the whole value, so that long values with one beginning stay apart
// unless somebody tries about 2^32 of them.

const (
	// MaxValue is the length in bytes of a subject token or path segment made of one value.
	MaxValue = 128
	// MaxHeader is the length in bytes of a header value.
	MaxHeader = 1024
)

// AppendToken appends value as one token of a NATS subject. Space, '.', '*', '>', control characters, whatever Unicode
// does not count as printable and each byte that is not UTF-8 become "_", as does a '$' at the beginning (subjects of
// the server begin with it). An empty value is "_", one of more than MaxValue bytes is cut with a hash at its end.
func AppendToken(dst []byte, value string) []byte {
	if value == "" {
		return append(dst, '_')
	}
	start := len(dst)
	dst = appendSafe(dst, value, MaxValue, tokenRune)
	if dst[start] == '$' {
		dst[start] = '_'
	}
	return dst
}

func tokenRune(r rune) rune {
	switch r {
	case ' ', '.', '*', '>', utf8.RuneError:
		return '_'
	}
	return printable(r)
}

// AppendPathSegment appends value as one segment of a file's path, or a part of one. Separators of any system,
// characters that Windows reserves, space, control characters, whatever Unicode does not count as printable and each
// byte that is not UTF-8 become "_", as do '.' and '-' at the beginning and '.' at the end. Names of Windows devices
// get "_" in front. An empty value is "_", one of more than MaxValue bytes is cut with a hash at its end.
func AppendPathSegment(dst []byte, value string) []byte {
	if value == "" {
		return append(dst, '_')
	}
	if isDevice(value) {
		value = "_" + value
	}
	start := len(dst)
	dst = appendSafe(dst, value, MaxValue, pathRune)
	if dst[start] == '.' || dst[start] == '-' {
		dst[start] = '_'
	}
	if last := len(dst) - 1; dst[last] == '.' {
		dst[last] = '_'
	}
	return dst
}

func pathRune(r rune) rune {
	switch r {
	case ' ', '/', '\\', '<', '>', ':', '"', '|', '?', '*', utf8.RuneError:
		return '_'
	}
	return printable(r)
}

// isDevice reports whether Windows takes a file of that name for a device, whatever the extension is.
func isDevice(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	switch len(stem) {
	case 3:
		switch strings.ToLower(stem) {
		case "con", "prn", "aux", "nul":
			return true
		}
	case 4:
		port := strings.ToLower(stem[:3])
		return (port == "com" || port == "lpt") && stem[3] >= '0' && stem[3] <= '9'
	}
	return false
}

// AppendHeader appends value as the value of a header: control characters become "_", each byte that is not UTF-8
// becomes U+FFFD. One of more than MaxHeader bytes is cut with a hash at its end; an empty one stays empty.
func AppendHeader(dst []byte, value string) []byte {
	return appendSafe(dst, value, MaxHeader, headerRune)
}

func headerRune(r rune) rune {
	// U+2028 and U+2029 break lines for some readers.
	if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
		return '_'
	}
	return r
}

// printable replaces whatever does not show as a character of its own: controls, white space, marks of direction,
// surrogates, private use.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '_'
}

// hashLen is the length of the suffix that a cut value gets.
const hashLen = 1 + 16

// appendSafe appends value with each character replaced by what safe makes of it, cut to limit bytes. safe is given
// utf8.RuneError for bytes that are not UTF-8.
func appendSafe(dst []byte, value string, limit int, safe func(rune) rune) []byte {
	if len(value) <= limit && isWord(value) {
		return append(dst, value...)
	}
	start, cut := len(dst), len(dst)
	for _, r := range value {
		dst = utf8.AppendRune(dst, safe(r))
		if len(dst)-start <= limit-hashLen {
			cut = len(dst)
		}
		if len(dst)-start > limit {
			sum := sha256.Sum256([]byte(value))
			dst = append(dst[:cut], '-')
			return hex.AppendEncode(dst, sum[:8])
		}
	}
	return dst
}

// isWord reports whether value is made of letters, digits, '-' and '_' of ASCII only, which no escape replaces.
func isWord(value string) bool {
	for i := range len(value) {
		switch c := value[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
