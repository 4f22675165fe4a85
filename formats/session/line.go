package session

import "unicode"

const (
	filler   = rune(-1) // the second column of a wide character
	maxReach = 256      // columns that a cursor may stand behind the text: a move far to the right makes no megabytes of spaces
	tabStop  = 8
)

// line is the line of a terminal that the cursor is in: its columns and the cursor. A line longer than the terminal is
// wide takes several rows there, which matters to shells that edit it: moves are held within rows once the terminal's
// width is known. Nothing of it copies more than the line, whose length is bounded by the cleaner.
type line struct {
	cells   []rune
	col     int // the cursor's column, counted through all rows
	limit   int // inserts do not make the line longer
	width   int // of the terminal; 0 is unknown, so that all is one row
	pending bool
	insert  bool // what is written moves the rest to the right
	saved   int  // column of the cursor that was saved
}

// row returns where the cursor's row begins and ends. After the last column is written the cursor still is in its row.
func (l *line) row() (start, end int) {
	if l.width == 0 {
		return 0, 1 << 30
	}
	col := l.col
	if l.pending {
		col--
	}
	start = col - col%l.width
	return start, start + l.width
}

// below reports whether the line has a row below the cursor's.
func (l *line) below() bool {
	_, end := l.row()
	return len(l.cells) > end
}

func (l *line) clear() {
	l.cells = l.cells[:0]
	l.col, l.saved, l.pending = 0, 0, false
}

// put writes a character at the cursor.
func (l *line) put(r rune) {
	n := 1
	if wide(r) {
		n = 2
	}
	if l.insert {
		l.open(n)
	}
	l.fill(l.col)
	l.blankHalf(l.col)
	l.blankHalf(l.col + n)
	if l.col == len(l.cells) {
		l.cells = append(l.cells, r)
	} else {
		l.cells[l.col] = r
	}
	if n == 2 {
		if l.col+1 == len(l.cells) {
			l.cells = append(l.cells, filler)
		} else {
			l.cells[l.col+1] = filler
		}
	}
	l.col += n
	l.pending = l.width > 0 && l.col%l.width == 0
}

// text writes printable ASCII.
func (l *line) text(p []byte) {
	if l.insert || l.col < len(l.cells) {
		for _, b := range p {
			l.put(rune(b))
		}
		return
	}
	l.fill(l.col)
	for _, b := range p {
		l.cells = append(l.cells, rune(b))
	}
	l.col = len(l.cells)
	l.pending = l.width > 0 && l.col%l.width == 0
}

// fill makes the line reach to col.
func (l *line) fill(col int) {
	for len(l.cells) < col {
		l.cells = append(l.cells, ' ')
	}
}

// blankHalf blanks a wide character of which a half is about to be overwritten.
func (l *line) blankHalf(i int) {
	if i > 0 && i < len(l.cells) && l.cells[i] == filler {
		l.cells[i-1], l.cells[i] = ' ', ' '
	}
}

// to moves the cursor to a column of its row.
func (l *line) to(col int) {
	start, end := l.row()
	col = max(start, min(start+col, end-1))
	l.col = min(col, max(len(l.cells), start+maxReach))
	l.pending = false
}

func (l *line) move(n int) {
	start, _ := l.row()
	col := l.col
	if l.pending && n < 0 {
		col-- // a terminal's cursor still stands on the last column
	}
	l.to(col - start + n)
}

// up moves the cursor n rows up, or down for less than 0; false: the line has no such row.
func (l *line) up(n int) bool {
	if l.width == 0 {
		return false
	}
	start, _ := l.row()
	col := l.col - n*l.width
	if start-n*l.width < 0 || n < 0 && start-n*l.width >= len(l.cells) {
		return false
	}
	if l.pending {
		col--
	}
	l.col, l.pending = col, false
	return true
}

func (l *line) tab(n int) {
	start, _ := l.row()
	at := (l.col-start)/tabStop + n
	l.to(max(at, 0) * tabStop)
}

func (l *line) backTab(n int) {
	start, _ := l.row()
	l.to(max((l.col-start+tabStop-1)/tabStop-n, 0) * tabStop)
}

// open inserts n blanks at the cursor; what is moved over the row's end is lost.
func (l *line) open(n int) {
	_, end := l.row()
	if l.col >= len(l.cells) {
		return
	}
	n = min(n, end-l.col, maxReach)
	if len(l.cells) < end {
		grown := min(len(l.cells)+n, end, max(l.limit, len(l.cells)))
		for len(l.cells) < grown {
			l.cells = append(l.cells, ' ')
		}
	}
	last := min(len(l.cells), end)
	n = min(n, last-l.col)
	copy(l.cells[l.col+n:last], l.cells[l.col:last])
	l.blank(l.col, l.col+n)
}

// remove takes n characters out at the cursor; the rest of the row moves left.
func (l *line) remove(n int) {
	_, end := l.row()
	last := min(len(l.cells), end)
	n = min(n, last-l.col)
	if n <= 0 {
		return
	}
	copy(l.cells[l.col:last], l.cells[l.col+n:last])
	if last < len(l.cells) {
		l.blank(last-n, last)
	} else {
		l.cells = l.cells[:last-n]
	}
}

func (l *line) blank(from, to int) {
	for i := from; i < min(to, len(l.cells)); i++ {
		l.cells[i] = ' '
	}
}

// eraseRow erases as EL does: 0 from the cursor on, 1 up to it, 2 all of the row.
func (l *line) eraseRow(what int) {
	start, end := l.row()
	from, to := start, end
	switch what {
	case 0:
		from = l.col
	case 1:
		to = l.col + 1
	case 2:
	default:
		return
	}
	if to >= len(l.cells) {
		l.cells = l.cells[:min(from, len(l.cells))]
		return
	}
	l.blank(from, to)
}

// eraseScreen erases as ED does, as far as the line goes.
func (l *line) eraseScreen(what int) {
	switch what {
	case 0:
		l.cells = l.cells[:min(l.col, len(l.cells))]
	case 1:
		l.blank(0, l.col+1)
	case 2, 3:
		l.cells = l.cells[:0]
	}
}

// wide reports whether a character takes two columns (East Asian Width W and F of Unicode, in rough ranges).
func wide(r rune) bool {
	if r < 0x1100 {
		return false
	}
	return r <= 0x115f || r >= 0x2e80 && r <= 0x303e || r >= 0x3041 && r <= 0xa4cf && unicode.IsPrint(r) ||
		r >= 0xac00 && r <= 0xd7a3 || r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f ||
		r >= 0xff00 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6 || r >= 0x1f300 && r <= 0x1f64f ||
		r >= 0x1f900 && r <= 0x1f9ff || r >= 0x20000 && r <= 0x3fffd
}
