package httpin

import (
	"context"
	"net"
	"sync"

	"github.com/trailcast/trailcast/internal/listener"
)

// listen opens the listener, without TLS.
func (in *Input) listen(ctx context.Context) (net.Listener, error) {
	network, address := in.config.address()
	return listener.Listen(ctx, network, address)
}

// limited is a listener with a bound on the connections that are open at one time.
type limited struct {
	net.Listener
	places chan struct{}
	full   func() // called before a connection has to wait

	close  sync.Once
	closed chan struct{}
}

func newLimited(l net.Listener, connections int, full func()) *limited {
	return &limited{Listener: l, places: make(chan struct{}, connections), full: full, closed: make(chan struct{})}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	default:
		l.full()
		select {
		case l.places <- struct{}{}:
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &placed{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

func (l *limited) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// placed is a connection that gives its place back.
type placed struct {
	net.Conn
	leave func()
}

func (c *placed) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
