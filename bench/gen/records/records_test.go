package records

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// goldenHash is the SHA-256 of the first 2000 lines of seed 1. It changes when the generator does: figures measured
// before and after such a change are not comparable.
const goldenHash = "9ffe7ada070c5a6d862f2dff8bbffaa6576fb873d4a7026b8c306f974e28f7dc"

func lines(t testing.TB, seed uint64, n int64) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := New(seed).WriteLines(&out, 0, n); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestSameSeedSameBytes(t *testing.T) {
	if got := fmt.Sprintf("%x", sha256.Sum256(lines(t, 1, 2000))); got != goldenHash {
		t.Errorf("the first 2000 lines of seed 1 have the hash %s, want %s", got, goldenHash)
	}
	if bytes.Equal(lines(t, 1, 10), lines(t, 2, 10)) {
		t.Error("seeds 1 and 2 give the same records")
	}
	g := New(1)
	want := g.Append(nil, 1234)
	g.Append(nil, 7)
	if got := g.Append([]byte("x"), 1234); string(got) != "x"+string(want) {
		t.Errorf("record 1234 depends on what came before:\n%s\n%s", got, want)
	}
}

// shape is what the test looks at.
type shape struct {
	EventID, EventSource, EventName, EventType, EventCategory string

	ErrorMessage, RecipientAccountID string
	EventTime                        time.Time
	ReadOnly                         bool
	UserIdentity                     *struct{ Type string }
	RequestParameters                json.RawMessage
	ResponseElements                 json.RawMessage
}

func TestRecordsLookLikeATrail(t *testing.T) {
	const n = 10000
	all := lines(t, 1, n)
	if mean := float64(len(all)-n) / n; mean < 1700 || mean > 1900 {
		t.Errorf("the mean record has %.0f bytes, want 1.7 to 1.9 KB", mean)
	}
	ids, sources, identities := map[string]bool{}, map[string]int{}, map[string]int{}
	readOnly, failed, large, largest := 0, 0, 0, 0
	for i, line := range bytes.Split(bytes.TrimSuffix(all, []byte("\n")), []byte("\n")) {
		var r shape
		dec := json.NewDecoder(bytes.NewReader(line))
		if err := dec.Decode(&r); err != nil || dec.InputOffset() != int64(len(line)) {
			t.Fatalf("record %d is not one JSON value: %v\n%s", i, err, line)
		}
		if r.UserIdentity == nil || r.EventTime.IsZero() || r.EventSource == "" || r.EventName == "" ||
			len(r.RecipientAccountID) != 12 ||
			r.RequestParameters == nil || r.ResponseElements == nil || r.EventType == "" || r.EventCategory == "" {
			t.Fatalf("record %d misses something: %s", i, line)
		}
		ids[r.EventID] = true
		sources[r.EventSource]++
		identities[r.UserIdentity.Type]++
		readOnly += count(r.ReadOnly)
		failed += count(r.ErrorMessage != "")
		large += count(len(line) > 8<<10)
		largest = max(largest, len(line))
	}
	if len(ids) != n {
		t.Errorf("%d event ids in %d records", len(ids), n)
	}
	between(t, "read-only records", readOnly, n*65/100, n*75/100)
	between(t, "failed records", failed, n*2/100, n*6/100)
	between(t, "records over 8 KB", large, n/1000, n*3/100)
	between(t, "the largest record's bytes", largest, 16<<10, 100<<10)
	for _, source := range []string{"ec2", "s3", "ssm", "iam", "sts", "kms", "lambda", "signin"} {
		between(t, source+" records", sources[source+".amazonaws.com"], 20, n/2)
	}
	between(t, "assumed roles", identities["AssumedRole"], n*60/100, n*90/100)
	for _, kind := range []string{
		"", "IAMUser", "AWSService", "AWSAccount", "IdentityCenterUser", "WebIdentityUser",
		"SAMLUser", "Root", "FederatedUser", "Directory", "Unknown",
	} {
		between(t, "identities of type "+kind, identities[kind], 1, n/3)
	}
	t.Logf("%d bytes, %d read-only, %d failed, %d large, largest %d; %v; %v",
		len(all), readOnly, failed, large, largest, sources, identities)
}

func between(t *testing.T, what string, got, low, high int) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s: %d, want %d to %d", what, got, low, high)
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestSessionEventsBelongTogether(t *testing.T) {
	started, ended := map[string]string{}, map[string]string{}
	for _, line := range bytes.Split(lines(t, 1, 20000), []byte("\n")) {
		var r struct {
			EventName         string
			UserIdentity      struct{ ARN string }
			RequestParameters struct{ SessionID string }
			ResponseElements  struct{ SessionID string }
		}
		if !bytes.Contains(line, []byte(`Session","awsRegion"`)) {
			continue
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		switch r.EventName {
		case "StartSession":
			started[r.ResponseElements.SessionID] = r.UserIdentity.ARN
		case "TerminateSession":
			ended[r.RequestParameters.SessionID] = r.UserIdentity.ARN
		}
	}
	matched := 0
	for id, arn := range ended {
		if started[id] == arn {
			matched++
		}
	}
	if matched < 4 {
		t.Errorf("%d of %d ended sessions were started by the same actor", matched, len(ended))
	}
}

func TestDocuments(t *testing.T) {
	g := New(1)
	var out bytes.Buffer
	if err := g.WriteDocument(&out, 5, 3); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"Records":[%s,%s,%s]}`, g.Append(nil, 5), g.Append(nil, 6), g.Append(nil, 7))
	if out.String() != want {
		t.Errorf("WriteDocument = %s, want %s", out.Bytes(), want)
	}
	for _, size := range []int64{0, 14, 100_000} {
		out.Reset()
		n, err := g.WriteDocumentOfSize(&out, size)
		var doc struct{ Records []json.RawMessage }
		if err != nil || json.Unmarshal(out.Bytes(), &doc) != nil || int64(len(doc.Records)) != n ||
			bytes.ContainsRune(out.Bytes(), '\n') {
			t.Errorf("WriteDocumentOfSize(%d) gives %d records: %v", size, n, err)
		}
		last := int64(0)
		if n > 0 {
			last = int64(len(doc.Records[n-1])) + 1
		}
		if got := int64(out.Len()); got < size || got-last > max(size, 14) {
			t.Errorf("WriteDocumentOfSize(%d) gives %d bytes", size, got)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	g := New(1)
	buf := make([]byte, 0, 128<<10)
	i, bytes := int64(0), 0
	b.ReportAllocs()
	for b.Loop() {
		bytes += len(g.Append(buf, i))
		i++
	}
	b.SetBytes(int64(bytes / int(i)))
}
