// Package listener holds what inputs that listen have in common: addresses, Unix sockets, TLS, and how they report what
// clients do.
package listener

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
)

// Address reads where to listen, as net.Listen takes it: host:port, unix:///path, or a path.
func Address(text string) (network, address string) {
	if path, ok := strings.CutPrefix(text, "unix://"); ok {
		return "unix", path
	}
	if strings.ContainsRune(text, '/') {
		return "unix", text
	}
	return "tcp", text
}

// Loopback reports whether only this machine reaches a host.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Listen opens a listener, without TLS.
func Listen(ctx context.Context, network, address string) (net.Listener, error) {
	if network == "unix" {
		removeStale(ctx, address)
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, network, address)
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
