// Package sqsin reads a queue of Amazon SQS whose messages carry the events themselves: the target of an EventBridge rule,
// or the subscriber of an SNS topic. (A queue whose messages tell of objects in S3 is read by the s3 input.)
//
// A message is deleted when all its events are delivered or in quarantine, and comes again otherwise.
package sqsin

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/splitconf"
	"github.com/trailcast/trailcast/internal/sqsqueue"
	"github.com/trailcast/trailcast/pipeline"
)

// Config is what users write under `sqs`.
type Config struct {
	Queue
	AWS
	Split
	MaxDecompressed conf.Size `conf:"max_decompressed" default:"1GiB" doc:"Largest size of one compressed message when unpacked; what exceeds it goes to quarantine."`
}

// The parts of a Config. Embedded types need names of their own.
type (
	Queue = sqsqueue.Config
	AWS   = awsconf.Config
	Split = splitconf.Config
)

// Validate returns all mistakes in c.
func (c *Config) Validate() error {
	errs := append(c.Queue.Mistakes(), c.AWS.Mistakes()...)
	errs = append(errs, c.Split.Mistakes()...)
	if c.QueueURL == "" {
		errs = append(errs, conf.FieldErrorf("queue_url", "the queue's URL is missing"))
	}
	if c.MaxDecompressed < 0 {
		errs = append(errs, conf.FieldErrorf("max_decompressed", "%d is negative", c.MaxDecompressed))
	}
	return errors.Join(errs...)
}

// Input is a pipeline.Input and Checker.
type Input struct {
	name     string
	queue    *sqsqueue.Queue
	object   string // of origins
	region   string
	splitter *split.Splitter
}

// New returns an input. It reads nothing before Run.
func New(cfg Config, env pipeline.Env) (*Input, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	queue := cfg.Queue.WithDefaults()
	cfg.Region = cmp.Or(cfg.Region, queue.RegionOfURL())
	loaded, err := cfg.Load(context.Background())
	if err != nil {
		return nil, err
	}
	log := cmp.Or(env.Log, slog.New(slog.DiscardHandler))
	return &Input{
		name: env.Name, queue: sqsqueue.New(queue, env.Name, sqs.NewFromConfig(loaded), log), object: "sqs:" + queue.Name(),
		region: loaded.Region, splitter: split.New(cfg.Options(cmp.Or(cfg.MaxDecompressed, 1<<30))),
	}, nil
}

// Check implements pipeline.Checker.
func (in *Input) Check(ctx context.Context) error { return in.queue.Check(ctx) }

// Count implements pipeline.Counter.
func (in *Input) Count(ctx context.Context) (pipeline.Count, error) { return in.queue.Count(ctx) }

// Run implements pipeline.Input.
func (in *Input) Run(ctx context.Context, to pipeline.Intake) error {
	return in.queue.Run(ctx, to, in.handle)
}

// handle implements sqsqueue.Handler.
func (in *Input) handle(ctx context.Context, to pipeline.Intake, m *sqsqueue.Message) {
	frame := to.Open(func(r pipeline.Result) {
		if r.Outcome == pipeline.Retry {
			m.Again(r.Err)
			return
		}
		m.Done()
	})
	origin := &pipeline.Origin{Input: in.name, Object: in.object, Identity: m.ID, Via: []string{"sqs"}, Region: in.region, Time: m.Sent}
	if _, err := in.splitter.Split(ctx, strings.NewReader(m.Body), origin, split.Base{}, frame); err != nil {
		frame.Abandon(err)
		return
	}
	frame.Seal()
}

// Persistent implements pipeline.Persistent.
func (in *Input) Persistent() {}
