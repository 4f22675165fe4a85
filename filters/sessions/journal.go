package sessions

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/trailcast/trailcast/internal/durable"
)

// journal keeps facts in a file, so that they survive a crash: one line for each, appended. When most of the file is about
// what has changed since or is forgotten, the file is replaced by one of snapshots.
//
//	trailcast sessions 1
//	5f3759df {"session":"alice-0123456789abcdef0","kind":"started",…}
//
// The first line tells the format's version; a line begins with the CRC-32 (IEEE) of its JSON in hex.
type journal struct {
	path string
	lock *os.File // keeps out a second filter of the same name: two instances of the plugin in one process

	syncing sync.Mutex // one writes to the file at a time
	file    *os.File
	size    int64     // of the file
	whole   int64     // of the file after it was replaced last
	failure error     // of the last attempt to write
	failed  time.Time // when that was

	mu       sync.Mutex // guards what follows
	buffered []byte     // appended, and not in the file yet
	appended uint64     // facts so far
	synced   uint64     // of them, so many are safe
	copying  bool       // a snapshot is being made
	since    []byte     // appended since it began
	broken   bool       // the file lacks facts: only a snapshot makes it whole again
}

const (
	header = "trailcast sessions 1"

	minReplace = 4 << 20          // a smaller file is not worth replacing
	retryAfter = 10 * time.Second // between attempts to write to a disk that failed
)

// errInUse says that another filter has the file.
var errInUse = errors.New("another filter of the same name uses it")

// errNewer says that a newer trailcast wrote the file.
var errNewer = errors.New("it was written by a newer trailcast")

// errDamaged says that the file has lines that can not be read.
var errDamaged = errors.New("it is damaged")

// openJournal opens the file or begins one, and gives its facts to merge. A torn last line is what a crash leaves, and is
// taken off. From a line that is damaged on nothing is read: the file is set aside, and aside is its new name.
func openJournal(path string, merge func(*fact)) (j *journal, aside string, err error) {
	j = &journal{path: path}
	if aside, err = j.open(merge); err != nil {
		_ = j.release() // the first error is the one to report
		return nil, aside, err
	}
	return j, aside, nil
}

func (j *journal) open(merge func(*fact)) (aside string, err error) {
	if err := os.MkdirAll(filepath.Dir(j.path), 0o700); err != nil {
		return "", err
	}
	if j.lock, err = os.OpenFile(j.path+".lock", os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return "", err
	}
	locked, err := durable.TryLock(j.lock)
	if err != nil {
		return "", err
	}
	if !locked {
		return "", errInUse
	}
	end, err := readJournal(j.path, merge)
	if errors.Is(err, errDamaged) {
		aside = j.path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000")
		j.broken = true // what could be read is in memory only
		end, err = 0, os.Rename(j.path, aside)
	}
	if err != nil {
		return aside, err
	}
	if j.file, err = os.OpenFile(j.path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return aside, err
	}
	return aside, j.begin(end)
}

// release closes the files, and gives the lock free. The lock's file stays: without it two filters could lock different
// files of one name.
func (j *journal) release() error {
	var errs []error
	for _, f := range []*os.File{j.file, j.lock} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// begin cuts the file to the end of its last whole line, and writes the header of an empty one.
func (j *journal) begin(end int64) error {
	if err := j.file.Truncate(end); err != nil {
		return err
	}
	if _, err := j.file.Seek(end, io.SeekStart); err != nil {
		return err
	}
	j.size = end
	if end > 0 {
		return nil
	}
	n, err := j.file.WriteString(header + "\n")
	j.size = int64(n)
	if err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(j.path))
}

// readJournal returns where the last whole line ends; 0 for an empty file and for one that is not there.
func readJournal(path string, merge func(*fact)) (end int64, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return readLines(f, merge)
}

func readLines(from io.Reader, merge func(*fact)) (end int64, err error) {
	r := bufio.NewReaderSize(from, 1<<20)
	for first := true; ; first = false {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return end, nil // what is left has no line end: it was being written
		}
		if err == nil {
			err = readLine(line[:len(line)-1], first, merge)
		}
		if err != nil {
			return end, fmt.Errorf("%w at byte %d", err, end)
		}
		end += int64(len(line))
	}
}

func readLine(line []byte, first bool, merge func(*fact)) error {
	if !first {
		f, err := parseFact(line)
		if err == nil {
			merge(&f)
		}
		return err
	}
	if string(line) == header {
		return nil
	}
	if version, ok := bytes.CutPrefix(line, []byte("trailcast sessions ")); ok {
		if n, err := strconv.Atoi(string(version)); err == nil && n > 1 {
			return errNewer
		}
	}
	return errDamaged
}

const sumSize = 9 // bytes of a line's checksum and the space behind it

// appendFact appends the line of a fact.
func appendFact(dst []byte, f *fact) []byte {
	data := encode(f)
	dst = fmt.Appendf(dst, "%08x ", crc32.ChecksumIEEE(data))
	return append(append(dst, data...), '\n')
}

// parseFact reads a line without its end. The error is errDamaged.
func parseFact(line []byte) (fact, error) {
	var f fact
	if len(line) < sumSize || string(line[:sumSize]) != fmt.Sprintf("%08x ", crc32.ChecksumIEEE(line[sumSize:])) {
		return fact{}, errDamaged
	}
	if err := json.Unmarshal(line[sumSize:], &f); err != nil || f.Session == "" {
		return fact{}, errDamaged
	}
	return f, nil
}

// append takes a fact; commit makes it safe.
func (j *journal) append(f *fact) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.appended++
	from := len(j.buffered)
	j.buffered = appendFact(j.buffered, f)
	if j.copying {
		j.since = append(j.since, j.buffered[from:]...)
	}
	if j.broken {
		j.buffered = j.buffered[:0] // a snapshot will have it
	}
}

// A snapshot yields the facts that make up everything that is known.
type snapshot func(yield func(*fact) error) error

// commit returns when all that was appended before the call is safe. Calls that come while one is writing share the next
// write. An error says that it is not safe; then all is written anew by a later call, not at once.
func (j *journal) commit(all snapshot) error {
	j.mu.Lock()
	due := j.appended
	j.mu.Unlock()
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if j.failure != nil && time.Since(j.failed) < retryAfter {
		return j.failure
	}
	return j.write(due, all)
}

// write is commit for the holder of syncing.
func (j *journal) write(due uint64, all snapshot) error {
	j.mu.Lock()
	if j.synced >= due && !j.broken {
		j.mu.Unlock()
		return nil
	}
	data, upTo, broken := j.buffered, j.appended, j.broken
	j.buffered = nil
	j.mu.Unlock()
	var err error
	if broken {
		err = j.replace(all)
	} else {
		err = j.flush(data)
	}
	j.failure, j.failed = err, time.Now()
	if err != nil {
		return j.lost(err)
	}
	j.mu.Lock()
	j.synced = max(j.synced, upTo)
	j.mu.Unlock()
	return nil
}

func (j *journal) flush(data []byte) error {
	n, err := j.file.Write(data)
	j.size += int64(n)
	if err != nil {
		return err
	}
	return j.file.Sync()
}

// tidy replaces the file when more than half of it is of no use any more.
func (j *journal) tidy(all snapshot) error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if j.size < minReplace || j.size < 2*j.whole || j.failure != nil {
		return nil
	}
	err := j.replace(all)
	if err != nil {
		j.whole = j.size // so that it is not tried again at once
	}
	return err
}

// replace puts a file of snapshots in place of the file. Facts that are appended while the snapshots are taken go behind
// them: a snapshot may have them too, which is harmless. The old file stays until the new one is safe. The caller holds
// syncing.
func (j *journal) replace(all snapshot) (err error) {
	file, err := os.CreateTemp(filepath.Dir(j.path), ".tmp-*") // statedir sweeps such files
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close() // the first error is the one to report
			_ = os.Remove(file.Name())
		}
		j.mu.Lock()
		j.copying, j.since = false, nil
		j.mu.Unlock()
	}()
	j.mu.Lock()
	j.copying = true
	j.mu.Unlock()
	w := bufio.NewWriterSize(file, 1<<20)
	size := int64(len(header) + 1)
	if _, err := w.WriteString(header + "\n"); err != nil {
		return err
	}
	var line []byte
	if err := all(func(f *fact) error {
		line = appendFact(line[:0], f)
		size += int64(len(line))
		_, err := w.Write(line)
		return err
	}); err != nil {
		return err
	}
	j.mu.Lock()
	since, upTo := j.since, j.appended
	j.buffered, j.broken, j.copying, j.since = nil, false, false, nil
	j.mu.Unlock()
	size += int64(len(since))
	if _, err := w.Write(since); err != nil {
		return j.lost(err)
	}
	if err := w.Flush(); err != nil {
		return j.lost(err)
	}
	if err := file.Sync(); err != nil {
		return j.lost(err)
	}
	if err := os.Rename(file.Name(), j.path); err != nil {
		return j.lost(err)
	}
	_ = j.file.Close() // it is no more
	j.file, j.size, j.whole = file, size, size
	j.mu.Lock()
	j.synced = max(j.synced, upTo)
	j.mu.Unlock()
	return durable.SyncDir(filepath.Dir(j.path))
}

// isUsed reports whether the file has facts, or should have some.
func (j *journal) isUsed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.appended > 0 || j.size > int64(len(header)+1)
}

// clear forgets all facts.
func (j *journal) clear() error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	err := j.replace(func(func(*fact) error) error { return nil })
	j.failure, j.failed = err, time.Now()
	if err == nil {
		j.mu.Lock()
		j.appended, j.synced = 0, 0
		j.mu.Unlock()
	}
	return err
}

// lost notes that facts were taken off the buffer that may be in no file.
func (j *journal) lost(err error) error {
	j.mu.Lock()
	j.broken, j.buffered = true, nil
	j.mu.Unlock()
	return err
}

// close commits, whatever failed before, and closes the file.
func (j *journal) close(all snapshot) error {
	j.mu.Lock()
	due := j.appended
	j.mu.Unlock()
	j.syncing.Lock()
	defer j.syncing.Unlock()
	return errors.Join(j.write(due, all), j.release())
}
