package sessions

import (
	"context"
	"errors"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

const (
	inOneFrame = 256             // sessions of which something is told in one frame
	tidying    = time.Minute     // how often the store is looked after
	againAfter = 5 * time.Second // when what could not be delivered is told again
)

// Make implements pipeline.Maker: it lets records go on that were held, tells what time brings, and forgets.
func (f *Filter) Make(ctx context.Context, to pipeline.Intake) error {
	f.open()
	for ctx.Err() == nil {
		now := milliseconds(f.now())
		ready, nextReady := f.held.ready(now)
		due, next := f.store.due(now, inOneFrame)
		if len(ready)+len(due) == 0 {
			f.tidy()
			f.wait(ctx, min(next, nextReady))
			continue
		}
		if !f.pass(ctx, to, ready) || !f.bring(ctx, to, due) {
			wait(ctx, againAfter, nil)
		}
	}
	return ctx.Err()
}

// pass lets records go on, and reports whether they were delivered. They are forgotten only then.
func (f *Filter) pass(ctx context.Context, to pipeline.Intake, ready []*heldRecord) bool {
	if len(ready) == 0 {
		return true
	}
	events := make([]pipeline.Event, len(ready))
	for i, r := range ready {
		s := f.store.merge(&fact{Session: r.session, Kind: pending})
		events[i] = stamped(r.event(), &s)
	}
	if !deliver(ctx, to, events) {
		return false
	}
	f.held.passed(ready)
	return true
}

func (f *Filter) wait(ctx context.Context, next int64) {
	pause := tidying
	if now := milliseconds(f.now()); next-now < pause.Milliseconds() {
		pause = time.Duration(next-now) * time.Millisecond
	}
	wait(ctx, pause, f.store.woken())
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
	_ = f.commit() // it is told, and tried again
	if err := errors.Join(f.store.tidy(), f.held.tidy()); err != nil {
		f.log.Error("shorten what is kept of sessions; it goes on to grow", "err", err)
	}
}

// bring tells what is due, and reports whether it was delivered. Only then it is marked as told.
func (f *Filter) bring(ctx context.Context, to pipeline.Intake, due []task) bool {
	var silent []string
	for i := range due {
		s := &due[i].session
		switch due[i].kind {
		case unlogged:
			silent = append(silent, s.ID)
		case forgot:
			f.store.merge(&fact{Session: s.ID, Kind: forgot, Heard: s.Heard})
		case revised:
			f.revise(s)
		}
	}
	if err := f.commit(); err != nil && f.fleet != nil { // a revision is used once, even if the process dies now
		return false
	}
	if err := f.store.refresh(silent); err != nil { // another agent may have read the log
		return false
	}
	events, told := f.closings(due)
	if len(events) == 0 {
		return true
	}
	if !deliver(ctx, to, events) {
		return false
	}
	now := milliseconds(f.now())
	for _, t := range told {
		t.Heard = now
		f.store.merge(t)
	}
	return true
}

// closings returns the events of tasks, and the facts that they are told then. A task that another agent was faster with
// gives none.
func (f *Filter) closings(due []task) (events []pipeline.Event, told []*fact) {
	for i := range due {
		s := &due[i].session
		now := f.store.look(s.ID)
		switch {
		case due[i].kind == revised && now.Revision == s.Revision && now.Sum == s.Sum:
			events = append(events, pipeline.NewEvent(closing(s, due[i].reason).record(f.origin)))
			told = append(told, &fact{Session: s.ID, Kind: closed, Revision: s.Revision})
		case due[i].kind == unlogged && now.known() && !now.Unlogged && !now.Logged:
			events = append(events, pipeline.NewEvent(noLog(s).record(f.origin)))
			told = append(told, &fact{Session: s.ID, Kind: unlogged})
		}
	}
	return events, told
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
