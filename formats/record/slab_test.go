package record

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

// A Slab says what a Reader says, whoever asks and in whatever order, and what it said stays.
func TestSlab(t *testing.T) {
	var slab Slab
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			var records []*pipeline.Record
			for i := range 200 {
				raw := fmt.Appendf(nil, `{"eventVersion":"1","eventID":"%d-%d","eventTime":"2026-01-02T03:04:05Z","eventName":"N%d","eventType":"x"}`, g, i, i)
				if i%5 == 0 {
					raw = fmt.Appendf(nil, `{"other":"%d-%d"}`, g, i)
				}
				r := &pipeline.Record{Raw: raw, Kind: KindOf(raw), Reader: &slab, Origin: &pipeline.Origin{Input: "x"}, Index: int64(i)}
				if i%2 == 0 {
					r.Key()
				}
				r.Facts()
				records = append(records, r)
			}
			for _, r := range records {
				if got, want := r.Facts(), (Reader{}).Facts(r); !reflect.DeepEqual(got, want) {
					t.Errorf("facts of %s are %+v, want %+v", r.Raw, got, want)
				}
				if got, want := r.Key(), (Reader{}).Key(r); got != want {
					t.Errorf("key of %s is %s, want %s", r.Raw, got, want)
				}
			}
		})
	}
	wg.Wait()
}
