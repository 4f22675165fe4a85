// Package embedded runs a NATS server with JetStream inside the process, so that a fresh machine needs nothing else.
// One server per process is meant: it takes the lock of its store directory and its port, and a second one on either
// fails with a clear error.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"

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
	DefaultListen     = "127.0.0.1:4222"
	defaultMaxPayload = 8 << 20
	maxPayload        = 64 << 20
)

// Validate returns the mistakes in c as errors about its keys.
func (c *Config) Validate() error {
	var errs []error
	if _, _, err := c.listen(); err != nil {
		errs = append(errs, conf.FieldErrorf("listen", "%v", err))
	}
	if c.MaxPayload < 0 || c.MaxPayload > maxPayload {
		errs = append(errs, conf.FieldErrorf("max_payload", "%d is not between 1 and 64MiB", c.MaxPayload))
	}
	if c.SyncInterval < 0 {
		errs = append(errs, conf.FieldErrorf("sync_interval", "%v is negative", c.SyncInterval))
	}
	return errors.Join(errs...)
}

// Loopback reports whether only this machine can reach the server.
func (c *Config) Loopback() bool {
	host, _, err := c.listen()
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Config) listen() (host string, port int, err error) {
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
type Server struct {
	nats *server.Server
	url  string
	dir  string
	lock *flock.Flock
	stop sync.Once
}

// readyTimeout is how long the server may take to listen once its streams are recovered.
const readyTimeout = 10 * time.Second

// Start starts a server and returns when it takes connections. c.StoreDir must be set.
func Start(c Config, o Options) (*Server, error) {
	if c.StoreDir == "" {
		return nil, errors.New("embedded NATS server: store_dir is not set")
	}
	host, port, err := c.listen()
	if err != nil {
		return nil, fmt.Errorf("embedded NATS server: %w", err)
	}
	dir, err := filepath.Abs(c.StoreDir)
	if err != nil {
		return nil, fmt.Errorf("embedded NATS server: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded NATS server: make store_dir: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, lock: lock}
	if err := s.start(c, o, host, port); err != nil {
		s.unlock()
		return nil, fmt.Errorf("embedded NATS server: %w", err)
	}
	return s, nil
}

func lockDir(dir string) (*flock.Flock, error) {
	lock := flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("embedded NATS server: lock store_dir: %w", err)
	}
	if !locked {
		return nil, fmt.Errorf("embedded NATS server: store_dir %s is in use by another server: "+
			"give each its own, or let the second output connect to the first by url", dir)
	}
	return lock, nil
}

func (s *Server) start(c Config, o Options, host string, port int) error {
	payload := int32(c.MaxPayload)
	if payload == 0 {
		payload = defaultMaxPayload
	}
	options := &server.Options{
		ServerName:      "trailcast",
		Host:            host,
		Port:            port,
		NoSigs:          true,
		MaxPayload:      payload,
		MaxPending:      2 * maxPayload, // bytes held for one slow client
		JetStream:       true,
		StoreDir:        s.dir,
		SyncInterval:    c.SyncInterval,
		SyncAlways:      c.SyncInterval == 0,
		Username:        o.User,
		Password:        o.Password,
		Authorization:   o.Token,
		MaxTracedMsgLen: 64, // never a payload in a log

		JetStreamMaxMemory:     -1,
		JetStreamMaxStore:      -1,
		DisableJetStreamBanner: true,
	}
	if c.MaxStore > 0 {
		options.JetStreamMaxStore = int64(c.MaxStore)
	}
	srv, err := server.NewServer(options)
	if err != nil {
		return err
	}
	fatal := &firstFatal{log: o.Log}
	srv.SetLogger(fatal, false, false)
	s.nats = srv
	srv.Start() // recovers the streams before it listens
	for start := time.Now(); fatal.err() == nil; {
		if srv.ReadyForConnections(50 * time.Millisecond) {
			s.url = clientURL(srv.Addr())
			return nil
		}
		if time.Since(start) > readyTimeout {
			fatal.Fatalf("not ready on %s after %v", net.JoinHostPort(host, strconv.Itoa(port)), readyTimeout)
		}
	}
	srv.Shutdown()
	srv.WaitForShutdown()
	return fatal.err()
}

// ClientURL is where clients on this machine connect: nats://127.0.0.1:4222.
func (s *Server) ClientURL() string { return s.url }

func clientURL(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return "nats://" + addr.String()
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "nats://" + net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}

// StoreDir is the directory of the streams.
func (s *Server) StoreDir() string { return s.dir }

// Shutdown stops the server and waits for its end. Calling it twice is harmless.
func (s *Server) Shutdown() {
	s.stop.Do(func() {
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
		s.unlock()
	})
}

func (s *Server) unlock() {
	_ = s.lock.Unlock() // the end of the process unlocks it too
}

// firstFatal is the server's logger. Warnings and errors are passed on; the first fatal error is kept, since the
// server reports a failed start (a port in use) only there.
type firstFatal struct {
	log *slog.Logger

	mu    sync.Mutex
	first error
}

func (f *firstFatal) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first
}

func (f *firstFatal) Fatalf(format string, v ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == nil {
		f.first = errors.New(strings.TrimSuffix(fmt.Sprintf(format, v...), "\n"))
	}
}

func (f *firstFatal) Errorf(format string, v ...any) { f.pass(slog.LevelError, format, v) }
func (f *firstFatal) Warnf(format string, v ...any)  { f.pass(slog.LevelWarn, format, v) }
func (f *firstFatal) Noticef(string, ...any)         {}
func (f *firstFatal) Debugf(string, ...any)          {}
func (f *firstFatal) Tracef(string, ...any)          {}

func (f *firstFatal) pass(level slog.Level, format string, v []any) {
	if f.log != nil {
		f.log.Log(context.Background(), level, "embedded NATS server: "+strings.TrimSuffix(fmt.Sprintf(format, v...), "\n"))
	}
}
