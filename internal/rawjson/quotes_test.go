package rawjson

import (
	"math/rand/v2"
	"testing"
)

// TestQuotesOf holds that the quotes of blocks are found, and which are odd, by processor instructions and by words alike, for
// any number of blocks and wherever they stand in memory.
func TestQuotesOf(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const usual = `abcdefgh{}[]:,0123456789 !#$'.-_~` + "\x7f"
	memory := make([]byte, (ahead+1)*blockSize)
	for range 20_000 {
		n := r.IntN(ahead + 1)
		b := memory[r.IntN(blockSize):][:n*blockSize]
		for i := range b {
			b[i] = usual[r.IntN(len(usual))]
		}
		var want [ahead]uint64
		var wantOdd uint
		for at := range n {
			block := b[at*blockSize:][:blockSize]
			for range r.IntN(4) {
				block[r.IntN(blockSize)] = '"'
			}
			for c := byte(r.Uint32()); c == '\\' || c < ' ' || c >= 0x80; c = byte(r.Uint32()) {
				block[r.IntN(blockSize)] = c
				wantOdd |= 1 << at
			}
			for i, c := range block {
				if c == '"' {
					want[at] |= 1 << i
				}
			}
		}
		for name, find := range map[string]func([]byte, *[ahead]uint64) uint{"quotesOf": quotesOf, "words": patterns.quotesOf} {
			var got [ahead]uint64
			odd := find(b, &got)
			for at := range n {
				if odd>>at&1 != 0 {
					got[at] = want[at] // not used
				}
			}
			if odd != wantOdd || got != want {
				t.Fatalf("%s(%q) = %b, %b, want %b, %b", name, b, got, odd, want, wantOdd)
			}
		}
	}
}
