package jq

import (
	"github.com/trailcast/trailcast/internal/rawjson"
)

// each calls fn for each result of an expression, until fn returns anything but found; that is returned then. While fn
// runs, the frame's element is what it was when each was called.
func (f *frame) each(n *node, fn func(value) status) status {
	if !n.many {
		v, s := f.eval(n)
		if s != found {
			return endOfStream(s)
		}
		return fn(v)
	}
	switch n.op {
	case opComma:
		for _, part := range n.list {
			if s := f.each(part, fn); s != found {
				return s
			}
		}
		return found
	case opEach, opEachQuiet:
		source, s := f.eval(n.a)
		if s != found {
			return endOfStream(s)
		}
		return f.elements(&source, n.op == opEachQuiet, func(v value) status { return f.eachOn(v, n.b, fn) })
	case opBind:
		return f.each(n.a, func(v value) status { return f.eachOn(v, n.b, fn) })
	case opAs:
		return f.each(n.a, func(v value) status {
			f.vars[n.n] = v
			return f.each(n.b, fn)
		})
	case opThen:
		if _, s := f.eval(n.a); s != found {
			return endOfStream(s)
		}
		return f.each(n.b, fn)
	case opTry, opCatch:
		if _, s := f.eval(n.a); s != found {
			return endOfStream(s)
		}
		behind := found
		s := f.each(n.b, func(v value) status {
			behind = fn(v)
			return behind
		})
		switch {
		case s != fails || behind == fails:
			return s
		case n.op == opTry:
			return found
		}
		return f.each(n.c, fn)
	case opIf:
		holds, s := f.truth(n.a)
		switch {
		case s != found:
			return endOfStream(s)
		case holds:
			return f.each(n.b, fn)
		}
		return f.each(n.c, fn)
	case opAlternative:
		v, s := f.eval(n.a)
		switch {
		case s == nothing || s == found && !v.truth():
			return f.each(n.b, fn)
		case s != found:
			return s
		}
		return fn(v)
	case opRecurse:
		v, s := f.eval(n.a)
		if s != found {
			return endOfStream(s)
		}
		return f.below(v, 0, fn)
	case opLimit:
		return f.limit(n, fn)
	case opForeach:
		return f.foreach(n, fn)
	case opPaths:
		return f.eachPath(n, fn)
	case opForeigns:
		return f.eachForeign(n, fn)
	}
	return unknown
}

// eachOn is each for an expression whose opElement is v.
func (f *frame) eachOn(v value, n *node, fn func(value) status) status {
	if n.op == opElement {
		return fn(v)
	}
	if !n.many {
		w, s := f.evalOn(v, n)
		if s != found {
			return endOfStream(s)
		}
		return fn(w)
	}
	outer := f.element
	f.element = v
	s := f.each(n, func(w value) status {
		f.element = outer
		s := fn(w)
		f.element = v
		return s
	})
	f.element = outer
	return s
}

// endOfStream is a status in a stream, where nothing is one result less.
func endOfStream(s status) status {
	if s == nothing {
		return found
	}
	return s
}

// elements calls fn for each element of an array, and for the values of an object in the order of its keys.
func (f *frame) elements(of *value, quiet bool, fn func(value) status) status {
	s := found
	switch of.kind {
	case rawjson.Array:
		_ = rawjson.EachElement(of.raw, func(_ int, raw []byte) bool {
			if f.steps--; f.steps < 0 {
				s = unknown
			} else {
				s = fn(rawValue(raw))
			}
			return s == found
		})
	case rawjson.Object:
		from := f.openFields(of)
		to := len(f.fields)
		for i := from; i < to && s == found; i++ {
			if f.steps--; f.steps < 0 {
				s = unknown
			} else {
				s = fn(rawValue(f.fields[i].raw))
			}
		}
		f.closeFields(from)
	default:
		if !quiet {
			return fails
		}
	}
	return s
}

// below calls fn for a value and all that is in it.
func (f *frame) below(v value, depth int, fn func(value) status) status {
	if depth > rawjson.MaxDepth { // of an event that is not checked yet
		return unknown
	}
	if s := fn(v); s != found || v.kind != rawjson.Array && v.kind != rawjson.Object {
		return s
	}
	return f.elements(&v, true, func(element value) status { return f.below(element, depth+1, fn) })
}

func (f *frame) limit(n *node, fn func(value) status) status {
	if n.n == 0 {
		return found
	}
	left, last := n.n, false
	s := f.each(n.a, func(v value) status {
		left--
		if s := fn(v); s != found {
			return s
		}
		if left == 0 {
			last = true
			return enough
		}
		return found
	})
	if last {
		return found
	}
	return s
}

// oneOf is first and last of a stream.
func (f *frame) oneOf(n *node) (one value, s status) {
	any := false
	s = f.each(n.a, func(v value) status {
		one, any = v, true
		if n.op == opFirst {
			return enough
		}
		return found
	})
	switch {
	case s != found && s != enough:
		return one, s
	case !any:
		return one, nothing
	}
	return one, found
}

// any reports whether the condition of opAny holds for a result of its stream; for all, whether it holds for each.
func (f *frame) any(n *node) (holds bool, s status) {
	hit := false
	s = f.each(n.a, func(v value) status {
		outer := f.element
		f.element = v
		h, s := f.truth(n.b)
		f.element = outer
		if s != found {
			return endOfStream(s)
		}
		if h != n.all {
			if hit = true; !n.eager {
				return enough
			}
		}
		return found
	})
	if s == enough {
		s = found
	}
	return hit != n.all, s
}

// indexInStream is [stream] | index(literal).
func (f *frame) indexInStream(n *node) (value, status) {
	at, result := 0, -1
	s := f.each(n.a, func(v value) status {
		if result < 0 && v.equal(&n.literal) {
			result = at
		}
		at++
		return found
	})
	if s != found || result < 0 {
		return nullValue, s
	}
	return f.integer(result)
}
