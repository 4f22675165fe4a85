package lookupin

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
)

// maxSeen is how many events are remembered: more than LookupEvents gives at its highest rate in half an hour.
const maxSeen = 1 << 18

// mark stands for an event: a hash of its id and its text, since one id is known to come with different contents, and the
// second until which it may be given again: Unix time.
type mark struct {
	hash   uint64
	second uint32
}

func markOf(id, text string, at time.Time) mark {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(id)
	_, _ = d.Write([]byte{0})
	_, _ = d.WriteString(text)
	return mark{d.Sum64(), uint32(min(max(at.Unix(), 0), 1<<32-1))}
}

// seen has the events that were delivered and will be given again. It is safe for concurrent use.
type seen struct {
	limit int

	mu     sync.Mutex
	done   marks
	flying map[uint64]bool // fed, and not settled
	full   bool            // events were not remembered
}

func newSeen(limit int) *seen {
	return &seen{limit: limit, done: marks{}, flying: map[uint64]bool{}}
}

// take reports whether the event is new; it is then in flight until settle.
func (s *seen) take(m mark) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.done[m.hash]; ok || s.flying[m.hash] {
		return false
	}
	s.flying[m.hash] = true
	return true
}

// settle ends the flight of events. Those that were not delivered are new when they come again; so are those for which
// there is no room.
func (s *seen) settle(events []mark, delivered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range events {
		delete(s.flying, m.hash)
		switch {
		case !delivered:
		case len(s.done) >= s.limit:
			s.full = true
		default:
			s.done[m.hash] = m.second
		}
	}
}

// forget forgets the events that were before a time.
func (s *seen) forget(before time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.done, func(_ uint64, second uint32) bool { return int64(second) < before.Unix() })
}

// overflowed reports whether events were not remembered since it was asked last.
func (s *seen) overflowed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	full := s.full
	s.full = false
	return full
}

// marks has the seconds of events by their hashes.
type marks map[uint64]uint32

const markSize = 12 // bytes: the hash and the second, the low byte first

// MarshalText writes the marks in base64, in no order.
func (m marks) MarshalText() ([]byte, error) {
	raw := make([]byte, 0, len(m)*markSize)
	for hash, second := range m {
		raw = binary.LittleEndian.AppendUint64(raw, hash)
		raw = binary.LittleEndian.AppendUint32(raw, second)
	}
	return base64.StdEncoding.AppendEncode(nil, raw), nil
}

// UnmarshalText reads what MarshalText writes.
func (m *marks) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("the events that were seen: %w", err)
	}
	if len(raw)%markSize != 0 || len(raw)/markSize > maxSeen {
		return fmt.Errorf("the events that were seen: %d bytes are not a number of them", len(raw))
	}
	*m = make(marks, len(raw)/markSize)
	for ; len(raw) > 0; raw = raw[markSize:] {
		(*m)[binary.LittleEndian.Uint64(raw)] = binary.LittleEndian.Uint32(raw[8:])
	}
	return nil
}
