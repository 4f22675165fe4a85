package forwardin

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/msgpack"
	"github.com/trailcast/trailcast/internal/occasional"
	"github.com/trailcast/trailcast/pipeline"
)

// Input listens for clients of the forward protocol. It is a pipeline.Input and Checker.
type Input struct {
	config   Config
	name     string
	log      *slog.Logger
	tls      *tls.Config // nil: plain text
	splitter *split.Splitter
	limits   msgpack.Limits
	room     *room

	begun    string // tells the messages without an id of this run from those of others
	messages atomic.Int64

	mu        sync.Mutex
	listener  net.Listener  // while Run accepts
	listening chan struct{} // closed when it is there for the first time

	broken, lost, full, refused *occasional.Reports
}

// New returns an input. It listens in Run; what is wrong in a file that cfg names is an error here.
func New(cfg Config, env pipeline.Env) (*Input, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	in := &Input{
		config: cfg.withDefaults(), name: env.Name, log: cmp.Or(env.Log, slog.New(slog.DiscardHandler)),
		begun: strconv.FormatInt(time.Now().UnixNano(), 36), listening: make(chan struct{}),
		broken: &occasional.Reports{}, lost: &occasional.Reports{}, full: &occasional.Reports{}, refused: &occasional.Reports{},
	}
	in.splitter = split.New(in.config.Options(in.config.MaxDecompressed))
	in.limits = msgpack.Limits{Bytes: int(in.config.MaxRecord)}
	in.room = newRoom(int64(in.config.MaxBuffered))
	if cfg.TLS != nil {
		var err error
		if in.tls, err = cfg.TLS.Server(); err != nil {
			return nil, err
		}
	}
	if _, err := in.sharedKey(); err != nil {
		return nil, conf.FieldErrorf("shared_key_file", "%v", err)
	}
	return in, nil
}

// Check implements pipeline.Checker: what the input listens on is free, or its own.
func (in *Input) Check(ctx context.Context) error {
	in.mu.Lock() // Run waits, so that it does not find the port taken
	defer in.mu.Unlock()
	if in.listener != nil {
		return nil
	}
	l, err := in.listen(ctx)
	if err != nil {
		return err
	}
	return l.Close()
}

// Addr returns what the input listens on; nil while it does not.
func (in *Input) Addr() net.Addr {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.listener == nil {
		return nil
	}
	return in.listener.Addr()
}

// Run implements pipeline.Input. When ctx ends nothing more is read; acknowledgements of what is in flight are still
// sent.
func (in *Input) Run(ctx context.Context, to pipeline.Intake) error {
	l, err := in.open(ctx)
	if err != nil {
		return err
	}
	in.log.Info("listening", "address", l.Addr().String(), "tls", in.tls != nil)
	ctx, cancel := context.WithCancel(ctx)
	var conns sync.WaitGroup
	defer conns.Wait()
	defer cancel()
	defer in.close()
	stop := context.AfterFunc(ctx, in.close)
	defer stop()
	places := make(chan struct{}, in.config.MaxConnections)
	for {
		if err := in.place(ctx, places); err != nil {
			return err
		}
		nc, err := l.Accept()
		if err != nil {
			<-places
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			in.refused.Do(func(more int) { in.log.Warn("a connection can not be accepted", "err", err, "more", more) })
			select { // out of file descriptors, mostly: connections that end give some back
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		conns.Go(func() {
			newConn(in, nc).serve(ctx, to)
			<-places
		})
	}
}

// place waits until there may be one more connection.
func (in *Input) place(ctx context.Context, places chan<- struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	default:
	}
	in.full.Do(func(more int) {
		in.log.Warn("no more connections are taken until others end (option max_connections)", "connections", cap(places), "more", more)
	})
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (in *Input) open(ctx context.Context) (net.Listener, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	l, err := in.listen(ctx)
	if err != nil {
		return nil, err
	}
	in.listener = l
	close(in.listening)
	return l, nil
}

func (in *Input) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.listener != nil {
		_ = in.listener.Close()
		in.listener = nil
	}
}

// next returns an identity that no other message has.
func (in *Input) next() string {
	return in.begun + "-" + strconv.FormatInt(in.messages.Add(1), 36)
}

// reserve takes a message's place in flight, and unpacks it. packing is why it could not be unpacked whole. The weight is
// to be given back when the message has settled.
func (in *Input) reserve(ctx context.Context, m *message) (entries []byte, packing error, weight int64, err error) {
	entries = m.entries
	if m.packing != "" && m.signal == 0 {
		if err := in.room.unpacking.Acquire(ctx, 1); err != nil {
			return nil, nil, 0, err
		}
		defer in.room.unpacking.Release(1)
		entries, packing = unpack(m.packing, m.entries, int64(in.config.MaxDecompressed))
	}
	weight = min(int64(len(entries)), in.room.flightMax)
	if err := in.room.flight.Acquire(ctx, weight); err != nil {
		return nil, nil, 0, err
	}
	return entries, packing, weight, nil
}
