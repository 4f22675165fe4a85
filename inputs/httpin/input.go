package httpin

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/occasional"
	"github.com/trailcast/trailcast/pipeline"
)

// Input listens for HTTP requests with events. It is a pipeline.Input and Checker.
type Input struct {
	config      Config
	name        string
	log         *slog.Logger
	tls         *tls.Config // nil: plain text
	credentials []credential
	splitter    *split.Splitter
	trust       *trust
	pool                      // of those who are known
	strangers   pool          // of those whose messages have to be read first: whoever writes two headers may use it up
	checks      chan struct{} // requests whose credentials are looked at
	work        work

	mu        sync.Mutex
	listener  net.Listener  // while Run accepts
	listening chan struct{} // closed when it is there for the first time

	// What clients can cause as often as they like.
	denied, wrong, full, undelivered, untold, unreadable, crowded occasional.Reports
}

// New returns an input. It listens in Run; what is wrong in a file that cfg names is an error here.
func New(cfg Config, env pipeline.Env) (*Input, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	in := &Input{
		config: cfg.withDefaults(), name: env.Name, log: cmp.Or(env.Log, slog.New(slog.DiscardHandler)),
		trust: newTrust(), listening: make(chan struct{}), checks: make(chan struct{}, maxChecks),
	}
	in.credentials = in.config.credentials()
	options := in.config.Options(in.config.MaxDecompressed)
	options.Unpacking = split.NewUnpacking(in.config.unpackers(), maxWindow)
	in.splitter = split.New(options)
	in.pool = newPool(int64(in.config.MaxBuffered), in.config.MaxRequests)
	in.strangers = newPool(int64(in.config.MaxBuffered)/4, max(1, in.config.MaxRequests/4))
	if cfg.TLS != nil {
		var err error
		if in.tls, err = cfg.TLS.Server(); err != nil {
			return nil, err
		}
		if cfg.mutual() && (cfg.secrets() || len(cfg.SNSTopics) > 0) {
			in.tls.ClientAuth = tls.VerifyClientCertIfGiven // one of the others may be given instead
		}
	}
	var errs []error
	for _, c := range in.credentials {
		if _, err := c.secret.get(); err != nil {
			errs = append(errs, conf.FieldErrorf(c.secret.field, "%v", err))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
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

// Run implements pipeline.Input. When ctx ends nothing more is read; requests whose events are in flight are still
// answered.
func (in *Input) Run(ctx context.Context, to pipeline.Intake) error {
	l, err := in.open(ctx)
	if err != nil {
		return err
	}
	in.log.Info("listening", "address", l.Addr().String(), "tls", in.tls != nil)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	web := &http.Server{
		Handler: &server{Input: in, ctx: ctx, to: to}, TLSConfig: in.tls,
		ReadHeaderTimeout: in.config.HeaderTimeout, IdleTimeout: in.config.IdleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(in.log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() {
		if in.tls != nil {
			ended <- web.ServeTLS(l, "", "")
		} else {
			ended <- web.Serve(l)
		}
	}()
	select {
	case <-ctx.Done():
		err = ctx.Err()
	case err = <-ended: // the listener is broken
		ended <- nil
	}
	cancel()
	in.close()
	in.stop(web)
	<-ended
	return err
}

const maxHeader = 64 << 10

// stop returns when all requests have their answers and all frames are settled, which the engine sees to.
func (in *Input) stop(web *http.Server) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = web.Shutdown(context.Background()) // until Close
	}()
	in.work.stop()
	select {
	case <-over:
	case <-time.After(lastWords):
	}
	_ = web.Close()
	<-over
}

// lastWords is how long answers that are written may take to leave.
const lastWords = 2 * time.Second

func (in *Input) open(ctx context.Context) (net.Listener, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	l, err := in.listen(ctx)
	if err != nil {
		return nil, err
	}
	in.listener = newLimited(l, in.config.MaxConnections, func() {
		in.crowded.Do(func(more int) {
			in.log.Warn("no more connections are taken until others end (option max_connections)", "connections", in.config.MaxConnections, "more", more)
		})
	})
	close(in.listening)
	return in.listener, nil
}

func (in *Input) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.listener != nil {
		_ = in.listener.Close()
		in.listener = nil
	}
}
