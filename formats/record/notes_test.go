package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

// mutations of userIdentity and additionalEventData that real records do not have.
var mutations = []string{
	`"userIdentity":{"type":"IAMUser","sessionContext":{"sessionIssuer":{"type":"Role","userName":"r"},"attributes":{"mfaAuthenticated":"true"}}},"userIdentity":{"type":"Root"}`,
	`"userIdentity":{"type":"IAMUser","sessionContext":{"sessionIssuer":{"type":"Role","userName":"r"}}},"userIdentity":null`,
	`"userIdentity":{"sessionContext":{"attributes":{"mfaAuthenticated":true}},"sessionContext":[{"attributes":{"mfaAuthenticated":false}}],"onBehalfOf":"x"}`,
	`"userIdentity":{"sess\u0069onContext":{"sessionIssuer":{"\u0074ype":"Role","userName":"\u00e9"}},"onBehalfOf":{"userId":"u\n"}}`,
	`"userIdentity":{"accountId":123456789012,"sessionContext":{"sessionIssuer":{"accountId":210987654321,"arn":"arn:aws:iam::1:role/p/q"}}}`,
	`"userIdentity":{"arn":"arn:aws:sts::111122223333:assumed-role/r/s/t","sessionContext":{}},"additionalEventData":{"MFAUsed":"Yes","vpcEndpointId":"v"}`,
	`"additionalEventData":{"MFAUsed":"Yes","SamlProviderArn":"s"},"additionalEventData":{"UserName":"u"},"errorCode":"\u0041ccessDenied"`,
	`"additionalEventData":["MFAUsed","Yes"],"userIdentity":"{}"`,
	`"userIdentity":{"type":"IdentityCenterUser","onBehalfOf":{"userId":{"userId":"x"}}},"additionalEventData":{"UserName":"u","x":{"UserName":"v"}}`,
}

// Facts and key are the same however a record was noted. The reference is notes of Members, which looks at each object by
// itself and at each string anew.
func compareNotes(t *testing.T, raw []byte) {
	t.Helper()
	if !json.Valid(raw) || raw[0] != '{' || len(raw) > 1<<16 {
		return
	}
	reference := new(Notes)
	fieldKeys.Members(raw, reference.at[:])
	kind := fields{raw: raw, notes: reference}.kind()
	make := func(n any) *pipeline.Record {
		return &pipeline.Record{Raw: raw, Kind: kind, Reader: Reader{}, Origin: &pipeline.Origin{Object: "x"}, Notes: n}
	}
	want := make(reference)
	compare := func(name string, n any, k pipeline.Kind) {
		t.Helper()
		got := make(n)
		if k != kind || !reflect.DeepEqual(got.Facts(), want.Facts()) || got.Key() != want.Key() {
			t.Fatalf("%s: %s: %s, want %s, %s, want %s\n%+v, want\n%+v", name, raw, k, kind, got.Key(), want.Key(), got.Facts(), want.Facts())
		}
	}
	compare("without notes", nil, KindOf(raw))
	recognised := new(Notes)
	compare("recognised", recognised, Recognise(raw, recognised))
	for _, inside := range []bool{true, false, true} {
		scanned := *reference // what was there before does not matter
		if end, k, ok := Scan(raw, &scanned, inside); ok && end == len(raw) {
			before := scanned
			compare(fmt.Sprintf("scanned, inside %v", inside), &scanned, k)
			if scanned != before {
				t.Fatalf("%s: facts change the notes", raw)
			}
		}
	}
}

func FuzzNotes(f *testing.F) {
	for _, r := range realRecords(f) {
		f.Add(r.raw)
	}
	for _, m := range mutations {
		f.Add([]byte(`{"eventVersion":"1.11","eventID":"a","eventTime":"2024-01-02T03:04:05Z","eventName":"ConsoleLogin","eventSource":"signin.amazonaws.com",` + m + `}`))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { compareNotes(t, bytes.TrimSpace(append(raw, ' '))) })
}

func TestFactsAreTheSameHoweverTheyAreNoted(t *testing.T) {
	for _, r := range realRecords(t) {
		var indented bytes.Buffer
		if err := json.Indent(&indented, r.raw, "", "\t"); err != nil {
			t.Fatal(err)
		}
		compareNotes(t, r.raw)
		compareNotes(t, indented.Bytes())
		for _, m := range mutations {
			compareNotes(t, fmt.Appendf(nil, `{%s,%s`, m, r.raw[1:]))
			compareNotes(t, fmt.Appendf(nil, `%s,%s}`, r.raw[:len(r.raw)-1], m))
		}
	}
}

// The way for usual values is the one for all of them.
func TestUsualValues(t *testing.T) {
	for _, s := range []string{"2024-01-02T03:04:05Z", "2024-02-28T23:59:59Z", "2024-02-29T00:00:00Z", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z",
		"0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "1000-01-01T00:00:00Z", "9999-12-28T23:59:59Z", "2024-01-00T00:00:00Z", "2024-00-01T00:00:00Z",
		"2024-01-02T24:00:00Z", "2024-01-02T03:60:00Z", "2024-01-02T03:04:60Z", "2024-01-02t03:04:05Z", "2024-01-02T03:04:05z", "2024/01-02T03:04:05Z",
		"+024-01-02T03:04:05Z", "2024- 1-02T03:04:05Z", "2024-01-02T03:04:-5Z"} {
		want, err := time.Parse(time.RFC3339, s)
		if got, ok := ParseTime(s); ok != (err == nil && want.Year() >= 1 && !want.IsZero()) || ok && got != want.UTC() {
			t.Errorf("%s is %v, %v, want %v, %v", s, got, ok, want, err)
		}
	}
	parts := []string{"0", "7", "00", "01", "255", "256", "99999999999999999999", "", "a", "-1", " 1", "1 "}
	for _, a := range parts {
		for _, b := range parts {
			for _, s := range []string{a + "." + b + ".1.2", "1.2." + a + "." + b, a + ".2.3." + b, a + ":" + b, a + "." + b, a, a + ".1.2.3." + b, "::ffff:1.2." + a + "." + b} {
				if strings.ContainsAny(s, " -") && IsIP(s) {
					t.Errorf("%q is no address", s)
				}
				if _, err := netip.ParseAddr(s); IsIP(s) != (err == nil) {
					t.Errorf("IsIP(%q) = %v, want %v", s, IsIP(s), err == nil)
				}
			}
		}
	}
	for source, want := range map[string]string{"a.amazonaws.com": "a", "a.b.amazonaws.com": "a.b", "a.amazonaws.com.cn": "a", ".amazonaws.com": "",
		"amazonaws.com": "amazonaws.com", "a.amazonaws.com.amazonaws.com": "a", "aws:s3": "aws:s3", "": ""} {
		if got := ServiceName(source); got != want {
			t.Errorf("%s is %q, want %q", source, got, want)
		}
	}
	for resource, want := range map[string][3]string{"assumed-role/r/s": {"r", "", "s"}, "assumed-role/a/b/r/s": {"r", "a/b/", "s"},
		"assumed-role/r": {"r", "", ""}, "assumed-role/r/": {"r", "", ""}, "assumed-role//s": {"", "", "s"}, "assumed-role/": {}, "assumed-role/a//": {"", "a/", ""}} {
		role, path, session, ok := ARN{Resource: resource}.AssumedRole()
		if got := [3]string{role, path, session}; got != want || ok != (role != "") {
			t.Errorf("%s is %q, %v, want %q", resource, got, ok, want)
		}
	}
}
