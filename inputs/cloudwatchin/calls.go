package cloudwatchin

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"

	"github.com/trailcast/trailcast/internal/awsconf"
)

const (
	filterCall   = "logs:FilterLogEvents"
	describeCall = "logs:DescribeLogGroups"

	callTimeout = time.Minute
)

// filter asks for one page of a log group's events. Where it succeeds, the caller owns room for them.
//
// The documentation has endTime included in FilterLogEvents, and excluded in GetLogEvents. So one millisecond more is
// asked for, and what lies there is left to the next window.
func (in *Input) filter(ctx context.Context, g *group, w window, token *string) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	if err := in.room.Acquire(ctx, in.pageRoom); err != nil {
		return nil, err
	}
	ask := &cloudwatchlogs.FilterLogEventsInput{StartTime: aws.Int64(w.from), EndTime: aws.Int64(w.to), NextToken: token}
	in.address(ask, &g.target)
	out, err := in.callFilter(ctx, ask)
	if err != nil {
		in.room.Release(in.pageRoom)
		return nil, awsconf.Failed(err, filterCall, "log group "+g.String())
	}
	return out, nil
}

// address fills in what all questions to a log group have in common.
func (in *Input) address(ask *cloudwatchlogs.FilterLogEventsInput, t *target) {
	if t.arn != "" {
		ask.LogGroupIdentifier = aws.String(t.arn)
	} else {
		ask.LogGroupName = aws.String(t.name)
	}
	if in.config.StreamPrefix != "" {
		ask.LogStreamNamePrefix = aws.String(in.config.StreamPrefix)
	}
	if in.config.FilterPattern != "" {
		ask.FilterPattern = aws.String(in.config.FilterPattern)
	}
}

func (in *Input) callFilter(ctx context.Context, ask *cloudwatchlogs.FilterLogEventsInput) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	if err := in.calls.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer in.calls.Release(1)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return in.client.FilterLogEvents(ctx, ask)
}

// describe lists the log groups whose names begin with a prefix: of the own account, or of another that is linked to
// this one, which is then a monitoring account (CloudWatch cross-account observability). It ends when each returns false.
func (in *Input) describe(ctx context.Context, prefix, account, what string, each func(types.LogGroup) bool) error {
	ask := &cloudwatchlogs.DescribeLogGroupsInput{}
	if prefix != "" {
		ask.LogGroupNamePrefix = aws.String(prefix)
	}
	if account != "" {
		ask.IncludeLinkedAccounts, ask.AccountIdentifiers = aws.Bool(true), []string{account}
	}
	for {
		out, err := in.callDescribe(ctx, ask)
		if err != nil {
			return awsconf.Failed(err, describeCall, what)
		}
		for _, g := range out.LogGroups {
			if !each(g) {
				return nil
			}
		}
		switch next := aws.ToString(out.NextToken); next {
		case "":
			return nil
		case aws.ToString(ask.NextToken):
			return awsconf.Failed(errSameToken, describeCall, what)
		}
		ask.NextToken = out.NextToken
	}
}

// meet finds out, where that matters, the service's time, and the own account: a log group of it can be named by its ARN and
// be selected by its name.
func (in *Input) meet(ctx context.Context) error {
	mixed := slices.ContainsFunc(in.selectors, func(s selector) bool { return (s.arn == "") != (in.selectors[0].arn == "") })
	if !in.unchecked && !mixed {
		return nil
	}
	var clock time.Time
	out, err := in.callDescribe(ctx, &cloudwatchlogs.DescribeLogGroupsInput{Limit: aws.Int32(1)})
	switch {
	case err == nil:
		clock, _ = awsmiddleware.GetServerTime(out.ResultMetadata)
		if len(out.LogGroups) > 0 {
			in.own = accountOfARN(groupARNOf(out.LogGroups[0]))
		}
	case awsconf.Classify(err) == awsconf.Denied: // which tells the time all the same
		if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok && answer.HTTPResponse() != nil {
			clock, _ = http.ParseTime(answer.HTTPResponse().Header.Get("Date"))
		}
	default:
		return awsconf.Failed(err, describeCall, "log groups")
	}
	if !in.unchecked {
		return nil
	}
	return in.adjust(clock)
}

var errSameToken = errors.New("the service answers with the token that it was asked with")

func (in *Input) callDescribe(ctx context.Context, ask *cloudwatchlogs.DescribeLogGroupsInput) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	if err := in.calls.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer in.calls.Release(1)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return in.client.DescribeLogGroups(ctx, ask)
}

// persist calls f until it succeeds, ctx ends, or f says with a *final that trying again has no sense. An input that is
// to come to an end gives up after some tries what only somebody's hand can change.
func (in *Input) persist(ctx context.Context, who string, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil {
			in.troubles.over(who)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if last, ok := errors.AsType[*final](err); ok {
			return last.err
		}
		if in.ends && try >= lastTry && needsHand(err) {
			return err
		}
		in.troubles.failed(who, err, try)
		if !sleep(ctx, in.backoff(try)) {
			return ctx.Err()
		}
	}
}

const lastTry = 5

func needsHand(err error) bool {
	switch awsconf.Classify(err) {
	case awsconf.Denied, awsconf.NotFound:
		return true
	}
	return isInvalid(err)
}

// isInvalid reports whether the service refuses what it was asked: a filter pattern, a token that has expired.
func isInvalid(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && (api.ErrorCode() == "InvalidParameterException" || api.ErrorCode() == "ValidationException")
}

// final is an error for which trying again is no help.
type final struct{ err error }

func (f *final) Error() string { return f.err.Error() }

func backoff(try int) time.Duration {
	d := min(time.Second<<min(try-1, 6), 30*time.Second)
	return d/2 + rand.N(d/2)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
