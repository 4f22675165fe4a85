package session

import "unicode/utf8"

const minWidth = 40 // columns: a terminal is not taken to be narrower

// wrap learns how wide the terminal is. When bash has written the last column of a row while a command is typed it
// writes a space and a carriage return: the cursor then is at the begin of the next row. The same may be the begin of a
// redraw: if what follows is the line's prompt once more it was one.
type wrap struct {
	open   bool
	before int // the width that was known
	prompt int // columns of the line's prompt
	typed  int // of which this many were written again
}

// cr obeys a carriage return.
func (w *wrap) cr(l *line) {
	if w.open && w.typed == 0 {
		return
	}
	at := len(l.cells) - 1
	if l.col != at+1 || at < minWidth || at > 512 || l.cells[at] != ' ' || l.width > 0 && at%l.width == 0 {
		w.accept()
		l.to(0)
		return
	}
	prompt := promptOf(l.cells)
	if prompt == 0 || prompt >= at || l.cells[prompt] == ' ' {
		w.accept()
		l.to(0)
		return
	}
	*w = wrap{open: true, before: l.width, prompt: prompt}
	l.width, l.col, l.pending = at, at, false
}

// put takes a character that is written while there is doubt; true: it has been dealt with.
func (w *wrap) put(l *line, r rune) bool {
	if r != l.cells[w.typed] || l.insert {
		w.accept()
		return false
	}
	w.typed++
	l.put(r)
	if w.typed == w.prompt {
		l.cells = l.cells[:l.width+1]
		l.cells[l.width] = ' '
		l.col, l.width, l.pending = w.prompt, w.before, false
		w.accept()
	}
	return true
}

// accept ends the doubt: the terminal is as wide as was thought.
func (w *wrap) accept() { w.open = false }

// undo ends the doubt: the carriage return was no more than that, unless something was written since.
func (w *wrap) undo(l *line) {
	if w.open && w.typed == 0 {
		l.width, l.col, l.pending = w.before, 0, false
	}
	w.open = false
}

// promptOf returns how many columns the prompt takes that cells begin with.
func promptOf(cells []rune) int {
	var buf [256 * utf8.UTFMax]byte
	b := buf[:0]
	for _, r := range cells[:min(len(cells), 256)] {
		if r == filler {
			return 0
		}
		b = utf8.AppendRune(b, r)
	}
	return utf8.RuneCount(b[:promptEnd(string(b))])
}
