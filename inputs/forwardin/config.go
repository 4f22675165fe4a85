// Package forwardin takes events from Fluentd, Fluent Bit and fluent-logger clients by the Fluent forward protocol, v1.
//
// A message with a chunk id is acknowledged when all its events are delivered or in quarantine. One that can not be
// delivered is not: its connection is closed, so that the client sends it again. Messages without a chunk id cannot be
// acknowledged; whether such a client ever repeats one is its own affair.
//
// Not served: heartbeats over UDP, and the JSON form that Fluentd accepts in place of MessagePack.
package forwardin

import (
	"cmp"
	"errors"
	"net"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/listener"
	"github.com/trailcast/trailcast/internal/splitconf"
)

// Config is what users write under `forward`.
type Config struct {
	Listen string `conf:"listen" default:"127.0.0.1:24224" doc:"Address and port to listen on, or the path of a Unix socket." example:"0.0.0.0:24224"`

	TLS            *listener.TLS          `conf:"tls" doc:"TLS settings. Without them everything but the shared key and passwords crosses the network in plain text."`
	SharedKey      conf.Secret            `conf:"shared_key" doc:"Key that clients must know (shared_key in Fluentd, Shared_Key in Fluent Bit)."`
	SharedKeyFile  string                 `conf:"shared_key_file" doc:"File with the shared key, read at each connect."`
	Users          map[string]conf.Secret `conf:"users" doc:"Passwords of users by their names. Clients must then be one of them, beside knowing the shared key." example:"{edge: change-me}"`
	SelfHostname   string                 `conf:"self_hostname" default:"trailcast" doc:"Name that clients with a shared key are told. Fluentd refuses a server of its own name."`
	AllowAnonymous bool                   `conf:"allow_anonymous" doc:"Listen beyond this machine although clients need neither a shared key nor a certificate: whoever reaches the port can then write events."`

	RequireAck bool `conf:"require_ack" doc:"Refuse messages that the client does not want acknowledged: those can be lost."`

	splitconf.Config
	MaxChunk        conf.Size `conf:"max_chunk" default:"64MiB" doc:"Largest message as it is sent. A larger one ends its connection."`
	MaxDecompressed conf.Size `conf:"max_decompressed" default:"256MiB" doc:"Largest size of one compressed chunk, or of compressed data in a record, when unpacked; what exceeds it goes to quarantine."`
	MaxBuffered     conf.Size `conf:"max_buffered" default:"256MiB" doc:"What messages of all connections may hold until they are delivered; one half for those that are being read, one for those in flight. Beyond it nothing more is read."`
	MaxConnections  int       `conf:"max_connections" default:"1024" doc:"Connections at one time; further ones wait."`
	MaxInFlight     int       `conf:"max_in_flight" default:"16" doc:"Messages of one connection that were read and are not delivered yet."`

	HandshakeTimeout time.Duration `conf:"handshake_timeout" default:"10s" doc:"How long the handshakes of TLS and of the protocol may take together."`
	ReadTimeout      time.Duration `conf:"read_timeout" default:"1m" doc:"How long the rest of a message that has begun, or the next 64KiB of it, may take."`
	IdleTimeout      time.Duration `conf:"idle_timeout" default:"10m" doc:"When a connection on which nothing comes is closed. Not that of a client which wants no acknowledgement: it would lose its next message."`
}

// Validate returns all mistakes in c. Files are not looked at.
func (c *Config) Validate() error {
	errs := c.Mistakes()
	wrong := func(field, format string, args ...any) { errs = append(errs, conf.FieldErrorf(field, format, args...)) }
	network, address := c.address()
	host := ""
	if network == "tcp" {
		var port string
		var err error
		if host, port, err = net.SplitHostPort(address); err != nil || port == "" {
			wrong("listen", "%q is neither like 127.0.0.1:24224 nor the path of a Unix socket", c.Listen)
		}
	}
	known := c.SharedKey != "" || c.SharedKeyFile != ""
	if c.SharedKey != "" && c.SharedKeyFile != "" {
		wrong("shared_key_file", "shared_key and shared_key_file exclude each other")
	}
	if len(c.Users) > 0 && !known {
		wrong("users", "users are asked for in the handshake, which needs a shared_key")
	}
	for name, password := range c.Users {
		if name == "" || password == "" {
			wrong("users", "user %q has an empty name or password", name)
		}
	}
	if network == "tcp" && !listener.Loopback(host) && !known && !c.mutual() && !c.AllowAnonymous {
		errs = append(errs, &conf.Error{Field: "listen", Msg: "whoever reaches " + address + " could write events",
			Hint: "set shared_key, or tls.client_ca_file, or allow_anonymous: true"})
	}
	if len(c.SelfHostname) > maxHostname {
		wrong("self_hostname", "is longer than %d bytes", maxHostname)
	}
	for field, n := range map[string]int64{
		"max_chunk": int64(c.MaxChunk), "max_decompressed": int64(c.MaxDecompressed), "max_buffered": int64(c.MaxBuffered),
		"max_connections": int64(c.MaxConnections), "max_in_flight": int64(c.MaxInFlight),
	} {
		if n < 0 {
			wrong(field, "%d is negative", n)
		}
	}
	for field, d := range map[string]time.Duration{
		"handshake_timeout": c.HandshakeTimeout, "read_timeout": c.ReadTimeout, "idle_timeout": c.IdleTimeout,
	} {
		if d < 0 {
			wrong(field, "%v is negative", d)
		}
	}
	return errors.Join(errs...)
}

const maxHostname = 255

// mutual reports whether clients need certificates.
func (c *Config) mutual() bool { return c.TLS != nil && c.TLS.ClientCAFile != "" }

// address returns where to listen, as net.Listen takes it.
func (c *Config) address() (network, address string) {
	return listener.Address(cmp.Or(c.Listen, "127.0.0.1:24224"))
}

// withDefaults fills in what a program that makes a Config itself has left out.
func (c Config) withDefaults() Config {
	c.SelfHostname = cmp.Or(c.SelfHostname, "trailcast")
	c.MaxChunk = cmp.Or(c.MaxChunk, 64<<20)
	c.MaxDecompressed = cmp.Or(c.MaxDecompressed, 256<<20)
	c.MaxBuffered = cmp.Or(c.MaxBuffered, 256<<20)
	c.MaxConnections = cmp.Or(c.MaxConnections, 1024)
	c.MaxInFlight = cmp.Or(c.MaxInFlight, 16)
	c.MaxRecord = cmp.Or(c.MaxRecord, 16<<20)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, 10*time.Second)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, time.Minute)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 10*time.Minute)
	return c
}
