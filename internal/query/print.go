package query

import (
	"bytes"
	"unicode/utf8"

	"github.com/trailcast/trailcast/filters/jq"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/internal/terminal"
)

func valueEnd(b []byte) (int, error) { return rawjson.Skip(b, 0) }

// printer writes results as jq prints them.
type printer struct {
	indent   []byte // nil: on one line
	raw      bool
	end      string
	begin    string
	ascii    bool
	sortKeys bool
	color    bool
	terminal bool // nothing that a terminal would obey may come out
	asItIs   bool // compact JSON is printed with its bytes
}

func newPrinter(o *Options, terminal bool) *printer {
	p := &printer{raw: o.Raw, end: "\n", ascii: o.ASCII, sortKeys: o.SortKeys, color: terminal, terminal: terminal}
	switch {
	case o.Compact:
	case o.Tab:
		p.indent = []byte("\t")
	default:
		p.indent = bytes.Repeat([]byte(" "), o.Indent)
	}
	switch {
	case o.Raw0:
		p.end = "\x00"
	case o.Join:
		p.end = ""
	}
	if o.Seq {
		p.begin = "\x1e"
	}
	if o.Color != nil {
		p.color = *o.Color
	}
	p.asItIs = p.indent == nil && !p.color && !p.ascii && !p.terminal
	return p
}

// append appends one result. enc gives the bytes of what came from the input, which is compact or not; order is that of the
// keys that the program builds.
func (p *printer) append(dst []byte, v any, enc *jq.Encoder, order []string, compact bool) []byte {
	dst = append(dst, p.begin...)
	if s, ok := v.(string); ok && p.raw {
		if p.ascii {
			dst = p.text(dst, rawjson.AppendString(nil, s))
		} else {
			dst = p.plain(dst, s)
		}
		return append(dst, p.end...)
	}
	if p.sortKeys {
		enc, order, compact = sorting, nil, true
	}
	if p.asItIs && compact {
		return append(enc.Append(dst, v, order), p.end...)
	}
	return append(p.format(dst, enc.Append(nil, v, order)), p.end...)
}

// sorting is an encoder that knows no bytes, so that it sorts all keys.
var sorting = jq.NewEncoder([]byte("null"), nil)

// plain appends the text of a string for -r.
func (p *printer) plain(dst []byte, s string) []byte {
	if !p.terminal {
		return append(dst, s...)
	}
	for _, r := range s {
		if terminal.Hostile(r) {
			dst = terminal.AppendEscape(dst, r)
		} else {
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

// Colours of jq 1.7: null, booleans, numbers, strings, punctuation of arrays and objects, keys.
const (
	colorNull   = "\x1b[1;30m"
	colorFalse  = "\x1b[0;39m"
	colorTrue   = "\x1b[0;39m"
	colorNumber = "\x1b[0;39m"
	colorString = "\x1b[0;32m"
	colorPunct  = "\x1b[1;39m"
	colorKey    = "\x1b[34;1m"
	colorEnd    = "\x1b[0m"
)

// format lays out a JSON value.
func (p *printer) format(dst, raw []byte) []byte {
	if !p.color && !p.ascii && !p.terminal {
		return p.layout(dst, raw)
	}
	depth := 0
	key := false // the next string is a key
	var inObject []bool
	newline := func() {
		if p.indent == nil {
			return
		}
		dst = append(dst, '\n')
		for range depth {
			dst = append(dst, p.indent...)
		}
	}
	paint := func(color string, text []byte) {
		if p.color {
			dst = append(dst, color...)
		}
		dst = append(dst, text...)
		if p.color {
			dst = append(dst, colorEnd...)
		}
	}
	for i := rawjson.Next(raw, 0); i < len(raw); i = rawjson.Next(raw, i) {
		switch c := raw[i]; c {
		case '{', '[':
			closing := byte('}')
			if c == '[' {
				closing = ']'
			}
			if k := rawjson.Next(raw, i+1); k < len(raw) && raw[k] == closing {
				paint(colorPunct, []byte{c, closing})
				i = k + 1
				continue
			}
			paint(colorPunct, raw[i:i+1])
			inObject = append(inObject, c == '{')
			depth++
			key = c == '{'
			newline()
			i++
		case '}', ']':
			depth--
			inObject = inObject[:len(inObject)-1]
			newline()
			paint(colorPunct, raw[i:i+1])
			i++
		case ',':
			paint(colorPunct, raw[i:i+1])
			key = len(inObject) > 0 && inObject[len(inObject)-1]
			newline()
			i++
		case ':':
			paint(colorPunct, raw[i:i+1])
			if p.indent != nil {
				dst = append(dst, ' ')
			}
			key = false
			i++
		case '"':
			end, err := rawjson.Skip(raw, i)
			if err != nil {
				return append(dst, raw[i:]...) // not reached: results are valid
			}
			color := colorString
			if key {
				color = colorKey
			}
			paint(color, p.text(nil, raw[i:end]))
			i = end
		default:
			end := i
			for end < len(raw) && !bytes.ContainsRune([]byte(",]} \t\r\n"), rune(raw[end])) {
				end++
			}
			paint(scalarColor(c), raw[i:end])
			i = max(end, i+1)
		}
	}
	return dst
}

func scalarColor(c byte) string {
	switch c {
	case 'n':
		return colorNull
	case 'f':
		return colorFalse
	case 't':
		return colorTrue
	}
	return colorNumber
}

// text appends a JSON string, with more of it escaped where -a or a terminal asks for it.
func (p *printer) text(dst, quoted []byte) []byte {
	if !p.ascii && !p.terminal {
		return append(dst, quoted...)
	}
	for len(quoted) > 0 {
		r, n := utf8.DecodeRune(quoted)
		switch {
		case p.ascii && r > 0x7e || p.terminal && terminal.Hostile(r):
			dst = terminal.AppendEscape(dst, r)
		default:
			dst = append(dst, quoted[:n]...)
		}
		quoted = quoted[n:]
	}
	return dst
}
