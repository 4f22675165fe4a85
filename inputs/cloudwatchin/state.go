package cloudwatchin

import (
	"context"
	"fmt"
	"time"
)

// inputState is what is kept of the input.
type inputState struct {
	Start     string    `json:"start"`               // as it was configured
	Began     time.Time `json:"began"`               // what that meant at the first start
	Unchecked bool      `json:"unchecked,omitempty"` // by our clock, which was not compared with the service's
}

// groupState is what is kept of a log group.
type groupState struct {
	Group    string            `json:"group"`
	Owner    string            `json:"owner,omitempty"`
	Position time.Time         `json:"position"`       // what is older is done, but for what comes late
	Floor    time.Time         `json:"looks_back"`     // where looking back ends
	Seen     map[string]string `json:"seen,omitempty"` // what is done since then; see seen.encode
}

const saveIdle = time.Minute // how often a position is saved behind which there was nothing

// stateName is under which name something is kept: a log group by its key, the input itself by "".
func (in *Input) stateName(key string) string {
	if key == "" {
		return "cloudwatch_logs-" + in.name
	}
	return "cloudwatch_logs-" + in.name + "/" + key
}

// begin finds out, and keeps, when the input was started first. Nothing is read before that is saved: else a start from
// "now" would mean another time after a restart.
func (in *Input) begin() error {
	if !in.kept {
		return nil
	}
	var s inputState
	if _, err := in.store.Load(in.stateName(""), &s); err != nil {
		return in.finalIfEnds(err)
	}
	if s.Start == in.config.Start && !s.Began.IsZero() {
		in.began, in.unchecked = s.Began, s.Unchecked
		return nil
	}
	return in.finalIfEnds(in.keep(inputState{in.config.Start, in.began, in.unchecked}))
}

// adjust moves the time of the first start by as much as our clock is ahead of the service's: else what comes until the
// service's clock gets there would count as older. clock is the service's time, zero where it is not known.
func (in *Input) adjust(clock time.Time) error {
	began := in.began
	// The service's time of the start: our clock may have been set since.
	if then := clock.Add(-in.now().Sub(in.started)); !clock.IsZero() && then.Before(in.started) {
		began = began.Add(-in.started.Sub(then))
	}
	if err := in.keep(inputState{in.config.Start, began, false}); err != nil {
		return in.finalIfEnds(err)
	}
	in.began, in.unchecked = began, false
	return nil
}

func (in *Input) keep(s inputState) error {
	if !in.kept {
		return nil
	}
	return in.store.Save(in.stateName(""), s)
}

// finalIfEnds keeps an input that is to come to an end from waiting for somebody to repair the state directory.
func (in *Input) finalIfEnds(err error) error {
	if err != nil && in.ends {
		return &final{err}
	}
	return err
}

// load sets the position.
func (g *group) load() error {
	start := g.in.began
	if oldest := g.created.Add(-maxLookBack); !g.created.IsZero() && start.Before(oldest) {
		start = oldest // an event can not be older when it comes (PutLogEvents)
	}
	at := max(start.UnixMilli(), 0)
	floor, done := at, newSeen()
	if g.in.kept {
		var s groupState
		found, err := g.in.store.Load(g.in.stateName(g.key), &s)
		switch {
		case err != nil:
			return g.in.finalIfEnds(err)
		case !found || s.Position.IsZero():
		case s.Owner != "" && g.owner != "" && s.Owner != g.owner:
			g.in.log.Warn("the position that was kept is of another account; the log group is read from start", "group", g.String(), "account", s.Owner)
		default:
			if done, err = decodeSeen(s.Seen); err != nil {
				return g.in.finalIfEnds(fmt.Errorf("load state %q: %s is damaged: %w; restore it from a backup, or move it away to start without "+
					"this state (data may then be read and sent again)", g.in.stateName(g.key), g.in.store.Path(g.in.stateName(g.key))+".json", err))
			}
			at, floor = max(s.Position.UnixMilli(), 0), max(s.Floor.UnixMilli(), 0)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at, g.floor, g.seen = at, floor, done
	return nil
}

// keepSaving saves the positions until ctx ends. Each log group saves its last one itself.
func (in *Input) keepSaving(ctx context.Context) {
	tick := time.NewTicker(in.saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, g := range in.groups() {
			g.save(false)
		}
	}
}

// save keeps the position, and the events that are done. A position alone is saved now and then, and at last.
func (g *group) save(last bool) {
	if !g.in.kept {
		return
	}
	g.saving.Lock()
	defer g.saving.Unlock()
	g.mu.Lock()
	if !g.changed && (!g.moved || !last && time.Since(g.savedAt) < saveIdle) {
		g.mu.Unlock()
		return
	}
	g.changed, g.moved = false, false
	s := groupState{
		Group: g.String(), Owner: g.owner, Position: time.UnixMilli(g.at).UTC(), Floor: time.UnixMilli(g.floor).UTC(),
		Seen: g.seen.encode(g.unsettled()),
	}
	g.mu.Unlock()
	err := g.in.store.Save(g.in.stateName(g.key), s)
	g.savedAt = time.Now()
	if err != nil {
		g.mu.Lock()
		g.changed = true
		g.mu.Unlock()
	}
	g.in.saved(err)
}

// unsettled returns the events that are not done. The caller holds mu.
func (g *group) unsettled() map[uint64]struct{} {
	ids := map[uint64]struct{}{}
	for p := range g.pending {
		for i := range p.events {
			ids[p.events[i].hash] = struct{}{}
		}
	}
	return ids
}

// saved tells once that positions can not be saved.
func (in *Input) saved(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case err != nil && !in.unsaved:
		in.log.Warn("the position could not be saved; after a restart events may be read again", "err", err)
	case err == nil && in.unsaved:
		in.log.Info("positions are saved again")
	}
	in.unsaved = err != nil
}
