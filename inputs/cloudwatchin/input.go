package cloudwatchin

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"golang.org/x/sync/semaphore"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/statedir"
	"github.com/trailcast/trailcast/pipeline"
)

// Input is a pipeline.Input and Checker.
type Input struct {
	config    Config
	name      string
	log       *slog.Logger
	client    *cloudwatchlogs.Client
	splitter  *split.Splitter
	selectors []selector
	streams   streams
	store     statedir.Store
	kept      bool // there is a store

	calls    *semaphore.Weighted // calls at the same time
	room     *semaphore.Weighted // bytes of pages that are not settled
	pageRoom int64
	troubles *troubles

	now       func() time.Time
	backoff   func(try int) time.Duration
	saveEvery time.Duration

	// Set when Run begins.
	started   time.Time
	began     time.Time // first time to read of log groups that have no position
	unchecked bool      // began comes from our clock, which was not compared with the service's
	end       time.Time // of what is read; zero: none
	last      time.Time // when the input ends: what comes late before end is waited for where it follows
	ends      bool      // everything that is to be read is there: the input ends by itself
	own       string    // account, where that matters and is known

	mu      sync.Mutex
	active  map[string]*group
	failed  []error // of log groups that were given up
	unsaved bool    // the last position could not be saved
}

const (
	// A page has up to 1 MB of messages (FilterLogEvents); this has room for what is around them.
	pageRoom = 2 << 20

	maxDecompressed = 1 << 30 // of a compressed payload in a message
)

// New returns an input. It asks nothing of AWS before Run.
func New(cfg Config, env pipeline.Env) (*Input, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	loaded, err := cfg.Load(context.Background())
	if err != nil {
		return nil, err
	}
	cfg.Region = loaded.Region
	in := &Input{
		config: cfg, name: env.Name, log: cmp.Or(env.Log, slog.New(slog.DiscardHandler)), client: cloudwatchlogs.NewFromConfig(loaded, tryOnce),
		splitter: split.New(cfg.Options(maxDecompressed)), streams: newStreams(&cfg),
		store: statedir.NewStore(env.StateDir), kept: env.StateDir != "",
		calls: semaphore.NewWeighted(int64(cfg.Concurrency)), room: semaphore.NewWeighted(int64(cfg.MaxInFlight)),
		pageRoom: min(pageRoom, int64(cfg.MaxInFlight)),
		now:      time.Now, backoff: backoff, saveEvery: 2 * time.Second, active: map[string]*group{},
	}
	in.troubles = newTroubles(in.log)
	for _, text := range cfg.LogGroups {
		s, err := parseSelector(text)
		if err != nil {
			return nil, err
		}
		in.selectors = append(in.selectors, s)
	}
	return in, nil
}

// tryOnce leaves trying again to persist, which holds neither a call nor room while it waits.
func tryOnce(o *cloudwatchlogs.Options) { o.RetryMaxAttempts = 1 }

// Run implements pipeline.Input.
func (in *Input) Run(ctx context.Context, to pipeline.Intake) error {
	if err := in.setTimes(); err != nil {
		return err
	}
	if err := in.persist(ctx, in.name, in.begin); err != nil {
		return err
	}
	if err := in.persist(ctx, in.name, func() error { return in.meet(ctx) }); err != nil {
		return err
	}
	saving, stop := context.WithCancel(context.WithoutCancel(ctx)) // also while what is in hand drains
	var saver, groups sync.WaitGroup
	saver.Go(func() { in.keepSaving(saving) })
	start := func(t target) {
		if g := in.activate(t); g != nil {
			groups.Go(func() { in.runGroup(ctx, to, g) })
		}
	}
	var watchers sync.WaitGroup
	for _, s := range in.selectors {
		if s.match == nil {
			start(s.target(in.config.Region))
		}
	}
	for _, s := range in.selectors {
		if s.match != nil {
			watchers.Go(func() { in.fail(in.watch(ctx, s, start)) })
		}
	}
	watchers.Wait() // these start groups
	groups.Wait()
	stop()
	saver.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(in.failed...)
}

// setTimes fixes what start and end mean.
func (in *Input) setTimes() error {
	in.started = in.now()
	now := in.started.UTC()
	start, err := conf.Time(in.config.Start, false, now)
	if err != nil {
		return err
	}
	if in.end, err = conf.Time(in.config.End, true, now); err != nil {
		return err
	}
	if !in.config.Follow && (in.end.IsZero() || in.end.After(now)) {
		in.end = now
	}
	in.last = in.end
	if in.config.Follow && !in.end.IsZero() {
		in.last = in.end.Add(in.config.LookBack)
	}
	in.ends = in.over()
	in.began = start
	if start.IsZero() {
		in.began = now
	}
	in.unchecked = !conf.IsAbsolute(in.config.Start)
	return nil
}

// over reports whether nothing is yet to come that is to be read.
func (in *Input) over() bool { return !in.end.IsZero() && !in.now().Before(in.last) }

// activate returns a group to run, nil where the log group is being read already, or is by its name.
func (in *Input) activate(t target) *group {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.active[t.key] != nil || t.arn != "" && t.owner == in.own && in.selects(t.name) {
		return nil
	}
	g := newGroup(in, t)
	in.active[t.key] = g
	return g
}

// selects reports whether a log group of the own account is selected by its name.
func (in *Input) selects(name string) bool {
	return slices.ContainsFunc(in.selectors, func(s selector) bool {
		return s.arn == "" && (s.name == name || s.match != nil && s.match.MatchString(name))
	})
}

func (in *Input) runGroup(ctx context.Context, to pipeline.Intake, g *group) {
	err := g.run(ctx, to)
	in.troubles.forget(g.String())
	in.mu.Lock()
	delete(in.active, g.key)
	in.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		in.log.Error("a log group is given up", "group", g.String(), "err", err)
		in.fail(err)
	}
}

func (in *Input) fail(err error) {
	if err == nil {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.failed = append(in.failed, err)
}

// groups returns the log groups that are being read.
func (in *Input) groups() []*group {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := make([]*group, 0, len(in.active))
	for _, g := range in.active {
		all = append(all, g)
	}
	return all
}

// Check implements pipeline.Checker: each log group can be found and read, and each pattern finds one.
func (in *Input) Check(ctx context.Context) error {
	var errs []error
	for _, s := range in.selectors {
		errs = append(errs, in.checkOne(ctx, &s))
	}
	return errors.Join(errs...)
}

func (in *Input) checkOne(ctx context.Context, s *selector) error {
	if s.match == nil {
		t := s.target(in.config.Region)
		return in.readable(ctx, &t)
	}
	found, err := in.look(ctx, s)
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		return awsconf.Failed(errNoMatch, describeCall, "log groups "+s.text())
	}
	return in.readable(ctx, &found[0])
}

var errNoMatch = errors.New("no log group matches; look at the pattern, the account and the region")

func (in *Input) readable(ctx context.Context, t *target) error {
	ask := &cloudwatchlogs.FilterLogEventsInput{Limit: aws.Int32(1), StartTime: aws.Int64(in.now().Add(-time.Minute).UnixMilli())}
	in.address(ask, t)
	_, err := in.callFilter(ctx, ask)
	if err := awsconf.Failed(err, filterCall, "log group "+t.String(), describeCall); err != nil {
		return err
	}
	if t.owner != "" {
		return nil
	}
	return in.identify(ctx, t)
}

// Persistent implements pipeline.Persistent.
func (in *Input) Persistent() {}
