package yamlconf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/trailcast/trailcast/internal/conf"
)

// MaxFile is the largest configuration that Decode reads.
const MaxFile = 1 << 20

// parse reads the one document of data; nil when there is a mistake, which is reported, or when there is nothing.
func (e *Errors) parse(data []byte) *yaml.Node {
	if len(data) > MaxFile {
		e.add(Mistake{Pos: e.pos(1, 1), Msg: fmt.Sprintf("the file is larger than %d bytes", MaxFile)})
		return nil
	}
	if at := invalidUTF8(data); at >= 0 {
		e.add(Mistake{Pos: e.posAt(data, at), Msg: "the file is not UTF-8 text"})
		return nil
	}
	stream := &trickle{data: data}
	decoder := yaml.NewDecoder(stream)
	first, err := next(decoder)
	if err == nil && first != nil {
		var second *yaml.Node
		if second, err = next(decoder); err == nil && second != nil {
			e.add(Mistake{Pos: e.pos(second.Line, second.Column), Msg: "a second YAML document begins here",
				Hint: "a configuration is one document; remove the --- line"})
			return nil
		}
	}
	if err != nil {
		e.syntax(data, stream.read, err)
		return nil
	}
	if first == nil || len(first.Content) == 0 {
		e.add(Mistake{Pos: e.pos(1, 1), Msg: "the file holds no configuration"})
		return nil
	}
	return first.Content[0]
}

// next parses one document; nil, nil at the end.
func next(d *yaml.Decoder) (n *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("yaml: can not be read as YAML: %v", p)
		}
	}()
	n = new(yaml.Node)
	err = d.Decode(n)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// trickle gives one byte at a time, so that read tells how far the parser had to look to find an error. The parser
// itself tells at best a line, which is often that of the surrounding block and off by one.
type trickle struct {
	data []byte
	read int
}

func (t *trickle) Read(p []byte) (int, error) {
	if t.read == len(t.data) || len(p) == 0 {
		return 0, io.EOF
	}
	p[0] = t.data[t.read]
	t.read++
	return 1, nil
}

// syntax reports a parser error at the place that causes it: the end of the shortest beginning of the file from which
// on every longer one has the same error.
func (e *Errors) syntax(data []byte, read int, cause error) {
	want := problem(cause)
	// The search is bounded in bytes parsed; the parser is slow on deep brackets. Where it ends early the place is later
	// than it could be.
	budget := 8 << 20
	cost := 1 + (bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")))/64
	same := func(n int) bool {
		if budget -= n * cost; budget < 0 {
			return false
		}
		d := yaml.NewDecoder(bytes.NewReader(data[:n]))
		for {
			n, err := next(d)
			if err != nil {
				return problem(err) == want
			}
			if n == nil {
				return false
			}
		}
	}
	end := read
	for end > 0 && budget > 0 {
		start := bytes.LastIndexByte(data[:end-1], '\n') + 1
		if start == 0 || !same(start) {
			break
		}
		end = start
	}
	for end > 0 && budget > 0 {
		_, size := utf8.DecodeLastRune(data[:end])
		if !same(end - size) {
			end -= size // the place of the character without which there is no error
			break
		}
		end -= size
	}
	msg, hint := explain(want, data, end)
	e.add(Mistake{Pos: e.posAt(data, end), Msg: msg, Hint: hint})
}

var parserLine = regexp.MustCompile(`^yaml: (?:line \d+: )?`)

func problem(err error) string { return parserLine.ReplaceAllString(err.Error(), "") }

// explain says a parser's problem in other words.
func explain(problem string, data []byte, at int) (msg, hint string) {
	c, _ := utf8.DecodeRune(data[at:])
	const unclosed = "a bracket that is open here is not closed, or a comma is missing"
	const quotes = "a text with special characters, such as a jq program, needs 'single quotes' or a | block"
	switch {
	case c == '\t' && !strings.Contains(problem, "end of stream"), strings.Contains(problem, "found a tab"):
		return "a tab is used for indentation", "YAML allows spaces only"
	case problem == "found character that cannot start any token":
		return fmt.Sprintf("a value can not begin with %q", string(c)), "put it in quotes"
	case problem == "mapping values are not allowed in this context":
		return "unexpected \":\"", "the indentation is wrong, or a text that holds \": \" needs quotes"
	case problem == "found unexpected end of stream":
		return "the quote that opens here is never closed", ""
	case strings.HasPrefix(problem, "did not find expected ','") && strings.Contains(lineAt(data, at), "${"):
		return unclosed, `between { } or [ ] write "${NAME}" in quotes`
	case strings.HasPrefix(problem, "did not find expected ','"):
		return unclosed, quotes
	case problem == "did not find expected key":
		return "unexpected text", "the indentation differs from the lines above, or " + quotes
	case problem == "did not find expected '-' indicator":
		return "this line belongs neither to the list above nor to what is around it", "check its indentation"
	case problem == "could not find expected ':'":
		return "a key without \":\" after it", "check the indentation of this line"
	case problem == "did not find expected node content":
		return "a value is missing here, or a bracket before it is not closed", quotes
	case problem == "did not find expected <document start>":
		return "unexpected text after the end of the value", quotes
	case problem == "found unknown escape character":
		return "unknown escape in a \"double-quoted\" text", "in 'single quotes' a backslash is just a backslash"
	}
	return "YAML: " + problem, ""
}

func lineAt(data []byte, at int) string {
	start := bytes.LastIndexByte(data[:at], '\n') + 1
	line, _, _ := bytes.Cut(data[start:], []byte("\n"))
	return string(line)
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

func (e *Errors) pos(line, column int) conf.Pos {
	return conf.Pos{File: e.file, Line: line, Column: column}
}

// posAt returns the position of a byte offset.
func (e *Errors) posAt(data []byte, offset int) conf.Pos {
	lines := splitLines(string(data[:offset]))
	return e.pos(len(lines), utf8.RuneCountInString(lines[len(lines)-1])+1)
}
