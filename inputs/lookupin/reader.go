package lookupin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/smithy-go"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/internal/statedir"
	"github.com/trailcast/trailcast/pipeline"
)

// reader reads the history of one region. All but check is done by one goroutine.
type reader struct {
	config   Config
	name     string
	region   string
	log      *slog.Logger
	client   *cloudtrail.Client
	splitter *split.Splitter
	limiter  *limiter
	clock    clock
	timeout  time.Duration
	seen     *seen

	store   statedir.Store
	kept    bool // there is a store
	state   state
	loaded  time.Time // when the state was
	end     time.Time // zero: none
	savedAt time.Time
	unsaved bool

	span    time.Duration   // of the next window
	ahead   time.Duration   // by how much our clock is fast, at most
	early   bool            // it was logged that the position is yet to come
	clamped bool            // it was logged that the position is before the history
	trouble map[string]bool // kinds of failures that were logged since a pass succeeded
	crowded bool            // it was logged that events are not remembered
}

// run reads until the end, or until ctx ends. All frames have settled when it returns.
func (r *reader) run(ctx context.Context, to pipeline.Intake) error {
	if err := r.load(); err != nil {
		return err
	}
	defer r.save()
	for failures := 0; ; {
		err := r.pass(ctx, to)
		wait := r.config.Interval
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if !r.config.Follow && isMistake(err) {
				return err
			}
			failures++
			r.complain(err)
			wait = backoff(failures)
		case r.ended():
			return nil
		default:
			failures = 0
			r.recovered()
		}
		if !r.clock.Sleep(ctx, wait) {
			return ctx.Err()
		}
	}
}

// ended reports, after a pass, whether that was the last one. With follow an end is waited for until nothing before it
// can appear any more.
func (r *reader) ended() bool {
	return !r.config.Follow || !r.end.IsZero() && !r.state.After.Before(r.end)
}

// pass reads from the position to the present, or to the end, window by window. What is younger than look_back when it
// begins stays behind the position: it is read again by the next pass. A window that fails is read again in halves, so
// that one whose tokens do not live long enough comes to an end too.
func (r *reader) pass(ctx context.Context, to pipeline.Intake) error {
	// Where the position is yet to come by what was learned, our clock may have been set since.
	if r.state.Unchecked || r.ahead > 0 && r.state.After.After(r.clock.Now().Add(-r.ahead)) {
		if err := r.compare(ctx); err != nil {
			return err
		}
	}
	began := r.clock.Now()
	now := whole(began.Add(-r.ahead))
	until := now
	if !r.end.IsZero() && r.end.Before(until) {
		until = r.end
	}
	from := r.from(now)
	for from.Before(until) {
		w := &window{start: from, end: from.Add(r.span)}
		if w.end.After(until) {
			w.end = until
		}
		if err := r.window(ctx, to, w); err != nil {
			r.span = max(r.span/2, min(time.Minute, r.config.Window)).Truncate(time.Second)
			return err
		}
		r.span = min(2*r.span, r.config.Window)
		settled := whole(began.Add(-r.ahead - r.config.LookBack))
		if w.end.Before(settled) {
			settled = w.end
		}
		r.advance(settled)
		r.save()
		from = w.end
	}
	return nil
}

// from returns where to begin: at the position, or where the history does.
func (r *reader) from(now time.Time) time.Time {
	at := r.state.After
	early := at.After(now.Add(time.Minute))
	if early && !r.early {
		r.log.Warn("the position is yet to come, and nothing is read until then: was a clock wrong?", "position", at, "now", now)
	}
	r.early = early
	oldest := now.Add(-history)
	if !at.Before(oldest) {
		return at
	}
	if oldest.Sub(at) > time.Minute && !r.clamped {
		r.clamped = true
		r.log.Warn("CloudTrail keeps 90 days: what was before can not be read", "wanted", at, "from", oldest)
	}
	return oldest
}

// window is a piece of time that is being read, both borders included: an event at a border is given twice.
type window struct {
	start, end time.Time

	frames sync.WaitGroup
	mu     sync.Mutex
	failed error // the first reason why a frame settled as Retry
}

// fail notes that a frame has to be read again.
func (w *window) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = &undelivered{err}
	}
}

// window reads all pages of a window, and waits until everything in them is delivered.
func (r *reader) window(ctx context.Context, to pipeline.Intake, w *window) error {
	err := r.pages(ctx, to, w)
	w.frames.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	r.crowd()
	if err != nil {
		return err
	}
	return w.failed
}

// pages reads a window page by page, the newest first. Each page is a frame of its own: memory is bounded by the pipeline,
// which takes a page when there is room for it.
func (r *reader) pages(ctx context.Context, to pipeline.Intake, w *window) error {
	ask := r.request()
	ask.StartTime, ask.EndTime = aws.Time(w.start), aws.Time(w.end)
	for {
		answer, err := r.insist(ctx, ask)
		if err != nil {
			return err
		}
		if err := r.learn(answer); err != nil {
			return err
		}
		if err := r.page(ctx, to, w, answer.Events); err != nil {
			return err
		}
		if aws.ToString(answer.NextToken) == "" {
			return nil
		}
		if aws.ToString(answer.NextToken) == aws.ToString(ask.NextToken) {
			return fmt.Errorf("cloudtrail:LookupEvents %s: the answer's NextToken is that of the request", r.region)
		}
		ask.NextToken = answer.NextToken
		if r.clock.Now().Sub(r.savedAt) >= saveEvery {
			r.save()
		}
	}
}

// learn compares our clock with CloudTrail's. By one that is fast events would count as old that are yet to appear, and a
// pass that has begun by one that is far off has to begin again.
func (r *reader) learn(answer *cloudtrail.LookupEventsOutput) error {
	theirs, ok := awsmiddleware.GetServerTime(answer.ResultMetadata)
	if !ok {
		return nil
	}
	before := r.ahead
	r.ahead = max(r.clock.Now().Sub(theirs), 0)
	if r.ahead > before+time.Minute {
		return fmt.Errorf("the clock is %v ahead of CloudTrail's", r.ahead.Round(time.Second))
	}
	return nil
}

// compare asks for one event to learn what time it is. A first position that comes from our clock is moved by as much as
// that is ahead: else what happens until CloudTrail's clock gets there would count as older.
func (r *reader) compare(ctx context.Context) error {
	answer, err := r.probe(ctx)
	if err != nil {
		return err
	}
	if err := r.learn(answer); err != nil {
		r.log.Warn("CloudTrail's time is taken", "err", err)
	}
	if !r.state.Unchecked {
		return nil
	}
	if theirs, ok := awsmiddleware.GetServerTime(answer.ResultMetadata); ok {
		// CloudTrail's time of the start: our clock may have been set since.
		if then := theirs.Add(-r.clock.Now().Sub(r.loaded)); then.Before(r.loaded) {
			r.state.After = whole(r.state.After.Add(-r.loaded.Sub(then)))
		}
	}
	r.state.Unchecked = false
	r.save()
	return nil
}

// request returns what all requests have in common.
func (r *reader) request() *cloudtrail.LookupEventsInput {
	ask := &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(50)}
	if r.config.Category == insight {
		ask.EventCategory = types.EventCategoryInsight
	}
	if a := r.config.Attribute; a != nil {
		ask.LookupAttributes = []types.LookupAttribute{{AttributeKey: types.LookupAttributeKey(a.Key), AttributeValue: aws.String(a.Value)}}
	}
	return ask
}

// insist asks for a page until there is an answer: in a window of many pages that is less work than to begin again. It
// gives up where only that helps, or may help.
func (r *reader) insist(ctx context.Context, ask *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
	for try := 1; ; try++ {
		answer, err := r.lookup(ctx, ask)
		if err == nil || ctx.Err() != nil || isMistake(err) || try == pageTries {
			return answer, err
		}
		if _, ok := errors.AsType[*types.InvalidNextTokenException](err); ok {
			return nil, err
		}
		r.complain(err)
		if !r.clock.Sleep(ctx, backoff(try)) {
			return nil, ctx.Err()
		}
	}
}

const pageTries = 8

// lookup asks when it is our turn.
func (r *reader) lookup(ctx context.Context, ask *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
	if !r.limiter.wait(ctx) {
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	answer, err := r.client.LookupEvents(ctx, ask)
	return answer, awsconf.Failed(err, "cloudtrail:LookupEvents", "event history of "+r.region)
}

// check finds out whether the history can be read.
func (r *reader) check(ctx context.Context) error {
	_, err := r.probe(ctx)
	return err
}

// probe asks for one event.
func (r *reader) probe(ctx context.Context) (*cloudtrail.LookupEventsOutput, error) {
	ask := r.request()
	ask.MaxResults = aws.Int32(1)
	return r.lookup(ctx, ask)
}

// undelivered is why a window is read again that was read completely.
type undelivered struct{ err error }

func (e *undelivered) Error() string {
	if e.err == nil {
		return "events were not delivered"
	}
	return fmt.Sprintf("events were not delivered: %v", e.err)
}
func (e *undelivered) Unwrap() error { return e.err }

// isMistake reports whether CloudTrail will never answer such a request.
func isMistake(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains([]string{
		"InvalidLookupAttributesException", "InvalidEventCategoryException", "InvalidTimeRangeException", "InvalidMaxResultsException",
		"UnsupportedOperationException", "OperationNotPermittedException", "ValidationException", "ValidationError",
	}, api.ErrorCode())
}

// complain logs a failure, unless one of its kind was logged since the last success.
func (r *reader) complain(err error) {
	kind := fmt.Sprint(awsconf.Classify(err))
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		kind = api.ErrorCode()
	}
	if _, ok := errors.AsType[*undelivered](err); ok {
		kind = "undelivered"
	}
	if r.trouble[kind] || len(r.trouble) >= maxTrouble {
		return
	}
	r.trouble[kind] = true
	r.log.Warn("reading the event history fails; it is tried again", "delivered", r.state.After, "err", err)
}

const maxTrouble = 20 // kinds of failures in a row

func (r *reader) recovered() {
	if len(r.trouble) > 0 {
		r.log.Info("the event history can be read again")
		clear(r.trouble)
	}
}

// crowd logs that there are more events than are remembered.
func (r *reader) crowd() {
	full := r.seen.overflowed()
	if full && !r.crowded {
		r.log.Warn("there are more events than can be remembered, so that some may be delivered more than once; a shorter look_back or window helps", "remembered", maxSeen)
	}
	r.crowded = full
}
