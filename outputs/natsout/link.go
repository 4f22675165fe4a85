package natsout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// link keeps one connection to the servers and makes a new one when it is lost. nats.go's own reconnecting is off: each
// *nats.Conn is one connection, so that "a PONG on the connection of the publish" and "the confirmations that this
// connection still owes" are plain facts, and nothing is buffered for a later connection.
type link struct {
	cfg     Config
	urls    []string
	log     *slog.Logger
	options []nats.Option

	stop context.CancelFunc // ends run
	done chan struct{}      // closed when run has ended

	mu      sync.Mutex
	session *session      // nil while there is none
	lastErr error         // why there is none
	change  chan struct{} // closed and replaced whenever session or lastErr changes
	closed  bool
}

var errClosed = errors.New("the output is closed")

// openLink begins to connect. It does not wait for a connection.
func openLink(cfg Config, urls []string, options []nats.Option, log *slog.Logger) *link {
	ctx, stop := context.WithCancel(context.Background())
	l := &link{
		cfg: cfg, urls: urls, options: options, log: log,
		stop: stop, done: make(chan struct{}), change: make(chan struct{}),
	}
	go l.run(ctx)
	return l
}

const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

func (l *link) run(ctx context.Context) {
	defer close(l.done)
	wait := firstRetry
	for ctx.Err() == nil {
		s, err := l.connect(ctx)
		if err != nil {
			l.set(nil, err)
			if !sleep(ctx, wait/2+rand.N(wait)) {
				break
			}
			wait = min(2*wait, lastRetry)
			continue
		}
		l.set(s, nil)
		wait = firstRetry
		select {
		case <-s.down:
		case <-ctx.Done():
		}
		l.set(nil, s.reason())
		s.close()
	}
	l.set(nil, errClosed)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// set publishes the state to those who wait for it, and logs changes.
func (l *link) set(s *session, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s != nil:
		l.log.Info("connected to NATS", "server", s.nc.ConnectedUrlRedacted(), "max_payload", s.nc.MaxPayload())
	case errors.Is(err, errClosed) || l.closed:
	case l.lastErr == nil || l.lastErr.Error() != err.Error():
		l.log.Warn("no connection to NATS", "err", err)
	}
	l.session, l.lastErr = s, err
	l.closed = l.closed || errors.Is(err, errClosed)
	close(l.change)
	l.change = make(chan struct{})
}

// get returns the connection and waits for one until ctx ends or the configured timeout is over.
func (l *link) get(ctx context.Context) (*session, error) {
	timeout := time.NewTimer(l.cfg.Timeout)
	defer timeout.Stop()
	for {
		l.mu.Lock()
		s, err, change, closed := l.session, l.lastErr, l.change, l.closed
		l.mu.Unlock()
		if closed {
			return nil, errClosed
		}
		if s != nil && !s.lost() {
			return s, nil
		}
		if err == nil {
			err = fmt.Errorf("no answer yet from %s", l.servers())
		}
		select {
		case <-change:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		case <-timeout.C:
			return nil, err
		}
	}
}

// servers names the servers without passwords.
func (l *link) servers() string {
	names := make([]string, len(l.urls))
	for i, text := range l.urls {
		if u, err := url.Parse(text); err == nil {
			names[i] = u.Redacted()
		}
	}
	return strings.Join(names, ", ")
}

// close ends the connection and waits for the end of run until ctx ends.
func (l *link) close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stop()
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close the NATS connection: %w", context.Cause(ctx))
	}
}

// session is one connection.
type session struct {
	nc     *nats.Conn
	dialer *dialer
	stream streamState

	down chan struct{} // closed when the connection is lost

	mu      sync.Mutex
	window  *window       // JetStream only
	err     error         // why the connection is lost
	handled [64]error     // the last asynchronous errors that onError has seen, a ring
	count   int           // of all that it has seen
	seen    chan struct{} // closed and replaced at each of them
	watches map[*watch]struct{}
}

// watch collects what the server refuses while it is registered.
type watch struct {
	denied map[string]error     // by subject
	all    error                // an error that names no subject: it may be about anything
	notify func(subject string) // may be nil
}

func (l *link) connect(ctx context.Context) (*session, error) {
	d := &dialer{ctx: ctx, timeout: l.cfg.Timeout}
	s := &session{
		dialer:  d,
		down:    make(chan struct{}),
		seen:    make(chan struct{}),
		watches: map[*watch]struct{}{},
		stream:  streamState{turn: make(chan struct{}, 1)},
	}
	options := append(l.options[:len(l.options):len(l.options)],
		nats.SetCustomDialer(d),
		nats.NoReconnect(),
		nats.Timeout(l.cfg.Timeout),
		nats.FlusherTimeout(l.cfg.Timeout),
		nats.PingInterval(20*time.Second),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.onError(err) }),
		nats.ClosedHandler(func(nc *nats.Conn) { s.onClosed(nc.LastError()) }),
	)
	// A stop of the agent does not wait for a handshake.
	unhook := context.AfterFunc(ctx, d.kill)
	defer unhook()
	nc, err := nats.Connect(strings.Join(l.urls, ","), options...)
	if err != nil {
		d.kill()
		if last := d.lastErr(); last != nil && errors.Is(err, nats.ErrNoServers) {
			err = last // says why: refused, no such host
		}
		return nil, fmt.Errorf("connect to %s: %w", l.servers(), err)
	}
	s.nc = nc
	if l.cfg.Stream == "" {
		return s, nil
	}
	if err := s.openWindow(ctx, l.cfg); err != nil {
		s.close()
		return nil, fmt.Errorf("subscribe to confirmations: %w", err)
	}
	return s, nil
}

// openWindow subscribes to confirmations and makes sure that this is permitted.
func (s *session) openWindow(ctx context.Context, cfg Config) error {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	refused, unwatch := s.watch(nil)
	defer unwatch()
	w, err := openWindow(s.nc, cfg.Stream, cfg.MaxInFlight)
	if err != nil {
		return err
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	unwatch() // nobody writes to refused now
	if refused.all != nil {
		return fmt.Errorf("%w (inbox_prefix names a permitted one)", refused.all)
	}
	s.mu.Lock()
	s.window = w
	s.mu.Unlock()
	return nil
}

// close ends the connection. What waits for confirmations on it fails.
func (s *session) close() {
	// The socket first: nats.go holds its lock while a write to a server that does not read blocks.
	s.dialer.kill()
	s.nc.Close()
	<-s.down
}

func (s *session) onClosed(err error) {
	if err == nil {
		err = nats.ErrConnectionClosed
	}
	s.mu.Lock()
	s.err = fmt.Errorf("the connection to NATS was lost: %w", err)
	w := s.window
	s.mu.Unlock()
	close(s.down)
	if w != nil {
		w.failAll(s.reason())
	}
}

// lost reports whether the connection has ended.
func (s *session) lost() bool {
	select {
	case <-s.down:
		return true
	default:
		return s.nc.IsClosed()
	}
}

// reason says why the connection is lost.
func (s *session) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		return nats.ErrConnectionClosed
	}
	return s.err
}

// onError handles what the server says without being asked. nats.go calls it in the order of arrival.
func (s *session) onError(err error) {
	subject := deniedSubject(err)
	s.mu.Lock()
	var notify []func(string)
	for w := range s.watches {
		if subject == "" {
			w.all = err
			continue
		}
		w.denied[subject] = err
		if w.notify != nil {
			notify = append(notify, w.notify)
		}
	}
	s.handled[s.count%len(s.handled)] = err
	s.count++
	close(s.seen)
	s.seen = make(chan struct{})
	window := s.window
	s.mu.Unlock()
	for _, f := range notify {
		f(subject)
	}
	switch {
	case window == nil:
	case subject != "":
		window.failSubject(subject, denied(subject, err))
	case errors.Is(err, nats.ErrPermissionViolation):
		window.failAll(err)
	}
}

func denied(subject string, err error) error {
	return fmt.Errorf("publish to %s is not permitted: %w", subject, err)
}

// deniedSubject returns the subject that a client may not publish to, "" where err says something else. The server
// writes: Permissions Violation for Publish to "subject".
func deniedSubject(err error) string {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return ""
	}
	_, quoted, ok := strings.Cut(err.Error(), "for Publish to ")
	if !ok {
		return ""
	}
	subject, err := strconv.Unquote(quoted)
	if err != nil {
		return ""
	}
	return subject
}

// watch registers until the returned function is called.
func (s *session) watch(notify func(subject string)) (*watch, func()) {
	w := &watch{denied: map[string]error{}, notify: notify}
	s.mu.Lock()
	s.watches[w] = struct{}{}
	s.mu.Unlock()
	return w, func() {
		s.mu.Lock()
		delete(s.watches, w)
		s.mu.Unlock()
	}
}

// flush waits for a PONG to a PING sent now: the server has then read all that was published on this connection, and
// has answered what it refuses. All such answers are handled when flush returns nil.
func (s *session) flush(ctx context.Context) error {
	if err := s.nc.FlushWithContext(ctx); err != nil {
		if s.nc.IsClosed() {
			return s.reason()
		}
		return fmt.Errorf("wait for the server's answer: %w", err)
	}
	// nats.go notes an error when it reads it, and hands it to onError later: wait for the last one noted.
	last := s.nc.LastError()
	for last != nil {
		s.mu.Lock()
		handled, seen := slices.Contains(s.handled[:], last), s.seen
		s.mu.Unlock()
		if handled {
			break
		}
		select {
		case <-seen:
		case <-s.down:
			return s.reason()
		case <-ctx.Done():
			return fmt.Errorf("wait for the server's answer: %w", last)
		}
	}
	return nil
}

// breakWhenStuck unblocks a publish that writes to a server which does not read, by ending the connection a moment
// after ctx. The returned function says that the caller is not publishing any more.
func (s *session) breakWhenStuck(ctx context.Context) (free func()) {
	freed := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		t := time.NewTimer(time.Second)
		defer t.Stop()
		select {
		case <-freed:
		case <-s.down:
		case <-t.C:
			s.dialer.kill()
		}
	})
	return func() {
		unhook()
		close(freed)
	}
}

// dialer makes the sockets of one session.
type dialer struct {
	ctx     context.Context // of the link: ends with it
	timeout time.Duration

	mu     sync.Mutex
	socket net.Conn // the last one made
	err    error    // of the last failed dial
	killed bool
}

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.ctx, d.timeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.err = err
		return nil, err
	}
	if d.killed {
		conn.Close()
		return nil, net.ErrClosed
	}
	d.socket = conn
	return strictConn{conn}, nil
}

func (d *dialer) lastErr() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// kill ends the socket, whoever uses it.
func (d *dialer) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.killed = true
	if d.socket != nil {
		d.socket.Close()
	}
}

// strictConn ends the connection at the first failed write. nats.go drops the bytes of a write that timed out and goes
// on, and a PONG after that would confirm what was never sent.
type strictConn struct{ net.Conn }

func (c strictConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		c.Conn.Close()
	}
	return n, err
}
