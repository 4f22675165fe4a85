package sqsqueue

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/semaphore"

	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/pipeline"
)

// Message is a message that was received and not settled yet.
type Message struct {
	ID       string
	Body     string
	Receives int       // how often it was received, this time included
	Sent     time.Time // when it was sent to the queue

	queue    *Queue
	receipt  string    // the newest one; guarded by queue.mu
	received time.Time // the last time, by this agent; guarded by queue.mu
	extended time.Time // when it was last made invisible; guarded by queue.mu
	deleting bool      // it is done; guarded by queue.mu
	attempts int       // to delete it

	setAside func(reason string) // moves it to quarantine, without blocking
}

// Handler works on a message. It may hand it on, and return before the message is settled; it blocks while there is no
// room. Each message is settled once, by Done, Again or Keep, from any goroutine and without blocking.
type Handler func(ctx context.Context, to pipeline.Intake, m *Message)

// Queue reads one queue.
type Queue struct {
	config Config
	input  string
	log    *slog.Logger
	client *sqs.Client
	url    *string

	held  *semaphore.Weighted // one for each message
	wake  chan struct{}       // there is something to delete
	open  sync.WaitGroup      // messages that are not settled
	calls sync.WaitGroup      // of giveBack and setAside

	stopping atomic.Bool

	mu       sync.Mutex
	messages map[string]*Message // held: received, and neither deleted nor given back
	finished []*Message          // to be deleted
	gone     *memory[struct{}]   // deleted a while ago: SQS may deliver a message once more
	reasons  *memory[string]     // why a message came again
	complain map[string]bool
}

const (
	longPoll    = 20 * time.Second           // the longest that SQS has
	batchSize   = 10                         // messages in one call
	longestHold = 12*time.Hour - time.Minute // SQS allows 12 hours
	maxHold     = longestHold - 10*time.Minute
	callTimeout = 30 * time.Second
	deleteTries = 5
	flushWithin = 10 * time.Second // for deletions, after the last message has settled
)

// New returns a queue that is not read yet. config has its defaults.
func New(config Config, input string, client *sqs.Client, log *slog.Logger) *Queue {
	return &Queue{
		config: config, input: input, log: log, client: client, url: aws.String(config.QueueURL),
		held: semaphore.NewWeighted(int64(config.MaxMessages)), wake: make(chan struct{}, 1), messages: map[string]*Message{},
		gone: newMemory[struct{}](), reasons: newMemory[string](), complain: map[string]bool{},
	}
}

// Check asks the queue for its attributes.
func (q *Queue) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameVisibilityTimeout},
	})
	return awsconf.Failed(err, "sqs:GetQueueAttributes", q.config.QueueURL, Actions[1:]...)
}

// Count tells how many messages there are.
func (q *Queue) Count(ctx context.Context) (pipeline.Count, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages},
	})
	if err != nil {
		return pipeline.Count{}, awsconf.Failed(err, "sqs:GetQueueAttributes", q.config.QueueURL)
	}
	n, err := strconv.ParseInt(out.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessages)], 10, 64)
	return pipeline.Count{Objects: n, Note: "messages, about; what they tell of is not looked at"}, err
}

// Actions are the IAM actions that reading a queue needs.
var Actions = []string{"sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"}

// Run reads until ctx ends, and then until every message is settled.
func (q *Queue) Run(ctx context.Context, to pipeline.Intake, handle Handler) error {
	working, stop := context.WithCancel(context.WithoutCancel(ctx)) // also while what is in hand drains
	defer stop()
	defer context.AfterFunc(ctx, func() { q.stopping.Store(true) })()
	var background, receivers sync.WaitGroup
	background.Go(func() { q.keepInvisible(working) })
	for range 2 {
		background.Go(func() { q.deleteFinished(working) })
	}
	for range q.config.Receivers {
		receivers.Go(func() { q.receive(ctx, to, handle) })
	}
	receivers.Wait()
	q.open.Wait()
	flush, cancel := context.WithTimeout(working, flushWithin)
	defer cancel()
	if q.held.Acquire(flush, int64(q.config.MaxMessages)) != nil {
		q.log.Warn("messages that are done could not be deleted before the stop; they will come again")
	}
	stop()
	background.Wait()
	q.calls.Wait()
	return ctx.Err()
}

func (q *Queue) receive(ctx context.Context, to pipeline.Intake, handle Handler) {
	failures := 0
	for {
		room, err := q.room(ctx)
		if err != nil {
			return
		}
		messages, err := q.poll(ctx, room)
		if err != nil {
			q.held.Release(int64(room))
			if ctx.Err() != nil {
				return
			}
			q.once(err.Error(), func() { q.log.Warn("the queue can not be read; it is tried again", "err", err) })
			failures++
			if !pause(ctx, failures) {
				return
			}
			continue
		}
		if failures > 0 {
			failures = 0
			q.forgive()
			q.log.Info("the queue can be read again")
		}
		fresh, repeated := q.take(messages)
		q.held.Release(int64(room - len(fresh) - repeated))
		for _, m := range fresh {
			m.setAside = func(reason string) { q.calls.Go(func() { q.setAside(ctx, to, m, reason) }) }
			if q.config.MaxReceives > 0 && m.Receives > untried*q.config.MaxReceives {
				m.setAside("it is not tried once more, since it may be what ends the agent")
				continue
			}
			handle(ctx, to, m)
		}
	}
}

// room waits for room for one message, and takes more for a batch where there is.
func (q *Queue) room(ctx context.Context) (int, error) {
	if err := q.held.Acquire(ctx, 1); err != nil {
		return 0, err
	}
	n := 1
	for n < batchSize && q.held.TryAcquire(1) {
		n++
	}
	return n, nil
}

func (q *Queue) poll(ctx context.Context, n int) ([]types.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, longPoll+callTimeout)
	defer cancel()
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: q.url, MaxNumberOfMessages: int32(n), WaitTimeSeconds: int32(longPoll / time.Second),
		VisibilityTimeout:           int32(q.config.VisibilityTimeout / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp},
	})
	if err != nil {
		return nil, awsconf.Failed(err, "sqs:ReceiveMessage", q.config.QueueURL, Actions[2:]...)
	}
	return out.Messages, nil
}

// take returns the messages that are new. One that is held already was given out again because its invisibility was not
// extended in time. One that was deleted, which SQS delivers at least once, is deleted again: these are counted.
func (q *Queue) take(received []types.Message) (fresh []*Message, repeated int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for _, r := range received {
		id := aws.ToString(r.MessageId)
		if m := q.messages[id]; m != nil {
			m.receipt, m.received, m.extended = aws.ToString(r.ReceiptHandle), now, now // the 12 hours begin anew
			continue
		}
		m := &Message{
			ID: id, Body: aws.ToString(r.Body), queue: q, receipt: aws.ToString(r.ReceiptHandle), received: now, extended: now,
			Receives: int(number(r.Attributes, types.MessageSystemAttributeNameApproximateReceiveCount)),
			Sent:     time.UnixMilli(number(r.Attributes, types.MessageSystemAttributeNameSentTimestamp)).UTC(),
		}
		q.messages[id] = m
		if _, ok := q.gone.get(id); ok {
			repeated++
			q.finishLocked(m)
			continue
		}
		q.open.Add(1)
		fresh = append(fresh, m)
	}
	return fresh, repeated
}

func number(attributes map[string]string, name types.MessageSystemAttributeName) int64 {
	n, _ := strconv.ParseInt(attributes[string(name)], 10, 64) // 0 where there is none
	return n
}

// untried is how many times max_receives a message may come before it is set aside without being tried. Being received says
// little about a message: agents that were stopped and outputs that were away count as well.
const untried = 10

// setAside moves a message to quarantine.
func (q *Queue) setAside(ctx context.Context, to pipeline.Intake, m *Message, why string) {
	reason := fmt.Sprintf("received %d times without success, more than max_receives; the last time: %s", m.Receives, why)
	frame := to.Open(func(r pipeline.Result) {
		if r.Outcome == pipeline.Retry {
			m.giveBack(why, backoff(m.Receives))
			return
		}
		q.log.Error("a message is in quarantine and deleted from the queue", "message", m.ID, "reason", reason)
		m.Done()
	})
	if err := frame.Broken(ctx, m.broken(q.input, q.config.Name(), reason)); err != nil {
		frame.Abandon(err)
		return
	}
	frame.Seal()
}

// Quarantine puts a message that can not be understood into quarantine and leaves it in the queue. It is put there once,
// as long as this agent runs.
func (m *Message) Quarantine(ctx context.Context, to pipeline.Intake, reason string) {
	q := m.queue
	q.mu.Lock()
	before, known := q.reasons.get(m.ID)
	q.mu.Unlock()
	if known && before == reason {
		m.Keep(reason)
		return
	}
	frame := to.Open(func(r pipeline.Result) {
		if r.Outcome == pipeline.Retry {
			m.Again(r.Err)
			return
		}
		q.log.Warn("a message is not understood: it stays in the queue, and a copy is in quarantine", "message", m.ID, "reason", reason)
		m.Keep(reason)
	})
	if err := frame.Broken(ctx, m.broken(q.input, q.config.Name(), reason)); err != nil {
		frame.Abandon(err)
		return
	}
	frame.Seal()
}

func (m *Message) broken(input, queue, reason string) pipeline.Broken {
	return pipeline.Broken{
		Raw: []byte(m.Body), Size: int64(len(m.Body)), Index: -1, Reason: reason,
		Origin: &pipeline.Origin{Input: input, Object: "sqs:" + queue, Identity: m.ID, Via: []string{"sqs"}, Time: m.Sent},
	}
}

// Done deletes the message.
func (m *Message) Done() {
	q := m.queue
	q.mu.Lock()
	q.finishLocked(m)
	q.mu.Unlock()
	q.open.Done()
}

func (q *Queue) finishLocked(m *Message) {
	m.deleting = true
	q.finished = append(q.finished, m)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Again gives the message back: it comes again, later each time, or at once to another agent when this one stops. One that
// came too often goes to quarantine instead, unless what failed is not the message's fault.
func (m *Message) Again(err error) {
	reason := "not delivered"
	if err != nil {
		reason = err.Error()
	}
	q := m.queue
	if q.config.MaxReceives > 0 && m.Receives > q.config.MaxReceives && !q.stopping.Load() && !awsconf.Passing(err) {
		m.setAside(reason)
		return
	}
	m.giveBack(reason, backoff(m.Receives))
}

// Keep leaves the message in the queue for good: it comes again at long intervals.
func (m *Message) Keep(reason string) { m.giveBack(reason, backoff(m.Receives)) }

const (
	firstAgain = 15 * time.Second
	lastAgain  = 15 * time.Minute
)

func backoff(receives int) time.Duration {
	return min(firstAgain<<min(max(receives-1, 0), 10), lastAgain)
}

// giveBack must not block: the call is left to a goroutine.
func (m *Message) giveBack(reason string, after time.Duration) {
	q := m.queue
	if q.stopping.Load() {
		after = 0
	}
	q.mu.Lock()
	q.reasons.put(m.ID, reason)
	receipt := m.receipt
	q.mu.Unlock()
	q.calls.Go(func() {
		defer q.drop(m)
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout/3)
		defer cancel()
		_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
			QueueUrl: q.url, ReceiptHandle: aws.String(receipt), VisibilityTimeout: int32(after / time.Second),
		})
		if err != nil { // it comes again when its invisibility ends
			q.log.Debug("a message could not be given back early", "err", awsconf.Failed(err, "sqs:ChangeMessageVisibility", q.config.QueueURL))
		}
	})
	q.open.Done()
}

// drop ends the hold on a message.
func (q *Queue) drop(m *Message) {
	q.mu.Lock()
	delete(q.messages, m.ID)
	q.mu.Unlock()
	q.held.Release(1)
}

// keepInvisible extends the invisibility of the messages that are held.
func (q *Queue) keepInvisible(ctx context.Context) {
	every := q.config.VisibilityTimeout / 3
	tick := time.NewTicker(min(every, time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := range slices.Chunk(q.due(every), batchSize) {
			q.extend(ctx, due)
		}
	}
}

// due returns the messages whose invisibility is to be extended, and notes that it is.
func (q *Queue) due(every time.Duration) []*Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	var due []*Message
	for _, m := range q.messages {
		switch {
		case m.deleting || now.Sub(m.extended) < every:
		case now.Sub(m.received) > maxHold:
			q.onceLocked("hold "+m.ID, func() {
				q.log.Warn("a message is held for longer than SQS allows; it will come again", "message", m.ID)
			})
		default:
			m.extended = now
			due = append(due, m)
		}
	}
	return due
}

func (q *Queue) extend(ctx context.Context, due []*Message) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout/3)
	defer cancel()
	in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: q.url}
	q.mu.Lock()
	for i, m := range due {
		in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(m.receipt),
			VisibilityTimeout: int32(min(q.config.VisibilityTimeout, longestHold-time.Since(m.received)) / time.Second),
		})
	}
	q.mu.Unlock()
	out, err := q.client.ChangeMessageVisibilityBatch(ctx, in)
	switch {
	case ctx.Err() != nil && err != nil:
	case err != nil:
		err = awsconf.Failed(err, "sqs:ChangeMessageVisibility", q.config.QueueURL)
		q.once(err.Error(), func() {
			q.log.Warn("messages that are worked on could not be kept from others; they may come again", "err", err)
		})
		q.mu.Lock()
		for _, m := range due {
			m.extended = m.extended.Add(-q.config.VisibilityTimeout / 6) // sooner than in a third
		}
		q.mu.Unlock()
	default:
		for _, f := range out.Failed {
			q.log.Debug("a message could not be kept from others", "code", aws.ToString(f.Code), "err", aws.ToString(f.Message))
		}
	}
}

// deleteFinished deletes messages until ctx ends.
func (q *Queue) deleteFinished(ctx context.Context) {
	const gather = 20 * time.Millisecond // so that a call takes more than one
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(gather):
		}
		for batch := q.someFinished(); len(batch) > 0 && ctx.Err() == nil; batch = q.someFinished() {
			again := q.delete(ctx, batch)
			if len(again) == 0 {
				failures = 0
				continue
			}
			q.mu.Lock()
			for _, m := range again {
				q.finishLocked(m)
			}
			q.mu.Unlock()
			failures++
			if !pause(ctx, failures) {
				return
			}
		}
	}
}

func (q *Queue) someFinished() []*Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.finished), batchSize)
	batch := q.finished[:n:n]
	q.finished = q.finished[n:]
	if len(q.finished) > 0 { // the other goroutine helps
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return batch
}

// delete returns the messages that are to be deleted once more.
func (q *Queue) delete(ctx context.Context, batch []*Message) (again []*Message) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout/3)
	defer cancel()
	in := &sqs.DeleteMessageBatchInput{QueueUrl: q.url}
	q.mu.Lock()
	for i, m := range batch {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(m.receipt)})
	}
	q.mu.Unlock()
	out, err := q.client.DeleteMessageBatch(ctx, in)
	failed := map[string]string{}
	if err != nil {
		err = awsconf.Failed(err, "sqs:DeleteMessage", q.config.QueueURL)
		q.once(err.Error(), func() { q.log.Warn("messages that are done could not be deleted; they may come again", "err", err) })
		for i := range batch {
			failed[strconv.Itoa(i)] = err.Error()
		}
	} else {
		for _, f := range out.Failed {
			failed[aws.ToString(f.Id)] = aws.ToString(f.Code) + ": " + aws.ToString(f.Message)
		}
	}
	for i, m := range batch {
		why, bad := failed[strconv.Itoa(i)]
		if m.attempts++; bad && m.attempts < deleteTries {
			again = append(again, m)
			continue
		}
		if bad {
			q.log.Warn("a message that is done could not be deleted; it will come again", "message", m.ID, "err", why)
		}
		q.mu.Lock()
		q.gone.put(m.ID, struct{}{})
		q.mu.Unlock()
		q.drop(m)
	}
	return again
}

// once calls say unless it was called for the same text since the last success.
func (q *Queue) once(text string, say func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.onceLocked(text, say)
}

func (q *Queue) onceLocked(text string, say func()) {
	if q.complain[text] {
		return
	}
	if len(q.complain) > 100 {
		clear(q.complain)
	}
	q.complain[text] = true
	say()
}

func (q *Queue) forgive() {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.complain)
}

// pause waits longer after each failure, up to half a minute, with jitter; false when ctx has ended.
func pause(ctx context.Context, failures int) bool {
	d := min(500*time.Millisecond<<min(failures-1, 6), 30*time.Second)
	d = d/2 + rand.N(d/2)
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
