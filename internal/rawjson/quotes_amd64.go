package rawjson

import "golang.org/x/sys/cpu"

// quotesOf finds the quotes of blocks, at most as many as quotes has places for. odd has a bit for each block with a backslash,
// a control character or a byte beyond ASCII.
func quotesOf(b []byte, quotes *[ahead]uint64) (odd uint) {
	if !cpu.X86.HasAVX2 {
		return patterns.quotesOf(b, quotes)
	}
	return quotesAVX2(b, quotes)
}

// quotesAVX2 is wordPatterns.quotesOf for 32 bytes at a time.
//
//go:noescape
func quotesAVX2(b []byte, quotes *[ahead]uint64) (odd uint)
