package httpin

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trailcast/trailcast/internal/splitconf"
	"github.com/trailcast/trailcast/pipeline"
)

const (
	requestID = "ed4acda5-034f-9f42-bba1-f29aea6d7d8f"
	streamOf  = "arn:aws:firehose:us-east-1:123456789012:deliverystream/testStream"
	accessKey = "4096 bytes at most"
)

// firehoseBody is a body as the service sends it.
func firehoseBody(data ...string) string {
	var records []string
	for _, d := range data {
		records = append(records, fmt.Sprintf(`{"data":%q}`, base64.StdEncoding.EncodeToString([]byte(d))))
	}
	return fmt.Sprintf(`{"requestId":%q,"timestamp":1578090901599,"records":[%s]}`, requestID, strings.Join(records, ","))
}

// firehose posts as the service does.
func (s *site) firehose(body string, more ...string) reply {
	s.Helper()
	return s.post(body, append([]string{
		"X-Amz-Firehose-Protocol-Version", "1.0", headerFirehoseID, requestID, "Content-Type", "application/json",
		headerFirehoseSource, streamOf, headerFirehoseKey, accessKey,
		"X-Amz-Firehose-Common-Attributes", `{"commonAttributes":{"deployment -context":"pre-prod-gamma"}}`,
	}, more...)...)
}

// wantFirehose holds an answer to the form that the service asks for; message is a part of the error's.
func (r reply) wantFirehose(t testing.TB, status int, message string) {
	t.Helper()
	r.want(t, status, "")
	var got map[string]any
	d := json.NewDecoder(strings.NewReader(r.body))
	d.UseNumber()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	ms, err := got["timestamp"].(json.Number).Int64()
	if age := time.Since(time.UnixMilli(ms)); err != nil || age < 0 || age > time.Minute {
		t.Errorf("timestamp %v", got["timestamp"])
	}
	text, failed := got["errorMessage"].(string)
	if got["requestId"] != requestID || failed != (status != 200) || !strings.Contains(text, message) || len(got) > 3 {
		t.Errorf("answered %s", r.body)
	}
	if r.header.Get("Content-Length") != strconv.Itoa(len(r.body)) || r.header.Get("Content-Encoding") != "" {
		t.Errorf("headers %v", r.header)
	}
}

func logs7(stream string, messages ...string) string {
	var events []string
	for i, m := range messages {
		events = append(events, fmt.Sprintf(`{"id":"%056d","timestamp":1510109208016,"message":%q}`, i, m))
	}
	return fmt.Sprintf(`{"messageType":"DATA_MESSAGE","owner":"210987654321","logGroup":"g","logStream":%q,"subscriptionFilters":["f"],"logEvents":[%s]}`,
		stream, strings.Join(events, ","))
}

func TestFirehose(t *testing.T) {
	control := `{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[]}`
	s := start(t, Config{AccessKey: accessKey})
	s.firehose(firehoseBody(
		trail("json"),
		trail("line 1")+"\n"+trail("line 2")+"\n",
		trail("joined 1")+trail("joined 2"),
		"", " \n",
		packed(logs7("123456789012_CloudTrail_eu-west-1", trail("logs 1"), trail("logs 2")), control, logs7("x", trail("member 2"))),
		"{\n \"Records\": ["+trail("file")+"]\n}",
		bridge("b", trail("bridge")),
		zstandard(trail("zstd")),
		"plain text",
		`{"detail":"<&>"}`,
	)).wantFirehose(t, 200, "")
	for _, id := range []string{"json", "line 1", "line 2", "joined 1", "joined 2", "logs 1", "logs 2", "member 2", "file", "bridge", "zstd"} {
		s.one(trail(id))
	}
	s.one(`{"detail":"<&>"}`)
	if n := len(s.Events()); n != 12 {
		t.Errorf("%d events: %v", n, s.Events())
	}
	if a := s.Aside(); len(a) != 1 || string(a[0].Raw) != "plain text" || a[0].Origin.Object != "firehose:"+streamOf {
		t.Errorf("quarantine: %+v", a)
	}
	o := s.one(trail("logs 1")).Record.Origin
	if o.Owner != "210987654321" || strings.Join(o.Via, " ") != "http firehose cloudwatch_logs" || o.Input != "web" {
		t.Errorf("origin %+v", o)
	}
	o = s.one(trail("json")).Record.Origin
	if o.Object != "firehose:"+streamOf || o.Region != "us-east-1" || o.Time.UnixMilli() != 1578090901599 || strings.Join(o.Via, " ") != "http firehose" {
		t.Errorf("origin %+v", o)
	}
}

func TestFirehoseGzip(t *testing.T) {
	s := start(t, Config{AccessKey: accessKey})
	s.firehose(packed(firehoseBody(packed(trail("a")), trail("b"))), "Content-Encoding", "gzip").wantFirehose(t, 200, "")
	s.one(trail("a"))
	s.one(trail("b"))
}

func TestFirehoseTranscripts(t *testing.T) {
	s := start(t, Config{AccessKey: accessKey, Config: splitconf.Config{Accept: []string{"session_log"}}})
	s.firehose(firehoseBody("$ id\nuid=0(root)\n", `{"typed": "in a session"}`)).wantFirehose(t, 200, "")
	if n := len(s.Events()); n != 2 || len(s.Aside()) > 0 {
		t.Errorf("events %v, quarantine %v", s.Events(), s.Aside())
	}
}

// TestFirehoseRepeats holds that what Firehose sends again has the same keys, and that equal records have different ones.
func TestFirehoseRepeats(t *testing.T) {
	const line = `{"message":"equal"}`
	s := start(t, Config{AccessKey: accessKey})
	body := firehoseBody(line, line, packed(line), line+"\n"+line)
	for range 2 {
		s.firehose(body).wantFirehose(t, 200, "")
	}
	if n, keys := s.Events()[line], len(s.Keys(line)); n != 10 || keys != 5 {
		t.Errorf("%d deliveries with %d keys", n, keys)
	}
}

func TestFirehoseManyRecords(t *testing.T) {
	s := start(t, Config{AccessKey: accessKey})
	var data []string
	for i := range 10_000 {
		data = append(data, trail(strconv.Itoa(i)))
	}
	s.firehose(firehoseBody(data...)).wantFirehose(t, 200, "")
	if s.Total() != len(data) || len(s.Events()) != len(data) {
		t.Errorf("%d deliveries of %d events", s.Total(), len(s.Events()))
	}
}

func TestFirehoseRefused(t *testing.T) {
	good := firehoseBody(trail("a"))
	for name, c := range map[string]struct {
		body    string
		headers []string
		status  int
		message string
	}{
		"another key":       {good, []string{headerFirehoseKey, "guess"}, 401, "no credentials"},
		"a part of the key": {good, []string{headerFirehoseKey, accessKey[:5]}, 401, "no credentials"},
		"an empty key":      {good, []string{headerFirehoseKey, ""}, 401, "no credentials"},
		"no JSON":           {"hello", nil, 400, "no Firehose request"},
		"nothing":           {"", nil, 400, "no Firehose request"},
		"an array":          {"[]", nil, 400, "no Firehose request"},
		"broken JSON":       {good[:len(good)-1], nil, 400, "no Firehose request"},
		"two documents":     {good + good, nil, 400, "no Firehose request"},
		"no records":        {`{"requestId":"` + requestID + `"}`, nil, 400, "no Firehose request"},
		"records of a kind": {`{"requestId":"` + requestID + `","records":{}}`, nil, 400, "no Firehose request"},
		"no id":             {strings.Replace(good, "requestId", "id", 1), nil, 400, "no Firehose request"},
		"a number as id":    {`{"requestId":1,"records":[]}`, nil, 400, "no Firehose request"},
		"another id":        {strings.Replace(good, requestID, "other", 1), nil, 400, "request ids"},
		"broken gzip":       {packed(good)[:100], []string{"Content-Encoding", "gzip"}, 400, "gzip"},
		"too large":         {good + strings.Repeat(" ", 4<<10), nil, 400, "max_body"},
		"a bomb":            {packed(good + strings.Repeat(" ", 200<<10)), []string{"Content-Encoding", "gzip"}, 400, "max_decompressed"},
		"another encoding":  {good, []string{"Content-Encoding", "br"}, 415, "compressed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{AccessKey: accessKey, MaxBody: 4 << 10, MaxDecompressed: 100 << 10})
			s.firehose(c.body, c.headers...).wantFirehose(t, c.status, c.message)
			s.nothing()
			if text := s.logs.String(); strings.Contains(text, accessKey) || strings.Contains(text, "guess") {
				t.Errorf("the log holds a key: %s", text)
			}
		})
	}
}

func TestFirehoseBadRecordsGoToQuarantine(t *testing.T) {
	s := start(t, Config{AccessKey: accessKey})
	body := firehoseBody(trail("a"), trail("b"))
	body = strings.Replace(body, `"records":[`, `"records":[{"data":"no base64!"},{"data":7},{},"text",null,`, 1)
	s.firehose(body).wantFirehose(t, 200, "")
	s.one(trail("a"))
	s.one(trail("b"))
	if n := len(s.Aside()); n != 5 {
		t.Errorf("%d in quarantine", n)
	}
}

func TestFirehoseAnswersAfterDelivery(t *testing.T) {
	s := start(t, Config{AccessKey: accessKey, Timeout: 100 * time.Millisecond})
	release := s.Hold()
	s.firehose(firehoseBody(trail("a"))).wantFirehose(t, 503, "not delivered")
	release()
	s.Wait("the late event", func() bool { return s.Total() == 1 })
	s.firehose(firehoseBody(trail("a"))).wantFirehose(t, 200, "")
	if n := len(s.Keys(trail("a"))); n != 1 || s.Total() != 2 {
		t.Errorf("%d deliveries with %d keys", s.Total(), n)
	}
}

func TestRejectedByTheOutputIsDone(t *testing.T) {
	s := start(t, Config{AccessKey: accessKey})
	s.Fail(func(raw string) error { return pipeline.Reject(errors.New("too large")) })
	s.firehose(firehoseBody(trail("a"))).wantFirehose(t, 200, "")
	if len(s.Aside()) != 1 {
		t.Errorf("quarantine: %+v", s.Aside())
	}
}

func TestSourceArnOfOtherFormsIsNoOrigin(t *testing.T) {
	s := start(t, Config{AccessKey: accessKey})
	for i, source := range []string{"", "arn:aws:firehose:x", streamOf + "/../x", streamOf + " x", "\x7f", strings.Repeat("a", 5000)} {
		id := strconv.Itoa(i)
		if got, err := s.try(s.url, firehoseBody(trail(id)), headerFirehoseID, requestID, headerFirehoseKey, accessKey, headerFirehoseSource, source); err != nil {
			continue // the client refuses what is no header
		} else {
			got.wantFirehose(t, 200, "")
		}
		if o := s.one(trail(id)).Record.Origin; o.Object != "http:127.0.0.1" {
			t.Errorf("%q makes the origin %q", source, o.Object)
		}
	}
}
