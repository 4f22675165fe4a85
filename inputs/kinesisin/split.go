package kinesisin

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// splitter makes events of the records of a stream.
type splitter struct {
	split                 *split.Splitter
	input, object, region string // of origins
	direct                int    // bytes up to which an object need not be split as a stream; 0: none
}

func newSplitter(cfg *Config, input, region string) *splitter {
	s := &splitter{
		split: split.New(cfg.Options(cfg.MaxDecompressed)), input: input, object: "kinesis:" + cfg.name() + "/", region: region,
		direct: int(cmp.Or(cfg.MaxRecord, largestAnswer)),
	}
	if slices.Equal(cfg.Accept, []string{string(pipeline.KindSessionLog)}) {
		s.direct = 0 // an object may be the text of a session
	}
	return s
}

// feed splits records into one frame.
func (s *splitter) feed(ctx context.Context, frame *pipeline.Frame, shard string, records []types.Record) error {
	g := &gather{frame: frame}
	for i := range records {
		if err := s.record(ctx, g, shard, &records[i]); err != nil {
			return err
		}
	}
	return g.flush(ctx)
}

// record splits one record, or the user records that are packed in it. The sequence number tells it from any other of
// its shard, and is the same however often it is read.
func (s *splitter) record(ctx context.Context, to split.Feeder, shard string, r *types.Record) error {
	origin := pipeline.Origin{
		Input: s.input, Object: s.object + shard, Identity: aws.ToString(r.SequenceNumber), Via: []string{"kinesis"},
		Region: s.region, Time: aws.ToTime(r.ApproximateArrivalTimestamp),
	}
	packed, ok := userRecords(r.Data)
	if !ok {
		return s.data(ctx, to, &origin, r.Data)
	}
	for i, data := range packed {
		one := origin
		one.Identity += ":" + strconv.Itoa(i)
		if err := s.data(ctx, to, &one, data); err != nil {
			return err
		}
	}
	return nil
}

// data splits the data of one record. Most are one object on one line, which costs a tenth of what a stream does.
func (s *splitter) data(ctx context.Context, to split.Feeder, origin *pipeline.Origin, data []byte) error {
	line := bytes.Trim(data, " \t\r\n")
	if len(line) > s.direct || !isCompactObject(line) {
		_, err := s.split.Split(ctx, bytes.NewReader(data), origin, split.Base{}, to)
		return err
	}
	documents := s.split.Documents(ctx, to)
	if err := documents.Add(line[:len(line):len(line)], origin, 0); err != nil {
		return err
	}
	_, err := documents.Flush()
	return err
}

// isCompactObject reports whether data is one valid JSON object without white space outside of strings.
func isCompactObject(data []byte) bool {
	if len(data) == 0 || data[0] != '{' || rawjson.Valid(data) != nil {
		return false
	}
	var stack [4096]byte
	return len(rawjson.AppendCompact(stack[:0], data)) == len(data)
}

// gather is a split.Feeder that feeds the events of many small records together.
type gather struct {
	frame  *pipeline.Frame
	events []pipeline.Event
	bytes  int
}

const (
	gatherEvents = 512
	gatherBytes  = 1 << 20
)

func (g *gather) Feed(ctx context.Context, events []pipeline.Event) error {
	g.events = append(g.events, events...)
	for i := range events {
		g.bytes += len(events[i].Raw)
	}
	if len(g.events) < gatherEvents && g.bytes < gatherBytes {
		return nil
	}
	return g.flush(ctx)
}

func (g *gather) Broken(ctx context.Context, b pipeline.Broken) error { return g.frame.Broken(ctx, b) }

func (g *gather) flush(ctx context.Context) error {
	events := g.events
	g.events, g.bytes = nil, 0
	return g.frame.Feed(ctx, events)
}
