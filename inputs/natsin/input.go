package natsin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/natsconn"
	"github.com/trailcast/trailcast/pipeline"
)

// Input reads messages. It is a pipeline.Input and Checker.
type Input struct {
	config   Config
	name     string
	log      *slog.Logger
	options  []nats.Option
	splitter *split.Splitter
	frames   sync.WaitGroup

	mu      sync.Mutex
	held    map[uint64]jetstream.Msg // received and not acknowledged yet
	next    uint64
	ackWait time.Duration // of the consumer
}

// New returns an input. It connects in Run; what is wrong in a file that cfg names is an error here.
func New(cfg Config, env pipeline.Env) (*Input, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	in := &Input{config: cfg.withDefaults(env.Name), name: env.Name, log: cmp.Or(env.Log, slog.New(slog.DiscardHandler)), held: map[uint64]jetstream.Msg{}}
	options, err := natsconn.Options(in.config.identity(), in.log.Warn)
	if err != nil {
		return nil, err
	}
	if cfg.TLS != nil && cfg.TLS.InsecureSkipVerify {
		in.log.Warn("tls.insecure_skip_verify: the NATS server is not verified")
	}
	in.options, in.splitter = options, split.New(in.config.Options(in.config.MaxDecompressed))
	return in, nil
}

// retryEvery is how long to wait before a stream or consumer that is not there is asked for again.
const retryEvery = 2 * time.Second

// Check implements pipeline.Checker.
func (in *Input) Check(ctx context.Context) error {
	nc, err := nats.Connect(strings.Join(in.config.URL, ","), append(in.options, nats.Timeout(5*time.Second))...)
	if err != nil {
		return err
	}
	defer nc.Close()
	if in.config.Stream == "" {
		return nil
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if in.config.Create { // not by a check
		_, err = js.Stream(ctx, in.config.Stream)
	} else {
		_, err = js.Consumer(ctx, in.config.Stream, in.config.Consumer)
	}
	if err != nil {
		return fmt.Errorf("stream %s, consumer %s: %w", in.config.Stream, in.config.Consumer, err)
	}
	return nil
}

// Run implements pipeline.Input.
func (in *Input) Run(ctx context.Context, to pipeline.Intake) error {
	nc, err := nats.Connect(strings.Join(in.config.URL, ","), append(in.options,
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(time.Second),
		nats.ConnectHandler(func(nc *nats.Conn) { in.log.Info("connected to NATS", "server", nc.ConnectedUrlRedacted()) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { in.log.Info("connected to NATS again", "server", nc.ConnectedUrlRedacted()) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				in.log.Warn("the connection to NATS was lost", "err", err)
			}
		}),
		nats.ErrorHandler(in.asyncError),
	)...)
	if err != nil {
		return err
	}
	beating, stopBeating := context.WithCancel(context.WithoutCancel(ctx)) // also while what is in flight drains
	var beat sync.WaitGroup
	beat.Go(func() { in.keepHeld(beating) })
	defer func() {
		defer beat.Wait()
		defer stopBeating()
		in.frames.Wait() // each settles within the drain, and acknowledges on this connection
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = nc.FlushWithContext(flush) // an acknowledgement that does not arrive repeats a message
		nc.Close()
	}()
	if in.config.Stream == "" {
		return in.listen(ctx, nc, to)
	}
	return in.consume(ctx, nc, to)
}

func (in *Input) asyncError(_ *nats.Conn, sub *nats.Subscription, err error) {
	if sub != nil && errors.Is(err, nats.ErrSlowConsumer) {
		dropped, _ := sub.Dropped()
		in.log.Error("messages were lost: they come faster than the outputs take them, and core NATS keeps none (read a stream instead)",
			"subject", sub.Subject, "lost", dropped)
		return
	}
	in.log.Error("NATS reports an error", "err", err)
}

// listen reads a subject with core NATS.
func (in *Input) listen(ctx context.Context, nc *nats.Conn, to pipeline.Intake) error {
	sub, err := nc.QueueSubscribeSync(in.config.Subject, in.config.Queue)
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", in.config.Subject, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection ends anyway
	begun := strconv.FormatInt(time.Now().UnixNano(), 36)
	for n := int64(0); ; n++ {
		msg, err := sub.NextMsgWithContext(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, nats.ErrSlowConsumer):
			continue // said by asyncError
		case err != nil:
			return fmt.Errorf("listen on %s: %w", in.config.Subject, err)
		}
		// A message without an id of its own is another one each time.
		identity := cmp.Or(msg.Header.Get(nats.MsgIdHdr), begun+"-"+strconv.FormatInt(n, 36))
		in.feed(ctx, to, msg.Subject, identity, msg.Data, func(r pipeline.Result) {
			if r.Outcome == pipeline.Retry {
				in.log.Warn("a message was not delivered before the stop, and core NATS does not keep it", "subject", msg.Subject)
			}
		})
	}
}

// consume reads a stream by its durable consumer.
func (in *Input) consume(ctx context.Context, nc *nats.Conn, to pipeline.Intake) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	complained := ""
	for ctx.Err() == nil {
		err := in.fetch(ctx, js, to)
		if ctx.Err() != nil {
			break
		}
		if err != nil && err.Error() != complained {
			in.log.Warn("the stream can not be read; it is tried again", "stream", in.config.Stream, "consumer", in.config.Consumer, "err", err)
			complained = err.Error()
		}
		select {
		case <-time.After(retryEvery):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// fetch reads until something fails.
func (in *Input) fetch(ctx context.Context, js jetstream.JetStream, to pipeline.Intake) error {
	cons, err := in.consumer(ctx, js)
	if err != nil {
		return err
	}
	messages, err := cons.Messages(jetstream.PullMaxMessages(min(in.config.MaxInFlight, 500)))
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	defer messages.Stop()
	in.log.Info("reading the stream", "stream", in.config.Stream, "consumer", in.config.Consumer)
	for {
		msg, err := messages.Next()
		switch {
		case errors.Is(err, jetstream.ErrNoHeartbeat):
			continue // the connection is away; it comes back
		case err != nil:
			return err
		}
		in.take(ctx, to, msg)
	}
}

// consumer returns the durable consumer, which is created if it may be.
func (in *Input) consumer(ctx context.Context, js jetstream.JetStream) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c := in.config
	cons, err := js.Consumer(ctx, c.Stream, c.Consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) && c.Create {
		wanted := jetstream.ConsumerConfig{
			Durable: c.Consumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: c.AckWait, MaxAckPending: c.MaxInFlight, FilterSubject: c.Subject,
		}
		if c.Start == "end" {
			wanted.DeliverPolicy = jetstream.DeliverNewPolicy
		}
		if cons, err = js.CreateConsumer(ctx, c.Stream, wanted); err == nil {
			in.log.Info("created the consumer", "stream", c.Stream, "consumer", c.Consumer)
		}
	}
	if err != nil {
		return nil, err
	}
	if policy := cons.CachedInfo().Config.AckPolicy; policy != jetstream.AckExplicitPolicy {
		return nil, fmt.Errorf("the consumer has acknowledgement %v, which can lose messages: it must be explicit", policy)
	}
	in.mu.Lock()
	in.ackWait = cons.CachedInfo().Config.AckWait
	in.mu.Unlock()
	return cons, nil
}

// redeliverAfter is when a message comes again of which not all events were delivered.
const redeliverAfter = 5 * time.Second

// take feeds one message and acknowledges it when it has settled.
func (in *Input) take(ctx context.Context, to pipeline.Intake, msg jetstream.Msg) {
	in.mu.Lock()
	in.next++
	number := in.next
	in.held[number] = msg
	in.mu.Unlock()
	identity := msg.Headers().Get(nats.MsgIdHdr)
	if meta, err := msg.Metadata(); err == nil {
		identity = meta.Stream + ":" + strconv.FormatUint(meta.Sequence.Stream, 10)
	}
	in.feed(ctx, to, msg.Subject(), identity, msg.Data(), func(r pipeline.Result) {
		in.mu.Lock()
		delete(in.held, number)
		in.mu.Unlock()
		var err error
		if r.Outcome == pipeline.Retry {
			err = msg.NakWithDelay(redeliverAfter)
		} else {
			err = msg.Ack()
		}
		if err != nil { // the message comes again
			in.log.Debug("a message could not be acknowledged", "err", err)
		}
	})
}

// feed splits a message into one frame.
func (in *Input) feed(ctx context.Context, to pipeline.Intake, subject, identity string, data []byte, settled func(pipeline.Result)) {
	in.frames.Add(1)
	frame := to.Open(func(r pipeline.Result) {
		settled(r)
		in.frames.Done()
	})
	origin := &pipeline.Origin{Input: in.name, Object: subject, Identity: identity}
	if _, err := in.splitter.Split(ctx, bytes.NewReader(data), origin, split.Base{}, frame); err != nil {
		frame.Abandon(err)
		return
	}
	frame.Seal()
}

// keepHeld tells the server in time that messages are still being worked on.
func (in *Input) keepHeld(ctx context.Context) {
	const often = 250 * time.Millisecond
	tick := time.NewTicker(often)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		in.mu.Lock()
		if in.ackWait == 0 || time.Since(last) < in.ackWait/3 {
			in.mu.Unlock()
			continue
		}
		last = time.Now()
		held := make([]jetstream.Msg, 0, len(in.held))
		for _, msg := range in.held {
			held = append(held, msg)
		}
		in.mu.Unlock()
		for _, msg := range held {
			_ = msg.InProgress() // a late one repeats the message
		}
	}
}
