package snsout

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"

	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/pipeline"
)

// write is one Write.
type write struct {
	output *Output
	ctx    context.Context
	limits map[string]int // of the topics
	errs   []error        // of the events
}

// rounds is how often messages that failed alone are sent within one Write; then the engine waits for longer.
const rounds = 4

// failed notes what is wrong with an event. One that is to come again wins over one that can never be delivered.
func (w *write) failed(m *message, err error) {
	if now := w.errs[m.index]; now == nil || pipeline.IsRejected(now) {
		w.errs[m.index] = err
	}
}

// compose makes the messages of all events.
func (w *write) compose(events []pipeline.Event) []*message {
	o := w.output
	var queue []*message
	for i := range events {
		topic := ""
		var err error
		if o.topics != nil {
			topic, err = o.topics.of(&events[i])
		}
		var messages []message
		if err == nil {
			limit, unknown := o.limitOf(w.ctx, topic)
			w.limits[topic] = limit
			messages, err = o.compose(w.ctx, &events[i], i, topic, limit)
			if unknown != nil && (err != nil || len(messages) > 1 || o.config.OnTooLarge == tooLargeTrim && len(events[i].Raw) > limit) {
				w.errs[i] = fmt.Errorf("the event is larger than SNS takes in any case, and the topic does not tell what it takes: %w", unknown)
				continue
			}
		}
		if err != nil {
			w.errs[i] = pipeline.Reject(err)
			continue
		}
		for k := range messages {
			queue = append(queue, &messages[k])
		}
	}
	return queue
}

// anyhow sends messages of standard topics: in batches, and those that fail again.
func (w *write) anyhow(queue []*message) {
	for round := 1; len(queue) > 0; round++ {
		var again []*message
		for _, batch := range w.batches(queue) {
			again = append(again, w.send(batch, round == rounds)...)
		}
		if queue = again; len(queue) > 0 && !w.pause(round) {
			for _, m := range queue {
				w.failed(m, context.Cause(w.ctx))
			}
			return
		}
	}
}

// inOrder sends messages of FIFO topics. A call has one message of each group, so that one that fails holds back those
// behind it.
func (w *write) inOrder(queue []*message) {
	type line struct{ topic, group string }
	stuck := map[line]error{}
	for round := 1; len(queue) > 0; {
		var heads, rest []*message
		taken := map[line]bool{}
		for _, m := range queue {
			l := line{m.topic, m.group}
			switch err := stuck[l]; {
			case err != nil:
				w.failed(m, fmt.Errorf("%w: %w", errHeldBack, err))
			case taken[l]:
				rest = append(rest, m)
			default:
				taken[l] = true
				heads = append(heads, m)
			}
		}
		var again []*message
		for _, batch := range w.batches(heads) {
			again = append(again, w.send(batch, round == rounds)...)
		}
		for _, m := range heads {
			if err := w.errs[m.index]; err != nil && !pipeline.IsRejected(err) {
				stuck[line{m.topic, m.group}] = err
			}
		}
		queue = append(again, rest...)
		if len(again) == 0 {
			round = 1
			continue
		}
		if !w.pause(round) {
			for _, m := range queue {
				w.failed(m, context.Cause(w.ctx))
			}
			return
		}
		round++
	}
}

// each sends messages one by one.
func (w *write) each(queue []*message, send func(*message) error) {
	for _, m := range queue {
		if err := w.ctx.Err(); err != nil {
			w.failed(m, context.Cause(w.ctx))
			continue
		}
		if err := send(m); err != nil {
			w.failed(m, err)
		}
	}
}

// batches groups messages by topic, ten at most and no larger together than one message may be.
func (w *write) batches(queue []*message) [][]*message {
	var batches [][]*message
	open := map[string]int{} // by topic: the batch that is being filled
	sizes := map[string]int{}
	for _, m := range queue {
		i, ok := open[m.topic]
		if !ok || len(batches[i]) == maxEntries || sizes[m.topic]+m.size > w.limits[m.topic] {
			i = len(batches)
			batches = append(batches, nil)
			open[m.topic], sizes[m.topic] = i, 0
		}
		batches[i] = append(batches[i], m)
		sizes[m.topic] += m.size
	}
	return batches
}

// send sends a batch of one topic. It notes what failed, and returns the messages that are to be sent again in this Write;
// the last time there are none.
func (w *write) send(batch []*message, last bool) (again []*message) {
	retry := func(m *message, err error) {
		if last || w.ctx.Err() != nil {
			w.failed(m, err)
			return
		}
		again = append(again, m)
	}
	out, err := w.call(batch)
	if err != nil {
		if len(batch) > 1 && concernsOne(err) {
			half := len(batch) / 2
			return append(w.send(batch[:half], last), w.send(batch[half:], last)...)
		}
		err = w.verdict(err, batch[0].topic)
		for _, m := range batch {
			if pipeline.IsRejected(err) || awsconf.Classify(err) != awsconf.Throttled {
				w.failed(m, err) // what does not pass by itself within seconds is the engine's to try again
				continue
			}
			retry(m, err)
		}
		return again
	}
	confirmed := make([]bool, len(batch))
	for _, s := range out.Successful {
		if i, err := strconv.Atoi(aws.ToString(s.Id)); err == nil && i >= 0 && i < len(batch) {
			confirmed[i] = true
		}
	}
	reasons := make([]error, len(batch))
	for _, f := range out.Failed {
		if i, err := strconv.Atoi(aws.ToString(f.Id)); err == nil && i >= 0 && i < len(batch) {
			reasons[i] = entryError(batch[i].topic, f)
		}
	}
	for i, m := range batch {
		switch {
		case confirmed[i] && reasons[i] == nil:
		case reasons[i] == nil:
			retry(m, fmt.Errorf("sns:Publish %s: the answer does not name the message", m.topic))
		case pipeline.IsRejected(reasons[i]):
			w.failed(m, reasons[i])
		default:
			retry(m, reasons[i])
		}
	}
	return again
}

func (w *write) call(batch []*message) (*sns.PublishBatchOutput, error) {
	in := &sns.PublishBatchInput{TopicArn: aws.String(batch[0].topic)}
	for i, m := range batch {
		in.PublishBatchRequestEntries = append(in.PublishBatchRequestEntries, types.PublishBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), Message: aws.String(m.body), Subject: text(m.subject), MessageAttributes: m.attributes,
			MessageGroupId: text(m.group), MessageDeduplicationId: text(m.dedupe),
		})
	}
	ctx, cancel := context.WithTimeout(w.ctx, w.output.config.Timeout)
	defer cancel()
	return w.output.client.PublishBatch(ctx, in)
}

// publish sends a message to an endpoint or a telephone.
func (w *write) publish(m *message) error {
	c := &w.output.config
	ctx, cancel := context.WithTimeout(w.ctx, c.Timeout)
	defer cancel()
	_, err := w.output.client.Publish(ctx, &sns.PublishInput{
		TargetArn: text(c.TargetARN), PhoneNumber: text(c.PhoneNumber), Message: aws.String(m.body), Subject: text(m.subject), MessageAttributes: m.attributes,
	})
	if err != nil {
		return w.verdict(err, c.TargetARN+c.PhoneNumber)
	}
	return nil
}

// text returns nil for an empty string: SNS takes no empty values.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return aws.String(s)
}

// pause waits before the next round, longer each time; false when the Write has ended.
func (w *write) pause(round int) bool {
	d := 100 * time.Millisecond << (round - 1)
	select {
	case <-time.After(d/2 + rand.N(d)):
		return true
	case <-w.ctx.Done():
		return false
	}
}

// invalid are codes of what can never be published.
var invalid = map[string]bool{
	"InvalidParameter": true, "InvalidParameterValue": true, "ParameterValueInvalid": true, "ValidationError": true, "ValidationException": true,
	"UserError": true, "InvalidMessageContents": true, "MessageTooLong": true,
}

// concernsOne reports whether a call may have failed because of one of its messages, or because of their number.
func concernsOne(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && (invalid[api.ErrorCode()] && !concernsTopic(api.ErrorMessage()) ||
		strings.HasSuffix(api.ErrorCode(), "BatchRequestTooLong") || api.ErrorCode() == "BatchRequestTooLongException")
}

// concernsTopic reports whether what is invalid is not the message, so that an operator can mend it.
func concernsTopic(reason string) bool {
	return strings.Contains(reason, "TopicArn") || strings.Contains(reason, "TargetArn") || strings.Contains(reason, "PhoneNumber")
}

// verdict tells whether a failed call is worth another try.
func (w *write) verdict(err error, where string) error {
	failed := awsconf.Failed(err, "sns:Publish", where, "kms:GenerateDataKey and kms:Decrypt (where the topic is encrypted with a key of KMS)")
	switch {
	case concernsOne(err):
		return pipeline.Reject(failed)
	case awsconf.Classify(err) == awsconf.Throttled:
		return pipeline.RetryAfter(failed, time.Second)
	}
	return failed
}

// entryError is why one message of a batch failed.
func entryError(topic string, f types.BatchResultErrorEntry) error {
	code, reason := aws.ToString(f.Code), aws.ToString(f.Message)
	err := fmt.Errorf("sns:Publish %s: %s: %s", topic, code, reason)
	if f.SenderFault && invalid[code] && !concernsTopic(reason) {
		return pipeline.Reject(err)
	}
	return err
}
