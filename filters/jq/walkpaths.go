package jq

import (
	"strconv"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// eachPath calls fn for the path, as an array, of each part of a value.
func (f *frame) eachPath(n *node, fn func(value) status) status {
	v, s := f.eval(n.a)
	if s != found {
		return endOfStream(s)
	}
	from := len(f.path)
	s = f.pathsBelow(v, n, from, 0, fn)
	f.path = f.path[:from]
	return s
}

// pathsBelow gives the path of a value, which is f.path[from:] with a comma behind each step, and those of its parts.
func (f *frame) pathsBelow(v value, n *node, from, depth int, fn func(value) status) status {
	if depth > rawjson.MaxDepth { // of an event that is not checked yet
		return unknown
	}
	if s := f.pathOf(v, n, from, fn); s != found {
		return s
	}
	to, s := len(f.path), found
	switch v.kind {
	case rawjson.Array:
		i := int64(0)
		s = f.elements(&v, true, func(element value) status {
			f.path = append(strconv.AppendInt(f.path[:to], i, 10), ',')
			i++
			return f.pathsBelow(element, n, from, depth+1, fn)
		})
	case rawjson.Object:
		first := f.openFields(&v)
		for i, end := first, len(f.fields); i < end && s == found; i++ {
			if f.steps--; f.steps < 0 {
				s = unknown
				break
			}
			f.path = append(rawjson.AppendString(f.path[:to], f.fields[i].key), ',')
			s = f.pathsBelow(rawValue(f.fields[i].raw), n, from, depth+1, fn)
		}
		f.closeFields(first)
	}
	f.path = f.path[:to]
	return s
}

// pathOf gives the path of a value, where it is wanted.
func (f *frame) pathOf(v value, n *node, from int, fn func(value) status) status {
	if n.b != nil {
		if holds, s := f.truthOn(v, n.b); s != found || !holds {
			return endOfStream(s)
		}
	}
	if len(f.path) == from && !n.all {
		return found
	}
	at := len(f.made)
	if at+len(f.path)-from > maxMade {
		return unknown
	}
	f.made = append(append(f.made, '['), f.path[from:]...)
	f.made = endList(f.made, at+1, ']')
	return fn(rawValue(f.made[at:len(f.made):len(f.made)]))
}
