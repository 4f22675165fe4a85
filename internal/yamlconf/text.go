package yamlconf

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/trailcast/trailcast/internal/conf"
)

// text decodes a program or template exactly as it is written. options are the keys of the component that the text
// stands for, if any.
func (d *Decoder) text(n Node, into *conf.Text, options string) {
	if n.n.Kind != yaml.ScalarNode {
		var b strings.Builder
		flow(&b, n.n, 0)
		hint := fmt.Sprintf("put it in quotes: %s: '%s'", n.name(), strings.ReplaceAll(b.String(), "'", "''"))
		if options != "" {
			hint += "; keys: " + options
		}
		d.report(n.value(), n.path, "expected a text, got "+describe(n.n), hint)
		return
	}
	if n.isNull() && n.n.Value == "" {
		d.report(n.value(), n.path, "no value is given, expected a text", "")
		return
	}
	*into = d.locate(n)
}

// locate returns a scalar's value with the places that its parts have in the file.
func (d *Decoder) locate(n Node) conf.Text {
	t := conf.Text{Value: n.n.Value, Pos: n.value()}
	s := scanner{file: n.file, lines: d.lines, line: n.n.Line, column: n.n.Column, want: n.n.Value}
	if s.line < 1 || s.line > len(s.lines) {
		return t
	}
	s.properties()
	switch style := n.n.Style; {
	case style&yaml.LiteralStyle != 0, style&yaml.FoldedStyle != 0:
		s.line++
		s.block()
	case style&yaml.DoubleQuotedStyle != 0:
		s.quoted('"')
	case style&yaml.SingleQuotedStyle != 0:
		s.quoted('\'')
	default:
		s.plain()
	}
	if len(s.starts) == 0 {
		return t // empty, or written in a way that the scanner does not follow: the position of the scalar remains
	}
	t.Pos = s.starts[0]
	if len(s.starts) > 1 {
		t.Starts, t.Offsets = s.starts, s.offsets
	}
	return t
}

// scanner follows a scalar through the lines of the file and notes, for each stretch of its value that stands there
// letter for letter, where it begins. It knows the value from the parser, so it never decides how YAML folds lines.
type scanner struct {
	file         string
	lines        []string
	line, column int // from 1
	want         string
	done         int // bytes of want that have been found
	starts       []conf.Pos
	offsets      []int
}

func (s *scanner) rest() string {
	if s.line > len(s.lines) {
		return ""
	}
	text := s.lines[s.line-1]
	for i := 1; i < s.column && text != ""; i++ {
		_, size := utf8.DecodeRuneInString(text)
		text = text[size:]
	}
	return text
}

// properties skips anchors.
func (s *scanner) properties() {
	for {
		text := s.rest()
		switch {
		case strings.HasPrefix(text, "&"), strings.HasPrefix(text, "!"):
			word, _, _ := strings.Cut(text, " ")
			s.column += utf8.RuneCountInString(word)
			blank := text[len(word):]
			s.column += len(blank) - len(strings.TrimLeft(blank, " \t"))
		case text == "" && s.line < len(s.lines) && s.column > 1:
			s.line++
			s.column = 1 + len(s.lines[s.line-1]) - len(strings.TrimLeft(s.lines[s.line-1], " \t"))
		default:
			return
		}
	}
}

// begin notes that want continues at a column of the current line.
func (s *scanner) begin(column int) {
	s.starts = append(s.starts, conf.Pos{File: s.file, Line: s.line, Column: column})
	s.offsets = append(s.offsets, s.done)
}

// find moves to where text, or as much of it as is wanted, stands in want: behind line breaks or the space that
// replaces one.
func (s *scanner) find(text string) bool {
	for at := s.done; at <= len(s.want); at++ {
		if rest := s.want[at:]; rest != "" && (strings.HasPrefix(rest, text) || strings.HasPrefix(text, rest)) {
			s.done = at
			return true
		}
		if at == len(s.want) || s.want[at] != '\n' && (s.want[at] != ' ' || at > s.done) {
			return false
		}
	}
	return false
}

// plain follows an unquoted text.
func (s *scanner) plain() {
	for column, text := s.column, s.rest(); ; {
		text = strings.TrimRight(text, " \t")
		if text != "" {
			if !s.find(text) {
				return
			}
			s.begin(column)
			s.done += min(len(text), len(s.want)-s.done)
		}
		s.line++
		if s.line > len(s.lines) || s.done >= len(s.want) {
			return
		}
		line := s.lines[s.line-1]
		text = strings.TrimLeft(line, " \t")
		column = 1 + utf8.RuneCountInString(line[:len(line)-len(text)])
	}
}

// block follows a literal or folded text. Its indentation is what the first line with text has more in the file than in
// the value.
func (s *scanner) block() {
	indent := -1
	for ; s.line <= len(s.lines) && s.done < len(s.want); s.line++ {
		line := s.lines[s.line-1]
		if strings.Trim(line, " ") == "" && (indent < 0 || len(line) <= indent) {
			if s.want[s.done] == '\n' && len(s.starts) > 0 && s.want[s.done-1] == '\n' || len(s.starts) == 0 {
				s.begin(len(line) + 1)
			}
			if s.want[s.done] == '\n' {
				s.done++
			}
			continue
		}
		if indent < 0 {
			value := strings.TrimLeft(s.want[s.done:], "\n")
			indent = spaces(line) - spaces(value)
		}
		if indent < 0 || indent > len(line) {
			return
		}
		if !s.find(line[indent:]) {
			return
		}
		s.begin(indent + 1)
		s.done += min(len(line)-indent, len(s.want)-s.done)
		if s.done < len(s.want) && s.want[s.done] == '\n' {
			s.done++
		}
	}
}

func spaces(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }

// quoted follows a text in quotes.
func (s *scanner) quoted(quote byte) {
	s.column++
	fresh := true // what follows does not continue the last stretch
	for s.done < len(s.want) {
		text := s.rest()
		if strings.Trim(text, " \t") == "" || quote == '"' && text == `\` { // the end of a line, which folds
			if s.line++; s.line > len(s.lines) {
				return
			}
			line := s.lines[s.line-1]
			s.column = 1 + utf8.RuneCountInString(line[:len(line)-len(strings.TrimLeft(line, " \t"))])
			if text != `\` && s.rest() != "" {
				s.fold()
			}
			fresh = true
			continue
		}
		value, width := text[:1], 1
		switch {
		case quote == '\'' && strings.HasPrefix(text, "''"):
			width = 2
		case quote == '"' && text[0] == '\\':
			value, width = unescape(text)
		default:
			_, size := utf8.DecodeRuneInString(text)
			value = text[:size]
		}
		if !strings.HasPrefix(s.want[s.done:], value) {
			return
		}
		if fresh {
			s.begin(s.column)
		}
		fresh = width > 1
		s.done += len(value)
		s.column += width
	}
}

// fold skips the space or the line breaks that line ends have become.
func (s *scanner) fold() {
	if s.done < len(s.want) && s.want[s.done] == ' ' {
		s.done++
		return
	}
	for s.done < len(s.want) && s.want[s.done] == '\n' {
		s.done++
	}
}

// unescape returns the value of the escape that text begins with, and how many characters it takes.
func unescape(text string) (value string, width int) {
	if len(text) < 2 {
		return text, 1
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[text[1]]
	if digits > 0 && len(text) >= 2+digits {
		r, err := strconv.ParseUint(text[2:2+digits], 16, 32)
		if err != nil {
			return text, 1
		}
		return string(rune(r)), 2 + digits
	}
	simple := map[byte]string{
		'0': "\x00", 'a': "\a", 'b': "\b", 't': "\t", '\t': "\t", 'n': "\n", 'v': "\v", 'f': "\f", 'r': "\r",
		'e': "\x1b", 'N': "\u0085", '_': "\u00a0", 'L': "\u2028", 'P': "\u2029",
	}
	if v, ok := simple[text[1]]; ok {
		return v, 2
	}
	return text[1:2], 2 // \" \\ \/ and the space
}
