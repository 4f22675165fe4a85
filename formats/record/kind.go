// Package record knows what single records mean: CloudTrail records, Insights events and Session Manager's session
// logs. Bytes in, facts out; there is no I/O.
//
// What it knows of the formats comes from AWS's documentation (CloudTrail user guide: record contents, userIdentity
// element, console sign-in events; Systems Manager user guide: logging session activity) and from the source of the
// amazon-ssm-agent. Real records have holes, so every field may be missing, blank, or of another type.
package record

import (
	"strings"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// KindOf recognises a single record by its content. obj is one valid JSON object without an envelope around it.
//
// A CloudTrail record has an eventName and either the frame of one (eventID, or eventVersion with eventTime; and
// userIdentity or eventType) or an eventSource that is the host of an AWS service. eventVersion, eventSource and
// eventName alone do not make one: notifications of S3 and batches that Lambda gets from streams have these too.
func KindOf(obj []byte) pipeline.Kind {
	var n Notes
	return Recognise(obj[rawjson.Next(obj, 0):], &n)
}

func (f fields) kind() pipeline.Kind {
	switch {
	case f.isStreamRecord():
		return pipeline.KindOther
	case f.isInsight():
		return pipeline.KindInsight
	case f.isCloudTrail():
		return pipeline.KindCloudTrail
	case f.isSessionLog():
		return pipeline.KindSessionLog
	}
	return pipeline.KindOther
}

// isStreamRecord recognises S3 event notifications (eventSource "aws:s3") and their like of SQS, Kinesis and DynamoDB.
func (f fields) isStreamRecord() bool {
	return strings.HasPrefix(f.text(fieldEventSource), "aws:") || f.is(fieldS3, rawjson.Object)
}

func (f fields) isInsight() bool {
	if strings.EqualFold(f.text(fieldEventType), "AwsCloudTrailInsight") {
		return true
	}
	return f.is(fieldInsightDetails, rawjson.Object) && (f.has(fieldEventID) || f.has(fieldEventTime))
}

func (f fields) isCloudTrail() bool {
	if !f.is(fieldEventName, rawjson.String) {
		return false
	}
	framed := f.has(fieldEventID) || f.has(fieldEventVersion) && f.has(fieldEventTime)
	if framed && (f.has(fieldUserIdentity) || f.has(fieldEventType)) {
		return true
	}
	return strings.Contains(f.text(fieldEventSource), ".amazonaws.")
}

// isSessionLog recognises what the SSM agent streams (sessionId, sessionData, target) and the events that a plain
// transcript is cut into (sessionId, target, seq, lines).
func (f fields) isSessionLog() bool {
	if !f.is(fieldSessionID, rawjson.String) || !f.has(fieldTarget) {
		return false
	}
	streamed := f.is(fieldSessionData, rawjson.Array) || f.is(fieldSessionData, rawjson.String)
	return streamed || f.is(fieldLines, rawjson.Array) && f.has(fieldSeq)
}
