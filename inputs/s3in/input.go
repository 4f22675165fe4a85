package s3in

import (
	"cmp"
	"context"
	"log/slog"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/trailcast/trailcast/internal/sqsqueue"
	"github.com/trailcast/trailcast/pipeline"
)

// Input is a pipeline.Input, Checker and Counter.
type Input struct {
	config  Config
	log     *slog.Logger
	objects *objects

	notices *notices // nil: it lists
	listing *listing // nil: it reads a queue
}

// New returns an input. It asks nothing of AWS before Run.
func New(cfg Config, env pipeline.Env) (*Input, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	log := cmp.Or(env.Log, slog.New(slog.DiscardHandler))
	in := &Input{config: cfg, log: log}
	settings := cfg.AWS
	settings.Region = cmp.Or(cfg.Region, cfg.Queue.RegionOfURL())
	loaded, err := settings.Load(context.Background())
	if err != nil {
		return nil, err
	}
	cfg.Region = loaded.Region
	in.objects = newObjects(cfg, env, log)
	if cfg.QueueURL != "" {
		in.notices = newNotices(in.objects, sqsqueue.New(cfg.Queue, env.Name, sqs.NewFromConfig(loaded), log))
		return in, nil
	}
	in.listing = newListing(cfg, env, log, in.objects)
	return in, nil
}

// Run implements pipeline.Input.
func (in *Input) Run(ctx context.Context, to pipeline.Intake) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		in.objects.run(ctx, to, in.config.MaxObjects)
	}()
	var err error
	if in.notices != nil {
		err = in.notices.queue.Run(ctx, to, in.notices.handle)
	} else {
		err = in.listing.run(ctx, to)
	}
	close(in.objects.jobs)
	<-ended
	in.objects.summary()
	return err
}

// Check implements pipeline.Checker: the queue, and the buckets that are named, can be read.
func (in *Input) Check(ctx context.Context) error {
	if in.listing != nil {
		return in.objects.clients.readable(ctx, in.config.Bucket, in.config.Prefix)
	}
	if err := in.notices.queue.Check(ctx); err != nil {
		return err
	}
	for _, b := range in.config.Buckets {
		if strings.ContainsAny(b.Match, `*?[\`) {
			continue
		}
		if err := in.objects.clients.readable(ctx, b.Match, ""); err != nil {
			return err
		}
	}
	return nil
}

// Progress tells how many bytes were read, and how many are known to be there; a queue does not tell.
func (in *Input) Progress() (done, total int64) {
	if in.listing == nil {
		return in.objects.read.Load(), 0
	}
	return in.listing.done.Load(), in.listing.found.Load()
}

// Count implements pipeline.Counter.
func (in *Input) Count(ctx context.Context) (pipeline.Count, error) {
	if in.listing != nil {
		return in.listing.count(ctx)
	}
	return in.notices.queue.Count(ctx)
}

// Persistent implements pipeline.Persistent.
func (in *Input) Persistent() {}
