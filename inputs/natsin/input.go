package natsin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

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
	held     *held // of a stream

	// Waits and limits that tests shorten.
	retryEvery     time.Duration // before what failed is tried again
	pullFor        time.Duration // one request for messages; a stop waits for its end, so that none is on its way to nobody
	redeliverAfter time.Duration // before a message comes again of which not all events were delivered
	maxWaiting     int           // bytes of messages that were received and are not fed yet
}

// New returns an input. It connects in Run; what is wrong in a file that cfg names is an error here.
func New(cfg Config, env pipeline.Env) (*Input, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults(env.Name)
	log := cmp.Or(env.Log, slog.New(slog.DiscardHandler))
	options, err := natsconn.Options(cfg.Identity, log.Warn)
	if err != nil {
		return nil, err
	}
	if cfg.TLS != nil && cfg.TLS.InsecureSkipVerify {
		log.Warn("tls.insecure_skip_verify: the NATS server is not verified")
	}
	return &Input{
		config: cfg, name: env.Name, log: log, options: options, splitter: split.New(cfg.Options(cfg.MaxDecompressed)), held: newHeld(),
		retryEvery: 2 * time.Second, pullFor: time.Second, redeliverAfter: 5 * time.Second, maxWaiting: 16 << 20,
	}, nil
}

// Run implements pipeline.Input.
func (in *Input) Run(ctx context.Context, to pipeline.Intake) error {
	nc, err := in.connect(
		nats.RetryOnFailedConnect(!in.config.Once), nats.MaxReconnects(-1), nats.ReconnectWait(in.retryEvery),
		nats.IgnoreAuthErrorAbort(), // a password may be put right while the agent runs
		nats.ErrorHandler(in.asyncError),
	)
	if err != nil {
		return err
	}
	defer nc.Close()
	// What is in flight drains on this connection. Each frame settles, with a retry when the engine's drain ends.
	defer in.frames.Wait()
	if in.config.Stream == "" {
		return in.listen(ctx, nc, to)
	}
	return in.consume(ctx, nc, to)
}

// connect makes a connection that logs what becomes of it.
func (in *Input) connect(further ...nats.Option) (*nats.Conn, error) {
	var complained string // nats.go calls these handlers one after another
	connected := func(text string) nats.ConnHandler {
		return func(nc *nats.Conn) {
			complained = ""
			in.log.Info(text, "server", nc.ConnectedUrlRedacted())
		}
	}
	return in.dial(append(further,
		// A dead connection is noticed within a minute, and an acknowledgement never blocks an output for longer than
		// this.
		nats.PingInterval(20*time.Second), nats.FlusherTimeout(10*time.Second),
		nats.ConnectHandler(connected("connected to NATS")),
		nats.ReconnectHandler(connected("connected to NATS again")),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if err.Error() != complained {
				complained = err.Error()
				in.log.Warn("no connection to NATS; it is tried again", "err", err)
			}
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				in.log.Warn("the connection to NATS was lost", "err", err)
			}
		}),
	)...)
}

func (in *Input) dial(options ...nats.Option) (*nats.Conn, error) {
	options = append([]nats.Option{nats.PermissionErrOnSubscribe(true)}, options...)
	return nats.Connect(strings.Join(in.config.URL, ","), slices.Concat(in.options, options)...)
}

func (in *Input) asyncError(_ *nats.Conn, _ *nats.Subscription, err error) {
	if !errors.Is(err, nats.ErrSlowConsumer) { // that one is counted and told by receive
		in.log.Error("NATS reports an error", "err", err)
	}
}

// again calls read until ctx ends, with a pause after each failure. It tells of a failure when it is not the one before.
func (in *Input) again(ctx context.Context, what string, nc *nats.Conn, read func() error) error {
	var complained string
	for ctx.Err() == nil {
		began := time.Now()
		err := read()
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > time.Minute {
			complained = "" // it had worked for a while
		}
		// Of a connection that is away its handlers tell.
		if err != nil && nc.IsConnected() && err.Error() != complained {
			complained = err.Error()
			in.log.Warn("can not read "+what+"; it is tried again", "err", err)
		}
		select {
		case <-time.After(in.retryEvery):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// feed splits a message into one frame.
func (in *Input) feed(ctx context.Context, to pipeline.Intake, origin *pipeline.Origin, data []byte, settled func(pipeline.Result)) {
	in.frames.Add(1)
	frame := to.Open(func(r pipeline.Result) {
		settled(r)
		in.frames.Done()
	})
	defer frame.Abandon(errors.New("reading the message failed")) // without effect unless Split panics
	if _, err := in.splitter.Split(ctx, bytes.NewReader(data), origin, split.Base{}, frame); err != nil {
		frame.Abandon(err)
		return
	}
	frame.Seal()
}
