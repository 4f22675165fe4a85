package fileout

import (
	"bytes"
	"io"
	"slices"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// addition is what one append adds to a file.
type addition interface {
	size() int64
	atMost() int64 // at least the size, and found faster
	// writeTo writes all of it from an offset on, and returns its size.
	writeTo(to io.WriterAt, at int64) (size int64, err error)
}

// bytesOf is an addition that is in memory.
type bytesOf []byte

func (b bytesOf) size() int64 { return int64(len(b)) }

func (b bytesOf) atMost() int64 { return b.size() }

func (b bytesOf) writeTo(to io.WriterAt, at int64) (int64, error) {
	n, err := to.WriteAt(b, at)
	return int64(n), err
}

// lines are some of a Write's events, each as a line.
type lines struct {
	events  []pipeline.Event
	indexes []int
}

// atMost is their size with the white space between the tokens of events, which some lose.
func (l lines) atMost() (n int64) {
	for _, i := range l.indexes {
		n += int64(len(l.events[i].Raw)) + 1
	}
	return n
}

// appendTo appends the lines.
func (l lines) appendTo(dst []byte) []byte {
	dst = slices.Grow(dst, int(l.atMost()))
	for _, i := range l.indexes {
		dst = appendLine(dst, &l.events[i])
	}
	return dst
}

// scratch is memory for writing to one file at a time.
type scratch struct {
	block        []byte
	text, packed []byte // of what is compressed
}

// scratch takes used memory, or makes some.
func (o *Output) scratch() *scratch {
	select {
	case s := <-o.spare:
		return s
	default:
		return new(scratch)
	}
}

// giveBack keeps memory for the next file. The texts of a few files at most are kept, and of none that was very large.
func (o *Output) giveBack(s *scratch) {
	if len(o.spare) >= writers || cap(s.text)+cap(s.packed) > 2*packedBatch {
		s.text, s.packed = nil, nil
	}
	o.spare <- s // has room for as many as there are turns
}

// blockSize is written at once: enough for a call to cost nothing beside the copying, and little enough for the
// processor's cache.
const blockSize = 256 << 10

// written is lines that are put together in a block while they are written.
type written struct {
	lines
	scratch *scratch
}

func (w *written) size() (n int64) {
	for _, i := range w.indexes {
		n += lineSize(&w.events[i])
	}
	return n
}

func (w *written) writeTo(to io.WriterAt, at int64) (size int64, err error) {
	if w.scratch.block == nil {
		w.scratch.block = make([]byte, 0, blockSize)
	}
	block := w.scratch.block
	for _, i := range w.indexes {
		ev := &w.events[i]
		if len(block) > 0 && len(block)+len(ev.Raw)+1 > blockSize {
			n, err := to.WriteAt(block, at+size)
			if size += int64(n); err != nil {
				return size, err
			}
			block = w.scratch.block
		}
		block = appendLine(block, ev) // one that is larger than the block gets memory of its own
	}
	n, err := to.WriteAt(block, at+size)
	return size + int64(n), err
}

// appendLine appends an event and a line end. An event that has line ends between its tokens loses all such space.
func appendLine(dst []byte, ev *pipeline.Event) []byte {
	if isLine(ev) {
		dst = append(dst, ev.Raw...)
	} else {
		dst = rawjson.AppendCompact(dst, ev.Raw)
	}
	return append(dst, '\n')
}

// lineSize is the length of what appendLine appends.
func lineSize(ev *pipeline.Event) int64 {
	if isLine(ev) {
		return int64(len(ev.Raw)) + 1
	}
	return int64(len(appendLine(nil, ev)))
}

// isLine reports whether an event has no line ends. Most need not be looked through for that.
func isLine(ev *pipeline.Event) bool {
	return ev.Intact() && record.IsCompact(ev.Record) || !hasLineEnd(ev.Raw)
}

func hasLineEnd(raw []byte) bool {
	return bytes.IndexByte(raw, '\n') >= 0 || bytes.IndexByte(raw, '\r') >= 0
}
