package enrich

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// everything has each fact that there is.
func everything() (*pipeline.Facts, place, *pipeline.Record) {
	facts := &pipeline.Facts{
		ID: "id", Kind: pipeline.KindCloudTrail, Time: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), Region: "eu-west-1",
		Account: pipeline.Account{ID: "111122223333", Name: "payments"}, Service: "ssm", Action: "StartSession",
		Category: "Management", ReadOnly: pipeline.No, Outcome: "denied",
		Error: pipeline.ErrorFact{Code: "AccessDenied", Message: "no"},
		Actor: pipeline.Actor{
			Type: "AssumedRole", Kind: "human", ID: "AROA1:s", ARN: "arn", Account: pipeline.Account{ID: "444455556666", Name: "x"},
			User: "u", Role: "r", RoleARN: "ra", SessionName: "s", PermissionSet: "p", AccessKeyID: "k", MFA: pipeline.Yes,
			Console: true, SourceIdentity: "si", OnBehalfOf: "ob", InvokedBy: "ib",
		},
		CrossAccount: pipeline.Yes,
		Source:       pipeline.Source{IP: "203.0.113.7", AWSService: "a", UserAgent: "ua", VPCEndpoint: "v"},
		Session:      pipeline.Session{ID: "s-0", Target: "i-1", Document: "d", Reason: "r"},
	}
	r := &pipeline.Record{Index: 17, Origin: &pipeline.Origin{Input: "trail", Object: "s3://b/k", Via: []string{"sqs", "s3"},
		Tag: "cloudtrail.x", Time: time.Unix(1700000000, 5), Owner: "777788889999"}}
	return facts, place{country: "IE", city: "Dublin", asn: 64500}, r
}

func appendObject(dst []byte, f *pipeline.Facts, p place, r *pipeline.Record) []byte {
	return new(memory).appendObject(dst, f, p, r)
}

// What is written and what the schema names are the same members in the same order.
func TestTheTableIsWhatIsWritten(t *testing.T) {
	facts, where, r := everything()
	object := appendObject(nil, facts, where, r)
	if err := rawjson.Valid(object); err != nil {
		t.Fatal(err)
	}
	documented := table()
	documented = slices.DeleteFunc(documented, func(m member) bool { // what outputs add
		return m.name == "trimmed" || m.name == "part"
	})
	compareMembers(t, "trailcast", object, documented)
}

func compareMembers(t *testing.T, path string, object []byte, documented []member) {
	t.Helper()
	var written, named []string
	values := map[string][]byte{}
	if err := rawjson.EachMember(object, func(key string, value []byte) bool {
		written, values[key] = append(written, key), value
		return true
	}); err != nil {
		t.Fatal(err)
	}
	for _, m := range documented {
		named = append(named, m.name)
	}
	if !slices.Equal(written, named) {
		t.Errorf("%s: written %v\nin the schema %v", path, written, named)
	}
	for _, m := range documented {
		if m.kind == "object" {
			compareMembers(t, path+"."+m.name, values[m.name], m.members)
		}
	}
}

func TestAbsentFactsAreLeftOut(t *testing.T) {
	got := string(appendObject(nil, &pipeline.Facts{ID: "id", Kind: pipeline.KindOther}, place{}, &pipeline.Record{}))
	if want := `{"v":1,"id":"id","kind":"other"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestOwnerIsWrittenWhereItIsNotTheAccount(t *testing.T) {
	for owner, want := range map[string]string{"": "", "111122223333": "", "444455556666": "444455556666"} {
		facts := &pipeline.Facts{Account: pipeline.Account{ID: "111122223333"}}
		object := appendObject(nil, facts, place{}, &pipeline.Record{Origin: &pipeline.Origin{Owner: owner}})
		if got := rawjson.Str(object, "origin", "owner"); got != want {
			t.Errorf("envelope of %q: owner = %q, want %q", owner, got, want)
		}
	}
}

// Values come from whoever makes requests: none may break out of its string.
func TestHostileValuesStayInTheirStrings(t *testing.T) {
	f := newFilter(t, Config{})
	for _, hostile := range []string{"\"},\"v\":9,{\"", "\n\r\x00\x1b[2J", "\\", "\u2028</script>", "a\xffb", strings.Repeat("x", 10<<10)} {
		quoted := rawjson.AppendString(nil, hostile)
		raw := []byte(`{"eventID":"1","eventType":"x","eventName":` + string(quoted) + `,"userAgent":` + string(quoted) + `}`)
		got := apply(t, f, event(raw, &pipeline.Origin{Object: hostile, Tag: hostile}, 0)).Raw
		if err := rawjson.Valid(got); err != nil {
			t.Errorf("%q: %v", hostile, err)
		}
		want := strings.ToValidUTF8(hostile, "\uFFFD")
		for _, path := range [][]string{{"action"}, {"source", "user_agent"}, {"origin", "object"}, {"origin", "tag"}} {
			if got := rawjson.Str(got, append([]string{"trailcast"}, path...)...); got != want {
				t.Errorf("%v = %q, want %q", path, got, want)
			}
		}
	}
}

func TestBytesOfTheRecordAreNotWrittenTo(t *testing.T) {
	f := newFilter(t, Config{})
	for _, raw := range realRecords(t, "panther.ndjson") {
		roomy := append(make([]byte, 0, 2*len(raw)+4096), raw...) // an append in place would show
		behind := roomy[len(raw):cap(roomy)]
		apply(t, f, event(roomy, nil, 0))
		if !bytes.Equal(roomy, raw) || bytes.Trim(behind, "\x00") != nil && len(bytes.Trim(behind, "\x00")) > 0 {
			t.Fatalf("written into the buffer of %s", raw)
		}
	}
}

// The facts are the record's, whatever a filter has made of the event before.
func TestFactsSurviveAProjection(t *testing.T) {
	raw := realRecords(t, "stratus.ndjson")[0]
	projected := event(raw, nil, 0).WithRaw([]byte(`{"who":"me"}`))
	got := apply(t, newFilter(t, Config{}), projected)
	if rawjson.Str(got.Raw, "who") != "me" || rawjson.Str(got.Raw, "trailcast", "service") != "ssm" {
		t.Errorf("got %s", got.Raw)
	}
}

func TestAllocations(t *testing.T) {
	f := newFilter(t, Config{})
	raw := realRecords(t, "stratus.ndjson")[0]
	ev := event(raw, &pipeline.Origin{Input: "x"}, 0)
	notes := new(record.Notes)
	record.Recognise(raw, notes)
	ev.Record.Notes = notes
	ev.Facts()
	dst := make([]pipeline.Event, 0, 1)
	got := testing.AllocsPerRun(100, func() { _, _ = f.Apply(context.Background(), dst, ev) })
	if got > 0 && !raceEnabled { // pools forget on purpose then
		t.Errorf("%v allocations for each event, want 0 but for the blocks that events share", got)
	}
}

// Every record of the extended data set, whatever is around it, is enriched to what the schema says.
func TestExtendedDataFollowsTheSchema(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the extended data set is not beside the checkout")
	}
	f, s := newFilter(t, Config{}), schema(t)
	records := 0
	check := func(path string, raw []byte) {
		records++
		ev := apply(t, f, event(raw, &pipeline.Origin{Input: "all", Object: path, Owner: "999999999999"}, 0))
		var v any
		if err := json.Unmarshal(ev.Raw, &v); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("%s does not agree with the schema: %v\n%s", path, err, ev.Raw)
		}
		if again := apply(t, f, ev); !bytes.Equal(again.Raw, ev.Raw) {
			t.Errorf("%s: changes when it is enriched again", path)
		}
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(filepath.Ext(path), ".json") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
			var document json.RawMessage
			if decoder.Decode(&document) != nil { // the end, or a published block that is no JSON
				return nil
			}
			eachRecord(document, func(raw []byte) { check(path, raw) })
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if records < 900 {
		t.Errorf("%d records found, want over 900", records)
	}
}

// eachRecord finds the records in a document, at any depth.
func eachRecord(document []byte, found func([]byte)) {
	if record.KindOf(document) != pipeline.KindOther {
		found(document)
		return
	}
	_ = rawjson.EachMember(document, func(_ string, value []byte) bool { eachRecord(value, found); return true })
	_ = rawjson.EachElement(document, func(_ int, value []byte) bool { eachRecord(value, found); return true })
}
