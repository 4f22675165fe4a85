package s3in

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/trailcast/trailcast/formats/notice"
	"github.com/trailcast/trailcast/formats/s3key"
	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/pipeline"
)

// job is an object to read, and what to do when its frame has settled.
type job struct {
	object  notice.Object
	via     []string
	settled func(pipeline.Result)
}

// objects reads objects, several at the same time.
type objects struct {
	name       string
	log        *slog.Logger
	clients    *clients
	splitter   *split.Splitter // of what the key says nothing of
	transcript *split.Splitter // of session transcripts
	chooser    *chooser
	jobs       chan job
	read       atomic.Int64 // bytes of S3

	mu       sync.Mutex
	passed   map[s3key.Kind]int64 // objects that were passed over
	complain map[string]bool      // buckets and classes of errors, until a success
}

func newObjects(cfg Config, env pipeline.Env, log *slog.Logger) *objects {
	options := cfg.Options(cfg.MaxDecompressed)
	session := options
	session.Accept = []pipeline.Kind{pipeline.KindSessionLog}
	return &objects{
		name: env.Name, log: log, clients: newClients(cfg), splitter: split.New(options), transcript: split.New(session),
		chooser: newChooser(&cfg), jobs: make(chan job), passed: map[s3key.Kind]int64{}, complain: map[string]bool{},
	}
}

// takes reports whether an object is to be read, and counts those that are not.
func (o *objects) takes(bucket, key string) bool {
	info := s3key.Parse(key)
	if o.chooser.takes(key, &info) {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.passed[info.Kind]++; o.passed[info.Kind] == 1 && info.Kind != s3key.Folder {
		o.log.Info("objects of this kind are passed over", "kind", info.Kind, "first", "s3://"+bucket+"/"+key)
	}
	return false
}

// summary logs what was passed over.
func (o *objects) summary() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for kind, n := range o.passed {
		o.log.Info("objects were passed over", "kind", kind, "objects", n)
	}
}

// run reads the objects of jobs, n at a time, until jobs is closed.
func (o *objects) run(ctx context.Context, to pipeline.Intake, n int) {
	var workers sync.WaitGroup
	for range n {
		workers.Go(func() {
			for j := range o.jobs {
				o.readOne(ctx, to, j)
			}
		})
	}
	workers.Wait()
}

// submit gives a job to a worker; without one in time it settles as Retry.
func (o *objects) submit(ctx context.Context, j job) {
	select {
	case o.jobs <- j:
	case <-ctx.Done():
		j.settled(pipeline.Result{Outcome: pipeline.Retry, Err: ctx.Err()})
	}
}

func (o *objects) readOne(ctx context.Context, to pipeline.Intake, j job) {
	frame := to.Open(j.settled)
	err := o.split(ctx, frame, j)
	if err == nil {
		frame.Seal()
		o.forgive(j.object.Bucket)
		return
	}
	if ctx.Err() == nil {
		o.once(j.object.Bucket, err, func() {
			o.log.Warn("an object could not be read; it is tried again", "object", "s3://"+j.object.Bucket+"/"+j.object.Key, "err", err)
		})
	}
	frame.Abandon(err)
}

func (o *objects) split(ctx context.Context, frame *pipeline.Frame, j job) error {
	b, err := open(ctx, o.clients, j.object)
	if err != nil {
		return err
	}
	defer b.Close()
	info := s3key.Parse(j.object.Key)
	splitter := o.splitter
	if info.Kind == s3key.Session {
		splitter = o.transcript
	}
	via := j.via
	if len(via) == 0 || via[len(via)-1] != "s3" {
		via = append(slices.Clip(via), "s3")
	}
	origin := &pipeline.Origin{Input: o.name, Object: b.name(), Identity: b.identity(), Via: via, Region: info.Region}
	_, err = splitter.Split(ctx, b, origin, split.Base{}, frame)
	o.read.Add(b.read)
	return err
}

// once calls say unless it was called for the bucket and such an error since something was read of it.
func (o *objects) once(bucket string, err error, say func()) {
	class := bucket + "\x00" + string(rune('0'+awsconf.Classify(err)))
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.complain[class] {
		return
	}
	if len(o.complain) > 1000 {
		clear(o.complain)
	}
	o.complain[class] = true
	say()
}

func (o *objects) forgive(bucket string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.complain) == 0 {
		return
	}
	for class := range o.complain {
		if len(class) > len(bucket) && class[:len(bucket)] == bucket && class[len(bucket)] == 0 {
			delete(o.complain, class)
		}
	}
}
