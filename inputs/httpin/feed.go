package httpin

import (
	"bytes"
	"context"
	"slices"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// feed gives the events of a request to a frame. The error is the frame's, or the context's.
type feed func(ctx context.Context, to *feeder) error

// feeder splits what one request holds.
type feeder struct {
	splitter  *split.Splitter
	frame     split.Feeder
	documents *split.Documents
	whole     int // bytes of the largest document that is taken as a whole
}

const (
	maxWhole  = 1 << 20
	maxBroken = 64 << 10 // bytes that are kept of what can not be read
)

func (in *Input) newFeeder(ctx context.Context, frame split.Feeder) *feeder {
	f := &feeder{splitter: in.splitter, frame: frame, documents: in.splitter.Documents(ctx, frame)}
	f.whole = min(maxWhole, int(in.config.MaxRecord))
	if slices.Equal(in.config.Accept, []string{string(pipeline.KindSessionLog)}) {
		f.whole = 0 // what begins like JSON may be the text of a session
	}
	return f
}

// add splits one object. Small documents share batches, and do not hold the splitter's buffers as long as they are in
// flight.
func (f *feeder) add(ctx context.Context, data []byte, origin *pipeline.Origin) error {
	if len(data) <= f.whole && rawjson.KindOf(data) == rawjson.Object && rawjson.Valid(data) == nil {
		return f.documents.Add(rawjson.AppendCompact(nil, data), origin, 0)
	}
	if _, err := f.documents.Flush(); err != nil { // to keep the order
		return err
	}
	_, err := f.splitter.Split(ctx, bytes.NewReader(data), origin, split.Base{}, f.frame)
	return err
}

// broken reports a piece that can not be split.
func (f *feeder) broken(raw []byte, origin *pipeline.Origin, reason string) error {
	return f.documents.Broken(pipeline.Broken{
		Raw: bytes.Clone(raw[:min(len(raw), maxBroken)]), Size: int64(len(raw)), Origin: origin, Reason: reason,
	})
}

func (f *feeder) end() error {
	_, err := f.documents.Flush()
	return err
}
