package jq

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// status is how an evaluation ended.
type status uint8

const (
	unknown status = iota // gojq has to decide
	found                 // with a value
	nothing               // with none
	fails                 // gojq gives an error, and has to say which
)

// eval evaluates an expression that is no stream and builds nothing.
func (f *frame) eval(n *node) (value, status) {
	switch n.op {
	case opEvent:
		return value{kind: rawjson.Object, raw: f.raw}, found
	case opElement:
		return f.element, found
	case opPath:
		raw := f.find(n.slot)
		if rawjson.Blocked(raw) {
			return value{}, fails
		}
		return rawValue(raw), found
	case opLiteral:
		return n.literal, found
	case opFact:
		return factOf(n.fact, f.facts), found
	case opEmpty:
		return value{}, nothing
	case opThen:
		if _, s := f.eval(n.a); s != found {
			return value{}, s
		}
		return f.eval(n.b)
	case opSelect:
		v, s := f.eval(n.a)
		if s != found {
			return v, s
		}
		holds, s := f.truth(n.b)
		if s == found && !holds {
			s = nothing
		}
		return v, s
	case opTry:
		if _, s := f.eval(n.a); s != found {
			return value{}, s
		}
		v, s := f.eval(n.b)
		if s == fails {
			s = nothing
		}
		return v, s
	case opIf:
		holds, s := f.truth(n.a)
		switch {
		case s != found:
			return value{}, s
		case holds:
			return f.eval(n.b)
		}
		return f.eval(n.c)
	case opAlternative:
		v, s := f.eval(n.a)
		if s == nothing || s == found && !v.truth() {
			return f.eval(n.b)
		}
		return v, s
	case opAnd, opOr, opNot, opEqual, opUnequal, opLess, opLessEqual, opGreater, opGreaterEqual, opIn, opStartsWith,
		opEndsWith, opContains, opInside, opTest, opHas, opCIDR, opAny:
		holds, s := f.truth(n)
		return boolValue(holds), s
	case opIndexInStream:
		return f.indexInStream(n)
	}
	v, s := f.eval(n.a)
	if s != found {
		return v, s
	}
	return v.apply(n)
}

// apply evaluates a function of one value.
func (v *value) apply(n *node) (value, status) {
	switch n.op {
	case opMember:
		switch v.kind {
		case rawjson.Object:
			raw, _ := rawjson.Get(v.raw, n.key)
			return rawValue(raw), found
		case rawjson.Null:
			return nullValue, found
		}
		return value{}, fails
	case opAt:
		switch v.kind {
		case rawjson.Array:
			return v.at(n.n), found
		case rawjson.Null:
			return nullValue, found
		case rawjson.String:
			return value{}, unknown
		}
		return value{}, fails
	case opKeep:
		if !n.keep(v.kind) {
			return value{}, nothing
		}
		return *v, found
	case opType:
		return textValue(typeName(v.kind)), found
	case opLength:
		return v.length()
	case opToString:
		switch v.kind {
		case rawjson.String:
			return *v, found
		case rawjson.Object, rawjson.Array:
			return value{}, unknown
		case rawjson.Number:
			return textValue(v.digits()), found
		}
		return textValue(literalText(v.kind)), found
	case opIndexOf:
		return v.index(n)
	}
	if v.kind != rawjson.String {
		return value{}, fails
	}
	s := v.string()
	var changed string
	switch n.op {
	case opTrimPrefix:
		changed = strings.TrimPrefix(s, n.key)
	case opTrimSuffix:
		changed = strings.TrimSuffix(s, n.key)
	case opLower:
		changed = lower(s)
	case opUpper:
		changed = upper(s)
	default:
		return value{}, unknown
	}
	if changed == s {
		return *v, found // with its bytes
	}
	return textValue(changed), found
}

// at returns an element of an array; null where there is none.
func (v *value) at(n int) value {
	if n < 0 {
		count := 0
		_ = rawjson.EachElement(v.raw, func(int, []byte) bool { count++; return true })
		if n += count; n < 0 {
			return nullValue
		}
	}
	at := nullValue
	_ = rawjson.EachElement(v.raw, func(i int, element []byte) bool {
		if i == n {
			at = rawValue(element)
		}
		return i < n
	})
	return at
}

func (v *value) length() (value, status) {
	switch v.kind {
	case rawjson.Null:
		return intValue(0), found
	case rawjson.String:
		return intValue(utf8.RuneCountInString(v.string())), found
	case rawjson.Number:
		return value{kind: rawjson.Number, text: strings.TrimPrefix(v.digits(), "-")}, found
	case rawjson.Array:
		count := 0
		_ = rawjson.EachElement(v.raw, func(int, []byte) bool { count++; return true })
		return intValue(count), found
	case rawjson.Object:
		return value{}, unknown // keys may stand there twice
	}
	return value{}, fails
}

// index is jq's index of a string.
func (v *value) index(n *node) (value, status) {
	switch v.kind {
	case rawjson.Null:
		return nullValue, found
	case rawjson.String:
		s := v.string()
		i := strings.Index(s, n.key)
		if i < 0 || n.key == "" {
			return nullValue, found
		}
		return intValue(utf8.RuneCountInString(s[:i])), found
	case rawjson.Array:
		result := nullValue
		_ = rawjson.EachElement(v.raw, func(i int, raw []byte) bool {
			element := rawValue(raw)
			if element.equal(&n.literal) {
				result = intValue(i)
				return false
			}
			return true
		})
		return result, found
	}
	return value{}, fails
}

// truth evaluates an expression for its truth.
func (f *frame) truth(n *node) (bool, status) {
	switch n.op {
	case opAnd, opOr:
		left, s := f.truth(n.a)
		if s != found || left == (n.op == opOr) {
			return left, s
		}
		return f.truth(n.b)
	case opNot:
		holds, s := f.truth(n.a)
		return !holds, s
	case opEqual, opUnequal, opLess, opLessEqual, opGreater, opGreaterEqual:
		return f.comparison(n)
	case opHas:
		return f.has(n)
	case opCIDR:
		v, s := f.eval(n.a)
		return s == found && n.containsIP(&v), s
	case opAny:
		holds, s := f.any(n.a, n)
		return holds != n.all, s
	case opIn, opStartsWith, opEndsWith, opContains, opInside, opTest:
		v, s := f.eval(n.a)
		switch {
		case s != found:
			return false, s
		case n.op == opIn:
			return n.has(&v), found
		case v.kind != rawjson.String:
			return false, fails
		}
		return n.matches(v.string()), found
	}
	v, s := f.eval(n)
	return s == found && v.truth(), s
}

// matches decides functions of a string.
func (n *node) matches(s string) bool {
	switch n.op {
	case opStartsWith:
		return strings.HasPrefix(s, n.key)
	case opEndsWith:
		return strings.HasSuffix(s, n.key)
	case opContains:
		return strings.Contains(s, n.key)
	case opInside:
		return strings.Contains(n.key, s)
	}
	return n.pattern.match(s)
}

// comparison evaluates the right side first, as gojq does.
func (f *frame) comparison(n *node) (bool, status) {
	right, s := f.eval(n.b)
	if s != found {
		return false, s
	}
	left, s := f.eval(n.a)
	if s != found {
		return false, s
	}
	switch n.op {
	case opEqual:
		return left.equal(&right), found
	case opUnequal:
		return !left.equal(&right), found
	}
	order := left.compare(&right)
	switch n.op {
	case opLess:
		return order < 0, found
	case opLessEqual:
		return order <= 0, found
	case opGreater:
		return order > 0, found
	}
	return order >= 0, found
}

// has reports whether a value is one of the literals of opIn.
func (n *node) has(v *value) bool {
	if n.strings != nil && v.kind == rawjson.String {
		if body, ok := v.plain(); ok {
			return n.strings[string(body)]
		}
		return n.strings[v.string()]
	}
	for _, l := range n.list {
		if v.equal(&l.literal) {
			return true
		}
	}
	return false
}

// has evaluates has("key").
func (f *frame) has(n *node) (bool, status) {
	of, s := f.eval(n.a)
	if s != found {
		return false, s
	}
	switch of.kind {
	case rawjson.Null:
		return false, found
	case rawjson.Object:
		if n.b.op == opPath {
			return f.find(n.b.slot) != nil, found
		}
		_, there := rawjson.Get(of.raw, n.b.key)
		return there, found
	}
	return false, fails
}

func (n *node) containsIP(v *value) bool {
	if v.kind != rawjson.String {
		return false
	}
	ip, err := netip.ParseAddr(v.string())
	if err != nil {
		return false
	}
	ip = ip.Unmap()
	for _, net := range n.nets {
		if net.Contains(ip) {
			return true
		}
	}
	return false
}

// any reports whether the condition of opAny holds for a result of a stream (for all: whether it fails to hold for one).
func (f *frame) any(stream, n *node) (holds bool, s status) {
	switch stream.op {
	case opComma:
		for _, part := range stream.list {
			h, s := f.any(part, n)
			if s != found {
				return false, s
			}
			if holds = holds || h; holds && !n.eager {
				return true, found
			}
		}
		return holds, found
	case opEach, opEachQuiet:
		source, s := f.eval(stream.a)
		if s != found {
			return false, endOfStream(s)
		}
		if source.kind != rawjson.Array {
			return false, notAnArray(stream, source.kind)
		}
		outer := f.element
		s = found
		_ = rawjson.EachElement(source.raw, func(_ int, raw []byte) bool {
			f.element = rawValue(raw)
			var h bool
			if h, s = f.any(stream.b, n); s != found {
				return false
			}
			holds = holds || h
			return !holds || n.eager
		})
		f.element = outer
		return holds && s == found, s
	}
	v, s := f.eval(stream)
	if s != found {
		return false, endOfStream(s)
	}
	outer := f.element
	f.element = v
	holds, s = f.truth(n.b)
	f.element = outer
	if s != found {
		return false, endOfStream(s)
	}
	return holds != n.all, found
}

// endOfStream is a status in a stream, where nothing is one result less.
func endOfStream(s status) status {
	if s == nothing {
		return found
	}
	return s
}

// notAnArray is what .[] comes to on something else.
func notAnArray(stream *node, kind rawjson.Kind) status {
	switch {
	case kind == rawjson.Object:
		return unknown // members are taken in the order of their keys
	case stream.op == opEachQuiet:
		return found
	}
	return fails
}

// indexInStream is [stream] | index(literal).
func (f *frame) indexInStream(n *node) (value, status) {
	at, result := 0, -1
	s := f.each(n.a, func(v value) {
		if result < 0 && v.equal(&n.literal) {
			result = at
		}
		at++
	})
	if s != found || result < 0 {
		return nullValue, s
	}
	return intValue(result), found
}

// each calls fn for each result of a stream.
func (f *frame) each(stream *node, fn func(value)) status {
	switch stream.op {
	case opComma:
		for _, part := range stream.list {
			if s := f.each(part, fn); s != found {
				return s
			}
		}
		return found
	case opEach, opEachQuiet:
		source, s := f.eval(stream.a)
		if s != found {
			return endOfStream(s)
		}
		if source.kind != rawjson.Array {
			return notAnArray(stream, source.kind)
		}
		outer := f.element
		s = found
		_ = rawjson.EachElement(source.raw, func(_ int, raw []byte) bool {
			f.element = rawValue(raw)
			s = f.each(stream.b, fn)
			return s == found
		})
		f.element = outer
		return s
	}
	v, s := f.eval(stream)
	if s == found {
		fn(v)
	}
	return endOfStream(s)
}

func typeName(k rawjson.Kind) string {
	switch k {
	case rawjson.True, rawjson.False:
		return "boolean"
	case rawjson.Number:
		return "number"
	case rawjson.String:
		return "string"
	case rawjson.Array:
		return "array"
	case rawjson.Object:
		return "object"
	}
	return "null"
}

func literalText(k rawjson.Kind) string {
	switch k {
	case rawjson.True:
		return "true"
	case rawjson.False:
		return "false"
	}
	return "null"
}

func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}

func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - ('a' - 'A')
		}
		return r
	}, s)
}

func factOf(f *factsFunc, facts *pipeline.Facts) value {
	if s, ok := f.value(facts).(string); ok {
		return textValue(s)
	}
	return nullValue
}
