package fluentbit

import (
	"container/list"
	"hash/maphash"
	"sync"

	"github.com/trailcast/trailcast/pipeline"
)

// ledger remembers chunks that were answered with retry and not handed in again yet. What they hold was handed over to
// the pipeline, which goes on with it; so a retried chunk only waits for the rest, and what completed in the meantime is
// not sent again. When it is full it forgets the oldest chunks that have settled: those are sent again when they are
// retried, and keep their keys.
type ledger struct {
	seeds [2]maphash.Seed // nobody can make up a chunk that is taken for another
	limit int

	mu     sync.Mutex
	chunks map[chunkID][]*list.Element // of *remembered; equal chunks are counted
	order  *list.List                  // oldest first
}

type chunkID [2]uint64

type remembered struct {
	id       chunkID
	delivery *pipeline.Delivery
}

// maxRemembered is enough for what Fluent Bit retries at a time; an entry of a settled chunk takes about 200 bytes.
const maxRemembered = 4096

func newLedger() *ledger {
	return &ledger{
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, limit: maxRemembered,
		chunks: map[chunkID][]*list.Element{}, order: list.New(),
	}
}

// idOf identifies a chunk by tag and content.
func (l *ledger) idOf(tag string, chunk []byte) (id chunkID) {
	for i := range id {
		var h maphash.Hash
		h.SetSeed(l.seeds[i])
		_, _ = h.WriteString(tag) // never fails
		_ = h.WriteByte(0)
		_, _ = h.Write(chunk)
		id[i] = h.Sum64()
	}
	return id
}

// take returns the delivery of a chunk that was answered with retry, nil where there is none, and forgets it.
func (l *ledger) take(tag string, chunk []byte) *pipeline.Delivery {
	l.mu.Lock()
	empty := len(l.chunks) == 0
	l.mu.Unlock()
	if empty {
		return nil
	}
	id := l.idOf(tag, chunk)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.chunks[id]) == 0 {
		return nil
	}
	e := l.chunks[id][0]
	l.remove(e)
	return e.Value.(*remembered).delivery
}

// put remembers a delivery whose chunk is answered with retry now.
func (l *ledger) put(tag string, chunk []byte, d *pipeline.Delivery) {
	id := l.idOf(tag, chunk)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chunks[id] = append(l.chunks[id], l.order.PushBack(&remembered{id, d}))
	if l.order.Len() > l.limit {
		l.remove(l.order.Front())
	}
}

func (l *ledger) remove(e *list.Element) {
	id := l.order.Remove(e).(*remembered).id
	same := l.chunks[id]
	for i := range same {
		if same[i] == e {
			same = append(same[:i:i], same[i+1:]...)
			break
		}
	}
	if len(same) == 0 {
		delete(l.chunks, id)
	} else {
		l.chunks[id] = same
	}
}

func (l *ledger) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.order.Len()
}
