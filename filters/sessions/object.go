package sessions

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

// object is the member `trailcast` of a session event: facts as `enrich` writes them, so that `enrich` gives the same again.
//
// What the events of one session have in common is kept as an object that has nothing else: whose the session is, where it
// is and what it was opened to. Encoded it takes much less memory than pipeline.Facts.
type object struct {
	V            int           `json:"v,omitzero"`
	ID           string        `json:"id,omitempty"`
	Kind         pipeline.Kind `json:"kind,omitempty"`
	Time         string        `json:"time,omitempty"` // RFC 3339
	Region       string        `json:"region,omitempty"`
	Account      *account      `json:"account,omitempty"`
	Service      string        `json:"service,omitempty"`
	Action       string        `json:"action,omitempty"`
	Outcome      string        `json:"outcome,omitempty"`
	Error        *errorFacts   `json:"error,omitempty"`
	Actor        *actor        `json:"actor,omitempty"`
	CrossAccount *bool         `json:"cross_account,omitempty"`
	Source       *source       `json:"source,omitempty"`
	Session      *part         `json:"session,omitempty"`
}

// version is that of the object's schema.
const version = 1

type account struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

type actor struct {
	Type           string   `json:"type,omitempty"`
	Kind           string   `json:"kind,omitempty"`
	ID             string   `json:"id,omitempty"`
	ARN            string   `json:"arn,omitempty"`
	Account        *account `json:"account,omitempty"`
	User           string   `json:"user,omitempty"`
	Role           string   `json:"role,omitempty"`
	RoleARN        string   `json:"role_arn,omitempty"`
	SessionName    string   `json:"session_name,omitempty"`
	PermissionSet  string   `json:"permission_set,omitempty"`
	AccessKeyID    string   `json:"access_key_id,omitempty"`
	MFA            *bool    `json:"mfa,omitempty"`
	Console        bool     `json:"console,omitempty"`
	SourceIdentity string   `json:"source_identity,omitempty"`
	OnBehalfOf     string   `json:"on_behalf_of,omitempty"`
	InvokedBy      string   `json:"invoked_by,omitempty"`
}

type source struct {
	IP          string `json:"ip,omitempty"`
	AWSService  string `json:"aws_service,omitempty"`
	UserAgent   string `json:"user_agent,omitempty"`
	VPCEndpoint string `json:"vpc_endpoint,omitempty"`
}

// part is `session` of a session event.
type part struct {
	ID       string `json:"id,omitempty"`
	Target   string `json:"target,omitempty"`
	Document string `json:"document,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// stamp is `session` of a session log: who opened the session and from where, or that this is not known yet.
type stamp struct {
	part
	Started string  `json:"started,omitempty"`
	Actor   *actor  `json:"actor,omitempty"`
	Source  *source `json:"source,omitempty"`
	Pending bool    `json:"pending,omitempty"`
}

type errorFacts struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// service is that of all session events: ECS Exec and Remote Desktop run in Session Manager too. What is kept of a session
// has the service that was called.
const service = "ssm"

// commonOf takes from the facts of an event what it tells of its session.
func commonOf(f *pipeline.Facts) object {
	a, s := &f.Actor, &f.Source
	return object{
		Region: f.Region, Account: accountOf(f.Account), Service: f.Service, CrossAccount: boolOf(f.CrossAccount),
		Actor: orNil(actor{
			Type: a.Type, Kind: a.Kind, ID: a.ID, ARN: a.ARN, Account: accountOf(a.Account), User: a.User, Role: a.Role,
			RoleARN: a.RoleARN, SessionName: a.SessionName, PermissionSet: a.PermissionSet, AccessKeyID: a.AccessKeyID,
			MFA: boolOf(a.MFA), Console: a.Console, SourceIdentity: a.SourceIdentity, OnBehalfOf: a.OnBehalfOf, InvokedBy: a.InvokedBy,
		}),
		Source:  orNil(source{IP: s.IP, AWSService: s.AWSService, UserAgent: s.UserAgent, VPCEndpoint: s.VPCEndpoint}),
		Session: orNil(part{ID: f.Session.ID, Target: f.Session.Target, Document: f.Session.Document, Reason: f.Session.Reason}),
	}
}

// set writes what is common into facts.
func (o *object) set(f *pipeline.Facts) {
	f.Region, f.Account, f.Service, f.CrossAccount = o.Region, o.Account.facts(), o.Service, triOf(o.CrossAccount)
	if a := o.Actor; a != nil {
		f.Actor = pipeline.Actor{
			Type: a.Type, Kind: a.Kind, ID: a.ID, ARN: a.ARN, Account: a.Account.facts(), User: a.User, Role: a.Role,
			RoleARN: a.RoleARN, SessionName: a.SessionName, PermissionSet: a.PermissionSet, AccessKeyID: a.AccessKeyID,
			MFA: triOf(a.MFA), Console: a.Console, SourceIdentity: a.SourceIdentity, OnBehalfOf: a.OnBehalfOf, InvokedBy: a.InvokedBy,
		}
	}
	if s := o.Source; s != nil {
		f.Source = pipeline.Source{IP: s.IP, AWSService: s.AWSService, UserAgent: s.UserAgent, VPCEndpoint: s.VPCEndpoint}
	}
	if s := o.Session; s != nil {
		f.Session = pipeline.Session{ID: s.ID, Target: s.Target, Document: s.Document, Reason: s.Reason}
	}
}

// facts are the short names of a session event.
func (o *object) facts() *pipeline.Facts {
	f := &pipeline.Facts{ID: o.ID, Kind: o.Kind, Action: o.Action, Outcome: o.Outcome}
	if t, err := time.Parse(time.RFC3339, o.Time); err == nil {
		f.Time = t.UTC()
	}
	o.set(f)
	if o.Error != nil {
		f.Error = pipeline.ErrorFact{Code: o.Error.Code, Message: o.Error.Message}
	}
	return f
}

func accountOf(a pipeline.Account) *account { return orNil(account{a.ID, a.Name}) }

func (a *account) facts() pipeline.Account {
	if a == nil {
		return pipeline.Account{}
	}
	return pipeline.Account{ID: a.ID, Name: a.Name}
}

func boolOf(t pipeline.Tri) *bool {
	if t == pipeline.Unknown {
		return nil
	}
	yes := t == pipeline.Yes
	return &yes
}

func triOf(b *bool) pipeline.Tri {
	if b == nil {
		return pipeline.Unknown
	}
	return pipeline.TriOf(*b)
}

// written writes a time as events have it; "" for an unknown one.
func written(ms int64) string {
	if ms == 0 {
		return ""
	}
	return timeOf(ms).Format(time.RFC3339Nano)
}

// orNil leaves out what is empty.
func orNil[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// encode writes JSON as events have it. The types of this package always can be encoded.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("sessions: encode: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
