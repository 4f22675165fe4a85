package forwardin

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is the memory that a zstd window may ask for.
const maxWindow = 64 << 20

// unpack returns the entries of a compressed chunk, of any number of gzip members or zstd frames. Where err is set they
// are those that could be unpacked before it.
func unpack(packing string, packed []byte, limit int64) (entries []byte, err error) {
	var r io.Reader
	switch packing {
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(packed))
	case "zstd":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxWindow)); err == nil {
			defer d.Close()
			r = d
		}
	default:
		return nil, fmt.Errorf("a compression that is not known here: %.20q", packing)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", packing, err)
	}
	entries, err = io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case int64(len(entries)) > limit:
		return entries[:limit], fmt.Errorf("more than %d bytes come out of %s (option max_decompressed)", limit, packing)
	case err != nil:
		return entries, fmt.Errorf("%s: %w", packing, err)
	}
	return entries, nil
}
