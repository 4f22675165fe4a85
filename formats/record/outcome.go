package record

import (
	"strings"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

const (
	success = "success"
	failure = "failure"
	denied  = "denied"
)

// outcome tells success from failure, and from a refusal for lack of rights or of proof who one is. Sign-in events say
// it in an element named after the event: responseElements.ConsoleLogin, serviceEventDetails.CredentialVerification.
// facts has service, action and error.
func (f fields) outcome(facts *pipeline.Facts) string {
	failed := facts.Error.Code != "" || facts.Error.Message != ""
	if facts.Service == "signin" || facts.Action == "ConsoleLogin" {
		switch f.signInResult(facts.Action) {
		case success:
			if facts.Action == "ConsoleLogin" {
				return success
			}
		case failure:
			failed = true
		}
		if failed && isSignIn(facts.Action) {
			return denied
		}
	}
	if isDenial(facts.Error.Code) {
		return denied
	}
	if failed {
		return failure
	}
	return success
}

// signInResult returns success or failure as the element of the event's name has it, "" where there is none.
func (f fields) signInResult(action string) string {
	for _, parent := range [...]int{fieldResponseElements, fieldServiceEventDetails} {
		if !f.is(parent, rawjson.Object) {
			continue
		}
		switch result := rawjson.Str(f.value(parent), action); {
		case strings.EqualFold(result, success):
			return success
		case strings.EqualFold(result, failure):
			return failure
		}
	}
	return ""
}

// isSignIn reports whether a sign-in event is an attempt to get in; others (PasswordUpdated) may fail without that.
func isSignIn(action string) bool {
	switch action {
	case "ConsoleLogin", "CheckMfa", "CredentialChallenge", "CredentialVerification", "UserAuthentication", "SwitchRole":
		return true
	}
	return false
}

func isDenial(code string) bool {
	return containsFold(code, "AccessDenied") || containsFold(code, "Unauthorized") || containsFold(code, "Forbidden")
}
