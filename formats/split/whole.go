package split

import (
	"bytes"
	"unicode/utf8"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// A Dropping is a Feeder that does not want some records, and says so before they are checked and kept; *pipeline.Frame is
// one.
type Dropping interface {
	// Dropper returns who is asked, nil for nobody.
	Dropper() pipeline.Dropper
	// Dropped counts events that were not fed.
	Dropped(events, bytes int64)
}

// whole takes the object that comes next where it is a record and all of it is in memory: end, members and kind are found
// in one pass. done is false for everything else, and for what is broken; nothing was taken then.
//
// A record that is to be dropped is not checked. If it is broken it would be passed over as a whole anyway, without
// another record being found inside of it: see rawjson.Keys.Members, recover and nextStart.
func (s *stream) whole() (done bool, err error) {
	at := s.batch.room(s.options.BatchEvents)
	end, kind, ok := record.Scan(s.w.unread(), &at.notes)
	if !ok && s.w.more() { // once: the record may only be cut at the end of a block
		end, kind, ok = record.Scan(s.w.unread(), &at.notes)
	}
	if !ok || kind == pipeline.KindOther || int64(end) > min(streamCheck, s.options.MaxRecord) || !s.accepts(kind) {
		return false, nil
	}
	raw := s.w.unread()[:end:end]
	if !utf8.Valid(raw) {
		return false, nil
	}
	s.fill(at, raw, kind, s.at(s.w.offset()))
	at.noted(s.compact)
	drop := s.drops(at)
	if (!drop || bytes.IndexByte(raw, '\n') >= 0) && rawjson.Valid(raw) != nil {
		return false, nil
	}
	if err := s.endBad(); err != nil {
		return false, err
	}
	s.resync = false
	s.docs++
	s.w.pos += end
	if drop {
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
