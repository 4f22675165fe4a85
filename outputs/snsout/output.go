package snsout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/template"
	"github.com/trailcast/trailcast/pipeline"
)

// Output is a pipeline.Output, Limiter, Checker and Explainer.
type Output struct {
	config Config
	name   string
	log    *slog.Logger
	client *sns.Client
	topics *topics // nil: target_arn or phone_number

	subjectTemplate, message, group *template.Template
	subjectJQ, messageJQ            Text

	mu       sync.Mutex
	limits   map[string]limit
	quiet    map[string]time.Time // when something was last complained about
	unlisted sync.Once
	closed   atomic.Bool
}

// limit is how large the messages of a topic may be.
type limit struct {
	bytes int
	err   error     // why the topic has not told; bytes are the least that SNS takes
	until time.Time // when it is asked for again
}

// New returns an output. It asks nothing of AWS.
func New(cfg Config, env pipeline.Env) (*Output, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	o := &Output{config: cfg, name: env.Name, log: cmp.Or(env.Log, slog.New(slog.DiscardHandler)), limits: map[string]limit{}, quiet: map[string]time.Time{}}
	if cfg.TopicARN != "" {
		var err error
		if o.topics, err = newTopics(&cfg); err != nil {
			return nil, err
		}
		cfg.Region = o.topics.region // SNS takes messages in the topic's region only
	} else {
		cfg.Region = cmp.Or(cfg.Region, awsconf.RegionOfARN(cfg.TargetARN))
	}
	if env.Ordered && (o.topics == nil || !o.topics.fifo) {
		return nil, conf.FieldErrorf("topic_arn", "ordered needs a FIFO topic: SNS keeps no order otherwise")
	}
	if err := o.texts(); err != nil {
		return nil, err
	}
	loaded, err := cfg.Load(context.Background())
	if err != nil {
		return nil, err
	}
	o.client = sns.NewFromConfig(loaded, func(opts *sns.Options) {
		opts.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
			// An idle connection that SNS has closed. Everything else is tried again here, and by the engine.
			r.MaxAttempts, r.MaxBackoff = 2, 100*time.Millisecond
			r.Retryables = []retry.IsErrorRetryable{retry.RetryableConnectionError{}}
			r.RateLimiter = ratelimit.None
		})
	})
	return o, nil
}

// texts compiles what makes subject, message and group.
func (o *Output) texts() error {
	for _, t := range []struct {
		text conf.Text
		to   **template.Template
	}{{o.config.Subject, &o.subjectTemplate}, {o.config.Message, &o.message}, {o.config.GroupID, &o.group}} {
		if t.text.Value == "" {
			continue
		}
		parsed, err := template.Parse(t.text)
		if err != nil {
			return err
		}
		*t.to = parsed
	}
	for _, t := range []struct {
		field string
		text  conf.Text
		to    *Text
	}{{"subject_jq", o.config.SubjectJQ, &o.subjectJQ}, {"message_jq", o.config.MessageJQ, &o.messageJQ}} {
		if t.text.Value == "" {
			continue
		}
		if o.config.CompileJQ == nil {
			return conf.FieldErrorf(t.field, "this program has no jq")
		}
		compiled, err := o.config.CompileJQ(t.text)
		if err != nil {
			return err
		}
		*t.to = compiled
	}
	return nil
}

// Limits implements pipeline.Limiter.
func (o *Output) Limits() pipeline.Limits {
	l := pipeline.Limits{Concurrency: o.config.MaxInFlight, MaxEvents: 10 * maxEntries, MaxBytes: mostMessage, Linger: 20 * time.Millisecond}
	if o.topics != nil && o.topics.fifo {
		l.Concurrency = 1
	}
	return l
}

// Close implements pipeline.Output.
func (o *Output) Close(context.Context) error {
	o.closed.Store(true)
	return nil
}

// Write implements pipeline.Output.
func (o *Output) Write(ctx context.Context, events []pipeline.Event) error {
	if o.closed.Load() {
		return errClosed
	}
	w := &write{output: o, ctx: ctx, limits: map[string]int{}, errs: make([]error, len(events))}
	queue := w.compose(events)
	switch {
	case o.topics == nil:
		w.each(queue, w.publish)
	case o.topics.fifo:
		w.inOrder(queue)
	default:
		w.anyhow(queue)
	}
	var failed []pipeline.Failure
	for i, err := range w.errs {
		if err != nil {
			failed = append(failed, pipeline.Failure{Index: i, Err: err})
		}
	}
	if failed == nil {
		return nil
	}
	return &pipeline.BatchError{Failed: failed}
}

// limitOf returns how large the messages of a topic may be. The error, which is worth another try, says that this is not
// known now: what is larger than the limit returned may fit all the same.
func (o *Output) limitOf(ctx context.Context, topic string) (int, error) {
	if o.config.MaxMessageSize > 0 {
		return int(o.config.MaxMessageSize), nil
	}
	if topic == "" {
		return defaultMessage, nil
	}
	o.mu.Lock()
	known, ok := o.limits[topic]
	o.mu.Unlock()
	if ok && time.Now().Before(known.until) {
		return known.bytes, known.err
	}
	const again = 10 * time.Minute
	fresh := limit{bytes: defaultMessage, until: time.Now().Add(again)}
	attributes, err := o.attributesOf(ctx, topic)
	switch {
	case ctx.Err() != nil:
		return max(known.bytes, defaultMessage), ctx.Err()
	case err == nil:
		var n int
		if _, err := fmt.Sscan(attributes["MaximumMessageSize"], &n); err == nil && n >= 1024 && n <= mostMessage {
			fresh.bytes = n
		}
	case awsconf.Classify(err) == awsconf.Denied: // that is how it is
	case known.bytes > 0 && known.err == nil:
		fresh = limit{bytes: known.bytes, until: time.Now().Add(again / 20)}
	default:
		fresh.err, fresh.until = err, time.Now().Add(again/20)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.limits) > 10_000 {
		clear(o.limits)
	}
	o.limits[topic] = fresh
	return fresh.bytes, fresh.err
}

func (o *Output) attributesOf(ctx context.Context, topic string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, o.config.Timeout)
	defer cancel()
	out, err := o.client.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String(topic)})
	if err != nil {
		return nil, awsconf.Failed(err, "sns:GetTopicAttributes", topic, "sns:Publish")
	}
	return out.Attributes, nil
}

// Check implements pipeline.Checker: the topics that are named are there. An identity that may publish and nothing else is
// enough; then nothing can be checked but that it is known.
func (o *Output) Check(ctx context.Context) error {
	if o.topics == nil {
		return nil // nothing can be asked without sending
	}
	for _, topic := range o.topics.known {
		_, err := o.attributesOf(ctx, topic)
		if err != nil && awsconf.Classify(err) != awsconf.Denied {
			return err
		}
		if err != nil {
			o.unlisted.Do(func() {
				o.log.Info("the topic could not be checked, since the identity has no permission for sns:GetTopicAttributes; publishing needs sns:Publish only", "topic", topic)
			})
		}
	}
	return nil
}

// Explain implements pipeline.Explainer. Nothing is sent, and the topic is not asked for its limit.
func (o *Output) Explain(ev *pipeline.Event) (pipeline.Explanation, error) {
	topic := cmp.Or(o.config.TargetARN, o.config.PhoneNumber)
	if o.topics != nil {
		var err error
		if topic, err = o.topics.of(ev); err != nil {
			return pipeline.Explanation{}, err
		}
	}
	messages, err := o.compose(context.Background(), ev, 0, topic, cmp.Or(int(o.config.MaxMessageSize), defaultMessage))
	if err != nil {
		return pipeline.Explanation{}, err
	}
	m := messages[0]
	x := pipeline.Explanation{Destination: topic, Size: m.size}
	if m.attributes != nil {
		x.Headers = o.named(ev)
	}
	for _, h := range [][2]string{{"MessageGroupId", m.group}, {"MessageDeduplicationId", m.dedupe}, {"Subject", m.subject}} {
		if h[1] != "" {
			x.Headers = append(x.Headers, h)
		}
	}
	return x, nil
}

// complain logs something once a minute.
func (o *Output) complain(what string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.quiet[what]) < time.Minute {
		return
	}
	o.quiet[what] = time.Now()
	o.log.Warn(what, "err", err)
}

var (
	errClosed   = errors.New("sns: the output is closed")
	errHeldBack = errors.New("held back behind an event of its group that failed")
)
