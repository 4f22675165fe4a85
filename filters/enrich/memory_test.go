package enrich

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// What was written of one origin is not written of another, and objects of any size fit.
func TestEachEventHasItsOwnOrigin(t *testing.T) {
	f := newFilter(t, Config{})
	origins := []*pipeline.Origin{
		{Input: "a", Object: "one", Via: []string{"sqs", "s3"}, Tag: "t", Time: time.Unix(1700000000, 5)},
		{Input: "b"},
		{Object: strings.Repeat("long/", 300), Owner: "111122223333"},
		nil,
	}
	for i := range 100 {
		o := origins[i*i%len(origins)]
		if i%7 == 0 {
			o = origins[i%len(origins)]
		}
		raw := fmt.Appendf(nil, `{"eventVersion":"1.0","eventID":"%d","eventTime":"2026-01-02T03:04:05Z","eventName":"X","userIdentity":{},"userAgent":"%s"}`,
			i, strings.Repeat("x", i*40))
		ev := event(raw, o, int64(i))
		notes := new(record.Notes)
		record.Recognise(raw, notes)
		ev.Record.Notes = notes
		got := apply(t, f, ev).Raw
		if want := rawjson.Add(raw, defaultKey, appendObject(nil, ev.Facts(), place{}, ev.Record)); !bytes.Equal(got, want) {
			t.Fatalf("event %d is %s, want %s", i, got, want)
		}
	}
}

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
