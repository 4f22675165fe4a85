package fileout

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// codec turns whole lines into bytes of a file and finds where the last whole piece of a damaged file ends.
type codec interface {
	// encode appends to dst one piece that can be read without any other: lines, a gzip member, a zstd frame.
	encode(dst, text []byte) ([]byte, error)

	// whole returns how many of the file's first size bytes are whole pieces. missingEnd says that the last line lacks
	// nothing but its line end. An errForeign says that the file is no work of this codec and must not be cut.
	whole(r io.ReaderAt, size int64) (end int64, missingEnd bool, err error)

	close()
}

var errForeign = errors.New("the file that is there was not written by this output: move it away")

func newCodec(name string, level, concurrency int) (codec, error) {
	switch name {
	case gz:
		return newGzip(level, concurrency)
	case zst:
		return newZstd(level, concurrency)
	}
	return plain{}, nil
}

// plain is no compression.
type plain struct{}

func (plain) encode(dst, text []byte) ([]byte, error) { return append(dst, text...), nil }
func (plain) close()                                  {}

// whole looks at what follows the last line end. Only what can be the beginning of a line of ours may go: an object's
// first bytes, or the zeros that a power cut leaves. Anything else was there before and is kept as a line.
func (plain) whole(r io.ReaderAt, size int64) (end int64, missingEnd bool, err error) {
	tail, err := lastLine(r, size)
	if err != nil {
		return 0, false, err
	}
	if len(tail) == 0 {
		return size, false, nil
	}
	if ours := tail[0] == '{' || tail[0] == 0; ours && rawjson.Valid(tail) != nil {
		return size - int64(len(tail)), false, nil
	}
	return size, true, nil
}

// lastLine returns what follows the last line end, by reading backwards.
func lastLine(r io.ReaderAt, size int64) ([]byte, error) {
	const block = 64 << 10
	var tail []byte
	for end := size; end > 0; {
		n := min(block, end)
		buf := make([]byte, n, int(n)+len(tail))
		if _, err := r.ReadAt(buf, end-n); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if i := bytes.LastIndexByte(buf, '\n'); i >= 0 {
			return append(buf[i+1:], tail...), nil
		}
		tail = append(buf, tail...)
		end -= n
	}
	return tail, nil
}

// gzipCodec makes one gzip member (RFC 1952) of each piece.
type gzipCodec struct {
	free  chan *gzip.Writer
	level int
}

func newGzip(level, concurrency int) (*gzipCodec, error) {
	if level == 0 {
		level = gzip.DefaultCompression
	}
	if _, err := gzip.NewWriterLevel(io.Discard, level); err != nil {
		return nil, err
	}
	return &gzipCodec{free: make(chan *gzip.Writer, concurrency), level: level}, nil
}

func (c *gzipCodec) encode(dst, text []byte) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	w, err := c.writer(buf)
	if err != nil {
		return dst, err
	}
	if _, err := w.Write(text); err != nil {
		return dst, err
	}
	if err := w.Close(); err != nil {
		return dst, err
	}
	select {
	case c.free <- w:
	default:
	}
	return buf.Bytes(), nil
}

// writer takes a used writer or makes one: a writer's tables are a megabyte.
func (c *gzipCodec) writer(to io.Writer) (*gzip.Writer, error) {
	select {
	case w := <-c.free:
		w.Reset(to)
		return w, nil
	default:
		return gzip.NewWriterLevel(to, c.level)
	}
}

func (c *gzipCodec) close() {}

// whole decompresses member by member: only a member's checksum proves it.
func (c *gzipCodec) whole(r io.ReaderAt, size int64) (int64, bool, error) {
	if err := checkMagic(r, size, []byte{0x1f, 0x8b, 8}); err != nil {
		return 0, false, err
	}
	source := &source{r: io.NewSectionReader(r, 0, size)}
	in := &counter{r: bufio.NewReaderSize(source, 256<<10)}
	var z gzip.Reader
	end := int64(0)
	for end < size {
		err := z.Reset(in)
		if err == nil {
			z.Multistream(false)
			_, err = io.Copy(io.Discard, &z)
		}
		if source.err != nil {
			return 0, false, source.err
		}
		if err != nil {
			break
		}
		end = in.n
	}
	return end, false, nil
}

// source remembers the read errors of a file, which say nothing about its content.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// counter counts what is taken from a buffered reader. Since it reads single bytes too, flate takes no more of it than
// it needs.
type counter struct {
	r *bufio.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

// checkMagic keeps a file of another kind from being cut to nothing. Zeros are what a power cut leaves.
func checkMagic(r io.ReaderAt, size int64, magic []byte) error {
	head := make([]byte, min(int64(len(magic)), size))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !bytes.HasPrefix(magic, bytes.TrimRight(head, "\x00")) {
		return errForeign
	}
	return nil
}

// zstdCodec makes one zstd frame (RFC 8878) with a checksum of each piece.
type zstdCodec struct{ enc *zstd.Encoder }

func newZstd(level, concurrency int) (*zstdCodec, error) {
	if level == 0 {
		level = 3
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
		zstd.WithEncoderConcurrency(min(concurrency, runtime.GOMAXPROCS(0))), zstd.WithEncoderCRC(true), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	return &zstdCodec{enc}, nil
}

func (c *zstdCodec) encode(dst, text []byte) ([]byte, error) {
	return c.enc.EncodeAll(text, dst), nil
}

func (c *zstdCodec) close() { _ = c.enc.Close() } // nothing is buffered between calls of EncodeAll

// whole finds each frame's end by its block headers and proves the frame by its checksum.
func (c *zstdCodec) whole(r io.ReaderAt, size int64) (int64, bool, error) {
	if err := checkMagic(r, size, []byte{0x28, 0xb5, 0x2f, 0xfd}); err != nil {
		return 0, false, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(1<<30))
	if err != nil {
		return 0, false, err
	}
	defer dec.Close()
	end := int64(0)
	for end < size {
		next, err := frameEnd(r, end, size)
		if err != nil {
			return 0, false, err
		}
		if next < 0 {
			break
		}
		source := &source{r: io.NewSectionReader(r, end, next-end)}
		err = dec.Reset(source)
		if err == nil {
			_, err = io.Copy(io.Discard, dec)
		}
		if source.err != nil {
			return 0, false, source.err
		}
		if err != nil {
			break
		}
		end = next
	}
	return end, false, nil
}

// frameEnd returns where the frame at start ends; -1 when there is no whole frame.
func frameEnd(r io.ReaderAt, start, size int64) (int64, error) {
	head := make([]byte, min(zstd.HeaderMaxSize, size-start))
	if _, err := r.ReadAt(head, start); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	var h zstd.Header
	if err := h.Decode(head); err != nil || h.Skippable {
		return -1, nil //nolint:nilerr // what is no frame header is the end of the whole frames
	}
	at := start + int64(h.HeaderSize)
	for last := false; !last; {
		var b [4]byte
		if at+3 > size {
			return -1, nil
		}
		if _, err := r.ReadAt(b[:3], at); err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("read block header: %w", err)
		}
		block := binary.LittleEndian.Uint32(b[:])
		last = block&1 != 0
		length := int64(block >> 3)
		if kind := block >> 1 & 3; kind == 1 { // one byte, repeated
			length = 1
		}
		at += 3 + length
	}
	if h.HasCheckSum {
		at += 4
	}
	if at > size {
		return -1, nil
	}
	return at, nil
}
