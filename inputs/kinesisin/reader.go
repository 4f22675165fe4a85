package kinesisin

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/trailcast/trailcast/pipeline"
)

// reader reads one shard.
type reader struct {
	*reading
	id     string
	leave  context.CancelFunc // ends the polling; what was read is fed all the same
	frames sync.WaitGroup     // that are not settled
	done   chan struct{}

	begin from      // where to read while last is not known
	last  string    // sequence number of the last record that was read
	upTo  time.Time // what arrived before is read; zero: not known
	told  bool      // that records may be lost
}

// batch is the records of one answer. They make one frame.
type batch struct {
	records []types.Record // nil when it is settled
	size    int64          // of the room that it holds
	last    string         // sequence number of the last record
	arrived time.Time      // the last record's
	settled bool           // guarded by positions
	tries   int            // that did not settle it
}

func newReader(in *reading, id string, leave context.CancelFunc) *reader {
	r := &reader{reading: in, id: id, leave: leave, done: make(chan struct{})}
	at, began := in.positions.of(id)
	r.last, r.upTo = at.After, at.Time
	if at.First {
		r.begin.time, _ = in.config.startTime() // checked by Validate
		if in.config.Start == startLatest {
			r.begin.time = began
		}
	}
	return r
}

// ended reports whether run has returned.
func (r *reader) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// run reads the shard until its end, or until polling ends, and waits until what was read is settled. That goes on until
// ctx ends, which ends polling too.
func (r *reader) run(ctx, polling context.Context) {
	defer close(r.done)
	defer r.leave()
	whole := r.read(ctx, polling)
	r.frames.Wait()
	r.troubles.over(r.id)
	if whole && ctx.Err() == nil {
		r.positions.end(r.id)
	}
}

// read reads the shard until its end; false when polling ends before.
func (r *reader) read(ctx, polling context.Context) (whole bool) {
	iterator := ""
	for tries := 0; ; {
		began := time.Now()
		next, wait, err := r.poll(ctx, polling, iterator)
		switch {
		case err == nil && next == "":
			return true
		case polling.Err() != nil:
			return false
		case err != nil:
			tries++
			r.troubles.met(r.id, err, tries)
			wait = r.backoff(tries)
		default:
			tries = 0
			r.troubles.over(r.id)
		}
		iterator = next
		if !sleep(polling, wait-time.Since(began)) {
			return false
		}
	}
}

// poll reads once, with a new iterator when none is given. next is the iterator to go on with, wait how long after the
// beginning of this read that may be. Without an error no next means that the shard is at its end.
func (r *reader) poll(ctx, polling context.Context, iterator string) (next string, wait time.Duration, err error) {
	if iterator == "" {
		if iterator, err = r.iterator(polling); err != nil {
			return "", 0, err
		}
	}
	if err := r.room.Acquire(polling, r.reserve); err != nil {
		return "", 0, err
	}
	asked := time.Now().UTC().Round(0) // by the clock on the wall: the monotonic one stands still while a machine sleeps
	r.missed(asked)
	out, err := r.api.records(polling, iterator, r.config.MaxRecords)
	if err != nil {
		r.room.Release(r.reserve)
		if is[*types.ExpiredIteratorException](err) || is[*types.InvalidArgumentException](err) || is[*types.ResourceNotFoundException](err) {
			iterator = "" // it lives for 5 minutes
		}
		return iterator, 0, err
	}
	size := r.take(ctx, out)
	behind := time.Duration(aws.ToInt64(out.MillisBehindLatest)) * time.Millisecond
	if out.MillisBehindLatest != nil && behind == 0 {
		r.upTo = asked // not now: take waits for as long as the outputs do
		r.positions.current(r.id, asked)
	}
	if len(out.Records) > 0 {
		r.log.Debug("read", "shard", r.id, "records", len(out.Records), "bytes", size, "behind", behind)
	}
	return aws.ToString(out.NextShardIterator), r.pause(size, behind), nil
}

// pause is the time from one read to the next, of a shard that was behind and gave so many bytes.
func (in *Input) pause(size int64, behind time.Duration) time.Duration {
	wait := in.config.Interval
	if behind > 0 {
		wait = min(wait, in.soon)
	}
	return max(wait, time.Duration(size)*time.Second/throughput)
}

const throughput = 2_000_000 // bytes per second of a shard

// iterator returns one that begins behind the last record that was read.
func (r *reader) iterator(polling context.Context) (string, error) {
	at := r.begin
	if r.last != "" {
		at = from{after: r.last}
	}
	iterator, err := r.api.iterator(polling, r.id, at)
	if at.after != "" && is[*types.InvalidArgumentException](err) {
		r.log.Warn("the stream does not know the position in a shard: the shard is read from its oldest record", "shard", r.id, "position", at.after, "err", err)
		r.positions.restart(r.id)
		r.last, r.begin, r.upTo, r.told = "", from{}, time.Time{}, false
		iterator, err = r.api.iterator(polling, r.id, r.begin)
	}
	return iterator, err
}

const apart = time.Hour // of at least 24 that a stream keeps

// missed tells that records may have gone before they were read: once, until the reader is clear of the oldest record
// again, since one that stays close to it would tell with every other read.
func (r *reader) missed(now time.Time) {
	kept := time.Duration(r.retention.Load())
	if kept <= 0 || r.upTo.IsZero() {
		return
	}
	switch gap := now.Sub(r.upTo); {
	case gap <= kept-apart:
		r.told = false
	case gap > kept && !r.told:
		r.told = true
		r.log.Warn("the position in a shard is older than what the stream keeps: records may be lost", "shard", r.id, "from", r.upTo, "to", now.Add(-kept), "retention", kept)
	}
}

// take feeds the records of an answer, and gives back the room that they do not need. It returns the size of their data.
func (r *reader) take(ctx context.Context, out *kinesis.GetRecordsOutput) (size int64) {
	for i := range out.Records {
		size += int64(len(out.Records[i].Data))
	}
	held := min(size+perRecord*int64(len(out.Records)), r.reserve)
	r.room.Release(r.reserve - held)
	if len(out.Records) == 0 {
		return 0
	}
	last := &out.Records[len(out.Records)-1]
	r.last = cmp.Or(aws.ToString(last.SequenceNumber), r.last)
	r.upTo = aws.ToTime(last.ApproximateArrivalTimestamp).UTC()
	b := &batch{records: out.Records, size: held, last: r.last, arrived: r.upTo}
	r.positions.begin(r.id, b)
	r.frames.Add(1)
	r.feed(ctx, b)
	return size
}

func (r *reader) feed(ctx context.Context, b *batch) {
	frame := r.to.Open(func(result pipeline.Result) { r.settled(ctx, b, result) })
	defer frame.Abandon(errors.New("reading the records failed")) // without effect unless feed panics
	if err := r.splitter.feed(ctx, frame, r.id, b.records); err != nil {
		frame.Abandon(err)
		return
	}
	frame.Seal()
}

// settled is told the outcome of a batch.
func (r *reader) settled(ctx context.Context, b *batch, result pipeline.Result) {
	switch {
	case result.Outcome != pipeline.Retry:
		r.positions.settled(r.id, b)
	case ctx.Err() == nil:
		b.tries++
		go r.feedAgain(ctx, b, result.Err) // frames waits for it
		return
	}
	r.release(b)
}

// feedAgain feeds a batch once more, from memory. Others of the shard go on meanwhile; the position does not pass it.
func (r *reader) feedAgain(ctx context.Context, b *batch, why error) {
	if b.tries == 1 {
		r.log.Warn("records could not be delivered; they are given to the outputs again", "shard", r.id, "err", why)
	}
	if !sleep(ctx, r.backoff(b.tries)) {
		r.release(b)
		return
	}
	r.feed(ctx, b)
}

func (r *reader) release(b *batch) {
	r.room.Release(b.size)
	r.frames.Done()
}
