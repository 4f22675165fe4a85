package lookupin

import (
	"maps"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
)

// state is what is kept of a region in the state directory.
type state struct {
	Selection string    `json:"selection"`      // what is read, beside the time
	Start     string    `json:"start"`          // as it was configured at the first start
	After     time.Time `json:"after,omitzero"` // all before it is delivered; what has this second may not be
	Seen      marks     `json:"seen,omitempty"` // events since then that are delivered

	// After comes from our clock, which was not compared with CloudTrail's.
	Unchecked bool `json:"unchecked,omitempty"`
}

const saveEvery = 5 * time.Second // within a window; at its end it is saved anyway

// stateName is under which name the position is kept. No region has a dot in its name, so that no two are alike.
func (r *reader) stateName() string { return "lookup-" + r.name + "." + r.region }

// selection tells what the position is of. Two accounts are told apart where the role's ARN names them.
func (r *reader) selection() string {
	parts := []string{management}
	if r.config.Category == insight {
		parts[0] = insight
	}
	if a := r.config.Attribute; a != nil {
		parts = append(parts, a.Key+"="+a.Value)
	}
	if arn := strings.Split(r.config.RoleARN, ":"); len(arn) > 4 {
		parts = append(parts, "account "+arn[4])
	}
	return strings.Join(parts, ", ")
}

// load reads the position; without one it is start. That is kept at once: else "1h" would mean another time after a
// restart, should nothing be delivered before it.
func (r *reader) load() error {
	r.loaded = r.clock.Now()
	now := r.loaded
	start, _ := parseTime(r.config.Start, false, now) // checked by Validate
	r.end, _ = parseTime(r.config.End, true, now)
	r.state = state{Selection: r.selection(), Start: r.config.Start, After: start, Unchecked: !conf.IsAbsolute(r.config.Start)}
	if err := r.loadKept(); err != nil {
		return err
	}
	if !r.end.IsZero() && start.Equal(r.state.After) && !start.Before(r.end) {
		r.log.Warn("nothing is read: end is not after start", "start", start, "end", r.end)
	}
	r.save()
	return nil
}

// loadKept takes over what was saved, if there is something and it fits.
func (r *reader) loadKept() error {
	if !r.kept {
		return nil
	}
	var saved state
	found, err := r.store.Load(r.stateName(), &saved)
	switch {
	case err != nil:
		return err
	case !found || saved.After.IsZero():
		return nil
	case saved.Selection != r.state.Selection:
		r.log.Warn("the position that was kept is of another selection; this one is read from start", "kept", saved.Selection)
		return nil
	case saved.Start != r.config.Start:
		r.log.Info("start has changed, which means nothing once there is a position; another name of the input begins anew", "position", saved.After)
	}
	r.state = saved
	r.seen.mu.Lock()
	defer r.seen.mu.Unlock()
	if saved.Seen != nil {
		r.seen.done = saved.Seen
	}
	return nil
}

// save keeps the position, and the events that were delivered since.
func (r *reader) save() {
	r.savedAt = r.clock.Now()
	if !r.kept {
		return
	}
	r.seen.mu.Lock()
	r.state.Seen = maps.Clone(r.seen.done)
	r.seen.mu.Unlock()
	err := r.store.Save(r.stateName(), r.state)
	r.state.Seen = nil
	if err != nil && !r.unsaved {
		r.log.Warn("the position could not be saved; after a restart events may be read again", "err", err)
	}
	if err == nil && r.unsaved {
		r.log.Info("the position is saved again")
	}
	r.unsaved = err != nil
}

// advance moves the position: all before it is delivered.
func (r *reader) advance(to time.Time) {
	if to.After(r.state.After) {
		r.state.After = to
		r.seen.forget(to)
	}
}
