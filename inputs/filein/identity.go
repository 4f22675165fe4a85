package filein

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"github.com/cespare/xxhash/v2"
)

// fingerprintBytes is how much of a file's beginning tells it from another that got the same inode.
const fingerprintBytes = 256

// beginning is what the first bytes of a file are known by: a hash of as many of them as were read, up to
// fingerprintBytes. A file whose beginning is another one was truncated, or is another file that got the same inode.
type beginning struct {
	size  int
	print string
}

func beginningOf(b []byte) beginning {
	b = b[:min(len(b), fingerprintBytes)]
	return beginning{len(b), printOf(b)}
}

// of reports whether a file begins so.
func (b beginning) of(r io.ReaderAt) bool {
	if b.size == 0 {
		return true
	}
	size, print, err := fingerprint(r, b.size)
	return err == nil && size == b.size && print == b.print
}

// identityOf returns the identity of a file that is seen for the first time: it is part of the keys of records that have
// no id of their own, so it stays what it is while the file grows.
func identityOf(inode string, b beginning) string {
	return inode + ":" + strconv.Itoa(b.size) + ":" + b.print
}

func inodeOf(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return strconv.FormatUint(uint64(st.Dev), 16) + ":" + strconv.FormatUint(st.Ino, 16)
	}
	return info.Name()
}

// fingerprint hashes the first n bytes of a file, or as many as there are up to fingerprintBytes when n is 0.
func fingerprint(f io.ReaderAt, n int) (size int, print string, err error) {
	buf := make([]byte, fingerprintBytes)
	if n > 0 && n < len(buf) {
		buf = buf[:n]
	}
	got, err := f.ReadAt(buf, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, "", err
	}
	return got, printOf(buf[:got]), nil
}

func printOf(b []byte) string {
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, xxhash.Sum64(b)))
}

// identify opens a path and tells what file it is.
func identify(path string) (f *os.File, info fs.FileInfo, err error) {
	f, err = os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err = f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}
