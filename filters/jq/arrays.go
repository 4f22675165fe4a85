package jq

import (
	"slices"
	"strings"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// item is an element of an array with what it is sorted by.
type item struct{ value, key value }

// appendMade appends what a function makes of a value.
func (f *frame) appendMade(dst []byte, n *node) ([]byte, status) {
	v, s := f.eval(n.a)
	if s != found {
		return dst, s
	}
	switch n.op {
	case opKeys:
		return f.appendKeys(dst, &v)
	case opEntries:
		return f.appendEntries(dst, &v)
	case opSplit:
		return f.appendSplit(dst, &v, n.key)
	case opMapValues, opWalk:
		return f.appendMapped(dst, &v, n)
	}
	if v.kind != rawjson.Array {
		return dst, unknown
	}
	switch n.op {
	case opSort, opUnique:
		return f.appendSorted(dst, &v, n)
	case opSum:
		return f.appendSum(dst, &v)
	case opFromEntries:
		return f.appendFromEntries(dst, &v)
	}
	from := len(f.sorted)
	if s := f.items(&v, nil); s != found {
		return dst, s
	}
	slices.Reverse(f.sorted[from:])
	return f.appendItems(dst, from), found
}

// items puts the elements of an array behind the frame's, each with what by makes of it; nil is the element itself.
func (f *frame) items(of *value, by *node) status {
	s := found
	_ = rawjson.EachElement(of.raw, func(_ int, raw []byte) bool {
		i := item{value: rawValue(raw)}
		i.key = i.value
		if by != nil {
			if i.key, s = f.evalOn(i.value, by); s == nothing {
				s = unknown
			}
		}
		f.sorted = append(f.sorted, i)
		f.steps--
		return s == found
	})
	if f.steps < 0 && s == found {
		s = unknown
	}
	return s
}

func (f *frame) appendItems(dst []byte, from int) []byte {
	dst = append(dst, '[')
	begin := len(dst)
	for i := from; i < len(f.sorted); i++ {
		dst = append(f.sorted[i].value.append(dst), ',')
	}
	f.sorted = f.sorted[:from]
	return endList(dst, begin, ']')
}

// appendSorted is sort, unique, sort_by and unique_by.
func (f *frame) appendSorted(dst []byte, v *value, n *node) ([]byte, status) {
	from := len(f.sorted)
	if s := f.items(v, n.b); s != found {
		return dst, s
	}
	slices.SortStableFunc(f.sorted[from:], byItemKey)
	if n.op == opUnique {
		all := slices.CompactFunc(f.sorted[from:], func(a, b item) bool { return byItemKey(a, b) == 0 })
		f.sorted = f.sorted[:from+len(all)]
	}
	return f.appendItems(dst, from), found
}

func byItemKey(a, b item) int { return a.key.compare(&b.key) }

// appendSum is add of strings, and of numbers.
func (f *frame) appendSum(dst []byte, v *value) ([]byte, status) {
	sum, texts, s := nullValue, false, found
	_ = rawjson.EachElement(v.raw, func(_ int, raw []byte) bool {
		e := rawValue(raw)
		switch {
		case e.kind == rawjson.Null:
		case e.kind == rawjson.String && (texts || sum.kind == rawjson.Null):
			texts = true
		case e.kind != rawjson.Number || texts:
			s = unknown
		case sum.kind == rawjson.Null:
			sum = e
		default:
			sum, s = f.calculate(opPlus, &sum, &e)
		}
		return s == found
	})
	switch {
	case s != found:
		return dst, s
	case texts:
		return f.joined(dst, v, "")
	}
	return sum.append(dst), found
}

// appendJoined is join, also of a stream that is collected for it.
func (f *frame) appendJoined(dst []byte, n *node) ([]byte, status) {
	if n.a.op != opArray || n.a.a == nil {
		v, s := f.eval(n.a)
		if s != found {
			return dst, s
		}
		return f.joined(dst, &v, n.key)
	}
	j := joiner{dst: append(dst, '"'), separator: n.key}
	s := f.each(n.a.a, j.add)
	return append(j.dst, '"'), s
}

func (f *frame) joined(dst []byte, v *value, separator string) ([]byte, status) {
	if v.kind != rawjson.Array {
		return dst, unknown
	}
	j := joiner{dst: append(dst, '"'), separator: separator}
	s := found
	_ = rawjson.EachElement(v.raw, func(_ int, raw []byte) bool {
		s = j.add(rawValue(raw))
		return s == found
	})
	return append(j.dst, '"'), s
}

type joiner struct {
	dst       []byte
	separator string
	further   bool
}

func (j *joiner) add(v value) status {
	if j.further {
		separator := textValue(j.separator)
		j.dst = separator.appendInside(j.dst)
	}
	j.further = true
	switch v.kind {
	case rawjson.String:
		j.dst = v.appendInside(j.dst)
	case rawjson.Number, rawjson.True, rawjson.False:
		j.dst = v.append(j.dst)
	case rawjson.Null:
	default:
		return unknown
	}
	return found
}

// join2 adds two strings.
func (f *frame) join2(left, right *value) (value, status) {
	if f.making == len(f.scratch) {
		f.scratch = append(f.scratch, nil)
	}
	dst := append(f.scratch[f.making][:0], '"')
	dst = append(right.appendInside(left.appendInside(dst)), '"')
	f.scratch[f.making] = dst
	return f.keep(dst)
}

// concat adds two arrays.
func (f *frame) concat(left, right *value) (value, status) {
	if f.making == len(f.scratch) {
		f.scratch = append(f.scratch, nil)
	}
	dst := append(f.scratch[f.making][:0], '[')
	for _, part := range []*value{left, right} {
		_ = rawjson.EachElement(part.raw, func(_ int, raw []byte) bool {
			v := rawValue(raw)
			dst = append(v.append(dst), ',')
			return true
		})
	}
	dst = endList(dst, 1, ']')
	f.scratch[f.making] = dst
	return f.keep(dst)
}

// empty reports whether a string, an array or an object has nothing in it.
func (v *value) empty() bool {
	switch {
	case v.raw == nil:
		return v.text == ""
	case v.kind == rawjson.String:
		return len(v.raw) == 2
	}
	inside := rawjson.Next(v.raw, 1)
	return inside >= len(v.raw) || v.raw[inside] == ']' || v.raw[inside] == '}'
}

func (f *frame) appendSplit(dst []byte, v *value, by string) ([]byte, status) {
	if v.kind != rawjson.String {
		return dst, unknown
	}
	s := v.string()
	if s == "" {
		return append(dst, "[]"...), found
	}
	if _, plain := v.plain(); by == "" || v.raw != nil && !plain && !strings.Contains(s, by) {
		return dst, unknown // the only part is the string itself, with its escapes
	}
	dst = append(dst, '[')
	from := len(dst)
	for part := range strings.SplitSeq(s, by) {
		dst = append(rawjson.AppendString(dst, part), ',')
	}
	return endList(dst, from, ']'), found
}

// slice is .[from:to].
func (f *frame) slice(v *value, n *node) (value, status) {
	switch v.kind {
	case rawjson.Null:
		return nullValue, found
	case rawjson.String:
		s := v.string()
		if !isASCII(s) {
			return value{}, unknown
		}
		from, to := bounds(n, len(s))
		if from == 0 && to == len(s) {
			return *v, found
		}
		return textValue(s[from:to]), found
	case rawjson.Array:
		return value{}, unknown
	}
	return value{}, fails
}

// bounds are those of a slice of n parts.
func bounds(of *node, n int) (from, to int) {
	clamp := func(i, least int) int {
		if i < 0 {
			i += n
		}
		return min(max(i, least), n)
	}
	if of.from != nil {
		from = clamp(*of.from, 0)
	}
	to = n
	if of.to != nil {
		to = clamp(*of.to, from)
	}
	return from, to
}

// extreme is min, and max.
func (v *value) extreme(n *node) (value, status) {
	if v.kind != rawjson.Array {
		return value{}, fails
	}
	best := nullValue
	_ = rawjson.EachElement(v.raw, func(i int, raw []byte) bool {
		e := rawValue(raw)
		if i == 0 || (best.compare(&e) > 0) == !n.all {
			best = e
		}
		return true
	})
	return best, found
}
