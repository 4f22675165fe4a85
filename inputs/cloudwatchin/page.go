package cloudwatchin

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/cespare/xxhash/v2"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// page is what was new in one answer. It is one frame; while it is not settled it holds pageRoom, and counts as open.
type page struct {
	group  *group
	events []event
}

// event is one log event.
type event struct {
	stream, id, message string
	at                  int64
	hash                uint64
}

// take returns the events of an answer that are before a time and were not seen, and remembers them.
func (g *group) take(answer []types.FilteredLogEvent, before int64) *page {
	p := &page{group: g}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range answer {
		e := event{
			stream: aws.ToString(answer[i].LogStreamName), id: aws.ToString(answer[i].EventId),
			message: aws.ToString(answer[i].Message), at: aws.ToInt64(answer[i].Timestamp),
		}
		if e.at >= before || !g.in.streams.take(e.stream) {
			continue
		}
		e.hash = e.identity()
		if g.seen.add(e.at, e.hash) {
			p.events = append(p.events, e)
		}
	}
	if end := g.seen.shrink(g.in.config.MaxSeen); end != 0 {
		g.floor, g.shrunk = max(g.floor, end), true
	}
	if len(p.events) > 0 {
		g.pending[p] = struct{}{}
	}
	return p
}

// identity returns a hash of what tells an event from others of its time.
func (e *event) identity() uint64 {
	if e.id != "" {
		return xxhash.Sum64String(e.id)
	}
	return xxhash.Sum64String(e.stream + "\x00" + e.message)
}

// feed gives the page to the pipeline, for the try-th time.
func (p *page) feed(ctx context.Context, to pipeline.Intake, try int) {
	frame := to.Open(func(r pipeline.Result) { p.settled(ctx, to, try, r) })
	docs := p.group.in.splitter.Documents(ctx, frame)
	err := p.split(docs)
	if err == nil {
		_, err = docs.Flush()
	}
	if err != nil {
		frame.Abandon(err)
		return
	}
	frame.Seal()
}

// split gives the events to docs in their order. Each document has the events of one log stream and one time, which is
// that of an event that has none of its own.
func (p *page) split(docs *split.Documents) error {
	g := p.group
	for rest := p.events; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].stream == rest[0].stream && rest[n].at == rest[0].at {
			n++
		}
		origin := &pipeline.Origin{Input: g.in.name, Object: g.name + ":" + rest[0].stream, Region: g.in.config.Region, Time: time.UnixMilli(rest[0].at).UTC()}
		if err := docs.Add(document(g.owner, g.name, rest[:n]), origin, 0); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// document makes of events what a subscription of their log group would deliver (CloudWatch Logs user guide,
// "Real-time processing of log data with subscriptions"): so they mean the same, and have the same keys.
func document(owner, group string, events []event) []byte {
	b := []byte(`{"messageType":"DATA_MESSAGE","owner":`)
	b = rawjson.AppendString(b, owner)
	b = rawjson.AppendString(append(b, `,"logGroup":`...), group)
	b = rawjson.AppendString(append(b, `,"logStream":`...), events[0].stream)
	b = append(b, `,"subscriptionFilters":[],"logEvents":[`...)
	for i := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = rawjson.AppendString(append(b, `{"id":`...), events[i].id)
		b = strconv.AppendInt(append(b, `,"timestamp":`...), events[i].at, 10)
		b = rawjson.AppendString(append(b, `,"message":`...), events[i].message)
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// settled must not block. What is to be read again is fed again from memory; at a stop it stays pending, and so is not
// saved as seen.
func (p *page) settled(ctx context.Context, to pipeline.Intake, try int, r pipeline.Result) {
	g := p.group
	switch {
	case r.Outcome != pipeline.Retry:
		g.mu.Lock()
		delete(g.pending, p)
		g.changed = true
		g.mu.Unlock()
	case ctx.Err() == nil:
		if try == 1 {
			g.in.log.Warn("events were not delivered; they are fed again", "group", g.String(), "err", r.Err)
		}
		go p.again(ctx, to, try) // joined by open
		return
	}
	p.close()
}

func (p *page) again(ctx context.Context, to pipeline.Intake, try int) {
	if !sleep(ctx, p.group.in.backoff(try)) {
		p.close()
		return
	}
	p.feed(ctx, to, try+1)
}

func (p *page) close() {
	p.group.in.room.Release(p.group.in.pageRoom)
	p.group.open.Done()
}
