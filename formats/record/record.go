package record

import (
	"net/netip"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// Reader derives facts and transport keys from records. It has no state: the zero value serves any number of
// goroutines.
type Reader struct{}

var _ pipeline.Reader = Reader{}

// Session logs have no service and no action of their own. These make subjects that can be subscribed to as those of
// the API events are: audit.ACCOUNT.REGION.ssm.SessionLog. AWS has no API action of that name.
const (
	SessionLogService = "ssm"
	SessionLogAction  = "SessionLog"
)

// unknown stands for a service that nothing names.
const unknown = "unknown"

// Facts returns the short names of a record. Its strings may alias the record's bytes.
func (Reader) Facts(r *pipeline.Record) *pipeline.Facts {
	facts := new(pipeline.Facts)
	fillIn(facts, r)
	return facts
}

// fillIn fills in facts that are empty.
func fillIn(facts *pipeline.Facts, r *pipeline.Record) {
	kind := r.Kind
	if kind == "" {
		kind = KindOf(r.Raw)
	}
	facts.Kind = kind
	switch kind {
	case pipeline.KindCloudTrail, pipeline.KindInsight, pipeline.KindSessionLog:
		fieldsOf(r).fillIn(facts, kind, r.Origin)
	default:
		facts.Account.ID = accountOfOrigin(r.Origin)
		facts.Region = regionOfOrigin(r.Origin)
		facts.Time = arrival(r.Origin)
	}
	if facts.ID == "" {
		facts.ID = idOf(r.Key())
	}
}

func (f fields) fillIn(facts *pipeline.Facts, kind pipeline.Kind, origin *pipeline.Origin) {
	switch kind {
	case pipeline.KindCloudTrail:
		f.cloudTrail(facts, origin)
	case pipeline.KindInsight:
		f.insight(facts, origin)
	case pipeline.KindSessionLog:
		f.sessionLog(facts, origin)
		return
	}
	facts.ID = f.text(fieldEventID)
}

func (f fields) cloudTrail(facts *pipeline.Facts, origin *pipeline.Origin) {
	facts.Time, _ = timeOf(f.value(fieldEventTime))
	facts.Service = f.service()
	facts.Action = f.text(fieldEventName)
	facts.Category = f.category()
	facts.ReadOnly = f.tri(fieldReadOnly)
	facts.Error.Code = f.textOrNumber(fieldErrorCode)
	facts.Error.Message = f.text(fieldErrorMessage)
	facts.Outcome = f.outcome(facts)
	f.actor(&facts.Actor)
	f.source(&facts.Source)
	f.session(facts)
	f.place(facts, origin)
}

// An Insights event names the API that it is about in insightDetails. It has no actor and no outcome.
func (f fields) insight(facts *pipeline.Facts, origin *pipeline.Origin) {
	var value [2][]byte
	rawjson.GetMany(f.value(fieldInsightDetails), []string{"eventSource", "eventName"}, value[:])
	facts.Time, _ = timeOf(f.value(fieldEventTime))
	facts.Service = first(ServiceName(text(value[0])), ServiceName(f.text(fieldEventSource)), unknown)
	facts.Action = first(text(value[1]), f.text(fieldEventName))
	facts.Category = first(f.text(fieldEventCategory), "Insight")
	f.place(facts, origin)
}

// A streamed session log has the owner's ARN; a piece of a transcript only the session's id, which begins with the name
// of the user or of the role's session.
func (f fields) sessionLog(facts *pipeline.Facts, origin *pipeline.Origin) {
	facts.Service, facts.Action = SessionLogService, SessionLogAction
	facts.Session.ID = f.text(fieldSessionID)
	facts.Session.Target = f.text(fieldTarget)
	if f.is(fieldTarget, rawjson.Object) {
		facts.Session.Target = rawjson.Str(f.value(fieldTarget), "id")
	}
	f.actor(&facts.Actor)
	if facts.Actor.ARN == "" && facts.Actor.User == "" {
		facts.Actor.User = SessionOwner(facts.Session.ID)
	}
	var ok bool
	if facts.Time, ok = timeOf(f.value(fieldEventTime)); !ok {
		facts.Time = arrival(origin)
	}
	f.place(facts, origin)
}

// place fills in account, region and cross_account. The actor's account must be known.
func (f fields) place(facts *pipeline.Facts, origin *pipeline.Origin) {
	facts.Region = f.text(fieldAWSRegion)
	if facts.Region == "" {
		facts.Region = regionOfOrigin(origin)
	}
	recipient := f.textOrNumber(fieldRecipientAccountID)
	actor := facts.Actor.Account.ID
	facts.Account.ID = recipient
	if facts.Account.ID == "" {
		facts.Account.ID = f.textOrNumber(identityAccount)
	}
	if facts.Account.ID == "" {
		facts.Account.ID = accountOfOrigin(origin)
	}
	if facts.Account.ID == "" {
		facts.Account.ID = actor // what is left of it is the account in an ARN
	}
	if facts.Actor.Type == "AWSAccount" {
		facts.CrossAccount = pipeline.Yes
		return
	}
	target := recipient
	if target == "" {
		_, target = f.resource()
	}
	if target == "" {
		target = facts.Account.ID
	}
	if target != "" && actor != "" {
		facts.CrossAccount = pipeline.TriOf(target != actor)
	}
}

// service returns eventSource without its DNS suffix; where it is blank, the service in the ARN of a resource.
func (f fields) service() string {
	if name := ServiceName(f.text(fieldEventSource)); name != "" {
		return name
	}
	arn, _ := f.resource()
	parsed, _ := ParseARN(arn)
	return first(parsed.Service, unknown)
}

// ServiceName returns an eventSource ("ssm.amazonaws.com") without its DNS suffix; what has none is returned as it is.
func ServiceName(eventSource string) string {
	if i := strings.IndexByte(eventSource, '.'); i >= 0 && eventSource[i:] == ".amazonaws.com" {
		return eventSource[:i] // nearly always
	}
	name, _, _ := strings.Cut(eventSource, ".amazonaws.")
	return name
}

// category returns eventCategory, which older records do not have; then what managementEvent and eventType say.
func (f fields) category() string {
	if category := f.text(fieldEventCategory); category != "" {
		return category
	}
	switch f.tri(fieldManagementEvent) {
	case pipeline.Yes:
		return "Management"
	case pipeline.No:
		if f.isVPCEndpointEvent() {
			return "NetworkActivity"
		}
		return "Data"
	}
	if f.isVPCEndpointEvent() {
		return "NetworkActivity"
	}
	return ""
}

// The type's name is written AwsVpceEvent and AwsVpceEvents.
func (f fields) isVPCEndpointEvent() bool {
	return hasPrefixFold(f.text(fieldEventType), "AwsVpceEvent")
}

// resource returns the first ARN and the first account among the resources of the record.
func (f fields) resource() (arn, account string) {
	if !f.is(fieldResources, rawjson.Array) {
		return "", ""
	}
	_ = rawjson.EachElement(f.value(fieldResources), func(_ int, element []byte) bool {
		var value [3][]byte
		rawjson.GetMany(element, []string{"ARN", "ARNPrefix", "accountId"}, value[:])
		arn = first(arn, text(value[0]), text(value[1]))
		account = first(account, textOrNumber(value[2]))
		return arn == "" || account == ""
	})
	return arn, account
}

// source tells an IP address from the name of a service, which stands in the same field.
func (f fields) source(source *pipeline.Source) {
	source.UserAgent = f.text(fieldUserAgent)
	if source.VPCEndpoint = f.text(fieldVPCEndpointID); source.VPCEndpoint == "" { // S3 had it in there
		source.VPCEndpoint = f.text(additionalVPCEndpoint)
	}
	from := f.text(fieldSourceIPAddress)
	if IsIP(from) {
		source.IP = from
	} else {
		source.AWSService = from
	}
}

// IsIP reports whether s is an IP address of either version.
func IsIP(s string) bool {
	if isIPv4(s) {
		return true
	}
	for i := range len(s) { // spares the allocation of an error for names
		if c := s[i]; c != '.' && c != ':' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	_, err := netip.ParseAddr(s)
	return s != "" && err == nil
}

// isIPv4 tells what netip takes for an address of version 4: four numbers up to 255 without zeros before them.
func isIPv4(s string) bool {
	dots, number, size := 0, 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && size > 0:
			dots++
			number, size = 0, 0
		case c < '0' || c > '9' || size > 0 && number == 0:
			return false
		default:
			size++
			if number = 10*number + int(c-'0'); number > 255 {
				return false
			}
		}
	}
	return dots == 3 && size > 0
}

func arrival(o *pipeline.Origin) (t time.Time) {
	if o != nil {
		t = o.Time.UTC()
	}
	return t
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// tri reads a truth value; CloudTrail writes some as strings.
func (f fields) tri(i int) pipeline.Tri {
	value := f.value(i)
	if value == nil {
		return pipeline.Unknown
	}
	switch value[0] {
	case 't':
		return pipeline.Yes
	case 'f':
		return pipeline.No
	}
	switch s := f.textOf(value); {
	case strings.EqualFold(s, "true"), strings.EqualFold(s, "yes"):
		return pipeline.Yes
	case strings.EqualFold(s, "false"), strings.EqualFold(s, "no"):
		return pipeline.No
	}
	return pipeline.Unknown
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func containsFold(s, part string) bool {
	for i := 0; i+len(part) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(part)], part) {
			return true
		}
	}
	return false
}
