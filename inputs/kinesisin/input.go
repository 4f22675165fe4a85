package kinesisin

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/internal/statedir"
	"github.com/trailcast/trailcast/pipeline"
)

// Input is a pipeline.Input and Checker.
type Input struct {
	config   Config
	name     string
	log      *slog.Logger
	api      *api
	splitter *splitter
	state    string // the state directory; "": positions are not kept

	// Waits that tests shorten.
	soon  time.Duration // between reads of a shard that is behind
	again time.Duration // before what failed is tried again; it grows
}

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
	return &Input{
		config: cfg, name: env.Name, log: cmp.Or(env.Log, slog.New(slog.DiscardHandler)), state: env.StateDir,
		api:      newAPI(kinesis.NewFromConfig(loaded), cfg.Stream),
		splitter: newSplitter(&cfg, env.Name, loaded.Region),
		soon:     250 * time.Millisecond, again: 500 * time.Millisecond,
	}, nil
}

// Run implements pipeline.Input.
func (in *Input) Run(ctx context.Context, to pipeline.Intake) error {
	return newReading(in, to, in.newPositions()).run(ctx)
}

func (in *Input) newPositions() *positions {
	p := &positions{log: in.log, name: "kinesis-" + in.name}
	if in.state != "" {
		store := statedir.NewStore(in.state)
		p.store = &store
	}
	return p
}

// Check implements pipeline.Checker: the stream is there, and a shard of it can be read.
func (in *Input) Check(ctx context.Context) error {
	if _, err := in.api.describe(ctx); err != nil {
		return err
	}
	shards, err := in.api.shards(ctx)
	if err != nil || len(shards) == 0 {
		return err
	}
	iterator, err := in.api.iterator(ctx, shards[len(shards)-1].id, from{})
	if err != nil {
		return err
	}
	_, err = in.api.records(ctx, iterator, 1)
	if err != nil && awsconf.Classify(err) == awsconf.Throttled { // by those who read the stream
		return nil
	}
	return err
}

// Persistent implements pipeline.Persistent.
func (in *Input) Persistent() {}
