package split

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/trailcast/trailcast/internal/gunzip"
)

// data is an opened object: its bytes after decompression. The suffix of a name and HTTP headers may lie about
// compression, so only the magic bytes count.
type data struct {
	source *source
	reader io.Reader // of the compressed bytes until unpack
	gzip   *gunzip.Reader
	zstd   *zstd.Decoder
	packed string // "gzip", "zstd" or ""
	left   int64  // bytes that may still come out
	bad    error  // why decompression stopped, where the data is to blame
}

// source remembers errors of the underlying reader: those are not the data's fault.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

const (
	peekBytes    = 4
	sourceBlock  = 64 << 10
	maxZstdBytes = 256 << 20 // memory that a zstd window may ask for, unless Unpacking says less
)

// open finds out how an object is compressed. What is, is read only after unpack.
func open(r io.Reader, limit int64) (*data, error) {
	src := &source{r: r}
	if b, ok := r.(*memory); ok { // what was unwrapped from a message
		if !packedMagic(b.data) {
			return &data{source: src, reader: r, left: limit}, nil
		}
	}
	in := bufio.NewReaderSize(src, sourceBlock)
	head, err := in.Peek(peekBytes)
	if err != nil && err != io.EOF {
		return nil, src.err
	}
	d := &data{source: src, reader: in, left: limit}
	switch {
	case len(head) >= 2 && head[0] == 0x1f && head[1] == 0x8b:
		d.packed = "gzip"
	case isZstd(head):
		d.packed = "zstd"
	default: // no need to go through a buffer any more
		read, _ := in.Peek(in.Buffered())
		d.reader = io.MultiReader(bytes.NewReader(read), src)
	}
	return d, nil
}

// unpack makes d give what comes out of its compressed bytes. Readers of gzip that are done with come from spare.
func (d *data) unpack(maxWindow int64, spare *sync.Pool) error {
	in := d.reader
	switch d.packed {
	case "gzip":
		gz, _ := spare.Get().(*gunzip.Reader)
		if gz == nil {
			gz = new(gunzip.Reader)
		}
		d.gzip = gz
		if err := gz.Reset(in); err != nil {
			return d.broken(err)
		}
		d.reader = gz
	case "zstd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(maxWindow)))
		if err != nil {
			return d.broken(err)
		}
		d.reader, d.zstd = z, z
	}
	return nil
}

// broken makes d an object of which nothing can be read, unless the reader is to blame.
func (d *data) broken(err error) error {
	if d.source.err != nil {
		return d.source.err
	}
	d.bad = fmt.Errorf("%s: %w", d.packed, err)
	d.reader = eof{}
	return nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

func packedMagic(b []byte) bool {
	return len(b) >= 2 && b[0] == 0x1f && b[1] == 0x8b || isZstd(b)
}

func isZstd(b []byte) bool {
	return len(b) >= 4 && b[0] == 0x28 && b[1] == 0xb5 && b[2] == 0x2f && b[3] == 0xfd
}

// Read gives decompressed bytes. Corrupt or truncated data ends the stream and is remembered in bad; an error of the
// source is returned.
func (d *data) Read(p []byte) (int, error) {
	n, err := d.reader.Read(p)
	if d.packed == "" {
		return n, err
	}
	if int64(n) > d.left {
		n = int(d.left)
		d.bad = errors.New("more than the allowed number of bytes comes out of decompression (option max_decompressed)")
		d.left = 0
		return n, io.EOF
	}
	d.left -= int64(n)
	if err == nil || err == io.EOF {
		return n, err
	}
	if d.source.err != nil {
		return n, d.source.err
	}
	d.bad = fmt.Errorf("%s: %w", d.packed, err)
	return n, io.EOF
}

// cut reports whether the compressed stream ends early, as one that is still being written does.
func (d *data) cut() bool {
	return errors.Is(d.bad, io.ErrUnexpectedEOF) || errors.Is(d.bad, io.EOF)
}

func (d *data) close(spare *sync.Pool) {
	if d.gzip != nil {
		spare.Put(d.gzip)
	}
	if d.zstd != nil {
		d.zstd.Close()
	}
}

// memory is a reader of bytes that are in memory already; a window uses them in place.
type memory struct {
	data []byte
	done bool
}

func (m *memory) Read(p []byte) (int, error) {
	if m.done {
		return 0, io.EOF
	}
	n := copy(p, m.data)
	m.data = m.data[n:]
	m.done = len(m.data) == 0
	return n, nil
}

// Unpacking bounds the memory of unpacking, which may be many times that of the compressed data. With it, compressed data
// in compressed data in compressed data is broken: each layer holds a record of its own.
type Unpacking struct {
	window int64
	places chan struct{}
}

const maxPacked = 2 // layers of compression where they are bounded

var errPacked = errors.New("compressed data in one another too deeply")

// NewUnpacking lets so many splits unpack at one time, and zstd windows be so large at most. A split has a place from the
// beginning of a compressed object to its end, also while its Feeder blocks; others wait for it.
func NewUnpacking(splits int, maxWindow int64) *Unpacking {
	return &Unpacking{maxWindow, make(chan struct{}, splits)}
}

// unpack is data.unpack within the bounds. end gives back what it takes, and is never nil.
func (r *run) unpack(d *data) (end func(), err error) {
	end = func() {}
	u := r.options.Unpacking
	switch {
	case u == nil:
		return end, d.unpack(maxZstdBytes, &r.splitter.unzippers)
	case r.unpacks == maxPacked:
		return end, d.broken(errPacked)
	case r.unpacks == 0: // one place for all layers: waiting for a second one might never end
		select {
		case u.places <- struct{}{}:
		case <-r.ctx.Done():
			return end, r.ctx.Err()
		}
	}
	r.unpacks++
	return func() {
		if r.unpacks--; r.unpacks == 0 {
			<-u.places
		}
	}, d.unpack(u.window, &r.splitter.unzippers)
}
