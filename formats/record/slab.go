package record

import (
	"sync"
	"unsafe"

	"github.com/trailcast/trailcast/pipeline"
)

// Slab is a Reader for the records of one object: it makes their facts and keys in blocks, which live as long as the last
// of those records. The zero value is ready, and serves any number of goroutines.
type Slab struct {
	mu    sync.Mutex
	facts []pipeline.Facts // free ones
	next  int              // how many to make next time
	text  []byte           // keys; only what is behind its length is written to
}

var _ pipeline.Reader = (*Slab)(nil)

const (
	slabFacts = 32
	slabText  = 4 << 10
)

// Facts is Reader.Facts.
func (s *Slab) Facts(r *pipeline.Record) *pipeline.Facts {
	facts := s.newFacts()
	fillIn(facts, r)
	return facts
}

func (s *Slab) newFacts() *pipeline.Facts {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.facts) == 0 {
		s.next = min(max(2*s.next, 1), slabFacts) // many objects hold one record only
		s.facts = make([]pipeline.Facts, s.next)
	}
	facts := &s.facts[0]
	s.facts = s.facts[1:]
	return facts
}

// Key is Reader.Key.
func (s *Slab) Key(r *pipeline.Record) string {
	var stack [maxKey]byte
	return s.keep(appendKey(stack[:0], r))
}

func (s *Slab) keep(text []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cap(s.text)-len(s.text) < len(text) {
		s.text = make([]byte, 0, min(max(2*cap(s.text), len(text)), slabText))
	}
	n := len(s.text)
	s.text = append(s.text, text...)
	return unsafe.String(unsafe.SliceData(s.text[n:]), len(text))
}
