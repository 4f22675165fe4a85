package cloudwatchin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/trailcast/trailcast/inputs/inputtest"
	"github.com/trailcast/trailcast/internal/awstest"
	"github.com/trailcast/trailcast/pipeline"
)

const (
	trailStream = "123456789012_CloudTrail_eu-west-1"
	session     = "alice-0a1b2c3d4e5f60718"
)

// logs are log groups of the emulator behind a proxy.
type logs struct {
	*testing.T
	*inputtest.Bench
	proxy  *awstest.Proxy
	client *cloudwatchlogs.Client
	root   string // with which the names of the test's log groups begin
	config Config
	env    pipeline.Env
	told   *told
	set    func(*Input) // before the start
}

func newLogs(t *testing.T) *logs {
	server := awstest.Start(t)
	l := &logs{
		T: t, Bench: inputtest.New(t), proxy: awstest.NewProxy(t, server.URL), client: cloudwatchlogs.NewFromConfig(server.Config()),
		root: awstest.Name("/logs"), told: &told{}, set: func(*Input) {},
	}
	l.config = Config{LogGroups: []string{l.root}, Follow: true, Start: "1h", AWS: AWS{Endpoint: l.proxy.URL}}
	l.env = pipeline.Env{Name: "logs", StateDir: t.TempDir(), Log: slog.New(slog.NewTextHandler(l.told, nil))}
	return l
}

func (l *logs) new() *Input {
	l.Helper()
	in, err := New(l.config, l.env)
	if err != nil {
		l.Fatal(err)
	}
	in.backoff = func(int) time.Duration { return 5 * time.Millisecond }
	in.saveEvery = 10 * time.Millisecond
	in.config.Interval, in.config.Discover = 20*time.Millisecond, 20*time.Millisecond
	l.set(in)
	return in
}

func (l *logs) start() *inputtest.Agent {
	l.Helper()
	return l.Start(l.new(), time.Second)
}

// once reads what is there, and returns when the input has ended by itself.
func (l *logs) once() {
	l.Helper()
	l.config.Follow = false
	if err := l.start().Wait(); err != nil {
		l.Fatal(err)
	}
}

func (l *logs) create(group string) {
	l.Helper()
	_, err := l.client.CreateLogGroup(l.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(group)})
	if err != nil && !isThere(err) {
		l.Fatal(err)
	}
}

func isThere(err error) bool {
	_, ok := errors.AsType[*types.ResourceAlreadyExistsException](err)
	return ok
}

// put writes events of one time, which is so long ago.
func (l *logs) put(group, stream string, ago time.Duration, messages ...string) {
	l.Helper()
	l.putAt(group, stream, time.Now().Add(-ago), messages...)
}

func (l *logs) putAt(group, stream string, at time.Time, messages ...string) {
	l.Helper()
	l.create(group)
	_, err := l.client.CreateLogStream(l.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String(group), LogStreamName: aws.String(stream)})
	if err != nil && !isThere(err) {
		l.Fatal(err)
	}
	in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String(group), LogStreamName: aws.String(stream)}
	for _, m := range messages {
		in.LogEvents = append(in.LogEvents, types.InputLogEvent{Timestamp: aws.Int64(at.UnixMilli()), Message: aws.String(m)})
	}
	if _, err := l.client.PutLogEvents(l.Context(), in); err != nil {
		l.Fatal(err)
	}
}

// trail writes CloudTrail events with ids from first to last.
func (l *logs) trail(group string, ago time.Duration, first, last int) {
	l.Helper()
	var messages []string
	for i := first; i <= last; i++ {
		messages = append(messages, record(fmt.Sprint(i)))
	}
	l.put(group, trailStream, ago, messages...)
}

// wantOnce wants CloudTrail events with ids from first to last, each once, and nothing else.
func (l *logs) wantOnce(first, last int) {
	l.Helper()
	events := l.Events()
	for i := first; i <= last; i++ {
		if n := events[record(fmt.Sprint(i))]; n != 1 {
			l.Errorf("event %d came %d times", i, n)
		}
	}
	if l.Total() != last-first+1 {
		l.Errorf("%d deliveries, want %d", l.Total(), last-first+1)
	}
}

func record(id string) string {
	return fmt.Sprintf(`{"eventVersion":"1.08","eventSource":"ssm.amazonaws.com","eventName":"StartSession","awsRegion":"eu-west-1","eventID":%q,"recipientAccountId":"123456789012","userIdentity":{"type":"IAMUser"}}`, id)
}

// limited gives the service's answers in pages of n events.
func limited(n int) func(awstest.Call) awstest.Fault {
	return func(c awstest.Call) awstest.Fault {
		if c.Operation != "FilterLogEvents" {
			return awstest.Fault{}
		}
		return awstest.Fault{Body: edit(c.Body, func(m map[string]any) { m["limit"] = n })}
	}
}

func edit(body []byte, change func(map[string]any)) []byte {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		panic(err)
	}
	change(m)
	out, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return out
}

func asked(c awstest.Call) (m map[string]any) {
	if err := json.Unmarshal(c.Body, &m); err != nil {
		panic(err)
	}
	return m
}

// told is what was logged.
type told struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (t *told) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(p)
}

func (t *told) count(text string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Count(t.buf.String(), text)
}

// retrying has some frames of an input settle as Retry, by the order in which they are opened, from 1.
type retrying struct {
	*Input
	retry  func(n int64) bool
	frames atomic.Int64
}

func (r *retrying) Run(ctx context.Context, to pipeline.Intake) error {
	return r.Input.Run(ctx, retryingIntake{to, r})
}

type retryingIntake struct {
	pipeline.Intake
	r *retrying
}

func (i retryingIntake) Open(settled func(pipeline.Result)) *pipeline.Frame {
	n := i.r.frames.Add(1)
	return i.Intake.Open(func(r pipeline.Result) {
		if i.r.retry(n) {
			r.Outcome, r.Err = pipeline.Retry, errors.New("made by the test")
		}
		settled(r)
	})
}
