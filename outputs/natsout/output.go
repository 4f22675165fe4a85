// Package natsout publishes events on NATS.
//
// With a stream every message is confirmed by JetStream (PubAck) before the event counts as delivered; messages are
// pipelined in a window that all concurrent Writes share. Repeats carry the same Nats-Msg-Id: the stream keeps one of
// them within its duplicate window, and nothing is promised beyond that window.
//
// Without a stream (core NATS) delivered means that the server has read the message: a PONG has come for a PING sent
// after it on the same connection. That does not promise that a subscriber was there.
//
// No order is promised except with Env.Ordered: then each message is confirmed before the next one is sent.
package natsout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/natsconn"
	"github.com/trailcast/trailcast/outputs/natsout/embedded"
	"github.com/trailcast/trailcast/pipeline"
)

// Output is a pipeline.Output, Limiter, Checker and Explainer.
type Output struct {
	cfg      Config
	subject  *subject
	idPrefix string
	ordered  bool
	log      *slog.Logger
	link     *link

	server embedded.Server // in this process; nil: elsewhere
	owned  bool            // server ends with the output

	unchecked, discards sync.Once // warnings about the stream

	finish sync.Once
	ended  chan struct{} // closed when the connection and an owned server are gone
}

// New makes an output and begins to connect. What is wrong in cfg or in a file that it names is an error; servers that
// do not answer are not: Write then fails with a retryable error. An embedded server runs when New returns, unless
// cfg.Server is one already.
func New(cfg Config, env pipeline.Env) (*Output, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults(env.Name)
	o := &Output{
		cfg:      cfg,
		idPrefix: idPrefix(env.Name),
		ordered:  env.Ordered,
		log:      env.Log,
		server:   cfg.Server,
		ended:    make(chan struct{}),
	}
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if o.subject, err = parseSubject(cfg.Subject); err != nil {
		return nil, err
	}
	options, err := natsconn.Options(cfg.Identity, o.log.Warn)
	if err != nil {
		return nil, err
	}
	if cfg.TLS != nil && cfg.TLS.InsecureSkipVerify {
		o.log.Warn("tls.insecure_skip_verify: the NATS server is not verified")
	}
	urls := cfg.URL
	if err := o.startServer(env.StateDir); err != nil {
		return nil, err
	}
	if o.server != nil {
		urls = []string{o.server.ClientURL()}
	}
	o.link = openLink(cfg, urls, options, o.log)
	return o, nil
}

// idPrefix returns what message ids of an output begin with.
func idPrefix(name string) string {
	return headerValue(name) + ":"
}

// startServer starts the embedded server that cfg asks for.
func (o *Output) startServer(stateDir string) error {
	if o.server != nil || o.cfg.Embedded == nil {
		return nil
	}
	if o.cfg.Start == nil {
		return &conf.Error{Field: "embedded", Msg: "this program runs no NATS server", Hint: "set url instead"}
	}
	c := *o.cfg.Embedded
	if c.StoreDir == "" {
		if stateDir == "" {
			return &conf.Error{Field: "embedded.store_dir", Msg: "no directory is given and there is no state_dir"}
		}
		c.StoreDir = filepath.Join(stateDir, "nats")
	}
	password, err := secretNow(string(o.cfg.Password), o.cfg.PasswordFile)
	if err != nil {
		return fmt.Errorf("password_file: %w", err)
	}
	token, err := secretNow(string(o.cfg.Token), o.cfg.TokenFile)
	if err != nil {
		return fmt.Errorf("token_file: %w", err)
	}
	o.server, err = o.cfg.Start(c, embedded.Options{Log: o.log, User: o.cfg.User, Password: password, Token: token})
	if err != nil {
		return err
	}
	o.owned = true
	o.log.Info("embedded NATS server listens", "url", o.server.ClientURL(), "store_dir", o.server.StoreDir())
	return nil
}

func secretNow(value, file string) (string, error) {
	if file == "" {
		return value, nil
	}
	return natsconn.FirstLine(file)
}

// Server returns the embedded server, nil where the servers are elsewhere.
func (o *Output) Server() embedded.Server { return o.server }

// Limits implements pipeline.Limiter. More than one Write at a time keeps the window from draining between batches.
func (o *Output) Limits() pipeline.Limits {
	l := pipeline.Limits{Concurrency: 4, MaxEvents: 1024}
	if o.ordered {
		l.Concurrency = 1
	}
	return l
}

// Close implements pipeline.Output. It ends the connection and an embedded server that New has started.
func (o *Output) Close(ctx context.Context) error {
	o.finish.Do(func() {
		go func() {
			defer close(o.ended)
			_ = o.link.close(context.WithoutCancel(ctx)) // fails by its context only
			if o.owned {
				o.server.Shutdown()
			}
		}()
	})
	select {
	case <-o.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close the NATS output: %w", context.Cause(ctx))
	}
}

// Write implements pipeline.Output.
func (o *Output) Write(ctx context.Context, events []pipeline.Event) error {
	if len(events) == 0 {
		return nil
	}
	write := o.writeCore
	if o.cfg.Stream != "" {
		write = o.writeStream
	}
	var errs []error
	if o.ordered {
		errs = writeInOrder(ctx, events, write)
	} else {
		errs = make([]error, len(events))
		if err := write(ctx, events, errs); err != nil {
			return err
		}
	}
	var failed []pipeline.Failure
	for i, err := range errs {
		if err != nil {
			failed = append(failed, pipeline.Failure{Index: i, Err: err})
		}
	}
	if failed == nil {
		return nil
	}
	return &pipeline.BatchError{Failed: failed}
}

// writeFunc delivers events: errs[i] becomes what is wrong with events[i]. A returned error says that none is
// delivered.
type writeFunc func(ctx context.Context, events []pipeline.Event, errs []error) error

// writeInOrder delivers one event after the other; the ones behind an event that is to come again are held back.
func writeInOrder(ctx context.Context, events []pipeline.Event, write writeFunc) []error {
	errs := make([]error, len(events))
	for i := range events {
		err := write(ctx, events[i:i+1], errs[i:i+1])
		if err != nil {
			errs[i] = err
		}
		if errs[i] == nil || pipeline.IsRejected(errs[i]) {
			continue
		}
		for j := i + 1; j < len(errs); j++ {
			errs[j] = fmt.Errorf("held back behind an event that failed: %w", errs[i])
		}
		break
	}
	return errs
}

// worse returns the error that decides about an event: one that is to come again wins.
func worse(a, b error) error {
	if a == nil || b != nil && pipeline.IsRejected(a) {
		return b
	}
	return a
}

// writeCore publishes with core NATS.
func (o *Output) writeCore(ctx context.Context, events []pipeline.Event, errs []error) error {
	s, err := o.link.get(ctx)
	if err != nil {
		return err
	}
	refused, unwatch := s.watch(nil)
	defer unwatch()
	subjects, err := o.publishCore(ctx, s, events, errs)
	if err != nil {
		return err
	}
	if err := o.flush(ctx, s); err != nil {
		return err
	}
	unwatch() // nobody writes to refused now
	if refused.all != nil {
		return refused.all
	}
	for i, subject := range subjects {
		if err := refused.denied[subject]; err != nil && errs[i] == nil {
			errs[i] = denied(subject, err)
		}
	}
	return nil
}

func (o *Output) publishCore(ctx context.Context, s *session, events []pipeline.Event, errs []error) ([]string, error) {
	free := s.breakWhenStuck(ctx)
	defer free()
	c := o.newComposer()
	subjects := make([]string, len(events))
	for i := range events {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		parts, err := c.parts(&events[i], s.room(0))
		if err != nil {
			errs[i] = pipeline.Reject(err)
			continue
		}
		subjects[i] = c.msg.Subject
		for _, p := range parts {
			if err := s.nc.PublishMsg(c.message(p.Data, p.Suffix)); err != nil {
				return nil, fmt.Errorf("publish: %w", err)
			}
		}
	}
	return subjects, nil
}

// flush waits for the server within the configured timeout.
func (o *Output) flush(ctx context.Context, s *session) error {
	ctx, cancel := context.WithTimeout(ctx, o.cfg.Timeout)
	defer cancel()
	free := s.breakWhenStuck(ctx)
	defer free()
	return s.flush(ctx)
}

// writeStream publishes to the stream.
func (o *Output) writeStream(ctx context.Context, events []pipeline.Event, errs []error) error {
	s, err := o.link.get(ctx)
	if err != nil {
		return err
	}
	limit, err := o.ensureStream(ctx, s)
	if err != nil {
		return err
	}
	f := newFlight(len(events))
	o.publishStream(ctx, s, f, events, limit)
	f.landed()
	s.window.wait(ctx, f, o.cfg.Timeout)
	copy(errs, f.errs)
	o.learn(ctx, s, errs, limit)
	return nil
}

func (o *Output) publishStream(ctx context.Context, s *session, f *flight, events []pipeline.Event, limit int) {
	free := s.breakWhenStuck(ctx)
	defer free()
	c := o.newComposer()
	for i := range events {
		parts, err := c.parts(&events[i], s.room(limit))
		if err != nil {
			f.fail(i, pipeline.Reject(err))
			continue
		}
		for _, p := range parts {
			if err := s.window.send(ctx, s, f, i, c.message(p.Data, p.Suffix)); err != nil {
				for rest := i; rest < len(events); rest++ {
					f.fail(rest, err)
				}
				return
			}
		}
	}
}

// learn draws conclusions from answers that say that the stream is not what it was when it was checked.
func (o *Output) learn(ctx context.Context, s *session, errs []error, limit int) {
	refresh := false
	for _, err := range errs {
		refresh = refresh || errors.Is(err, errStreamLimit) || errors.Is(err, errNoStream)
	}
	if !refresh {
		return
	}
	s.stream.forget(ctx)
	now, err := o.ensureStream(ctx, s)
	for i := range errs {
		// With the limit that was known the message is too large for ever; with another one it is cut next time.
		if errors.Is(errs[i], errStreamLimit) && err == nil && now == limit {
			errs[i] = pipeline.Reject(errs[i])
		}
	}
}

// room returns the largest message that passes; limit is the stream's own, 0 for none.
func (s *session) room(limit int) int {
	room := int(s.nc.MaxPayload())
	if limit > 0 {
		room = min(room, limit)
	}
	return room
}

// Check implements pipeline.Checker: a server answers, and the stream is as it must be (or is made, with create).
func (o *Output) Check(ctx context.Context) error {
	s, err := o.link.get(ctx)
	if err != nil {
		return err
	}
	if err := o.flush(ctx, s); err != nil || o.cfg.Stream == "" {
		return err
	}
	_, err = o.inspectStream(ctx, s)
	return err
}

// Explain implements pipeline.Explainer. Nothing is sent and no server is asked; Size is what counts toward the
// server's max_payload.
func (o *Output) Explain(ev *pipeline.Event) (pipeline.Explanation, error) {
	values := valuesOf(ev, string(o.appendID(nil, ev.Key())))
	return pipeline.Explanation{
		Destination: string(o.subject.appendTo(nil, ev)),
		Headers:     values.list(nil),
		Size:        values.size() + len(ev.Raw),
	}, nil
}
