package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// broker is a NATS server in this process: what it takes is in no contender's figures.
type broker struct {
	server *server.Server
	conn   *nats.Conn
	stream jetstream.JetStream
	before int64 // messages that had come in when the round began
}

const (
	subjects   = "audit.>"
	streamName = "AUDIT"
	patience   = 10 * time.Second // for answers of the broker
)

func startBroker(dir string) (*broker, error) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: dir, MaxPayload: 8 << 20})
	if err != nil {
		return nil, fmt.Errorf("start a NATS server: %w", err)
	}
	b := &broker{server: s}
	s.Start()
	if !s.ReadyForConnections(patience) {
		b.close()
		return nil, errors.New("start a NATS server: it is not ready")
	}
	if b.conn, err = nats.Connect(s.ClientURL()); err == nil {
		b.stream, err = jetstream.New(b.conn)
	}
	if err != nil {
		b.close()
		return nil, fmt.Errorf("connect to the NATS server: %w", err)
	}
	return b, nil
}

func (b *broker) close() {
	if b.conn != nil {
		b.conn.Close()
	}
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

func (b *broker) url() string { return b.server.ClientURL() }

// begin prepares for a round of core NATS; arrived says how many messages it brought.
func (b *broker) begin() (err error) {
	b.before, err = b.messages()
	return err
}

// arrived compares the messages since begin with how many there must be. The server counts a moment after it has answered.
func (b *broker) arrived(want int64) error {
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		now, err := b.messages()
		if err != nil {
			return err
		}
		if n := now - b.before; n == want {
			return nil
		} else if n > want || time.Since(began) > patience {
			return fmt.Errorf("%d messages arrived, want %d", n, want)
		}
	}
}

func (b *broker) messages() (int64, error) {
	v, err := b.server.Varz(nil)
	if err != nil {
		return 0, fmt.Errorf("ask the NATS server: %w", err)
	}
	return v.InMsgs, nil
}

// beginStream gives a round of JetStream an empty stream in files; stored says how many messages it holds.
func (b *broker) beginStream() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.stream.DeleteStream(ctx, streamName); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("delete the last round's stream: %w", err)
	}
	_, err := b.stream.CreateStream(ctx, jetstream.StreamConfig{Name: streamName, Subjects: []string{subjects},
		Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew, Duplicates: time.Hour})
	if err != nil {
		return fmt.Errorf("create a stream: %w", err)
	}
	return nil
}

func (b *broker) stored(want int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := b.stream.Stream(ctx, streamName)
	if err != nil {
		return fmt.Errorf("look at the stream: %w", err)
	}
	if n := s.CachedInfo().State.Msgs; n != uint64(want) {
		return fmt.Errorf("%d messages in the stream, want %d", n, want)
	}
	return nil
}
