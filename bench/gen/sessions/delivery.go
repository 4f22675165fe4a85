package sessions

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// Form is what a Delivery holds.
type Form byte

const (
	CloudTrail Form = iota + 1 // one CloudTrail record
	Streamed                   // one event of a log stream: JSON that the SSM agent streamed
	Transcript                 // the text of an object in S3
	Plain                      // one event of a log stream: the whole text of a session that was not streamed
)

// Delivery is one thing that arrives. A repeat is equal to what it repeats but for At, and the Name of a CloudTrail object.
type Delivery struct {
	At      time.Time // when it arrives: at most six hours after EventTime
	Form    Form
	Name    string // S3 key of the CloudTrail object or transcript; or logGroup/logStream
	Account string // whose trail, bucket or log group it is
	Region  string

	Record    []byte    // nobody writes to it; repeats share it
	EventID   string    // of a log event (logEvents[].id), 56 digits, ascending in the order of the log; else ""
	EventTime time.Time // of the record; of a log event its timestamp; of a transcript when it was written
	Session   int       // index into Truth
}

// Document is what formats/split reads: the record alone in a CloudTrail log file, the log event alone in a subscription
// payload of CloudWatch Logs, or the transcript, whose session id stands in Name.
func (d *Delivery) Document() []byte {
	switch d.Form {
	case CloudTrail:
		return append(append([]byte(`{"Records":[`), d.Record...), `]}`...)
	case Streamed, Plain:
		return append(d.appendLogEvent(d.appendPayload(nil)), `]}`...)
	default:
		return d.Record
	}
}

// appendPayload appends a subscription payload up to its first log event (CloudWatch Logs user guide: subscription
// filters).
func (d *Delivery) appendPayload(dst []byte) []byte {
	dst = append(dst, `{"messageType":"DATA_MESSAGE","owner":"`...)
	dst = append(dst, d.Account...)
	dst = append(dst, `","logGroup":"`+logGroup+`","logStream":`...)
	dst = rawjson.AppendString(dst, d.Name[len(logGroup)+1:])
	return append(dst, `,"subscriptionFilters":["sessions"],"logEvents":[`...)
}

func (d *Delivery) appendLogEvent(dst []byte) []byte {
	dst = append(append(dst, `{"id":"`...), d.EventID...)
	dst = append(dst, `","timestamp":`...)
	dst = strconv.AppendInt(dst, d.EventTime.UnixMilli(), 10)
	dst = append(dst, `,"message":`...)
	return append(rawjson.AppendString(dst, string(d.Record)), '}')
}

const (
	logGroup = "/aws/ssm/session-logs"
	maxLate  = 6 * time.Hour
)

// deliver adds the arrivals of what an AWS service has to deliver: one soon after its time or late, in a fifth of the
// cases up to three more.
func (s *scene) deliver(d Delivery) {
	d.Account, d.Region = s.place.account, s.place.region
	d.At = d.EventTime.Add(delay(s.Rand, d.Form))
	s.arrive(d)
	if !oneIn(s.Rand, 5) {
		return
	}
	rest := d.EventTime.Add(maxLate).Sub(d.At)
	for range 1 + s.IntN(3) {
		again := d
		again.At = d.At.Add(time.Duration(s.Int64N(int64(rest) + 1)).Truncate(time.Millisecond))
		s.arrive(again)
	}
}

func (s *scene) arrive(d Delivery) {
	if d.Form == CloudTrail {
		d.Name = objectKey(&d)
	}
	s.deliveries = append(s.deliveries, d)
}

// delay is short in four of five cases: CloudTrail takes about five minutes, logs some seconds.
func delay(r *rand.Rand, f Form) time.Duration {
	usual := 15 * time.Second
	if f == CloudTrail {
		usual = 12 * time.Minute
	}
	if oneIn(r, 5) {
		usual = maxLate
	}
	return time.Second + time.Duration(r.Int64N(int64(usual-time.Second))).Truncate(time.Millisecond)
}
