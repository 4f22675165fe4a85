package redact

import (
	"bytes"
	"strings"
	"unsafe"
)

// offset is where value, a part of raw, begins.
func offset(raw, value []byte) int {
	return int(uintptr(unsafe.Pointer(unsafe.SliceData(value))) - uintptr(unsafe.Pointer(unsafe.SliceData(raw))))
}

// trim leaves out white space behind a value.
func trim(value []byte) []byte { return bytes.TrimRight(value, " \t\r\n") }

func mentions(value []byte, text string) bool { return bytes.Contains(value, []byte(text)) }

// descend follows one step of the paths: what is left of them below it, and whether one of them ends here.
func descend(paths [][]string, key string) (below [][]string, here bool) {
	for _, p := range paths {
		if p[0] == "**" {
			below = append(below, p)
			if len(p) == 1 {
				return nil, true
			}
			p = p[1:]
		}
		if p[0] != "*" && p[0] != key {
			continue
		}
		if len(p) == 1 {
			return nil, true
		}
		below = append(below, p[1:])
	}
	return below, false
}

// names reports whether a path names a key outright, not by a wildcard.
func names(paths [][]string, key string) bool {
	for _, p := range paths {
		if p[0] == key {
			return true
		}
	}
	return false
}

// keySet is a set of names of keys, with wildcards, whatever their case.
type keySet struct {
	exact     map[string]bool
	wildcards []string
	longest   int
}

func newKeySet(names []string) *keySet {
	s := &keySet{exact: map[string]bool{}}
	for _, n := range names {
		n = strings.ToLower(n)
		if strings.Contains(n, "*") {
			s.wildcards = append(s.wildcards, n)
		} else {
			s.exact[n] = true
			s.longest = max(s.longest, len(n))
		}
	}
	return s
}

func (s *keySet) has(key string) bool {
	if len(key) <= min(s.longest, maxPlainKey) {
		var buf [maxPlainKey]byte
		if s.exact[string(appendLower(buf[:0], key))] {
			return true
		}
	} else if len(key) <= s.longest && s.exact[strings.ToLower(key)] {
		return true
	}
	if len(s.wildcards) == 0 {
		return false
	}
	lower := strings.ToLower(key)
	for _, w := range s.wildcards {
		if matches(w, lower) {
			return true
		}
	}
	return false
}

// maxPlainKey is the length of keys that are looked up without allocating.
const maxPlainKey = 64

// appendLower appends s with ASCII letters in lower case.
func appendLower[T string | []byte](dst []byte, s T) []byte {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// matches reports whether a name is what a pattern with * says.
func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, last)
}
