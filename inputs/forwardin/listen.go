package forwardin

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"syscall"
)

// listen opens the listener.
func (in *Input) listen(ctx context.Context) (net.Listener, error) {
	network, address := in.config.address()
	if network == "unix" {
		removeStale(ctx, address)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, network, address)
	if err != nil || in.tls == nil {
		return l, err
	}
	return tls.NewListener(l, in.tls), nil
}

// removeStale removes the socket that an agent which was killed has left behind. One that is listened on stays, and makes
// listening fail.
func removeStale(ctx context.Context, path string) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = c.Close()
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		_ = os.Remove(path) // else listening says what is wrong
	}
}
