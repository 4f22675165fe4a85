package natsin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// forgetAfter is when the server removes the consumer of an agent that has disappeared.
const forgetAfter = 5 * time.Minute

// readOnce reads the messages that the stream holds now, by a consumer of its own. It returns when all of them have
// settled, nil then.
func (s *session) readOnce(ctx context.Context) error {
	cons, last, err := s.temporary(ctx)
	if err != nil {
		return s.in.explained(err)
	}
	name := cons.CachedInfo().Name
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
		defer cancel()
		_ = s.js.DeleteConsumer(ctx, s.in.config.Stream, name) // else the server removes it after a while
	}()
	var ended error
	reading, stop := context.WithCancel(ctx)
	defer stop()
	_ = s.in.again(reading, "the stream "+s.in.config.Stream, s.nc, func() error {
		err := s.readFrom(reading, cons, func() error { return atEnd(reading, cons, last) })
		switch {
		case errors.Is(err, io.EOF):
			stop()
		case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrConsumerDeleted):
			ended = fmt.Errorf("stream %s: the server forgot what was read of it; run it again", s.in.config.Stream)
			stop()
		}
		return err
	})
	return ended
}

// atEnd returns io.EOF when all messages up to the last one have settled. While others store further messages the first
// condition holds, else the second one.
func atEnd(ctx context.Context, cons jetstream.Consumer, last uint64) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	i, err := cons.Info(ctx)
	if err == nil && (i.AckFloor.Stream >= last || i.NumPending == 0 && i.NumAckPending == 0) {
		return io.EOF
	}
	return err
}

// temporary makes a consumer that the server forgets, and returns the sequence number of the stream's last message.
func (s *session) temporary(ctx context.Context) (jetstream.Consumer, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	stream, err := s.js.Stream(ctx, s.in.config.Stream)
	if err != nil {
		return nil, 0, err
	}
	wanted := s.in.config.wanted()
	wanted.Durable, wanted.InactiveThreshold = "", forgetAfter
	cons, err := stream.CreateConsumer(ctx, wanted)
	return cons, stream.CachedInfo().State.LastSeq, err
}
