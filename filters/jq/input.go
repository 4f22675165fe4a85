package jq

import (
	"sync"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// input is what programs have decoded of an event so far, shared by all that run on it.
type input struct {
	raw []byte

	mu    sync.Mutex
	whole *decoded            // nil: not decoded
	parts map[string]*decoded // by plan
}

// newInput is what programs give to Event.Decoded. An event's bytes are one valid JSON object.
func newInput(raw []byte) (any, error) { return &input{raw: raw}, nil }

// of returns what gojq needs of the event: the same for equal plans.
func (in *input) of(s *stage, ev *pipeline.Event) *decoded {
	in.mu.Lock()
	defer in.mu.Unlock()
	d := s.decoders.Get().(*decoder)
	defer s.decoders.Put(d)
	if in.whole != nil || s.plan.whole {
		return in.all(d)
	}
	if part, ok := in.parts[s.planID]; ok {
		return part
	}
	if rawjson.KindOf(in.raw) != rawjson.Object {
		return in.all(d)
	}
	if in.parts == nil {
		in.parts = map[string]*decoded{}
	}
	part := decodeMembers(d, ev, s.plan.keys)
	in.parts[s.planID] = part
	return part
}

// all decodes everything. The caller holds mu.
func (in *input) all(d *decoder) *decoded {
	if in.whole == nil {
		d.noting = true
		in.whole = &decoded{d.decode(in.raw[rawjson.Next(in.raw, 0):]), d.takeNotes()}
	}
	return in.whole
}

// decodeMembers decodes those members of an object that are named.
func decodeMembers(d *decoder, ev *pipeline.Event, keys []string) *decoded {
	d.noting = true
	var room [16][]byte
	values := room[:]
	if len(keys) > len(values) {
		values = make([][]byte, len(keys))
	}
	findMembers(ev, keys, values)
	part := make(map[string]any, len(keys))
	for i, key := range keys {
		if values[i] != nil {
			part[key] = d.decode(values[i])
		}
	}
	return &decoded{part, d.takeNotes()}
}

// findMembers finds the raw values of top-level members: by the notes of the record where they say, else in the bytes.
func findMembers(ev *pipeline.Event, keys []string, values [][]byte) {
	if ev.Intact() {
		known := true
		for i, key := range keys {
			if values[i], known = record.Field(ev.Record, key); !known || key == enriched {
				known = false
				break
			}
		}
		if known {
			return
		}
	}
	rawjson.GetMany(ev.Raw, keys, values)
}

// enriched is a member that may have been added to a record.
const enriched = "trailcast"

// DecodeEvent decodes an event as gojq takes it; see Decode.
func DecodeEvent(ev *pipeline.Event) (any, error) {
	decoded, err := ev.Decoded(newInput)
	if err != nil {
		return nil, err
	}
	in := decoded.(*input)
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.all(new(decoder)).value, nil
}
