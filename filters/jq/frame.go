package jq

import (
	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// frame is what expressions are evaluated with: an event, and what has been found in it so far. Frames are used again, so
// that an evaluation allocates nothing.
type frame struct {
	raw     []byte // the event
	record  *pipeline.Record
	intact  bool
	facts   *pipeline.Facts // nil where no expression asks for them
	paths   *paths
	values  [][]byte
	read    []bool // by root
	element value
	vars    []value
	steps   int // that are left

	made    []byte   // values that expressions made of this event
	scratch [][]byte // one for each value that is being made
	making  int      // how many of these are in use
	fields  []field  // of the objects that are being walked
	sorted  []item   // of the arrays that are being sorted
	path    []byte   // to the parts of which paths are made

	out     []byte // results
	results []result
}

// result is one of a program's results on an event.
type result struct {
	end  int  // in frame.out
	same bool // it is the event
}

const (
	maxSteps = 1 << 20 // of streams on one event; then gojq takes over, which looks at the time
	maxMade  = 16 << 20
	maxKept  = 1 << 20 // bytes that a frame keeps for the next event
)

func newFrame(p *paths) *frame {
	return &frame{paths: p, values: make([][]byte, len(p.list)), read: make([]bool, len(p.roots)), vars: make([]value, p.vars)}
}

// begin prepares the frame for an event; false where that is no object, so that bytes decide nothing.
func (f *frame) begin(ev *pipeline.Event) bool {
	at := rawjson.Next(ev.Raw, 0)
	if at == len(ev.Raw) || ev.Raw[at] != '{' {
		return false
	}
	f.raw, f.record, f.intact = ev.Raw[at:], ev.Record, ev.Intact()
	f.steps = maxSteps
	if f.paths.facts {
		f.facts = ev.Facts()
	}
	return true
}

// end lets go of the event.
func (f *frame) end() {
	clear(f.values)
	clear(f.read)
	clear(f.vars)
	clear(f.fields[:cap(f.fields)])
	clear(f.sorted[:cap(f.sorted)])
	f.fields, f.sorted, f.path, f.making = f.fields[:0], f.sorted[:0], f.path[:0], 0
	f.raw, f.record, f.facts, f.element = nil, nil, nil, value{}
	if f.made = f.made[:0]; cap(f.made)+cap(f.out) > maxKept {
		f.made, f.out, f.scratch, f.fields, f.sorted, f.path = nil, nil, nil, nil, nil, nil
	}
}

// build makes a value in a buffer of its own, and keeps it until the end of the event.
func (f *frame) build(n *node) (value, status) {
	if f.making == len(f.scratch) {
		f.scratch = append(f.scratch, nil)
	}
	i := f.making
	f.making++
	dst, s := f.append(f.scratch[i][:0], n)
	f.scratch[i] = dst
	f.making--
	if s != found {
		return value{}, s
	}
	return f.keep(dst)
}

func (f *frame) keep(made []byte) (value, status) {
	from := len(f.made)
	if from+len(made) > maxMade {
		return value{}, unknown
	}
	f.made = append(f.made, made...) // where it grows, values that were made before keep the old array
	return rawValue(f.made[from:len(f.made):len(f.made)]), found
}

// find returns the raw value at a path of the event; nil where it leads nowhere, rawjson.Blocked where jq fails.
func (f *frame) find(slot int) []byte {
	if i := f.paths.of[slot]; !f.read[i] {
		f.readRoot(i)
	}
	return f.values[slot]
}

func (f *frame) readRoot(i int) {
	r := &f.paths.roots[i]
	if r.field >= 0 && r.key != enriched && f.intact {
		if value, known := record.FieldAt(f.record, r.field); known {
			f.read[i] = true
			if r.below == nil {
				f.values[r.first] = value
			} else {
				r.below.Find(value, f.values[r.first:r.first+r.count])
			}
			return
		}
	}
	f.paths.all.Find(f.raw, f.values)
	for i := range f.read {
		f.read[i] = true
	}
}
