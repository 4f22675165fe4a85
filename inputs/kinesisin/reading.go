package kinesisin

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/trailcast/trailcast/pipeline"
)

// reading is one run of an input: it finds the shards, and has each of them read by a goroutine of its own.
type reading struct {
	*Input
	to        pipeline.Intake
	positions *positions
	troubles  *troubles
	room      *semaphore.Weighted // bytes that are read and not settled
	reserve   int64               // of room, for an answer that is awaited
	retention atomic.Int64        // time.Duration
	ended     chan struct{}       // holds a token after a reader has ended

	readers map[string]*reader // of the goroutine of run
	running sync.WaitGroup     // readers
}

const (
	largestAnswer = 10 << 20 // of GetRecords
	perRecord     = 512      // bytes that a record takes besides its data
	saveEvery     = 2 * time.Second
)

func newReading(in *Input, to pipeline.Intake, positions *positions) *reading {
	most := int64(in.config.MaxInFlight)
	return &reading{
		Input: in, to: to, positions: positions, troubles: newTroubles(in.log, in.config.Stream),
		room: semaphore.NewWeighted(most), reserve: min(largestAnswer+perRecord*int64(in.config.MaxRecords), most),
		ended: make(chan struct{}, 1), readers: map[string]*reader{},
	}
}

// run reads until ctx ends. The error is one of the state directory.
func (r *reading) run(ctx context.Context) error {
	saving, stop := context.WithCancel(context.WithoutCancel(ctx)) // also while what is in flight drains
	var saver sync.WaitGroup
	saver.Go(func() {
		for sleep(saving, saveEvery) {
			r.positions.save()
		}
	})
	defer func() {
		r.running.Wait()
		stop()
		saver.Wait()
		r.positions.save()
	}()
	for ctx.Err() == nil {
		if err := r.stream(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// stream reads the stream until ctx ends, or until another one stands in its place.
func (r *reading) stream(ctx context.Context) error {
	var d description
	describe := func() (err error) { d, err = r.api.describe(ctx); return err }
	if !r.persist(ctx, describe) {
		return nil
	}
	if err := r.positions.load(d); err != nil {
		return err
	}
	created := d.created
	tick := time.NewTicker(r.config.Discover)
	defer tick.Stop()
	for {
		r.retention.Store(int64(d.retention))
		var shards []shard
		if !r.persist(ctx, func() (err error) { shards, err = r.api.shards(ctx); return err }) {
			return nil
		}
		r.attend(ctx, shards)
		select {
		case <-ctx.Done():
			return nil
		case <-r.ended:
		case <-tick.C:
			if !r.persist(ctx, describe) {
				return nil
			}
			if !d.created.Equal(created) {
				r.leave()
				return nil
			}
		}
	}
}

// attend begins to read the shards whose time has come, and leaves those that are gone.
func (r *reading) attend(ctx context.Context, shards []shard) {
	if len(shards) == 0 { // every stream has some
		return
	}
	listed := map[string]bool{}
	for _, s := range shards {
		listed[s.id] = true
	}
	for id, reader := range r.readers {
		switch {
		case reader.ended():
			delete(r.readers, id)
		case !listed[id]:
			reader.leave()
		}
	}
	for _, id := range r.positions.meet(shards, r.mine, func(id string) bool { return r.readers[id] != nil }) {
		r.log.Warn("a shard is gone before it was read to its end: what was left in it is lost", "shard", id)
	}
	r.positions.save() // which shards were there at the first start
	for _, s := range shards {
		waits := func(id string) bool {
			return r.mine(id) && (r.readers[id] != nil || listed[id] && !r.positions.ended(id))
		}
		if !r.mine(s.id) || r.readers[s.id] != nil || r.positions.ended(s.id) || slices.ContainsFunc(s.parents, waits) {
			continue
		}
		polling, leave := context.WithCancel(ctx)
		reader := newReader(r, s.id, leave)
		r.readers[s.id] = reader
		r.running.Go(func() {
			reader.run(ctx, polling)
			select {
			case r.ended <- struct{}{}:
			default:
			}
		})
	}
}

// leave ends the reading of all shards, and waits until what was read of them is settled.
func (r *reading) leave() {
	for _, reader := range r.readers {
		reader.leave()
	}
	r.running.Wait()
	clear(r.readers)
}

// mine reports whether this agent reads a shard. The numbers of shards follow one another, also of those that are made of
// one, so that their remainders share them evenly.
func (in *Input) mine(id string) bool {
	_, digits, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		n = 0 // AWS has always named them like shardId-000000000000; one of the agents reads what is named otherwise
	}
	return n%uint64(in.config.Of) == uint64(in.config.Index)
}

// persist calls until that succeeds; false when ctx ends before.
func (r *reading) persist(ctx context.Context, call func() error) bool {
	for tries := 1; ; tries++ {
		err := call()
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			r.troubles.over("")
			return true
		}
		r.troubles.met("", err, tries)
		if !sleep(ctx, r.backoff(tries)) {
			return false
		}
	}
}

const longestBackoff = 30 * time.Second

// backoff is how long to wait after a number of failures in a row.
func (in *Input) backoff(tries int) time.Duration {
	d := min(in.again<<min(tries-1, 10), longestBackoff)
	return d/2 + rand.N(d/2+1)
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
