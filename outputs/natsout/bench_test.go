package natsout

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/trailcast/trailcast/outputs/natsout/embedded"
	"github.com/trailcast/trailcast/outputs/natsout/embedded/natsserver"
	"github.com/trailcast/trailcast/outputs/outputtest"
	"github.com/trailcast/trailcast/pipeline"
)

// BenchmarkWrite delivers events in batches of 1024 by as many writers as Limits allows; one operation is one event.
func BenchmarkWrite(b *testing.B) {
	stream := func(storage jetstream.StorageType, window int) func(b *testing.B) *Output {
		return func(b *testing.B) *Output {
			s, err := natsserver.Start(embedded.Config{StoreDir: b.TempDir(), Listen: "127.0.0.1:-1", SyncInterval: 10 * time.Second},
				embedded.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(s.Shutdown)
			makeStream(b, s.ClientURL(), jetstream.StreamConfig{Name: "AUDIT", Subjects: []string{"audit.>"}, Storage: storage, Duplicates: time.Hour})
			c := streamConfig(s.ClientURL())
			c.MaxInFlight = window
			return open(b, c, pipeline.Env{})
		}
	}
	core := func(b *testing.B) *Output {
		s := startServer(b, server.Options{})
		return open(b, config(s.url()), pipeline.Env{})
	}
	b.Run("core", func(b *testing.B) { benchmarkWrite(b, core(b)) })
	for _, window := range []int{1, 64, 512, 1024, 4096, 16384} {
		b.Run(fmt.Sprintf("memory/window=%d", window), func(b *testing.B) {
			benchmarkWrite(b, stream(jetstream.MemoryStorage, window)(b))
		})
		b.Run(fmt.Sprintf("file/window=%d", window), func(b *testing.B) {
			benchmarkWrite(b, stream(jetstream.FileStorage, window)(b))
		})
	}
}

func benchmarkWrite(b *testing.B, o *Output) {
	if err := o.Check(deadline(b)); err != nil {
		b.Fatal(err)
	}
	l := o.Limits()
	const size = 1024
	events := outputtest.Events(0, b.N)
	b.SetBytes(int64(len(events[0].Raw)))
	b.ReportAllocs()
	batches := make(chan []pipeline.Event)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range l.Concurrency {
		wg.Go(func() {
			for batch := range batches {
				if err := o.Write(context.Background(), batch); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for from := 0; from < len(events); from += size {
		batches <- events[from:min(from+size, len(events))]
	}
	close(batches)
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkCompose is what one message costs before it is sent.
func BenchmarkCompose(b *testing.B) {
	subject, err := parseSubject(config("").Subject)
	if err != nil {
		b.Fatal(err)
	}
	o := &Output{cfg: Config{}.withDefaults("bus"), idPrefix: "bus:", subject: subject}
	events := outputtest.Events(0, 8)
	c := o.newComposer()
	b.ReportAllocs()
	for i := range b.N {
		parts, err := c.parts(&events[i%len(events)], 1<<20)
		if err != nil {
			b.Fatal(err)
		}
		c.message(parts[0].Data, parts[0].Suffix)
	}
}
