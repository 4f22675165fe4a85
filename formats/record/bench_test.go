package record

import (
	"fmt"
	"testing"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/pipeline"
)

// generated returns the slots of generated records with notes, as a splitter makes them: so many that neither they nor their
// facts stay in the nearest caches, as it is in a run.
func generated(tb testing.TB) (all []pipeline.Record, size int64) {
	tb.Helper()
	const count = 5000
	var text []byte
	var ends []int
	g := records.New(7)
	for i := range int64(count) {
		text = g.Append(text, i)
		ends = append(ends, len(text))
	}
	all = make([]pipeline.Record, count)
	notes := make([]Notes, count)
	start := 0
	for i, end := range ends {
		raw := text[start:end:end]
		start = end
		n, kind, ok := Scan(raw, &notes[i], true)
		if !ok || n != len(raw) {
			tb.Fatalf("%s is not plain", raw)
		}
		notes[i].Compact = true
		all[i].Raw, all[i].Kind, all[i].Notes, all[i].Index = raw, kind, &notes[i], int64(i)
		all[i].Origin = &pipeline.Origin{Input: "trail", Object: "s3://logs/AWSLogs/111122223333/CloudTrail/eu-west-1/x.json.gz"}
	}
	return all, int64(len(text)) / count
}

// One iteration is one record of many different ones. Facts are derived of batches that were scanned just before, as in a run,
// where the bytes are in no nearer a cache than that.
func BenchmarkTrail(b *testing.B) {
	const batch = 512
	all, size := generated(b)
	all = all[:len(all)/batch*batch]
	scan := func(records []pipeline.Record) {
		for i := range records {
			Scan(records[i].Raw, records[i].Notes.(*Notes), true)
		}
	}
	for _, inside := range []bool{false, true} {
		b.Run(fmt.Sprintf("scan inside=%v", inside), func(b *testing.B) {
			b.SetBytes(size)
			for i := 0; b.Loop(); i++ {
				r := &all[i%len(all)]
				Scan(r.Raw, r.Notes.(*Notes), inside)
			}
		})
	}
	facts := func(name string, of func(slab *Slab, r *pipeline.Record)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			var slab Slab
			for i := 0; b.Loop(); i++ {
				j := i % len(all)
				if j%batch == 0 {
					b.StopTimer()
					scan(all[j : j+batch])
					b.StartTimer()
				}
				of(&slab, &all[j])
			}
		})
	}
	facts("facts", func(slab *Slab, r *pipeline.Record) { slab.Facts(r) })
	facts("facts without notes", func(slab *Slab, r *pipeline.Record) {
		slab.Facts(&pipeline.Record{Raw: r.Raw, Kind: r.Kind, Origin: r.Origin})
	})
}
