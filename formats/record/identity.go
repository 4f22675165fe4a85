package record

import (
	"strings"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// Members of userIdentity and of the objects in it.
const (
	identityType = iota // the first name is short: see rawjson.Keys.Members
	identityID
	identityARN
	identityAccount
	identityAccessKey
	identityUser
	identityInvokedBy
	identitySession
	identityOnBehalfOf
	identitySource
	identityAttributes
	identityIssuer
	identityMFA
	identityUserID
	identityCount
)

var identityKeys = rawjson.NewKeys([]string{
	identityType:       "type",
	identityID:         "principalId",
	identityARN:        "arn",
	identityAccount:    "accountId",
	identityAccessKey:  "accessKeyId",
	identityUser:       "userName",
	identityInvokedBy:  "invokedBy",
	identitySession:    "sessionContext",
	identityOnBehalfOf: "onBehalfOf",
	identitySource:     "sourceIdentity",
	identityAttributes: "attributes",
	identityIssuer:     "sessionIssuer",
	identityMFA:        "mfaAuthenticated",
	identityUserID:     "userId",
})

// identityPart is an object of which members were found: userIdentity or one in it.
type identityPart struct {
	raw   []byte
	found [identityCount]rawjson.Span
}

// read finds the members of an object without white space around it; there are none in anything else.
func (p *identityPart) read(object []byte) {
	p.raw = object
	identityKeys.Members(object, p.found[:])
}

// value returns the raw value of a member, nil where it is absent.
func (p *identityPart) value(i int) []byte {
	if s := p.found[i]; s.To > 0 {
		return p.raw[s.From:s.To:s.To]
	}
	return nil
}

func (p *identityPart) text(i int) string { return text(p.value(i)) }

// identity returns one value of userIdentity.
func (f *fields) identity(key string) []byte {
	if !f.is(fieldUserIdentity, rawjson.Object) {
		return nil
	}
	value, _ := rawjson.Get(f.value(fieldUserIdentity), key)
	return value
}

// actor reads userIdentity. Types that nobody has heard of yet give what their fields say.
func (f *fields) actor() pipeline.Actor {
	var id identityPart
	id.read(f.value(fieldUserIdentity))
	a := pipeline.Actor{
		Type:        id.text(identityType),
		ID:          id.text(identityID),
		ARN:         id.text(identityARN),
		AccessKeyID: id.text(identityAccessKey),
		User:        id.text(identityUser),
		InvokedBy:   id.text(identityInvokedBy),
	}
	a.Account.ID = textOrNumber(id.value(identityAccount))
	session := readSessionContext(id.value(identitySession))
	a.SourceIdentity = first(session.sourceIdentity, id.text(identitySource))
	if onBehalfOf := id.value(identityOnBehalfOf); onBehalfOf != nil {
		id.read(onBehalfOf)
		a.OnBehalfOf = id.text(identityUserID)
	}

	arn, _ := ParseARN(a.ARN)
	a.Account.ID = first(a.Account.ID, arn.Account, session.issuerAccount)
	setRole(&a, arn, &session)
	setUser(&a, arn, f)
	a.MFA = f.mfa(session.mfa)
	a.Console = f.fromConsole()
	a.Kind = f.actorKind(&a)
	return a
}

// sessionContext is what userIdentity.sessionContext says.
type sessionContext struct {
	mfa            pipeline.Tri
	sourceIdentity string
	issuerAccount  string
	role, roleARN  string // of a session issuer that is a role
}

func readSessionContext(value []byte) (s sessionContext) {
	if value == nil {
		return s
	}
	var part identityPart
	part.read(value)
	s.sourceIdentity = part.text(identitySource)
	attributes, issuer := part.value(identityAttributes), part.value(identityIssuer)
	if attributes != nil {
		part.read(attributes)
		s.mfa = triOf(part.value(identityMFA))
	}
	if issuer == nil {
		return s
	}
	part.read(issuer)
	arn := part.text(identityARN)
	parsed, _ := ParseARN(arn)
	s.issuerAccount = first(textOrNumber(part.value(identityAccount)), parsed.Account)
	switch part.text(identityType) {
	case "Root", "IAMUser": // they issue the sessions of GetFederationToken
	default:
		s.roleARN = arn
		s.role = first(part.text(identityUser), parsed.Name("role"))
	}
	return s
}

// setRole takes the role from the session's issuer, else from the ARN of the assumed role.
func setRole(a *pipeline.Actor, arn ARN, session *sessionContext) {
	a.Role, a.RoleARN = session.role, session.roleARN
	role, _, name, ok := arn.AssumedRole()
	if ok {
		a.SessionName = name
		a.Role = first(a.Role, role)
		if a.RoleARN == "" {
			a.RoleARN = arn.RoleARN()
		}
	}
	if name := arn.Name("role"); name != "" && a.Role == "" {
		a.Role, a.RoleARN = name, a.ARN
	}
	if a.ARN == "" { // principalId of a role's session is AROA…:SESSION
		switch a.Type {
		case "AssumedRole", "Role", "AWSAccount":
			_, a.SessionName, _ = strings.Cut(a.ID, ":")
		}
	}
	if rest, ok := strings.CutPrefix(a.Role, "AWSReservedSSO_"); ok {
		a.PermissionSet = rest
		if i := strings.LastIndexByte(rest, '_'); i > 0 {
			a.PermissionSet = rest[:i]
		}
	}
}

// setUser finds the name of a user where userName does not give it.
func setUser(a *pipeline.Actor, arn ARN, f *fields) {
	switch {
	case a.PermissionSet != "" && a.SessionName != "":
		a.User = a.SessionName
	case a.Type == "IdentityCenterUser":
		a.User = first(a.OnBehalfOf, a.User, f.additionalText("UserName"))
	case a.User != "":
	case a.Type == "SAMLUser", a.Type == "WebIdentityUser": // principalId ends with the user
		a.User = a.ID[strings.LastIndexByte(a.ID, ':')+1:]
	default:
		a.User = first(arn.Name("user"), arn.Name("federated-user"))
	}
}

// mfa: what the session says, or what a sign-in says of itself. Requests with long-lived keys say nothing.
func (f *fields) mfa(session pipeline.Tri) pipeline.Tri {
	if session == pipeline.Yes || !f.is(fieldAdditionalEventData, rawjson.Object) {
		return session
	}
	used, _ := rawjson.Get(f.value(fieldAdditionalEventData), "MFAUsed")
	if signIn := triOf(used); signIn != pipeline.Unknown {
		return signIn
	}
	return session
}

// fromConsole reports whether the record says that it comes from a session of the AWS console.
func (f *fields) fromConsole() bool {
	eventType := f.text(fieldEventType)
	return triOf(f.value(fieldSessionCredentialFromConsole)) == pipeline.Yes ||
		hasPrefixFold(eventType, "AwsConsoleSignIn") || hasPrefixFold(eventType, "AwsConsoleAction") ||
		f.text(fieldEventName) == "ConsoleLogin"
}

func (f *fields) actorKind(a *pipeline.Actor) string {
	role := a.Role != "" || a.Type == "AssumedRole" || a.Type == "Role" || strings.HasPrefix(a.ID, "AROA")
	switch {
	case a.Type == "Root", a.Type == "IdentityCenterUser", a.Type == "SAMLUser",
		a.Type == "IAMUser" && (a.Console || a.MFA == pipeline.Yes),
		strings.HasSuffix(a.ARN, ":root"),
		a.PermissionSet != "",
		strings.Contains(a.SessionName, "@"),
		f.additionalText("SamlProviderArn") != "":
		return "human"
	case a.Type == "AWSService",
		a.InvokedBy != "" && a.User == "" && !role && a.AccessKeyID == "" && a.ARN == "":
		return "aws"
	case role, a.AccessKeyID != "":
		return "machine"
	}
	return unknown
}

// additionalText returns a string of additionalEventData, "" where there is none.
func (f *fields) additionalText(key string) string {
	if !f.is(fieldAdditionalEventData, rawjson.Object) {
		return ""
	}
	return rawjson.Str(f.value(fieldAdditionalEventData), key)
}
