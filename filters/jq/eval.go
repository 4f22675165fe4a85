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
	enough                // of a stream: no more results are wanted
)

// eval evaluates an expression of one result at most.
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
	case opVar:
		return f.vars[n.n], found
	case opThen:
		if _, s := f.eval(n.a); s != found {
			return value{}, s
		}
		return f.eval(n.b)
	case opBind:
		v, s := f.eval(n.a)
		if s != found {
			return v, s
		}
		return f.evalOn(v, n.b)
	case opAs:
		v, s := f.eval(n.a)
		if s != found {
			return v, s
		}
		f.vars[n.n] = v
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
	case opTry, opCatch:
		if _, s := f.eval(n.a); s != found {
			return value{}, s
		}
		v, s := f.eval(n.b)
		switch {
		case s == fails && n.op == opTry:
			s = nothing
		case s == fails:
			return f.eval(n.c)
		}
		return v, s
	case opFail:
		return value{}, fails
	case opError:
		return value{}, unknown
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
	case opFirst, opLast:
		return f.oneOf(n)
	case opReduce:
		return f.reduce(n)
	case opPlus, opMinus, opTimes, opOver, opModulo:
		return f.arithmetic(n)
	case opEdit:
		return f.evalEdited(n)
	}
	if n.op >= opObject {
		return f.build(n)
	}
	v, s := f.eval(n.a)
	if s != found {
		return v, s
	}
	return f.apply(&v, n)
}

// evalOn evaluates an expression whose opElement is v.
func (f *frame) evalOn(v value, n *node) (value, status) {
	outer := f.element
	f.element = v
	w, s := f.eval(n)
	f.element = outer
	return w, s
}

// apply evaluates a function of one value.
func (f *frame) apply(v *value, n *node) (value, status) {
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
		return f.length(v)
	case opSubstitute:
		return v.substitute(n)
	case opToJSON:
		return f.toJSON(v)
	case opToNumber:
		return f.toNumber(v)
	case opSlice:
		return f.slice(v, n)
	case opExtreme:
		return v.extreme(n)
	case opToString:
		switch v.kind {
		case rawjson.String:
			return *v, found
		case rawjson.Object, rawjson.Array:
			return f.toJSON(v)
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

func (f *frame) length(v *value) (value, status) {
	switch v.kind {
	case rawjson.Null:
		return f.integer(0)
	case rawjson.String:
		return f.integer(utf8.RuneCountInString(v.string()))
	case rawjson.Number:
		return value{kind: rawjson.Number, text: strings.TrimPrefix(v.digits(), "-")}, found
	case rawjson.Array:
		count := 0
		_ = rawjson.EachElement(v.raw, func(int, []byte) bool { count++; return true })
		return f.integer(count)
	case rawjson.Object:
		from := f.openFields(v)
		n := len(f.fields) - from
		f.closeFields(from)
		return f.integer(n)
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
		return f.any(n)
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
	if n.many {
		return f.firstTruth(n)
	}
	v, s := f.eval(n)
	return s == found && v.truth(), s
}

// firstTruth is the truth of a stream's first result.
func (f *frame) firstTruth(n *node) (holds bool, s status) {
	any := false
	s = f.each(n, func(v value) status {
		any, holds = true, v.truth()
		return enough
	})
	switch {
	case s == enough:
		return holds, found
	case s == found && !any:
		return false, nothing
	}
	return false, s
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
	if n.ofText {
		raw := f.find(n.a.slot)
		if rawjson.Blocked(raw) {
			return false, fails
		}
		return isText(raw, n.b.literal.text) == (n.op == opEqual), found
	}
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
