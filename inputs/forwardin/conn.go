package forwardin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

// conn is one connection. One goroutine reads and feeds its messages one after the other, another one sends the
// acknowledgements of those that have settled, in the order in which they do.
type conn struct {
	in     *Input
	nc     net.Conn
	reader *reader
	stream stream

	// One slot for each message from its reading until it is settled, and acknowledged where it is to be. acks has as
	// many places, so that settling never blocks.
	slots    chan struct{}
	acks     chan []byte
	inFlight sync.WaitGroup

	failed atomic.Bool // a message must come again: nothing more is read, so that the client does so soon
}

func newConn(in *Input, nc net.Conn) *conn {
	n := in.config.MaxInFlight
	c := &conn{in: in, nc: nc, slots: make(chan struct{}, n), acks: make(chan []byte, n)}
	c.reader = &reader{nc: nc, readTimeout: in.config.ReadTimeout, ended: c.ended}
	c.stream = stream{src: c.reader, share: share{room: in.room}}
	return c
}

// errAgain ends the reading of a connection with a message that must come again.
var errAgain = errors.New("a message was not delivered, and the client is to send it again")

// serve returns when the client has gone or ctx has ended, and every message is settled.
func (c *conn) serve(ctx context.Context, to pipeline.Intake) {
	defer func() { _ = c.nc.Close() }()
	defer func() { c.stream.share.release() }()
	c.reader.ctx = ctx
	stop := context.AfterFunc(ctx, c.reader.stop)
	defer stop()

	err := c.greet(ctx)
	if err == nil {
		var acks sync.WaitGroup
		acks.Go(c.sendAcks)
		err = c.readAll(ctx, to)
		c.stream.share.release()
		c.inFlight.Wait()
		close(c.acks)
		acks.Wait()
	}
	if ctx.Err() == nil {
		c.report(err)
	}
}

func (c *conn) ended() error {
	if c.failed.Load() {
		return errAgain
	}
	return nil
}

// readAll reads until something ends it.
func (c *conn) readAll(ctx context.Context, to pipeline.Intake) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p, debug.Stack()}
		}
	}()
	limit := int64(c.in.config.MaxChunk)
	careless := false // the client sends messages without an id
	for {
		c.reader.begin(c.stream.pending(), c.in.config.IdleTimeout, careless)
		v, err := c.stream.next(ctx, limit)
		if errors.Is(err, errTooLarge) {
			return protocolErrorf("a message is larger than %d bytes (option max_chunk)", limit)
		}
		if err != nil {
			return err
		}
		m, err := parse(v)
		switch {
		case err != nil:
			return err
		case m == nil:
			continue
		case m.ack == nil && c.in.config.RequireAck:
			return protocolErrorf("a message without a chunk id is refused (option require_ack): let the client require acknowledgements (Fluent Bit: Require_ack_response on; Fluentd: require_ack_response true)")
		}
		careless = careless || m.ack == nil
		if err := c.take(ctx, to, m); err != nil {
			return err
		}
	}
}

// take feeds one message as one frame.
func (c *conn) take(ctx context.Context, to pipeline.Intake, m *message) error {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	entries, packing, weight, err := c.in.reserve(ctx, m)
	if err != nil {
		<-c.slots
		return err
	}
	c.inFlight.Add(1)
	frame := to.Open(func(r pipeline.Result) { c.settled(m, weight, r) })
	defer frame.Abandon(errUnread) // no effect after Seal
	if err := c.in.feed(ctx, m, entries, packing, frame); err != nil {
		frame.Abandon(err)
		return err
	}
	frame.Seal()
	return nil
}

var errUnread = errors.New("the message was not read to its end")

// settled is called once for each message, and does not block.
func (c *conn) settled(m *message, weight int64, r pipeline.Result) {
	defer c.inFlight.Done()
	c.in.room.flight.Release(weight)
	if r.Outcome != pipeline.Retry && m.ack != nil {
		c.acks <- m.ack // has a place for each slot
		return
	}
	<-c.slots
	if r.Outcome != pipeline.Retry {
		return
	}
	if m.ack == nil {
		c.in.lost.Do(func(more int) {
			c.in.log.Warn("a message was not delivered, and its client did not ask for an acknowledgement: it may not send it again",
				"tag", m.tag, "err", r.Err, "more", more)
		})
	}
	c.failed.Store(true)
	c.reader.stop()
}

// panicError is a fault of this program. It ends its connection only.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprint(e.value) }

// ackTimeout is how long a client may take to take an acknowledgement.
const ackTimeout = 30 * time.Second

// sendAcks sends what settled puts in line, until that is closed. One that does not arrive repeats its message.
func (c *conn) sendAcks() {
	var failed error
	for ack := range c.acks {
		if failed == nil {
			if failed = c.nc.SetWriteDeadline(time.Now().Add(ackTimeout)); failed == nil {
				_, failed = c.nc.Write(ack)
			}
			if failed != nil {
				_ = c.nc.Close() // reading ends too: who is not answered sends again
			}
		}
		<-c.slots
	}
}

// report tells why a connection ended, but for what clients do all day.
func (c *conn) report(err error) {
	client := ""
	if a := c.nc.RemoteAddr(); a != nil {
		client = a.String()
	}
	panicked, isPanic := errors.AsType[*panicError](err)
	switch {
	case isPanic:
		c.in.log.Error("reading panicked; the connection is closed", "client", client, "panic", panicked.Error(), "stack", string(panicked.stack))
	case errors.Is(err, errIdle), errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), isReset(err), errors.Is(err, pipeline.ErrClosed):
		c.in.log.Debug("a connection ended", "client", client, "err", err)
	default:
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errors.New("the client has stopped in the middle of a message or handshake")
		} else if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the client has gone in the middle of a message")
		}
		c.in.broken.Do(func(more int) {
			c.in.log.Warn("a connection was closed", "client", client, "err", err, "more", more)
		})
	}
}
