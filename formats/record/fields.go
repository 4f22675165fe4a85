package record

import (
	"bytes"
	"unicode/utf8"
	"unsafe"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// The top-level members that a record is judged by.
const (
	fieldEventVersion = iota // the first member of CloudTrail's records
	fieldEventTime
	fieldEventID
	fieldEventSource
	fieldEventName
	fieldEventType
	fieldEventCategory
	fieldManagementEvent
	fieldReadOnly
	fieldAWSRegion
	fieldRecipientAccountID
	fieldUserIdentity
	fieldSourceIPAddress
	fieldUserAgent
	fieldErrorCode
	fieldErrorMessage
	fieldRequestParameters
	fieldResponseElements
	fieldAdditionalEventData
	fieldServiceEventDetails
	fieldResources
	fieldVPCEndpointID
	fieldSessionCredentialFromConsole
	fieldInsightDetails
	fieldS3
	fieldSessionID
	fieldSessionData
	fieldTarget
	fieldLines
	fieldSeq
	fieldTrailcast
	fieldCount
)

// fieldNames are the keys of the members, by number.
var fieldNames = [fieldCount]string{
	fieldEventID:                      "eventID",
	fieldEventTime:                    "eventTime",
	fieldEventVersion:                 "eventVersion",
	fieldEventSource:                  "eventSource",
	fieldEventName:                    "eventName",
	fieldEventType:                    "eventType",
	fieldEventCategory:                "eventCategory",
	fieldManagementEvent:              "managementEvent",
	fieldReadOnly:                     "readOnly",
	fieldAWSRegion:                    "awsRegion",
	fieldRecipientAccountID:           "recipientAccountId",
	fieldUserIdentity:                 "userIdentity",
	fieldSourceIPAddress:              "sourceIPAddress",
	fieldUserAgent:                    "userAgent",
	fieldErrorCode:                    "errorCode",
	fieldErrorMessage:                 "errorMessage",
	fieldRequestParameters:            "requestParameters",
	fieldResponseElements:             "responseElements",
	fieldAdditionalEventData:          "additionalEventData",
	fieldServiceEventDetails:          "serviceEventDetails",
	fieldResources:                    "resources",
	fieldVPCEndpointID:                "vpcEndpointId",
	fieldSessionCredentialFromConsole: "sessionCredentialFromConsole",
	fieldInsightDetails:               "insightDetails",
	fieldS3:                           "s3",
	fieldSessionID:                    "sessionId",
	fieldSessionData:                  "sessionData",
	fieldTarget:                       "target",
	fieldLines:                        "lines",
	fieldSeq:                          "seq",
	fieldTrailcast:                    "trailcast",
}

var fieldKeys = rawjson.NewKeys(fieldNames[:])

// fields are the members of one record, found by its notes.
type fields struct {
	raw   []byte
	notes Notes
}

// read takes notes of an object. One that is broken somewhere gives the members before that place.
func (f *fields) read(obj []byte) {
	f.raw = obj[rawjson.Next(obj, 0):]
	fieldKeys.Members(f.raw, f.notes.at[:])
}

// value returns the raw value of a field, nil where it is absent.
func (f *fields) value(i int) []byte { return f.notes.value(f.raw, i) }

func (f *fields) has(i int) bool {
	s := f.notes.at[i]
	return s.To > 0 && f.raw[s.From] != 'n'
}

func (f *fields) is(i int, kind rawjson.Kind) bool {
	s := f.notes.at[i]
	if s.To == 0 {
		return false
	}
	switch c := f.raw[s.From]; kind { // values have no white space before them
	case rawjson.Object:
		return c == '{'
	case rawjson.Array:
		return c == '['
	case rawjson.String:
		return c == '"'
	}
	return rawjson.KindOf(f.value(i)) == kind
}

// text returns a member that is a string, else "".
func (f *fields) text(i int) string { return text(f.value(i)) }

// text returns the value of a JSON string without white space around it; "" for anything else.
func text(value []byte) string {
	last := len(value) - 1
	if last < 1 || value[0] != '"' {
		return ""
	}
	if inside := value[1:last]; value[last] == '"' && bytes.IndexByte(inside, '\\') < 0 && utf8.Valid(inside) {
		return unsafe.String(unsafe.SliceData(inside), len(inside))
	}
	s, _ := rawjson.Text(value)
	return s
}

// textOrNumber returns a string, or the digits of a number as they are written: account ids come as both.
func textOrNumber(value []byte) string {
	if value == nil {
		return ""
	}
	if rawjson.KindOf(value) == rawjson.Number {
		return string(value)
	}
	return text(value)
}
