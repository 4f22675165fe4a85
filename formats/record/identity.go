package record

import (
	"strings"

	"github.com/trailcast/trailcast/pipeline"
)

// actor reads userIdentity. Types that nobody has heard of yet give what their fields say.
func (f fields) actor(a *pipeline.Actor) {
	a.Type = f.text(identityType)
	a.ID = f.text(identityID)
	a.ARN = f.text(identityARN)
	a.AccessKeyID = f.text(identityAccessKey)
	a.User = f.text(identityUser)
	a.InvokedBy = f.text(identityInvokedBy)
	a.OnBehalfOf = f.text(onBehalfOfUserID)
	if a.SourceIdentity = f.text(sessionSource); a.SourceIdentity == "" {
		a.SourceIdentity = f.text(identitySource)
	}
	arn, _ := ParseARN(a.ARN)
	a.Account.ID = f.actorAccount(arn)
	f.setRole(a, arn)
	f.setUser(a, arn)
	a.MFA = f.mfa()
	a.Console = f.fromConsole()
	a.Kind = f.actorKind(a)
}

func (f fields) actorAccount(arn ARN) string {
	if account := f.textOrNumber(identityAccount); account != "" {
		return account
	}
	if arn.Account != "" {
		return arn.Account
	}
	if account := f.textOrNumber(issuerAccount); account != "" {
		return account
	}
	issuer, _ := ParseARN(f.text(issuerARN))
	return issuer.Account
}

// setRole takes the role from the session's issuer, else from the ARN of the assumed role.
func (f fields) setRole(a *pipeline.Actor, arn ARN) {
	f.setIssuer(a)
	if role, _, name, ok := arn.AssumedRole(); ok {
		a.SessionName = name
		if a.Role == "" {
			a.Role = role
		}
		if a.RoleARN == "" {
			a.RoleARN = arn.RoleARN()
		}
	}
	if a.Role == "" {
		if name := arn.Name("role"); name != "" {
			a.Role, a.RoleARN = name, a.ARN
		}
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

// setIssuer takes the role from the session's issuer, where that is a role.
func (f fields) setIssuer(a *pipeline.Actor) {
	switch f.text(issuerType) {
	case "Root", "IAMUser": // they issue the sessions of GetFederationToken
		return
	}
	a.RoleARN = f.text(issuerARN)
	if a.Role = f.text(issuerUser); a.Role == "" {
		parsed, _ := ParseARN(a.RoleARN)
		a.Role = parsed.Name("role")
	}
}

// setUser finds the name of a user where userName does not give it.
func (f fields) setUser(a *pipeline.Actor, arn ARN) {
	switch {
	case a.PermissionSet != "" && a.SessionName != "":
		a.User = a.SessionName
	case a.Type == "IdentityCenterUser":
		a.User = first(a.OnBehalfOf, a.User, f.text(additionalUser))
	case a.User != "":
	case a.Type == "SAMLUser", a.Type == "WebIdentityUser": // principalId ends with the user
		a.User = a.ID[strings.LastIndexByte(a.ID, ':')+1:]
	default:
		if a.User = arn.Name("user"); a.User == "" {
			a.User = arn.Name("federated-user")
		}
	}
}

// mfa: what the session says, or what a sign-in says of itself. Requests with long-lived keys say nothing.
func (f fields) mfa() pipeline.Tri {
	session := f.tri(attributesMFA)
	if session == pipeline.Yes {
		return session
	}
	if signIn := f.tri(additionalMFA); signIn != pipeline.Unknown {
		return signIn
	}
	return session
}

// fromConsole reports whether the record says that it comes from a session of the AWS console.
func (f fields) fromConsole() bool {
	eventType := f.text(fieldEventType)
	return f.tri(fieldSessionCredentialFromConsole) == pipeline.Yes ||
		hasPrefixFold(eventType, "AwsConsoleSignIn") || hasPrefixFold(eventType, "AwsConsoleAction") ||
		f.text(fieldEventName) == "ConsoleLogin"
}

func (f fields) actorKind(a *pipeline.Actor) string {
	role := a.Role != "" || a.Type == "AssumedRole" || a.Type == "Role" || strings.HasPrefix(a.ID, "AROA")
	switch {
	case a.Type == "Root", a.Type == "IdentityCenterUser", a.Type == "SAMLUser",
		a.Type == "IAMUser" && (a.Console || a.MFA == pipeline.Yes),
		strings.HasSuffix(a.ARN, ":root"),
		a.PermissionSet != "",
		strings.Contains(a.SessionName, "@"),
		f.text(additionalSAML) != "":
		return "human"
	case a.Type == "AWSService",
		a.InvokedBy != "" && a.User == "" && !role && a.AccessKeyID == "" && a.ARN == "":
		return "aws"
	case role, a.AccessKeyID != "":
		return "machine"
	}
	return unknown
}
