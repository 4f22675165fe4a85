package kinesisin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/trailcast/trailcast/internal/awsconf"
)

// api makes the calls about one stream, each within a time.
type api struct {
	client  *kinesis.Client
	stream  string  // as it was configured, for errors
	name    *string // either this
	arn     *string // or this goes with every call
	timeout time.Duration
	page    *int32 // shards of one answer; nil: what Kinesis chooses
}

func newAPI(client *kinesis.Client, stream string) *api {
	a := &api{client: client, stream: stream, timeout: 30 * time.Second}
	if strings.HasPrefix(stream, "arn:") {
		a.arn = &stream
	} else {
		a.name = &stream
	}
	return a
}

const (
	callDescribe = "kinesis:DescribeStreamSummary"
	callShards   = "kinesis:ListShards"
	callIterator = "kinesis:GetShardIterator"
	callRecords  = "kinesis:GetRecords"
	callDecrypt  = "kms:Decrypt (where the stream is encrypted with a key of KMS)"
)

// failed tells of a failed call, and of all that is needed sooner or later.
func (a *api) failed(call string, err error) error {
	needs := []string{callDescribe, callShards, callIterator, callRecords, callDecrypt}
	return awsconf.Failed(err, call, a.stream, slices.DeleteFunc(needs, func(n string) bool { return n == call })...)
}

// description is what is known of the stream as a whole.
type description struct {
	arn       string
	created   time.Time // tells it from an earlier stream of the same name
	retention time.Duration
	now       time.Time // by the clock of Kinesis, in whole seconds
}

func (a *api) describe(ctx context.Context) (description, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	out, err := a.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: a.name, StreamARN: a.arn})
	if err != nil {
		return description{}, a.failed(callDescribe, err)
	}
	s := out.StreamDescriptionSummary
	if s == nil {
		return description{}, a.failed(callDescribe, errors.New("the answer is empty"))
	}
	d := description{
		arn: aws.ToString(s.StreamARN), created: aws.ToTime(s.StreamCreationTimestamp).UTC(),
		retention: time.Duration(aws.ToInt32(s.RetentionPeriodHours)) * time.Hour, now: time.Now().UTC().Truncate(time.Second),
	}
	if now, ok := middleware.GetServerTime(out.ResultMetadata); ok {
		d.now = now.UTC()
	}
	return d, nil
}

// shard is one shard of the stream, open or closed.
type shard struct {
	id      string
	parents []string // one after a split, two after a merge
}

// shards lists the shards of which records may still be there.
func (a *api) shards(ctx context.Context) ([]shard, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	in := &kinesis.ListShardsInput{StreamName: a.name, StreamARN: a.arn, MaxResults: a.page}
	var all []shard
	for {
		out, err := a.client.ListShards(ctx, in)
		if err != nil {
			return nil, a.failed(callShards, err)
		}
		for _, s := range out.Shards {
			one := shard{id: aws.ToString(s.ShardId)}
			for _, parent := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
				if parent != nil {
					one.parents = append(one.parents, *parent)
				}
			}
			all = append(all, one)
		}
		if aws.ToString(out.NextToken) == "" {
			return all, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken, StreamARN: a.arn, MaxResults: a.page} // the token excludes the name
	}
}

// from is where a shard is read from: behind a sequence number, from a time, or from its oldest record.
type from struct {
	after string
	time  time.Time
}

func (a *api) iterator(ctx context.Context, shard string, at from) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	in := &kinesis.GetShardIteratorInput{StreamName: a.name, StreamARN: a.arn, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
	switch {
	case at.after != "":
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &at.after
	case !at.time.IsZero():
		in.ShardIteratorType, in.Timestamp = types.ShardIteratorTypeAtTimestamp, &at.time
	}
	out, err := a.client.GetShardIterator(ctx, in)
	if err != nil {
		return "", a.failed(callIterator, err)
	}
	return aws.ToString(out.ShardIterator), nil
}

// records reads once. What is throttled is tried again at the shard's pace, not by the SDK.
func (a *api) records(ctx context.Context, iterator string, most int) (*kinesis.GetRecordsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	out, err := a.client.GetRecords(ctx, &kinesis.GetRecordsInput{StreamARN: a.arn, ShardIterator: &iterator, Limit: aws.Int32(int32(most))},
		func(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} })
	return out, a.failed(callRecords, err)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
