package replay

import (
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

// What is kept of a record may be redacted: only the key that it had tells that it is the same.
func TestReplayedRecordsKeepTheirKey(t *testing.T) {
	for name, test := range map[string]struct {
		kind      pipeline.Kind
		raw       string
		key, want string
		action    string
	}{
		"a log":               {pipeline.KindSessionLog, `{"sessionId":"a-0123456789abcdef0","sessionData":["[REDACTED]"]}`, "0123", "0123", "SessionLog"},
		"one of several":      {pipeline.KindCloudTrail, `{"eventName":"B","eventSource":"s3.amazonaws.com","eventID":"e"}`, "e:0123456789abcdef#0#2", "e:0123456789abcdef", "B"},
		"an id with a mark":   {pipeline.KindCloudTrail, `{"eventName":"B","eventSource":"s3.amazonaws.com","eventID":"e#1"}`, "e#1:0123456789abcdef", "e#1:0123456789abcdef", "B"},
		"of a session's life": {pipeline.KindSession, `{"trailcast":{"v":1,"id":"x","kind":"session","action":"opened"}}`, "x", "x", "opened"},
	} {
		r := &pipeline.Record{Raw: []byte(test.raw), Kind: test.kind, Reader: readerOf(test.kind, test.key)}
		if r.Key() != test.want || r.Facts().Action != test.action {
			t.Errorf("%s: key %q, action %q", name, r.Key(), r.Facts().Action)
		}
	}
}
