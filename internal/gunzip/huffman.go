package gunzip

import "math/bits"

const (
	maxCodeBits = 15
	endOfBlock  = 256
	maxLits     = 286 // codes for literals and lengths of a block
	maxDists    = 30  // codes for distances
	fixedLits   = 288 // the fixed codes have two more each, which nothing may use
	fixedDists  = 32
	codeLengths = 19
)

// Sizes of decoding tables. A code of more bits than the primary table has goes on in a subtable. All subtables of a table
// have the same size, and each holds two codes at least. With 12 bits nearly all pairs of frequent literals of JSON fit.
const (
	litBits  = 12
	litTable = 1<<litBits + fixedLits/2<<(maxCodeBits-litBits)

	distBits  = 9
	distTable = 1<<distBits + fixedDists/2<<(maxCodeBits-distBits)

	lengthBits  = 7 // of the longest code of a code length, so there are no subtables
	lengthTable = 1 << lengthBits
)

// entry of a decoding table: what the next bits of the input mean. Its bits 0-5 are how many of them it takes, extra bits
// included; 8-11: those of the code alone, or of the first one. The rest depends on what it stands for:
//
//	literals     bits 6-7: how many, 1 or 2; 16-23: the first; 24-31: the second
//	length       bits 12-16: mask of the extra bits; 17-25: the base
//	distance     bits 12-15: number of extra bits; 16-30: the base
//	code length  bits 16-20: the symbol
//	subtable     bits 31 and 12; bits 16-30: where it begins
//	end          bits 31 and 13
//	invalid      bit 31
//
// Bit 31 says nothing about literals, so those are asked for first.
type entry uint32

const (
	oneLiteral entry = 1 << 6
	oneBit     entry = 1<<8 | 1 // of a code

	special   entry = 1 << 31 // and everything above it
	subtable        = special | 1<<12
	endOfCode       = special | 1<<13
	invalid         = special
)

func (e entry) takes() uint      { return uint(e & 63) }
func (e entry) codeBits() uint   { return uint(e >> 8 & 15) }
func (e entry) literals() uint   { return uint(e >> 6 & 3) }
func (e entry) start() uint      { return uint(e >> 16 & 0x7fff) }
func (e entry) is(s entry) bool  { return e&s == s }
func (e entry) symbol() int      { return int(e >> 16) }
func (e entry) isLiterals() bool { return e.literals() != 0 }

// length and distance take bits that begin with the code.
func (e entry) length(bits uint64) uint { return uint(e>>17) + uint(bits>>e.codeBits())&uint(e>>12&31) }
func (e entry) distance(bits uint64) uint {
	return uint(e>>16) + uint(bits>>e.codeBits())&(1<<(e>>12&15)-1)
}

// meanings are the entries of an alphabet's symbols, but for the bits of their codes.
type meanings [fixedLits]entry

var (
	litMeanings    = meaningsOfLits()
	distMeanings   = meaningsOfDists()
	lengthMeanings = meaningsOfLengths()
)

func meaningsOfLits() *meanings {
	var m meanings
	for s := range entry(endOfBlock) {
		m[s] = oneLiteral | s<<16
	}
	m[endOfBlock] = endOfCode
	const first, last = endOfBlock + 1, maxLits - 1
	base := entry(3)
	for s := first; s < last; s++ {
		extra := max((s-first)/4-1, 0)
		m[s] = base<<17 | (1<<extra-1)<<12 | entry(extra)
		base += 1 << extra
	}
	m[last] = 258 << 17 // which the one before could say too, with all extra bits
	for s := maxLits; s < fixedLits; s++ {
		m[s] = invalid
	}
	return &m
}

func meaningsOfDists() *meanings {
	var m meanings
	base := entry(1)
	for s := range maxDists {
		extra := max(s/2-1, 0)
		m[s] = base<<16 | entry(extra)<<12 | entry(extra)
		base += 1 << extra
	}
	for s := maxDists; s < fixedDists; s++ {
		m[s] = invalid
	}
	return &m
}

func meaningsOfLengths() *meanings {
	var m meanings
	for s := range entry(codeLengths) {
		m[s] = s << 16
	}
	return &m
}

// canonical is a canonical Huffman code: its codes by number of bits, and then by symbol.
type canonical struct {
	first    [maxCodeBits + 2]int // the index of the first code of so many bits
	literals [maxCodeBits + 1]int // how many of those codes are literals, which come first
	sorted   [fixedLits]entry
	reversed [fixedLits]uint16 // the codes as they come in the input, but only those that fit a primary table
}

// build fills a decoding table with the code whose numbers of bits are given, in the order of symbols; 0 is a symbol without
// a code. It reports false for numbers that make no complete code. Two incomplete ones are fine: no code at all, and one code
// of 1 bit, since that is what compressors write where a block has no distances, or one.
func build(table []entry, primary uint, lengths []uint8, symbols *meanings) bool {
	var c canonical
	if !c.sort(lengths, symbols) {
		return false
	}
	code := c.fill(table, primary)
	c.fillSubtables(table, primary, code)
	return true
}

func (c *canonical) sort(lengths []uint8, symbols *meanings) bool {
	var count [maxCodeBits + 1]int
	for _, n := range lengths {
		count[n&maxCodeBits]++
	}
	free := 1 << maxCodeBits // numbers of maxCodeBits bits that no code begins
	for n := 1; n <= maxCodeBits; n++ {
		free -= count[n] << (maxCodeBits - n)
		c.first[n+1] = c.first[n] + count[n]
	}
	used := c.first[maxCodeBits+1]
	if free != 0 && used > 0 && (used > 1 || count[1] != 1) {
		return false
	}
	next := c.first
	for s, n := range lengths {
		if n == 0 {
			continue
		}
		e := symbols[s] + entry(n)*oneBit
		c.sorted[next[n]] = e
		next[n]++
		c.literals[n] += int(symbols[s].literals())
	}
	return true
}

// fill fills the primary table and returns the first code that does not fit into it. The table grows by doubling: what up to
// n bits mean does not depend on those behind them.
func (c *canonical) fill(table []entry, primary uint) (code uint16) {
	table[0] = invalid
	for n := uint(1); n <= primary; n++ {
		half := 1 << (n - 1)
		copy(table[half:2*half], table[:half])
		for i := c.first[n]; i < c.first[n+1]; i++ {
			c.reversed[i] = reverse(code, n)
			table[c.reversed[i]] = c.sorted[i]
			code++
		}
		code <<= 1
		c.pair(table, n)
	}
	return code
}

// pair enters the pairs of literals that have n bits together. They take the place of the first one alone.
func (c *canonical) pair(table []entry, n uint) {
	for a := uint(1); a < n; a++ {
		b := n - a
		seconds := c.sorted[c.first[b]:][:c.literals[b]]
		if len(seconds) == 0 {
			continue
		}
		reversed := c.reversed[c.first[b]:][:len(seconds)]
		for i := range c.literals[a] {
			i += c.first[a]
			first := c.sorted[i] + oneLiteral + entry(b)
			for j, second := range seconds {
				table[c.reversed[i]|reversed[j]<<a] = first | second<<8&(0xff<<24)
			}
		}
	}
}

func (c *canonical) fillSubtables(table []entry, primary uint, code uint16) {
	size := uint(1) << (maxCodeBits - primary)
	prefix, start := ^uint(0), uint(1)<<primary-size
	for n := primary + 1; n <= maxCodeBits; n++ {
		for _, e := range c.sorted[c.first[n]:c.first[n+1]] {
			reversed := uint(reverse(code, n))
			if p := reversed & (1<<primary - 1); p != prefix {
				prefix, start = p, start+size
				table[p] = subtable | entry(start)<<16
			}
			for i := reversed >> primary; i < size; i += 1 << (n - primary) {
				table[start+i] = e
			}
			code++
		}
		code <<= 1
	}
}

// reverse returns a code of n bits in the order of the input, where the first bit of a code is the lowest one.
func reverse(code uint16, n uint) uint16 { return bits.Reverse16(code) >> (16 - n) }
