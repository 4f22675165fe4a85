package kinesisin

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/trailcast/trailcast/internal/statedir"
)

// state is what is kept in the state directory of one stream, which has a document of its own.
type state struct {
	Stream  string              `json:"stream"`  // ARN
	Created time.Time           `json:"created"` // of the stream: one of the same name that is made later numbers its records anew
	Began   time.Time           `json:"began"`   // the first start, by the clock of Kinesis: what start: latest means
	Shards  map[string]position `json:"shards"`  // by shard id
}

// position is how far a shard is read.
type position struct {
	After string    `json:"after,omitempty"` // sequence number up to which every record is settled
	Time  time.Time `json:"time,omitzero"`   // up to when the shard is read: what arrived before is settled
	First bool      `json:"first,omitempty"` // the shard was there at the first start: it begins where start says, others at their oldest record
	Ended bool      `json:"ended,omitempty"` // it was closed, and every record is settled
}

// positions are those of all shards of the stream that is being read.
type positions struct {
	log   *slog.Logger
	store *statedir.Store // nil: nothing is kept
	name  string          // of the document, without the stream

	saving sync.Mutex // one at a time; taken before mu

	mu      sync.Mutex
	saved   state
	waiting map[string][]*batch // by shard, in the order of reading: not settled, or settled behind one that is not
	changed bool
	failing bool
}

// document is the name under which the positions in a stream are kept.
func (p *positions) document() string { return p.name + "-" + p.saved.Stream }

// load takes up the positions in a stream. Nothing of it may be in flight.
func (p *positions) load(d description) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh := state{Stream: d.arn, Created: d.created, Began: d.now}
	p.saved, p.waiting, p.changed = fresh, map[string][]*batch{}, false
	if p.store == nil {
		return nil
	}
	found := state{}
	ok, err := p.store.Load(p.document(), &found)
	switch {
	case err != nil:
		return err
	case ok && !found.Created.Equal(d.created):
		p.log.Warn("the stream was deleted and made anew: it is read from its oldest record", "stream", d.arn, "made", d.created)
		p.saved.Shards = map[string]position{} // not the first start
	case ok:
		found.Stream = d.arn
		p.saved = found
	}
	return nil
}

// meet notes shards that were not there before, and forgets those that are gone and were not taken up. It returns the
// shards that are gone although not every record of theirs was settled.
func (p *positions) meet(shards []shard, mine func(id string) bool, reading func(id string) bool) (lost []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := p.saved.Shards == nil
	if first {
		p.saved.Shards, p.changed = map[string]position{}, true
	}
	listed := map[string]bool{}
	for _, s := range shards {
		listed[s.id] = true
		if _, known := p.saved.Shards[s.id]; !known && mine(s.id) {
			p.saved.Shards[s.id], p.changed = position{First: first}, true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.saved.Shards)) {
		if listed[id] || reading(id) {
			continue
		}
		if at := p.saved.Shards[id]; !at.Ended && mine(id) {
			lost = append(lost, id)
		}
		delete(p.saved.Shards, id)
		p.changed = true
	}
	return lost
}

// of returns the position in a shard, and when the stream was first read.
func (p *positions) of(id string) (at position, began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.saved.Shards[id], p.saved.Began
}

// begin notes records that were read.
func (p *positions) begin(id string, b *batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[id] = append(p.waiting[id], b)
}

// settled notes that records are delivered or in quarantine, and moves the position as far as all before it are.
func (p *positions) settled(id string, b *batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b.settled, b.records = true, nil
	var left []*batch
	for i, w := range p.waiting[id] {
		switch next := i + 1; {
		case !w.settled:
			left = append(left, w)
		case len(left) == 0:
			at := p.saved.Shards[id]
			at.After, at.Time = w.last, w.arrived
			p.saved.Shards[id], p.changed = at, true
		case next < len(p.waiting[id]) && p.waiting[id][next].settled: // which stands for both
		default:
			left = append(left, w)
		}
	}
	p.waiting[id] = left
}

// current notes that all that arrived in a shard before a time is read.
func (p *positions) current(id string, upTo time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.saved.Shards[id]
	if len(p.waiting[id]) > 0 || upTo.Sub(at.Time) < currentEvery {
		return
	}
	at.Time = upTo
	p.saved.Shards[id], p.changed = at, true
}

const currentEvery = time.Minute // a quiet shard is no reason to write more often

// end notes that a closed shard is read to its end.
func (p *positions) end(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.saved.Shards[id]
	at.Ended = true
	p.saved.Shards[id], p.changed = at, true
}

// restart forgets how far a shard is read.
func (p *positions) restart(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saved.Shards[id], p.changed = position{}, true
}

// ended reports whether a shard is read to its end.
func (p *positions) ended(id string) bool {
	at, _ := p.of(id)
	return at.Ended
}

// save keeps the positions.
func (p *positions) save() {
	p.saving.Lock()
	defer p.saving.Unlock()
	p.mu.Lock()
	if p.store == nil || p.saved.Shards == nil || !p.changed && !p.failing {
		p.mu.Unlock()
		return
	}
	p.changed = false
	name, saved := p.document(), p.saved
	saved.Shards = maps.Clone(saved.Shards)
	p.mu.Unlock()

	err := p.store.Save(name, saved) // without the lock, since it waits for the disk
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && !p.failing {
		p.log.Warn("the position could not be saved; after a restart records may be read again", "err", err)
	}
	p.failing = err != nil
}
