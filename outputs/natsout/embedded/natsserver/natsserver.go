// Package natsserver runs a NATS server with JetStream inside the process. One server per process is meant: it takes the
// lock of its store directory and its port, and a second one on either fails with a clear error.
package natsserver

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

	"github.com/trailcast/trailcast/outputs/natsout/embedded"
)

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
func Start(c embedded.Config, o embedded.Options) (embedded.Server, error) {
	if c.StoreDir == "" {
		return nil, errors.New("embedded NATS server: store_dir is not set")
	}
	host, port, err := c.Address()
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

func (s *Server) start(c embedded.Config, o embedded.Options, host string, port int) error {
	payload := int32(c.MaxPayload)
	if payload == 0 {
		payload = embedded.DefaultMaxPayload
	}
	options := &server.Options{
		ServerName:      "trailcast",
		Host:            host,
		Port:            port,
		NoSigs:          true,
		MaxPayload:      payload,
		MaxPending:      2 * embedded.MaxPayload, // bytes held for one slow client
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
