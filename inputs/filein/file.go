package filein

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// chunkBytes is how much of a file of lines is one frame.
const chunkBytes = 4 << 20

// shape is how a file is read.
type shape int

const (
	unknown  shape = iota
	lines          // JSON lines: in chunks, with a position inside the file
	document       // anything else: as a whole, in one frame
)

// file is one file under way. A worker reads it while busy is set; the rest is guarded by mu, since frames settle on
// other goroutines.
type file struct {
	id    string // device:inode and its beginning when it was first seen: survives renaming
	inode string
	path  string   // where it was last seen
	f     *os.File // open while it is read; in files of lines that grow also between, so that renaming loses nothing
	shape shape
	key   string      // in the coordinator's table
	gone  atomic.Bool // its path names another file now, or none

	// The coordinator's; while busy, path, f and shape are the worker's.
	busy   bool
	looked bool // read as far as it went; looked at again at the next poll

	// The worker's.
	read  int64     // how far chunks were cut
	index int64     // records before read
	head  []byte    // the first bytes, as they were read
	begin beginning // of head, or of what is known from the state

	mu      sync.Mutex
	entry   entry
	chunks  []*chunk // in flight, in order
	failed  bool     // a frame settled as Retry: go back to the entry's offset
	retryAt time.Time
	backoff time.Duration
	errors  int // reads that failed one after the other

	inFlightFrames int64
}

// chunk is a part of a file in flight.
type chunk struct {
	end, index int64
	size       int64 // of the file, for the last chunk; -1 for others
	mtime      time.Time
	settled    bool
}

const (
	firstBackoff  = 100 * time.Millisecond
	lastBackoff   = 30 * time.Second
	maxReadErrors = 8 // then a file is given up where its input does not follow
)

// settle records the outcome of a chunk and moves the position past all that are settled before it.
func (in *Input) settle(f *file, c *chunk, r pipeline.Result) {
	f.mu.Lock()
	f.inFlightFrames--
	if r.Outcome == pipeline.Retry {
		f.failed = true
		f.backoff = min(max(2*f.backoff, firstBackoff), lastBackoff)
		f.retryAt = in.now().Add(f.backoff)
		in.failed.Store(true)
	} else {
		c.settled = true
	}
	for len(f.chunks) > 0 && f.chunks[0].settled { // also after a later one failed: what is settled is not read again
		c := f.chunks[0]
		f.chunks = f.chunks[1:]
		f.entry.Offset, f.entry.Index = c.end, c.index
		f.backoff, f.errors = 0, 0
		if c.size >= 0 {
			f.entry.Done, f.entry.Size, f.entry.ModTime = true, c.size, c.mtime
		}
	}
	f.mu.Unlock()
	in.state.touch()
	in.wakeUp()
}

func (f *file) inFlight() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inFlightFrames
}

// note remembers the first bytes of a file as they were read, and what they are known by.
func (f *file) note(at int64, read []byte) {
	if at != int64(len(f.head)) || len(f.head) >= fingerprintBytes {
		return
	}
	f.head = append(f.head, read[:min(len(read), fingerprintBytes-len(f.head))]...)
	f.begin = beginningOf(f.head)
	f.mu.Lock()
	f.entry.PrintOf, f.entry.Print = f.begin.size, f.begin.print
	f.mu.Unlock()
}

// close closes the file until it is read again.
func (f *file) close() {
	if f.f != nil {
		f.f.Close()
		f.f = nil
	}
}

// stat looks at the file itself where it is open, else at what its path names now.
func (f *file) stat() (fs.FileInfo, error) {
	if f.f != nil {
		return f.f.Stat()
	}
	return os.Stat(f.path)
}

func (f *file) rename(path string) {
	f.path = path
	f.mu.Lock()
	f.entry.Path = path
	f.mu.Unlock()
}

// rewind goes back to the last position after a failure, once all chunks in flight have settled; false: not yet.
func (f *file) rewind(now time.Time, inFlight int64) (ready bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.failed {
		return true
	}
	if inFlight > 0 || now.Before(f.retryAt) {
		return false
	}
	f.failed, f.chunks = false, nil
	f.read, f.index = f.entry.Offset, f.entry.Index
	return true
}

// readFile reads what there is to read of a file. It runs on a worker.
func (in *Input) readFile(ctx context.Context, to pipeline.Intake, f *file) error {
	if f.f == nil {
		opened, _, err := identify(f.path)
		if err != nil {
			return err
		}
		f.f = opened
	}
	info, err := f.f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < f.read || !f.begin.of(f.f) {
		in.restart(f)
	}
	if f.head == nil && f.read > 0 { // goes on from the state
		head := make([]byte, min(f.read, fingerprintBytes))
		if n, err := f.f.ReadAt(head, 0); n == len(head) {
			f.head, f.begin = head, beginningOf(head)
		} else if err != nil && err != io.EOF {
			return err
		}
	}
	if f.shape == unknown {
		if f.shape, err = shapeOf(f.f); err != nil {
			return err
		}
	}
	if f.shape == document {
		return in.readDocument(ctx, to, f, info)
	}
	for ctx.Err() == nil {
		more, err := in.readChunk(ctx, to, f)
		if err != nil || !more {
			return err
		}
	}
	return ctx.Err()
}

// restart forgets the position in a file whose content was replaced.
func (in *Input) restart(f *file) {
	in.log.Info("file was truncated; it is read from its beginning", "file", f.path)
	f.mu.Lock()
	f.chunks, f.failed = nil, false
	f.entry.Offset, f.entry.Index, f.entry.Done = 0, 0, false
	f.mu.Unlock()
	f.read, f.index, f.shape = 0, 0, unknown
	f.head, f.begin = nil, beginning{}
	if size, print, err := fingerprint(f.f, 0); err == nil {
		f.id = identityOf(f.inode, beginning{size, print})
	}
	f.mu.Lock()
	f.entry.ID, f.entry.PrintOf, f.entry.Print = f.id, 0, ""
	f.mu.Unlock()
}

// shapeOf tells by the beginning of a file how to read it: as lines if its first line is a whole JSON object that does
// not hold the whole file.
func shapeOf(r io.ReaderAt) (shape, error) {
	in := bufio.NewReaderSize(io.NewSectionReader(r, 0, 1<<62), 64<<10)
	head, err := in.Peek(512)
	if err != nil && err != io.EOF {
		return unknown, err
	}
	trimmed := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(trimmed) == 0 {
		return unknown, nil
	}
	if trimmed[0] != '{' || bytes.HasPrefix(trimmed, []byte(`{"Records"`)) || bytes.HasPrefix(trimmed, []byte(`{"Events"`)) {
		return document, nil
	}
	const longLine = 16 << 20
	line, err := readLine(in, longLine)
	if err == io.EOF {
		return lines, nil // an only line, perhaps still being written: as lines it is waited for
	}
	if err != nil {
		return unknown, err
	}
	if rawjson.Valid(line) != nil && !looksLikeLines(in) {
		return document, nil
	}
	return lines, nil
}

// readLine returns the next line that is not blank.
func readLine(in *bufio.Reader, limit int) ([]byte, error) {
	for {
		var line []byte
		for {
			part, err := in.ReadSlice('\n')
			line = append(line, part...)
			if err == nil || len(line) > limit {
				break
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				return line, err
			}
		}
		if len(bytes.TrimSpace(line)) > 0 {
			return line, nil
		}
	}
}

// looksLikeLines reports whether the line after a broken first one is a whole JSON object.
func looksLikeLines(in *bufio.Reader) bool {
	const longLine = 16 << 20
	line, err := readLine(in, longLine)
	trimmed := bytes.TrimSpace(line)
	return err == nil && len(trimmed) > 2 && trimmed[0] == '{' && rawjson.Valid(trimmed) == nil
}

func (in *Input) origin(f *file) *pipeline.Origin {
	return &pipeline.Origin{Input: in.name, Object: f.path, Identity: f.id}
}

// readDocument reads a whole file as one frame.
func (in *Input) readDocument(ctx context.Context, to pipeline.Intake, f *file, info fs.FileInfo) error {
	if in.config.Follow && in.now().Sub(info.ModTime()) < in.config.StableAfter {
		return nil // looked at again at the next poll
	}
	c := &chunk{end: info.Size(), size: info.Size(), mtime: info.ModTime()}
	r := &countingReader{r: io.NewSectionReader(f.f, 0, info.Size()), n: &in.bytesRead}
	_, err := in.feed(ctx, to, f, c, r, split.Base{})
	f.read = info.Size()
	return err
}

// feed splits a reader into one frame. In c the index is filled in.
func (in *Input) feed(ctx context.Context, to pipeline.Intake, f *file, c *chunk, r io.Reader, at split.Base) (split.Stats, error) {
	f.mu.Lock()
	f.chunks = append(f.chunks, c)
	f.inFlightFrames++
	f.mu.Unlock()
	in.frames.Add(1)
	frame := to.Open(func(r pipeline.Result) {
		in.settle(f, c, r)
		in.frames.Done()
	})
	stats, err := in.splitter.Split(ctx, r, in.origin(f), at, frame)
	if err != nil {
		frame.Abandon(err)
		return stats, err
	}
	f.mu.Lock()
	c.index = at.Index + stats.Events + stats.Broken
	f.mu.Unlock()
	frame.Seal()
	return stats, nil
}

// readChunk reads the next lines; more is false at the file's end.
func (in *Input) readChunk(ctx context.Context, to pipeline.Intake, f *file) (more bool, err error) {
	buf, atEnd, err := in.nextLines(f)
	if err != nil || len(buf) == 0 {
		if err == nil && atEnd {
			return in.finish(ctx, to, f)
		}
		return false, err
	}
	if f.read > 0 && !f.begin.of(f.f) {
		in.restart(f) // it was truncated and written anew just now: what was read is from the middle of the new content
		return true, nil
	}
	f.note(f.read, buf)
	c := &chunk{end: f.read + int64(len(buf)), size: -1}
	stats, err := in.feed(ctx, to, f, c, bytes.NewReader(buf), split.Base{Offset: f.read, Index: f.index})
	if err != nil {
		return false, err
	}
	f.read = c.end
	f.index += stats.Events + stats.Broken
	in.bytesRead.Add(int64(len(buf)))
	return true, nil
}

// nextLines reads whole lines from the position on, at least one however long it is. At the end of a file that is not
// followed, or that is gone and has not changed for a while, the last line needs no newline.
func (in *Input) nextLines(f *file) (buf []byte, atEnd bool, err error) {
	info, err := f.f.Stat()
	if err != nil {
		return nil, false, err
	}
	const spare = 512 // the end is known by reading less than there is room for
	buf = make([]byte, min(max(info.Size()-f.read, 0)+spare, chunkBytes))
	n := 0
	for {
		k, err := f.f.ReadAt(buf[n:], f.read+int64(n))
		n += k
		if err != nil && err != io.EOF {
			return nil, false, err
		}
		if err == io.EOF {
			if in.lastLineIsWhole(f) {
				return buf[:n], true, nil
			}
			return buf[:bytes.LastIndexByte(buf[:n], '\n')+1], true, nil
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return buf[:i+1], false, nil
		}
		if int64(n) > int64(in.maxLine()) {
			return buf[:n], false, nil // too long for a record: the splitter reports it piece by piece
		}
		buf = append(buf, make([]byte, len(buf))...)
	}
}

func (in *Input) maxLine() int64 {
	if in.config.MaxRecord > 0 {
		return int64(in.config.MaxRecord)
	}
	return 16 << 20
}

func (in *Input) lastLineIsWhole(f *file) bool {
	if !in.config.Follow {
		return true
	}
	info, err := f.f.Stat()
	return err == nil && f.gone.Load() && in.now().Sub(info.ModTime()) >= in.config.StableAfter
}

// finish marks a file of lines as read as far as it was: an empty frame carries the mark behind the chunks in flight.
// again says that the file was truncated while it was read.
func (in *Input) finish(ctx context.Context, to pipeline.Intake, f *file) (again bool, err error) {
	info, err := f.f.Stat()
	if err != nil {
		return false, err
	}
	if info.Size() < f.read {
		in.restart(f)
		return true, nil
	}
	f.mu.Lock()
	marked := f.entry.Done && f.entry.Size == f.read && f.entry.Offset == f.read && f.entry.ModTime.Equal(info.ModTime())
	f.mu.Unlock()
	if marked || in.config.Follow && f.read < info.Size() && !f.gone.Load() {
		return false, nil
	}
	// The size is what was read, not what the file has by now: what came in between is seen at the next look.
	c := &chunk{end: f.read, size: f.read, mtime: info.ModTime()}
	_, err = in.feed(ctx, to, f, c, bytes.NewReader(nil), split.Base{Offset: f.read, Index: f.index})
	return false, err
}

// failedRead decides what becomes of a file that could not be read: tried again, or given up.
func (in *Input) failedRead(f *file, err error) (giveUp error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errors++
	f.failed = true
	in.failed.Store(true)
	f.backoff = min(max(2*f.backoff, firstBackoff), lastBackoff)
	f.retryAt = in.now().Add(f.backoff)
	if f.errors == 1 {
		in.log.Warn("reading a file failed; it is tried again", "file", f.path, "err", err)
	}
	if !in.config.Follow && f.errors >= maxReadErrors {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	return nil
}

type countingReader struct {
	r io.Reader
	n interface{ Add(int64) int64 }
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
