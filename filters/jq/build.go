package jq

import (
	"bytes"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// append appends what an expression yields as JSON: parts of the event with the bytes that they have there. Where the
// status is not found, what was appended is to be cut off again.
func (f *frame) append(dst []byte, n *node) ([]byte, status) {
	switch n.op {
	case opObject:
		return f.appendObject(dst, n)
	case opDynamic:
		return f.appendDynamic(dst, n)
	case opArray:
		return f.appendArray(dst, n)
	case opText:
		return f.appendText(dst, n)
	case opEdit:
		return f.appendEdited(dst, n)
	case opFormat:
		return f.appendFormatted(dst, n)
	case opForeign:
		return f.appendForeign(dst, n)
	case opJoin:
		return f.appendJoined(dst, n)
	case opSum, opSort, opUnique, opKeys, opEntries, opFromEntries, opMapValues, opWalk, opReverse, opSplit:
		return f.appendMade(dst, n)
	case opThen, opTry, opCatch:
		if _, s := f.eval(n.a); s != found {
			return dst, s
		}
		from := len(dst)
		dst, s := f.append(dst, n.b)
		switch {
		case s == fails && n.op == opTry:
			s = nothing
		case s == fails && n.op == opCatch:
			return f.append(dst[:from], n.c)
		}
		return dst, s
	case opIf:
		holds, s := f.truth(n.a)
		switch {
		case s != found:
			return dst, s
		case holds:
			return f.append(dst, n.b)
		}
		return f.append(dst, n.c)
	case opAlternative:
		v, s := f.eval(n.a)
		switch {
		case s == nothing || s == found && !v.truth():
			return f.append(dst, n.b)
		case s != found:
			return dst, s
		}
		return v.append(dst), found
	}
	v, s := f.eval(n)
	if s != found {
		return dst, s
	}
	return v.append(dst), found
}

func (f *frame) appendObject(dst []byte, n *node) ([]byte, status) {
	dst = append(dst, '{')
	for i := range n.members {
		m := &n.members[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, m.begin...)
		var s status
		if dst, s = f.append(dst, m.value); s != found {
			return dst, s
		}
	}
	return append(dst, '}'), found
}

func (f *frame) appendArray(dst []byte, n *node) ([]byte, status) {
	dst = append(dst, '[')
	if n.a == nil {
		return append(dst, ']'), found
	}
	from := len(dst)
	if s := f.each(n.a, func(v value) status {
		dst = append(v.append(dst), ',')
		return found
	}); s != found {
		return dst, s
	}
	return endList(dst, from, ']'), found
}

// endList closes a list that begins at from and has a comma behind each part.
func endList(dst []byte, from int, closing byte) []byte {
	if len(dst) > from {
		dst = dst[:len(dst)-1]
	}
	return append(dst, closing)
}

// appendText appends an interpolated string. A string of the event that is all of it keeps its bytes.
func (f *frame) appendText(dst []byte, n *node) ([]byte, status) {
	parts, only := 0, value{}
	for i := len(n.list) - 1; i >= 0; i-- { // gojq adds strings from the right
		v, s := f.evalText(n.list[i])
		if s != found {
			return dst, s
		}
		if v.raw == nil && v.text != "" || len(v.raw) > 2 {
			parts++
			only = v
		}
	}
	if parts == 1 {
		return only.append(dst), found
	}
	dst = append(dst, '"')
	for _, part := range n.list {
		v, s := f.evalText(part)
		if s != found {
			return dst, s
		}
		dst = v.appendInside(dst)
	}
	return append(dst, '"'), found
}

// evalText is eval and tostring.
func (f *frame) evalText(n *node) (value, status) {
	v, s := f.eval(n)
	if s != found {
		return v, s
	}
	return f.apply(&v, &toString)
}

var toString = node{op: opToString}

// appendInside appends a string as it is written between quotes.
func (v *value) appendInside(dst []byte) []byte {
	if v.raw != nil && bytes.IndexByte(v.raw, '\\') < 0 {
		return append(dst, v.body()...)
	}
	at := len(dst)
	dst = rawjson.AppendString(dst, v.string())
	copy(dst[at:], dst[at+1:]) // the first quote
	return dst[:len(dst)-2]
}
