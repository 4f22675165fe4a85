package s3in

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/trailcast/trailcast/formats/notice"
	"github.com/trailcast/trailcast/formats/s3key"
	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/statedir"
	"github.com/trailcast/trailcast/pipeline"
)

// listing reads the objects that a bucket lists: once, or again and again.
type listing struct {
	config  Config
	name    string
	log     *slog.Logger
	objects *objects
	store   statedir.Store
	kept    bool // there is a store
	now     func() time.Time
	start   time.Time
	end     time.Time // zero: none

	window      *semaphore.Weighted // objects that were listed and are not done
	done, found atomic.Int64        // bytes
	retries     sync.WaitGroup      // objects that wait to be tried again, or are being read

	mu      sync.Mutex
	tracks  map[branch]*track
	saved   state
	failing bool
}

// state is what is kept in the state directory.
type state struct {
	Bucket   string              `json:"bucket"`
	Start    string              `json:"start"`          // as it was configured
	Began    time.Time           `json:"began,omitzero"` // what that meant at the first start
	Choice   string              `json:"choice"`         // which keys were read
	Branches map[string]position `json:"branches"`       // by prefix
}

const (
	listers    = 4    // branches that are listed at the same time
	maxListed  = 2000 // objects that were listed and are not done
	saveEvery  = 2 * time.Second
	lookAround = 10 * time.Minute // how often new accounts and regions are looked for
)

func newListing(cfg Config, env pipeline.Env, log *slog.Logger, objects *objects) *listing {
	l := &listing{
		config: cfg, name: env.Name, log: log, objects: objects, store: statedir.NewStore(env.StateDir), kept: env.StateDir != "", now: time.Now,
		window: semaphore.NewWeighted(maxListed), tracks: map[branch]*track{},
	}
	now := l.now()
	l.start, _ = conf.Time(cfg.Start, false, now) // checked by Validate
	l.end, _ = conf.Time(cfg.End, true, now)
	if cfg.Start == "" && cfg.Follow {
		l.start = now.UTC()
	}
	return l
}

// stateName is under which name the position is kept.
func (l *listing) stateName() string { return "s3-" + l.name }

// load reads the position.
func (l *listing) load() error {
	l.saved = state{}
	if !l.kept {
		return nil
	}
	if _, err := l.store.Load(l.stateName(), &l.saved); err != nil {
		return err
	}
	if l.saved.Bucket != "" && l.saved.Bucket != l.config.Bucket {
		l.log.Warn("the position that was kept is of another bucket; this one is read from the beginning", "bucket", l.saved.Bucket)
		l.saved = state{}
	}
	switch choice := l.choice(); {
	case l.saved.Bucket == "":
	case l.saved.Start == l.config.Start && (choice == l.saved.Choice || l.saved.Choice == "" || l.config.Follow):
		l.start = l.saved.Began // "now" and "72h" are of the first start
	case l.start.Before(l.saved.Began):
		l.log.Warn("start is earlier than it was: the bucket is read again from there; what was delivered before comes again", "start", l.start)
		l.saved.Branches = nil
	case choice != l.saved.Choice && l.saved.Choice != "" && !l.config.Follow: // an agent that follows goes on with what comes
		l.log.Warn("other keys are chosen than before: the bucket is read again; what was delivered before comes again")
		l.saved.Branches = nil
	}
	l.saved.Start, l.saved.Began, l.saved.Choice = l.config.Start, l.start, l.choice()
	return nil
}

// choice tells which keys are read.
func (l *listing) choice() string {
	c := &l.config
	return fmt.Sprintf("%q %q %q %q %q %q", c.Prefix, c.Kinds, c.Include, c.Exclude, c.Accounts, c.Regions)
}

// save keeps the position.
func (l *listing) save() {
	if !l.kept {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := l.saved.Branches == nil
	if changed {
		l.saved.Branches = map[string]position{}
	}
	l.saved.Bucket = l.config.Bucket
	for b, t := range l.tracks {
		t.mu.Lock()
		dirty := t.changed
		t.changed = false
		t.mu.Unlock()
		if dirty {
			l.saved.Branches[b.prefix], changed = t.position(), true
		}
	}
	if !changed && !l.failing {
		return
	}
	err := l.store.Save(l.stateName(), l.saved)
	if err != nil && !l.failing {
		l.log.Warn("the position could not be saved; after a restart objects may be read again", "err", err)
	}
	l.failing = err != nil
}

// run lists until everything is read, or ctx ends.
func (l *listing) run(ctx context.Context, to pipeline.Intake) error {
	if err := l.load(); err != nil {
		return err
	}
	saving, stop := context.WithCancel(context.WithoutCancel(ctx))
	var saver sync.WaitGroup
	saver.Go(func() {
		tick := time.NewTicker(saveEvery)
		defer tick.Stop()
		for {
			select {
			case <-saving.Done():
				return
			case <-tick.C:
				l.save()
			}
		}
	})
	defer func() {
		l.retries.Wait() // each settles within the drain
		stop()
		saver.Wait()
		l.save()
	}()
	var branches []branch
	var looked time.Time
	for failures := 0; ; {
		var err error
		if branches == nil || l.now().Sub(looked) > lookAround {
			if branches, err = l.branches(ctx); err == nil {
				looked = l.now()
			}
		}
		if err == nil {
			err = l.pass(ctx, to, branches)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			failures++
			l.objects.once(l.config.Bucket, err, func() { l.log.Warn("the bucket can not be listed; it is tried again", "err", err) })
			if class := awsconf.Classify(err); !l.config.Follow && failures >= 5 && class != awsconf.Throttled && class != awsconf.Network {
				return err
			}
			if !sleep(ctx, backoff(failures)) {
				return ctx.Err()
			}
			continue
		}
		failures = 0
		if !l.config.Follow {
			l.retries.Wait()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return nil
		}
		if !sleep(ctx, l.config.PollInterval) {
			return ctx.Err()
		}
	}
}

// pass lists all branches once.
func (l *listing) pass(ctx context.Context, to pipeline.Intake, branches []branch) error {
	var group errgroup.Group // without a context of its own: objects are read for longer than the pass
	group.SetLimit(listers)
	for _, b := range branches {
		group.Go(func() error {
			if b.root != "" {
				return l.dated(ctx, to, b)
			}
			return l.undated(ctx, to, b)
		})
	}
	return group.Wait()
}

func (l *listing) track(b branch) *track {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tracks[b]
	if t == nil {
		at := l.saved.Branches[b.prefix]
		if named, _ := timeOfKey(at.After); b.root != "" && named.IsZero() {
			at.After = ""
		}
		t = &track{at: at, forget: l.forgets(b), pruneAt: fewDone}
		l.tracks[b] = t
	}
	return t
}

// forgets returns how a branch tells whether an object that is done can not be listed again.
func (l *listing) forgets(b branch) func(*position, string, done) bool {
	return func(at *position, key string, d done) bool {
		switch {
		case key > at.After:
			return false
		case b.root != "":
			return key <= l.horizon(b, at.After)
		case at.Pass.IsZero():
			return d.Modified.Before(at.Since)
		}
		return d.Modified.Before(at.Pass.Add(-l.config.LookBack))
	}
}

// horizon returns the key behind which a CloudTrail folder is listed that is done up to a key.
func (l *listing) horizon(b branch, after string) string {
	if at, name := timeOfKey(after); l.config.Follow && !at.IsZero() {
		return keyAt(b.root, at.Add(-l.config.LookBack), name)
	}
	return after
}

// dated lists a CloudTrail folder from where it was left, less the time in which late files may come.
func (l *listing) dated(ctx context.Context, to pipeline.Intake, b branch) error {
	t := l.track(b)
	return l.each(ctx, b, l.from(b, t), func(o types.Object) bool {
		key := aws.ToString(o.Key)
		at, ok := l.timeOf(key)
		if ok && !l.end.IsZero() && !at.Before(l.end) {
			return false
		}
		if ok && at.Before(l.start) {
			return true
		}
		// A stray key behind the dates must not hide the days to come.
		named, _ := timeOfKey(key)
		return l.offer(ctx, to, t, o, named.IsZero() || named.After(l.now().Add(farAhead))) == nil
	})
}

// farAhead is how much later than now a file of CloudTrail may claim to be.
const farAhead = 48 * time.Hour

// from returns the key behind which a CloudTrail folder is listed.
func (l *listing) from(b branch, t *track) string {
	from := ""
	if !l.start.IsZero() {
		from = keyAt(b.root, l.start, "")
	}
	return max(from, l.horizon(b, t.position().After))
}

// timeOf returns the time that a CloudTrail key tells: its file's minute, else its folders' day.
func (l *listing) timeOf(key string) (time.Time, bool) {
	if t, _ := timeOfKey(key); !t.IsZero() {
		return t, true
	}
	day := s3key.Parse(key).Day
	return day, !day.IsZero()
}

// undated lists all keys of a branch, and reads the objects that were written since the last time, less the time in which
// a listing may have passed them.
func (l *listing) undated(ctx context.Context, to pipeline.Intake, b branch) error {
	t := l.track(b)
	t.mu.Lock()
	if t.at.Pass.IsZero() {
		t.at.Pass, t.at.After, t.changed = l.now().UTC(), "", true
	}
	since, after := t.at.Since, t.at.After
	t.mu.Unlock()
	err := l.each(ctx, b, after, func(o types.Object) bool {
		if aws.ToTime(o.LastModified).Before(since) || !l.within(o) {
			return true
		}
		return l.offer(ctx, to, t, o, false) == nil
	})
	if err != nil || ctx.Err() != nil {
		return err
	}
	if !l.config.Follow {
		t.open.Wait()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) > 0 { // a stop; or one that takes long, which must not hold up the others: the next listing goes on here
		return ctx.Err()
	}
	t.at.Since = t.at.Pass.Add(-l.config.LookBack)
	t.at.Pass, t.at.After, t.changed = time.Time{}, "", true
	return nil
}

// within reports whether an object of an undated branch is of the accounts, regions and times to be read. Log files of
// CloudTrail go by what their keys say, others by when they were written.
func (l *listing) within(o types.Object) bool {
	key, at := aws.ToString(o.Key), aws.ToTime(o.LastModified)
	if info := s3key.Parse(key); info.Root != "" {
		if !l.wanted(l.config.Accounts, info.Account) || !l.wanted(l.config.Regions, info.Region) {
			return false
		}
		if named, ok := l.timeOf(key); ok {
			at = named
		}
	}
	return !at.Before(l.start) && (l.end.IsZero() || at.Before(l.end))
}

// offer gives a listed object to a reader, unless it is done, being read, or not to be read. One that is aside does not move
// the position.
func (l *listing) offer(ctx context.Context, to pipeline.Intake, t *track, listed types.Object, aside bool) error {
	key, etag, size := aws.ToString(listed.Key), strings.Trim(aws.ToString(listed.ETag), `"`), aws.ToInt64(listed.Size)
	if t.reads(key, etag) {
		return nil
	}
	if !l.objects.takes(l.config.Bucket, key) || t.seen(key, etag) {
		if !aside {
			t.pass(key)
		}
		return nil
	}
	if err := l.window.Acquire(ctx, 1); err != nil {
		return err
	}
	o := &object{key: key, etag: etag, size: size, aside: aside, modified: aws.ToTime(listed.LastModified)}
	t.begin(o)
	l.found.Add(size)
	l.retries.Add(1)
	l.read(ctx, to, t, o, 1)
	return nil
}

// read has an object read, and read again when that fails.
func (l *listing) read(ctx context.Context, to pipeline.Intake, t *track, o *object, try int) {
	finished := func() {
		t.settled(o)
		l.done.Add(o.size)
		l.leave(t)
	}
	l.objects.submit(ctx, job{
		object: notice.Object{Bucket: l.config.Bucket, Key: o.key, ETag: o.etag, Size: o.size},
		settled: func(r pipeline.Result) {
			switch {
			case r.Outcome != pipeline.Retry:
				finished()
			case ctx.Err() != nil:
				l.leave(t)
			default:
				go l.again(ctx, to, t, o, try, r.Err, finished)
			}
		},
	})
}

// leave gives back what an object that was offered has held.
func (l *listing) leave(t *track) {
	l.window.Release(1)
	l.retries.Done()
	t.open.Done()
}

// again waits and tries once more. When the object is gone, or fails too many times for reasons of its own, that goes to
// quarantine instead; what an operator can mend and what passes by itself is tried for as long as it takes.
func (l *listing) again(ctx context.Context, to pipeline.Intake, t *track, o *object, try int, why error, finished func()) {
	gone := awsconf.Classify(why) == awsconf.NotFound
	if !gone && (l.config.MaxReceives < 0 || try < l.config.MaxReceives || awsconf.Passing(why)) {
		if !sleep(ctx, backoff(try)) {
			l.leave(t)
			return
		}
		l.read(ctx, to, t, o, try+1)
		return
	}
	reason := fmt.Sprintf("the object could not be read in %d tries: %v", try, why)
	if gone {
		reason = fmt.Sprintf("the object was listed, and was gone when it was to be read: %v", why)
	}
	l.log.Error("an object is not read; this is noted in quarantine", "object", "s3://"+l.config.Bucket+"/"+o.key, "reason", reason)
	frame := to.Open(func(r pipeline.Result) {
		if r.Outcome == pipeline.Retry {
			l.leave(t)
			return
		}
		finished()
	})
	origin := &pipeline.Origin{Input: l.name, Object: "s3://" + l.config.Bucket + "/" + o.key, Identity: o.etag, Via: []string{"s3"}}
	if err := frame.Broken(ctx, pipeline.Broken{Size: o.size, Origin: origin, Index: -1, Reason: reason}); err != nil {
		frame.Abandon(err)
		return
	}
	frame.Seal()
}

// Count implements pipeline.Counter: what would be read now.
func (l *listing) count(ctx context.Context) (c pipeline.Count, err error) {
	if err := l.load(); err != nil {
		return c, err
	}
	branches, err := l.branches(ctx)
	if err != nil {
		return c, err
	}
	for _, b := range branches {
		t := l.track(b)
		from, since := t.position().After, t.position().Since
		if b.root != "" {
			from, since = l.from(b, t), time.Time{}
		}
		err := l.each(ctx, b, from, func(o types.Object) bool {
			key := aws.ToString(o.Key)
			if at, ok := l.timeOf(key); ok && b.root != "" && !l.end.IsZero() && !at.Before(l.end) {
				return false
			}
			if aws.ToTime(o.LastModified).Before(since) || !l.within(o) || !l.objects.takes(l.config.Bucket, key) || t.seen(key, strings.Trim(aws.ToString(o.ETag), `"`)) {
				return true
			}
			c.Objects++
			c.Bytes += aws.ToInt64(o.Size)
			return true
		})
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func backoff(try int) time.Duration {
	d := min(time.Second<<min(try-1, 6), 30*time.Second)
	return d/2 + rand.N(d/2)
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
