package report

import (
	"io"
	"strings"
	"unicode/utf8"
)

// excerpt is what a page shows of a session's text: all of it, or its head and tail.
type excerpt struct {
	Head  string `json:"head"`
	Tail  string `json:"tail,omitempty"`
	Lines int64  `json:"lines,omitempty"` // left out between the two
	Bytes int64  `json:"bytes,omitempty"`
}

func (e *excerpt) whole() bool { return e.Bytes == 0 }

// cut leaves at most limit bytes of text, half of them of its head.
func (e *excerpt) cut(limit int) {
	if len(e.Head)+len(e.Tail) <= limit {
		return
	}
	head, tail := e.Head, e.Tail
	if e.whole() { // then all of it is the head
		e.Head = firstLines(head, limit/2)
		tail = head[len(e.Head):]
	} else {
		e.Head = firstLines(head, limit/2)
		e.omit(head[len(e.Head):])
	}
	e.Tail = lastLines(tail, limit/2)
	e.omit(tail[:len(tail)-len(e.Tail)])
}

func (e *excerpt) omit(text string) {
	e.Lines += int64(strings.Count(text, "\n"))
	e.Bytes += int64(len(text))
}

// firstLines returns the begin of a text, at most n bytes: whole lines, or a part of the first if that is longer.
func firstLines(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if i := strings.LastIndexByte(s[:n], '\n'); i >= 0 {
		return s[:i+1]
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// lastLines returns the end of a text, at most n bytes: whole lines, or a part of the last if that is longer.
func lastLines(s string, n int) string {
	if len(s) <= n {
		return s
	}
	from := len(s) - n
	if s[from-1] == '\n' {
		return s[from:]
	}
	if i := strings.IndexByte(s[from:], '\n'); i >= 0 && from+i+1 < len(s) {
		return s[from+i+1:]
	}
	for from < len(s) && !utf8.RuneStart(s[from]) {
		from++
	}
	return s[from:]
}

// excerpter makes the excerpt of lines that come one by one, and writes all of them elsewhere if they are too many.
type excerpter struct {
	limit  int
	create func() (io.WriteCloser, error) // nil: nowhere

	excerpt excerpt
	text    strings.Builder // that is not in the excerpt yet
	file    io.WriteCloser
	err     error
}

func (x *excerpter) line(s string) {
	x.text.WriteString(s)
	x.text.WriteByte('\n')
	if x.text.Len() > 4*x.limit+readSize { // seldom enough to take no time
		x.take()
	}
}

// take moves the text into the excerpt.
func (x *excerpter) take() {
	text := x.text.String()
	x.text.Reset()
	if x.file != nil {
		x.write(text)
	}
	if x.excerpt.whole() {
		x.excerpt.Head += text
		if len(x.excerpt.Head) > x.limit {
			x.begin()
		}
	} else {
		x.excerpt.Tail += text
	}
	x.excerpt.cut(x.limit)
}

func (x *excerpter) begin() {
	if x.create == nil || x.err != nil {
		return
	}
	if x.file, x.err = x.create(); x.err == nil {
		x.write(x.excerpt.Head)
	}
}

func (x *excerpter) write(text string) {
	if x.err == nil {
		_, x.err = io.WriteString(x.file, text)
	}
}

// close returns the excerpt. The error is one of the file.
func (x *excerpter) close() (excerpt, error) {
	x.take()
	if x.file != nil {
		if err := x.file.Close(); x.err == nil {
			x.err = err
		}
	}
	return x.excerpt, x.err
}
