package redact

import (
	"bytes"
	"container/list"
	"hash/maphash"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// memory keeps the tails of sessions. It is safe for concurrent use.
//
// A record's tail is kept together with its place in the session, so that a record that comes again is read after the
// same text as the first time, and one that comes late takes its own place. When a frame has settled for good its records
// do not come again: of them only the last one of each session stays.
type memory struct {
	seed maphash.Seed
	max  int64

	mu       sync.Mutex // guards what follows
	size     int64
	arrivals int64
	sessions map[string]*list.Element // of *remembered
	recent   list.List                // the one that was heard of last is at the front
	frames   map[uint64]map[string]bool
}

// remembered is what is kept of one session, by place.
type remembered struct {
	session string
	records []taken
}

type taken struct {
	id    uint64
	place place
	frame uint64 // 0: its frame has settled for good
	tail  tail
}

// placeOf returns the session of a record and its place there. Where one session is logged twice, to a log stream and to an
// object, these are two texts.
func placeOf(raw []byte, ev *pipeline.Event, part bool) (session string, p place) {
	p = place{origin: ev.Record.Origin, part: part, index: ev.Record.Index}
	if part {
		seq, _ := rawjson.Get(raw, "seq")
		p.number, _ = strconv.ParseInt(string(bytes.TrimSpace(seq)), 10, 64)
	} else if at, err := time.Parse(time.RFC3339, rawjson.Str(raw, "eventTime")); err == nil {
		p.number = at.Unix()
	}
	session = rawjson.Str(raw, "sessionId")
	if p.origin != nil {
		session += "\x00" + p.origin.Object
	}
	return session, p
}

// place orders the records of a session: those that are parts of a transcript by their number, others by the time of
// their upload, which is in seconds, within an object by their order there, else as they came.
type place struct {
	origin  *pipeline.Origin
	part    bool
	number  int64 // the part's, or seconds since 1970
	index   int64
	arrival int64
}

func (p place) before(q place) bool {
	switch {
	case p.number != q.number:
		return p.number < q.number
	case p.origin != nil && p.origin == q.origin && p.index != q.index:
		return p.index < q.index
	}
	return p.arrival < q.arrival
}

const (
	takenSize  = 160 // bytes of a record beside its text, and
	heldSize   = 320 // of a session, with their places in slices, maps and lists
	maxRecords = 1024
)

func newMemory(max int64) *memory {
	return &memory{seed: maphash.MakeSeed(), max: max, sessions: map[string]*list.Element{}, frames: map[uint64]map[string]bool{}}
}

func (m *memory) hash(key string) uint64 { return maphash.String(m.seed, key) }

// before returns the tail that a record is read after: that of the record before it, if it is known; and the record's
// place.
func (m *memory) before(session string, id uint64, p place) (tail, place) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.arrivals++
	p.arrival = m.arrivals
	e, ok := m.sessions[session]
	if !ok {
		return tail{}, p
	}
	records := e.Value.(*remembered).records
	for i := range records {
		if records[i].id == id {
			p = records[i].place
		}
	}
	for i := len(records) - 1; i >= 0; i-- {
		if q := &records[i]; q.id != id && q.place.before(p) {
			if p.part && q.place.number != p.number-1 {
				return tail{}, p // the part between them is not known
			}
			return q.tail, p
		}
	}
	return tail{}, p
}

// keep remembers the tail of a record. One that belongs to no frame is remembered only if it is not yet.
func (m *memory) keep(session string, t taken) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.sessions[session]
	if !ok {
		e = m.recent.PushFront(&remembered{session: session})
		m.sessions[session] = e
		m.size += heldSize + int64(len(session))
	}
	m.recent.MoveToFront(e)
	r := e.Value.(*remembered)
	if t.frame == 0 && slices.ContainsFunc(r.records, func(q taken) bool { return q.id == t.id }) {
		return
	}
	r.insert(m, t)
	if t.frame != 0 {
		if m.frames[t.frame] == nil {
			m.frames[t.frame] = map[string]bool{}
		}
		m.frames[t.frame][session] = true
	}
	for m.size > m.max && m.recent.Len() > 1 {
		m.forget(m.recent.Back())
	}
}

// insert puts a record in its place, or in that of its first coming.
func (r *remembered) insert(m *memory, t taken) {
	r.drop(m, func(q *taken) bool { return q.id == t.id })
	if len(r.records) == maxRecords {
		oldest := r.records[0].id
		r.drop(m, func(q *taken) bool { return q.id == oldest })
	}
	at := len(r.records)
	for at > 0 && t.place.before(r.records[at-1].place) {
		at--
	}
	r.records = append(r.records, taken{})
	copy(r.records[at+1:], r.records[at:])
	r.records[at] = t
	m.size += takenSize + int64(len(t.tail.text))
}

func (r *remembered) drop(m *memory, gone func(*taken) bool) {
	kept := r.records[:0]
	for _, t := range r.records {
		if gone(&t) {
			m.size -= takenSize + int64(len(t.tail.text))
		} else {
			kept = append(kept, t)
		}
	}
	clear(r.records[len(kept):])
	r.records = kept
}

// forget drops a session. The caller holds mu.
func (m *memory) forget(e *list.Element) {
	r := e.Value.(*remembered)
	r.drop(m, func(*taken) bool { return true })
	m.size -= heldSize + int64(len(r.session))
	m.recent.Remove(e)
	delete(m.sessions, r.session)
}

// settled ends a frame. Of one that is to be read again everything stays. What ended in quarantine has been said in the
// session all the same.
func (m *memory) settled(frame uint64, outcome pipeline.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	touched := m.frames[frame]
	delete(m.frames, frame)
	if outcome == pipeline.Retry {
		return
	}
	for session := range touched {
		if e, ok := m.sessions[session]; ok {
			e.Value.(*remembered).settle(m, frame)
		}
	}
}

// settle marks the records of a frame and drops those after which none can come again.
func (r *remembered) settle(m *memory, frame uint64) {
	for i := range r.records {
		if r.records[i].frame == frame {
			r.records[i].frame = 0
		}
	}
	done := map[uint64]bool{}
	for i := range len(r.records) - 1 {
		if r.records[i].frame == 0 && r.records[i+1].frame == 0 {
			done[r.records[i].id] = true
		}
	}
	if len(done) > 0 {
		r.drop(m, func(t *taken) bool { return done[t.id] })
	}
}
