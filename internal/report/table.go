package report

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"
)

// style of a terminal (SGR of ECMA-48).
type style string

const (
	plain  style = ""
	bold   style = "\x1b[1m"
	faint  style = "\x1b[2m"
	red    style = "\x1b[31m"
	yellow style = "\x1b[33m"
	reset        = "\x1b[0m"
)

// WriteTable writes one row for each session, what went wrong and alerts below it, and totals at the end. Columns are
// shortened, and the less important left out, so that no line is longer than width; 0 or less: as long as it needs to be.
// Text that explains is wrapped, never cut. A start with ≤ before it is the earliest that is known of a session.
func (r *Report) WriteTable(w io.Writer, width int, colour bool) error {
	if width > 0 {
		width = max(width, minWidth)
	}
	t := &table{out: bufio.NewWriter(w), width: width, colour: colour}
	sessions := r.all()
	rows := make([][]string, len(sessions))
	all := columns()
	for i, s := range sessions {
		for _, c := range all {
			rows[i] = append(rows[i], clean(c.value(s)))
		}
	}
	t.columns, t.index = fit(all, rows, width)
	t.line("", bold, strings.TrimSpace(clean(r.Title)+"  "+r.period()))
	t.out.WriteByte('\n')
	row := map[*Session][]string{}
	for i, s := range sessions {
		row[s] = rows[i]
	}
	if by, ok := groups()[r.group]; ok {
		for _, g := range grouped(sessions, by) {
			t.line("", bold, groupName(r.group, clean(g.Name)))
			t.rows(g.Sessions, row)
			t.line("  ", faint, total(g.Sessions).String())
			t.out.WriteByte('\n')
		}
	} else if len(sessions) > 0 {
		t.rows(sessions, row)
		t.out.WriteByte('\n')
	}
	t.line("", bold, total(sessions).String())
	for _, note := range r.Notes {
		t.line("", yellow, "note: "+clean(note))
	}
	return t.out.Flush()
}

const minWidth = 40 // of a terminal; one that is narrower gets lines that are too long

func groupName(kind, name string) string {
	if name == "" {
		return "(" + kind + " not known)"
	}
	return name
}

type table struct {
	out     *bufio.Writer // its error shows in Flush
	width   int
	colour  bool
	columns []column
	index   []int // of the columns in a row
}

func (t *table) rows(sessions []*Session, row map[*Session][]string) {
	heads := make([]string, len(t.columns))
	for i, c := range t.columns {
		heads[i] = c.head
	}
	t.row(faint, heads)
	for _, s := range sessions {
		cells := make([]string, len(t.columns))
		for i, k := range t.index {
			cells[i] = row[s][k]
		}
		t.row(rowStyle(s), cells)
		if s.Error != "" {
			t.line("    ", red, clean(s.Error))
		}
		for _, alert := range s.Alerts {
			t.line("  ! ", yellow, clean(alert))
		}
	}
}

func rowStyle(s *Session) style {
	if s.Attempt() {
		return red
	}
	return plain
}

// row writes cells in the widths of their columns.
func (t *table) row(st style, cells []string) {
	var b strings.Builder
	for i, c := range t.columns {
		text := cut(cells[i], c.width)
		pad := strings.Repeat(" ", max(0, c.width-columnsOf(text)))
		if i > 0 {
			b.WriteString(strings.Repeat(" ", gap))
		}
		if c.right {
			b.WriteString(pad + text)
		} else {
			b.WriteString(text + pad)
		}
	}
	t.paint(st, strings.TrimRight(b.String(), " "))
}

// line writes a text, wrapped; what goes on is indented as the first line is.
func (t *table) line(indent string, st style, text string) {
	for i, part := range wrap(text, t.width-columnsOf(indent), t.width <= 0) {
		if i == 1 {
			indent = strings.Repeat(" ", columnsOf(indent))
		}
		t.paint(st, indent+part)
	}
}

func (t *table) paint(st style, s string) {
	if t.colour && st != plain {
		s = string(st) + s + reset
	}
	t.out.WriteString(s)
	t.out.WriteByte('\n')
}

// wrap breaks a clean text at spaces, or within words that are too long.
func wrap(s string, width int, whole bool) []string {
	var parts []string
	for !whole {
		end, space, n := 0, 0, 0
		for i, r := range s {
			if n += runeColumns(r); n > width && i > 0 {
				break
			}
			if r == ' ' {
				space = i
			}
			end = i + utf8.RuneLen(r)
		}
		if end == len(s) {
			break
		}
		if space > 0 && s[end] != ' ' {
			end = space
		}
		parts = append(parts, strings.TrimRight(s[:end], " "))
		s = strings.TrimLeft(s[end:], " ")
	}
	return append(parts, s)
}
