package split_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// collector is a Feeder that keeps everything.
type collector struct {
	events []pipeline.Event
	broken []pipeline.Broken
	drop   bool
}

func (c *collector) Feed(_ context.Context, events []pipeline.Event) error {
	if !c.drop {
		c.events = append(c.events, events...)
	}
	return nil
}

func (c *collector) Broken(_ context.Context, b pipeline.Broken) error {
	b.Raw = bytes.Clone(b.Raw)
	c.broken = append(c.broken, b)
	return nil
}

func run(t testing.TB, o split.Options, r io.Reader, origin *pipeline.Origin) (*collector, split.Stats) {
	t.Helper()
	if origin == nil {
		origin = &pipeline.Origin{Object: "test.json"}
	}
	var c collector
	stats, err := split.New(o).Split(t.Context(), r, origin, split.Base{}, &c)
	if err != nil {
		t.Fatal(err)
	}
	return &c, stats
}

func splitText(t testing.TB, text string) *collector {
	t.Helper()
	c, _ := run(t, split.Options{}, strings.NewReader(text), nil)
	return c
}

// describe renders events as kind, via, key member, for comparison in tables.
func describe(c *collector) []string {
	var out []string
	for _, e := range c.events {
		var v map[string]any
		if err := json.Unmarshal(e.Raw, &v); err != nil {
			out = append(out, "NOT JSON "+string(e.Raw))
			continue
		}
		name := v["eventName"]
		if name == nil {
			name = v["sessionId"]
		}
		if name == nil {
			name = v["n"]
		}
		s := fmt.Sprintf("%s %v", e.Record.Kind, name)
		if len(e.Record.Origin.Via) > 0 {
			s += " via " + strings.Join(e.Record.Origin.Via, ",")
		}
		out = append(out, s)
	}
	for _, b := range c.broken {
		out = append(out, fmt.Sprintf("broken at %d: %d bytes", b.Offset, b.Size))
	}
	return out
}

const (
	trail   = `{"eventVersion":"1.08","userIdentity":{"type":"Root"},"eventTime":"2026-01-01T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"%s","eventID":"e-%[1]s"}`
	session = `{"eventVersion":"1.0","eventTime":"2026-01-01T00:00:00Z","awsRegion":"eu-west-1","target":{"id":"i-1"},"userIdentity":{"arn":"arn:aws:iam::123456789012:user/x"},"runAsUser":"ssm-user","sessionId":"%s","sessionData":["ls"]}`
	sid     = "jane-0123456789abcdef0"
)

func ct(name string) string { return fmt.Sprintf(trail, name) }

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func gz(parts ...string) string {
	var b bytes.Buffer
	for _, p := range parts {
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(p))
		_ = w.Close()
	}
	return b.String()
}

func zst(s string) string {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return string(w.EncodeAll([]byte(s), nil))
}

func subscription(stream string, messages ...string) string {
	var events []string
	for i, m := range messages {
		events = append(events, fmt.Sprintf(`{"id":"%d","timestamp":1,"message":%s}`, i, quote(m)))
	}
	return fmt.Sprintf(`{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g","logStream":%s,"subscriptionFilters":["f"],"logEvents":[%s]}`,
		quote(stream), strings.Join(events, ","))
}

func sns(message string) string {
	return `{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:eu-west-1:123456789012:t","Message":` + quote(message) + `,"Timestamp":"2026-01-01T00:00:00Z"}`
}

func eventBridge(detailType, detail string) string {
	return fmt.Sprintf(`{"version":"0","id":"b","detail-type":%q,"source":"aws.iam","account":"123456789012","time":"2026-01-01T00:00:00Z","region":"eu-west-1","resources":[],"detail":%s}`, detailType, detail)
}

func TestShapes(t *testing.T) {
	nested := ct("Deep")
	for range 12 {
		nested = sns(nested)
	}
	tests := []struct {
		name, in string
		want     []string
	}{
		{"empty", "", nil},
		{"one record", ct("A"), []string{"cloudtrail A"}},
		{"byte order mark", "\xef\xbb\xbf" + ct("A"), []string{"cloudtrail A"}},
		{"JSON lines", ct("A") + "\n" + ct("B") + "\n", []string{"cloudtrail A", "cloudtrail B"}},
		{"concatenated", ct("A") + ct("B"), []string{"cloudtrail A", "cloudtrail B"}},
		{"log file", `{"Records":[` + ct("A") + "," + ct("B") + `]}`, []string{"cloudtrail A", "cloudtrail B"}},
		{"log file with spaces", " {\n \"Records\" : [ " + ct("A") + " ,\n " + ct("B") + " ] }\n", []string{"cloudtrail A", "cloudtrail B"}},
		{"empty log file", `{"Records":[]}`, nil},
		{"other members around Records", `{"a":{"Records":1},"Records":[` + ct("A") + `],"z":[1,{"b":"]}"}]}`, []string{"cloudtrail A"}},
		{"members behind streamed Records", `{"Records":[` + ct("A") + `],"z":[1,{"b":"]}"}],"n":-1.5e3,"t":true}` + ct("B"), []string{"cloudtrail A", "cloudtrail B"}},
		{"array", `[` + ct("A") + `,` + ct("B") + `]`, []string{"cloudtrail A", "cloudtrail B"}},
		{"pretty printed", "{\n  \"eventVersion\": \"1.08\",\n  \"userIdentity\": {},\n  \"eventName\": \"A\",\n  \"eventID\": \"1\"\n}\n" + ct("B"), []string{"cloudtrail A", "cloudtrail B"}},
		{"gzip", gz(`{"Records":[` + ct("A") + `]}`), []string{"cloudtrail A"}},
		{"gzip, several members", gz(ct("A")+"\n", ct("B")), []string{"cloudtrail A", "cloudtrail B"}},
		{"zstd", zst(ct("A")), []string{"cloudtrail A"}},
		{"zstd, several frames", zst(ct("A")) + zst(ct("B")), []string{"cloudtrail A", "cloudtrail B"}},
		{"insight", `{"Records":[{"eventVersion":"1.08","eventTime":"2026-01-01T00:00:00Z","eventID":"1","eventType":"AwsCloudTrailInsight","insightDetails":{"eventName":"x"}}]}`, []string{"insight <nil>"}},
		{"SNS", sns(ct("A")), []string{"cloudtrail A via sns"}},
		{"SNS with text", sns("hello"), []string{"other <nil>"}},
		{"CloudTrail's validation message", sns("CloudTrail validation message."), nil},
		{"S3 notice in SNS", sns(`{"s3Bucket":"b","s3ObjectKey":["k"],"n":1}`), []string{"other 1 via sns"}},
		{"SQS batch of SNS", `{"Records":[{"messageId":"1","body":` + quote(sns(ct("A"))) + `,"eventSource":"aws:sqs"}]}`, []string{"cloudtrail A via sqs,sns"}},
		{"SQS batch with text", `{"Records":[{"messageId":"1","body":"hello","eventSource":"aws:sqs","n":1}]}`, []string{"other 1"}},
		{"SQS answer", `{"Messages":[{"MessageId":"1","ReceiptHandle":"h","Body":` + quote(ct("A")) + `}]}`, []string{"cloudtrail A via sqs"}},
		{"SNS batch", `{"Records":[{"EventSource":"aws:sns","Sns":` + sns(ct("A")) + `}]}`, []string{"cloudtrail A via sns"}},
		{"Kinesis batch", `{"Records":[{"kinesis":{"sequenceNumber":"1","data":"` + b64(gz(subscription("1_CloudTrail_x", ct("A")))) + `"},"eventSource":"aws:kinesis"}]}`, []string{"cloudtrail A via kinesis,cloudwatch_logs"}},
		{"Firehose batch", `{"invocationId":"i","region":"eu-west-1","records":[{"recordId":"1","data":"` + b64(ct("A")+ct("B")) + `"}]}`, []string{"cloudtrail A via firehose", "cloudtrail B via firehose"}},
		{"Lambda awslogs", `{"awslogs":{"data":"` + b64(gz(subscription("1_CloudTrail_x", ct("A")))) + `"}}`, []string{"cloudtrail A via lambda,cloudwatch_logs"}},
		{"subscription", subscription("1_CloudTrail_x", ct("A"), ct("B")), []string{"cloudtrail A via cloudwatch_logs", "cloudtrail B via cloudwatch_logs"}},
		{"subscription with text", subscription("vpc", "2 123 eni"), []string{"broken at 0: 46 bytes"}},
		{"control message", `{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination"}]}`, nil},
		{"EventBridge", eventBridge("AWS API Call via CloudTrail", ct("A")), []string{"cloudtrail A via eventbridge"}},
		{"EventBridge, record by content", eventBridge("something", ct("A")), []string{"cloudtrail A via eventbridge"}},
		{"EventBridge, other", eventBridge("EC2 State", `{"state":"x"}`), []string{"other <nil>"}},
		{"LookupEvents", `{"Events":[{"EventId":"1","EventName":"A","CloudTrailEvent":` + quote(ct("A")) + `}],"NextToken":"x"}`, []string{"cloudtrail A via lookup_events"}},
		{"S3 notification", `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2026-01-01T00:00:00Z","eventName":"ObjectCreated:Put","userIdentity":{"principalId":"x"},"s3":{"bucket":{}}}]}`, []string{"other ObjectCreated:Put"}},
		{"S3 test event", `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"t","Bucket":"b"}`, nil},
		{"digest", `{"awsAccountId":"1","digestStartTime":"t","logFiles":[],"n":1}`, []string{"other 1"}},
		{"streamed session", fmt.Sprintf(session, sid), []string{"session_log " + sid}},
		{"subscription of a streamed session", subscription(sid, fmt.Sprintf(session, sid)), []string{"session_log " + sid + " via cloudwatch_logs"}},
		{"typed CloudTrail stays text", subscription(sid, ct("A"), fmt.Sprintf(session, "other-0123456789abcdef0")), []string{"session_log " + sid + " via cloudwatch_logs", "session_log " + sid + " via cloudwatch_logs"}},
		{"transcript by content", "Script started on 2026-01-01\r\n$ ls\r\n" + ct("A") + "\r\n", []string{"session_log test.json"}},
		{"wrapped too deep", nested, []string{"broken at 0: 1319 bytes"}},

		{"text between records", ct("A") + "\nhello {world}\n" + ct("B"), []string{"cloudtrail A", "cloudtrail B", "broken at 156: 14 bytes"}},
		{"broken line", ct("A") + "\n{\"a\":tru}\n" + ct("B"), []string{"cloudtrail A", "cloudtrail B", "broken at 156: 9 bytes"}},
		{"line that lost its end", ct("A") + "\n{\"a\":\"x\n" + ct("B") + "\n" + ct("C"), []string{"cloudtrail A", "cloudtrail B", "cloudtrail C", "broken at 156: 8 bytes"}},
		{"scalars", "1 2\n\"x\"\nnull\n" + ct("A"), []string{"cloudtrail A", "broken at 0: 13 bytes"}},
		{"unexpected end", ct("A") + "\n" + ct("B")[:50], []string{"cloudtrail A", "broken at 156: 50 bytes"}},
		{"elements that are no objects", `{"Records":[1,"a",` + ct("A") + `,null,[{}],` + ct("B") + `]}`, []string{"cloudtrail A", "cloudtrail B", "broken at 12: 6 bytes", "broken at 174: 10 bytes"}},
		{"record with a syntax error", `{"Records":[` + ct("A") + `,{"a":tru},` + ct("B") + `]}`, []string{"cloudtrail A", "cloudtrail B", "broken at 168: 10 bytes"}},
		{"record that lost its quote", `{"Records":[` + ct("A") + `,{"eventVersion":"1.08,"eventName":"X"},` + ct("B") + `]}`, []string{"cloudtrail A", "cloudtrail B", "broken at 168: 39 bytes"}},
		{"record that lost its brace", `{"Records":[` + ct("A") + `,{"eventVersion":"1.08","x":{"eventName":"X"},` + ct("B") + "]}\n" + ct("C"), []string{"cloudtrail A", "cloudtrail B", "cloudtrail C", "broken at 168: 45 bytes"}},
		{"Records cut off, another line follows", `{"Records":[` + ct("A") + `,{"eventVersion":"1.0` + "\n" + `{"Records":[` + ct("B") + `]}`, []string{"cloudtrail A", "cloudtrail B", "broken at 168: 21 bytes"}},
		{"Records cut off", `{"Records":[` + ct("A") + `,`, []string{"cloudtrail A", "broken at 168: 0 bytes"}},
		{"invalid UTF-8", "{\"eventName\":\"A\xff\",\"eventID\":\"1\",\"eventType\":\"x\"}", []string{"cloudtrail A\ufffd"}},
		{"ten thousand levels", ct("A") + "\n{\"a\":" + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}\n" + ct("B"), []string{"cloudtrail A", "cloudtrail B", "broken at 156: 20006 bytes"}},
		{"truncated gzip", gz(ct("A") + "\n" + strings.Repeat(ct("B")+"\n", 100))[:150], nil},
		{"garbage behind gzip", gz(ct("A")) + "garbage", nil},
		{"corrupt gzip header", "\x1f\x8b\x00\x00", nil},
		{"typed text in CloudTrail parameters", `{"eventName":"A","eventID":"1","eventType":"x","requestParameters":{"Message":` + quote(ct("B")) + `,"log":` + quote(ct("C")) + `}}`, []string{"cloudtrail A"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			whole := describe(splitText(t, tt.in))
			if strings.Contains(tt.name, "gzip") && tt.want == nil {
				if len(whole) == 0 || !strings.HasPrefix(whole[len(whole)-1], "broken") {
					t.Errorf("got %q, want something broken", whole)
				}
			} else if diff := cmp.Diff(tt.want, whole); diff != "" {
				c := splitText(t, tt.in)
				for _, b := range c.broken {
					t.Logf("broken: %q (%s)", b.Raw[:min(len(b.Raw), 200)], b.Reason)
				}
				t.Errorf("events differ (-want +got):\n%s", diff)
			}
			c, _ := run(t, split.Options{}, iotest.OneByteReader(strings.NewReader(tt.in)), nil)
			if diff := cmp.Diff(whole, describe(c)); diff != "" {
				t.Errorf("read byte by byte it gives other events:\n%s", diff)
			}
		})
	}
}

func TestDocumentsAreSplitAsStreamsAre(t *testing.T) {
	documents := []string{
		ct("a"),
		`{"Records":[` + ct("b") + `,` + ct("c") + `]}`,
		`{"log":` + quote(ct("d")) + `}`,
		`{"log":"plain text","n":5}`,
		sns(`{"Records":[` + ct("e") + `]}`),
		eventBridge("AWS API Call via CloudTrail", ct("f")),
		`{"Records":[7,` + ct("g") + `]}`,
		fmt.Sprintf(session, sid),
	}
	options := split.Options{Unwrap: []string{"log"}, BatchEvents: 3}
	origin := &pipeline.Origin{Input: "in", Tag: "t"}
	want, stats := run(t, options, strings.NewReader(strings.Join(documents, "\n")), origin)

	got := &collector{}
	d := split.New(options).Documents(t.Context(), got)
	for i, text := range documents {
		if err := d.Add([]byte(text), origin, int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	gotStats, err := d.Flush()
	if err != nil || gotStats.Events != stats.Events || gotStats.Broken != 1 {
		t.Errorf("got %+v, %v; want %+v", gotStats, err, stats)
	}
	if len(got.events) != len(want.events) {
		t.Fatalf("%d events, want %d", len(got.events), len(want.events))
	}
	for i, e := range got.events {
		w := want.events[i]
		if string(e.Raw) != string(w.Raw) || e.Record.Index != w.Record.Index || e.Key() != w.Key() && e.Record.Kind != pipeline.KindOther && e.Record.Kind != pipeline.KindSessionLog {
			t.Errorf("event %d is %s with index %d, want %s with %d", i, e.Raw, e.Record.Index, w.Raw, w.Record.Index)
		}
		if fmt.Sprint(e.Record.Origin.Via) != fmt.Sprint(w.Record.Origin.Via) || e.Record.Origin.Tag != "t" {
			t.Errorf("event %d: origin %+v, want via %v", i, e.Record.Origin, w.Record.Origin.Via)
		}
	}
	if e := got.events[2]; e.Record.Offset != 1 {
		t.Errorf("the second record of the second document has offset %d, want the document's", e.Record.Offset)
	}
}

// Records are recognised in one walk, whose notes spare later ones: facts and keys are the same without them.
func TestNotesChangeNothing(t *testing.T) {
	var text bytes.Buffer
	g := records.New(6)
	for i := range int64(300) {
		text.Write(g.Append(nil, i))
		text.WriteByte('\n')
	}
	text.WriteString(ct("a") + fmt.Sprintf(session, sid) + `{"eventName":1,"eventName":"b","eventID" : "x","eventVersion":"1", "eventTime":"","eventType":null,"eventType":"c"}`)
	text.WriteString(`{"trailcast":{},"eventID":"\u0061","eventName":"\ud800","userIdentity":{}}` + "{\"eventID\":\"b\",\"eventName\":\"\xff\",\"userIdentity\":{}}")
	c := splitText(t, text.String())
	noted := 0
	for _, e := range c.events {
		plain := &pipeline.Record{Raw: e.Raw, Kind: e.Record.Kind, Origin: e.Record.Origin, Index: e.Record.Index, Offset: e.Record.Offset, Reader: record.Reader{}}
		if diff := cmp.Diff(plain.Facts(), e.Record.Facts()); diff != "" || plain.Key() != e.Record.Key() {
			t.Errorf("%s: key %s, want %s, facts %s", e.Raw, e.Key(), plain.Key(), diff)
		}
		if e.Record.Notes != nil {
			noted++
		}
		for _, key := range []string{"eventID", "eventName", "userIdentity", "trailcast", "errorCode", "sessionId", "unknown"} {
			want, _ := rawjson.Get(e.Raw, key)
			if got, known := record.Field(e.Record, key); known && string(got) != string(want) {
				t.Errorf("%s of %s is %s, want %s", key, e.Raw, got, want)
			}
		}
	}
	if noted < 300 {
		t.Errorf("notes were taken of %d records", noted)
	}
	// In memory the bytes are known to be compact; a document in a string is not.
	d := &collector{}
	docs := split.New(split.Options{Unwrap: []string{"log"}}).Documents(t.Context(), d)
	spaced := strings.ReplaceAll(ct("s"), `","`, `" , "`)
	for _, doc := range []string{ct("s"), `{"log":` + quote(spaced) + `}`, ct("s")} {
		if err := docs.Add([]byte(doc), &pipeline.Origin{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := docs.Flush(); err != nil || len(d.events) != 3 || d.events[0].Key() != d.events[1].Key() || d.events[2].Key() != d.events[0].Key() {
		t.Errorf("the same record has the keys %v", d.events)
	}
}

func TestPlacesOfRecords(t *testing.T) {
	in := `{"x":1,"Records":[` + ct("A") + ", " + ct("B") + "]}\n" + ct("C")
	c := splitText(t, in)
	for i, e := range c.events {
		r := e.Record
		if int(r.Index) != i {
			t.Errorf("event %d has index %d", i, r.Index)
		}
		if got := in[r.Offset:][:len(r.Raw)]; got != string(r.Raw) {
			t.Errorf("at offset %d stands %.40q, want %.40q", r.Offset, got, r.Raw)
		}
	}
	c, _ = run(t, split.Options{}, strings.NewReader(subscription("1_CloudTrail_x", ct("A"), `{"n":7}`)), &pipeline.Origin{Input: "in", Object: "o"})
	if r := c.events[1].Record; r.Seed != "1" || r.Origin.Owner != "123456789012" || r.Origin.Object != "g:1_CloudTrail_x" || r.Origin.Input != "in" {
		t.Errorf("record of a subscription: %+v, origin %+v", r, r.Origin)
	}
}

func TestAccept(t *testing.T) {
	only := split.Options{Accept: []pipeline.Kind{pipeline.KindCloudTrail}}
	c, _ := run(t, only, strings.NewReader(ct("A")+"\n"+fmt.Sprintf(session, sid)), nil)
	if len(c.events) != 1 || len(c.broken) != 1 || !strings.Contains(c.broken[0].Reason, "session_log") {
		t.Errorf("got %q", describe(c))
	}
	text := split.Options{Accept: []pipeline.Kind{pipeline.KindSessionLog}}
	c, _ = run(t, text, strings.NewReader(ct("A")+"\n$ ls\n"), nil)
	if diff := cmp.Diff([]string{"session_log test.json"}, describe(c)); diff != "" {
		t.Error(diff)
	}
	c, _ = run(t, text, strings.NewReader(fmt.Sprintf(session, sid)), nil)
	if diff := cmp.Diff([]string{"session_log " + sid}, describe(c)); diff != "" {
		t.Error(diff)
	}
}

func TestUnwrapNamedFields(t *testing.T) {
	in := `{"log":` + quote(ct("A")+"\n") + `,"stream":"stdout"}` + "\n" + `{"log":"plain text","n":1}` + "\n" + fmt.Sprintf(session, sid)
	c, _ := run(t, split.Options{Unwrap: []string{"log", "sessionData"}}, strings.NewReader(in), nil)
	want := []string{"cloudtrail A via log", "other 1", "session_log " + sid}
	if diff := cmp.Diff(want, describe(c)); diff != "" {
		t.Error(diff)
	}
}

func TestTranscript(t *testing.T) {
	lines := []string{"Script started on x", "$ echo \x1b[31mred\x1b[0m", ct("A"), strings.Repeat("ü", 20_000), "bad \xff byte", "", "end"}
	for i := range 3000 {
		lines = append(lines, fmt.Sprintf("line %d %s", i, strings.Repeat("x", 40)))
	}
	in := strings.Join(lines, "\r\n") + "\r\n"
	c, _ := run(t, split.Options{}, strings.NewReader(in), &pipeline.Origin{Object: "s3://bucket/prefix/" + sid + ".log"})
	var got []string
	for i, e := range c.events {
		var v struct {
			SessionID string
			Seq       int
			Lines     []string
		}
		if err := json.Unmarshal(e.Raw, &v); err != nil {
			t.Fatal(err)
		}
		if e.Record.Kind != pipeline.KindSessionLog || v.SessionID != sid || v.Seq != i || len(e.Raw) > 64<<10 {
			t.Errorf("event %d: %s, session %q, seq %d, %d bytes", i, e.Record.Kind, v.SessionID, v.Seq, len(e.Raw))
		}
		got = append(got, v.Lines...)
	}
	want := strings.ReplaceAll(strings.Join(lines, ""), "\xff", "\ufffd")
	if strings.Join(got, "") != want {
		t.Errorf("the text of %d events is not the transcript's", len(c.events))
	}
	if len(c.events) < 3 {
		t.Errorf("%d events for %d bytes", len(c.events), len(in))
	}
}

func TestPartial(t *testing.T) {
	for name, in := range map[string]string{
		"value": ct("A") + "\n" + ct("B")[:50], "Records": `{"Records":[` + ct("A") + `,`, "gzip": gz(strings.Repeat(ct("A"), 50))[:100],
		"behind Records": `{"Records":[` + ct("A") + `]`,
	} {
		var c collector
		_, err := split.New(split.Options{Partial: true}).Split(t.Context(), strings.NewReader(in), &pipeline.Origin{}, split.Base{}, &c)
		if !errors.Is(err, io.ErrUnexpectedEOF) || len(c.broken) > 0 {
			t.Errorf("%s: error %v, broken %d; want an unexpected end", name, err, len(c.broken))
		}
	}
}

func TestReadErrorsAreNotTheDatasFault(t *testing.T) {
	fault := errors.New("connection reset")
	for name, in := range map[string]string{"plain": ct("A"), "gzip": gz(ct("A")), "zstd": zst(ct("A"))} {
		for n := range len(in) {
			var c collector
			r := io.MultiReader(strings.NewReader(in[:n]), iotest.ErrReader(fault))
			_, err := split.New(split.Options{}).Split(t.Context(), r, &pipeline.Origin{}, split.Base{}, &c)
			if !errors.Is(err, fault) || len(c.broken) > 0 {
				t.Fatalf("%s cut at %d: error %v, %d broken", name, n, err, len(c.broken))
			}
		}
	}
}

func TestLimits(t *testing.T) {
	long := `{"eventVersion":"1.08","eventName":"Long","eventID":"1","eventType":"x","pad":"` + strings.Repeat("y", 300_000) + `"}`
	for name, in := range map[string]string{
		"lines": ct("A") + "\n" + long + "\n" + ct("B"), "Records": `{"Records":[` + ct("A") + "," + long + "," + ct("B") + `]}`,
	} {
		c, _ := run(t, split.Options{MaxRecord: 100_000}, strings.NewReader(in), nil)
		if len(c.events) != 2 || len(c.broken) != 1 || c.broken[0].Size-int64(len(long)) > 1 || c.broken[0].Size < int64(len(long)) || len(c.broken[0].Raw) != 64<<10 {
			t.Errorf("%s: %q", name, describe(c))
		}
	}
	bomb := gz(strings.Repeat(ct("A")+"\n", 10_000))
	c, _ := run(t, split.Options{MaxDecompressed: 100_000}, strings.NewReader(bomb), nil)
	if len(c.broken) == 0 || len(c.events) > 700 {
		t.Errorf("a bomb gives %d events and %d broken", len(c.events), len(c.broken))
	}
}

// TestHostileInputIsLinear: structures made to be searched again and again end soon.
func TestHostileInputIsLinear(t *testing.T) {
	for name, in := range map[string]string{
		"records without end":    `{"Records":[` + strings.Repeat(`{"eventVersion":"`, 400_000),
		"lines without end":      strings.Repeat("{\"a\":\"\n", 1_000_000),
		"objects without end":    strings.Repeat("{\"a\":{\n", 1_000_000),
		"opening brackets":       strings.Repeat("[", 5_000_000),
		"arrays of arrays":       `{"Records":[` + strings.Repeat("[", 3_000_000),
		"quotes":                 `{"Records":[` + strings.Repeat(`"`, 3_000_001),
		"commas":                 `{"Records":[` + strings.Repeat(",", 3_000_000),
		"closing braces":         `{"Records":[` + strings.Repeat("}", 3_000_000),
		"colons behind Records":  `{"Records":[]` + strings.Repeat(":", 3_000_000),
		"letters behind Records": `{"Records":[]` + strings.Repeat("x", 3_000_000),
		"numbers":                strings.Repeat("1 ", 2_000_000),
		"log file of lines":      `{"Records":[` + strings.Repeat("{\"a\":\"\n", 1_000_000),
	} {
		t.Run(name, func(t *testing.T) {
			c, stats := run(t, split.Options{}, strings.NewReader(in), nil)
			if len(c.broken) == 0 && name != "commas" && name != "colons behind Records" {
				t.Errorf("nothing broken in %d bytes, %d events", stats.Bytes, len(c.events))
			}
		})
	}
}

// walk finds the records of a document the plain way, for comparison.
func walk(v any, found func(any)) {
	m, ok := v.(map[string]any)
	if !ok {
		if a, ok := v.([]any); ok {
			for _, e := range a {
				walk(e, found)
			}
		}
		return
	}
	if a, ok := m["Events"].([]any); ok {
		m["Records"] = a
	}
	if a, ok := m["Records"].([]any); ok {
		for _, e := range a {
			if m, ok := e.(map[string]any); ok && (m["body"] != nil || m["kinesis"] != nil || m["Sns"] != nil) {
				return // unwrapped further: not compared
			}
			found(e)
		}
		return
	}
	found(v)
}

func TestExtendedDataMatchesPlainDecode(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the extended data set is not beside the checkout")
	}
	paths, err := filepath.Glob(filepath.Join(root, "*", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatal(err, "no files")
	}
	compared := 0
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c := splitText(t, string(data))
		var v any
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			if len(c.broken) == 0 {
				t.Errorf("%s is not JSON and nothing of it is broken", path)
			}
			continue
		}
		if bytes.Contains(data, []byte(`"CloudTrailEvent"`)) || bytes.Contains(data, []byte(`"awslogs"`)) ||
			bytes.Contains(data, []byte(`"logEvents"`)) ||
			len(c.events) > 0 && len(c.events[0].Record.Origin.Via) > 0 {
			continue // an envelope: the table above compares those
		}
		var want []any
		walk(v, func(r any) { want = append(want, r) })
		var got []any
		for _, e := range c.events {
			var v any
			d := json.NewDecoder(bytes.NewReader(e.Raw))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
		}
		if len(want) == 0 {
			continue
		}
		compared++
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %d events, want %d\n%.2000s", path, len(got), len(want), diff)
		}
	}
	if compared < 100 {
		t.Errorf("only %d files compared", compared)
	}
}

// TestFlatMemory: a document of hundreds of megabytes on one line passes in flat memory.
func TestFlatMemory(t *testing.T) {
	size := int64(200 << 20)
	if testing.Short() || raceEnabled {
		size = 40 << 20
	}
	r, w := io.Pipe()
	go func() {
		_, err := records.New(1).WriteDocumentOfSize(w, size)
		w.CloseWithError(err)
	}()
	peak := uint64(0)
	c := &sampler{peak: &peak}
	stats, err := split.New(split.Options{}).Split(t.Context(), r, &pipeline.Origin{}, split.Base{}, c)
	if err != nil || stats.Broken > 0 || stats.Bytes < size {
		t.Fatalf("%v, %+v", err, stats)
	}
	t.Logf("%d events, heap at most %d MiB", stats.Events, peak>>20)
	if peak > 64<<20 {
		t.Errorf("the heap grew to %d MiB", peak>>20)
	}
}

type sampler struct {
	n    int
	peak *uint64
}

func (s *sampler) Feed(context.Context, []pipeline.Event) error {
	if s.n++; s.n%64 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		*s.peak = max(*s.peak, m.HeapAlloc)
	}
	return nil
}

func (s *sampler) Broken(context.Context, pipeline.Broken) error { return nil }

func FuzzSplit(f *testing.F) {
	for _, s := range []string{
		ct("A") + "\n" + ct("B"), `{"Records":[` + ct("A") + `,{"eventVersion":"1],` + ct("B") + `]}`, sns(ct("A")), gz(ct("A")),
		subscription(sid, ct("A")), subscription("x", ct("A")), `[` + ct("A") + `]`, "Script started on \r\n$ \xff", eventBridge("x", ct("A")),
		`{"Records":[{"messageId":"1","body":` + quote(sns(ct("A"))) + `}]}`, `{"a":"` + "\n" + ct("B"), zst(ct("A")), "\xef\xbb\xbf{}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		o := split.Options{MaxRecord: 4 << 10, MaxDecompressed: 1 << 20, BatchEvents: 3, Unwrap: []string{"log"}}
		whole, _ := run(t, o, bytes.NewReader(in), nil)
		for _, e := range whole.events {
			if !json.Valid(e.Raw) || e.Raw[0] != '{' {
				t.Errorf("an event that is no JSON object: %q", e.Raw)
			}
		}
		if len(in) > 4<<10 {
			return // where a limit is hit depends on the blocks
		}
		parts, _ := run(t, o, iotest.OneByteReader(bytes.NewReader(in)), nil)
		if diff := cmp.Diff(describe(whole), describe(parts)); diff != "" {
			t.Errorf("byte by byte it gives other events:\n%s", diff)
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	var lines, document bytes.Buffer
	if err := records.New(1).WriteLines(&lines, 0, 20_000); err != nil {
		b.Fatal(err)
	}
	if err := records.New(1).WriteDocument(&document, 0, 20_000); err != nil {
		b.Fatal(err)
	}
	packed := gz(document.String())
	inputs := map[string][]byte{"lines": lines.Bytes(), "records": document.Bytes(), "gzip": []byte(packed)}
	for name, in := range inputs {
		for _, drop := range []bool{false, true} {
			to := split.Feeder(&collector{drop: true})
			if drop {
				name += ", dropped"
				to = &dropping{unwanted: func(*pipeline.Event) bool { return true }}
			}
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(document.Len()))
				s := split.New(split.Options{})
				for b.Loop() {
					if _, err := s.Split(b.Context(), bytes.NewReader(in), &pipeline.Origin{}, split.Base{}, to); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	b.Run("gunzip alone", func(b *testing.B) {
		b.SetBytes(int64(document.Len()))
		for b.Loop() {
			r, err := gzip.NewReader(strings.NewReader(packed))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// waiting is a Feeder that counts who is in it at one time, and keeps them until release is closed.
type waiting struct {
	inside  atomic.Int32
	release chan struct{}
}

func (w *waiting) Feed(context.Context, []pipeline.Event) error {
	w.inside.Add(1)
	defer w.inside.Add(-1)
	<-w.release
	return nil
}

func (w *waiting) Broken(context.Context, pipeline.Broken) error { return nil }

func TestUnpackingAtOneTime(t *testing.T) {
	s := split.New(split.Options{BatchEvents: 1, Unpacking: split.NewUnpacking(2, 1<<20)})
	inside := func(text string) string { return `{"awslogs":{"data":"` + b64(text) + `"}}` }
	w := &waiting{release: make(chan struct{})}
	texts := []string{gz(ct("A")), zst(ct("A")), inside(gz(ct("A"))), gz(inside(zst(ct("A")))), gz(inside(gz(ct("A")))), inside(zst(ct("A")))}
	ended := make(chan error, len(texts))
	for _, text := range texts {
		go func() {
			_, err := s.Split(context.Background(), strings.NewReader(text), &pipeline.Origin{}, split.Base{}, w)
			ended <- err
		}()
	}
	for w.inside.Load() < 2 {
		runtime.Gosched()
	}
	for _, text := range texts {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := s.Split(ctx, strings.NewReader(text), &pipeline.Origin{}, split.Base{}, &collector{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a split without a place ends with %v", err)
		}
		cancel()
	}
	if n := w.inside.Load(); n != 2 {
		t.Errorf("%d unpack at one time", n)
	}
	var plain collector
	if _, err := s.Split(t.Context(), strings.NewReader(ct("A")), &pipeline.Origin{}, split.Base{}, &plain); err != nil || len(plain.events) != 1 {
		t.Errorf("plain data: %d events, %v", len(plain.events), err)
	}
	close(w.release)
	for range texts {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	var after collector
	if _, err := s.Split(t.Context(), strings.NewReader(gz(ct("A"))+gz(ct("B"))), &pipeline.Origin{}, split.Base{}, &after); err != nil || len(after.events) != 2 {
		t.Errorf("afterwards: %d events, %v", len(after.events), err)
	}
}

func TestUnpackingBounds(t *testing.T) {
	inside := func(text string) string { return `{"awslogs":{"data":"` + b64(text) + `"}}` }
	// One raw block in a frame that asks for a window of 128 MiB.
	block := ct("A")
	header := uint32(len(block))<<3 | 1
	wide := "\x28\xb5\x2f\xfd\x00\x88" + string([]byte{byte(header), byte(header >> 8), byte(header >> 16)}) + block
	bounds := func() *split.Unpacking { return split.NewUnpacking(1, 16<<20) }
	for name, c := range map[string]struct {
		text   string
		bounds *split.Unpacking
		reason string // "" for an event
	}{
		"a wide window":            {wide, bounds(), "zstd: "},
		"a wide window inside":     {inside(wide), bounds(), "zstd: "},
		"a wide window, unbounded": {wide, nil, ""},
		"two layers":               {gz(inside(zst(ct("A")))), bounds(), ""},
		"two inside":               {inside(zst(inside(gz(ct("A"))))), bounds(), ""},
		"three layers":             {gz(inside(gz(inside(gz(ct("A")))))), bounds(), "too deeply"},
		"three layers, unbounded":  {gz(inside(gz(inside(gz(ct("A")))))), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got, _ := run(t, split.Options{Unpacking: c.bounds}, strings.NewReader(c.text), nil)
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; c.bounds != nil && n > 64<<20 {
				t.Errorf("%d bytes were allocated", n)
			}
			if c.reason == "" {
				if len(got.events) != 1 || len(got.broken) > 0 {
					t.Errorf("events %v, broken %+v", describe(got), got.broken)
				}
			} else if len(got.events) > 0 || len(got.broken) != 1 || !strings.Contains(got.broken[0].Reason, c.reason) {
				t.Errorf("events %v, broken %+v", describe(got), got.broken)
			}
		})
	}
}
