package forwardin

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/trailcast/trailcast/internal/listener"
)

// listen opens the listener.
func (in *Input) listen(ctx context.Context) (net.Listener, error) {
	network, address := in.config.address()
	l, err := listener.Listen(ctx, network, address)
	if err != nil || in.tls == nil {
		return l, err
	}
	return tls.NewListener(l, in.tls), nil
}
