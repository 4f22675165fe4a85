package lookupin

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/pipeline"
)

// page feeds the events of a page that were not delivered yet, the oldest first.
func (r *reader) page(ctx context.Context, to pipeline.Intake, w *window, events []types.Event) error {
	var fresh []*types.Event
	var marks []mark
	for i := len(events) - 1; i >= 0; i-- {
		e := &events[i]
		if !r.end.IsZero() && e.EventTime != nil && !e.EventTime.Before(r.end) {
			continue
		}
		m := markOf(aws.ToString(e.EventId), aws.ToString(e.CloudTrailEvent), w.timeOf(e))
		if r.seen.take(m) {
			fresh, marks = append(fresh, e), append(marks, m)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	w.frames.Add(1)
	frame := to.Open(func(result pipeline.Result) {
		r.seen.settle(marks, result.Outcome != pipeline.Retry)
		if result.Outcome == pipeline.Retry {
			w.fail(result.Err)
		}
		w.frames.Done()
	})
	if err := r.feed(ctx, frame, fresh); err != nil {
		frame.Abandon(err)
		return err
	}
	frame.Seal()
	return nil
}

// timeOf returns when an event is to be forgotten: it is given again as long as the position is not after its time, or
// after the window that it came in where the answer gives another time, or none.
func (w *window) timeOf(e *types.Event) time.Time {
	at := w.end
	if e.EventTime != nil && !e.EventTime.After(w.end) {
		at = *e.EventTime
	}
	if at.Before(w.start) {
		at = w.start
	}
	return at
}

// feed splits events into a frame.
func (r *reader) feed(ctx context.Context, frame split.Feeder, events []*types.Event) error {
	documents := r.splitter.Documents(ctx, frame)
	for _, e := range events {
		origin := &pipeline.Origin{Input: r.name, Object: "cloudtrail:" + r.region, Region: r.region}
		var err error
		if text := aws.ToString(e.CloudTrailEvent); strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
			err = documents.Add(element(e), origin, 0)
		} else {
			// A filter that looks for what records have would drop the summary alone without a trace.
			origin.Identity, origin.Via = aws.ToString(e.EventId), []string{"lookup_events"}
			raw := summary(e)
			err = documents.Broken(pipeline.Broken{Raw: raw, Size: int64(len(raw)), Origin: origin,
				Reason: "LookupEvents gave no record with this event: its CloudTrailEvent is missing or no JSON object"})
		}
		if err != nil {
			return err
		}
	}
	_, err := documents.Flush()
	return err
}

// element returns as much of an element of an answer's Events as a splitter needs to take its record out, as it does
// where an answer is read from a file.
func element(e *types.Event) []byte {
	return encode(struct {
		EventId, CloudTrailEvent *string
	}{e.EventId, e.CloudTrailEvent})
}

// summary returns a whole element, as the API writes it.
func summary(e *types.Event) []byte {
	type resource struct {
		ResourceType *string `json:",omitempty"`
		ResourceName *string `json:",omitempty"`
	}
	whole := struct {
		EventId         *string    `json:",omitempty"`
		EventName       *string    `json:",omitempty"`
		ReadOnly        *string    `json:",omitempty"`
		AccessKeyId     *string    `json:",omitempty"`
		EventTime       float64    `json:",omitempty"` // seconds since 1970
		EventSource     *string    `json:",omitempty"`
		Username        *string    `json:",omitempty"`
		Resources       []resource `json:",omitempty"`
		CloudTrailEvent *string    `json:",omitempty"`
	}{
		EventId: e.EventId, EventName: e.EventName, ReadOnly: e.ReadOnly, AccessKeyId: e.AccessKeyId,
		EventSource: e.EventSource, Username: e.Username, CloudTrailEvent: e.CloudTrailEvent,
	}
	if e.EventTime != nil {
		whole.EventTime = float64(e.EventTime.UnixMilli()) / 1000
	}
	for _, res := range e.Resources {
		whole.Resources = append(whole.Resources, resource{res.ResourceType, res.ResourceName})
	}
	return encode(whole)
}

func encode(v any) []byte {
	raw, _ := json.Marshal(v) // strings and finite numbers always can be
	return raw
}
