package redact

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/pipeline"
)

func filter(t testing.TB, c Config) *Filter {
	t.Helper()
	f, err := New(c, pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func apply(t testing.TB, f *Filter, raw string) string {
	t.Helper()
	out, err := f.Apply(t.Context(), nil, pipeline.NewEvent(&pipeline.Record{Raw: []byte(raw)}))
	if err != nil {
		t.Fatal(err)
	}
	return string(out[0].Raw)
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// corpus yields the lines of a file; of one of a rule whether each must be touched.
func corpus(t testing.TB, name string, line func(text string, must bool)) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for text := range strings.Lines(string(data)) {
		text = strings.TrimSuffix(text, "\n")
		switch {
		case strings.HasPrefix(text, "+ "):
			line(text[2:], true)
		default:
			line(strings.TrimPrefix(text, "- "), false)
		}
	}
}

// sessionLog is the record of a session with some lines.
func sessionLog(lines ...string) string {
	b, err := json.Marshal(lines)
	if err != nil {
		panic(err)
	}
	return `{"eventTime":"2026-11-21T10:00:00Z","target":{"id":"i-1"},"sessionId":"jane-0123456789abcdef0","sessionData":` + string(b) + `}`
}

// TestRules holds every rule to lines that it must and must not touch: testdata/rules.
func TestRules(t *testing.T) {
	all := filter(t, Config{Defaults: true})
	for _, r := range defaultRules() {
		t.Run(r.name, func(t *testing.T) {
			var touched, left int
			alone := filter(t, Config{})
			alone.rules = one(defaultRules(), r.name)
			alone.index()
			corpus(t, "rules/"+r.name+".txt", func(text string, must bool) {
				all.memory, alone.memory = newMemory(1<<20), newMemory(1<<20)
				if !must {
					left++
					if got := applySession(t, all, sessionLog(text, "$ ls")); strings.Contains(got, "REDACTED") {
						t.Errorf("touched without need: %s", got)
					}
					return
				}
				touched++
				for name, f := range map[string]*Filter{"with all rules": all, "alone": alone} {
					got := applySession(t, f, sessionLog(text))
					if strings.Contains(got, "HUSHUP") || !strings.Contains(got, "[REDACTED]") {
						t.Errorf("%s the secret survives: %s", name, got)
					}
				}
				if !r.session {
					if got := apply(t, all, `{"x":`+quote(text)+`}`); strings.Contains(got, "HUSHUP") {
						t.Errorf("outside of sessions the secret survives: %s", got)
					}
				}
			})
			if touched == 0 || left == 0 {
				t.Errorf("%d lines to touch and %d to leave", touched, left)
			}
		})
	}
}

// TestOrdinaryLines holds all rules together to lines without secrets.
func TestOrdinaryLines(t *testing.T) {
	f := filter(t, Config{Defaults: true})
	corpus(t, "clean.txt", func(text string, _ bool) {
		if got := applySession(t, f, sessionLog(text, "$ ls")); strings.Contains(got, "REDACTED") {
			t.Errorf("touched without need: %s", got)
		}
	})
}

// applySession is apply for the record of a session.
func applySession(t testing.TB, f *Filter, raw string) string {
	t.Helper()
	out, err := f.Apply(t.Context(), nil, pipeline.NewEvent(&pipeline.Record{Raw: []byte(raw), Kind: pipeline.KindSessionLog, Seed: raw, Reader: seedReader{}}))
	if err != nil {
		t.Fatal(err)
	}
	return string(out[0].Raw)
}

// seedReader takes a record's seed for its key.
type seedReader struct{}

func (seedReader) Facts(r *pipeline.Record) *pipeline.Facts { return &pipeline.Facts{Kind: r.Kind} }
func (seedReader) Key(r *pipeline.Record) string            { return r.Seed }

func one(rules []rule, name string) []rule {
	for _, r := range rules {
		if r.name == name {
			return []rule{r}
		}
	}
	return nil
}

func TestKeysAndPaths(t *testing.T) {
	tests := []struct {
		name     string
		config   Config
		in, want string
	}{
		{"default key", Config{Defaults: true}, `{"a":{"masterUserPassword":"x1"}}`, `{"a":{"masterUserPassword":"[REDACTED]"}}`},
		{"other case", Config{Defaults: true}, `{"PASSWORD":"x"}`, `{"PASSWORD":"[REDACTED]"}`},
		{"escaped key", Config{Defaults: true}, `{"pass\u0077ord":"x"}`, `{"pass\u0077ord":"[REDACTED]"}`},
		{"all duplicates", Config{Defaults: true}, `{"password":"x","a":1,"password":"y"}`, `{"password":"[REDACTED]","a":1,"password":"[REDACTED]"}`},
		{"hidden by AWS", Config{Defaults: true}, `{"password":"HIDDEN_DUE_TO_SECURITY_REASONS","tokenValue":"Value hidden due to security reasons.","secret":"****"}`, `{"password":"HIDDEN_DUE_TO_SECURITY_REASONS","tokenValue":"Value hidden due to security reasons.","secret":"****"}`},
		{"no text", Config{Defaults: true}, `{"password":true,"secret":5,"userData":null,"privateKey":{"a":"b"}}`, `{"password":true,"secret":5,"userData":null,"privateKey":{"a":"b"}}`},
		{"evidence stays", Config{Defaults: true}, `{"accessKeyId":"AKIAIOSFODNN7EXAMPLE","passwordLastUsed":"2026"}`, `{"accessKeyId":"AKIAIOSFODNN7EXAMPLE","passwordLastUsed":"2026"}`},
		{"bytes around", Config{Defaults: true}, "{ \"n\" : 1.00 ,\n \"password\" : \"x\" , \"e\":\"\\u00fc\" }", "{ \"n\" : 1.00 ,\n \"password\" : \"[REDACTED]\" , \"e\":\"\\u00fc\" }"},
		{"own key", Config{Keys: []string{"*pin*"}}, `{"userPinCode":"1234","b":"1234"}`, `{"userPinCode":"[REDACTED]","b":"1234"}`},
		{"path", Config{Paths: []string{"a.b"}}, `{"a":{"b":{"c":1}},"b":2}`, `{"a":{"b":"[REDACTED]"},"b":2}`},
		{"path over elements", Config{Paths: []string{"tags.*.value"}}, `{"tags":[{"value":1},{"value":[2]}]}`, `{"tags":[{"value":"[REDACTED]"},{"value":"[REDACTED]"}]}`},
		{"path at any depth", Config{Paths: []string{"**.x"}}, `{"x":1,"a":{"x":2,"b":[{"x":3}]}}`, `{"x":"[REDACTED]","a":{"x":"[REDACTED]","b":[{"x":"[REDACTED]"}]}}`},
		{"elements", Config{Paths: []string{"lines.*"}}, `{"lines":["a","b"]}`, `{"lines":["[REDACTED]","[REDACTED]"]}`},
		{"document in a string", Config{Defaults: true}, `{"secretDoc":"{\"password\":\"hunter22\",\"u\":\"x\"}"}`, `{"secretDoc":"{\"password\":\"[REDACTED]\",\"u\":\"x\"}"}`},
		{"own pattern", Config{Patterns: []Pattern{{"n", `id-(?P<secret>\d+)`}}}, `{"a":"id-123456 and id-7"}`, `{"a":"id-[REDACTED] and id-[REDACTED]"}`},
		{"key over lines", Config{Defaults: true}, `{"lines":["$ cat id","-----BEGIN RSA PRIVATE KEY-----","MIIEow","AAAA","-----END RSA PRIVATE KEY-----","$ ls"]}`, `{"lines":["$ cat id","-----BEGIN RSA PRIVATE KEY-----","[REDACTED]","[REDACTED]","-----END RSA PRIVATE KEY-----","$ ls"]}`},
		{"key without end", Config{Defaults: true}, `{"sessionData":["-----BEGIN PRIVATE KEY-----","MIIEow"]}`, `{"sessionData":["-----BEGIN PRIVATE KEY-----","[REDACTED]"]}`},
		{"what somebody wrote among the facts", Config{Defaults: true}, `{"trailcast":{"error":{"message":"token=s3cretvalue"},"session":{"reason":"API_TOKEN=s3cretvalue","id":"a"}}}`, `{"trailcast":{"error":{"message":"token=[REDACTED]"},"session":{"reason":"API_TOKEN=[REDACTED]","id":"a"}}}`},
		{"what enrichment wrote", Config{Defaults: true, Paths: []string{"**.id"}}, `{"trailcast":{"id":"x","actor":{"password":"y"}}}`, `{"trailcast":{"id":"x","actor":{"password":"y"}}}`},
		{"replacement", Config{Defaults: true, Replacement: "<gone>"}, `{"password":"x"}`, `{"password":"<gone>"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := filter(t, tt.config)
			got := apply(t, f, tt.in)
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if again := apply(t, f, got); again != got {
				t.Errorf("a second time it gives %s", again)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	c := Config{Paths: []string{"a..b"}, Patterns: []Pattern{{"x", "("}, {"y", "a*"}}}
	err := c.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("three mistakes give %v", err)
	}
}

func TestCleanEventsAreUntouched(t *testing.T) {
	f := filter(t, Config{Defaults: true})
	gen := records.New(3)
	touched := 0
	for i := range int64(500) {
		raw := gen.Append(nil, i)
		out, err := f.Apply(t.Context(), nil, pipeline.NewEvent(&pipeline.Record{Raw: raw}))
		if err != nil {
			t.Fatal(err)
		}
		if &out[0].Raw[0] != &raw[0] {
			touched++
			if bytes.Count(out[0].Raw, []byte("[REDACTED]")) == 0 {
				t.Errorf("changed without a redaction: %s", out[0].Raw)
			}
		}
	}
	if touched > 100 {
		t.Errorf("%d of 500 ordinary events were changed", touched)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add(`{"password":"x","lines":["mysql -pabc","-----BEGIN PRIVATE KEY-----","x"]}`)
	f.Add(`{"a":"https://u:p@h","b":{"c":["eyJhbGciOiJ9.eyJzdWIiOiJ9.x"]}}`)
	f.Add("{\"a\" : [ \"password=\\u0041bcdef\" ] }")
	r := filter(f, Config{Defaults: true, Paths: []string{"**.pin", "a.*.b"}, Keys: []string{"*x*"}})
	f.Fuzz(func(t *testing.T, in string) {
		if !json.Valid([]byte(in)) || strings.TrimLeft(in, " \t\r\n") == "" || strings.TrimLeft(in, " \t\r\n")[0] != '{' {
			return
		}
		got := apply(t, r, in)
		if !json.Valid([]byte(got)) {
			t.Errorf("%q becomes invalid: %q", in, got)
		}
		if again := apply(t, r, got); again != got {
			t.Errorf("%q becomes %q, and then %q", in, got, again)
		}
	})
}

func BenchmarkClean(b *testing.B) {
	f := filter(b, Config{Defaults: true})
	gen := records.New(3)
	var events []pipeline.Event
	size := 0
	for i := range int64(200) {
		raw := gen.Append(nil, i)
		size += len(raw)
		events = append(events, pipeline.NewEvent(&pipeline.Record{Raw: raw}))
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	var dst []pipeline.Event
	for b.Loop() {
		for _, ev := range events {
			dst, _ = f.Apply(b.Context(), dst[:0], ev)
		}
	}
}
