package sessions

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
	"sync"
)

// store keeps what is known of sessions. It is safe for concurrent use.
//
// memory is the one of a single process, fleet the one that agents share.
type store interface {
	// merge adds what became known of a session and returns what is known of it now.
	merge(f *fact) state

	// look returns what is known of a session.
	look(session string) state

	// refresh brings what others that share the store know of sessions now. Without it a store may be behind them.
	refresh(sessions []string) error

	// due returns sessions of which something is to be done at a time, n at most, and when there is more to do. What they
	// wait for ends with a further merge.
	due(now int64, n int) (due []task, next int64)

	// woken receives when something is to be done earlier than due said, and after wake.
	woken() <-chan struct{}
	wake()

	// commit returns when all that was merged before the call is safe. An error says that it is not; it is kept in memory,
	// and a later call tries again.
	commit() error

	// tidy does what keeps the store small, at a time when nothing else is to do.
	tidy() error

	close() error
}

// task is what is to be done about a session.
type task struct {
	todo
	session state
}

// entry is a session of the store.
type entry struct {
	state
	seen    seen
	at      int64 // when it is to be looked at, at the latest
	pos     int   // in the queue
	leaving int64 // its size when it was evicted
}

// memory is the store of one process: all sessions in memory, and their facts in a journal, where there is one.
type memory struct {
	next    func(*state) todo
	max     int64
	journal *journal                    // nil: nothing is kept
	evicted func(forgotten, closed int) // is told of evictions
	learned func(*fact)                 // is told of what is new, by the holder of mu; may be nil
	full    func()                      // makes room, for the holder of mu
	waker   chan struct{}

	mu       sync.Mutex // guards what follows
	sessions map[string]*entry
	queue    queue
	size     int64 // bytes of all sessions, by estimate
	leaving  int64 // bytes of those that are forgotten as soon as their eviction was told
}

var _ store = (*memory)(nil)

func newMemory(max int64, next func(*state) todo, evicted func(forgotten, closed int)) *memory {
	m := &memory{next: next, max: max, evicted: evicted, waker: make(chan struct{}, 1), sessions: map[string]*entry{}}
	m.full = m.evict
	return m
}

func (m *memory) merge(f *fact) state {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.change(f)
	if m.size-m.leaving > m.max {
		m.full()
	}
	return s
}

// change merges, and writes down what is new. The caller holds mu.
func (m *memory) change(f *fact) state {
	s, changed := m.apply(f)
	if changed && m.journal != nil {
		m.journal.append(f)
	}
	if changed && m.learned != nil {
		m.learned(f)
	}
	return s
}

// keep gives the store a journal, from which it was restored.
func (m *memory) keep(j *journal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.journal = j
}

// restore merges a fact of the journal.
func (m *memory) restore(f *fact) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.apply(f)
}

// apply merges without writing down. The caller holds mu.
func (m *memory) apply(f *fact) (s state, changed bool) {
	e := m.sessions[f.Session]
	switch {
	case e == nil && f.Kind.isEvent():
		id := strings.Clone(f.Session) // of a record, whose buffer it would keep
		e = &entry{state: state{ID: id}, at: never}
		m.sessions[id] = e
		heap.Push(&m.queue, e)
	case e == nil: // nothing to forget, or to tell
		return state{ID: f.Session}, false
	case f.Kind == forgot && e.Heard > f.Heard: // it was heard of since
		return e.state, false
	case f.Kind == forgot:
		m.remove(e)
		return state{ID: f.Session}, true
	default:
		m.size -= e.size()
	}
	gone := e.Evicted
	changed = e.merge(f, &e.seen)
	m.size += e.size()
	if e.Evicted && !gone {
		e.leaving = e.size()
		m.leaving += e.leaving
	}
	m.schedule(e)
	return e.state, changed
}

// schedule puts forward when a session is looked at. Later it becomes by itself, when it is looked at: most sessions are
// heard of often and are due after their last event only.
func (m *memory) schedule(e *entry) {
	at := m.next(&e.state).at
	if at >= e.at {
		return
	}
	e.at = at
	heap.Fix(&m.queue, e.pos)
	if e.pos == 0 {
		m.wake()
	}
}

func (m *memory) wake() {
	select {
	case m.waker <- struct{}{}:
	default:
	}
}

func (m *memory) woken() <-chan struct{} { return m.waker }

func (m *memory) look(session string) state {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.sessions[session]; e != nil {
		return e.state
	}
	return state{ID: session}
}

func (m *memory) refresh([]string) error { return nil }

func (m *memory) due(now int64, n int) (due []task, next int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var taken []*entry
	for len(m.queue) > 0 && len(taken) < n {
		e := m.queue[0]
		if e.at > now {
			break
		}
		do := m.next(&e.state)
		e.at = do.at
		if e.at > now {
			heap.Fix(&m.queue, 0)
			continue
		}
		heap.Pop(&m.queue)
		taken = append(taken, e)
		due = append(due, task{do, e.state})
	}
	for _, e := range taken {
		heap.Push(&m.queue, e)
	}
	if len(m.queue) == 0 {
		return due, never
	}
	return due, m.queue[0].at
}

func (m *memory) remove(e *entry) {
	heap.Remove(&m.queue, e.pos)
	delete(m.sessions, e.ID)
	m.size -= e.size()
	m.leaving -= e.leaving
}

// evict makes room for a tenth of what there may be, so that its cost is shared by many sessions: those of which all was
// told are forgotten, then others closed, those first of which no start is known, since logs can name any session, and of
// which nothing was heard for longest. The caller holds mu.
func (m *memory) evict() {
	var done, open []*entry
	for _, e := range m.sessions {
		switch {
		case e.Evicted:
		case m.next(&e.state).kind == forgot:
			done = append(done, e)
		default:
			open = append(open, e)
		}
	}
	room := func() bool { return m.size-m.leaving <= m.max/10*9 }
	take := func(entries []*entry, k kind) (n int) {
		slices.SortFunc(entries, func(a, b *entry) int {
			if a.known() != b.known() {
				if b.known() {
					return -1
				}
				return 1
			}
			return cmp.Or(cmp.Compare(a.Heard, b.Heard), cmp.Compare(a.ID, b.ID))
		})
		for n < len(entries) && !room() {
			m.change(&fact{Session: entries[n].ID, Kind: k, Heard: entries[n].Heard})
			n++
		}
		return n
	}
	forgotten := take(done, forgot)
	m.evicted(forgotten, take(open, evicted))
}

// What a session takes beside its texts: the entry, its places in map and queue, and what the allocator rounds up.
const (
	entrySize = 512
	hashSize  = 32
)

func (e *entry) size() int64 {
	return int64(entrySize + len(e.ID) + len(e.Common) + len(e.TerminatedBy) + hashSize*len(e.seen))
}

func (m *memory) commit() error {
	if m.journal == nil {
		return nil
	}
	return m.journal.commit(m.snapshot)
}

func (m *memory) tidy() error {
	if m.journal == nil {
		return nil
	}
	return m.journal.tidy(m.snapshot)
}

func (m *memory) close() error {
	if m.journal == nil {
		return nil
	}
	return m.journal.close(m.snapshot)
}

// snapshot yields all sessions as facts. It holds the lock for a few of them at a time: what changes meanwhile is in the
// journal too, and merging both is harmless.
func (m *memory) snapshot(yield func(*fact) error) error {
	m.mu.Lock()
	ids := make([]string, 0, len(m.sessions))
	for id := range m.sessions {
		ids = append(ids, id)
	}
	m.mu.Unlock()
	for part := range slices.Chunk(ids, 64) {
		for _, f := range m.copies(part) {
			if err := yield(f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) copies(ids []string) (facts []*fact) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if e := m.sessions[id]; e != nil {
			s := e.state
			facts = append(facts, &fact{Session: id, Kind: whole, State: &s, Seen: e.seen.bytes()})
		}
	}
	return facts
}

// queue is a heap of sessions by the time when they are to be looked at.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].pos, q[j].pos = i, j
}

func (q *queue) Push(x any) {
	e := x.(*entry)
	e.pos = len(*q)
	*q = append(*q, e)
}

func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return e
}
