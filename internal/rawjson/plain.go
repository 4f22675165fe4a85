package rawjson

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Form is how an object is written that Plain took.
type Form struct {
	Compact bool // there is no white space outside of strings
	Literal bool // there is no escape: strings mean what stands between their quotes; false may mean that it is not known
}

const (
	outermost = 1       // the bit above those of the open containers
	fullest   = 1 << 63 // where it is with 63 of them
)

// Plain finds the end of the object that b begins with, and in the same pass the values of the keys, as Members does, and
// checks every byte: where ok, b[:end] is valid JSON in valid UTF-8.
//
// ok is false for any other text, for an empty object, and for one that is nested deeper than 63 levels. Where b ends before
// it is known to be such a text, end is len(b), else 0.
//
// Quotes are found in blocks of 64 bytes, without a branch for each; between them stand only a few bytes to look at.
func (k *Keys) Plain(b []byte, found []Span) (end int, form Form, ok bool) {
	clear(found[:k.count])
	if len(b) < 2 || b[0] != '{' || len(b) > maxSpanned {
		return 0, Form{}, false
	}
	s := blocks{b: b, stop: len(b), odd: 1}
	base, quotes := 0, s.load(0, false) // quotes: of the block at base, from i on
	objects := uint64(outermost<<1 | 1) // which of the open containers are objects; the lowest bit is the innermost
	level := 0                          // how many of them are in the innermost object whose members are looked for, by k
	var member *key                     // the last one of that object; nil: not looked for
	from := 0                           // where its value begins
	for i := 1; ; {
		if objects&1 != 0 {
			if i >= len(b) || b[i] != '"' {
				if i = s.skip(i); i >= len(b) {
					return s.cut(), Form{}, false
				}
				if b[i] != '"' {
					return 0, Form{}, false
				}
			}
			for quotes == 0 {
				if base += blockSize; base >= s.stop {
					return s.cut(), Form{}, false
				}
				quotes = s.load(base, false)
			}
			quotes &= quotes - 1
			for quotes == 0 {
				if base += blockSize; base >= s.stop {
					return s.cut(), Form{}, false
				}
				quotes = s.load(base, true)
			}
			closing := base + bits.TrailingZeros64(quotes)
			quotes &= quotes - 1
			if level == 0 {
				if member, from = k.at(b, i+1, closing), closing+2; member == nil && s.slash {
					member = k.escapedAt(b, i+1, closing)
				}
				if member != nil && member.below != nil && found[member.i].To > 0 {
					member.below.forget(found)
				}
			}
			if i = closing + 1; i < len(b) && b[i] != ':' {
				if i = s.skip(i); i < len(b) && b[i] != ':' {
					return 0, Form{}, false
				}
				if level == 0 {
					from = i + 1
				}
			}
			i++
		}
		if i < len(b) && b[i] <= ' ' {
			if i = s.skip(i); level == 0 {
				from = i
			}
		}
		if i >= len(b) {
			return s.cut(), Form{}, false
		}
		switch c := b[i]; c {
		case '"':
			for quotes == 0 {
				if base += blockSize; base >= s.stop {
					return s.cut(), Form{}, false
				}
				quotes = s.load(base, false)
			}
			quotes &= quotes - 1
			for quotes == 0 {
				if base += blockSize; base >= s.stop {
					return s.cut(), Form{}, false
				}
				quotes = s.load(base, true)
			}
			i = base + bits.TrailingZeros64(quotes) + 1
			quotes &= quotes - 1
		case '{', '[':
			if i++; i < len(b) && b[i] <= ' ' {
				i = s.skip(i)
			}
			if i >= len(b) {
				return s.cut(), Form{}, false
			}
			if b[i] == c+2 { // the closing one
				i++
				break
			}
			if objects >= fullest {
				return 0, Form{}, false
			}
			if level++; level == 1 && member != nil && member.below != nil && c == '{' {
				found[member.i].From = uint32(from)
				k, level = member.below, 0
			}
			objects <<= 1
			if c == '{' {
				objects |= 1
			}
			continue
		default:
			after := scalarEndAt(b, i)
			if after < 0 && i+len("false") > len(b) {
				return s.cut(), Form{}, false
			}
			if after < 0 {
				return 0, Form{}, false
			}
			i = after
		}
		for {
			if i >= len(b) {
				return s.cut(), Form{}, false
			}
			if level == 0 && member != nil {
				found[member.i] = Span{uint32(from), uint32(i)}
			}
			c := b[i]
			if c <= ' ' {
				if i = s.skip(i); i >= len(b) {
					return s.cut(), Form{}, false
				}
				c = b[i]
			}
			i++
			if c == ',' {
				break
			}
			if c != ']'+byte(objects&1)<<5 { // ] and } are one bit apart
				return 0, Form{}, false
			}
			if objects >>= 1; objects == outermost {
				if s.beyondASCII && !utf8.Valid(b[:i]) {
					return 0, Form{}, false
				}
				return i, Form{Compact: !s.spaced, Literal: !s.slash}, true
			}
			if level--; level < 0 {
				member, k, level = k.of, k.parent, 0
				from = int(found[member.i].From)
			}
		}
	}
}

// scalarEndAt returns the index after the number or literal that begins at i; -1 where none does.
func scalarEndAt(b []byte, i int) int {
	if i+5 <= len(b) {
		switch binary.LittleEndian.Uint32(b[i:]) {
		case 't' | 'r'<<8 | 'u'<<16 | 'e'<<24, 'n' | 'u'<<8 | 'l'<<16 | 'l'<<24:
			return i + 4
		case 'f' | 'a'<<8 | 'l'<<16 | 's'<<24:
			if b[i+4] == 'e' {
				return i + 5
			}
			return -1
		}
	}
	if b[i] != '-' && !isDigit(b[i]) {
		return -1
	}
	end, err := skipNumber(b, i)
	if err != nil {
		return -1
	}
	return end
}

const (
	blockSize = 64
	ahead     = 16 // blocks that are looked at in one call

	lows = 0x7f7f7f7f7f7f7f7f

	// gather times a word of top bits has them in its highest byte, in their order.
	gather   = 0x0002040810204081
	gathered = 0xff << 56
)

// blocks finds the quotes of a text that begin and end strings.
type blocks struct {
	b           []byte
	stop        int  // no string reaches here: the text's end, a control character or a broken escape
	escaped     int  // where an escape of the block before ends
	beyondASCII bool // a block has such bytes
	slash       bool // a block has a backslash
	spaced      bool // there is white space outside of strings

	quotes [ahead]uint64 // of the blocks that were looked at last
	odd    uint          // which of them are odd
}

// cut returns the text's length where it ends in the middle, 0 where it is broken.
func (s *blocks) cut() int {
	if s.stop < len(s.b) {
		return 0
	}
	return len(s.b)
}

// skip is Next.
func (s *blocks) skip(i int) int {
	next := Next(s.b, i)
	s.spaced = s.spaced || next > i
	return next
}

// load returns which bytes of the block at base are quotes; blocks are loaded one after the other. inside says that it begins
// in a string.
func (s *blocks) load(base int, inside bool) uint64 {
	if at := uint(base) / blockSize % ahead; s.odd>>at&1 == 0 {
		return s.quotes[at]
	}
	return s.look(base, inside)
}

// look is load for a block that is odd, and for the first one of those that are looked at together.
func (s *blocks) look(base int, inside bool) uint64 {
	if base/blockSize%ahead == 0 {
		n := min((len(s.b)-base)/blockSize, ahead)
		odd := ^uint(0) << n // what the text does not fill is odd too
		if n > 0 {
			odd |= quotesOf(s.b[base:base+n*blockSize], &s.quotes)
		}
		s.odd = odd | 1 // the next first one comes here again
		if odd&1 == 0 && s.escaped <= base {
			return s.quotes[0]
		}
	}
	return s.special(base, inside)
}

// wordPatterns are what the bytes of a word are compared with. A variable holds them because Go loads a constant of eight
// bytes anew wherever it is used, which takes as long as the rest.
type wordPatterns struct{ quote, slash, space, top, gather uint64 }

var patterns = wordPatterns{quote: ones * '"', slash: ones * '\\', space: ones * ' ', top: tops, gather: gather}

// quotesOf is the function of that name.
func (p *wordPatterns) quotesOf(b []byte, quotes *[ahead]uint64) (odd uint) {
	for at := range len(b) / blockSize {
		var isOdd bool
		if quotes[at], isOdd = p.find((*[blockSize]byte)(b[at*blockSize:])); isOdd {
			odd |= 1 << at
		}
	}
	return odd
}

// find returns which bytes of a block are quotes, and whether it is odd.
func (p *wordPatterns) find(block *[blockSize]byte) (quotes uint64, odd bool) {
	q0, odd0 := p.word(block[0:])
	q1, odd1 := p.word(block[8:])
	q2, odd2 := p.word(block[16:])
	q3, odd3 := p.word(block[24:])
	q4, odd4 := p.word(block[32:])
	q5, odd5 := p.word(block[40:])
	q6, odd6 := p.word(block[48:])
	q7, odd7 := p.word(block[56:])
	return q0 | q1<<8 | q2<<16 | q3<<24 | q4<<32 | q5<<40 | q6<<48 | q7<<56,
		(odd0|odd1|odd2|odd3|odd4|odd5|odd6|odd7)&p.top != 0
}

// word is find for eight bytes, with what is odd in the top bits. 0x80 less a byte of ASCII has the top bit for 0 alone.
func (p *wordPatterns) word(b []byte) (quotes, odd uint64) {
	w := binary.LittleEndian.Uint64(b)
	quotes = (p.top - (w ^ p.quote)) & p.top * p.gather >> (blockSize - 8)
	return quotes, w | (w - p.space) | (p.top - (w ^ p.slash))
}

// special is load for a block with escapes, control characters or bytes beyond ASCII, and for one that the text does not fill.
func (s *blocks) special(base int, inside bool) (quotes uint64) {
	var filled [blockSize]byte // the zeros behind the text stop nothing but what is cut
	block := &filled
	if base+blockSize <= len(s.b) {
		block = (*[blockSize]byte)(s.b[base:])
	} else {
		copy(filled[:], s.b[base:])
	}
	var slashes, controls uint64
	for i := 0; i < blockSize; i += 8 {
		w := binary.LittleEndian.Uint64(block[i:])
		s.beyondASCII = s.beyondASCII || w&tops != 0
		quotes = quotes>>8 | (equal(w, '"')*gather)&gathered
		slashes = slashes>>8 | (equal(w, '\\')*gather)&gathered
		controls = controls>>8 | ((^((w&lows)+ones*0x60)&^w&tops)*gather)&gathered
	}
	s.slash = s.slash || slashes != 0
	quotes &= ^uint64(0) << max(s.escaped-base, 0)
	for slashes != 0 {
		at := base + bits.TrailingZeros64(slashes)
		slashes &= slashes - 1
		if at < s.escaped { // the second one of two
			continue
		}
		end, err := skipEscape(s.b, at)
		if err != nil {
			if end < len(s.b) { // it is not only cut
				s.stop = min(s.stop, at)
			}
			break
		}
		s.escaped = end
		quotes &^= 1 << (at + 1 - base)
	}
	if at := base/blockSize%ahead + 1; s.escaped > base+blockSize && at < ahead {
		s.odd |= 1 << at
	}
	if controls != 0 { // those outside of strings are looked at in their places
		if controls &= between(quotes, inside); controls != 0 {
			s.stop = min(s.stop, base+bits.TrailingZeros64(controls))
		}
	}
	return quotes &^ (^uint64(0) << (s.stop - base))
}

// between returns the bytes of a block that are in strings: behind the first quote of two. inside says that the block begins
// in a string.
func between(quotes uint64, inside bool) uint64 {
	for shift := 1; shift < blockSize; shift *= 2 {
		quotes ^= quotes << shift
	}
	if inside {
		return ^quotes
	}
	return quotes
}

// equal returns the top bits of those bytes of a word that are c.
func equal(w uint64, c byte) uint64 {
	w ^= ones * uint64(c)
	return ^((w&lows + lows) | w) & tops
}
