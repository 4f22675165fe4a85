package query

import "github.com/trailcast/trailcast/internal/rawjson"

// appendBytes is append for a result that is known as JSON; compact says that it has no white space outside of strings.
func (p *printer) appendBytes(dst, raw []byte, compact bool) []byte {
	dst = append(dst, p.begin...)
	switch {
	case p.raw && raw[0] == '"':
		s, _ := rawjson.Text(raw)
		if p.ascii {
			dst = p.text(dst, rawjson.AppendString(nil, s))
		} else {
			dst = p.plain(dst, s)
		}
	case compact && p.asItIs:
		dst = append(dst, raw...)
	default:
		dst = p.format(dst, raw)
	}
	return append(dst, p.end...)
}

// layout is format for a printer that changes nothing but white space.
func (p *printer) layout(dst, raw []byte) []byte {
	if p.indent == nil {
		return rawjson.AppendCompact(dst, raw)
	}
	depth := 0
	for i := 0; i < len(raw); {
		switch c := raw[i]; c {
		case ' ', '\t', '\n', '\r':
			i++
		case '{', '[':
			k := rawjson.Next(raw, i+1)
			if k < len(raw) && raw[k] == c+2 { // the closing one
				dst = append(dst, c, c+2)
				i = k + 1
				continue
			}
			depth++
			dst = p.newline(append(dst, c), depth)
			i++
		case '}', ']':
			depth--
			dst = append(p.newline(dst, depth), c)
			i++
		case ',':
			dst = p.newline(append(dst, c), depth)
			i++
		case ':':
			dst = append(dst, ':', ' ')
			i++
		case '"':
			end, err := rawjson.Skip(raw, i)
			if err != nil {
				return append(dst, raw[i:]...) // not reached: results are valid
			}
			dst = append(dst, raw[i:end]...)
			i = end
		default:
			end := i + 1
			for end < len(raw) && raw[end] > ' ' && raw[end] != ',' && raw[end] != '}' && raw[end] != ']' {
				end++
			}
			dst = append(dst, raw[i:end]...)
			i = end
		}
	}
	return dst
}

func (p *printer) newline(dst []byte, depth int) []byte {
	dst = append(dst, '\n')
	for range depth {
		dst = append(dst, p.indent...)
	}
	return dst
}
