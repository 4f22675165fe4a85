package split

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unsafe"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// document yields what one object holds: itself, or the records inside where it is an envelope. raw is valid JSON.
func (r *run) document(raw []byte, p place) error {
	var notes record.Notes
	if kind := record.Recognise(raw, &notes); kind != pipeline.KindOther {
		return r.emitNoted(raw, kind, p, &notes)
	}
	var e envelope
	e.read(raw)
	if p.depth < maxDepth {
		if done, err := r.unwrap(raw, &e, p); done || err != nil {
			return err
		}
	} else if e.wraps() {
		index := r.batch.index
		r.batch.index++
		return r.broken(pipeline.Broken{Raw: raw, Size: int64(len(raw)), Origin: p.origin, Index: index, Offset: p.offset,
			Reason: errTooDeep.Error()})
	}
	return r.emit(rawjson.ToValidUTF8(raw), pipeline.KindOther, p)
}

// Members that tell envelopes apart.
const (
	keyRecords = iota
	keyFirehose
	keyEvents
	keyLogEvents
	keyMessageType
	keyOwner
	keyLogGroup
	keyLogStream
	keyAWSLogs
	keyType
	keyTopicARN
	keyMessage
	keyMessageID
	keyDetail
	keyDetailType
	keySource
	keyAccount
	keyRegion
	keyID
	keyCloudTrailEvent
	keyEventID
	keyBody
	keySQSMessageID
	keySQSBody
	keySQSMessages
	keySNS
	keyKinesis
	keyData
	keyRecordID
	keyEvent
	keyService
	keyS3
	keyCount
)

var envelopeKeys = []string{
	"Records", "records", "Events", "logEvents", "messageType", "owner", "logGroup", "logStream", "awslogs", "Type",
	"TopicArn", "Message", "MessageId", "detail", "detail-type", "source", "account", "region", "id", "CloudTrailEvent",
	"EventId", "body", "messageId", "Body", "Messages", "Sns", "kinesis", "data", "recordId", "Event", "Service", "s3",
}

// envelope holds the raw values of an object's members that matter here.
type envelope [keyCount][]byte

func (e *envelope) read(raw []byte) { rawjson.GetMany(raw, envelopeKeys, e[:]) }

func (e *envelope) is(key int, kind rawjson.Kind) bool {
	return e[key] != nil && rawjson.KindOf(e[key]) == kind
}

func (e *envelope) text(key int) string {
	s, _ := rawjson.Text(e[key])
	return s
}

// wraps reports whether the object has the shape of any envelope.
func (e *envelope) wraps() bool {
	for _, key := range []int{keyRecords, keyFirehose, keyEvents, keyLogEvents, keySQSMessages} {
		if e.is(key, rawjson.Array) {
			return true
		}
	}
	return e.isSNS() || e.is(keyDetail, rawjson.Object) || e.is(keyCloudTrailEvent, rawjson.String) ||
		e.isSQS() || e.is(keySNS, rawjson.Object) || e.is(keyKinesis, rawjson.Object) || e.is(keyAWSLogs, rawjson.Object)
}

func (e *envelope) isSNS() bool {
	return e.text(keyType) == "Notification" && e.is(keyTopicARN, rawjson.String) && e.is(keyMessage, rawjson.String)
}

func (e *envelope) isSQS() bool {
	return e.is(keySQSMessageID, rawjson.String) && e.is(keyBody, rawjson.String)
}

// unwrap yields what an envelope holds; done is false when the object is none.
func (r *run) unwrap(raw []byte, e *envelope, p place) (done bool, err error) {
	switch {
	case e.text(keyEvent) == "s3:TestEvent" && e.is(keyService, rawjson.String):
		r.ignore()
		return true, nil
	case e.is(keyS3, rawjson.Object) && !e.is(keyRecords, rawjson.Array):
		return false, nil // an S3 event notification's record
	case e.is(keyLogEvents, rawjson.Array):
		return true, r.logEvents(e, p)
	case e.is(keyRecords, rawjson.Array):
		return true, r.each(e[keyRecords], raw, p)
	case e.is(keyEvents, rawjson.Array):
		return true, r.each(e[keyEvents], raw, p)
	case e.is(keySQSMessages, rawjson.Array):
		return true, r.each(e[keySQSMessages], raw, p)
	case e.isSNS():
		return r.sns(e, p)
	case e.is(keyDetail, rawjson.Object):
		return r.eventBridge(e, p)
	case e.is(keyCloudTrailEvent, rawjson.String):
		in := p.inside("lookup_events")
		in.seed = e.text(keyEventID)
		return r.text(e.text(keyCloudTrailEvent), in)
	case e.isSQS():
		return r.sqs(e.text(keyBody), e.text(keySQSMessageID), p)
	case e.is(keySQSBody, rawjson.String) && e.is(keyMessageID, rawjson.String):
		return r.sqs(e.text(keySQSBody), e.text(keyMessageID), p)
	case e.is(keySNS, rawjson.Object):
		var inner envelope
		inner.read(e[keySNS])
		return r.sns(&inner, p)
	case e.is(keyKinesis, rawjson.Object):
		in := p.inside("kinesis")
		in.seed = rawjson.Str(e[keyKinesis], "sequenceNumber")
		return r.base64(rawjson.Str(e[keyKinesis], "data"), in)
	case e.is(keyFirehose, rawjson.Array):
		return r.firehose(e, raw, p)
	case e.is(keyAWSLogs, rawjson.Object):
		return r.base64(rawjson.Str(e[keyAWSLogs], "data"), p.inside("lambda"))
	}
	return r.named(raw, p)
}

// each yields the elements of an array that is in memory.
func (r *run) each(array, whole []byte, p place) error {
	var failed error
	err := rawjson.EachElement(array, func(_ int, value []byte) bool {
		at := p
		if !at.fixed {
			at.offset += within(whole, value)
		}
		if rawjson.KindOf(value) != rawjson.Object {
			index := r.batch.index
			r.batch.index++
			failed = r.broken(pipeline.Broken{Raw: value, Size: int64(len(value)), Origin: p.origin, Index: index,
				Offset: at.offset, Reason: "an element that is no object"})
		} else {
			failed = r.document(value, at)
		}
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

// within is the index of part, a slice of whole, in whole.
func within(whole, part []byte) int64 {
	return int64(uintptr(unsafe.Pointer(unsafe.SliceData(part))) - uintptr(unsafe.Pointer(unsafe.SliceData(whole))))
}

// text splits a document that an envelope carries as a string; done is false where the string is no JSON document, so
// that the envelope itself is the event.
func (r *run) text(s string, p place) (done bool, err error) {
	i := 0
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t') {
		i++
	}
	if i == len(s) || s[i] != '{' && s[i] != '[' || rawjson.Valid([]byte(s)) != nil && s[i] == '[' {
		return false, nil
	}
	p.fixed = true
	return true, r.object(&memory{data: []byte(s)}, p)
}

// base64 splits a payload, compressed or not.
func (r *run) base64(s string, p place) (done bool, err error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) == 0 {
		return false, nil
	}
	if !packedMagic(b) {
		return r.text(string(b), p)
	}
	p.fixed = true
	return true, r.object(&memory{data: b}, p)
}

func (r *run) sns(e *envelope, p place) (bool, error) {
	message := e.text(keyMessage)
	if strings.TrimSpace(message) == "CloudTrail validation message." {
		r.ignore()
		return true, nil
	}
	in := p.inside("sns")
	in.seed = e.text(keyMessageID)
	if arn, ok := record.ParseARN(e.text(keyTopicARN)); ok {
		in.own(arn.Account, arn.Region)
	}
	return r.text(message, in)
}

// own fills in what an envelope says of its owner, unless one around it said so already.
func (p *place) own(account, region string) {
	if p.origin.Owner == "" {
		p.origin.Owner = account
	}
	if p.origin.Region == "" {
		p.origin.Region = region
	}
}

func (r *run) sqs(body, id string, p place) (bool, error) {
	in := p.inside("sqs")
	in.seed = id
	return r.text(body, in)
}

// eventBridge yields the detail of an event "via CloudTrail", and any detail that is a CloudTrail record; other events
// stay whole.
func (r *run) eventBridge(e *envelope, p place) (bool, error) {
	detail := e[keyDetail]
	if !strings.HasSuffix(e.text(keyDetailType), "via CloudTrail") {
		if kind := record.KindOf(detail); kind != pipeline.KindCloudTrail && kind != pipeline.KindInsight {
			return false, nil
		}
	}
	in := p.inside("eventbridge")
	in.seed = e.text(keyID)
	in.own(e.text(keyAccount), e.text(keyRegion))
	in.fixed = true
	return true, r.document(detail, in)
}

func (r *run) firehose(e *envelope, raw []byte, p place) (bool, error) {
	in := p.inside("firehose")
	in.own("", e.text(keyRegion))
	any := false
	var failed error
	err := rawjson.EachElement(e[keyFirehose], func(_ int, value []byte) bool {
		var rec envelope
		rec.read(value)
		if !rec.is(keyData, rawjson.String) {
			return false
		}
		any = true
		at := in
		at.seed = rec.text(keyRecordID)
		done, err := r.base64(rec.text(keyData), at)
		if err == nil && !done {
			err = r.emit(rawjson.ToValidUTF8(value), pipeline.KindOther, in)
		}
		failed = err
		return failed == nil
	})
	if failed != nil {
		return true, failed
	}
	return any, err
}

// named unwraps the fields that the user names.
func (r *run) named(raw []byte, p place) (bool, error) {
	for _, name := range r.options.Unwrap {
		value, ok := rawjson.Get(raw, name)
		if !ok {
			continue
		}
		switch rawjson.KindOf(value) {
		case rawjson.Object:
			in := p.inside(name)
			in.fixed = true
			return true, r.document(value, in)
		case rawjson.String:
			s, _ := rawjson.Text(value)
			if done, err := r.text(s, p.inside(name)); done || err != nil {
				return done, err
			}
		}
	}
	return false, nil
}

// logEvents yields the messages of a CloudWatch Logs subscription payload. Those of a session's log stream are session
// data whatever they look like.
func (r *run) logEvents(e *envelope, p place) error {
	if e.text(keyMessageType) == "CONTROL_MESSAGE" {
		r.ignore()
		return nil
	}
	in := p.inside("cloudwatch_logs")
	in.own(e.text(keyOwner), "")
	stream := e.text(keyLogStream)
	if group := e.text(keyLogGroup); group != "" || stream != "" {
		in.origin.Object = group + ":" + stream
	}
	in.fixed = true
	session := IsSessionID(stream)
	var failed error
	err := rawjson.EachElement(e[keyLogEvents], func(_ int, value []byte) bool {
		at := in
		at.seed = rawjson.Str(value, "id")
		message, ok := rawjson.Text(member(value, "message"))
		failed = r.logMessage(message, ok, value, stream, session, at)
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

func member(obj []byte, key string) []byte {
	v, _ := rawjson.Get(obj, key)
	return v
}

func (r *run) logMessage(message string, isText bool, whole []byte, stream string, session bool, p place) error {
	if session && isText {
		raw := []byte(strings.TrimSpace(message))
		if rawjson.Valid(raw) == nil && record.KindOf(raw) == pipeline.KindSessionLog && rawjson.Str(raw, "sessionId") == stream {
			return r.emit(raw, pipeline.KindSessionLog, p)
		}
		return r.transcriptText(message, stream, p)
	}
	if isText {
		if done, err := r.text(message, p); done || err != nil {
			return err
		}
	}
	index := r.batch.index
	r.batch.index++
	return r.broken(pipeline.Broken{Raw: bytes.Clone(whole), Size: int64(len(whole)), Origin: p.origin, Index: index,
		Offset: p.offset, Reason: "the log event's message is no JSON document, and its log stream is no session's"})
}
