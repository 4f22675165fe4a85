package cloudwatchin

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/pipeline"
)

// group reads one log group, window after window of event time. All times are milliseconds since 1970, as CloudWatch
// Logs has them.
type group struct {
	target
	in    *Input
	open  sync.WaitGroup // pages that are not settled
	span  int64          // of the next window
	swept time.Time      // when all of look_back was read last

	mu      sync.Mutex // guards what follows
	at      int64      // position: what is older is done, but for what comes late
	floor   int64      // where looking back ends at the latest: older events that are done are not remembered
	seen    seen       // what was fed, from floor on
	pending map[*page]struct{}
	shrunk  bool // max_seen has raised floor
	short   bool // so much that look_back is shortened, which was told

	saving  sync.Mutex // one at a time; taken before mu
	changed bool       // events were done since the last save
	moved   bool       // the position was
	savedAt time.Time
}

// window is a stretch of event time: the events of [from, to) that were not seen.
type window struct {
	from, to int64
	limit    int64 // up to where there is something to read now
	full     bool  // it has the whole span
	sweep    bool  // it begins as far back as events may come late
	last     bool  // the input ends: no later window begins where this one ends
}

const (
	recent     = time.Minute // looked at by each poll
	sweepParts = 10          // look_back is swept so often in its own time

	firstSpan = int64(time.Hour / time.Millisecond)
	minSpan   = int64(time.Minute / time.Millisecond)
	maxSpan   = 7 * 24 * firstSpan
	manyPages = 16 // in one window
	fewPages  = 4
)

func newGroup(in *Input, t target) *group {
	return &group{target: t, in: in, span: firstSpan, seen: newSeen(), pending: map[*page]struct{}{}}
}

var (
	errGone  = errors.New("the log group is gone")
	errToken = errors.New("the token for the next page is not taken any more")
)

// run reads until ctx ends, the end of what is to be read is reached, or the log group is gone that a pattern has found.
// It returns when all its pages are settled.
func (g *group) run(ctx context.Context, to pipeline.Intake) error {
	if err := g.in.persist(ctx, g.String(), func() error { return g.begin(ctx) }); err != nil {
		return err
	}
	defer g.save(true)
	for tries := 0; ; {
		last := g.in.over()
		more, err := g.pass(ctx, to, g.next(last))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errGone):
			return nil
		case errors.Is(err, errToken): // events of the window that were seen do not come again
			tries++
			g.in.log.Info("a window is read again", "group", g.String(), "err", err)
			if !sleep(ctx, g.in.backoff(tries)) {
				return ctx.Err()
			}
			continue
		case err != nil:
			return err
		}
		tries = 0
		switch {
		case more:
		case last:
			return nil
		case !sleep(ctx, g.in.untilNext(g.in.config.Interval)):
			return ctx.Err()
		}
	}
}

// begin finds out what is to be known before the first event is read.
func (g *group) begin(ctx context.Context) error {
	if g.owner == "" {
		switch err := g.in.identify(ctx, &g.target); {
		case err == nil:
		case awsconf.Classify(err) == awsconf.Denied:
			g.in.log.Warn("the account of a log group is not known; session logs have none then", "group", g.String(), "err", err)
		default:
			return err
		}
	}
	return g.load()
}

// next returns the window to read; last: the input ends when all is read. Then what came since the last sweep is read too.
func (g *group) next(last bool) window {
	now := g.in.now()
	limit := now.UnixMilli()
	if !g.in.end.IsZero() {
		limit = min(limit, g.in.end.UnixMilli())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	w := window{to: min(g.at+g.span, limit), limit: limit, last: last}
	w.full = w.to-g.at == g.span
	back := min(recent, g.in.config.LookBack)
	if now.Sub(g.swept) >= g.in.config.LookBack/sweepParts || last && w.to == limit {
		back, w.sweep = g.in.reach(), true
	}
	w.from = max(min(g.at, max(g.at-back.Milliseconds(), g.floor)), 0)
	return w
}

// reach is how far back a sweep goes: what comes late by look_back is still in it at the next one.
func (in *Input) reach() time.Duration {
	return in.config.LookBack + in.config.LookBack/sweepParts + in.config.Interval
}

// pass reads a window and waits until its events are settled; then the position moves. It reports whether there is more
// to read at once.
func (g *group) pass(ctx context.Context, to pipeline.Intake, w window) (more bool, err error) {
	if w.from >= w.to {
		return false, nil
	}
	begun := g.in.now()
	pages, clock, err := g.read(ctx, to, w)
	g.open.Wait()
	if err != nil || ctx.Err() != nil {
		return false, cmp.Or(ctx.Err(), err)
	}
	if w.sweep {
		g.swept = begun
	}
	switch {
	case pages > manyPages:
		g.span = max(g.span/2, minSpan)
	case pages < fewPages && w.full:
		g.span = min(g.span*2, maxSpan)
	}
	return g.advance(w.to, clock) && w.to < w.limit, nil
}

// read feeds the pages of a window. clock is the service's time when it was asked first, zero where it did not tell. The
// position will not go beyond that: what is younger is left to the next window where there is one, and so need not be
// remembered.
func (g *group) read(ctx context.Context, to pipeline.Intake, w window) (pages int, clock time.Time, err error) {
	var token *string
	before := w.to
	for {
		out, err := g.page(ctx, w, token)
		if err != nil {
			return pages, clock, err
		}
		if pages == 0 {
			clock, _ = awsmiddleware.GetServerTime(out.ResultMetadata)
			if !w.last && !clock.IsZero() {
				before = min(before, clock.UnixMilli())
			}
		}
		pages++
		if p := g.take(out.Events, before); len(p.events) > 0 {
			g.open.Add(1)
			p.feed(ctx, to, 1)
		} else {
			g.in.room.Release(g.in.pageRoom)
		}
		switch {
		case aws.ToString(out.NextToken) == "": // an empty page with a token is not the last
			return pages, clock, nil
		case ctx.Err() != nil:
			return pages, clock, ctx.Err()
		}
		token = out.NextToken
	}
}

// page asks for one page until there is an answer.
func (g *group) page(ctx context.Context, w window, token *string) (out *cloudwatchlogs.FilterLogEventsOutput, err error) {
	err = g.in.persist(ctx, g.String(), func() error {
		out, err = g.in.filter(ctx, g, w, token)
		switch {
		case err == nil && token != nil && aws.ToString(out.NextToken) == *token:
			g.in.room.Release(g.in.pageRoom)
			return &final{errToken}
		case err != nil && token != nil && isInvalid(err): // tokens live for 24 hours
			return &final{errors.Join(errToken, err)}
		case err != nil && !g.named && awsconf.Classify(err) == awsconf.NotFound:
			return &final{errGone}
		}
		return err
	})
	return out, err
}

// advance moves the position; false where clock, the service's time, keeps it from running ahead with the clock of this
// machine.
func (g *group) advance(to int64, clock time.Time) bool {
	ahead := !clock.IsZero() && clock.UnixMilli() < to
	if ahead {
		to = clock.UnixMilli()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if to > g.at {
		g.at, g.moved = to, true
	}
	if end := g.seen.forget(g.at - g.in.reach().Milliseconds()); end != 0 {
		g.floor, g.moved = max(g.floor, end), true
	}
	switch reach := time.Duration(g.at-g.floor) * time.Millisecond; {
	case reach >= g.in.config.LookBack:
		g.shrunk, g.short = false, false
	case g.shrunk && !g.short:
		g.in.log.Warn("there are more events within look_back than max_seen; it is shortened, and what comes later than that is missed",
			"group", g.String(), "look_back", max(reach, 0), "max_seen", g.in.config.MaxSeen)
		g.short = true
	}
	return !ahead
}
