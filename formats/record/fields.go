package record

import (
	"unsafe"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// The members that a record is judged by: those at the top level, in CloudTrail's order first.
const (
	fieldEventVersion = iota // the first member of CloudTrail's records
	fieldUserIdentity
	fieldEventTime
	fieldEventSource
	fieldEventName
	fieldAWSRegion
	fieldSourceIPAddress
	fieldUserAgent
	fieldErrorCode
	fieldErrorMessage
	fieldRequestParameters
	fieldResponseElements
	fieldAdditionalEventData
	fieldEventID
	fieldReadOnly
	fieldResources
	fieldEventType
	fieldManagementEvent
	fieldRecipientAccountID
	fieldServiceEventDetails
	fieldVPCEndpointID
	fieldEventCategory
	fieldSessionCredentialFromConsole
	fieldInsightDetails
	fieldS3
	fieldSessionID
	fieldSessionData
	fieldTarget
	fieldLines
	fieldSeq
	fieldTrailcast
	topFields
)

// Those of userIdentity.
const (
	identityType = topFields + iota
	identityID
	identityARN
	identityAccount
	identityAccessKey
	identityUser
	identitySession
	identityInvokedBy
	identitySource
	identityOnBehalfOf
	endOfIdentity
)

// Those of userIdentity.sessionContext.
const (
	sessionIssuer = endOfIdentity + iota
	sessionAttributes
	sessionSource
	endOfSession
)

// Those of userIdentity.sessionContext.sessionIssuer.
const (
	issuerType = endOfSession + iota
	issuerARN
	issuerAccount
	issuerUser
	endOfIssuer
)

// Those of userIdentity.sessionContext.attributes and of userIdentity.onBehalfOf.
const (
	attributesMFA = endOfIssuer + iota
	onBehalfOfUserID
	endOfActor
)

// Those of additionalEventData.
const (
	additionalMFA = endOfActor + iota
	additionalUser
	additionalSAML
	additionalVPCEndpoint
	fieldCount
)

// topNames are the keys of the members at the top level, by number.
var topNames = []string{
	fieldEventVersion:                 "eventVersion",
	fieldUserIdentity:                 "userIdentity",
	fieldEventTime:                    "eventTime",
	fieldEventSource:                  "eventSource",
	fieldEventName:                    "eventName",
	fieldAWSRegion:                    "awsRegion",
	fieldSourceIPAddress:              "sourceIPAddress",
	fieldUserAgent:                    "userAgent",
	fieldErrorCode:                    "errorCode",
	fieldErrorMessage:                 "errorMessage",
	fieldRequestParameters:            "requestParameters",
	fieldResponseElements:             "responseElements",
	fieldAdditionalEventData:          "additionalEventData",
	fieldEventID:                      "eventID",
	fieldReadOnly:                     "readOnly",
	fieldResources:                    "resources",
	fieldEventType:                    "eventType",
	fieldManagementEvent:              "managementEvent",
	fieldRecipientAccountID:           "recipientAccountId",
	fieldServiceEventDetails:          "serviceEventDetails",
	fieldVPCEndpointID:                "vpcEndpointId",
	fieldEventCategory:                "eventCategory",
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

// topKeys are for the members at the top level, fieldKeys for all of them.
var topKeys = rawjson.NewKeys(topNames)

var fieldKeys = rawjson.NewKeys(
	topNames,
	rawjson.Below{In: fieldUserIdentity, Names: []string{
		identityType - topFields:       "type",
		identityID - topFields:         "principalId",
		identityARN - topFields:        "arn",
		identityAccount - topFields:    "accountId",
		identityAccessKey - topFields:  "accessKeyId",
		identityUser - topFields:       "userName",
		identitySession - topFields:    "sessionContext",
		identityInvokedBy - topFields:  "invokedBy",
		identitySource - topFields:     "sourceIdentity",
		identityOnBehalfOf - topFields: "onBehalfOf",
	}},
	rawjson.Below{In: identitySession, Names: []string{
		sessionIssuer - endOfIdentity:     "sessionIssuer",
		sessionAttributes - endOfIdentity: "attributes",
		sessionSource - endOfIdentity:     "sourceIdentity",
	}},
	rawjson.Below{In: sessionIssuer, Names: []string{
		issuerType - endOfSession:    "type",
		issuerARN - endOfSession:     "arn",
		issuerAccount - endOfSession: "accountId",
		issuerUser - endOfSession:    "userName",
	}},
	rawjson.Below{In: sessionAttributes, Names: []string{attributesMFA - endOfIssuer: "mfaAuthenticated"}},
	rawjson.Below{In: identityOnBehalfOf, Names: []string{"userId"}},
	rawjson.Below{In: fieldAdditionalEventData, Names: []string{
		additionalMFA - endOfActor:         "MFAUsed",
		additionalUser - endOfActor:        "UserName",
		additionalSAML - endOfActor:        "SamlProviderArn",
		additionalVPCEndpoint - endOfActor: "vpcEndpointId",
	}},
)

// fields are the members of one record, found by its notes.
type fields struct {
	raw   []byte
	notes *Notes
}

// fieldsOf reads a record, by its notes if it has some.
func fieldsOf(r *pipeline.Record) fields {
	f := fields{raw: r.Raw, notes: notesOf(r)}
	switch {
	case f.notes == nil:
		f.raw = r.Raw[rawjson.Next(r.Raw, 0):]
		f.notes = new(Notes)
		f.notes.read(f.raw)
	case f.notes.shallow: // they are everybody's and stay so
		n := *f.notes
		fieldKeys.Inner(f.raw, n.at[:])
		f.notes = &n
	}
	return f
}

// value returns the raw value of a field, nil where it is absent.
func (f fields) value(i int) []byte { return f.notes.value(f.raw, i) }

func (f fields) has(i int) bool {
	s := f.notes.at[i]
	return s.To > 0 && f.raw[s.From] != 'n'
}

func (f fields) is(i int, kind rawjson.Kind) bool {
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
func (f fields) text(i int) string { return f.textOf(f.value(i)) }

// textOf is text for a value of the record.
func (f fields) textOf(value []byte) string {
	if len(value) < 2 || value[0] != '"' {
		return ""
	}
	if f.notes.literal {
		inside := value[1 : len(value)-1]
		return unsafe.String(unsafe.SliceData(inside), len(inside))
	}
	return text(value)
}

// text returns the value of a JSON string without white space around it; "" for anything else.
func text(value []byte) string {
	s, _ := rawjson.Text(value)
	return s
}

// textOrNumber is text, and the digits of a number as they are written: account ids come as both.
func (f fields) textOrNumber(i int) string {
	if s := f.text(i); s != "" {
		return s
	}
	return textOrNumber(f.value(i))
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
