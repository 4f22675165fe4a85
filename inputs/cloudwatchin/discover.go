package cloudwatchin

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/trailcast/trailcast/internal/awsconf"
)

// watch starts the log groups that a pattern matches, now and later. One that is deleted ends by itself.
func (in *Input) watch(ctx context.Context, s selector, start func(target)) error {
	for before := -1; ; {
		last := in.over()
		var found []target
		err := in.persist(ctx, s.text(), func() (err error) {
			found, err = in.look(ctx, &s)
			return err
		})
		if err != nil {
			if ctx.Err() == nil {
				in.log.Error("a pattern is given up", "pattern", s.text(), "err", err)
			}
			return err
		}
		if len(found) == 0 && before != 0 {
			in.log.Warn("no log group matches", "pattern", s.text())
		}
		for _, t := range found {
			start(t)
		}
		if last {
			return nil
		}
		before = len(found)
		if !sleep(ctx, in.untilNext(in.config.Discover)) {
			return ctx.Err()
		}
	}
}

// untilNext returns a wait that does not go beyond the input's end.
func (in *Input) untilNext(wait time.Duration) time.Duration {
	if in.end.IsZero() {
		return wait
	}
	return max(min(wait, in.last.Sub(in.now())), 0)
}

// look finds the log groups that a pattern matches.
func (in *Input) look(ctx context.Context, s *selector) (found []target, err error) {
	err = in.describe(ctx, s.prefix, s.account, "log groups "+s.text(), func(g types.LogGroup) bool {
		name, arn := aws.ToString(g.LogGroupName), groupARNOf(g)
		if !s.match.MatchString(name) || s.account != "" && s.account != accountOfARN(arn) {
			return true
		}
		t := target{name: name, owner: accountOfARN(arn), created: created(g)}
		if s.account != "" {
			t.arn = arn
		}
		t.key = keyOf(in.config.Region, name, t.arn)
		found = append(found, t)
		return true
	})
	return found, err
}

// groupARNOf returns the ARN without the :* that IAM's policies have.
func groupARNOf(g types.LogGroup) string {
	if arn := aws.ToString(g.LogGroupArn); arn != "" {
		return arn
	}
	return trimARN(aws.ToString(g.Arn))
}

func created(g types.LogGroup) time.Time {
	if g.CreationTime == nil {
		return time.Time{}
	}
	return time.UnixMilli(*g.CreationTime)
}

// identify finds out in which account a log group is that was given by its name.
func (in *Input) identify(ctx context.Context, t *target) error {
	found := false
	err := in.describe(ctx, t.name, "", "log group "+t.name, func(g types.LogGroup) bool {
		if found = aws.ToString(g.LogGroupName) == t.name; found {
			t.owner, t.created = accountOfARN(groupARNOf(g)), created(g)
		}
		return false // they are sorted by name: what is only the beginning of others would come first
	})
	if err == nil && !found {
		err = awsconf.Failed(&types.ResourceNotFoundException{Message: aws.String("there is no such log group")}, describeCall, "log group "+t.name)
	}
	return err
}
