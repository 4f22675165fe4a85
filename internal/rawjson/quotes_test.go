package rawjson

import (
	"math/rand/v2"
	"testing"
)

// TestQuotesOf holds that a block's quotes are found, and whether something is odd, by processor instructions and by words
// alike, wherever the block stands in memory.
func TestQuotesOf(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const usual = `abcdefgh{}[]:,0123456789 !#$'.-_~` + "\x7f"
	memory := make([]byte, 2*blockSize)
	for round := range 20_000 {
		block := (*[blockSize]byte)(memory[r.IntN(blockSize):])
		for i := range block {
			block[i] = usual[r.IntN(len(usual))]
		}
		for range r.IntN(4) {
			block[r.IntN(blockSize)] = '"'
		}
		wantOdd := round%2 == 0
		if wantOdd {
			for {
				c := byte(r.Uint32())
				if c == '\\' || c < ' ' || c >= 0x80 {
					block[r.IntN(blockSize)] = c
					break
				}
			}
		}
		var want uint64
		for i, c := range block {
			if c == '"' {
				want |= 1 << i
			}
		}
		for name, find := range map[string]func(*[blockSize]byte) (uint64, bool){"quotesOf": quotesOf, "words": patterns.find} {
			quotes, odd := find(block)
			if odd != wantOdd || !odd && quotes != want {
				t.Fatalf("%s(%q) = %b, %v, want %b, %v", name, block, quotes, odd, want, wantOdd)
			}
		}
	}
}
