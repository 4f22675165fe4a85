package forwardin

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/msgpack"
	"github.com/trailcast/trailcast/pipeline"
)

// feed gives the events of a message to a frame. entries are the message's, unpacked; packing is why not all of them
// could be, or nil. Nothing of what is fed lies in their memory. The error is the frame's.
func (in *Input) feed(ctx context.Context, m *message, entries []byte, packing error, to split.Feeder) error {
	documents := in.splitter.Documents(ctx, to)
	origins := origins{first: pipeline.Origin{Input: in.name, Object: m.tag, Tag: m.tag, Identity: m.id}, next: in.next}
	bad := func(raw []byte, offset int, reason string) error {
		return documents.Broken(pipeline.Broken{
			Raw: bytes.Clone(raw[:min(len(raw), maxBroken)]), Size: int64(len(raw)), Offset: int64(offset),
			Origin: &origins.first, Reason: reason,
		})
	}
	if m.signal != 0 {
		if err := bad(entries, 0, "metrics, traces or profiles of Fluent Bit (fluent_signal "+strconv.FormatInt(m.signal, 10)+"): only logs are events"); err != nil {
			return err
		}
		_, err := documents.Flush()
		return err
	}
	err := msgpack.Transcode(entries, in.limits, func(r msgpack.Record) error {
		return documents.Add(r.Body, origins.at(r.Time), int64(r.Offset))
	}, func(b msgpack.BadRecord) error {
		return bad(b.Raw, b.Offset, "MessagePack: a record that can not be used: "+b.Err.Error())
	})
	corrupt, isCorrupt := errors.AsType[*msgpack.CorruptError](err)
	switch {
	case packing != nil && (err == nil || isCorrupt): // the last record of what came out is cut
		err = bad(m.entries, len(entries), "the chunk cannot be unpacked: "+packing.Error())
	case isCorrupt:
		err = bad(entries[corrupt.Offset:], corrupt.Offset, "MessagePack: "+corrupt.Error())
	}
	if err != nil {
		return err
	}
	_, err = documents.Flush()
	return err
}

// maxBroken is how much is kept of what can not be read.
const maxBroken = 64 << 10

// origins gives records their provenance, one Origin for all that share a time.
//
// The identity is the chunk's id: a message that is sent again has the same, and so have its records' keys. Without an id
// it is the tag, the time and the place in the message that tell records apart. Whole seconds do not: a client that counts
// in them, and logs one line twice, would lose one of both. Such a record counts as another one each time that it comes.
type origins struct {
	first pipeline.Origin
	next  func() string // a new identity
	own   string        // this message's, where it needs one
	last  *pipeline.Origin
}

func (o *origins) at(t time.Time) *pipeline.Origin {
	if o.last != nil && o.last.Time.Equal(t) {
		return o.last
	}
	origin := o.first
	origin.Time = t
	if origin.Identity == "" && t.Nanosecond() == 0 {
		if o.own == "" {
			o.own = o.next()
		}
		origin.Identity = o.own
	}
	o.last = &origin
	return o.last
}
