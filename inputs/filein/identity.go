package filein

import (
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

// identity is what a file is known by: it survives renaming, and a new file in place of an old one has another.
type identity struct {
	Inode string // device:inode
	Size  int    // bytes of the fingerprint; a file that was shorter when it was first seen has a shorter one
	Print string
}

func (i identity) String() string { return i.Inode + ":" + strconv.Itoa(i.Size) + ":" + i.Print }

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
	var sum [8]byte
	h := xxhash.Sum64(buf[:got])
	for i := range sum {
		sum[i] = byte(h >> (56 - 8*i))
	}
	return got, hex.EncodeToString(sum[:]), nil
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
