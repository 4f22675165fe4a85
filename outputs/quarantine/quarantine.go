// Package quarantine keeps on disk what can not be delivered: broken pieces of input and rejected events, with their
// origin and the reason.
//
// Entries are lines of JSON in segment files (mode 0600, in a directory of mode 0700). An entry is never deleted to make
// room: a full quarantine refuses new ones, and what they hold stays undelivered until there is room. Reading takes no
// lock, so that another process may list and show entries while the agent writes; Remove writes its ids to a file of
// its own, under a lock.
package quarantine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gofrs/flock"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/durable"
	"github.com/trailcast/trailcast/pipeline"
)

// Config is what users write under `quarantine`.
type Config struct {
	Path    string    `conf:"path" doc:"Directory of the entries. Default: quarantine in state_dir." example:"/var/lib/trailcast/quarantine"`
	MaxSize conf.Size `conf:"max_size" default:"1GiB" doc:"Largest size of all entries. When it is reached nothing is dropped: what would have to be kept holds back its input."`
}

// Validate returns the mistakes in c.
func (c *Config) Validate() error {
	if c.MaxSize < 0 {
		return conf.FieldErrorf("max_size", "%d is negative", c.MaxSize)
	}
	return nil
}

const (
	defaultMaxSize = 1 << 30
	segmentBytes   = 16 << 20
	segmentSuffix  = ".ndjson"
	removedName    = "removed" // ids, one a line
	lockName       = "lock"
	version        = 1
)

// Entry is one entry as it is stored.
type Entry struct {
	Version   int       `json:"v"`
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`
	Component string    `json:"component"`
	Reason    string    `json:"reason"`
	Input     string    `json:"input,omitempty"`
	Object    string    `json:"object,omitempty"`
	Identity  string    `json:"identity,omitempty"`
	Via       []string  `json:"via,omitempty"`
	Owner     string    `json:"owner,omitempty"`
	Region    string    `json:"region,omitempty"`
	Tag       string    `json:"tag,omitempty"`
	Arrived   time.Time `json:"arrived,omitzero"` // the transport's time
	Index     int64     `json:"index"`
	Offset    int64     `json:"offset"`
	Size      int64     `json:"size"` // of the raw bytes; larger than what is kept where those were cut
	Key       string    `json:"key,omitempty"`
	Kind      string    `json:"kind,omitempty"`       // of the record
	Seed      string    `json:"seed,omitempty"`       // the transport's identity of the record
	Raw       string    `json:"raw,omitempty"`        // the bytes, where they are UTF-8
	RawBase64 string    `json:"raw_base64,omitempty"` // the bytes otherwise
}

// Bytes are the raw bytes of an entry.
func (e *Entry) Bytes() []byte {
	if e.RawBase64 == "" {
		return []byte(e.Raw)
	}
	b, err := base64.StdEncoding.DecodeString(e.RawBase64)
	if err != nil {
		return []byte(e.RawBase64)
	}
	return b
}

// Cut reports whether the raw bytes were too many to be kept whole.
func (e *Entry) Cut() bool { return int64(len(e.Bytes())) < e.Size }

// Origin is where the entry's record came from.
func (e *Entry) Origin() *pipeline.Origin {
	return &pipeline.Origin{Input: e.Input, Object: e.Object, Identity: e.Identity, Via: e.Via, Owner: e.Owner, Region: e.Region, Tag: e.Tag, Time: e.Arrived}
}

// Store is a quarantine that takes entries. One process at a time opens it.
type Store struct {
	dir     string
	maxSize int64
	lock    *flock.Flock

	mu      sync.Mutex
	file    *os.File
	written int64 // bytes in the current segment
	total   int64
	nextID  int64
	closed  bool
	synced  *group
}

// group is a number of Puts that share one fsync.
type group struct {
	done chan struct{}
	err  error
}

// Open opens the quarantine for writing and cuts off what a crash left unfinished.
func Open(cfg Config) (*Store, error) {
	s := &Store{dir: cfg.Path, maxSize: cmp.Or(int64(cfg.MaxSize), defaultMaxSize)}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	s.lock = flock.New(filepath.Join(s.dir, lockName), flock.SetPermissions(0o600))
	if ok, err := s.lock.TryLock(); err != nil || !ok {
		return nil, fmt.Errorf("the quarantine in %s is in use by another process: %w", s.dir, cmp.Or(err, errors.New("it is locked")))
	}
	if err := s.resume(); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	return s, nil
}

// resume finds the last id and the size, and cuts the last segment behind its last whole line.
func (s *Store) resume() error {
	names, err := segments(s.dir)
	if err != nil {
		return err
	}
	for i, name := range names {
		path := filepath.Join(s.dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		whole := int64(bytes.LastIndexByte(data, '\n') + 1)
		if i == len(names)-1 && whole < int64(len(data)) {
			if err := os.Truncate(path, whole); err != nil {
				return fmt.Errorf("cut off an unfinished entry: %w", err)
			}
		}
		s.total += whole
		for line := range bytes.Lines(data[:whole]) {
			var e struct{ ID string }
			if json.Unmarshal(line, &e) == nil {
				if n, err := strconv.ParseInt(e.ID, 36, 64); err == nil {
					s.nextID = max(s.nextID, n)
				}
			}
		}
	}
	return nil
}

func segments(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), segmentSuffix) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, err
}

// ErrFull is a quarantine that has reached max_size.
var ErrFull = errors.New("the quarantine is full: replay or remove entries (trailcast quarantine), or raise max_size")

// Put implements pipeline.Quarantine: it returns when all entries are on disk. Puts that come at the same time may share
// an fsync.
func (s *Store) Put(ctx context.Context, entries ...pipeline.QuarantineEntry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g, err := s.appendAll(entries)
	if err != nil || g == nil {
		return err
	}
	return s.sync(g)
}

// appendAll writes the entries in one go, so that they belong to one group.
func (s *Store) appendAll(entries []pipeline.QuarantineEntry) (g *group, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range entries {
		e := entryOf(entries[i])
		if g, err = s.append(&e); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func entryOf(q pipeline.QuarantineEntry) Entry {
	e := Entry{
		Version: version, Time: q.Time, Component: q.Component, Reason: q.Reason, Index: q.Index, Offset: q.Offset,
		Size: max(q.Size, int64(len(q.Raw))), Key: q.Key, Kind: string(q.Kind), Seed: q.Seed,
	}
	if o := q.Origin; o != nil {
		e.Input, e.Object, e.Identity, e.Via = o.Input, o.Object, o.Identity, o.Via
		e.Owner, e.Region, e.Tag, e.Arrived = o.Owner, o.Region, o.Tag, o.Time
	}
	if utf8.Valid(q.Raw) {
		e.Raw = string(q.Raw)
	} else {
		e.RawBase64 = base64.StdEncoding.EncodeToString(q.Raw)
	}
	return e
}

// append writes a line and joins the group that is synced next. The caller holds mu.
func (s *Store) append(e *Entry) (*group, error) {
	if s.closed {
		return nil, errors.New("the quarantine is closed")
	}
	s.nextID++
	e.ID = strconv.FormatInt(s.nextID, 36)
	line, err := marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode a quarantine entry: %w", err)
	}
	if s.total+int64(len(line)) > s.maxSize {
		return nil, ErrFull
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	if _, err := s.file.Write(line); err != nil {
		// Whole lines before it are safe; the part of this one is cut off.
		if cut := s.file.Truncate(s.written); cut != nil {
			err = errors.Join(err, cut)
			s.abandonSegment()
		}
		return nil, fmt.Errorf("write a quarantine entry: %w", err)
	}
	s.written += int64(len(line))
	s.total += int64(len(line))
	if s.synced == nil {
		s.synced = &group{done: make(chan struct{})}
	}
	return s.synced, nil
}

func marshal(e *Entry) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(e)
	return b.Bytes(), err
}

// open makes sure that there is a segment with room. The caller holds mu.
func (s *Store) open() error {
	if s.file != nil && s.written < segmentBytes {
		return nil
	}
	if s.file != nil {
		if err := s.file.Sync(); err != nil {
			return err
		}
		s.abandonSegment()
	}
	path := filepath.Join(s.dir, fmt.Sprintf("%012d%s", s.nextID, segmentSuffix))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open a quarantine segment: %w", err)
	}
	if err := durable.SyncDir(s.dir); err != nil {
		return errors.Join(err, f.Close())
	}
	s.file, s.written = f, 0
	return nil
}

func (s *Store) abandonSegment() {
	_ = s.file.Close() // what matters of it is synced
	s.file = nil
}

// sync waits until the group is on disk. The first of its members that gets the lock syncs for all that wrote before.
func (s *Store) sync(g *group) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-g.done:
		return g.err
	default:
	}
	if s.file != nil {
		g.err = s.file.Sync()
	}
	s.synced = nil
	close(g.done)
	return g.err
}

// Size is how many bytes the entries take on disk.
func (s *Store) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Close gives the quarantine free.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var err error
	if s.file != nil {
		err = errors.Join(s.file.Sync(), s.file.Close())
		s.file = nil
	}
	return errors.Join(err, s.lock.Close())
}
