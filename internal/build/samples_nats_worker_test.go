package build

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// runWorker has a worker take the messages of a stream.
func runWorker(t *testing.T, b *bench) {
	url, stop := plainServer(t)
	defer stop()
	b.env["NATS_URL"] = url
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "TRAIL", Subjects: []string{"trail.>"}}); err != nil {
		t.Fatal(err)
	}
	const n = 20
	for range n {
		if _, err := js.Publish(t.Context(), "trail.raw", []byte(`{"Records":[{"n":1},{"n":2}]}`)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	worker := b.build(t, "nats-worker.yaml")
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx) }()
	for acknowledged := uint64(0); acknowledged < n; {
		if ctx.Err() != nil {
			t.Fatalf("%d of %d messages were acknowledged", acknowledged, n)
		}
		if cons, err := js.Consumer(ctx, "TRAIL", "trailcast"); err == nil {
			acknowledged = cons.CachedInfo().AckFloor.Stream
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	account(t, worker.Stats())
	if got := delivered(t, worker.Stats(), "audit"); got != 2*n {
		t.Errorf("%d events were delivered, want %d", got, 2*n)
	}
}
