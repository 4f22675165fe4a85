package lookupin

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/statedir"
	"github.com/trailcast/trailcast/pipeline"
)

// Input is a pipeline.Input and Checker.
type Input struct{ regions []*reader }

// callTimeout is how long one call may take, its answer included.
const callTimeout = 30 * time.Second

// New returns an input. It asks nothing of AWS before Run.
func New(cfg Config, env pipeline.Env) (*Input, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	settings := cfg.AWS
	if len(cfg.Regions) > 0 { // so that none need be known beside them
		settings.Region = cmp.Or(settings.Region, cfg.Regions[0])
	}
	loaded, err := settings.Load(context.Background())
	if err != nil {
		return nil, err
	}
	if len(cfg.Regions) == 0 {
		cfg.Regions = []string{loaded.Region}
	}
	log := cmp.Or(env.Log, slog.New(slog.DiscardHandler))
	splitter := split.New(cfg.Options(0))
	in := &Input{}
	for _, region := range cfg.Regions {
		in.regions = append(in.regions, &reader{
			config: cfg, name: env.Name, region: region, log: log.With("region", region), splitter: splitter,
			store: statedir.NewStore(env.StateDir), kept: env.StateDir != "", timeout: callTimeout,
			client: newClient(loaded, region), clock: wallClock{},
			limiter: &limiter{clock: wallClock{}, every: time.Duration(float64(time.Second) / cfg.Rate)},
			seen:    newSeen(maxSeen), span: cfg.Window, trouble: map[string]bool{},
		})
	}
	return in, nil
}

// newClient returns a client that tries each call once: the limiter counts every request.
func newClient(loaded aws.Config, region string) *cloudtrail.Client {
	return cloudtrail.NewFromConfig(loaded, func(o *cloudtrail.Options) {
		o.Region = region
		o.Retryer = aws.NopRetryer{}
	})
}

// Run implements pipeline.Input. A region that fails for good does not end the others.
func (in *Input) Run(ctx context.Context, to pipeline.Intake) error {
	errs := make([]error, len(in.regions))
	var readers sync.WaitGroup
	for i, r := range in.regions {
		readers.Go(func() { errs[i] = r.run(ctx, to) })
	}
	readers.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(errs...)
}

// Check implements pipeline.Checker: the history of each region can be read.
func (in *Input) Check(ctx context.Context) error {
	errs := make([]error, len(in.regions))
	var checks sync.WaitGroup
	for i, r := range in.regions {
		checks.Go(func() { errs[i] = r.check(ctx) })
	}
	checks.Wait()
	return errors.Join(errs...)
}

// Persistent implements pipeline.Persistent.
func (in *Input) Persistent() {}
