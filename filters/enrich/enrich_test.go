package enrich

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

var update = flag.Bool("update", false, "rewrite golden files and the schema")

func newFilter(t testing.TB, c Config) *Filter {
	t.Helper()
	f, err := New(c, pipeline.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func event(raw []byte, o *pipeline.Origin, index int64) pipeline.Event {
	return pipeline.NewEvent(&pipeline.Record{Raw: raw, Kind: record.KindOf(raw), Origin: o, Index: index, Reader: record.Reader{}})
}

func apply(t testing.TB, f *Filter, ev pipeline.Event) pipeline.Event {
	t.Helper()
	out, err := f.Apply(t.Context(), nil, ev)
	if err != nil || len(out) != 1 {
		t.Fatalf("%d events, %v", len(out), err)
	}
	return out[0]
}

// realRecords are the records of one file of formats/record/testdata, whose README names origin and licence.
func realRecords(t testing.TB, file string) [][]byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "formats", "record", "testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(data), []byte("\n"))
}

func realFiles(t testing.TB) (names []string) {
	t.Helper()
	paths, err := filepath.Glob("../../formats/record/testdata/*.ndjson")
	if err != nil || len(paths) == 0 {
		t.Fatal("no records", err)
	}
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	return names
}

func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(Schema())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestGolden holds what is added to real records. Every event also agrees with the published schema, keeps its other
// bytes, and is the same when it is enriched again.
func TestGolden(t *testing.T) {
	f := newFilter(t, Config{})
	s := schema(t)
	for _, file := range realFiles(t) {
		t.Run(file, func(t *testing.T) {
			var got bytes.Buffer
			origin := &pipeline.Origin{Input: "trail", Object: file}
			for i, raw := range realRecords(t, file) {
				ev := apply(t, f, event(raw, origin, int64(i)))
				added, ok := rawjson.Get(ev.Raw, "trailcast")
				if !ok {
					t.Fatalf("record %d has no trailcast object", i)
				}
				got.Write(append(bytes.Clone(added), '\n'))
				var v any
				if err := json.Unmarshal(ev.Raw, &v); err != nil {
					t.Fatal(err)
				}
				if err := s.Validate(v); err != nil {
					t.Errorf("record %d does not agree with the schema: %v", i, err)
				}
				if again := apply(t, f, ev); !bytes.Equal(again.Raw, ev.Raw) {
					t.Errorf("record %d changes when it is enriched again", i)
				}
				if _, had := rawjson.Get(raw, "trailcast"); !had && !bytes.Equal(rawjson.Delete(ev.Raw, "trailcast"), raw) {
					t.Errorf("record %d: other bytes were touched", i)
				}
			}
			path := filepath.Join("testdata", "golden-"+file)
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
				t.Errorf("differs from %s (-want +got); -update rewrites it:\n%s", path, diff)
			}
		})
	}
}

// TestSchemaIsUpToDate holds docs/schema to the code.
func TestSchemaIsUpToDate(t *testing.T) {
	text, err := json.MarshalIndent(Schema(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	path := filepath.Join("..", "..", "docs", "schema", "enriched-event.schema.json")
	if *update {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(have, text) {
		t.Errorf("%s is not what the code says (make generate): %v", path, err)
	}
}

// TestExtendedData: the examples of the AWS user guides may not be copied here, so their facts are.
func TestExtendedData(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "data", "aws-user-guides")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the extended data set is not beside the checkout")
	}
	type facts struct {
		account, region, service, action, actorType, kind, actor, role, session, ip, outcome, time string
		readOnly, cross, mfa                                                                       string // "" absent
	}
	const acct, machine, role, ok = "123456789012", "machine", "AssumedRole", "success"
	canary := func(action, at, readOnly string) facts { // the ARN's account is another than the recipient's
		return facts{"111122223333", "us-east-1", "synthetics", action, role, machine, "SAMPLE_NAME", "SAMPLE_NAME", "",
			"127.0.0.1", ok, at, readOnly, "true", "false"}
	}
	tests := map[string]facts{
		"01-blank-source-DeleteDocument.json": {acct, "us-east-2", "ssm", "DeleteDocument", role, machine, "example-role",
			"example-role", "", "", ok, "2018-03-06T20:30:12Z", "", "false", "false"},
		"02-ssm-DeleteDocument.json": {acct, "us-east-2", "ssm", "DeleteDocument", role, machine, "example-role/203.0.113.11",
			"example-role", "203.0.113.11", "203.0.113.11", ok, "2018-03-06T20:30:12Z", "", "false", "false"},
		"03-ssm-guiconnect-StartConnection.json": {acct, "us-east-2", "ssm-guiconnect", "StartConnection", role, machine,
			"exampleRole", "exampleRole", "", "34.230.45.60", ok, "2021-12-13T16:50:41Z", "false", "false", "false"},
		"04-monitoring-PutMetricAlarm.json": {acct, "us-east-1", "monitoring", "PutMetricAlarm", "Root", "human", acct, "", "",
			"127.0.0.1", ok, "2014-03-23T21:50:34Z", "", "false", ""},
		"05-events-PutRule.json": {acct, "us-east-1", "events", "PutRule", "Root", "human", acct, "", "", "AWS Internal", ok,
			"2015-11-18T00:11:28Z", "", "false", "false"},
		"06-logs-CreateExportTask.json": {acct, "us-east-1", "logs", "CreateExportTask", "IAMUser", machine, "someuser", "", "",
			"127.0.0.1", ok, "2016-02-08T06:35:14Z", "", "false", ""},
		"07-synthetics-DescribeCanaries.json": canary("DescribeCanaries", "2020-04-08T23:06:47Z", "true"),
		"08-synthetics-UpdateCanary.json":     canary("UpdateCanary", "2020-04-08T23:06:47Z", "false"),
		"09-synthetics-GetCanaryRuns.json":    canary("GetCanaryRuns", "2020-04-08T23:06:30Z", "true"),
	}
	f := newFilter(t, Config{})
	s := schema(t)
	paths, err := filepath.Glob(filepath.Join(root, "*.json"))
	if err != nil || len(paths) != 9 {
		t.Fatalf("%d examples, want 9: %v", len(paths), err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if records, ok := rawjson.Get(data, "Records"); ok {
			_ = rawjson.EachElement(records, func(_ int, v []byte) bool { data = v; return false })
		}
		ev := apply(t, f, event(bytes.TrimSpace(data), &pipeline.Origin{Input: "guide", Object: name}, 0))
		var v any
		if err := json.Unmarshal(ev.Raw, &v); err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("%s does not agree with the schema: %v", name, err)
		}
		get := func(path ...string) string { return rawjson.Str(ev.Raw, append([]string{"trailcast"}, path...)...) }
		ip := get("source", "ip")
		if ip == "" {
			ip = get("source", "aws_service")
		}
		literal := func(path ...string) string {
			value, _ := rawjson.Get(ev.Raw, append([]string{"trailcast"}, path...)...)
			return string(value)
		}
		got := facts{get("account", "id"), get("region"), get("service"), get("action"), get("actor", "type"),
			get("actor", "kind"), ev.Facts().ActorName(), get("actor", "role"), get("actor", "session_name"), ip,
			get("outcome"), get("time"), literal("read_only"), literal("cross_account"), literal("actor", "mfa")}
		if want := tests[name]; got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
	}
}

func TestIncomingObjectIsReplacedUnlessTrusted(t *testing.T) {
	raw := []byte(`{"trailcast":{"account":{"id":"forged"}},"eventName":"A","eventID":"1","eventType":"x","trailcast":{"v":9}}`)
	got := apply(t, newFilter(t, Config{}), event(raw, nil, 0))
	if bytes.Contains(got.Raw, []byte("forged")) || bytes.Count(got.Raw, []byte(`"trailcast"`)) != 1 {
		t.Errorf("a forged object survives: %s", got.Raw)
	}
	if got := apply(t, newFilter(t, Config{Trust: true}), event(raw, nil, 0)); !bytes.Equal(got.Raw, raw) {
		t.Errorf("a trusted object was touched: %s", got.Raw)
	}
	got = apply(t, newFilter(t, Config{Key: "x"}), event(raw, nil, 0))
	if _, ok := rawjson.Get(got.Raw, "x", "id"); !ok {
		t.Errorf("no object under another key: %s", got.Raw)
	}
}

func TestAccountNames(t *testing.T) {
	dir := t.TempDir()
	raw := []byte(`{"eventName":"A","eventID":"1","eventType":"x","recipientAccountId":"111111111111","userIdentity":{"type":"IAMUser","accountId":"222222222222"}}`)
	for name, text := range map[string]string{
		"a.csv":  "id,name\n111111111111,one\n222222222222,\"two, quoted\"\n",
		"b.csv":  "111111111111,one\n222222222222,\"two, quoted\"\n",
		"a.yaml": "\"111111111111\": one\n\"222222222222\": two, quoted\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ev := apply(t, newFilter(t, Config{Accounts: path}), event(raw, nil, 0))
		if one, two := rawjson.Str(ev.Raw, "trailcast", "account", "name"), rawjson.Str(ev.Raw, "trailcast", "actor", "account", "name"); one != "one" || two != "two, quoted" {
			t.Errorf("%s: got %q and %q", name, one, two)
		}
		if ev.Facts().Account.Name != "one" {
			t.Errorf("%s: templates would see %q", name, ev.Facts().Account.Name)
		}
	}
}

// One iteration is one event. "facts" computes them anew, "object" has them already.
func BenchmarkEnrich(b *testing.B) {
	f := newFilter(b, Config{})
	raws, origin := realRecords(b, "invictus.ndjson"), &pipeline.Origin{Input: "x", Object: "s3://bucket/key"}
	var events []pipeline.Event
	size := 0
	for _, raw := range raws {
		events = append(events, event(raw, origin, 0))
		size += len(raw)
	}
	var dst []pipeline.Event
	b.Run("facts", func(b *testing.B) {
		b.SetBytes(int64(size / len(raws)))
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			dst, _ = f.Apply(b.Context(), dst[:0], event(raws[i%len(raws)], origin, 0))
		}
	})
	b.Run("object", func(b *testing.B) {
		b.SetBytes(int64(size / len(raws)))
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			dst, _ = f.Apply(b.Context(), dst[:0], events[i%len(events)])
		}
	})
	b.Run("object with geoip", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "geo.mmdb")
		writeDB(b, path, mmdbtype.Map{
			"country": mmdbtype.Map{"iso_code": mmdbtype.String("IE"), "names": mmdbtype.Map{"en": mmdbtype.String("Ireland")}},
			"city":    mmdbtype.Map{"names": mmdbtype.Map{"de": mmdbtype.String("Dublin"), "en": mmdbtype.String("Dublin")}},
		})
		f := newFilter(b, Config{GeoIP: path})
		ev := event([]byte(`{"eventName":"A","eventID":"1","eventType":"x","sourceIPAddress":"203.0.113.7"}`), origin, 0)
		b.ReportAllocs()
		for b.Loop() {
			dst, _ = f.Apply(b.Context(), dst[:0], ev)
		}
	})
}
