package enrich

import (
	"testing"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/pipeline"
)

// BenchmarkTrail enriches generated records that were noted when they were found, in batches that were just scanned, as in a
// run: so many different ones that they do not stay in the nearest caches. One iteration is one record. "facts" derives them
// anew, "object" has them.
func BenchmarkTrail(b *testing.B) {
	const batch = 512
	const count = 10 * batch
	f := newFilter(b, Config{})
	var text []byte
	g := records.New(7)
	all := make([]struct {
		pipeline.Record
		notes record.Notes
	}, count)
	origin := &pipeline.Origin{Input: "trail", Object: "s3://logs/AWSLogs/111122223333/CloudTrail/eu-west-1/x.json.gz", Via: []string{"sqs", "s3"}}
	for i := range all {
		text = g.Append(nil, int64(i))
		r := &all[i]
		_, kind, ok := record.Scan(text, &r.notes, true)
		if !ok {
			b.Fatalf("%s is not plain", text)
		}
		r.Raw, r.Kind, r.Notes, r.Index, r.Origin = text, kind, &r.notes, int64(i), origin
	}
	var dst []pipeline.Event
	run := func(name string, before func(ev *pipeline.Event)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%batch == 0 {
					b.StopTimer()
					reader := new(record.Slab)
					for k := range batch {
						r := &all[(i+k)%count]
						r.Record = pipeline.Record{Raw: r.Raw, Kind: r.Kind, Notes: &r.notes, Index: r.Index, Origin: origin, Reader: reader}
						record.Scan(r.Raw, &r.notes, true)
						ev := pipeline.NewEvent(&r.Record)
						before(&ev)
					}
					b.StartTimer()
				}
				dst, _ = f.Apply(b.Context(), dst[:0], pipeline.NewEvent(&all[i%count].Record))
			}
		})
	}
	run("facts", func(*pipeline.Event) {})
	run("object", func(ev *pipeline.Event) { ev.Facts() })
}
