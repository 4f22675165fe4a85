package jq

import (
	"strings"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// format is how an array becomes a line of text.
type format struct {
	separator string // as it is written in a JSON string
	quote     string
	escape    func(s string) string // of texts that are not written as they are
}

// formatOf returns @tsv and @csv; nil of any other name.
func formatOf(name string) *format {
	switch name {
	case "@tsv":
		return &format{`\t`, "", strings.NewReplacer("\t", `\t`, "\r", `\r`, "\n", `\n`, "\\", `\\`, "\x00", `\0`).Replace}
	case "@csv":
		return &format{`,`, `\"`, strings.NewReplacer(`"`, `""`).Replace}
	}
	return nil
}

// appendFormatted appends a line of an array, also of a stream that is collected for it.
func (f *frame) appendFormatted(dst []byte, n *node) ([]byte, status) {
	l := line{format: n.format, dst: append(dst, '"')}
	if n.a.op == opArray {
		if n.a.a == nil {
			return append(l.dst, '"'), found
		}
		s := f.each(n.a.a, l.add)
		return append(l.dst, '"'), s
	}
	v, s := f.eval(n.a)
	switch {
	case s != found:
		return dst, s
	case v.kind != rawjson.Array:
		return dst, fails
	}
	_ = rawjson.EachElement(v.raw, func(_ int, raw []byte) bool {
		s = l.add(rawValue(raw))
		return s == found
	})
	return append(l.dst, '"'), s
}

// line is one that is being made.
type line struct {
	*format
	dst     []byte
	further bool
}

func (l *line) add(v value) status {
	if l.further {
		l.dst = append(l.dst, l.separator...)
	}
	l.further = true
	switch v.kind {
	case rawjson.String:
		l.dst = append(l.dst, l.quote...)
		if body, ok := v.plain(); ok {
			l.dst = append(l.dst, body...)
		} else {
			text := textValue(l.escape(v.string()))
			l.dst = text.appendInside(l.dst)
		}
		l.dst = append(l.dst, l.quote...)
	case rawjson.Number, rawjson.True, rawjson.False:
		l.dst = v.append(l.dst)
	case rawjson.Null:
	default:
		return fails
	}
	return found
}
