package sessions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/pipeline"
)

// rig is an agent that can be stopped, killed and started again, in a synctest bubble. What was delivered stays.
type rig struct {
	t      *testing.T
	config Config
	dir    string
	now    func() time.Time
	lease  time.Duration // with kv
	log    safeBuffer

	engine *pipeline.Engine
	filter *Filter

	mu     sync.Mutex
	events []delivered
	fail   error  // what the output says to everything
	deaf   bool   // it gets everything nevertheless
	last   string // id of the last session event that took saw
}

// delivered is an event that the output got.
type delivered struct {
	pipeline.Event
	message        // of a session event
	key     string // transport key
}

func newRig(t *testing.T, c Config) *rig {
	r := &rig{t: t, config: c, dir: fastDir(t), now: time.Now}
	r.start()
	t.Cleanup(r.stop)
	return r
}

// safeBuffer is a buffer for several goroutines.
type safeBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// fastDir is a directory in memory where the system has one: a sync for each of thousands of frames takes its time.
func fastDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "sessions-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (r *rig) start() {
	r.t.Helper()
	env := pipeline.Env{Name: "sessions", StateDir: r.dir, Log: slog.New(slog.NewTextHandler(&r.log, nil))}
	filter, err := newWithClock(r.config, env, r.now)
	if err != nil {
		r.t.Fatal(err)
	}
	if s := filter.fleet; s != nil {
		s.claim.lease, s.bucket.retryEvery = r.lease, 20*time.Millisecond
	}
	r.filter = filter
	r.engine, err = pipeline.New(pipeline.Settings{
		Workers: 1, Filters: []pipeline.FilterStage{{Name: "sessions", Filter: filter}},
		Outputs: []pipeline.OutputStage{{Name: "out", Output: r}}, BackoffMin: time.Second, BackoffMax: time.Second,
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) stop() {
	if r.engine == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.engine.Close(ctx); err != nil {
		r.t.Error(err)
	}
	r.engine = nil
}

// Write implements pipeline.Output.
func (r *rig) Write(_ context.Context, events []pipeline.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil && !r.deaf {
		return r.fail
	}
	for _, ev := range events {
		d := delivered{Event: ev, key: ev.Key()}
		if ev.Record.Kind != pipeline.KindSession {
		} else if err := json.Unmarshal(ev.Raw, &d.message); err != nil {
			r.t.Errorf("%v in %s", err, ev.Raw)
		}
		r.events = append(r.events, d)
	}
	return r.fail
}

// Close implements pipeline.Output.
func (r *rig) Close(context.Context) error { return nil }

func (r *rig) failWith(err error) {
	r.mu.Lock()
	r.fail = err
	r.mu.Unlock()
}

// feed has a document split as an input would, and starts its frame.
func (r *rig) feed(input, object, document string, at time.Time) *pipeline.Delivery {
	origin := &pipeline.Origin{Input: input, Object: object, Time: at}
	return r.engine.Deliver(feeder(origin, document), nil)
}

func feeder(origin *pipeline.Origin, document string) func(context.Context, *pipeline.Frame) error {
	return func(ctx context.Context, f *pipeline.Frame) error {
		_, err := split.New(split.Options{}).Split(ctx, strings.NewReader(document), origin, split.Base{}, f)
		return err
	}
}

// send is feed for a frame that is delivered.
func (r *rig) send(input, object, document string) {
	r.t.Helper()
	r.sendOf(input, object, document, time.Now())
}

// sendOf is send for what the transport says is of a time.
func (r *rig) sendOf(input, object, document string, at time.Time) {
	r.t.Helper()
	if got, _ := r.feed(input, object, document, at).Wait(r.t.Context()); got.Outcome != pipeline.Delivered {
		r.t.Fatalf("%v: %v", got.Outcome, got.Err)
	}
}

func (r *rig) trail(records ...string) {
	r.t.Helper()
	r.send("trail", "trail.json", `{"Records":[`+strings.Join(records, ",")+`]}`)
}

// logged sends a log event of a stream. Its id and text are made of n.
func (r *rig) logged(id string, n int, at time.Time) {
	r.t.Helper()
	r.send("logs", "/aws/ssm/session-logs:"+id, logEvent(id, n, at))
}

// took returns the session events since the last call, as "action", or "closed:reason" and counts of lines.
func (r *rig) took() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var told []string
	for _, d := range r.events {
		if d.Record.Kind != pipeline.KindSession {
			continue
		}
		text := d.Trailcast.Action
		if d.Reason != "" {
			text += ":" + d.Reason
		}
		if d.Revision > 1 {
			text += fmt.Sprintf(":%d", d.Revision)
		}
		if d.Lines != nil {
			text += fmt.Sprintf("(%d)", *d.Lines)
		}
		told = append(told, text)
		r.last = d.Trailcast.ID
	}
	r.events = nil
	return strings.Join(told, " ")
}

func (r *rig) told(want string) {
	r.t.Helper()
	if got := r.took(); got != want {
		r.t.Errorf("told %q, want %q", got, want)
	}
}

const (
	alice = "alice@example.org-0123456789abcdef0"
	sso   = `"userIdentity":{"type":"AssumedRole","principalId":"AROA1:alice@example.org","arn":"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_1/alice@example.org","accountId":"111122223333","accessKeyId":"ASIA1","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA1","arn":"arn:aws:iam::111122223333:role/AWSReservedSSO_Admin_1","accountId":"111122223333","userName":"AWSReservedSSO_Admin_1"},"attributes":{"mfaAuthenticated":"true"}}}`
	noMFA = `"userIdentity":{"type":"IAMUser","principalId":"AIDA1","arn":"arn:aws:iam::111122223333:user/bob","accountId":"111122223333","accessKeyId":"AKIA1","userName":"bob","sessionContext":{"attributes":{"mfaAuthenticated":"false"}}}`
	root  = `"userIdentity":{"type":"Root","principalId":"111122223333","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333","accessKeyId":"ASIA2"}`
	other = `"userIdentity":{"type":"AssumedRole","principalId":"AROA2:carol","arn":"arn:aws:sts::999999999999:assumed-role/ops/carol","accountId":"999999999999","accessKeyId":"ASIA3"}`
)

// call is a CloudTrail record. Its eventID is made of what it says.
func call(source, name, identity, rest string, at time.Time) string {
	id := fmt.Sprintf("%x", idOf(source, name, identity, rest, at.String()))[:32]
	return fmt.Sprintf(`{"eventVersion":"1.08",%s,"eventTime":%q,"eventSource":%q,"eventName":%q,"awsRegion":"eu-west-1",`+
		`"sourceIPAddress":"203.0.113.7","userAgent":"cli",%s,"eventID":%q,"eventType":"AwsApiCall","recipientAccountId":"111122223333"}`,
		identity, at.UTC().Format(time.RFC3339), source, name, rest, id)
}

func startOf(id, identity, document string, at time.Time) string {
	return call("ssm.amazonaws.com", "StartSession", identity, fmt.Sprintf(
		`"requestParameters":{"target":"i-0a","documentName":%q,"reason":"TICKET-1"},"responseElements":{"sessionId":%q,"tokenValue":"hidden"}`,
		document, id), at)
}

func endOf(id, identity string, at time.Time) string {
	return call("ssm.amazonaws.com", "TerminateSession", identity, fmt.Sprintf(`"requestParameters":{"sessionId":%q},"responseElements":{"sessionId":%q}`, id, id), at)
}

func resumeOf(id, identity string, at time.Time) string {
	return call("ssm.amazonaws.com", "ResumeSession", identity, fmt.Sprintf(`"requestParameters":{"sessionId":%q},"responseElements":{"sessionId":%q}`, id, id), at)
}

// logEvent is a payload of CloudWatch Logs with one streamed event of two lines.
func logEvent(id string, n int, at time.Time) string {
	message := fmt.Sprintf(`{"eventVersion":"1.0","eventTime":%q,"awsRegion":"eu-west-1","target":{"id":"i-0a"},`+
		`"userIdentity":{"arn":"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_1/alice@example.org"},"runAsUser":"ssm-user","sessionId":%q,"sessionData":["$ command %d","output"]}`,
		at.UTC().Format(time.RFC3339), id, n)
	return fmt.Sprintf(`{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"/aws/ssm/session-logs","logStream":%q,`+
		`"subscriptionFilters":["s"],"logEvents":[{"id":"%056d","timestamp":%d,"message":%q}]}`, id, n, at.UnixMilli(), message)
}

// kill ends the agent as a crash does: what is in flight is not settled. The state directory is then as it was at this
// moment, with unsettled facts in it or without.
func (r *rig) kill(keepUnsettled bool) {
	r.t.Helper()
	if keepUnsettled {
		if err := errors.Join(r.filter.store.commit(), r.filter.held.commit()); err != nil {
			r.t.Fatal(err)
		}
	}
	saved := r.files()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.engine.Close(ended); err != nil {
		r.t.Error(err)
	}
	for path, content := range saved {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	r.engine = nil
}

// files returns the content of the filter's files.
func (r *rig) files() map[string][]byte {
	r.t.Helper()
	files := map[string][]byte{}
	for _, ending := range []string{".journal", ".held", ".unsent"} {
		content, err := os.ReadFile(r.filter.path + ending)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			r.t.Fatal(err)
		}
		files[r.filter.path+ending] = content
	}
	return files
}
