package natsin

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Check implements pipeline.Checker, on a connection of its own. It makes nothing and takes no message.
func (in *Input) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	said := refusals{refused: cancel}
	nc, err := in.dial(nats.Timeout(answerWithin), nats.ErrorHandler(said.add))
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	defer nc.Close()
	if in.config.Stream == "" {
		return in.checkSubject(ctx, nc)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if in.config.Once {
		_, err := js.Stream(ctx, in.config.Stream)
		if err != nil && said.err() != nil {
			err = said.err()
		}
		return in.explained(err)
	}
	cons, err := js.Consumer(ctx, in.config.Stream, in.config.Consumer)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound) && in.config.Create:
		return nil
	case err != nil && said.err() != nil:
		return fmt.Errorf("stream %s, consumer %s: %w", in.config.Stream, in.config.Consumer, said.err())
	case err != nil:
		return in.explained(err)
	}
	return in.usable(cons)
}

// refusals keeps what the server says without being asked: it refuses a request by that, and leaves it without an
// answer.
type refusals struct {
	refused func() // called when something is not permitted: no answer will come

	mu    sync.Mutex
	first error
}

func (r *refusals) add(_ *nats.Conn, _ *nats.Subscription, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		r.first = err
	}
	if errors.Is(err, nats.ErrPermissionViolation) {
		r.refused()
	}
}

func (r *refusals) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first
}
