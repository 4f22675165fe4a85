package redact

import (
	"strings"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// editor replaces values while it walks through an event.
type editor struct {
	filter  *Filter
	raw     []byte
	session *pipeline.Event // a session's record, else nil
	out     []byte          // nil while nothing was replaced
	copied  int             // bytes of raw that are in out

	rules ruleSet // those that may match somewhere in the event
}

// replace puts text in place of a value of raw.
func (e *editor) replace(value []byte, text string) {
	at := offset(e.raw, value)
	e.out = append(e.out, e.raw[e.copied:at]...)
	e.out = rawjson.AppendString(e.out, text)
	e.copied = at + len(value)
}

// object walks through the members of an object.
func (e *editor) object(raw []byte, depth int, paths [][]string) error {
	return rawjson.EachMember(raw, func(key string, value []byte) bool {
		if depth == 0 && key == "trailcast" && !names(paths, key) {
			e.enriched(value)
			return true
		}
		below, here := descend(paths, key)
		e.value(key, value, depth, below, here)
		return true
	})
}

// enriched replaces secrets in those facts that are text which somebody wrote; the others hold none.
func (e *editor) enriched(facts []byte) {
	_ = rawjson.EachMember(facts, func(part string, value []byte) bool {
		if part == "session" || part == "error" {
			_ = rawjson.EachMember(value, func(key string, text []byte) bool {
				if (key == "reason" || key == "message") && rawjson.KindOf(text) == rawjson.String {
					e.text(key, text)
				}
				return true
			})
		}
		return true
	})
}

// value replaces one value, or walks into it.
func (e *editor) value(key string, value []byte, depth int, paths [][]string, here bool) {
	if here {
		if s, ok := rawjson.Text(value); !ok || s != e.filter.replacement {
			e.replace(trim(value), e.filter.replacement)
		}
		return
	}
	kind := rawjson.KindOf(value)
	if depth == 0 && e.session != nil && (kind == rawjson.Array || kind == rawjson.String) && isText(key) && len(paths) == 0 && !e.filter.keys.has(key) {
		e.terminal(value, key == "lines")
		return
	}
	switch kind {
	case rawjson.Object:
		_ = e.object(value, depth+1, paths) // the whole event was checked when it was split
	case rawjson.Array:
		e.array(key, value, depth+1, paths)
	case rawjson.String:
		e.text(key, value)
	}
}

// array goes through elements. Texts among them may be the lines of one text: a private key may span several.
func (e *editor) array(key string, raw []byte, depth int, paths [][]string) {
	var block keyBlock
	keys := e.rules&e.filter.key != 0
	_ = rawjson.EachElement(raw, func(_ int, value []byte) bool {
		below, here := descend(paths, "*")
		if rawjson.KindOf(value) != rawjson.String || here {
			e.value(key, value, depth, below, here)
			return true
		}
		if keys && (block > 0 || mentions(value, privateKeyHint)) {
			if s, _ := rawjson.Text(value); block.take(s) {
				if s != e.filter.replacement {
					e.replace(trim(value), e.filter.replacement)
				}
				return true
			}
		}
		e.text(key, value)
		return true
	})
}

// text replaces secrets in a string.
func (e *editor) text(key string, value []byte) {
	f := e.filter
	if f.keys.has(key) {
		s, _ := rawjson.Text(value)
		if s != "" && s != f.replacement && !hidden(s) {
			e.replace(trim(value), f.replacement)
		}
		return
	}
	if e.rules == 0 || len(value) < shortestSecret {
		return
	}
	s, _ := rawjson.Text(value)
	if redacted := f.redactText(s, e.rules); redacted != s {
		e.replace(trim(value), redacted)
	}
}

// isText reports whether a key is where the records of sessions have their text.
func isText(key string) bool { return key == "sessionData" || key == "lines" }

// terminal replaces secrets in the text of a session.
func (e *editor) terminal(value []byte, part bool) {
	f, ev := e.filter, e.session
	session, p := placeOf(e.raw, ev, part)
	id := f.memory.hash(ev.Key())
	last, p := f.memory.before(session, id, p)
	t := readText(value, part)
	changed, next := f.redactSession(&t, last, e.rules)
	f.memory.keep(session, taken{id: id, place: p, frame: ev.FrameID(), tail: next})
	if len(changed) == 0 {
		return
	}
	if t.values == nil {
		for i, s := range changed {
			t.lines[i] = s
		}
		e.replace(trim(value), strings.Join(t.lines, "\n"))
		return
	}
	for i, element := range t.values {
		if s, ok := changed[i]; ok && s != t.lines[i] {
			e.replace(trim(element), s)
		}
	}
}
