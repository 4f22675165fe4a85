package record

import "github.com/trailcast/trailcast/internal/rawjson"

// The top-level members that a record is judged by.
const (
	fieldEventID = iota
	fieldEventTime
	fieldEventVersion
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

// A switch finds a key faster than comparing it with each of thirty.
func fieldOf(key string) int {
	switch key {
	case "eventID":
		return fieldEventID
	case "eventTime":
		return fieldEventTime
	case "eventVersion":
		return fieldEventVersion
	case "eventSource":
		return fieldEventSource
	case "eventName":
		return fieldEventName
	case "eventType":
		return fieldEventType
	case "eventCategory":
		return fieldEventCategory
	case "managementEvent":
		return fieldManagementEvent
	case "readOnly":
		return fieldReadOnly
	case "awsRegion":
		return fieldAWSRegion
	case "recipientAccountId":
		return fieldRecipientAccountID
	case "userIdentity":
		return fieldUserIdentity
	case "sourceIPAddress":
		return fieldSourceIPAddress
	case "userAgent":
		return fieldUserAgent
	case "errorCode":
		return fieldErrorCode
	case "errorMessage":
		return fieldErrorMessage
	case "requestParameters":
		return fieldRequestParameters
	case "responseElements":
		return fieldResponseElements
	case "additionalEventData":
		return fieldAdditionalEventData
	case "serviceEventDetails":
		return fieldServiceEventDetails
	case "resources":
		return fieldResources
	case "vpcEndpointId":
		return fieldVPCEndpointID
	case "sessionCredentialFromConsole":
		return fieldSessionCredentialFromConsole
	case "insightDetails":
		return fieldInsightDetails
	case "s3":
		return fieldS3
	case "sessionId":
		return fieldSessionID
	case "sessionData":
		return fieldSessionData
	case "target":
		return fieldTarget
	case "lines":
		return fieldLines
	case "seq":
		return fieldSeq
	case "trailcast":
		return fieldTrailcast
	}
	return -1
}

// fields holds the raw values of a record's members, nil where they are absent. Of duplicate keys the last counts.
type fields [fieldCount][]byte

func (f *fields) read(obj []byte) {
	// A record that is broken somewhere gives the members before that place.
	_ = rawjson.EachMember(obj, func(key string, value []byte) bool {
		if i := fieldOf(key); i >= 0 {
			f[i] = value
		}
		return true
	})
}

func (f *fields) has(i int) bool { return f[i] != nil && rawjson.KindOf(f[i]) != rawjson.Null }

func (f *fields) is(i int, kind rawjson.Kind) bool {
	return f[i] != nil && rawjson.KindOf(f[i]) == kind
}

// text returns a member that is a string, else "".
func (f *fields) text(i int) string { return text(f[i]) }

// text returns the value of a JSON string; "" for anything else.
func text(value []byte) string {
	if value == nil {
		return ""
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
