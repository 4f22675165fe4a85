package template

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/rawjson"
)

// Parse reads a template. The error holds every mistake in it as a *conf.Error with its position, several joined.
func Parse(text conf.Text) (*Template, error) {
	p := parser{text: text, t: &Template{text: text.Value}}
	p.parse()
	if err := errors.Join(p.errs...); err != nil {
		return nil, err
	}
	return p.t, nil
}

type parser struct {
	text    conf.Text
	t       *Template
	literal []byte // text not yet made a part
	from    int    // where it began
	errs    []error
}

func (p *parser) parse() {
	s := p.text.Value
	for i := 0; i < len(s); {
		c := s[i]
		if c != '{' && c != '}' {
			p.addLiteral(i, c)
			i++
			continue
		}
		if i+1 < len(s) && s[i+1] == c {
			p.addLiteral(i, c)
			i += 2
			continue
		}
		if c == '}' {
			p.fail(i, "unexpected } in a template", "write }} for a literal brace")
			i++
			continue
		}
		end, closed := endOfField(s, i+1)
		if !closed {
			p.fail(i, "unclosed { in a template", "write {{ for a literal brace")
			i = end
			continue
		}
		p.flush()
		p.field(i+1, s[i+1:end])
		i = end + 1
	}
	p.flush()
}

func (p *parser) addLiteral(at int, c byte) {
	if len(p.literal) == 0 {
		p.from = at
	}
	p.literal = append(p.literal, c)
}

func (p *parser) flush() {
	if len(p.literal) > 0 {
		p.t.parts = append(p.t.parts, Part{Literal: string(p.literal), Pos: p.text.At(p.from)})
		p.literal = p.literal[:0]
	}
}

func (p *parser) fail(at int, msg, hint string) {
	p.errs = append(p.errs, &conf.Error{Pos: p.text.At(at), Msg: msg, Hint: hint})
}

// endOfField returns the index of the brace that closes the field beginning at i. Where there is none it returns the
// index of the next opening brace, or the end. Braces in a quoted key belong to the key.
func endOfField(s string, i int) (end int, closed bool) {
	for i < len(s) {
		switch {
		case s[i] == '}':
			return i, true
		case s[i] == '{':
			return i, false
		case s[i] == '"' && s[i-1] == '[':
			n, err := rawjson.Skip([]byte(s), i)
			if err != nil {
				return len(s), false
			}
			i = n
		default:
			i++
		}
	}
	return len(s), false
}

// field adds the field whose body begins at an offset.
func (p *parser) field(at int, body string) {
	part := Part{Field: body, Pos: p.text.At(at - 1)}
	if strings.HasPrefix(body, ".") {
		path, offset, msg := parsePath(body)
		if msg != "" {
			p.fail(at+offset, fmt.Sprintf("%s in template field {%s}", msg, body), pathHint)
			return
		}
		part.value = pathValue(path)
		p.t.parts = append(p.t.parts, part)
		return
	}
	for i := range shortNames {
		if shortNames[i].name == body {
			part.value, part.time = shortNames[i].value, layoutOf(body)
			p.t.parts = append(p.t.parts, part)
			return
		}
	}
	if strings.TrimSpace(body) == "" {
		p.fail(at-1, "empty name in a template", "write {{ and }} for literal braces; the names are "+nameList())
		return
	}
	p.fail(at, fmt.Sprintf("unknown template field {%s}", body), suggestion(body))
}

const pathHint = `paths look like {.userIdentity.arn}, {.resources[0].ARN}, {.tags["odd key"]}`

// parsePath reads a path that begins with a dot. msg is what is wrong at offset, "" for nothing.
func parsePath(s string) (path []step, offset int, msg string) {
	for i := 0; i < len(s); {
		switch {
		case s[i] == '.' && i+1 < len(s) && s[i+1] == '[':
			i++
		case s[i] == '.':
			end := i + 1 + plainLen(s[i+1:])
			if end == i+1 {
				return nil, end, "missing key"
			}
			path = append(path, step{key: s[i+1 : end], index: -1})
			i = end
		case s[i] == '[':
			next, n := bracket(s[i:])
			if n == 0 {
				return nil, i, `malformed index or ["key"]`
			}
			path = append(path, next)
			i += n
		default:
			r, _ := utf8.DecodeRuneInString(s[i:])
			return nil, i, fmt.Sprintf("unexpected %q", r)
		}
	}
	return path, 0, ""
}

// plainLen returns the length of the key that may stand without quotes: letters, digits and a few marks that are common
// in AWS keys.
func plainLen(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-:/@$", r)
	})
	if n < 0 {
		return len(s)
	}
	return n
}

// bracket reads ["key"] or [12] and returns its length, 0 where it is neither.
func bracket(s string) (step, int) {
	if len(s) > 1 && s[1] == '"' {
		end, err := rawjson.Skip([]byte(s), 1)
		if err != nil || end >= len(s) || s[end] != ']' {
			return step{}, 0
		}
		key, _ := rawjson.Text([]byte(s[1:end]))
		return step{key: key, index: -1}, end + 1
	}
	end := strings.IndexByte(s, ']')
	if end < 0 {
		return step{}, 0
	}
	index, err := strconv.ParseUint(s[1:end], 10, 31)
	if err != nil {
		return step{}, 0
	}
	return step{index: int(index)}, end + 1
}

// suggestion says what an unknown name was probably meant to be.
func suggestion(name string) string {
	best, least := "", 3
	for i := range shortNames {
		candidate := shortNames[i].name
		if d := distance(strings.ToLower(name), candidate); d < least && d < len(candidate) {
			best, least = candidate, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean {%s}?", best)
	}
	if plainLen(name) == len(name) {
		return fmt.Sprintf("a field of the event is written {.%s}; the names are %s", name, nameList())
	}
	return "the names are " + nameList()
}

// distance is the number of bytes to insert, delete or change to make a of b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
