// Package dedupe drops events that were delivered before, by their transport key.
package dedupe

import (
	"cmp"
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

// Config is what users write under `dedupe`.
type Config struct {
	Window  time.Duration `conf:"window" default:"1h" doc:"How long a key is remembered after its event was delivered."`
	MaxKeys int           `conf:"max_keys" default:"1000000" doc:"Keys that are remembered at most (about 60 bytes each); beyond it the oldest are forgotten."`
}

const (
	defaultWindow  = time.Hour
	defaultMaxKeys = 1_000_000
	maxPending     = 1_000_000 // keys of frames that have not settled; beyond it keys are not remembered, which costs repeats only
)

// Validate returns the mistakes in c.
func (c *Config) Validate() error {
	if c.Window < 0 {
		return conf.FieldErrorf("window", "%v is negative", c.Window)
	}
	if c.MaxKeys < 0 {
		return conf.FieldErrorf("max_keys", "%d is negative", c.MaxKeys)
	}
	return nil
}

// Filter remembers the keys of delivered events. A key becomes known only when its frame has settled: until then a
// repeat passes, since the first may still fail; and a frame that is to be read again is forgotten. What ended in
// quarantine is not remembered either, so that it can be replayed.
type Filter struct {
	window time.Duration
	max    int
	now    func() time.Time
	seeds  [2]maphash.Seed

	mu       sync.Mutex
	known    map[key]int64 // when it was committed, in nanoseconds
	order    []key         // a ring, oldest at head
	head     int
	pending  map[uint64][]key
	nPending int
}

// key is a 128-bit hash of a transport key, seeded anew in each process, so that no one can make two keys meet.
type key [2]uint64

// New returns a filter.
func New(cfg Config, _ pipeline.Env) (*Filter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Filter{
		window: cmp.Or(cfg.Window, defaultWindow), max: cmp.Or(cfg.MaxKeys, defaultMaxKeys), now: time.Now,
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		known: map[key]int64{}, pending: map[uint64][]key{},
	}, nil
}

func (f *Filter) hash(s string) key {
	return key{maphash.String(f.seeds[0], s), maphash.String(f.seeds[1], s)}
}

// Apply implements pipeline.Filter.
func (f *Filter) Apply(_ context.Context, dst []pipeline.Event, ev pipeline.Event) ([]pipeline.Event, error) {
	k := f.hash(ev.Key())
	now := f.now().UnixNano()
	f.mu.Lock()
	defer f.mu.Unlock()
	if at, ok := f.known[k]; ok && now-at < int64(f.window) {
		return dst, nil
	}
	if f.nPending < maxPending {
		frame := ev.FrameID()
		f.pending[frame] = append(f.pending[frame], k)
		f.nPending++
	}
	return append(dst, ev), nil
}

// Settled implements pipeline.Settler.
func (f *Filter) Settled(frame uint64, outcome pipeline.Outcome, rejected []string) {
	now := f.now().UnixNano()
	f.mu.Lock()
	defer f.mu.Unlock()
	keys := f.pending[frame]
	delete(f.pending, frame)
	f.nPending -= len(keys)
	if outcome == pipeline.Retry {
		return
	}
	skip := make(map[key]bool, len(rejected))
	for _, r := range rejected {
		skip[f.hash(r)] = true
		for i := range len(r) {
			if r[i] == '#' { // a later filter may have made several events of the one that was seen here
				skip[f.hash(r[:i])] = true
			}
		}
	}
	for _, k := range keys {
		if !skip[k] {
			f.commit(k, now)
		}
	}
}

// commit remembers a key. The caller holds mu.
func (f *Filter) commit(k key, now int64) {
	if _, ok := f.known[k]; ok {
		f.known[k] = now // its place in the ring is older: it may be forgotten early, which costs a repeat
		return
	}
	if len(f.order) < f.max {
		f.order = append(f.order, k)
	} else {
		delete(f.known, f.order[f.head])
		f.order[f.head] = k
		f.head = (f.head + 1) % len(f.order)
	}
	f.known[k] = now
}
