package natsin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/trailcast/trailcast/pipeline"
)

// listen reads a subject with core NATS.
func (in *Input) listen(ctx context.Context, nc *nats.Conn, to pipeline.Intake) error {
	l := &listener{in: in, to: to, begun: strconv.FormatInt(time.Now().UnixNano(), 36)}
	err := in.again(ctx, "the subject "+in.config.Subject, nc, func() error { return l.receive(ctx, nc) })
	in.frames.Wait()
	if n := l.undelivered.Load(); n > 0 {
		in.log.Error("messages were lost: they were not delivered before the end of the stop, and core NATS keeps none", "lost", n)
	}
	return err
}

type listener struct {
	in          *Input
	to          pipeline.Intake
	begun       string       // tells this run's messages from those of others
	count       int64        // of messages
	undelivered atomic.Int64 // messages that settled with a retry
}

// answerWithin is how long the server may take for an answer.
const answerWithin = 5 * time.Second

// receive reads until something fails, or until ctx has ended and all that had arrived is fed.
func (l *listener) receive(ctx context.Context, nc *nats.Conn) error {
	sub, err := nc.QueueSubscribeSync(l.in.config.Subject, l.in.config.Queue)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }() // it is gone already where the drain has ended
	if err := sub.SetPendingLimits(-1, l.in.maxWaiting); err != nil {
		return err
	}
	watch, stopWatching := context.WithCancel(context.Background())
	var watcher sync.WaitGroup
	lost := &loss{in: l.in, sub: sub}
	watcher.Go(func() { lost.watch(watch) })
	defer watcher.Wait()
	defer stopWatching()

	// At a stop the server hears at once that this is the end, also while feeding blocks. What has arrived by then is still
	// fed, until the engine gives up: nobody would give it a second time.
	left := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(left)
		lost.tell() // a subscription that has drained forgets what it has dropped
		if nc.IsConnected() {
			_ = sub.Drain()
		}
	})
	defer func() {
		if !stop() {
			<-left
		}
	}()
	rest := context.WithoutCancel(ctx)
	for last := false; ; {
		msg, err := sub.NextMsg(time.Second)
		switch {
		case err == nil:
			l.take(rest, msg)
		case errors.Is(err, nats.ErrSlowConsumer):
			lost.tell()
		case ctx.Err() != nil && !last && errors.Is(err, nats.ErrTimeout):
			<-left // the wait may have been over before the server heard of the end
			last = true
		case ctx.Err() != nil:
			return nil // drained, or nothing came any more
		case !errors.Is(err, nats.ErrTimeout):
			return err
		}
	}
}

func (l *listener) take(ctx context.Context, msg *nats.Msg) {
	// A message without an id of its own is another one each time.
	identity := cmp.Or(msg.Header.Get(nats.MsgIdHdr), l.begun+"-"+strconv.FormatInt(l.count, 36))
	l.count++
	origin := &pipeline.Origin{Input: l.in.name, Object: objectOf(msg.Subject), Identity: identity}
	l.in.feed(ctx, l.to, origin, msg.Data, func(r pipeline.Result) {
		if r.Outcome == pipeline.Retry {
			l.undelivered.Add(1)
		}
	})
}

// loss is what the client had to drop of a subscription, since the outputs are slower than the senders.
type loss struct {
	in  *Input
	sub *nats.Subscription

	mu   sync.Mutex
	told int
}

// watch tells of a loss when it begins, and now and then while it lasts.
func (l *loss) watch(ctx context.Context) {
	slow := l.sub.StatusChanged(nats.SubscriptionSlowConsumer)
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		l.tell()
		select {
		case _, open := <-slow:
			if !open {
				slow = nil
			}
		case <-tick.C:
		case <-ctx.Done():
			l.tell()
			return
		}
	}
}

// tell logs what was lost since it was told last.
func (l *loss) tell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	dropped, err := l.sub.Dropped()
	if err != nil || dropped <= l.told {
		return
	}
	l.in.log.Error("messages are lost: they come faster than the outputs take them, and core NATS keeps none (read a stream instead)",
		"subject", l.in.config.Subject, "lost", dropped-l.told, "lost_in_total", dropped)
	l.told = dropped
}

// checkSubject proves that the subject may be listened on. The subscription is in no queue group, where it would take
// messages away.
func (in *Input) checkSubject(ctx context.Context, nc *nats.Conn) error {
	sub, err := nc.SubscribeSync(in.config.Subject)
	if err != nil {
		return fmt.Errorf("subject %s: %w", in.config.Subject, err)
	}
	flushed := nc.FlushWithContext(ctx) // a refusal comes before the answer
	if _, err := sub.NextMsg(time.Nanosecond); errors.Is(err, nats.ErrPermissionViolation) {
		return fmt.Errorf("subject %s: %w", in.config.Subject, err)
	}
	if flushed != nil {
		return fmt.Errorf("subject %s: %w", in.config.Subject, flushed)
	}
	return nil
}
