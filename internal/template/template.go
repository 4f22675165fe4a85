// Package template fills subjects, paths and headers from events. A template is literal text with fields in braces:
//
//	{account}              a short name: see Names
//	{.userIdentity.arn}    a path into the event's current bytes
//	{.tags["odd key"][0]}  keys that are no plain words, array indexes
//	{{ and }}              literal braces
//
// What a field stands for comes from data that anybody may have written, so every value goes through an escape that
// fits where it lands: AppendToken, AppendPathSegment, AppendHeader.
package template

import (
	"strings"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// Template is a parsed template. It is read-only and safe for concurrent use.
type Template struct {
	text  string
	parts []Part
}

// Part is a piece of a template: literal text or a field.
type Part struct {
	Literal string   // the text, with {{ and }} resolved; "" for a field
	Field   string   // what stands between the braces; "" for literal text
	Pos     conf.Pos // where the part begins

	value func(ev *pipeline.Event) string // of a field
	time  string                          // layout of a field that is a part of the event time; "" for others
}

// Parts returns the pieces in order; neighbours are never both literal. The slice is read-only.
func (t *Template) Parts() []Part { return t.parts }

// Literal returns the whole text where the template has no field.
func (t *Template) Literal() (string, bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && t.parts[0].Field == "":
		return t.parts[0].Literal, true
	}
	return "", false
}

// String returns the template as it was written.
func (t *Template) String() string { return t.text }

// Append appends the template filled from an event. escape is called once for each field with its value; a fact or path
// that the event does not have is the empty string. Literal text is not escaped, and parts of the event time, which are
// digits and hyphens, need not be.
func (t *Template) Append(dst []byte, ev *pipeline.Event, escape func(dst []byte, value string) []byte) []byte {
	for i := range t.parts {
		p := &t.parts[i]
		if p.value == nil {
			dst = append(dst, p.Literal...)
			continue
		}
		if p.time != "" {
			if t := ev.Facts().Time.UTC(); t.Year() > 0 && t.Year() <= 9999 && !t.IsZero() {
				dst = t.AppendFormat(dst, p.time)
				continue
			}
		}
		dst = escape(dst, p.value(ev))
	}
	return dst
}

// Names returns the short names in the order of the documentation.
func Names() []string {
	names := make([]string, len(shortNames))
	for i := range shortNames {
		names[i] = shortNames[i].name
	}
	return names
}

type shortName struct {
	name  string
	value func(ev *pipeline.Event) string
}

// shortNames are computed from the event's facts and origin, so that they survive every change that filters make to its
// bytes. The parts of the event time are UTC; all of them are empty where the time is unknown, so that a path or
// subject has the same shape then, with the escape's text for empty values in each place.
var shortNames = [...]shortName{
	{"account", func(ev *pipeline.Event) string { return ev.Facts().Account.ID }},
	{"account_name", func(ev *pipeline.Event) string { return ev.Facts().Account.Name }},
	{"region", func(ev *pipeline.Event) string { return ev.Facts().Region }},
	{"service", func(ev *pipeline.Event) string { return ev.Facts().Service }},
	{"action", func(ev *pipeline.Event) string { return ev.Facts().Action }},
	{"kind", func(ev *pipeline.Event) string { return string(ev.Facts().Kind) }},
	{"outcome", func(ev *pipeline.Event) string { return ev.Facts().Outcome }},
	{"actor", func(ev *pipeline.Event) string { return ev.Facts().ActorName() }},
	{"actor_type", func(ev *pipeline.Event) string { return ev.Facts().Actor.Type }},
	{"role", func(ev *pipeline.Event) string { return ev.Facts().Actor.Role }},
	{"user", func(ev *pipeline.Event) string { return ev.Facts().Actor.User }},
	{"session", func(ev *pipeline.Event) string { return ev.Facts().Session.ID }},
	{"target", func(ev *pipeline.Event) string { return ev.Facts().Session.Target }},
	{"year", timePart(layoutOf("year"))},
	{"month", timePart(layoutOf("month"))},
	{"day", timePart(layoutOf("day"))},
	{"date", timePart(layoutOf("date"))},
	{"hour", timePart(layoutOf("hour"))},
	{"id", func(ev *pipeline.Event) string { return ev.Facts().ID }},
	{"tag", func(ev *pipeline.Event) string { return originOf(ev).Tag }},
	{"input", func(ev *pipeline.Event) string { return originOf(ev).Input }},
}

// layoutOf returns the layout of a name that stands for a part of the event time, "" for others.
func layoutOf(name string) string {
	switch name {
	case "year":
		return "2006"
	case "month":
		return "01"
	case "day":
		return "02"
	case "date":
		return "2006-01-02"
	case "hour":
		return "15"
	}
	return ""
}

func timePart(layout string) func(ev *pipeline.Event) string {
	return func(ev *pipeline.Event) string {
		t := ev.Facts().Time
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(layout)
	}
}

func originOf(ev *pipeline.Event) *pipeline.Origin {
	if o := ev.Record.Origin; o != nil {
		return o
	}
	return &pipeline.Origin{}
}

// step leads from a JSON value to one inside it: to a member by its key, or to an element where index is not negative.
type step struct {
	key   string
	index int
}

// pathValue returns the value at a path: a string without its quotes, anything else as compact JSON text (null too), ""
// where there is nothing.
func pathValue(path []step) func(ev *pipeline.Event) string {
	return func(ev *pipeline.Event) string {
		value := ev.Raw
		for _, s := range path {
			if value = s.from(value); value == nil {
				return ""
			}
		}
		if s, ok := rawjson.Text(value); ok {
			return s
		}
		return string(rawjson.AppendCompact(make([]byte, 0, len(value)), value))
	}
}

// from returns nil where the step leads nowhere.
func (s step) from(value []byte) []byte {
	if s.index < 0 {
		found, _ := rawjson.Get(value, s.key)
		return found
	}
	if rawjson.KindOf(value) != rawjson.Array {
		return nil
	}
	var found []byte
	// An error says that the bytes are not JSON: then there is no such element.
	_ = rawjson.EachElement(value, func(i int, element []byte) bool {
		if i == s.index {
			found = element
		}
		return i < s.index
	})
	return found
}

func nameList() string { return strings.Join(Names(), " ") }
