package record

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

// at walks a plain decode of a record.
func at(v any, path ...string) any {
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

func str(v any, path ...string) string {
	s, _ := at(v, path...).(string)
	return s
}

// The facts that are plain fields are compared with a plain decode of the same record.
func TestFieldsAreThoseOfAPlainDecode(t *testing.T) {
	for _, r := range realRecords(t) {
		if k := KindOf(r.raw); k != pipeline.KindCloudTrail {
			continue
		}
		var v any
		if err := json.Unmarshal(r.raw, &v); err != nil {
			t.Fatalf("%s: %v", r, err)
		}
		f := r.record().Facts()
		// One published record has "True" as a string.
		truth := map[any]pipeline.Tri{true: pipeline.Yes, "True": pipeline.Yes, false: pipeline.No, nil: pipeline.Unknown}
		mfa := map[string]pipeline.Tri{"true": pipeline.Yes, "false": pipeline.No}
		attribute := mfa[str(v, "userIdentity", "sessionContext", "attributes", "mfaAuthenticated")]
		if used := str(v, "additionalEventData", "MFAUsed"); used != "" && attribute != pipeline.Yes {
			attribute = pipeline.TriOf(used == "Yes")
		}
		pairs := []struct {
			name      string
			got, want any
		}{
			{"action", f.Action, str(v, "eventName")},
			{"service", f.Service, strings.TrimSuffix(orUnknown(str(v, "eventSource")), ".amazonaws.com")},
			{"region", f.Region, str(v, "awsRegion")},
			{"error", f.Error.Code, str(v, "errorCode")},
			{"message", f.Error.Message, str(v, "errorMessage")},
			{"read_only", f.ReadOnly, truth[at(v, "readOnly")]},
			{"type", f.Actor.Type, str(v, "userIdentity", "type")},
			{"principal", f.Actor.ID, str(v, "userIdentity", "principalId")},
			{"arn", f.Actor.ARN, str(v, "userIdentity", "arn")},
			{"key", f.Actor.AccessKeyID, str(v, "userIdentity", "accessKeyId")},
			{"invoked_by", f.Actor.InvokedBy, str(v, "userIdentity", "invokedBy")},
			{"mfa", f.Actor.MFA, attribute},
			{"ip or service", f.Source.IP + f.Source.AWSService, str(v, "sourceIPAddress")},
			{"user_agent", f.Source.UserAgent, str(v, "userAgent")},
			{"id", f.ID, first(str(v, "eventID"), f.ID)},
		}
		if account := str(v, "recipientAccountId"); account != "" {
			pairs = append(pairs, struct {
				name      string
				got, want any
			}{"account", f.Account.ID, account})
		}
		for _, p := range pairs {
			if p.got != p.want {
				t.Errorf("%s: %s = %v, want %v", r, p.name, p.got, p.want)
			}
		}
		if role := str(v, "userIdentity", "sessionContext", "sessionIssuer", "userName"); role != "" && f.Actor.Role != role {
			t.Errorf("%s: role = %q, want %q", r, f.Actor.Role, role)
		}
	}
}

func orUnknown(s string) string {
	if s == "" {
		return unknown
	}
	return s
}

func FuzzReader(f *testing.F) {
	for _, r := range realRecords(f) {
		f.Add(r.raw, "AWSLogs/123456789012/CloudTrail/eu-west-1/x", int64(r.line))
	}
	f.Add([]byte(`{"sessionId":"a-0","target":{"id":"i-1"},"sessionData":["ls"],"userIdentity":{"arn":"arn:aws:iam::1:root"}}`), "", int64(0))
	f.Add([]byte(`{"eventID":"\ud800","eventName":1e400,"eventType":"AwsCloudTrailInsight","eventTime":99999999999999}`), "_CloudTrail_", int64(-1))
	f.Fuzz(func(t *testing.T, raw []byte, object string, index int64) {
		if !json.Valid(raw) || len(raw) > 1<<16 {
			// What is no JSON never gets here; still nothing may panic.
			new(pipeline.Record{Raw: raw, Reader: Reader{}}).Facts()
			return
		}
		make := func(raw []byte) *pipeline.Record {
			return &pipeline.Record{Raw: raw, Kind: KindOf(raw), Reader: Reader{}, Origin: &pipeline.Origin{Object: object}, Index: index}
		}
		one, two := make(raw), make(bytes.Clone(raw))
		if a, b := flat(one.Facts()), flat(two.Facts()); !equalMaps(a, b) || one.Key() != two.Key() {
			t.Fatalf("facts or key differ between two readings: %v %v, %s %s", a, b, one.Key(), two.Key())
		}
		if one.Facts().ID == "" || one.Key() == "" || len(one.Key()) > 81 {
			t.Fatalf("id %q, key %q", one.Facts().ID, one.Key())
		}
		// White space outside strings means nothing.
		var indented bytes.Buffer
		if json.Indent(&indented, raw, "", "  ") != nil {
			return
		}
		spaced := make(indented.Bytes())
		if a, b := flat(one.Facts()), flat(spaced.Facts()); !equalMaps(a, b) || one.Key() != spaced.Key() {
			t.Fatalf("facts or key differ once indented: %v %v, %s %s", a, b, one.Key(), spaced.Key())
		}
	})
}

func equalMaps(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

func TestAllocations(t *testing.T) {
	raw := realRecords(t)[3].raw
	for name, limit := range map[string]float64{"kind": 0, "facts": 3, "key": 1} {
		var sink any
		got := testing.AllocsPerRun(100, func() {
			switch name {
			case "kind":
				KindOf(raw)
			case "facts": // the record, notes of it and its facts
				sink = Reader{}.Facts(&pipeline.Record{Raw: raw, Kind: pipeline.KindCloudTrail})
			case "key":
				r := pipeline.Record{Raw: raw, Kind: pipeline.KindCloudTrail}
				Reader{}.Key(&r)
			}
		})
		_ = sink
		if got > limit {
			t.Errorf("%s: %v allocations, want at most %v", name, got, limit)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	records := realRecords(b)
	var size int64
	for _, r := range records {
		size += int64(len(r.raw))
	}
	size /= int64(len(records))
	run := func(name string, fn func(*pipeline.Record)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(size)
			for i := 0; b.Loop(); i++ {
				r := pipeline.Record{Raw: records[i%len(records)].raw, Kind: pipeline.KindCloudTrail, Index: int64(i), Reader: Reader{}}
				fn(&r)
			}
		})
	}
	run("kind", func(r *pipeline.Record) { KindOf(r.Raw) })
	run("facts", func(r *pipeline.Record) { r.Facts() })
	run("key", func(r *pipeline.Record) { r.Key() })
}
