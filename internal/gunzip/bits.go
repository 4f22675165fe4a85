package gunzip

import "io"

const (
	inputSize = 64 << 10
	inputMask = inputSize - 1

	// emptyReads in a row, without bytes and without an error, are one too many.
	emptyReads = 100
)

// input is the compressed stream. Bits go from the buffer to bits, where they wait to be used: nbits of them, the next one
// lowest, and zeros above.
type input struct {
	src      io.Reader
	srcErr   error // what src said, for when its last bytes are used
	before   int64 // bytes of the stream that were in the buffer earlier
	pos, end int   // what of the buffer is not used
	bits     uint64
	nbits    uint
}

// offset is the number of bytes of the stream that have been used, if only in part.
func (in *input) offset() int64 { return in.before + int64(in.pos) - int64(in.nbits/8) }

// fill waits for more input. The buffer must be used up.
func (r *Reader) fill() error {
	r.before += int64(r.end)
	r.pos, r.end = 0, 0
	for range emptyReads {
		if r.srcErr == nil {
			r.end, r.srcErr = r.src.Read(r.in[:inputSize])
		}
		switch {
		case r.end > 0:
			return nil
		case r.srcErr != nil:
			return r.srcErr
		}
	}
	return io.ErrNoProgress
}

// refill takes as many whole bytes of the buffer as there is room for: then there are at least 57 bits, or the buffer is
// used up.
func (r *Reader) refill() {
	for r.nbits <= 56 && r.pos < r.end {
		r.bits |= uint64(r.in[r.pos]) << r.nbits
		r.nbits += 8
		r.pos++
	}
}

func (r *Reader) drop(n uint) {
	r.bits >>= n
	r.nbits -= n
}

// take gives the next n bits, 32 at most, and waits for them.
func (r *Reader) take(n uint) (uint32, error) {
	for r.nbits < n {
		if r.pos == r.end {
			if err := r.fill(); err != nil {
				return 0, noEOF(err)
			}
		}
		r.refill()
	}
	v := uint32(r.bits & (1<<n - 1))
	r.drop(n)
	return v, nil
}

// noEOF is for an end of the input where something is missing.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
