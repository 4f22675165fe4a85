package cloudwatchin

import (
	"log/slog"
	"sync"

	"github.com/trailcast/trailcast/internal/awsconf"
)

// troubles tell once what goes wrong, and once that it is over.
type troubles struct {
	log *slog.Logger

	mu     sync.Mutex
	shared map[string]bool   // who meets what has nothing to do with one log group
	own    map[string]string // what each log group meets
}

func newTroubles(log *slog.Logger) *troubles {
	return &troubles{log: log, shared: map[string]bool{}, own: map[string]string{}}
}

// patience is how often in a row throttling or the network may make a call fail before that is told: either happens to
// everybody now and then.
const patience = 3

// failed notes that who (a log group, a pattern) has failed for the try-th time in a row.
func (t *troubles) failed(who string, err error, try int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch awsconf.Classify(err) {
	case awsconf.Throttled, awsconf.Network, awsconf.Credentials:
		if try < patience {
			return
		}
		if len(t.shared) == 0 {
			t.log.Warn("CloudWatch Logs can not be read; it is tried again", "group", who, "err", err)
		}
		t.shared[who] = true
	default:
		if t.own[who] != err.Error() {
			t.log.Warn("reading fails; it is tried again", "group", who, "err", err)
		}
		t.own[who] = err.Error()
	}
}

// forget notes that who is no more.
func (t *troubles) forget(who string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.shared, who)
	delete(t.own, who)
}

// over notes that who has succeeded.
func (t *troubles) over(who string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shared[who] {
		delete(t.shared, who)
		if len(t.shared) == 0 {
			t.log.Info("CloudWatch Logs can be read again")
		}
	}
	if _, ok := t.own[who]; ok {
		delete(t.own, who)
		t.log.Info("reading goes on", "group", who)
	}
}
