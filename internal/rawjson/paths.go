package rawjson

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Paths is a set of paths of object keys, prepared for looking all of them up in one pass over an object. A path and its
// beginning may both be in the set, and so may equal ones. It is safe for concurrent use.
type Paths struct {
	root  pathNode
	count int
}

// pathNode is one key of some paths, with the keys that may follow.
type pathNode struct {
	results  []int // the paths that end here
	below    []int // those that go on
	keys     []string
	children []pathNode // by key
	lengths  uint64     // of the keys: bit n for a length of n, the top bit for 63 and more
	replaced bool       // a key has U+FFFD in it, for which a text may have any invalid byte
}

// NewPaths prepares a set of paths. The empty path is the whole value.
func NewPaths(paths [][]string) *Paths {
	p := &Paths{count: len(paths)}
	for i, path := range paths {
		p.root.add(path, i)
	}
	return p
}

// Len is the number of paths.
func (p *Paths) Len() int { return p.count }

func (n *pathNode) add(path []string, i int) {
	if len(path) == 0 {
		n.results = append(n.results, i)
		return
	}
	n.below = append(n.below, i)
	key := path[0]
	for k := range n.keys {
		if n.keys[k] == key {
			n.children[k].add(path[1:], i)
			return
		}
	}
	n.keys = append(n.keys, key)
	n.lengths |= lengthBit(len(key))
	n.replaced = n.replaced || strings.ContainsRune(key, utf8.RuneError)
	n.children = append(n.children, pathNode{})
	n.children[len(n.children)-1].add(path[1:], i)
}

func lengthBit(n int) uint64 { return 1 << min(n, 63) }

// Find sets dst[i] to the raw value at paths[i], without white space around it, for a set of len(dst) paths at most. It is
// nil where the path leads nowhere, or through null; it is Blocked where the path goes through a value that is neither an
// object nor null, of which jq cannot take a key. Of duplicate keys the last wins; keys of the text may be written with
// escapes. obj is one JSON value that was accepted; of another text it gives anything within its bounds.
func (p *Paths) Find(obj []byte, dst [][]byte) {
	clear(dst[:p.count])
	p.root.value(obj, Next(obj, 0), dst)
}

// Blocked reports whether a result of Find says that the path goes through something that has no keys.
func Blocked(value []byte) bool { return value != nil && len(value) == 0 }

var blocked = []byte{}

// value notes what is found in the value that begins at i and returns its end; i where none begins there.
func (n *pathNode) value(b []byte, i int, dst [][]byte) (end int) {
	if len(n.below) > 0 && i < len(b) && b[i] == '{' {
		end = n.object(b, i, dst)
	} else {
		end = skipTrusted(b, i)
		if end > i && b[i] != 'n' {
			for _, r := range n.below {
				dst[r] = blocked
			}
		}
	}
	if end > i {
		for _, r := range n.results {
			dst[r] = b[i:end:end]
		}
	}
	return end
}

// object is value for the object that begins at i.
func (n *pathNode) object(b []byte, i int, dst [][]byte) int {
	for first := true; ; first = false {
		i = Next(b, i+1) // behind the brace or the comma
		if i >= len(b) || b[i] == '}' && first {
			return min(i+1, len(b))
		}
		end := -1
		if b[i] == '"' {
			end = endOfString(b, i)
		}
		if end < 0 {
			return len(b)
		}
		key := b[i+1 : end-1]
		if i = Next(b, end); i >= len(b) || b[i] != ':' {
			return len(b)
		}
		i = Next(b, i+1)
		if child := n.child(key); child == nil {
			end = skipTrusted(b, i)
		} else {
			for _, r := range child.below { // of an earlier member of the same key
				dst[r] = nil
			}
			end = child.value(b, i, dst)
		}
		if end == i {
			return len(b)
		}
		if i = Next(b, end); i >= len(b) || b[i] != ',' {
			return min(i+1, len(b))
		}
	}
}

// child returns the node of a key as it is written, nil where no path has it.
func (n *pathNode) child(written []byte) *pathNode {
	escaped := n.replaced || bytes.IndexByte(written, '\\') >= 0
	if !escaped && n.lengths&lengthBit(len(written)) == 0 {
		return nil
	}
	for k, key := range n.keys {
		if escaped && equalKey(written, key) || !escaped && string(written) == key {
			return &n.children[k]
		}
	}
	return nil
}
