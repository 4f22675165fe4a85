//go:build !amd64

package rawjson

func quotesOf(block *[blockSize]byte) (quotes uint64, odd bool) { return patterns.find(block) }
