package sessions

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// fleet is a store that several agents share. Each has all sessions in memory: what the bucket tells of them (a watch brings
// it), and upon it the facts that it learned itself and that are not in the bucket yet. commit writes those: what is known
// of the session as a whole, by compare-and-set. Where another agent was faster the facts are merged with what that one
// wrote, and written again; their order does not count.
type fleet struct {
	*memory
	bucket   *bucket
	claim    *claim
	follower follower
	log      *slog.Logger
	known    func(session string) // is told of sessions whose start another agent brought
	outbox   *journal             // of facts that could not be sent; nil: they are in memory only

	syncing sync.Mutex // one flush at a time; never held while the follower is waited for, which waits for it too
	failure error      // of the last one
	failed  time.Time  // when that was

	// What follows is guarded by memory.mu.
	remotes  map[string]*remote  // by key
	unsent   map[string]struct{} // keys of those with facts
	facts    int                 // of all
	fresh    []fact              // of them, those that are not in the outbox
	dropped  int                 // facts for which there was no room
	appended uint64              // facts so far
	flushed  uint64              // of them, so many are safe
	watched  uint64              // revision to which the watch has come; revisions count all keys, and the watch keeps their order
}

var _ store = (*fleet)(nil)

// remote is a session as the bucket has it.
type remote struct {
	id       string
	revision uint64   // 0: it has none
	past     uint64   // it had none after this revision: what the watch brings up to there is of before
	blocks   []string // names
	sealed   seen     // hashes of the blocks; never changed, but replaced
	facts    []fact   // that it lacks
}

const (
	factSize = 1024 // bytes of max_memory for which one fact may wait for the bucket
	atOnce   = 16   // keys that are written concurrently
	attempts = 20   // to write a key that others write too
)

var errAway = errors.New("there is no connection to the key-value bucket")

func newFleet(m *memory, b *bucket, lease time.Duration, clocks *clocks, known func(string)) *fleet {
	s := &fleet{
		memory: m, bucket: b, claim: newClaim(rand.Text(), lease), log: b.log, known: known,
		remotes: map[string]*remote{}, unsent: map[string]struct{}{},
	}
	s.follower = follower{fleet: s, clocks: clocks}
	m.learned, m.full = s.learn, s.makeRoom
	return s
}

// learn takes a fact for the bucket. The caller holds mu. While the server is away facts pile up, up to a limit.
func (s *fleet) learn(f *fact) {
	if int64(s.facts)*factSize > s.max {
		s.dropped++
		return
	}
	key := keyOf(f.Session)
	r := s.remotes[key]
	if r == nil {
		r = &remote{id: strings.Clone(f.Session)}
		s.remotes[key] = r
	}
	kept := *f
	kept.Session, kept.By, kept.key, kept.facts = r.id, strings.Clone(f.By), "", nil
	r.facts = append(r.facts, kept)
	s.fresh = append(s.fresh, kept)
	s.unsent[key] = struct{}{}
	s.facts++
	s.appended++
}

// restore takes a fact of the outbox. The session that it is of need not be known yet.
func (s *fleet) restore(f *fact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apply(f)
	s.learn(f)
}

// makeRoom evicts sessions. While nobody tells of that, since the server or the outputs are away, it drops those from memory
// that the bucket has; they come back with their next change, or with the connection. The caller holds mu.
func (s *fleet) makeRoom() {
	if s.bucket.open() != nil && s.size <= 2*s.max {
		s.evict()
		return
	}
	for id, e := range s.sessions {
		if s.size <= s.max/10*9 {
			break
		}
		key := keyOf(id)
		if r := s.remotes[key]; r == nil || len(r.facts) == 0 {
			s.remove(e)
			delete(s.remotes, key)
		}
	}
}

// due implements store: an agent without the claim has nothing to do.
func (s *fleet) due(now int64, n int) (due []task, next int64) {
	if !s.claim.mine() {
		return nil, never
	}
	return s.memory.due(now, n)
}

// arrival says how a value came.
type arrival int

const (
	asked   arrival = iota // it was asked for
	changed                // the watch brought it: maybe late, after what was written or asked for meanwhile
	listed                 // the bucket is read from its beginning: an older revision than is known counts as well
)

// brought takes what the bucket has of a session; v is nil where it has nothing.
func (s *fleet) brought(key string, revision uint64, v *value, sealed seen, from arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.drop(key)
	if from != asked {
		s.watched = max(s.watched, revision)
	}
	r := s.remotes[key]
	if r == nil && v == nil {
		return
	}
	if r == nil {
		r = &remote{id: v.ID}
		s.remotes[key] = r
	}
	if from != listed && revision <= max(r.revision, r.past) {
		return
	}
	if v == nil {
		r.nothingAfter(revision)
		s.rebuild(r, nil)
	} else {
		r.revision, r.past, r.blocks, r.sealed = revision, 0, v.Blocks, sealed
		s.rebuild(r, &fact{Session: r.id, Kind: whole, State: v.State, Seen: append(sealed.bytes(), v.Seen...)})
	}
	if e := s.sessions[r.id]; e != nil && e.known() {
		s.known(r.id)
	}
	if s.size-s.leaving > s.max {
		s.full()
	}
}

// rebuild makes a session of what the bucket has, nil for nothing, and what it lacks. The caller holds mu.
func (s *fleet) rebuild(r *remote, has *fact) {
	if e := s.sessions[r.id]; e != nil {
		s.remove(e)
	}
	if has != nil {
		s.apply(has)
	}
	for i := range r.facts {
		s.apply(&r.facts[i])
	}
}

func (r *remote) nothingAfter(revision uint64) {
	r.revision, r.past, r.blocks, r.sealed = 0, revision, nil, nil
}

// drop forgets a remote of which the bucket has nothing and is to get nothing, but not before the watch has passed all that
// the bucket had: without past that would make a session anew that was forgotten. The caller holds mu.
func (s *fleet) drop(key string) {
	if r := s.remotes[key]; r != nil && r.revision == 0 && len(r.facts) == 0 && r.past <= s.watched {
		delete(s.remotes, key)
	}
}

// anew waits for a flush that still uses a connection that was lost: what it writes must be in what is read from now on.
func (s *fleet) anew() {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched = 0 // it may be another bucket
}

// only drops what the bucket has no more, after it was read from its beginning.
func (s *fleet) only(there map[string]struct{}) {
	s.mu.Lock()
	var gone []string
	for key, r := range s.remotes {
		if _, ok := there[key]; !ok && (r.revision != 0 || r.past != 0) {
			gone = append(gone, key)
		}
	}
	s.mu.Unlock()
	for _, key := range gone {
		s.brought(key, 0, nil, nil, listed)
	}
}

// sealed returns which blocks of a session are known, and their hashes.
func (s *fleet) sealed(key string) (blocks []string, sealed seen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.remotes[key]; r != nil {
		return r.blocks, r.sealed
	}
	return nil, nil
}

// write is what is to be written of a session.
type write struct {
	key      string
	revision uint64 // that it follows
	facts    int    // of its remote, so many are in it
	gone     bool   // the session was forgotten
	value    value
	sealed   seen
	blocks   []block // that are new
}

// prepare returns what is to be written; nil where the bucket lacks nothing.
func (s *fleet) prepare(key string) *write {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.remotes[key]
	if r == nil || len(r.facts) == 0 {
		delete(s.unsent, key)
		return nil
	}
	w := &write{key: key, revision: r.revision, facts: len(r.facts)}
	e := s.sessions[r.id]
	if e == nil {
		w.gone = true
		return w
	}
	copied := e.state
	w.value = value{V: valueVersion, ID: r.id, State: &copied, Blocks: r.blocks}
	w.sealed = r.sealed
	loose := e.seen.without(r.sealed)
	if len(loose) > 8*(len(e.seen)-len(r.sealed)) { // the session was forgotten, and came again
		w.value.Blocks, w.sealed, loose = nil, nil, e.seen.bytes()
	}
	if w.blocks, w.value.Seen = blocksOf(loose); len(w.blocks) > 0 {
		w.value.Blocks = slices.Concat(w.value.Blocks, names(w.blocks))
		w.sealed = maps.Clone(w.sealed)
		for _, b := range w.blocks {
			w.sealed.add(b.data)
		}
	}
	return w
}

// wrote notes that the bucket has what was written.
func (s *fleet) wrote(w *write, revision uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.remotes[w.key]
	r.facts = slices.Clone(r.facts[w.facts:])
	s.facts -= w.facts
	if len(r.facts) == 0 {
		delete(s.unsent, w.key)
	}
	switch { // in other cases the watch brought what came after it
	case w.gone && r.revision == w.revision:
		r.nothingAfter(max(r.past, w.revision))
	case !w.gone && 0 < revision && revision <= r.past: // it was deleted since, with the facts
		s.rebuild(r, nil)
	case !w.gone && revision > max(r.revision, r.past):
		r.revision, r.past, r.blocks, r.sealed = revision, 0, w.value.Blocks, w.sealed
	}
	s.drop(w.key)
}

// commit returns when the bucket has all that was merged before the call. Calls that come while one is writing share the
// next write. After a failure it is tried again by a later call, not at once; meanwhile what is new goes to the outbox.
func (s *fleet) commit() error {
	return s.unlessSafe(func() error {
		err := s.failure
		if err == nil || time.Since(s.failed) >= retryAfter {
			err = s.flush()
		}
		if err == nil {
			return nil
		}
		saved := s.setAside()
		if saved == nil {
			return fmt.Errorf("%w; what is new is on disk meanwhile", err)
		}
		return errors.Join(err, saved)
	})
}

// unlessSafe calls write, which then holds syncing, unless the bucket has all that was merged before.
func (s *fleet) unlessSafe(write func() error) error {
	s.mu.Lock()
	due := s.appended
	s.mu.Unlock()
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if s.isSafe(due) {
		return nil
	}
	return write()
}

var errNoOutbox = errors.New("there is no file to keep it in meanwhile")

// setAside writes what is new to the outbox. The caller holds syncing.
func (s *fleet) setAside() error {
	if s.outbox == nil {
		return errNoOutbox
	}
	s.mu.Lock()
	fresh := s.fresh
	s.fresh = nil
	s.mu.Unlock()
	for i := range fresh {
		s.outbox.append(&fresh[i])
	}
	return s.outbox.commit(s.allUnsent)
}

// allUnsent yields the facts that the bucket lacks.
func (s *fleet) allUnsent(yield func(*fact) error) error {
	s.mu.Lock()
	all := make([]fact, 0, s.facts)
	for key := range s.unsent {
		all = append(all, s.remotes[key].facts...)
	}
	s.mu.Unlock()
	for i := range all {
		if err := yield(&all[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *fleet) isSafe(due uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flushed >= due
}

// again lets the next commit try, whatever failed before.
func (s *fleet) again() {
	s.syncing.Lock()
	s.failure = nil
	s.syncing.Unlock()
	s.wake()
}

// flush writes all that the bucket lacks. The caller holds syncing.
func (s *fleet) flush() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
	defer cancel()
	s.mu.Lock()
	upTo, fresh := s.appended, len(s.fresh)
	keys := make([]string, 0, len(s.unsent))
	for key := range s.unsent {
		keys = append(keys, key)
	}
	dropped := s.dropped
	s.dropped = 0
	s.mu.Unlock()
	if dropped > 0 {
		s.log.Error("the key-value bucket was away for too long: the other agents do not hear of all sessions", "facts", dropped)
	}
	err := errAway
	if b := s.bucket.open(); b != nil {
		err = s.writeAll(ctx, b, keys)
	}
	s.failure, s.failed = err, time.Now()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.flushed = upTo
	s.fresh = slices.Clone(s.fresh[fresh:])
	s.mu.Unlock()
	if s.outbox == nil || !s.outbox.isUsed() {
		return nil
	}
	return s.outbox.clear()
}

func (s *fleet) writeAll(ctx context.Context, b *openBucket, keys []string) error {
	return forEach(ctx, keys, func(ctx context.Context, key string) error { return s.write(ctx, b, key) })
}

// forEach does something for each of the keys, several at a time, until it fails for one.
func forEach(ctx context.Context, keys []string, do func(ctx context.Context, key string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan string)
	var workers sync.WaitGroup
	for range min(atOnce, len(keys)) {
		workers.Go(func() {
			for key := range next {
				if err := do(ctx, key); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, key := range keys {
		select {
		case next <- key:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

// write writes one session.
func (s *fleet) write(ctx context.Context, b *openBucket, key string) error {
	for range attempts {
		w := s.prepare(key)
		if w == nil {
			return nil
		}
		revision, err := b.put(ctx, w)
		if errors.Is(err, nats.ErrMaxPayload) {
			s.log.Error("what is known of a session is too large for the server; the other agents do not hear of it", "session", w.value.ID)
			err = nil
		}
		if err == nil {
			s.wrote(w, revision)
			return nil
		}
		if !isConflict(err) {
			return err
		}
		if err := s.read(ctx, b, key); err != nil {
			return err
		}
	}
	return errors.New("other agents write to the key-value bucket faster than this one")
}

// read takes what the bucket has of a session now.
func (s *fleet) read(ctx context.Context, b *openBucket, key string) error {
	found, err := b.last(ctx, stateKey(key))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		s.brought(key, 0, nil, nil, listed) // a bucket that was made anew counts from 1 again
		return nil
	}
	if err != nil {
		return err
	}
	return s.take(ctx, b, key, found, asked)
}

// take takes a value of the bucket. One that can not be read counts as nothing, and is overwritten.
func (s *fleet) take(ctx context.Context, b *openBucket, key string, found stored, from arrival) error {
	if found.deleted {
		s.brought(key, found.revision, nil, nil, from)
		return nil
	}
	v, err := parseValue(key, found.data)
	if errors.Is(err, errDamagedValue) {
		s.log.Error("a value of the key-value bucket is damaged, and counts as empty", "key", stateKey(key), "err", err)
		s.damaged(key, found.revision)
		return nil
	}
	if err != nil {
		return err
	}
	blocks, sealed := s.sealed(key)
	if sealed, err = b.load(ctx, key, v.Blocks, blocks, sealed); err != nil {
		return err
	}
	s.brought(key, found.revision, v, sealed, from)
	return nil
}

// damaged lets the next write follow a value that can not be read.
func (s *fleet) damaged(key string, revision uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.remotes[key]; r != nil {
		r.revision, r.past = revision, 0
	}
}

// refresh implements store.
func (s *fleet) refresh(sessions []string) error {
	if len(sessions) == 0 {
		return nil
	}
	s.syncing.Lock()
	defer s.syncing.Unlock()
	b := s.bucket.open()
	if b == nil {
		return errAway
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
	defer cancel()
	return forEach(ctx, sessions, func(ctx context.Context, id string) error { return s.read(ctx, b, keyOf(id)) })
}

func (s *fleet) tidy() error { return s.bucket.tidy(s.claim.mine()) }

// open connects, and begins to follow the bucket.
func (s *fleet) open(outbox *journal) error {
	s.outbox = outbox
	return s.follower.start()
}

// close writes what is known, and gives up what others can do.
func (s *fleet) close() error {
	var err error
	if s.follower.isStarted() {
		err = s.flushLast()
		s.follower.stop()
	}
	s.syncing.Lock()
	defer s.syncing.Unlock()
	if err != nil && s.setAside() == nil {
		err = nil
	}
	if s.outbox != nil {
		err = errors.Join(err, s.outbox.close(s.allUnsent))
	}
	return err
}

// flushLast writes what the bucket lacks, whatever failed before.
func (s *fleet) flushLast() error { return s.unlessSafe(s.flush) }
