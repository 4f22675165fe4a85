package redact

import (
	"strings"

	"github.com/trailcast/trailcast/internal/lazyregexp"
)

// Private keys in text form (RFC 7468, and OpenPGP's of RFC 4880 chapter 6).
const keyBegin = `-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----`

var (
	keyStart = lazyregexp.New(keyBegin)
	keyEnd   = lazyregexp.New(`-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----`)
	// keyBody is a line of a key: base64 or a header; before it what a shell's prompt for more lines, grep -n, cat -n and
	// diff write, behind it what quotes it in other languages.
	keyBody = lazyregexp.New(`^\s*(?:>+ |[0-9]+[:\t ]\s*|[|+-] ?)?(?:["']?[A-Za-z0-9+/=]*(?:\\+[nr])*["']?[,;+\\]?|[A-Z][A-Za-z-]+: .*)\s*$`)
	keyTail = lazyregexp.New(`^\s*(?:>+ |[0-9]+[:\t ]\s*|[|+-] ?)?["']?[A-Za-z0-9+/=]{20,}(?:\\+[nr])*["']?[,;+\\]?\s*$`)
)

// maxKeyLines bounds a key whose end never comes. The longest that are in use have 200 lines (RSA of 16,384 bits).
const maxKeyLines = 500

// keyBlock is how many lines of a private key have come, its first one included; 0 outside of keys. A key ends with its
// last line, or where a line comes that can be none of it: nobody can hide the rest of a session behind the begin of a key.
type keyBlock int

// take takes the next line and reports whether it is one between the first and the last of a key.
func (k *keyBlock) take(line string) (body bool) {
	if *k > 0 {
		switch {
		case strings.Contains(line, privateKeyHint) && keyEnd.MatchString(line), *k >= maxKeyLines, !keyBody.MatchString(line):
			*k = 0
		default:
			*k++
			return line != ""
		}
	}
	if strings.Contains(line, privateKeyHint) {
		if begins := keyStart.FindAllStringIndex(line, -1); begins != nil && !keyEnd.MatchString(line[begins[len(begins)-1][1]:]) {
			*k = 1
		}
	}
	return false
}

// endsKey reports whether a line holds the end of a key that began before it.
func endsKey(line string) bool {
	if !strings.Contains(line, privateKeyHint) {
		return false
	}
	end := keyEnd.FindStringIndex(line)
	return end != nil && !keyStart.MatchString(line[:end[0]])
}
