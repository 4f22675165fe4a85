package sessions

import (
	"context"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

const (
	inOneFrame = 256             // sessions of which something is told in one frame
	tidying    = time.Minute     // how often the store is looked after
	againAfter = 5 * time.Second // when what could not be delivered is told again
)

// Make implements pipeline.Maker: it tells what time brings, and forgets.
func (f *Filter) Make(ctx context.Context, to pipeline.Intake) error {
	f.open()
	for ctx.Err() == nil {
		due, next := f.store.due(milliseconds(time.Now()), inOneFrame)
		if len(due) == 0 {
			f.tidy()
			f.wait(ctx, next)
			continue
		}
		if !f.bring(ctx, to, due) {
			wait(ctx, againAfter, nil)
		}
	}
	return ctx.Err()
}

func (f *Filter) wait(ctx context.Context, next int64) {
	pause := tidying
	if now := milliseconds(time.Now()); next-now < pause.Milliseconds() {
		pause = time.Duration(next-now) * time.Millisecond
	}
	wait(ctx, pause, f.store.wake())
}

func wait(ctx context.Context, pause time.Duration, woken <-chan struct{}) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-woken:
	case <-timer.C:
	}
}

func (f *Filter) tidy() {
	f.commit()
	if err := f.store.tidy(); err != nil {
		f.log.Error("shorten the file of sessions; it goes on to grow", "file", f.path, "err", err)
	}
}

// bring tells what is due, and reports whether it was delivered. Only then it is marked as told.
func (f *Filter) bring(ctx context.Context, to pipeline.Intake, due []task) bool {
	var events []pipeline.Event
	var told []*fact
	for i := range due {
		s := &due[i].session
		switch due[i].kind {
		case forgot:
			f.store.merge(&fact{Session: s.ID, Kind: forgot, Heard: s.Heard})
		case revised:
			f.revise(s)
			events = append(events, pipeline.NewEvent(closing(s, due[i].reason).record(f.origin)))
			told = append(told, &fact{Session: s.ID, Kind: closed, Revision: s.Revision})
		case unlogged:
			events = append(events, pipeline.NewEvent(noLog(s).record(f.origin)))
			told = append(told, &fact{Session: s.ID, Kind: unlogged})
		}
	}
	if len(events) == 0 {
		return true
	}
	f.commit() // a revision is used once, even if the process dies now
	if !deliver(ctx, to, events) {
		return false
	}
	now := milliseconds(time.Now())
	for _, t := range told {
		t.Heard = now
		f.store.merge(t)
	}
	return true
}

// revise gives the closing its number: that of the last one if this says the same and that was not told for certain.
func (f *Filter) revise(s *state) {
	sum := s.sum()
	if s.Told < s.Revision && s.Sum == sum {
		return
	}
	s.Revision, s.Sum = s.Revision+1, sum
	f.store.merge(&fact{Session: s.ID, Kind: revised, Revision: s.Revision, Sum: sum})
}

// deliver feeds a frame and waits for its end, which comes in any case.
func deliver(ctx context.Context, to pipeline.Intake, events []pipeline.Event) bool {
	settled := make(chan pipeline.Outcome, 1)
	frame := to.Open(func(r pipeline.Result) { settled <- r.Outcome })
	if err := frame.Feed(ctx, events); err != nil {
		frame.Abandon(err)
	} else {
		frame.Seal()
	}
	return <-settled != pipeline.Retry
}
