package split

import (
	"bytes"
	"io"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// window is the part of a stream that is in memory. Events alias its buffer, so bytes that were read are never written
// to again: when a block is full the unread rest is copied into a new one. A block that no event aliases is used again.
type window struct {
	r       io.Reader
	buf     []byte
	pos     int   // the unread bytes are buf[pos:]
	base    int64 // offset of buf[0] in the object
	before  byte  // in the object, before buf[0]
	aliased bool  // somebody else may hold bytes of buf
	block   int
	total   int64
	err     error // io.EOF at the end
}

const (
	firstBlock = 32 << 10
	lastBlock  = 512 << 10
	smallRoom  = 4 << 10

	reusedBlock = 64 << 10 // as large as a cache next to the processor likes it
)

func newWindow(d *data) *window {
	w := &window{r: d, block: firstBlock}
	if m, ok := d.reader.(*memory); ok && d.packed == "" {
		w.buf, w.err, w.total = m.data[:len(m.data):len(m.data)], io.EOF, int64(len(m.data))
	}
	return w
}

// more reads at least one more byte; false at the end or after an error.
func (w *window) more() bool {
	if w.err != nil {
		return false
	}
	if cap(w.buf)-len(w.buf) < smallRoom {
		w.renew()
	}
	for range 100 { // readers may return nothing for a while
		n, err := w.r.Read(w.buf[len(w.buf):cap(w.buf)])
		w.buf = w.buf[:len(w.buf)+n]
		w.total += int64(n)
		w.err = err
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	w.err = io.ErrNoProgress
	return false
}

// renew makes room behind the unread bytes.
func (w *window) renew() {
	unread := w.buf[w.pos:]
	if w.pos > 0 {
		w.before = w.buf[w.pos-1]
	}
	w.base += int64(w.pos)
	w.pos = 0
	if size := cap(w.buf); !w.aliased && size >= reusedBlock && size >= 2*len(unread)+smallRoom {
		w.buf = w.buf[:copy(w.buf, unread)]
		return
	}
	fresh := make([]byte, len(unread), max(w.block, 2*len(unread)+smallRoom))
	copy(fresh, unread)
	w.buf, w.aliased = fresh, false
	w.block = min(2*w.block, lastBlock)
}

// offset is where the unread bytes begin in the object.
func (w *window) offset() int64 { return w.base + int64(w.pos) }

// unread returns the bytes in memory that were not taken yet.
func (w *window) unread() []byte { return w.buf[w.pos:] }

// need makes n unread bytes available if there are so many.
func (w *window) need(n int) []byte {
	for len(w.buf)-w.pos < n && w.more() {
	}
	return w.unread()
}

// skipSpace moves to the next byte that is no JSON white space; false at the end.
func (w *window) skipSpace() bool {
	for {
		w.pos = rawjson.Next(w.buf, w.pos)
		if w.pos < len(w.buf) {
			return true
		}
		if !w.more() {
			return false
		}
	}
}

// line returns the number of unread bytes up to and with the next newline, at most limit, and all where the stream ends
// first.
func (w *window) line(limit int) int {
	scanned := 0
	for {
		unread := w.unread()
		if i := bytes.IndexByte(unread[scanned:], '\n'); i >= 0 {
			return min(scanned+i+1, limit)
		}
		scanned = len(unread)
		if scanned >= limit {
			return limit
		}
		if !w.more() {
			return scanned
		}
	}
}
