package split

import (
	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/pipeline"
)

// A Dropping is a Feeder that does not want some records, and says so before they are kept; *pipeline.Frame is one.
type Dropping interface {
	// Dropper returns who is asked, nil for nobody.
	Dropper() pipeline.Dropper
	// Dropped counts events that were not fed.
	Dropped(events, bytes int64)
}

// mostTries is how often a record is scanned anew after more of it was read. What trickles in is waited for without.
const mostTries = 3

// whole takes the object that comes next where it is a record and all of it is in memory: end, members and kind are found, and
// every byte is checked, in one pass. done is false for everything else, and for what is broken; nothing was taken then.
func (s *stream) whole() (done bool, err error) {
	at := s.batch.room(s.options.BatchEvents)
	inside := s.dropper == nil // who drops looks at few members, and the facts of most records are not asked for then
	end, kind, ok := record.Scan(s.w.unread(), &at.notes, inside)
	for try := 0; !ok && end > 0 && try < mostTries && s.w.more(); try++ { // it may only be cut at the end of a block
		end, kind, ok = record.Scan(s.w.unread(), &at.notes, inside)
	}
	if !ok || kind == pipeline.KindOther || int64(end) > min(streamCheck, s.options.MaxRecord) || !s.accepts(kind) {
		return false, nil
	}
	if err := s.endBad(); err != nil {
		return false, err
	}
	raw := s.w.unread()[:end:end]
	s.fill(at, raw, kind, s.at(s.w.offset()))
	at.noted(at.notes.Compact)
	s.resync = false
	s.docs++
	s.w.pos += end
	if s.drops(at) {
		return true, s.drop(len(raw))
	}
	if s.dropper != nil { // so that the block can be used again
		at.record.Raw = s.batch.keep(raw)
	} else {
		s.w.aliased = true
	}
	return true, s.add(at)
}

// drops asks the Feeder. The event stands in the batch, where it is for nobody yet, since asking would move it to the heap.
func (r *run) drops(at *slot) bool {
	if r.dropper == nil {
		return false
	}
	b := &r.batch
	b.events = append(b.events, pipeline.NewEvent(&at.record))
	last := len(b.events) - 1
	drop := r.dropper.Drops(&b.events[last])
	b.events = b.events[:last]
	return drop
}

// drop passes over a record.
func (r *run) drop(size int) error {
	r.batch.index++
	r.stats.Events++
	r.dropped++
	r.droppedBytes += int64(size)
	if r.dropped >= int64(r.options.BatchEvents) {
		r.tellDropped()
	}
	return nil
}

// tellDropped tells the Feeder what was dropped since the last time.
func (r *run) tellDropped() {
	if r.dropped > 0 {
		r.to.(Dropping).Dropped(r.dropped, r.droppedBytes)
		r.dropped, r.droppedBytes = 0, 0
	}
}
