package gunzip

import "encoding/binary"

const (
	window     = 32 << 10 // how far back a distance can go
	outputSize = 128 << 10
	outMask    = outputSize - 1

	// roof is where the output buffer counts as full: below it there is always room for what one round of fast decodes.
	roof = outputSize - 512

	// fastInput is how many bytes a round of fast may load.
	fastInput = 16
)

var le = binary.LittleEndian

// output is what part of the output buffer is what. The window ends where the decoded bytes end.
type output struct {
	given   int // until here it has been given out
	decoded int
	oldest  int // the first byte of the member, or of the buffer, where distances end
}

// makeRoom moves the window to the front of a full buffer.
func (r *Reader) makeRoom() {
	if r.decoded < roof {
		return
	}
	start := r.decoded - window
	copy(r.out[:window], r.out[start:r.decoded])
	r.output = output{given: window, decoded: window, oldest: max(r.oldest-start, 0)}
}

func (r *Reader) corrupt() error { return CorruptError(r.offset()) }

func (r *Reader) endBlock() {
	r.next = block
	if r.final {
		r.next = trailer
	}
}

// blockHeader reads the beginning of a block up to its first symbol or byte.
func (r *Reader) blockHeader() error {
	v, err := r.take(3)
	if err != nil {
		return err
	}
	r.final = v&1 != 0
	switch v >> 1 {
	case 0:
		return r.storedHeader()
	case 1:
		r.fixedCodes()
		return nil
	case 2:
		return r.dynamicCodes()
	}
	return r.corrupt()
}

func (r *Reader) storedHeader() error {
	r.drop(r.nbits % 8)
	v, err := r.take(32)
	if err != nil {
		return err
	}
	size := uint16(v)
	if size != ^uint16(v>>16) {
		return r.corrupt()
	}
	r.stored = int(size)
	r.next = storedBytes
	return nil
}

func (r *Reader) copyStored() error {
	for r.stored > 0 && r.decoded < roof {
		switch {
		case r.nbits > 0:
			r.out[r.decoded] = byte(r.bits)
			r.drop(8)
			r.decoded++
			r.stored--
		case r.pos < r.end:
			to := r.out[r.decoded:min(r.decoded+r.stored, roof)]
			n := copy(to, r.in[r.pos:r.end])
			r.pos += n
			r.decoded += n
			r.stored -= n
		case r.given < r.decoded:
			return nil
		default:
			if err := r.fill(); err != nil {
				return noEOF(err)
			}
		}
	}
	if r.stored == 0 {
		r.endBlock()
	}
	return nil
}

func (r *Reader) fixedCodes() {
	r.next = symbols
	if r.inFixed {
		return
	}
	for s := range r.lengths {
		switch {
		case s >= fixedLits:
			r.lengths[s] = 5
		case s < 144 || s >= 280:
			r.lengths[s] = 8
		case s < 256:
			r.lengths[s] = 9
		default:
			r.lengths[s] = 7
		}
	}
	build(r.lit[:], litBits, r.lengths[:fixedLits], litMeanings)
	build(r.dist[:], distBits, r.lengths[fixedLits:], distMeanings)
	r.inFixed = true
}

func (r *Reader) dynamicCodes() error {
	v, err := r.take(14)
	if err != nil {
		return err
	}
	lits, dists, n := int(v&31)+257, int(v>>5&31)+1, int(v>>10)+4
	if lits > maxLits || dists > maxDists {
		return r.corrupt()
	}
	var lengths [codeLengths]uint8
	for _, symbol := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:n] {
		v, err := r.take(3)
		if err != nil {
			return err
		}
		lengths[symbol] = uint8(v)
	}
	var table [lengthTable]entry
	if !build(table[:], lengthBits, lengths[:], lengthMeanings) {
		return r.corrupt()
	}
	if err := r.codeLengths(&table, r.lengths[:lits+dists]); err != nil {
		return err
	}
	r.inFixed = false
	if !build(r.lit[:], litBits, r.lengths[:lits], litMeanings) || !build(r.dist[:], distBits, r.lengths[lits:][:dists], distMeanings) {
		return r.corrupt()
	}
	r.next = symbols
	return nil
}

// codeLengths reads the lengths of a block's codes.
func (r *Reader) codeLengths(table *[lengthTable]entry, lengths []uint8) error {
	for i := 0; i < len(lengths); {
		r.refill()
		e := table[r.bits%lengthTable]
		if e.takes() > r.nbits {
			if err := r.fill(); err != nil {
				return noEOF(err)
			}
			continue
		}
		r.drop(e.takes())
		var value uint8
		var repeat, extra uint
		switch s := e.symbol(); {
		case e >= special:
			return r.corrupt()
		case s < 16:
			lengths[i] = uint8(s)
			i++
			continue
		case s == 16 && i == 0:
			return r.corrupt()
		case s == 16:
			value, repeat, extra = lengths[i-1], 3, 2
		case s == 17:
			repeat, extra = 3, 3
		default:
			repeat, extra = 11, 7
		}
		v, err := r.take(extra)
		if err != nil {
			return err
		}
		if repeat += uint(v); repeat > uint(len(lengths)-i) {
			return r.corrupt()
		}
		for range repeat {
			lengths[i] = value
			i++
		}
	}
	return nil
}

// verdict is how far decoding symbols has come.
type verdict uint8

const (
	goOn    verdict = iota
	starved         // the input ends in the middle of a symbol
	ended           // with the block
	broken
)

// inflate decodes symbols until the block ends, the output is full, or there is output and no more input.
func (r *Reader) inflate() error {
	for r.decoded < roof {
		var v verdict
		if r.end-r.pos > fastInput {
			v = r.fast()
		} else {
			v = r.careful()
		}
		switch v {
		case ended:
			r.endBlock()
			return nil
		case broken:
			return r.corrupt()
		case starved:
			if r.given < r.decoded {
				return nil
			}
			if err := r.fill(); err != nil {
				return noEOF(err)
			}
		}
	}
	return nil
}

// careful decodes one symbol, if all of it is there. Missing bits are 0 in r.bits. Of the codes that begin with the bits
// there are, the one that goes on with zeros is the shortest one, so a code that takes no more than those is the right one.
func (r *Reader) careful() verdict {
	r.refill()
	e := r.lit[r.bits%(1<<litBits)]
	if !e.isLiterals() && e.is(subtable) {
		e = r.lit[e.start()+uint(r.bits>>litBits)%(1<<(maxCodeBits-litBits))]
	}
	switch {
	case e.isLiterals() && e.codeBits() <= r.nbits: // the first one is enough
		r.drop(e.codeBits())
		r.out[r.decoded] = byte(e >> 16)
		r.decoded++
		return goOn
	case e.isLiterals() || e.takes() > r.nbits:
		return starved
	case e >= special:
		r.drop(e.takes())
		if e.is(endOfCode) {
			return ended
		}
		return broken
	}
	rest := r.bits >> e.takes()
	d := r.dist[rest%(1<<distBits)]
	if d.is(subtable) {
		d = r.dist[d.start()+uint(rest>>distBits)%(1<<(maxCodeBits-distBits))]
	}
	if e.takes()+d.takes() > r.nbits {
		return starved
	}
	length, distance := int(e.length(r.bits)), int(d.distance(rest))
	r.drop(e.takes() + d.takes())
	if d >= special || distance > r.decoded-r.oldest {
		return broken
	}
	repeat(r.out[:r.decoded+length], r.decoded, distance)
	r.decoded += length
	return goOn
}

// repeat fills out from an index on with what is so far before it. What it has written belongs to that.
func repeat(out []byte, to, distance int) {
	for from := to - distance; to < len(out); {
		to += copy(out[to:], out[from:to])
	}
}

// fast decodes symbols as long as there are more than fastInput bytes of input, and room below the roof. Then a round of
// its loop needs no checks: it loads at most twice, 7 bytes each, and writes at most 6 literals, one more, and a match.
//
// The loop knows no ends of arrays: indexes are masked, which changes none of them and lets the compiler leave out its checks.
// Only the lowest 6 bits of nbits count: what is subtracted from it are whole entries. The bits above nbits are those that
// follow in the input, or 0, so it does no harm that a load brings the same again.
func (r *Reader) fast() verdict {
	var (
		pos, end = uint(r.pos), uint(r.end - fastInput)
		bits     = r.bits
		nbits    = r.nbits
		decoded  = uint(r.decoded)
		oldest   = uint(r.oldest)
		in, out  = &r.in, &r.out
		lit      = &r.lit
		dist     = &r.dist
		result   = goOn
	)
	for pos < end && decoded < roof {
		bits |= le.Uint64(in[pos&inputMask:][:8]) << (nbits & 63)
		pos += 7 - nbits>>3&7
		nbits |= 56

		// Three times literals of 12 bits, or two times and the code of a length with its extra bits, are 44 bits at most.
		e := lit[bits%(1<<litBits)]
		if n := e.literals(); n != 0 {
			le.PutUint16(out[decoded&outMask:][:2], uint16(e>>16))
			decoded += n
			bits >>= e & 63
			nbits -= uint(e)
			e = lit[bits%(1<<litBits)]
			if n := e.literals(); n != 0 {
				le.PutUint16(out[decoded&outMask:][:2], uint16(e>>16))
				decoded += n
				bits >>= e & 63
				nbits -= uint(e)
				e = lit[bits%(1<<litBits)]
				if n := e.literals(); n != 0 {
					le.PutUint16(out[decoded&outMask:][:2], uint16(e>>16))
					decoded += n
					bits >>= e & 63
					nbits -= uint(e)
					continue
				}
			}
		}
		if e >= special {
			if e.is(subtable) {
				e = lit[e.start()+uint(bits>>litBits)%(1<<(maxCodeBits-litBits))]
			}
			if e.isLiterals() {
				out[decoded&outMask] = byte(e >> 16)
				decoded++
				bits >>= e & 63
				nbits -= uint(e)
				continue
			}
			if e >= special {
				result = broken
				if e.is(endOfCode) {
					result = ended
				}
				bits >>= e & 63
				nbits -= uint(e)
				break
			}
		}
		length := e.length(bits)
		bits >>= e & 63
		nbits -= uint(e)

		bits |= le.Uint64(in[pos&inputMask:][:8]) << (nbits & 63)
		pos += 7 - nbits>>3&7
		nbits |= 56
		d := dist[bits%(1<<distBits)]
		if d.is(subtable) {
			d = dist[d.start()+uint(bits>>distBits)%(1<<(maxCodeBits-distBits))]
		}
		distance := d.distance(bits)
		bits >>= d & 63
		nbits -= uint(d)
		if d >= special || distance > decoded-oldest {
			result = broken
			break
		}

		from, to := decoded-distance, decoded
		decoded += length
		if distance < 16 {
			repeat(out[:decoded], int(to), int(distance))
			continue
		}
		for {
			// 70 of 100 matches in what bench/gen makes have less than 32 bytes.
			copy(out[to&outMask:][:16], out[from&outMask:][:16])
			copy(out[(to+16)&outMask:][:16], out[(from+16)&outMask:][:16])
			if to += 32; to >= decoded {
				break
			}
			from += 32
		}
	}
	nbits &= 63
	r.pos, r.decoded = int(pos), int(decoded)
	r.bits, r.nbits = bits&(1<<nbits-1), nbits
	return result
}
