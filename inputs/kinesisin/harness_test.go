package kinesisin

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/trailcast/trailcast/inputs/inputtest"
	"github.com/trailcast/trailcast/internal/awstest"
	"github.com/trailcast/trailcast/pipeline"
)

// bench is a stream behind a proxy, and agents that read it.
type bench struct {
	*testing.T
	*inputtest.Bench
	proxy  *awstest.Proxy
	client *kinesis.Client // of the emulator
	config Config
	state  string
	log    logged
}

// newBench returns a bench with a stream of the emulator; of none when shards is 0.
func newBench(t *testing.T, shards int) *bench {
	server := awstest.Start(t)
	b := newBenchAt(t, server.URL, awstest.Name("stream"))
	b.client = kinesis.NewFromConfig(server.Config(), func(o *kinesis.Options) {
		// A connection that is lost in between would have the SDK put a record twice.
		o.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.DisableKeepAlives = true })
		o.Retryer = aws.NopRetryer{}
	})
	if shards > 0 {
		b.create(shards)
	}
	return b
}

func newBenchAt(t *testing.T, url, stream string) *bench {
	b := &bench{T: t, Bench: inputtest.New(t), proxy: awstest.NewProxy(t, url), state: t.TempDir()}
	b.config = Config{Stream: stream, AWS: AWS{Endpoint: b.proxy.URL}}
	return b
}

func (b *bench) create(shards int) {
	b.Helper()
	if _, err := b.client.CreateStream(b.Context(), &kinesis.CreateStreamInput{StreamName: &b.config.Stream, ShardCount: aws.Int32(int32(shards))}); err != nil {
		b.Fatal(err)
	}
}

// put writes records, spread over the shards.
func (b *bench) put(records ...string) {
	b.Helper()
	in := &kinesis.PutRecordsInput{StreamName: &b.config.Stream}
	for i, r := range records {
		in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint("key", i)), Data: []byte(r)})
	}
	if out, err := b.client.PutRecords(b.Context(), in); err != nil || aws.ToInt32(out.FailedRecordCount) > 0 {
		b.Fatal(err, out)
	}
}

// input returns an input that loses no time.
func (b *bench) input() *Input {
	b.Helper()
	in, err := New(b.config, pipeline.Env{Name: "stream", StateDir: b.state, Log: slog.New(slog.NewTextHandler(&b.log, nil))})
	if err != nil {
		b.Fatal(err)
	}
	in.config.Interval, in.config.Discover, in.soon, in.again = 10*time.Millisecond, 50*time.Millisecond, 5*time.Millisecond, 2*time.Millisecond
	in.api.timeout = time.Second
	return in
}

func (b *bench) start() *inputtest.Agent { return b.Start(b.input(), time.Second) }

// stop ends an agent and fails the test on an error.
func (b *bench) stop(a *inputtest.Agent) {
	b.Helper()
	if err := a.Stop(); err != nil {
		b.Fatal(err)
	}
}

// nextSecond waits for it: the clock of HTTP has seconds.
func (b *bench) nextSecond() {
	b.Helper()
	now := time.Now()
	b.Wait("the next second", func() bool { return time.Now().Unix() > now.Unix() })
}

// each waits until all of the events came, and no others did.
func (b *bench) each(events ...string) {
	b.Helper()
	b.Wait(fmt.Sprint(len(events), " events"), func() bool { return len(b.Events()) >= len(events) })
	got := b.Events()
	for _, e := range events {
		if got[e] == 0 {
			b.Errorf("%s did not come", e)
		}
		delete(got, e)
	}
	for e := range got {
		b.Errorf("%s came", e)
	}
}

// once checks that nothing came twice.
func (b *bench) once() {
	b.Helper()
	if b.Total() != len(b.Events()) {
		b.Errorf("%d deliveries of %d events", b.Total(), len(b.Events()))
	}
}

// saved returns the positions that an agent has left.
func (b *bench) saved() map[string]position {
	b.Helper()
	in := b.input()
	d, err := in.api.describe(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	p := in.newPositions()
	if err := p.load(d); err != nil {
		b.Fatal(err)
	}
	return p.saved.Shards
}

func record(id string) string {
	return fmt.Sprintf(`{"eventVersion":"1.08","eventSource":"ssm.amazonaws.com","eventName":"StartSession","awsRegion":"eu-west-1","eventID":%q,"recipientAccountId":"123456789012","userIdentity":{"type":"IAMUser"}}`, id)
}

func records(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, record(fmt.Sprint(prefix, i)))
	}
	return all
}

// subscription is what a subscription filter of CloudWatch Logs sends.
func subscription(messages ...string) string {
	var events []string
	for i, m := range messages {
		events = append(events, fmt.Sprintf(`{"id":"%056d","timestamp":1,"message":%q}`, i, m))
	}
	return packed(`{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"trail","logStream":"123456789012_CloudTrail_eu-west-1","subscriptionFilters":["f"],"logEvents":[` + strings.Join(events, ",") + `]}`)
}

func packed(s string) string {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write([]byte(s)) // a Buffer takes all
	_ = w.Close()
	return buf.String()
}

// fickle has some frames settle as Retry although all went well.
type fickle struct {
	*Input
	retry func() bool
}

func (f fickle) Run(ctx context.Context, to pipeline.Intake) error {
	return f.Input.Run(ctx, intake{to, f.retry})
}

type intake struct {
	pipeline.Intake
	retry func() bool
}

func (i intake) Open(settled func(pipeline.Result)) *pipeline.Frame {
	return i.Intake.Open(func(r pipeline.Result) {
		if i.retry() {
			r.Outcome = pipeline.Retry
		}
		settled(r)
	})
}

// logged is what an input has logged.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}
