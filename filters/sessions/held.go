package sessions

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"sync"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/pipeline"
)

// held are log records that wait for the start of their session. The frames in which they came have settled, so they are
// safe in a journal of their own, until the frames in which they go on have settled too. It is safe for concurrent use.
//
// A session's records go on in the order in which they came.
type held struct {
	hold    int64 // milliseconds
	max     int64 // bytes
	since   int64 // when this process began: a start that came while it was away may still arrive
	wake    func()
	journal *journal // nil while records can not be kept

	mu       sync.Mutex // guards what follows
	records  map[string]*heldRecord
	sessions map[string]*heldSession
	size     int64
}

// heldSession are the records of a session, oldest first.
type heldSession struct {
	records []*heldRecord
	known   bool // its start is known
}

// heldRecord is a log record as it came to the filter, with all that its key and its facts are made of.
type heldRecord struct {
	Key    string           `json:"key"` // of the record
	Raw    []byte           `json:"raw,omitempty"`
	Own    int              `json:"own,omitempty"`    // bytes of the record, which Raw begins with but for the closing brace
	Record []byte           `json:"record,omitempty"` // the record where Raw does not
	Facts  *pipeline.Facts  `json:"facts,omitempty"`  // where an earlier filter changed them
	Origin *pipeline.Origin `json:"origin,omitempty"`
	Index  int64            `json:"index,omitempty"`
	Offset int64            `json:"offset,omitempty"`
	Seed   string           `json:"seed,omitempty"`

	session string
	heard   int64
	safe    bool // it is in the file
	refused bool // it could not be written, and is not held
}

func newHeld(hold, max, since int64, wake func()) *held {
	return &held{
		hold: hold, max: max, since: since, wake: wake, records: map[string]*heldRecord{}, sessions: map[string]*heldSession{},
	}
}

// canHold reports whether an event is one that can be held: of a frame, and not one of several that an earlier filter made
// of a record, whose keys a record alone does not give.
func (h *held) canHold(ev *pipeline.Event) bool {
	return h != nil && h.journal != nil && ev.FrameID() != 0 && ev.Key() == ev.Record.Key()
}

// add holds a log record and returns when it is safe. False says that it must pass: there is no room for it, or it could
// not be written.
func (h *held) add(f *fact, ev *pipeline.Event) bool {
	h.mu.Lock()
	r := h.records[f.key]
	if r == nil {
		r = newHeldRecord(f, ev)
		if h.size+r.size() > h.max {
			h.mu.Unlock()
			return false
		}
		h.insert(r)
		h.journal.append(&fact{Session: r.session, Kind: waits, Heard: r.heard, Held: r})
	}
	h.mu.Unlock()
	err := h.journal.commit(h.snapshot)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		r.safe = true
	}
	if !r.safe && !r.refused {
		r.refused = true // also by a repeat of it that is in add
		h.remove(r)
		h.journal.append(&fact{Session: r.session, Kind: passed, Held: &heldRecord{Key: r.Key}})
	}
	return !r.refused
}

// newHeldRecord copies an event: its bytes may be part of a large buffer.
func newHeldRecord(f *fact, ev *pipeline.Event) *heldRecord {
	whole := ev.Record
	r := &heldRecord{
		Key: f.key, Raw: bytes.Clone(ev.Raw), Index: whole.Index, Offset: whole.Offset, Seed: whole.Seed, Origin: whole.Origin,
		session: string([]byte(f.Session)), heard: f.Heard,
	}
	if ev.Intact() {
		r.Own = len(whole.Raw)
	} else {
		r.Record = bytes.Clone(whole.Raw)
	}
	if facts := ev.Facts(); *facts != *whole.Facts() {
		r.Facts = cloned(facts)
	}
	return r
}

// cloned copies facts whose strings alias a record.
func cloned(f *pipeline.Facts) *pipeline.Facts {
	var copied pipeline.Facts
	_ = json.Unmarshal(encode(f), &copied) // what was encoded can be read
	return &copied
}

// event makes the event anew.
func (r *heldRecord) event() pipeline.Event {
	raw, n := r.Record, new(record.Notes)
	if raw == nil {
		raw = append(r.Raw[:r.Own-1:r.Own-1], '}')
	}
	record.Recognise(raw, n)
	ev := pipeline.NewEvent(&pipeline.Record{
		Raw: raw, Kind: pipeline.KindSessionLog, Origin: r.Origin, Index: r.Index, Offset: r.Offset, Seed: r.Seed,
		Reader: record.Reader{}, Notes: n,
	})
	switch {
	case bytes.Equal(raw, r.Raw):
	case r.Own > 0:
		ev = ev.WithMember(r.Raw)
	default:
		ev = ev.WithRaw(r.Raw)
	}
	if r.Facts != nil {
		ev = ev.WithFacts(r.Facts)
	}
	return ev
}

// whole reports whether all is there that event needs.
func (r *heldRecord) whole() bool {
	return r.Key != "" && len(r.Raw) > 0 && (len(r.Record) > 0 || r.Own > 0 && r.Own <= len(r.Raw))
}

// What a record takes beside its texts.
const heldSize = 512

func (r *heldRecord) size() int64 { return int64(heldSize + len(r.Key) + len(r.Raw) + len(r.Record)) }

// insert and remove are for the holder of mu.
func (h *held) insert(r *heldRecord) {
	s := h.sessions[r.session]
	if s == nil {
		s = &heldSession{}
		h.sessions[r.session] = s
	}
	s.records = append(s.records, r)
	h.records[r.Key] = r
	h.size += r.size()
	if len(s.records) == 1 {
		h.wake()
	}
}

func (h *held) remove(r *heldRecord) {
	s := h.sessions[r.session]
	i := slices.Index(s.records, r)
	s.records = slices.Delete(s.records, i, i+1)
	if len(s.records) == 0 {
		delete(h.sessions, r.session)
	}
	delete(h.records, r.Key)
	h.size -= r.size()
}

// begun says that the start of a session is known.
func (h *held) begun(session string) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sessions[session]; s != nil && !s.known {
		s.known = true
		h.wake()
	}
}

const heldInOneFrame = 1 << 20 // bytes of records that go on together

// ready returns records that need wait no longer, and when the next one need not. They are held until passed says that they
// are not.
func (h *held) ready(now int64) (ready []*heldRecord, next int64) {
	next = never
	if h == nil {
		return nil, next
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	size := int64(0)
	for _, s := range h.sessions {
		for _, r := range s.records {
			at := h.until(s, r)
			if at > now || len(ready) == inOneFrame || size >= heldInOneFrame {
				next = min(next, at)
				break
			}
			ready, size = append(ready, r), size+r.size()
		}
	}
	return ready, next
}

func (h *held) until(s *heldSession, r *heldRecord) int64 {
	if s.known {
		return math.MinInt64
	}
	return max(r.heard, h.since) + h.hold
}

// passed forgets records that were delivered.
func (h *held) passed(records []*heldRecord) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range records {
		if h.records[r.Key] == r {
			h.remove(r)
			h.journal.append(&fact{Session: r.session, Kind: passed, Held: &heldRecord{Key: r.Key}})
		}
	}
}

// restore takes a fact of the journal.
func (h *held) restore(f *fact) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := f.Held
	if r == nil {
		return
	}
	had := h.records[r.Key]
	switch {
	case f.Kind == passed && had != nil:
		h.remove(had)
	case f.Kind == waits && had == nil && r.whole():
		r.session, r.heard, r.safe = f.Session, f.Heard, true
		h.insert(r)
	}
}

// waiting returns the sessions of which records are held.
func (h *held) waiting() (sessions []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range h.sessions {
		sessions = append(sessions, id)
	}
	return sessions
}

// snapshot yields all records, those of a session in their order.
func (h *held) snapshot(yield func(*fact) error) error {
	h.mu.Lock()
	var all []*fact
	for _, s := range h.sessions {
		for _, r := range s.records {
			all = append(all, &fact{Session: r.session, Kind: waits, Heard: r.heard, Held: r})
		}
	}
	h.mu.Unlock()
	for _, f := range all {
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}

func (h *held) commit() error {
	if h == nil || h.journal == nil {
		return nil
	}
	return h.journal.commit(h.snapshot)
}

func (h *held) tidy() error {
	if h == nil || h.journal == nil {
		return nil
	}
	return h.journal.tidy(h.snapshot)
}

func (h *held) close() error {
	if h == nil || h.journal == nil {
		return nil
	}
	return h.journal.close(h.snapshot)
}
