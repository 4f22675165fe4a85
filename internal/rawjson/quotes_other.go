//go:build !amd64

package rawjson

func quotesOf(b []byte, quotes *[ahead]uint64) (odd uint) { return patterns.quotesOf(b, quotes) }
