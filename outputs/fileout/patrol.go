package fileout

import (
	"time"
)

// due reports whether it is time to finish a file. The caller may read f's fields.
func (o *Output) due(f *file, now time.Time) bool {
	r := o.rotate
	switch {
	case !o.staged || !f.exists:
		return false
	case r.MaxAge > 0 && now.Sub(f.began) >= r.MaxAge,
		r.Interval > 0 && !now.Truncate(r.Interval).Equal(f.began.Truncate(r.Interval)),
		r.Idle > 0 && now.Sub(f.written) >= r.Idle:
		return true
	}
	return false
}

// startPatrol starts the goroutine that finishes files to which nothing is written any more. It starts with the first
// Write only: whoever just checks a configuration must not touch the files of a running agent.
func (o *Output) startPatrol() {
	if !o.staged {
		return
	}
	o.patrolOnce.Do(func() { o.patrolling.Go(o.patrol) })
}

// stopPatrol ends it and waits; there is no start after it.
func (o *Output) stopPatrol() {
	o.patrolOnce.Do(func() {})
	o.volumeMu.Lock()
	select {
	case <-o.patrolStop:
	default:
		close(o.patrolStop)
	}
	o.volumeMu.Unlock()
	o.patrolling.Wait()
}

func (o *Output) patrol() {
	tick := time.NewTicker(patrolEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-o.patrolStop:
			return
		case <-tick.C:
		}
		err := o.finishDue()
		if err != nil && !failing {
			o.log.Warn("files can not be finished; it is tried again until it works", "err", err)
		}
		failing = err != nil
	}
}

func (o *Output) finishDue() error {
	o.volumeMu.RLock()
	defer o.volumeMu.RUnlock()
	if o.volume == nil || !o.volumeIsCurrent() {
		return nil // the next Write goes on
	}
	now := time.Now()
	for _, err := range o.finishWhere(o.volume, func(f *file) bool { return o.due(f, now) }) {
		return err
	}
	return nil
}

// finishWhere finishes the unused files that want holds for.
func (o *Output) finishWhere(v *volume, want func(*file) bool) []error {
	var errs []error
	for _, name := range o.files.unused(want) {
		if err := o.finishOne(v, name, want); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

func (o *Output) finishOne(v *volume, name string, want func(*file) bool) error {
	o.turns <- struct{}{} // whoever has a turn gives it back soon
	defer func() { <-o.turns }()
	f := o.files.pin(name)
	defer o.files.unpin(f)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !want(f) {
		return nil
	}
	return v.finish(f, time.Now())
}
