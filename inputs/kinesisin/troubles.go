package kinesisin

import (
	"errors"
	"log/slog"
	"sync"

	"github.com/trailcast/trailcast/internal/awsconf"
)

// troubles tells of failures that last: once for all shards that meet the same one, and once when all is well again.
type troubles struct {
	log    *slog.Logger
	stream string

	mu      sync.Mutex
	failing map[string]bool // shards, or "" for the stream, that a told failure keeps from being read
	told    map[string]bool // kinds of failures that were told since all was well
}

func newTroubles(log *slog.Logger, stream string) *troubles {
	return &troubles{log: log, stream: stream, failing: map[string]bool{}, told: map[string]bool{}}
}

// met says that something failed for a shard, the nth time in a row.
func (t *troubles) met(shard string, err error, n int) {
	class := awsconf.Classify(err)
	if n < patience(class) {
		t.log.Debug("a call failed; it is tried again", "shard", shard, "err", err)
		return
	}
	kind := string(rune('0' + class))
	if call, ok := errors.AsType[*awsconf.Error](err); ok {
		kind += call.Call
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failing[shard] = true
	if !t.told[kind] {
		t.told[kind] = true
		t.log.Warn("the stream can not be read; it is tried again", "stream", t.stream, "err", err)
	}
}

// patience is how often a failure may come in a row until it is worth a word. Throttling is common, and passes.
func patience(class awsconf.Class) int {
	switch class {
	case awsconf.Throttled:
		return 6
	case awsconf.Network, awsconf.Other:
		return 3
	}
	return 1
}

// over says that a shard can be read.
func (t *troubles) over(shard string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.failing[shard] {
		return
	}
	delete(t.failing, shard)
	if len(t.failing) == 0 {
		clear(t.told)
		t.log.Info("the stream can be read again", "stream", t.stream)
	}
}
