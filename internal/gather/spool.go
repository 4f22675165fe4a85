package gather

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/trailcast/trailcast/formats/session"
	"github.com/trailcast/trailcast/pipeline"
)

// spool keeps the logs of sessions on disk, in whatever order they come: they are far larger than what a report says of
// them. It is safe for concurrent use.
type spool struct {
	ctx      context.Context // ends the reading of texts
	file     *os.File
	redactor *redactor // of what is read; nil: nothing is redacted

	mu     sync.Mutex
	size   int64
	pieces map[string][]piece  // by session
	seen   map[uint64]struct{} // hashes of the records' keys
	err    error               // of the first write that failed
}

// piece is a log record in the file.
type piece struct {
	part         bool // of a transcript, else streamed
	seq          int  // of a part
	time         time.Time
	seed         string // CloudWatch's id of the log event; ids of one stream are in order
	object       string
	index        int64
	lines        int64
	offset, size int64
}

func newSpool(ctx context.Context, r *redactor) (*spool, error) {
	f, err := os.CreateTemp("", "trailcast-sessions-") // readable by its owner only
	if err != nil {
		return nil, fmt.Errorf("make a file for session logs: %w", err)
	}
	_ = os.Remove(f.Name()) // nothing is left of it even after a crash; where an open file can not be removed, close does it
	return &spool{ctx: ctx, file: f, redactor: r, pieces: map[string][]piece{}, seen: map[uint64]struct{}{}}, nil
}

func (s *spool) close() error {
	err := s.file.Close()
	_ = os.Remove(s.file.Name()) // it is gone already, mostly
	return err
}

// add keeps a log record; a repeated one is left out.
func (s *spool) add(ev *pipeline.Event, log *session.Log) error {
	r := ev.Record
	key := xxhash.Sum64String(r.Key())
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, again := s.seen[key]; again || s.err != nil {
		return s.err
	}
	p := piece{
		part: log.Shape == session.Part, seq: log.Seq, time: r.Facts().Time, seed: r.Seed, index: r.Index,
		lines: log.Count().Lines, offset: s.size, size: int64(len(ev.Raw)),
	}
	if r.Origin != nil {
		p.object = r.Origin.Object
	}
	if _, err := s.file.WriteAt(ev.Raw, s.size); err != nil {
		s.err = fmt.Errorf("keep session logs: %w (TMPDIR names another directory)", err)
		return s.err
	}
	s.size += p.size
	s.seen[key] = struct{}{}
	s.pieces[log.SessionID] = append(s.pieces[log.SessionID], p)
	return nil
}

// text returns a session's log, nil where there is none, and how many texts of it there are that differ: the streamed
// records in their order, or a transcript, whichever is longest. A session may have both, and of transcripts several, since
// whoever may write an object may give it the name of a session.
func (s *spool) text(id string) (longest *text, others int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var streamed []piece
	transcripts := map[string][]piece{} // by object
	for _, p := range s.pieces[id] {
		if p.part {
			transcripts[p.object] = append(transcripts[p.object], p)
		} else {
			streamed = append(streamed, p)
		}
	}
	slices.SortFunc(streamed, func(a, b piece) int {
		return cmp.Or(a.time.Compare(b.time), cmp.Compare(a.seed, b.seed), cmp.Compare(a.object, b.object), cmp.Compare(a.index, b.index))
	})
	best := streamed
	sizes := map[int64]bool{}
	for _, object := range slices.Sorted(maps.Keys(transcripts)) {
		parts := transcripts[object]
		slices.SortStableFunc(parts, func(a, b piece) int { return cmp.Compare(a.seq, b.seq) })
		parts = slices.CompactFunc(parts, func(a, b piece) bool { return a.seq == b.seq })
		sizes[length(parts)] = true
		if length(parts) > length(best) {
			best = parts
		}
	}
	if len(best) == 0 {
		return nil, 0
	}
	return &text{s, best}, max(len(sizes)-1, 0)
}

func length(pieces []piece) (n int64) {
	for _, p := range pieces {
		n += p.lines
	}
	return n
}

// text is a session's log in the file. It is a report.Transcript.
type text struct {
	spool  *spool
	pieces []piece
}

// Open implements report.Transcript.
func (t *text) Open() (io.ReadCloser, error) {
	return io.NopCloser(&textReader{spool: t.spool, pieces: t.pieces}), nil
}

// textReader reads the records' text, one record in memory at a time.
type textReader struct {
	spool  *spool
	pieces []piece
	read   int // pieces
	now    []byte
}

func (r *textReader) Read(p []byte) (int, error) {
	for len(r.now) == 0 {
		if err := r.spool.ctx.Err(); err != nil {
			return 0, err
		}
		if r.read == len(r.pieces) {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.now)
	r.now = r.now[n:]
	return n, nil
}

func (r *textReader) next() error {
	next := r.pieces[r.read]
	raw := make([]byte, next.size)
	if _, err := r.spool.file.ReadAt(raw, next.offset); err != nil {
		return fmt.Errorf("read a session log again: %w", err)
	}
	raw, err := r.spool.redactor.log(raw, int64(r.read))
	if err != nil {
		return err
	}
	r.read++
	log, err := session.Parse(raw)
	if err != nil {
		return err
	}
	for s := range log.Text() {
		r.now = append(r.now, s...)
	}
	return nil
}
