// Package split finds events in what AWS delivers: it recognises envelopes by their content and yields the records in
// them, streaming, from plain, gzip and zstd input.
//
// The envelopes are those of the AWS documentation: CloudTrail log files {"Records":[…]}, SNS notifications, SQS, SNS,
// Kinesis and Firehose batches as Lambda gets them, EventBridge events, CloudWatch Logs subscription payloads and
// LookupEvents answers; beside them single records, JSON lines, arrays, Session Manager's streamed JSON and plain session
// transcripts. A string is taken for a document only where its envelope defines it so, or where the user names the field:
// what someone typed in a session stays text.
//
// Bad bytes never stop the stream. They are reported with offset and reason, and the good records around them come out.
package split

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"unsafe"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// Options configure a Splitter. Zero values take the defaults named here.
type Options struct {
	Accept          []pipeline.Kind // kinds that may come out; others are reported as broken. Default: all
	Unwrap          []string        // names of top-level fields that carry a JSON document as a string
	MaxRecord       int64           // bytes of one record; default 16 MiB
	MaxDecompressed int64           // bytes of one compressed object when unpacked; default 64 GiB
	BatchEvents     int             // events given to Feed at once; default 512
	BatchBytes      int             // bytes given to Feed at once; default 1 MiB

	// Unpacking bounds what compressed data takes while it is split; splitters may share one. Default: zstd windows up to
	// 256 MiB, and any number of splits at one time.
	Unpacking *Unpacking

	// Ahead unpacks objects on a goroutine of its own while their records are found. Split then returns only when a call
	// of Read that is under way has returned.
	Ahead bool

	// Partial says that the input may be cut off where it ends: a value or a compressed stream that ends early is then
	// an error that wraps io.ErrUnexpectedEOF, to read again later, instead of being reported as broken.
	Partial bool
}

const (
	defaultMaxRecord       = 16 << 20
	defaultMaxDecompressed = 64 << 30
	defaultBatchEvents     = 512
	defaultBatchBytes      = 1 << 20

	maxDepth     = 8        // envelopes inside envelopes
	maxBrokenRaw = 64 << 10 // bytes of a broken piece that are kept
)

// Kinds checks the names of kinds that an input may accept.
func Kinds(names []string) ([]pipeline.Kind, error) {
	known := []pipeline.Kind{pipeline.KindCloudTrail, pipeline.KindInsight, pipeline.KindSessionLog, pipeline.KindOther}
	var kinds []pipeline.Kind
	for _, n := range names {
		if !slices.Contains(known, pipeline.Kind(n)) {
			return nil, fmt.Errorf("%q is no kind of event (cloudtrail, insight, session_log, other)", n)
		}
		kinds = append(kinds, pipeline.Kind(n))
	}
	return kinds, nil
}

// Feeder takes what a Splitter finds; *pipeline.Frame is one.
type Feeder interface {
	// Feed takes the slice over.
	Feed(ctx context.Context, events []pipeline.Event) error
	Broken(ctx context.Context, b pipeline.Broken) error
}

// Base is where in the object a reader begins.
type Base struct{ Offset, Index int64 }

// Stats count what a Split found.
type Stats struct {
	Events  int64
	Broken  int64
	Ignored int64 // messages that mean nothing: CONTROL_MESSAGE, s3:TestEvent, CloudTrail's validation message
	Bytes   int64 // read, after decompression
}

// Splitter splits any number of objects. It keeps no state between them and is safe for concurrent use.
type Splitter struct {
	options   Options
	accept    map[pipeline.Kind]bool // nil: all
	unzippers sync.Pool              // of *gzip.Reader: a small object takes less time than making one
}

// New returns a Splitter.
func New(o Options) *Splitter {
	o.MaxRecord = cmp.Or(o.MaxRecord, defaultMaxRecord)
	o.MaxDecompressed = cmp.Or(o.MaxDecompressed, defaultMaxDecompressed)
	o.BatchEvents = cmp.Or(o.BatchEvents, defaultBatchEvents)
	o.BatchBytes = cmp.Or(o.BatchBytes, defaultBatchBytes)
	s := &Splitter{options: o}
	if len(o.Accept) > 0 {
		s.accept = map[pipeline.Kind]bool{}
		for _, k := range o.Accept {
			s.accept[k] = true
		}
	}
	return s
}

// Split reads r to its end and feeds what it finds. The error is one of reading r or of the Feeder, never of bad data;
// with Options.Partial it is also io.ErrUnexpectedEOF for input that ends early.
func (s *Splitter) Split(ctx context.Context, r io.Reader, origin *pipeline.Origin, at Base, to Feeder) (Stats, error) {
	run := &run{
		splitter: s, options: s.options, ctx: ctx, to: to, reader: new(record.Slab),
		batch: batch{index: at.Index},
	}
	if d, ok := to.(Dropping); ok {
		run.dropper = d.Dropper()
	}
	err := run.object(r, place{origin: origin, offset: at.Offset})
	if err == nil {
		err = run.flush()
	}
	run.tellDropped()
	return run.stats, err
}

// Documents splits documents that are in memory one by one, so that they share batches.
type Documents struct{ run run }

// Documents returns a way to split documents one by one. It is used by one goroutine, and ended by Flush.
func (s *Splitter) Documents(ctx context.Context, to Feeder) *Documents {
	return &Documents{run{splitter: s, options: s.options, ctx: ctx, to: to, reader: new(record.Slab), compact: true}}
}

// Add splits one document. raw must be one valid JSON object without white space outside of strings, and nobody writes to
// it any more; its records have the offset.
// The error is the Feeder's.
func (d *Documents) Add(raw []byte, origin *pipeline.Origin, offset int64) error {
	if err := d.run.ctx.Err(); err != nil {
		return err
	}
	return d.run.document(raw, place{origin: origin, offset: offset, fixed: true})
}

// Broken reports a piece that is no document, in the order of the documents.
func (d *Documents) Broken(b pipeline.Broken) error {
	b.Index = d.run.batch.index
	d.run.batch.index++
	return d.run.broken(b)
}

// Flush feeds what is left.
func (d *Documents) Flush() (Stats, error) {
	err := d.run.flush()
	return d.run.stats, err
}

// run is one Split, or the splitting of Documents.
type run struct {
	splitter *Splitter
	options  Options
	ctx      context.Context
	to       Feeder
	reader   *record.Slab
	batch    batch
	stats    Stats
	compact  bool // the documents have no white space outside of strings
	unpacks  int  // compressed objects in one another that are being split

	dropper               pipeline.Dropper // nil: everything is wanted
	dropped, droppedBytes int64            // since the Feeder was told
}

// place is where a document stands.
type place struct {
	origin *pipeline.Origin
	offset int64  // of the document in the outermost object
	fixed  bool   // offset is the envelope's: the document was unwrapped and has no offset of its own
	seed   string // the transport's identity of the message that holds it
	depth  int    // envelopes around it
}

// inside returns the place of what an envelope holds.
func (p place) inside(via string) place {
	o := *p.origin
	o.Via = append(slices.Clip(o.Via), via)
	p.origin = &o
	p.depth++
	return p
}

// object splits one stream of bytes, compressed or not.
func (r *run) object(src io.Reader, p place) error {
	compact := r.compact // of what is around it
	r.compact = false
	defer func() { r.compact = compact }()
	d, err := open(src, r.options.MaxDecompressed)
	if err != nil {
		return err
	}
	if d.packed != "" {
		end, err := r.unpack(d)
		defer end()
		if err != nil {
			return err
		}
	}
	defer d.close(&r.splitter.unzippers)
	st := &stream{run: r, w: newWindow(d), place: p}
	if r.options.Ahead && d.packed != "" && p.depth == 0 {
		unpacked := readAhead(d)
		defer unpacked.close()
		st.w.r = unpacked
	}
	st.w.base = p.offset
	return st.split(d)
}

// batch gathers events for one Feed. Records are allocated in slabs, so that an event costs no allocation of its own.
type batch struct {
	events []pipeline.Event
	slab   []slot
	kept   []byte // copies of records whose block is used again
	bytes  int
	index  int64
}

// slot is a record with its notes.
type slot struct {
	record pipeline.Record
	notes  record.Notes
}

const (
	firstSlab = 16
	keptBlock = 64 << 10
)

// room returns the place of the next record. It is taken by run.add.
func (b *batch) room(most int) *slot {
	if len(b.slab) == cap(b.slab) {
		b.slab = make([]slot, 0, min(max(2*cap(b.slab), firstSlab), most))
	}
	return &b.slab[:len(b.slab)+1][len(b.slab)]
}

// keep copies a record.
func (b *batch) keep(raw []byte) []byte {
	if cap(b.kept)-len(b.kept) < len(raw) {
		b.kept = make([]byte, 0, max(keptBlock, len(raw)))
	}
	n := len(b.kept)
	b.kept = append(b.kept, raw...)
	return b.kept[n:len(b.kept):len(b.kept)]
}

// noted says that the notes are the record's.
func (s *slot) noted(compact bool) {
	s.notes.Compact = compact
	s.record.Notes = &s.notes
}

// fill makes the record of raw.
func (r *run) fill(at *slot, raw []byte, kind pipeline.Kind, p place) {
	at.record = pipeline.Record{
		Raw: raw, Kind: kind, Origin: p.origin, Index: r.batch.index, Offset: p.offset, Seed: p.seed, Reader: r.reader,
	}
}

// emitNoted adds the event of a record that was recognised in raw.
func (r *run) emitNoted(raw []byte, kind pipeline.Kind, p place, notes *record.Notes) error {
	valid := rawjson.ToValidUTF8(raw)
	if len(valid) != len(raw) || unsafe.SliceData(valid) != unsafe.SliceData(raw) || !r.accepts(kind) {
		return r.emit(valid, kind, p) // the notes are of other bytes
	}
	at := r.batch.room(r.options.BatchEvents)
	r.fill(at, raw, kind, p)
	at.notes = *notes
	at.noted(r.compact)
	return r.add(at)
}

func (r *run) accepts(kind pipeline.Kind) bool {
	return r.splitter.accept == nil || r.splitter.accept[kind]
}

// emit adds an event. raw must be one valid JSON object that nobody writes to any more.
func (r *run) emit(raw []byte, kind pipeline.Kind, p place) error {
	if !r.accepts(kind) {
		index := r.batch.index
		r.batch.index++
		return r.broken(pipeline.Broken{Raw: raw, Size: int64(len(raw)), Origin: p.origin, Index: index, Offset: p.offset,
			Reason: fmt.Sprintf("records of kind %s are not accepted here (option accept)", kind)})
	}
	at := r.batch.room(r.options.BatchEvents)
	r.fill(at, raw, kind, p)
	return r.add(at)
}

// add takes the next place of the slab, which holds a record.
func (r *run) add(at *slot) error {
	b := &r.batch
	b.slab = b.slab[:len(b.slab)+1]
	at.record.Index = b.index // a broken piece before it may have been counted since
	b.index++
	b.bytes += len(at.record.Raw)
	b.events = append(b.events, pipeline.NewEvent(&at.record))
	if len(b.events) >= r.options.BatchEvents || b.bytes >= r.options.BatchBytes {
		return r.flush()
	}
	return nil
}

func (r *run) flush() error {
	b := &r.batch
	if len(b.events) == 0 {
		return nil
	}
	events := b.events
	b.events, b.bytes = nil, 0
	b.slab = b.slab[len(b.slab):] // what is left of it serves the next batch
	r.stats.Events += int64(len(events))
	return r.to.Feed(r.ctx, events)
}

func (r *run) broken(b pipeline.Broken) error {
	b.Raw = b.Raw[:min(len(b.Raw), maxBrokenRaw)]
	r.stats.Broken++
	return r.to.Broken(r.ctx, b)
}

func (r *run) ignore() { r.stats.Ignored++ }

// errCut is input that ends inside a value.
func errCut(p place, offset int64) error {
	return fmt.Errorf("%s: the input ends in the middle of a value that begins at byte %d: %w",
		cmp.Or(p.origin.Object, "input"), offset, io.ErrUnexpectedEOF)
}

var errTooDeep = errors.New("documents are wrapped in one another too deeply")
