package rawjson

// quotesOf is wordPatterns.find for sixteen bytes at a time, with SSE2.
//
//go:noescape
func quotesOf(block *[blockSize]byte) (quotes uint64, odd bool)
