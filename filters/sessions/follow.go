package sessions

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// follower keeps a fleet's memory as the bucket is, on a goroutine of its own.
type follower struct {
	fleet  *fleet
	clocks *clocks
	told   []reading // as they were written last

	cancel  context.CancelFunc
	running sync.WaitGroup
}

// start connects, and begins to follow. The error is one of the options.
func (f *follower) start() error {
	if err := f.fleet.bucket.connect(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	f.running.Go(func() { f.run(ctx) })
	return nil
}

// errAgain says that the connection was made anew, so that the bucket is to be read from its beginning.
var errAgain = errors.New("connected again")

func (f *follower) isStarted() bool { return f.cancel != nil }

// stop gives up the claim and ends the connection.
func (f *follower) stop() {
	f.cancel()
	f.running.Wait()
	b, c := f.fleet.bucket, f.fleet.claim
	if o := b.open(); o != nil {
		ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
		defer cancel()
		c.release(ctx, o.kv)
		_ = o.kv.Delete(ctx, agentsPart+c.me) // what stays of it counts for a while only
	}
	b.nc.Close()
}

func (f *follower) run(ctx context.Context) {
	b := f.fleet.bucket
	var complained string
	wait(ctx, b.retryEvery, b.connected) // what came later than the connection itself would say that it was made anew
	for ctx.Err() == nil {
		began := time.Now()
		err := f.follow(ctx)
		if ctx.Err() == nil {
			b.use(nil)
		}
		if time.Since(began) > time.Minute {
			complained = "" // it had worked for a while
		}
		if errors.Is(err, errAgain) {
			continue
		}
		// Of a connection that is away its handlers tell.
		if ctx.Err() == nil && err != nil && b.nc.IsConnected() && err.Error() != complained {
			complained = err.Error()
			b.log.Warn("can not follow the key-value bucket; it is tried again", "err", err)
		}
		wait(ctx, b.retryEvery, b.connected)
	}
}

// follow reads the bucket from its beginning and goes on until something fails.
func (f *follower) follow(ctx context.Context) error {
	b := f.fleet.bucket
	if !b.nc.IsConnected() {
		return nats.ErrDisconnected
	}
	o, err := b.find(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.fleet.anew()
	watcher, err := o.watch(ctx)
	if err != nil {
		return err
	}
	defer func() {
		_ = watcher.Stop() // it may have ended by itself
		drain(watcher.Updates())
	}()
	if err := f.readAll(ctx, o, watcher.Updates()); err != nil {
		return err
	}
	b.use(o)
	f.fleet.again()
	return f.keepUp(ctx, o, watcher.Updates())
}

// drain takes what a watch that was stopped still has: it would wait for that for ever.
func drain(updates <-chan jetstream.KeyValueEntry) {
	late := time.After(answerWithin)
	for {
		select {
		case _, ok := <-updates:
			if !ok {
				return
			}
		case <-late:
			return
		}
	}
}

// readAll takes all that is in the bucket now.
func (f *follower) readAll(ctx context.Context, o *openBucket, updates <-chan jetstream.KeyValueEntry) error {
	f.fleet.claim.forget()
	there := map[string]struct{}{}
	for {
		select {
		case entry, ok := <-updates:
			if !ok {
				return nats.ErrDisconnected
			}
			if entry == nil {
				f.fleet.only(there)
				return nil
			}
			if err := f.take(ctx, o, entry, listed); err != nil {
				return err
			}
			if key, ok := sessionOf(entry.Key()); ok {
				there[key] = struct{}{}
			}
		case <-f.fleet.bucket.connected: // again: changes may have been missed
			return errAgain
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(answerWithin):
			return context.DeadlineExceeded
		}
	}
}

// keepUp takes what changes, and tells the others from time to time that this agent is there.
func (f *follower) keepUp(ctx context.Context, o *openBucket, updates <-chan jetstream.KeyValueEntry) error {
	tick := time.NewTicker(f.fleet.claim.lease / 3)
	defer tick.Stop()
	if err := f.tick(ctx, o); err != nil {
		return err
	}
	for {
		select {
		case entry, ok := <-updates:
			if !ok {
				return nats.ErrDisconnected
			}
			if entry == nil {
				continue
			}
			if err := f.take(ctx, o, entry, changed); err != nil {
				return err
			}
			if entry.Key() == keyClaim && entry.Operation() != jetstream.KeyValuePut { // given up
				if err := f.tick(ctx, o); err != nil {
					return err
				}
			}
		case <-tick.C:
			if err := f.tick(ctx, o); err != nil {
				return err
			}
		case <-f.fleet.bucket.connected:
			return errAgain
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *follower) tick(ctx context.Context, o *openBucket) error {
	if now := f.clocks.readings(); !slices.Equal(now, f.told) {
		put, cancel := context.WithTimeout(ctx, answerWithin)
		defer cancel()
		if _, err := o.kv.Put(put, agentsPart+f.fleet.claim.me, encode(now)); err != nil {
			return err
		}
		f.told = now
	}
	taken, err := f.fleet.claim.tick(ctx, o.kv)
	if taken {
		f.fleet.log.Info("this agent tells what time brings, for all that share the sessions")
		f.fleet.wake()
	}
	return err
}

func (f *follower) take(ctx context.Context, o *openBucket, entry jetstream.KeyValueEntry, from arrival) error {
	isPut := entry.Operation() == jetstream.KeyValuePut
	if key, ok := sessionOf(entry.Key()); ok {
		if !isPut {
			f.fleet.bucket.note("s."+key+".>", entry)
		}
		return f.fleet.take(ctx, o, key, storedOf(entry), from)
	}
	if agent, ok := strings.CutPrefix(entry.Key(), agentsPart); ok {
		f.fleet.bucket.note(entry.Key(), entry) // one that has stopped leaves it behind
		if agent != f.fleet.claim.me {
			f.clocks.hear(agent, readingsOf(entry))
		}
		return nil
	}
	f.fleet.claim.saw(string(entry.Value()), entry.Revision())
	return nil
}

// readingsOf returns those of an agent; none of one that is gone, or that can not be read.
func readingsOf(entry jetstream.KeyValueEntry) (all []reading) {
	_ = json.Unmarshal(entry.Value(), &all)
	return all
}

// sessionOf returns the hash of a session's id that a key has.
func sessionOf(key string) (string, bool) {
	parts := strings.Split(key, ".")
	if len(parts) != 3 || parts[0] != "s" || parts[2] != "state" {
		return "", false
	}
	return parts[1], true
}
