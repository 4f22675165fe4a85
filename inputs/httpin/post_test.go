package httpin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/internal/splitconf"
)

func TestPosts(t *testing.T) {
	lines := trail("1") + "\n" + trail("2") + "\n"
	for name, c := range map[string]struct {
		body    string
		headers []string
		status  int
		answer  string
	}{
		"a record":               {trail("1"), nil, 200, ok1},
		"a form, says curl":      {trail("1"), []string{"Content-Type", "application/x-www-form-urlencoded"}, 200, ok1},
		"lines":                  {lines, []string{"Content-Type", "application/x-ndjson"}, 200, `{"events":2,"rejected":0}`},
		"an array":               {"[" + trail("1") + "," + trail("2") + "]", nil, 200, `{"events":2,"rejected":0}`},
		"a log file":             {`{"Records":[` + trail("1") + "," + trail("2") + "]}", nil, 200, `{"events":2,"rejected":0}`},
		"a compressed log file":  {packed(`{"Records":[` + trail("1") + "]}"), nil, 200, ok1},
		"gzip":                   {packed(lines), []string{"Content-Encoding", "gzip"}, 200, `{"events":2,"rejected":0}`},
		"gzip of several":        {packed(lines, lines), []string{"Content-Encoding", "gzip"}, 200, `{"events":4,"rejected":0}`},
		"zstd":                   {zstandard(lines), []string{"Content-Encoding", "zstd"}, 200, `{"events":2,"rejected":0}`},
		"a byte order mark":      {"\xef\xbb\xbf" + trail("1"), nil, 200, ok1},
		"a field that wraps":     {`{"date":1.5,"log":"` + strings.ReplaceAll(trail("1"), `"`, `\"`) + `"}`, nil, 200, ok1},
		"an unknown object":      {`{"a":1}`, nil, 200, ok1},
		"a broken line":          {trail("1") + "\n{broken\n" + trail("2") + "\n", nil, 200, `{"events":2,"rejected":1}`},
		"gzip that breaks off":   {packed(lines)[:60], []string{"Content-Encoding", "gzip"}, 200, ""},
		"a bomb":                 {packed(trail("1") + "\n" + strings.Repeat(" ", 300<<10)), nil, 200, `{"events":1,"rejected":1}`},
		"a validation message":   {`{"Type":"Notification","MessageId":"1","TopicArn":"` + snsTopic + `","Message":"CloudTrail validation message."}`, nil, 200, `{"events":0,"rejected":0}`},
		"nothing":                {"", nil, 400, ""},
		"white space":            {" \r\n\t", nil, 400, ""},
		"text":                   {"hello", nil, 400, ""},
		"MessagePack":            {"\x92\xd7\x00aaaaaaaa\x81\xa1a\x01", []string{"Content-Type", "application/msgpack"}, 400, ""},
		"another compression":    {trail("1"), []string{"Content-Encoding", "br"}, 415, ""},
		"two compressions":       {trail("1"), []string{"Content-Encoding", "gzip, gzip"}, 415, ""},
		"a body that is no gzip": {trail("1"), []string{"Content-Encoding", "gzip"}, 200, ok1},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{Config: splitconf.Config{Unwrap: []string{"log"}}, MaxDecompressed: 200 << 10})
			s.post(c.body, c.headers...).want(t, c.status, c.answer)
			if c.status != 200 {
				s.nothing()
			} else if strings.Contains(c.answer, `"events":1`) && c.body != `{"a":1}` {
				o := s.one(trail("1")).Record.Origin
				if o.Object != "http:127.0.0.1" || o.Via[0] != "http" || len(o.Identity) != 32 {
					t.Errorf("origin %+v", o)
				}
			}
		})
	}
}

func TestEventBridge(t *testing.T) {
	const other = `{"version":"0","id":"17793124-05d4-b198-2fde-7ededc63b103","detail-type":"Object Created","source":"aws.s3","account":"123456789012","time":"2021-11-12T00:00:00Z","region":"ca-central-1","resources":[],"detail":{"reason":"PutObject"}}`
	s := start(t, Config{})
	s.post(bridge("7bf73129-1428-4cd3-a780-95db273d1602", trail("a")), "User-Agent", "Amazon/EventBridge/ApiDestinations", "Content-Type", "application/json; charset=utf-8").want(t, 200, ok1)
	o := s.one(trail("a")).Record.Origin
	if o.Object != "eventbridge" || o.Identity != "7bf73129-1428-4cd3-a780-95db273d1602" || strings.Join(o.Via, " ") != "http eventbridge" || o.Owner != "123456789012" {
		t.Errorf("origin %+v", o)
	}
	for range 2 {
		s.post(other).want(t, 200, ok1)
	}
	if keys := s.Keys(other); s.Events()[other] != 2 || len(keys) != 1 {
		t.Errorf("a repeat has other keys: %v", keys)
	}
}

// TestRepeats holds that a post that is sent again has the same keys, and that a client can tell its posts apart.
func TestRepeats(t *testing.T) {
	const body = `{"level":"info"}`
	s := start(t, Config{})
	s.post(body).want(t, 200, ok1)
	s.post(body).want(t, 200, ok1)
	if keys := s.Keys(body); len(keys) != 1 {
		t.Errorf("keys %v", keys)
	}
	for _, id := range []string{"1", "2", "2", "no id, since it has spaces", strings.Repeat("x", 1000)} {
		s.post(body, headerIdempotency, id).want(t, 200, ok1)
	}
	if keys := s.Keys(body); len(keys) != 3 {
		t.Errorf("keys %v", keys)
	}
}

func TestPaths(t *testing.T) {
	s := start(t, Config{Paths: []string{"/firehose", "/sns/", "/a%20b"}})
	for path, status := range map[string]int{"firehose": 200, "sns/": 200, "": 404, "sns": 404, "firehose/": 404, "firehose/../x": 404, "FIREHOSE": 404, "firehose?a=b": 200, "fire%68ose": 404, "%66irehose": 404, "sns%2F": 404, "a%20b": 200, "%61%20b": 404} {
		got, err := s.try(s.url+path, trail("a"))
		if err != nil || got.status != status {
			t.Errorf("/%s: %d, %v", path, got.status, err)
		}
	}
}

func TestMethods(t *testing.T) {
	s := start(t, Config{AccessKey: accessKey})
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions, "BREW"} {
		r, err := http.NewRequestWithContext(t.Context(), method, s.url, strings.NewReader(trail("a")))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = got.Body.Close()
		if got.StatusCode != 405 || got.Header.Get("Allow") != "POST" {
			t.Errorf("%s: %d, Allow %q", method, got.StatusCode, got.Header.Get("Allow"))
		}
	}
	s.nothing()
}

func TestTextOfSessions(t *testing.T) {
	s := start(t, Config{Config: splitconf.Config{Accept: []string{"session_log"}}})
	s.post("$ id\nuid=0(root)\n").want(t, 200, ok1)
	s.post("{\"typed\": 1}\n").want(t, 200, ok1)
	s.post("").want(t, 400, "")
	all := start(t, Config{})
	all.post("Script started on 2024-05-01 12:00:00+00:00\r\n$ id\r\n").want(t, 200, ok1)
}
