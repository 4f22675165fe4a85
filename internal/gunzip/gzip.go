// Package gunzip reads gzip (RFC 1952) faster than the standard library does. It accepts what compress/gzip accepts.
package gunzip

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

var (
	// ErrHeader says that what should be a member begins with something else: a stream that is not gzip, or bytes behind
	// its last member. Zero bytes are no exception.
	ErrHeader = errors.New("gzip: invalid header")
	// ErrChecksum says that a member's data is not what was compressed, although it could be decompressed.
	ErrChecksum = errors.New("gzip: invalid checksum")
)

// CorruptError says that compressed data has no meaning. It is the offset in bytes, from the beginning of the stream and
// headers included, that decompression came to.
type CorruptError int64

func (e CorruptError) Error() string {
	return fmt.Sprintf("gzip: corrupt input before offset %d", int64(e))
}

// Reader reads what is compressed in a gzip stream. Its zero value is ready for Reset. It has about 220 KiB of memory and
// allocates no more, so Readers are worth keeping. One goroutine at a time may use it.
type Reader struct {
	state
	in      [inputSize + 8]byte   // 8 more than are used, so that loads of 8 bytes need no check
	out     [outputSize + 16]byte // likewise for copies of 16
	lit     [litTable]entry       // for literals and lengths
	dist    [distTable]entry      // for distances
	lengths [fixedLits + fixedDists]uint8
}

// state is what Reset forgets.
type state struct {
	input
	output
	next    step
	err     error // for when all output has been given out
	final   bool  // the current block is the last one of its member
	inFixed bool  // the tables hold the fixed codes
	stored  int   // bytes that are left of a stored block
	crc     uint32
	size    uint32
}

// step is what comes next in the input.
type step uint8

const (
	member step = iota
	block
	storedBytes
	symbols
	trailer
)

// The flags of a header.
const (
	hasChecksum = 1 << (iota + 1)
	hasExtra
	hasName
	hasComment
)

// maxName is the most bytes that a name or a comment may have, their end included. Where the standard library has its limit.
const maxName = 512

// Reset makes r read another stream, and reads its first header. It returns io.EOF for a stream without a byte.
// r may read more from src than the gzip stream.
func (r *Reader) Reset(src io.Reader) error {
	r.state = state{input: input{src: src}}
	r.err = r.header()
	return r.err
}

// Read gives what is decompressed next. It waits for input only if there is nothing to give: all that follows from the input
// that arrived comes first. Members of a stream are read as one. After the last one, Read returns io.EOF.
//
// Where the input is at fault, all bytes before the fault come before the error: ErrHeader, ErrChecksum, CorruptError, or
// io.ErrUnexpectedEOF for a stream that is cut off. What a member gives is certain only when the next one begins or with
// io.EOF. Errors of the underlying reader are returned as they are. After an error there is nothing else until Reset.
func (r *Reader) Read(p []byte) (int, error) {
	for r.given == r.decoded {
		if r.err != nil {
			return 0, r.err
		}
		if len(p) == 0 {
			return 0, nil
		}
		r.err = r.advance()
	}
	n := copy(p, r.out[r.given:r.decoded])
	r.given += n
	return n, nil
}

// advance goes on in the input. All output must have been given out.
func (r *Reader) advance() error {
	switch r.next {
	case member:
		return r.header()
	case block:
		return r.blockHeader()
	case trailer:
		return r.trailer()
	}
	r.makeRoom()
	from := r.decoded
	var err error
	if r.next == storedBytes {
		err = r.copyStored()
	} else {
		err = r.inflate()
	}
	made := r.out[from:r.decoded]
	r.crc = crc32.Update(r.crc, crc32.IEEETable, made)
	r.size += uint32(len(made))
	return err
}

// header reads the header of a member. Nothing of it is kept.
func (r *Reader) header() error {
	if r.nbits == 0 && r.pos == r.end {
		if err := r.fill(); err != nil {
			return err // io.EOF is an end here
		}
	}
	r.crc = 0
	var fixed [10]byte
	for i := range fixed {
		var err error
		if fixed[i], err = r.headerByte(); err != nil {
			return err
		}
	}
	if fixed[0] != 0x1f || fixed[1] != 0x8b || fixed[2] != 8 {
		return ErrHeader
	}
	flags := fixed[3]
	if flags&hasExtra != 0 {
		if err := r.skipExtra(); err != nil {
			return err
		}
	}
	for _, flag := range []byte{hasName, hasComment} {
		if flags&flag != 0 {
			if err := r.skipName(); err != nil {
				return err
			}
		}
	}
	if flags&hasChecksum != 0 {
		want := r.crc & 0xffff
		if got, err := r.take(16); err != nil {
			return err
		} else if got != want {
			return ErrHeader
		}
	}
	r.crc, r.size = 0, 0
	r.oldest = r.decoded
	r.next = block
	return nil
}

func (r *Reader) skipExtra() error {
	low, err := r.headerByte()
	if err != nil {
		return err
	}
	high, err := r.headerByte()
	if err != nil {
		return err
	}
	for range int(low) | int(high)<<8 {
		if _, err := r.headerByte(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) skipName() error {
	for range maxName {
		if b, err := r.headerByte(); err != nil || b == 0 {
			return err
		}
	}
	return ErrHeader
}

// headerByte adds the byte to the CRC itself, since crc32.Update would make it escape.
func (r *Reader) headerByte() (byte, error) {
	v, err := r.take(8)
	if err != nil {
		return 0, err
	}
	crc := ^r.crc
	r.crc = ^(crc32.IEEETable[byte(crc)^byte(v)] ^ crc>>8)
	return byte(v), nil
}

func (r *Reader) trailer() error {
	r.drop(r.nbits % 8)
	crc, err := r.take(32)
	if err != nil {
		return err
	}
	size, err := r.take(32)
	if err != nil {
		return err
	}
	if crc != r.crc || size != r.size {
		return ErrChecksum
	}
	r.next = member
	return nil
}
