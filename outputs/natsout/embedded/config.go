// Package embedded configures a NATS server with JetStream inside the process, so that a fresh machine needs nothing
// else. The server itself is package natsserver: a program that runs none (the Fluent Bit plugin) is not linked with it.
package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
)

// Config is what users write under `embedded`.
type Config struct {
	StoreDir     string        `conf:"store_dir" doc:"Directory of the streams. Default: nats in the agent's state_dir." example:"/var/lib/trailcast/nats"`
	Listen       string        `conf:"listen" default:"127.0.0.1:4222" doc:"Address that the server listens on; port -1 takes a free one. Anything but loopback needs user and password, or token, of the output." example:"127.0.0.1:4222"`
	MaxStore     conf.Size     `conf:"max_store" doc:"Limit of all streams on disk. Default: three quarters of the free space." example:"20GiB"`
	MaxPayload   conf.Size     `conf:"max_payload" default:"8MiB" doc:"Largest message, headers included (at most 64MiB)."`
	SyncInterval time.Duration `conf:"sync_interval" default:"10s" doc:"How often streams are synced to the disk: what a power failure may take although it was confirmed (a crash of the process takes nothing). 0 syncs before each confirmation, which is slow."`
}

const (
	DefaultListen = "127.0.0.1:4222"

	DefaultMaxPayload = 8 << 20  // bytes
	MaxPayload        = 64 << 20 // bytes
)

// Validate returns the mistakes in c as errors about its keys.
func (c *Config) Validate() error {
	var errs []error
	if _, _, err := c.Address(); err != nil {
		errs = append(errs, conf.FieldErrorf("listen", "%v", err))
	}
	if c.MaxPayload < 0 || c.MaxPayload > MaxPayload {
		errs = append(errs, conf.FieldErrorf("max_payload", "%d is not between 1 and 64MiB", c.MaxPayload))
	}
	if c.SyncInterval < 0 {
		errs = append(errs, conf.FieldErrorf("sync_interval", "%v is negative", c.SyncInterval))
	}
	return errors.Join(errs...)
}

// Loopback reports whether only this machine can reach the server.
func (c *Config) Loopback() bool {
	host, _, err := c.Address()
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Address is where the server listens.
func (c *Config) Address() (host string, port int, err error) {
	listen := c.Listen
	if listen == "" {
		listen = DefaultListen
	}
	host, portText, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("%q is no host:port (for example %s)", listen, DefaultListen)
	}
	port, err = strconv.Atoi(portText)
	if err != nil || port < -1 || port == 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q: the port is not between 1 and 65535, or -1 for a free one", listen)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	return host, port, nil
}

// Options are what the program gives besides the user's Config.
type Options struct {
	Log *slog.Logger // nil: nothing is logged

	// Credentials that clients must show; all empty: none.
	User, Password, Token string
}

// Server is a running server. Its methods are safe for concurrent use.
type Server interface {
	ClientURL() string // where clients on this machine connect: nats://127.0.0.1:4222
	StoreDir() string  // the directory of the streams
	Shutdown()         // stops the server and waits for its end; calling it twice is harmless
}

// Starter starts a server: natsserver.Start is one.
type Starter func(Config, Options) (Server, error)
