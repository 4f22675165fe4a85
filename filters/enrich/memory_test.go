package enrich

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// Events share blocks of memory; none writes into the bytes of another.
func TestEventsKeepTheirBytes(t *testing.T) {
	f := newFilter(t, Config{})
	var got []pipeline.Event
	var want [][]byte
	for i := range 500 {
		raw := fmt.Appendf(nil, `{"eventVersion":"1.0","eventID":"%d","eventTime":"2026-01-02T03:04:05Z","eventName":"X","userIdentity":{},"s":"%s"}`,
			i, strings.Repeat("x", i*i%(blockSize/2)))
		ev := event(raw, &pipeline.Origin{Input: "x"}, int64(i))
		notes := new(record.Notes)
		record.Recognise(raw, notes)
		ev.Record.Notes = notes
		var err error
		if got, err = f.Apply(context.Background(), got, ev); err != nil {
			t.Fatal(err)
		}
		object := appendObject(nil, ev.Facts(), place{}, ev.Record)
		want = append(want, rawjson.Add(raw, defaultKey, object))
	}
	for i := range got {
		if !bytes.Equal(got[i].Raw, want[i]) {
			t.Fatalf("event %d is %.200s, want %.200s", i, got[i].Raw, want[i])
		}
		if cap(got[i].Raw) > len(got[i].Raw) {
			t.Fatalf("event %d: an append would write into the next one's bytes", i)
		}
	}
}
