package yamlconf

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/trailcast/trailcast/internal/conf"
)

// maxMistakes bounds what one file can report: an alias to a wrong value may be used very often.
const maxMistakes = 100

// Mistake is one error of a configuration file.
type Mistake struct {
	Pos  conf.Pos
	Path string // outputs[1].nats.subject; "" for the file as a whole
	Msg  string
	Hint string // what to do, or what was probably meant; may be empty
}

// String returns file:line:column: path: message (hint).
func (m Mistake) String() string {
	s := m.Msg
	if m.Hint != "" {
		s += " (" + m.Hint + ")"
	}
	if m.Path != "" {
		s = m.Path + ": " + s
	}
	if at := m.Pos.String(); at != "" {
		s = at + ": " + s
	}
	return strings.Map(printable, s)
}

// printable keeps the texts of a file from driving the terminal.
func printable(r rune) rune {
	switch {
	case r == '\n':
		return ' '
	case r == '\t' || unicode.IsPrint(r):
		return r
	}
	return unicode.ReplacementChar
}

// Errors are all mistakes of one configuration file, sorted by position.
type Errors struct {
	file     string
	lines    []string
	secrets  []span
	mistakes []Mistake
	more     int // mistakes beyond maxMistakes
}

// span is a part of a line, in columns from 1, that must not print.
type span struct{ line, column, length int }

// Fresh returns an empty list for the same file.
func (e *Errors) Fresh() *Errors { return &Errors{file: e.file, lines: e.lines, secrets: e.secrets} }

func newErrors(file string, data []byte) *Errors {
	return &Errors{file: file, lines: splitLines(string(data))}
}

// All returns the mistakes sorted by position.
func (e *Errors) All() []Mistake { return e.mistakes }

// Err returns e when it holds mistakes and nil otherwise.
func (e *Errors) Err() error {
	if e == nil || len(e.mistakes) == 0 {
		return nil
	}
	return e
}

// Error returns one line per mistake, without the excerpts that Format prints.
func (e *Errors) Error() string {
	lines := make([]string, 0, len(e.mistakes)+1)
	for _, m := range e.mistakes {
		lines = append(lines, m.String())
	}
	if e.more > 0 {
		lines = append(lines, e.moreText())
	}
	return strings.Join(lines, "\n")
}

func (e *Errors) moreText() string { return fmt.Sprintf("%s: and %d more mistakes", e.file, e.more) }

// Format writes each mistake followed by its line of the file with a caret under the column. Values that are known or
// look like secrets are shown as ***.
func (e *Errors) Format(w io.Writer) error {
	var b strings.Builder
	for _, m := range e.mistakes {
		b.WriteString(m.String())
		b.WriteByte('\n')
		e.excerpt(&b, m.Pos)
	}
	if e.more > 0 {
		b.WriteString(e.moreText())
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Add reports an error that was found after decoding, about the value n: each *conf.Error in err at its own position or
// at the place of its field in n, anything else at n. Errors joined with errors.Join are taken apart.
func (e *Errors) Add(n Node, err error) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			e.Add(n, err)
		}
		return
	}
	m := Mistake{Pos: n.Pos(), Path: n.path, Msg: err.Error()}
	var detail *conf.Error
	if errors.As(err, &detail) {
		m.Msg, m.Hint = detail.Msg, detail.Hint
		if detail.Field != "" {
			m.Pos, m.Path = n.Locate(detail.Field), join(n.path, detail.Field)
		}
		if detail.Pos != (conf.Pos{}) {
			m.Pos = detail.Pos
		}
	}
	e.add(m)
}

// add inserts a mistake by position; the same mistake is kept once.
func (e *Errors) add(m Mistake) {
	if slices.Contains(e.mistakes, m) {
		return
	}
	if len(e.mistakes) == maxMistakes {
		e.more++
		return
	}
	i, _ := slices.BinarySearchFunc(e.mistakes, m, func(a, b Mistake) int {
		order := cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
		return cmp.Or(order, -1) // behind those at the same place
	})
	e.mistakes = slices.Insert(e.mistakes, i, m)
}

// excerptWidth is how much of a long line an excerpt shows.
const excerptWidth = 100

func (e *Errors) excerpt(b *strings.Builder, pos conf.Pos) {
	if pos.File != e.file || pos.Line < 1 || pos.Line > len(e.lines) || pos.Column < 1 {
		return
	}
	line, caret := e.masked(pos)
	if len(line) > excerptWidth {
		from := max(0, min(caret-excerptWidth/2, len(line)-excerptWidth))
		line, caret = line[from:min(len(line), from+excerptWidth)], caret-from
	}
	for i, r := range line {
		line[i] = printable(r)
	}
	margin := fmt.Sprintf("%5d | ", pos.Line)
	b.WriteString(margin + string(line) + "\n")
	b.WriteString(strings.Repeat(" ", len(margin)-2) + "| ")
	for i := range min(caret, len(line)) {
		if line[i] == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	b.WriteString("^\n")
}

// secretValue finds what is probably a secret in a line of YAML: the value of a key named so, and a URL's user part.
var secretValue = regexp.MustCompile(`(?i)(?:password|passwd|token|secret|seed|nkey)["']?\s*:\s+([^\s,}#][^,}]*)` +
	`|://([^/\s@]+)@`)

// masked returns the line at pos without its secrets, and the caret's index in it.
func (e *Errors) masked(pos conf.Pos) (line []rune, caret int) {
	text := e.lines[pos.Line-1]
	line = []rune(text)
	caret = min(pos.Column-1, len(line))
	hide := make([]bool, len(line))
	for _, s := range e.secrets {
		for i := range s.length {
			if at := s.column - 1 + i; s.line == pos.Line && at < len(hide) {
				hide[at] = true
			}
		}
	}
	for _, m := range secretValue.FindAllStringSubmatchIndex(text, -1) {
		from, to := m[2], m[3]
		if from < 0 {
			from, to = m[4], m[5]
		}
		start := len([]rune(text[:from]))
		for i := range len([]rune(text[from:to])) {
			hide[start+i] = true
		}
	}
	shown := make([]rune, 0, len(line))
	newCaret := -1
	for i, r := range line {
		if i == caret {
			newCaret = len(shown)
		}
		switch {
		case !hide[i]:
			shown = append(shown, r)
		case i == 0 || !hide[i-1]:
			shown = append(shown, '*', '*', '*')
		}
	}
	if newCaret < 0 {
		newCaret = len(shown)
	}
	return shown, newCaret
}

// splitLines cuts a text where YAML 1.1 does, so that line numbers agree with the parser's.
func splitLines(s string) []string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").
		Replace(strings.TrimPrefix(s, "\ufeff"))
	return strings.Split(s, "\n")
}
