package kinesisin

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/pipeline"
)

// collected is what a splitter found.
type collected struct {
	found []string
	keys  map[string]bool
}

func (c *collected) Feed(_ context.Context, events []pipeline.Event) error {
	for i := range events {
		c.found = append(c.found, fmt.Sprintf("%s %s %s", events[i].Record.Kind, events[i].Record.Origin.Via, events[i].Raw))
		c.keys[events[i].Key()] = true
	}
	return nil
}

func (c *collected) Broken(_ context.Context, b pipeline.Broken) error {
	c.found = append(c.found, fmt.Sprintf("broken: %s %s", b.Reason, b.Raw))
	return nil
}

// FuzzData holds that an object that is not split as a stream gives the same events as one that is.
func FuzzData(f *testing.F) {
	for _, seed := range []string{record("a"), `{"Records":[` + record("a") + `,{"n":1},2]}`, ` {"a":"b c"}` + "\n", `{"a": 1}`, `{"a":1}{"a":1}`, "{\"\xff\":1}",
		`{"logEvents":[{"id":"1","message":"{\"eventID\":\"x\"}"}],"logStream":"s"}`, `{"Type":"Notification","TopicArn":"t","MessageId":"m","Message":"{}"}`, `{"log":"{\"a\":1}"}`} {
		f.Add([]byte(seed))
	}
	cfg := Config{Stream: "s", Split: Split{Unwrap: []string{"log"}}}
	s := newSplitter(&cfg, "in", "eu-west-1")
	f.Fuzz(func(t *testing.T, data []byte) {
		origin := &pipeline.Origin{Object: "kinesis:s/shardId-000000000000", Identity: "1", Via: []string{"kinesis"}}
		direct, stream := &collected{keys: map[string]bool{}}, &collected{keys: map[string]bool{}}
		if err := s.data(t.Context(), direct, origin, data); err != nil {
			t.Fatal(err)
		}
		if _, err := s.split.Split(t.Context(), bytes.NewReader(data), origin, split.Base{}, stream); err != nil {
			t.Fatal(err)
		}
		slices.Sort(direct.found) // broken pieces come before the events that wait for a batch, or behind them
		slices.Sort(stream.found)
		if !slices.Equal(direct.found, stream.found) {
			t.Errorf("%q, as a stream %q", direct.found, stream.found)
		}
		if len(direct.keys) != len(stream.keys) {
			t.Errorf("%d keys, as a stream %d", len(direct.keys), len(stream.keys))
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	cfg := Config{Stream: "s"}
	s := newSplitter(&cfg, "in", "eu-west-1")
	data := []byte(record("a"))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.data(b.Context(), discard{}, &pipeline.Origin{}, data); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Feed(context.Context, []pipeline.Event) error  { return nil }
func (discard) Broken(context.Context, pipeline.Broken) error { return nil }
