package fluentbit

import (
	"fmt"
	"testing"

	"github.com/trailcast/trailcast/outputs/natsout/embedded"
	"github.com/trailcast/trailcast/outputs/natsout/embedded/natsserver"
)

// BenchmarkFlush flushes chunks of 2 MB, one after the other, as a Fluent Bit with one worker does.
func BenchmarkFlush(b *testing.B) {
	server, err := natsserver.Start(embedded.Config{StoreDir: b.TempDir(), Listen: "127.0.0.1:-1", SyncInterval: 1 << 40}, embedded.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Shutdown()
	for _, bench := range []struct {
		name string
		keys map[string]string
	}{
		{"dropped", map[string]string{"Filter": `select(.eventName == "none")`, "File_Path": b.TempDir() + "/x.ndjson"}},
		{"enriched", map[string]string{"Enrich": "on", "File_Path": b.TempDir() + "/x.ndjson", "When_File": `.eventName == "none"`}},
		{"file", map[string]string{"File_Path": b.TempDir() + "/{account}.ndjson"}},
		{"jetstream", map[string]string{"Nats_Url": server.ClientURL(), "Nats_Subject": "a.{account}.{action}", "Nats_Stream": "A", "Nats_Create": "on"}},
		{"all", map[string]string{"Nats_Url": server.ClientURL(), "Nats_Subject": "c.{account}.{region}.{service}.{action}", "Nats_Stream": "C", "Nats_Create": "on",
			"Enrich": "on", "Filter": `select(.eventType != "AwsVpceEvent")`}},
		{"core", map[string]string{"Nats_Url": server.ClientURL(), "Nats_Subject": "b.{account}.{action}"}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			in := start(b, bench.keys)
			chunks := make([][]byte, 20)
			records := 0
			for i := range chunks {
				chunks[i], records = generated(b, uint64(i+1), 2_000_000)
			}
			b.SetBytes(int64(len(chunks[0])))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if a := in.Flush(fmt.Sprint("tag", i), chunks[i%len(chunks)]); a != OK {
					b.Fatalf("answer %d", a)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(records), "µs/record")
		})
	}
}
