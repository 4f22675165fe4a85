package sessions

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/trailcast/trailcast/formats/session"
)

// state is what is known of one session. Its strings do not alias records.
type state struct {
	ID     string `json:"-"`
	Common text   `json:"common,omitempty"`
	From   origin `json:"from"` // where Common comes from
	Tunnel bool   `json:"tunnel,omitempty"`

	Started      int64  `json:"started,omitempty"`
	Resumed      int64  `json:"resumed,omitempty"` // the last time
	Terminated   int64  `json:"terminated,omitempty"`
	TerminatedBy string `json:"terminated_by,omitempty"`
	LastLog      int64  `json:"last_log,omitempty"`   // the newest of the streamed log
	WrittenAt    int64  `json:"written_at,omitempty"` // when the first copy of the transcript was

	Last  int64 `json:"last,omitempty"`  // time of the newest event of it
	Heard int64 `json:"heard,omitempty"` // when something of it arrived last

	// A session may be streamed and be written as transcripts too: copies of one text, which are counted apart.
	Streamed session.Count `json:"streamed,omitzero"`
	InEvents session.Count `json:"in_events,omitzero"`
	InObject session.Count `json:"in_object,omitzero"`
	Logged   bool          `json:"logged,omitempty"`
	Written  bool          `json:"written,omitempty"` // there is a transcript, so the session has ended
	Pending  bool          `json:"pending,omitempty"` // a part of its log passed before its start was known

	Bucket   int64  `json:"bucket,omitempty"`    // the newest interval of activity
	BucketBy uint64 `json:"bucket_by,omitempty"` // the event that tells it

	Revision uint32 `json:"revision,omitempty"` // of the last closing that was about to be told
	Sum      uint64 `json:"sum,omitempty"`      // what it said
	Told     uint32 `json:"told,omitempty"`     // the last revision that was told for certain
	ToldAt   int64  `json:"told_at,omitempty"`  // when the first was
	Unlogged bool   `json:"unlogged,omitempty"`
	Evicted  bool   `json:"evicted,omitempty"`
}

// seen holds the hashes of the log events that were counted.
type seen map[uint64]struct{}

func (s seen) bytes() []byte { return s.without(nil) }

// without returns the hashes that others does not have.
func (s seen) without(others seen) []byte {
	b := make([]byte, 0, 8*max(len(s)-len(others), 0))
	for h := range s {
		if _, ok := others[h]; !ok {
			b = binary.LittleEndian.AppendUint64(b, h)
		}
	}
	return b
}

func (s *seen) add(b []byte) {
	for part := range slices.Chunk(b, 8) {
		if len(part) == 8 {
			s.insert(binary.LittleEndian.Uint64(part))
		}
	}
}

// insert reports whether h is new.
func (s *seen) insert(h uint64) bool {
	if _, ok := (*s)[h]; ok {
		return false
	}
	if *s == nil {
		*s = seen{}
	}
	(*s)[h] = struct{}{}
	return true
}

// merge adds a fact and reports whether it says anything new; that something was heard is nothing new.
func (s *state) merge(f *fact, counted *seen) bool {
	before := *s
	isNew := false
	switch f.Kind {
	case whole:
		if f.State == nil {
			return false
		}
		id := s.ID
		*s = *f.State
		s.ID = id
		counted.add(f.Seen)
		return true
	case revised, closed, unlogged, evicted, pending:
		s.mergeTold(f)
	default:
		isNew = s.mergeEvent(f, counted)
		before.Heard = s.Heard
	}
	return isNew || *s != before
}

// mergeEvent adds what an event tells, and reports whether it is one of a log that was not counted yet.
func (s *state) mergeEvent(f *fact, counted *seen) (isNew bool) {
	s.Heard = max(s.Heard, f.Heard)
	s.Last = max(s.Last, min(f.Time, f.Heard)) // a time in the future must not hold up the closing
	switch f.Kind {
	case started:
		if s.take(f) {
			s.Started, s.Tunnel = f.Time, f.Tunnel
		}
	case resumed:
		s.Resumed = max(s.Resumed, f.Time)
		s.take(f)
	case terminated:
		if s.Terminated == 0 || f.Time < s.Terminated || f.Time == s.Terminated && f.By < s.TerminatedBy {
			s.Terminated, s.TerminatedBy = f.Time, strings.Clone(f.By)
		}
		s.take(f)
	case streamed:
		s.LastLog = max(s.LastLog, f.Time)
		if f.Bucket > s.Bucket {
			s.Bucket, s.BucketBy = f.Bucket, f.Hash
		}
		return s.mergeLog(f, &s.Streamed, counted)
	case inEvents:
		s.Written, s.WrittenAt = true, earlier(s.WrittenAt, f.Time)
		return s.mergeLog(f, &s.InEvents, counted)
	case inObject:
		s.Written, s.WrittenAt = true, earlier(s.WrittenAt, f.Time)
		return s.mergeLog(f, &s.InObject, counted)
	}
	return false
}

func (s *state) mergeLog(f *fact, count *session.Count, counted *seen) (isNew bool) {
	if isNew = counted.insert(f.Hash); isNew {
		count.Add(session.Count{Lines: f.Lines, Bytes: f.Bytes})
	}
	s.Logged = true
	s.Pending = s.Pending || !s.known() && !f.Holds
	s.take(f)
	return isNew
}

func (s *state) mergeTold(f *fact) {
	switch f.Kind {
	case revised:
		if f.Revision > s.Revision {
			s.Revision, s.Sum = f.Revision, f.Sum
		}
	case closed:
		s.Told = max(s.Told, f.Revision)
		s.ToldAt = earlier(s.ToldAt, f.Heard)
	case unlogged:
		s.Unlogged = true
	case evicted:
		s.Evicted = true
	case pending:
		s.Pending = s.Pending || !s.known()
	}
}

// take makes the fact's common members the session's if it knows better, and reports whether it did.
func (s *state) take(f *fact) bool {
	from := origin{f.Rank, f.Time, f.Hash}
	if s.From.Rank != 0 && !from.before(s.From) {
		return false
	}
	if f.facts != nil {
		f.Common = text(encode(f.common()))
	}
	s.Common, s.From = f.Common, from
	return true
}

func (s *state) known() bool { return s.From.Rank >= byService }

// count is how much was logged: the longest of the copies of the text.
func (s *state) count() session.Count {
	longest := s.Streamed
	for _, c := range [...]session.Count{s.InEvents, s.InObject} {
		if c.Lines > longest.Lines || c.Lines == longest.Lines && c.Bytes > longest.Bytes {
			longest = c
		}
	}
	return longest
}

// end is when the session ended: when it was terminated, else when its transcript was written, else the last that was
// logged; 0 where nothing tells it.
func (s *state) end() int64 {
	return cmp.Or(s.Terminated, s.WrittenAt, s.LastLog)
}

// sum is a hash of all that the closing of the session says, but for the clock that led to it.
func (s *state) sum() uint64 {
	count := s.count()
	var stack [256]byte
	b := append(stack[:0], s.TerminatedBy...)
	for _, v := range [...]int64{
		s.Started, s.Resumed, s.Terminated, s.end(), count.Lines, count.Bytes, int64(s.From.Rank), s.From.Time, int64(s.From.Hash),
	} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	if s.Written {
		b = append(b, 1)
	}
	return xxhash.Sum64(b)
}

// earlier returns the earlier of two times of which either may be unknown.
func earlier(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
