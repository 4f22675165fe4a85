package fluentbit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/build"
	"github.com/trailcast/trailcast/internal/msgpack"
	"github.com/trailcast/trailcast/internal/occasional"
	"github.com/trailcast/trailcast/pipeline"
)

// Answer is what a flush tells Fluent Bit (include/fluent-bit/flb_output.h).
type Answer int

// Fluent Bit's answers.
const (
	Error Answer = 0 // the chunk can never be read: drop it
	OK    Answer = 1 // every event is delivered, filtered or in quarantine
	Retry Answer = 2 // hand the chunk in again
)

// Instance is one [OUTPUT] section.
type Instance struct {
	log      *slog.Logger
	agent    *build.Agent
	splitter *split.Splitter
	limits   msgpack.Limits
	timeout  time.Duration
	ledger   *ledger
	release  func() error // of the quarantine

	// What chunks hold as JSON, from the flush until everything is settled. The pipeline counts the batches that are in
	// flight; but one event that waits for an output keeps the whole chunk that it is a part of.
	room      *semaphore.Weighted
	roomBytes int64

	stuck atomic.Bool // the last chunks were not confirmed in time, and none was since

	alive context.Context // ends when Close begins
	stop  context.CancelFunc
	stats sync.WaitGroup

	closing sync.Once

	slow, aside, full *occasional.Reports
}

func newInstance(c *build.PluginConfig, o Options, store *sharedStore, release func() error) (*Instance, error) {
	log := newLog(o.Name, o.Level, o.Print)
	agent, err := build.Build(c.Pipeline(), build.Options{Log: log, NoInputs: true, Quarantine: store.Store})
	if err != nil {
		return nil, c.Explain(err)
	}
	in := &Instance{
		log: log, agent: agent, splitter: c.FluentBit.Splitter(), timeout: c.FluentBit.FlushTimeout,
		limits: msgpack.Limits{Bytes: int(c.FluentBit.MaxRecord)}, ledger: newLedger(), release: release,
		roomBytes: 2 * int64(c.Limits.MaxBytes), slow: &occasional.Reports{}, aside: &occasional.Reports{}, full: &occasional.Reports{},
	}
	in.room = semaphore.NewWeighted(in.roomBytes)
	in.alive, in.stop = context.WithCancel(context.Background())
	var outputs []string
	for _, out := range c.Outputs {
		outputs = append(outputs, out.Name)
	}
	log.Info("started", "version", o.Version, "filters", len(c.Filters), "outputs", strings.Join(outputs, ","), "quarantine", c.Quarantine.Path)
	if c.FluentBit.StatsInterval > 0 {
		in.stats.Go(func() { in.logStats(c.FluentBit.StatsInterval) })
	}
	return in, nil
}

// stuckTimeout is how long a flush waits while nothing gets through. The pipeline goes on trying what it holds by itself;
// waiting longer would only hold up Fluent Bit, its other outputs and its shutdown.
const stuckTimeout = 50 * time.Millisecond

// Flush delivers a chunk. It reads the chunk during the call only. Any number of flushes may run at once.
func (in *Instance) Flush(tag string, chunk []byte) (answer Answer) {
	defer func() {
		if p := recover(); p != nil {
			in.log.Error("a flush panicked; Fluent Bit retries the chunk", "tag", tag, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			answer = Retry
		}
	}()
	timeout := in.timeout
	if in.stuck.Load() {
		timeout = min(timeout, stuckTimeout)
	}
	ctx, cancel := context.WithTimeout(in.alive, timeout)
	defer cancel()
	d := in.ledger.take(tag, chunk)
	unreadable := false
	if d == nil {
		c, err := in.read(ctx, tag, chunk)
		if err != nil {
			in.stuck.Store(true)
			in.full.Do(func(more int) {
				in.log.Warn("too much waits for the outputs; Fluent Bit keeps further chunks", "err", err, "more", more)
			})
			return Retry
		}
		unreadable = c.unreadable
		d = in.agent.Engine.Deliver(c.feed, func(r pipeline.Result) {
			in.room.Release(c.room)
			if r.Outcome != pipeline.Retry {
				in.stuck.Store(false)
			}
		})
	}
	result, settled := d.Wait(ctx)
	switch {
	case !settled:
		in.stuck.Store(true)
		in.ledger.put(tag, chunk, d)
		in.slow.Do(func(more int) {
			in.log.Warn("outputs have not confirmed a chunk in time; Fluent Bit retries it, and it waits for the rest then",
				"tag", tag, "timeout", in.timeout, "more", more)
		})
		return Retry
	case result.Outcome == pipeline.Retry:
		in.log.Debug("a chunk comes again", "tag", tag, "err", result.Err)
		return Retry
	case result.Outcome == pipeline.Rejected:
		in.aside.Do(func(more int) {
			in.log.Warn("events are in quarantine", "tag", tag, "reason", result.Err, "more", more)
		})
	}
	if unreadable {
		return Error
	}
	return OK
}

// chunk is a chunk of Fluent Bit as JSON.
type chunk struct {
	instance   *Instance
	tag        string
	records    []msgpack.Record
	broken     []pipeline.Broken
	order      []bool // for each record of the chunk, whether it is a broken one
	unreadable bool   // there was nothing to read
	room       int64
}

// read transcodes a chunk, as soon as there is room for it. Nothing of the result lies in the chunk's memory.
func (in *Instance) read(ctx context.Context, tag string, data []byte) (*chunk, error) {
	c := &chunk{instance: in, tag: tag, room: min(int64(len(data)), in.roomBytes)}
	if err := in.room.Acquire(ctx, c.room); err != nil {
		return nil, err
	}
	handedOver := false
	defer func() {
		if !handedOver {
			in.room.Release(c.room)
		}
	}()
	err := msgpack.Transcode(data, in.limits, func(r msgpack.Record) error {
		c.records = append(c.records, r)
		c.order = append(c.order, false)
		return nil
	}, func(b msgpack.BadRecord) error {
		c.bad(b.Raw, b.Offset, "a record that can not be used: "+b.Err.Error())
		return nil
	})
	if corrupt, ok := errors.AsType[*msgpack.CorruptError](err); ok {
		c.unreadable = len(c.order) == 0
		c.bad(data[corrupt.Offset:], corrupt.Offset, corrupt.Error())
	} else if err != nil {
		return nil, err
	}
	handedOver = true
	return c, nil
}

// maxBroken is how much is kept of what can not be read.
const maxBroken = 64 << 10

func (c *chunk) bad(raw []byte, offset int, reason string) {
	c.broken = append(c.broken, pipeline.Broken{
		Raw: bytes.Clone(raw[:min(len(raw), maxBroken)]), Size: int64(len(raw)), Offset: int64(offset),
		Origin: &pipeline.Origin{Input: inputName, Tag: c.tag}, Reason: "MessagePack: " + reason,
	})
	c.order = append(c.order, true)
}

// inputName is what origin.input of the events is.
const inputName = "fluent_bit"

// feed gives the chunk's events to the pipeline.
func (c *chunk) feed(ctx context.Context, f *pipeline.Frame) error {
	documents := c.instance.splitter.Documents(ctx, f)
	origins := make([]pipeline.Origin, len(c.records))
	records, broken := c.records, c.broken
	for _, bad := range c.order {
		if bad {
			if err := documents.Broken(broken[0]); err != nil {
				return err
			}
			broken = broken[1:]
			continue
		}
		r, o := records[0], &origins[0]
		records, origins = records[1:], origins[1:]
		*o = pipeline.Origin{Input: inputName, Tag: c.tag, Time: r.Time}
		if err := documents.Add(r.Body, o, int64(r.Offset)); err != nil {
			return err
		}
	}
	_, err := documents.Flush()
	return err
}

// Close waits a short time for confirmations, and ends the instance. What is not confirmed stays in Fluent Bit's hands:
// it was answered with retry.
func (in *Instance) Close() {
	in.closing.Do(func() {
		in.stop()
		in.stats.Wait()
		wait := in.agent.Config.DrainTimeout
		if in.agent.Stats().OpenFrames == 0 || in.failing() {
			wait = 0 // nothing to wait for
		}
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		if err := errors.Join(in.agent.Close(ctx), in.release()); err != nil {
			in.log.Warn("closing", "err", err)
		}
		in.log.Info("ended", account(in.agent.Stats())...)
	})
}

func (in *Instance) failing() bool {
	for _, o := range in.agent.Stats().Outputs {
		if o.Err != nil && !o.BestEffort {
			return true
		}
	}
	return false
}

// logStats logs the counters when they have changed.
func (in *Instance) logStats(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-in.alive.Done():
			return
		case <-tick.C:
		}
		attrs := account(in.agent.Stats())
		if now := fmt.Sprint(attrs...); now != last {
			in.log.Info("account", attrs...)
			last = now
		}
	}
}

// account is what became of the events so far, as attributes of a log line.
func account(s pipeline.Stats) []any {
	attrs := []any{"in", s.In, "made", s.Made, "filtered", s.Filtered, "unrouted", s.Unrouted, "quarantined", s.Quarantined, "in_flight", s.EventsInFlight}
	for _, o := range s.Outputs {
		attrs = append(attrs, o.Name+".delivered", o.Delivered)
		for _, c := range []struct {
			name  string
			value int64
		}{{"retried", o.Retried}, {"quarantined", o.Quarantined}, {"dropped", o.Dropped}} {
			if c.value > 0 {
				attrs = append(attrs, o.Name+"."+c.name, c.value)
			}
		}
		if o.Err != nil {
			attrs = append(attrs, o.Name+".failing", o.Err.Error())
		}
	}
	return attrs
}
