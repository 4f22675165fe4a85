package outputtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

// spare is written behind the bytes of every event of Events, inside their capacity: an append to Event.Raw shows.
const spare = 0xA5

// Events returns n events like those of a small trail: CloudTrail records of two accounts and, at every tenth place, a
// session log. All are different and have different keys; the numbering begins with first. Every seventh has white
// space and line ends between its JSON tokens, some have text beyond ASCII and escaped line ends in strings.
//
// The records are made up.
func Events(first, n int) []pipeline.Event {
	events := make([]pipeline.Event, n)
	for i := range events {
		events[i] = makeEvent(first + i)
	}
	return events
}

func makeEvent(i int) pipeline.Event {
	account := []string{"111122223333", "123456789012"}[i%2]
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
	facts := pipeline.Facts{
		ID:      id,
		Kind:    pipeline.KindCloudTrail,
		Time:    time.Date(2026, 3, 1, 12, 0, i%60, 0, time.UTC),
		Region:  "eu-west-1",
		Account: pipeline.Account{ID: account},
		Service: "ssm",
		Action:  "StartSession",
		Outcome: "success",
		Actor:   pipeline.Actor{Type: "IAMUser", Kind: "human", User: "zoë"},
	}
	raw := fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","accountId":%q,"userName":"zoë"},`+
		`"eventTime":"2026-03-01T12:00:%02dZ","eventSource":"ssm.amazonaws.com","eventName":"StartSession",`+
		`"awsRegion":"eu-west-1","requestParameters":{"target":"i-0abc","reason":"line 1\nline 2"},`+
		`"eventID":%q,"recipientAccountId":%q}`, account, i%60, id, account)
	switch {
	case i%10 == 9:
		facts.Kind, facts.Action, facts.Outcome = pipeline.KindSessionLog, "", ""
		facts.Session = pipeline.Session{ID: "zoe-0abc", Target: "i-0abc"}
		raw = fmt.Sprintf(`{"sessionId":"zoe-0abc","target":"i-0abc","seq":%d,"lines":["sudo -i","# {\"Records\":[]}"]}`, i)
	case i%7 == 6:
		raw = strings.NewReplacer(`,"`, ",\r\n\t\"", `{"`, "{\n  \"").Replace(raw)
	}
	return Event([]byte(raw), facts, fmt.Sprintf("%s-%016x", id, i))
}

// Event makes an event with given facts and transport key. Its bytes are copied to a buffer that has room behind them.
func Event(raw []byte, facts pipeline.Facts, key string) pipeline.Event {
	buf := make([]byte, len(raw), len(raw)+16)
	copy(buf, raw)
	for i := len(raw); i < cap(buf); i++ {
		buf[:cap(buf)][i] = spare
	}
	return pipeline.NewEvent(&pipeline.Record{
		Raw:    buf,
		Kind:   facts.Kind,
		Origin: &pipeline.Origin{Input: "outputtest", Object: "made.json"},
		Reader: fixed{&facts, key},
	})
}

// fixed is a pipeline.Reader of one record.
type fixed struct {
	facts *pipeline.Facts
	key   string
}

func (f fixed) Facts(*pipeline.Record) *pipeline.Facts { return f.facts }
func (f fixed) Key(*pipeline.Record) string            { return f.key }

// canonical is an event's JSON without white space between tokens, since an output may take that away (an NDJSON file
// has to), but nothing else.
func canonical(raw []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return fmt.Sprintf("not JSON (%v): %.200q", err, raw)
	}
	return b.String()
}

func canonicals(events []pipeline.Event) []string {
	all := make([]string, len(events))
	for i := range events {
		all[i] = canonical(events[i].Raw)
	}
	return all
}
