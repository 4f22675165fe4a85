package natsin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/trailcast/trailcast/pipeline"
)

// maxPull is how many messages are asked for at once.
const maxPull = 500

// consume reads a stream by its durable consumer. One goroutine pulls what there is room for, this one feeds it, and a
// third one tells the server that what is held is being worked on, whether it is fed yet or not.
func (in *Input) consume(ctx context.Context, nc *nats.Conn, to pipeline.Intake) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	s := &session{in: in, nc: nc, js: js, pace: make(chan time.Duration), pulled: make(chan *message, in.config.MaxInFlight)}

	beating, stopBeating := context.WithCancel(context.WithoutCancel(ctx)) // also while what is in flight drains
	var beat sync.WaitGroup
	beat.Go(func() { s.keepHeld(beating) })
	defer beat.Wait()
	defer stopBeating()

	pulling, stopPulling := context.WithCancel(ctx)
	var failed error
	var pull sync.WaitGroup
	pull.Go(func() {
		defer close(s.pulled)
		if in.config.Once {
			failed = s.readOnce(pulling)
			return
		}
		_ = in.again(pulling, "the stream "+in.config.Stream, nc, func() error { return s.read(pulling) })
	})
	defer pull.Wait()
	defer stopPulling()

	s.feedAll(ctx, to)
	in.frames.Wait()
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if nc.IsConnected() {
		_ = nc.FlushWithContext(flush) // an acknowledgement that does not arrive repeats a message, no more
	}
	if ctx.Err() == nil { // feedAll saw the end of pulling
		return failed
	}
	return ctx.Err()
}

// session is the reading of a stream on one connection.
type session struct {
	in     *Input
	nc     *nats.Conn
	js     jetstream.JetStream
	pace   chan time.Duration // how often to tell of held messages
	pulled chan *message      // has room for all that may be held
}

// message is one that was pulled and is not fed yet.
type message struct {
	at     place
	origin *pipeline.Origin
	data   []byte
}

// feedAll feeds what is pulled. What is left at the stop goes back, so that another agent need not wait for it; this one
// has ended its last request then and does not get it again.
func (s *session) feedAll(ctx context.Context, to pipeline.Intake) {
	var left []*message
	for m := range s.pulled {
		if ctx.Err() != nil {
			left = append(left, m)
			continue
		}
		s.in.held.begun(len(m.data))
		s.in.feed(ctx, to, m.origin, m.data, func(r pipeline.Result) { s.settled(ctx, m, r) })
	}
	for _, m := range left {
		s.answered(s.in.held.remove(m.at).Nak())
	}
}

func (s *session) settled(ctx context.Context, m *message, r pipeline.Result) {
	msg := s.in.held.remove(m.at)
	switch {
	case r.Outcome != pipeline.Retry:
		s.answered(msg.Ack())
	case ctx.Err() != nil:
		s.answered(msg.Nak())
	default:
		s.answered(msg.NakWithDelay(s.in.redeliverAfter))
	}
}

// answered handles the error of an answer that could not be sent. The message comes again.
func (s *session) answered(err error) {
	if err != nil {
		s.in.log.Debug("a message could not be answered", "err", err)
	}
}

// read pulls messages until something fails.
func (s *session) read(ctx context.Context) error {
	if !s.nc.IsConnected() {
		return nats.ErrDisconnected
	}
	cons, err := s.in.consumer(ctx, s.js)
	if err != nil {
		return err
	}
	return s.readFrom(ctx, cons, func() error { return nil })
}

// readFrom pulls messages until something fails, or ended returns an error, which is asked after each request.
func (s *session) readFrom(ctx context.Context, cons jetstream.Consumer, ended func() error) error {
	limits := cons.CachedInfo().Config
	select {
	case s.pace <- ackWait(limits) / 3:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.in.log.Info("reading the stream", "stream", s.in.config.Stream, "consumer", cons.CachedInfo().Name)
	for anySize := false; ; {
		messages, size, ok := s.in.held.room(ctx, s.in.config.MaxInFlight, s.in.maxWaiting)
		if !ok {
			return ctx.Err()
		}
		got, err := s.pull(cons, s.in.request(limits, messages, size, anySize))
		if err != nil {
			return err
		}
		if got == 0 && !s.nc.IsConnected() {
			return nats.ErrDisconnected
		}
		// A request that brings nothing may have met a message larger than what it asked for, which would bring nothing
		// for ever: the next one takes a message of any size.
		anySize = got == 0 && !anySize
		if err := ended(); err != nil {
			return err
		}
	}
}

// A pull is one request for messages.
type pull struct {
	messages int
	size     int // 0: any
	wait     time.Duration
}

// request returns a request within the limits of a consumer.
func (in *Input) request(limits jetstream.ConsumerConfig, messages, size int, anySize bool) pull {
	least := func(n, limit int) int {
		if limit > 0 {
			return min(n, limit)
		}
		return n
	}
	p := pull{least(min(messages, maxPull), limits.MaxRequestBatch), least(size, limits.MaxRequestMaxBytes), in.pullFor}
	if limits.MaxRequestExpires > 0 {
		p.wait = min(p.wait, limits.MaxRequestExpires)
	}
	if anySize {
		p.messages, p.size = 1, 0
	}
	return p
}

// pull hands over what one request brings, and counts it.
func (s *session) pull(cons jetstream.Consumer, p pull) (int, error) {
	options := []jetstream.FetchOpt{jetstream.FetchMaxWait(p.wait)}
	if p.size > 0 {
		options = append(options, jetstream.FetchMaxBytes(p.size))
	}
	batch, err := cons.Fetch(p.messages, options...)
	if err != nil {
		return 0, err
	}
	got := 0
	for msg := range batch.Messages() {
		got++
		meta, err := msg.Metadata()
		if err != nil {
			return got, fmt.Errorf("a message without a place in the stream: %w", err)
		}
		at := place{meta.Sequence.Stream, meta.Timestamp.UnixNano()}
		if s.in.held.add(at, msg) {
			s.pulled <- &message{at, s.in.origin(msg, meta), msg.Data()}
		}
	}
	return got, batch.Error()
}

// objectOf marks a subject as one: some look like the name of a session's transcript, session.123456789012.i-….log.
func objectOf(subject string) string { return "nats:" + subject }

// origin names a message by its place in the stream, the same at each delivery.
func (in *Input) origin(msg jetstream.Msg, meta *jetstream.MsgMetadata) *pipeline.Origin {
	identity := meta.Stream + ":" + strconv.FormatUint(meta.Sequence.Stream, 10) + ":" + strconv.FormatInt(meta.Timestamp.UnixNano(), 36)
	return &pipeline.Origin{Input: in.name, Object: objectOf(msg.Subject()), Identity: identity, Time: meta.Timestamp}
}

// keepHeld tells the server in time that messages are still being worked on.
func (s *session) keepHeld(ctx context.Context) {
	tick := time.NewTicker(time.Hour) // nothing is held before the first pace is known
	defer tick.Stop()
	for {
		select {
		case pace := <-s.pace:
			tick.Reset(pace)
		case <-tick.C:
			if !s.nc.IsConnected() {
				continue // kept for a later connection, these would take the room of acknowledgements
			}
			for _, msg := range s.in.held.all() {
				_ = msg.InProgress() // it was answered meanwhile, or it comes again
			}
		case <-ctx.Done():
			return
		}
	}
}

// ackWait is the shortest time after which a message that was not answered comes again.
func ackWait(c jetstream.ConsumerConfig) time.Duration {
	wait := c.AckWait
	if len(c.BackOff) > 0 { // replaces ack_wait
		wait = slices.Min(c.BackOff)
	}
	return max(wait, 30*time.Millisecond)
}

// consumer returns the durable consumer, which is created if it may be.
func (in *Input) consumer(ctx context.Context, js jetstream.JetStream) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	c := in.config
	cons, err := js.Consumer(ctx, c.Stream, c.Consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) && c.Create {
		if cons, err = js.CreateConsumer(ctx, c.Stream, c.wanted()); err == nil {
			in.log.Info("created the consumer", "stream", c.Stream, "consumer", c.Consumer)
		}
	}
	if err != nil {
		return nil, in.explained(err)
	}
	return cons, in.usable(cons)
}

// wanted is the consumer that is created. It has no limit of its own for what is not acknowledged: each agent has one,
// and together they may hold more.
func (c *Config) wanted() jetstream.ConsumerConfig {
	wanted := jetstream.ConsumerConfig{
		Durable: c.Consumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: c.AckWait, MaxAckPending: -1, FilterSubject: c.Subject,
	}
	if start, _ := c.startTime(); !start.IsZero() { // Validate saw the error
		wanted.DeliverPolicy, wanted.OptStartTime = jetstream.DeliverByStartTimePolicy, &start
	} else if c.Start == "end" {
		wanted.DeliverPolicy = jetstream.DeliverNewPolicy
	}
	return wanted
}

// usable returns an error for a consumer that loses messages, and warns of one that may.
func (in *Input) usable(cons jetstream.Consumer) error {
	c := cons.CachedInfo().Config
	if c.AckPolicy != jetstream.AckExplicitPolicy {
		return fmt.Errorf("consumer %s has the acknowledgement policy %q, with which messages can be lost: it must be explicit", in.config.Consumer, policyName(c.AckPolicy))
	}
	if c.MaxDeliver > 0 {
		in.log.Warn("the consumer gives up a message after some deliveries (max_deliver): while the outputs can not deliver, messages are lost",
			"consumer", in.config.Consumer, "max_deliver", c.MaxDeliver)
	}
	if want := in.config.Subject; want != "" && c.FilterSubject != want && !slices.Equal(c.FilterSubjects, []string{want}) {
		in.log.Warn("the consumer has another filter than subject says; it is used as it is",
			"consumer", in.config.Consumer, "filter", strings.Join(append(c.FilterSubjects, c.FilterSubject), " "), "subject", want)
	}
	return nil
}

func policyName(p jetstream.AckPolicy) string {
	switch p {
	case jetstream.AckNonePolicy:
		return "none"
	case jetstream.AckAllPolicy:
		return "all"
	}
	return p.String()
}

// explained says what to do about an error of the server.
func (in *Input) explained(err error) error {
	c := in.config
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("stream %s: there is none (make it, or let an output with create: true make it)", c.Stream)
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return fmt.Errorf("stream %s has no consumer %s (make it, or set create: true)", c.Stream, c.Consumer)
	case errors.Is(err, jetstream.ErrNotPullConsumer):
		return fmt.Errorf("consumer %s of stream %s is a push consumer: it must be a pull consumer", c.Consumer, c.Stream)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("stream %s, consumer %s: the server does not answer; may this user publish to $JS.API.CONSUMER.> and subscribe to its inbox (inbox_prefix)?", c.Stream, c.Consumer)
	}
	return fmt.Errorf("stream %s, consumer %s: %w", c.Stream, c.Consumer, err)
}
