package forwardin

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// reader reads a connection with deadlines, until it is stopped.
type reader struct {
	nc          net.Conn
	ctx         context.Context // of the whole connection, whose end stop follows
	readTimeout time.Duration
	ended       func() error // why reading was stopped; nil when it was not

	until   time.Time // a deadline that holds for all reading; zero when there is none
	idle    time.Duration
	resting bool // nothing of the next message has come yet
	credit  int  // bytes that may still come by the present deadline
}

// progress is what must come by each deadline within a message.
const progress = 64 << 10

// errIdle is a connection on which nothing has come for long.
var errIdle = errors.New("nothing came for long (option idle_timeout)")

// begin tells that the next bytes begin a message, or end one of which a part is there. endless says that the wait for it
// has no limit.
func (r *reader) begin(pending bool, idle time.Duration, endless bool) {
	r.resting, r.idle, r.credit = !pending, idle, 0
	if endless {
		r.idle = 0
	}
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.deadline(); err != nil {
		return 0, err
	}
	n, err := r.nc.Read(p)
	r.credit -= n
	if n > 0 && r.resting {
		r.resting, r.credit = false, 0
	}
	if n == 0 && err != nil {
		if why := r.why(); why != nil {
			return 0, why
		}
		if r.resting && r.until.IsZero() && errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, errIdle
		}
	}
	return n, err
}

func (r *reader) deadline() error {
	var at time.Time
	switch {
	case !r.until.IsZero():
		at = r.until
	case r.resting && r.idle > 0:
		at = time.Now().Add(r.idle)
	case r.resting:
	case r.credit > 0:
		return r.why()
	default:
		at, r.credit = time.Now().Add(r.readTimeout), progress
	}
	if err := r.nc.SetReadDeadline(at); err != nil {
		return err
	}
	return r.why() // after the deadline was set, since that may have undone stop's
}

// why returns the reason of a stop.
func (r *reader) why() error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	return r.ended()
}

// stop ends reading, from any goroutine. Writing goes on.
func (r *reader) stop() { _ = r.nc.SetReadDeadline(time.Unix(1, 0)) }

// isReset reports whether a client has gone without a word.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
