package natsout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/trailcast/trailcast/pipeline"
)

// streamState is what one connection knows of the stream. It belongs to whoever has put a value into turn.
type streamState struct {
	turn    chan struct{}
	checked bool
	limit   int // max_msg_size of the stream, headers included; 0: none, or not known
}

// ensureStream checks the stream once for each connection, makes it where it is missing and create is set, and returns
// the largest message that it takes (0: no limit of its own). A stream that is missing or does not fit is an error that
// may pass by an operator's hand.
func (o *Output) ensureStream(ctx context.Context, s *session) (limit int, err error) {
	st := &s.stream
	select {
	case st.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	defer func() { <-st.turn }()
	if st.checked {
		return st.limit, nil
	}
	if st.limit, err = o.inspectStream(ctx, s); err != nil {
		return 0, err
	}
	st.checked = true
	return st.limit, nil
}

// inspectStream is ensureStream without memory.
func (o *Output) inspectStream(ctx context.Context, s *session) (limit int, err error) {
	config, err := o.lookUpStream(ctx, s)
	if errors.Is(err, errNotPermitted) {
		// Permission to publish is enough: the confirmations name the stream.
		o.unchecked.Do(func() { o.log.Warn("can not check the stream", "stream", o.cfg.Stream, "err", err) })
		return 0, nil
	}
	if err == nil {
		err = o.checkStream(config)
	}
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", o.cfg.Stream, err)
	}
	return max(int(config.MaxMsgSize), 0), nil
}

// forget makes the next Write check the stream again.
func (st *streamState) forget(ctx context.Context) {
	select {
	case st.turn <- struct{}{}:
		st.checked = false
		<-st.turn
	case <-ctx.Done():
	}
}

var errNotPermitted = errors.New("not permitted")

// lookUpStream returns the stream's configuration; with create it makes a missing one.
func (o *Output) lookUpStream(ctx context.Context, s *session) (*jetstream.StreamConfig, error) {
	ctx, cancelTimeout := context.WithTimeout(ctx, o.cfg.Timeout)
	defer cancelTimeout()
	// The server does not answer a request that is not permitted, but says so on the side.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	_, unwatch := s.watch(func(subject string) {
		if strings.Contains(subject, ".API.STREAM.") {
			cancel(fmt.Errorf("%w: publish to %s", errNotPermitted, subject))
		}
	})
	defer unwatch()

	js, err := jetstream.New(s.nc)
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, o.cfg.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) && o.cfg.Create {
		stream, err = js.CreateStream(ctx, o.newStream())
		if err == nil {
			o.log.Info("created the stream", "stream", o.cfg.Stream, "subjects", o.subject.root)
		} else if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			stream, err = js.Stream(ctx, o.cfg.Stream) // somebody else has just made it
		}
	}
	switch {
	case err == nil:
		return &stream.CachedInfo().Config, nil
	case context.Cause(ctx) != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, errors.New("there is none: make it, or set create: true")
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("the server or this account has no JetStream: %w", err)
	}
	return nil, err
}

func (o *Output) newStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        o.cfg.Stream,
		Description: "audit events published by trailcast",
		Subjects:    []string{o.subject.root},
		Storage:     jetstream.FileStorage,
		Discard:     jetstream.DiscardNew,
		MaxAge:      o.cfg.MaxAge,
		MaxBytes:    int64(o.cfg.MaxBytes), // the server takes 0 for no limit
		Replicas:    o.cfg.Replicas,
		Duplicates:  o.cfg.DuplicateWindow,
	}
}

// checkStream reports whether the stream can confirm every event of this output. It is never changed.
func (o *Output) checkStream(config *jetstream.StreamConfig) error {
	covered := false
	for _, filter := range config.Subjects {
		covered = covered || covers(filter, o.subject.pattern)
	}
	switch {
	case !covered:
		return fmt.Errorf("it listens on %s, which does not cover %s: add %s to its subjects",
			listOf(config.Subjects), o.subject.pattern, o.subject.root)
	case config.NoAck:
		return errors.New("it has no_ack set and never confirms: unset it, or remove stream to publish with core NATS")
	case config.Sealed:
		return errors.New("it is sealed and takes no messages")
	}
	if config.Discard != jetstream.DiscardNew && (config.MaxBytes > 0 || config.MaxMsgs > 0) {
		o.discards.Do(func() {
			o.log.Warn("the stream deletes its oldest messages when it is full (discard: old)", "stream", o.cfg.Stream)
		})
	}
	return nil
}

func listOf(subjects []string) string {
	if len(subjects) == 0 {
		return "no subject"
	}
	return strings.Join(subjects, ", ")
}

// Codes of the JetStream API (err_code) for messages that the stream never takes. All other errors may pass: the stream
// is full, its leader is lost, storage or memory is short.
const (
	codeMessageTooLarge = 10054
	codeHeadersTooLarge = 10097
)

// errStreamLimit marks the answer that a message is larger than the stream's max_msg_size.
var errStreamLimit = errors.New("larger than the stream's max_msg_size")

// apiError makes an error of the member "error" of a confirmation.
func apiError(raw []byte) error {
	var e jetstream.APIError
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("the answer is no confirmation of a stream: %.100q", raw)
	}
	err := fmt.Errorf("the stream refuses the event: %s (%d)", e.Description, e.ErrorCode)
	switch e.ErrorCode {
	case codeMessageTooLarge:
		return fmt.Errorf("%w: %w", err, errStreamLimit)
	case codeHeadersTooLarge:
		return pipeline.Reject(err)
	}
	return err
}
