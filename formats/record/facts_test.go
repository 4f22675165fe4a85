package record

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

// flat returns the facts that are there by their names in the schema, and the name of the actor as {actor}.
func flat(f *pipeline.Facts) map[string]string {
	all := map[string]string{
		"id": f.ID, "kind": string(f.Kind), "region": f.Region, "account": f.Account.ID, "service": f.Service,
		"action": f.Action, "category": f.Category, "read_only": triText(f.ReadOnly), "outcome": f.Outcome,
		"error": f.Error.Code, "message": f.Error.Message,
		"type": f.Actor.Type, "actor_kind": f.Actor.Kind, "principal": f.Actor.ID, "arn": f.Actor.ARN,
		"actor_account": f.Actor.Account.ID, "user": f.Actor.User, "role": f.Actor.Role, "role_arn": f.Actor.RoleARN,
		"session_name": f.Actor.SessionName, "permission_set": f.Actor.PermissionSet, "key": f.Actor.AccessKeyID,
		"mfa": triText(f.Actor.MFA), "source_identity": f.Actor.SourceIdentity, "on_behalf_of": f.Actor.OnBehalfOf,
		"invoked_by": f.Actor.InvokedBy, "cross_account": triText(f.CrossAccount),
		"ip": f.Source.IP, "aws_service": f.Source.AWSService, "user_agent": f.Source.UserAgent,
		"vpc_endpoint": f.Source.VPCEndpoint,
		"session":      f.Session.ID, "target": f.Session.Target, "document": f.Session.Document, "reason": f.Session.Reason,
		"actor": f.ActorName(),
	}
	if f.Actor.Console {
		all["console"] = "true"
	}
	if !f.Time.IsZero() {
		all["time"] = f.Time.Format(time.RFC3339Nano)
	}
	maps.DeleteFunc(all, func(_, v string) bool { return v == "" })
	return all
}

func triText(t pipeline.Tri) string { return [...]string{"", "false", "true"}[t] }

type want map[string]string

// check compares the facts that want names; "" means that the fact is absent.
func (w want) check(t *testing.T, f *pipeline.Facts) {
	t.Helper()
	got := flat(f)
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if got[name] != w[name] {
			t.Errorf("%s = %q, want %q", name, got[name], w[name])
		}
	}
	if t.Failed() {
		t.Logf("all facts: %v", got)
	}
}

func factsOf(record string, origin *pipeline.Origin) *pipeline.Facts {
	raw := []byte(record)
	r := &pipeline.Record{Raw: raw, Kind: KindOf(raw), Reader: Reader{}, Origin: origin}
	return r.Facts()
}

// trail puts members into a CloudTrail record, before the defaults: of duplicate keys the last counts, so a member that
// a test gives is left out of the defaults.
func trail(members string) string {
	defaults := []string{
		`"eventVersion":"1.11"`, `"eventID":"e-1"`, `"eventTime":"2024-05-06T07:08:09Z"`, `"eventName":"GetUser"`,
		`"eventSource":"iam.amazonaws.com"`, `"eventType":"AwsApiCall"`, `"awsRegion":"eu-west-1"`,
		`"recipientAccountId":"111122223333"`,
	}
	record := "{" + members
	for _, member := range defaults {
		name, _, _ := strings.Cut(member, ":")
		if !strings.Contains(members, name+":") {
			record += "," + member
		}
	}
	return record + "}"
}

// The identities are AWS's documented ones, shortened; Directory, IdentityCenterUser, Role and the last ones are made up
// from the table of the page "CloudTrail userIdentity element".
func TestActorOfEachIdentityType(t *testing.T) {
	tests := []struct {
		name, record string
		want         want
	}{
		{"Root", `"userIdentity":{"type":"Root","principalId":"111122223333","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333","accessKeyId":""}`,
			want{"type": "Root", "actor_kind": "human", "actor_account": "111122223333", "user": "", "role": "", "key": "", "mfa": "", "cross_account": "false", "actor": "111122223333"}},
		{"Root with an alias", `"userIdentity":{"type":"Root","arn":"arn:aws:iam::111122223333:root","userName":"my-company"}`,
			want{"user": "my-company", "actor_account": "111122223333", "actor": "my-company"}},

		{"IAMUser with an access key", `"userIdentity":{"type":"IAMUser","principalId":"AIDA1","arn":"arn:aws:iam::111122223333:user/ops/alice","accountId":"111122223333","accessKeyId":"AKIA1","userName":"alice"}`,
			want{"actor_kind": "machine", "user": "alice", "key": "AKIA1", "role": "", "session_name": "", "console": "", "actor": "alice"}},
		{"IAMUser with MFA", `"userIdentity":{"type":"IAMUser","accountId":"111122223333","accessKeyId":"ASIA1","userName":"alice","sessionContext":{"sessionIssuer":{},"webIdFederationData":{},"attributes":{"mfaAuthenticated":"true"}}}`,
			want{"actor_kind": "human", "mfa": "true", "role": "", "role_arn": ""}},
		{"IAMUser in the console", `"sessionCredentialFromConsole":"true","userIdentity":{"type":"IAMUser","accountId":"111122223333","accessKeyId":"ASIA1","userName":"alice","sessionContext":{"attributes":{"mfaAuthenticated":"false"}}}`,
			want{"actor_kind": "human", "mfa": "false", "console": "true"}},
		{"IAMUser without userName", `"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ops/alice"}`,
			want{"user": "alice", "actor_account": "111122223333", "actor_kind": "unknown", "actor": "alice"}},

		{"AssumedRole", `"userIdentity":{"type":"AssumedRole","principalId":"AROA1:s1","arn":"arn:aws:sts::111122223333:assumed-role/deploy/s1","accountId":"111122223333","accessKeyId":"ASIA1","sessionContext":{"sourceIdentity":"bob","sessionIssuer":{"type":"Role","principalId":"AROA1","arn":"arn:aws:iam::111122223333:role/ci/deploy","accountId":"111122223333","userName":"deploy"},"attributes":{"mfaAuthenticated":"false"}}}`,
			want{"actor_kind": "machine", "role": "deploy", "role_arn": "arn:aws:iam::111122223333:role/ci/deploy", "session_name": "s1", "user": "", "source_identity": "bob", "mfa": "false", "actor": "deploy/s1"}},
		{"AssumedRole without sessionIssuer", `"userIdentity":{"type":"AssumedRole","arn":"arn:aws-cn:sts::111122223333:assumed-role/deploy/s1"}`,
			want{"actor_kind": "machine", "role": "deploy", "role_arn": "arn:aws-cn:iam::111122223333:role/deploy", "session_name": "s1", "actor_account": "111122223333", "mfa": "", "actor": "deploy/s1"}},
		{"AssumedRole with an empty session name", `"userIdentity":{"type":"AssumedRole","principalId":"AROA1:","arn":"arn:aws:sts::111122223333:assumed-role/deploy/"}`,
			want{"role": "deploy", "session_name": "", "actor": "deploy"}},
		{"AssumedRole with an ARN without a session", `"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/deploy"}`,
			want{"role": "deploy", "session_name": "", "actor": "deploy"}},
		{"AssumedRole with blanks only", `"userIdentity":{"type":"AssumedRole","principalId":"AROA1:s1","arn":"","accountId":"","accessKeyId":"","userName":""}`,
			want{"session_name": "s1", "role": "", "key": "", "arn": "", "actor_account": "", "actor_kind": "machine", "cross_account": "", "actor": "unknown"}},
		{"AssumedRole of a person by mail address", `"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/admin/ann@example.com","accessKeyId":"ASIA1"}`,
			want{"actor_kind": "human", "actor": "admin/ann@example.com"}},
		{"AssumedRole of Identity Center", `"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Power_User_0123456789abcdef/ann","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Power_User_0123456789abcdef","userName":"AWSReservedSSO_Power_User_0123456789abcdef"}}}`,
			want{"actor_kind": "human", "permission_set": "Power_User", "user": "ann", "session_name": "ann", "role": "AWSReservedSSO_Power_User_0123456789abcdef", "role_arn": "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Power_User_0123456789abcdef", "actor": "ann"}},
		{"AssumedRole of a service", `"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForRDS/SLRManagement","invokedBy":"rds.amazonaws.com","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS","userName":"AWSServiceRoleForRDS"}}}`,
			want{"actor_kind": "machine", "invoked_by": "rds.amazonaws.com", "role_arn": "arn:aws:iam::111122223333:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS", "actor": "AWSServiceRoleForRDS/SLRManagement"}},

		{"Role", `"userIdentity":{"type":"Role","principalId":"AROA1:x","arn":"arn:aws:iam::111122223333:role/svc/worker","accountId":"111122223333"}`,
			want{"actor_kind": "machine", "role": "worker", "role_arn": "arn:aws:iam::111122223333:role/svc/worker", "actor": "worker"}},

		{"FederatedUser", `"userIdentity":{"type":"FederatedUser","principalId":"111122223333:bob","arn":"arn:aws:sts::111122223333:federated-user/bob","accountId":"111122223333","accessKeyId":"ASIA1","sessionContext":{"sessionIssuer":{"type":"IAMUser","principalId":"AIDA1","arn":"arn:aws:iam::111122223333:user/broker","accountId":"111122223333","userName":"broker"}}}`,
			want{"actor_kind": "machine", "user": "bob", "role": "", "role_arn": "", "actor": "bob"}},

		{"Directory", `"eventSource":"workdocs.amazonaws.com","userIdentity":{"type":"Directory","principalId":"S-1-5-21-1","accountId":"111122223333","userName":"ann@corp.example.com"}`,
			want{"type": "Directory", "actor_kind": "unknown", "user": "ann@corp.example.com", "actor": "ann@corp.example.com"}},

		{"AWSAccount", `"userIdentity":{"type":"AWSAccount","principalId":"AROA1:backup","accountId":"777788889999"}`,
			want{"account": "111122223333", "actor_account": "777788889999", "cross_account": "true", "session_name": "backup", "actor_kind": "machine", "actor": "777788889999"}},
		{"AWSAccount of the same id", `"userIdentity":{"type":"AWSAccount","principalId":"AIDA1","accountId":"111122223333"}`,
			want{"cross_account": "true", "actor_kind": "unknown", "actor": "111122223333"}},

		{"AWSService", `"sourceIPAddress":"ec2.amazonaws.com","userAgent":"ec2.amazonaws.com","userIdentity":{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}`,
			want{"actor_kind": "aws", "account": "111122223333", "actor_account": "", "cross_account": "", "aws_service": "ec2.amazonaws.com", "ip": "", "actor": "ec2.amazonaws.com"}},

		{"IdentityCenterUser", `"userIdentity":{"type":"IdentityCenterUser","accountId":"111122223333","onBehalfOf":{"userId":"94482488-3041-7001-8c5a-EXAMPLE","identityStoreArn":"arn:aws:identitystore::111122223333:identitystore/d-1"},"credentialId":"EXAMPLE"}`,
			want{"actor_kind": "human", "user": "94482488-3041-7001-8c5a-EXAMPLE", "on_behalf_of": "94482488-3041-7001-8c5a-EXAMPLE", "actor": "94482488-3041-7001-8c5a-EXAMPLE"}},
		{"IdentityCenterUser at sign-in", `"additionalEventData":{"UserName":"ann"},"userIdentity":{"type":"IdentityCenterUser","accountId":"111122223333"}`,
			want{"actor_kind": "human", "user": "ann", "actor": "ann"}},

		{"SAMLUser", `"userIdentity":{"type":"SAMLUser","principalId":"SampleUkh1i4+ExamplexL/jEvs=:SamlExample","userName":"SamlExample","identityProvider":"bdGOnTesti4+ExamplexL/jEvs="}`,
			want{"actor_kind": "human", "user": "SamlExample", "actor_account": "", "account": "111122223333", "actor": "SamlExample"}},
		{"SAMLUser without userName", `"userIdentity":{"type":"SAMLUser","principalId":"SampleUkh1i4+ExamplexL/jEvs=:SamlExample"}`,
			want{"user": "SamlExample"}},

		{"WebIdentityUser", `"userIdentity":{"type":"WebIdentityUser","principalId":"accounts.google.com:app.apps.googleusercontent.com:1234","userName":"1234","identityProvider":"accounts.google.com"}`,
			want{"actor_kind": "unknown", "user": "1234", "cross_account": "", "actor": "1234"}},

		{"Unknown", `"userIdentity":{"type":"Unknown","principalId":"111122223333","arn":"","accountId":"111122223333","accessKeyId":"","userName":"user1"}`,
			want{"type": "Unknown", "actor_kind": "unknown", "user": "user1", "actor": "user1"}},

		{"no type, invoked by AWS", `"userIdentity":{"accountId":"111122223333","invokedBy":"AWS Internal"}`,
			want{"type": "", "actor_kind": "aws", "actor_account": "111122223333", "actor": "AWS Internal"}},
		{"no type, an access key", `"userIdentity":{"principalId":"x","accessKeyId":"AKIA1","arn":"arn:aws:iam::111122223333:user/alice"}`,
			want{"type": "", "actor_kind": "machine", "user": "alice", "actor": "alice"}},
		{"a type of the future", `"userIdentity":{"type":"QuantumUser","principalId":"q","arn":"arn:aws:sts::111122223333:assumed-role/r/s"}`,
			want{"type": "QuantumUser", "actor_kind": "machine", "role": "r", "actor": "r/s"}},
		{"empty userIdentity", `"userIdentity":{}`, want{"type": "", "actor_kind": "unknown", "actor": "unknown", "cross_account": ""}},
		{"null userIdentity", `"userIdentity":null`, want{"actor_kind": "unknown", "actor": "unknown"}},
		{"userIdentity is no object", `"userIdentity":["alice"]`, want{"actor_kind": "unknown", "actor": "unknown"}},
		{"members of other types", `"userIdentity":{"type":7,"arn":{},"accountId":111122223333,"userName":null,"sessionContext":"x","onBehalfOf":[1]}`,
			want{"type": "", "arn": "", "actor_account": "111122223333", "user": "", "actor": "111122223333"}},
		{"ARN with spaces, as an old page has it", `"userIdentity":{"type":"AssumedRole","arn":"arn: aws: sts: : 111122223333: assumed-role/DevRole/Dev1"}`,
			want{"actor_account": "111122223333", "role": "DevRole", "session_name": "Dev1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.check(t, factsOf(trail(tt.record), nil))
		})
	}
}

func TestFactRules(t *testing.T) {
	tests := []struct {
		name, record string
		origin       *pipeline.Origin
		want         want
	}{
		{"all plain fields", `"eventCategory":"Management","readOnly":true,"sourceIPAddress":"2001:db8::1","userAgent":"aws-cli/2","vpcEndpointId":"vpce-1"`, nil,
			want{"id": "e-1", "kind": "cloudtrail", "time": "2024-05-06T07:08:09Z", "region": "eu-west-1", "account": "111122223333", "service": "iam", "action": "GetUser", "category": "Management", "read_only": "true", "outcome": "success", "ip": "2001:db8::1", "aws_service": "", "user_agent": "aws-cli/2", "vpc_endpoint": "vpce-1"}},

		// account
		{"account: recipient", `"userIdentity":{"accountId":"777788889999"}`, &pipeline.Origin{Owner: "444455556666"}, want{"account": "111122223333", "cross_account": "true"}},
		{"account: recipient as a number", `"recipientAccountId":111122223333`, nil, want{"account": "111122223333"}},
		{"account: identity", `"recipientAccountId":"","userIdentity":{"accountId":"777788889999"}`, &pipeline.Origin{Owner: "444455556666"}, want{"account": "777788889999", "cross_account": "false"}},
		{"account: owner of the envelope", `"recipientAccountId":null,"userIdentity":{"arn":"arn:aws:iam::777788889999:user/a"}`, &pipeline.Origin{Owner: "444455556666"}, want{"account": "444455556666", "actor_account": "777788889999", "cross_account": "true"}},
		{"account: name of the object", `"recipientAccountId":"","awsRegion":""`, &pipeline.Origin{Object: "s3://b/p/AWSLogs/o-abc/123456789012/CloudTrail/sa-east-1/2024/05/06/x.json.gz"}, want{"account": "123456789012", "region": "sa-east-1"}},
		{"account: actor's ARN", `"recipientAccountId":"","userIdentity":{"arn":"arn:aws:iam::777788889999:user/a"}`, nil, want{"account": "777788889999"}},
		{"account: nothing known", `"recipientAccountId":""`, nil, want{"account": "", "cross_account": ""}},
		{"account: a placeholder stays", `"recipientAccountId":"..."`, nil, want{"account": "..."}},

		// cross_account
		{"cross: the resource's account where there is no recipient", `"recipientAccountId":"","userIdentity":{"accountId":"777788889999"},"resources":[{"ARN":"arn:aws:s3:::b"},{"accountId":"444455556666"}]`, nil, want{"account": "777788889999", "cross_account": "true"}},
		{"cross: the issuer's account is the actor's", `"userIdentity":{"type":"AssumedRole","sessionContext":{"sessionIssuer":{"accountId":"777788889999"}}}`, nil, want{"actor_account": "777788889999", "cross_account": "true"}},

		// region
		{"region: envelope", `"awsRegion":""`, &pipeline.Origin{Region: "us-gov-west-1", Object: "AWSLogs/123456789012/CloudTrail/eu-west-1/x"}, want{"region": "us-gov-west-1"}},
		{"region: unheard-of names stay", `"awsRegion":"me-northwest-3r"`, nil, want{"region": "me-northwest-3r"}},

		// service and action
		{"service: China", `"eventSource":"ec2.amazonaws.com.cn"`, nil, want{"service": "ec2"}},
		{"service: blank, from a resource", `"eventSource":"","resources":[{"accountId":"1"},{"ARNPrefix":"arn:aws:ssm:us-east-2:123456789012:document/"}]`, nil, want{"service": "ssm"}},
		{"service: blank, no resource", `"eventSource":"","resources":[]`, nil, want{"service": "unknown"}},
		{"service: without a suffix", `"eventSource":"foo"`, nil, want{"service": "foo"}},
		{"action: a URL", `"eventName":"https://portal.sso.us-east-1.amazonaws.com/instance"`, nil, want{"action": "https://portal.sso.us-east-1.amazonaws.com/instance"}},

		// category
		{"category: managementEvent", `"managementEvent":true`, nil, want{"category": "Management"}},
		{"category: data event before 1.07", `"managementEvent":false`, nil, want{"category": "Data"}},
		{"category: network activity", `"managementEvent":false,"eventType":"AwsVpceEvents"`, nil, want{"category": "NetworkActivity"}},
		{"category: not said", `"userAgent":"x"`, nil, want{"category": ""}},

		{"read_only: string", `"readOnly":"false"`, nil, want{"read_only": "false"}},
		{"read_only: absent", `"userAgent":"x"`, nil, want{"read_only": ""}},

		// outcome
		{"outcome: AccessDenied", `"errorCode":"AccessDenied","errorMessage":"no"`, nil, want{"outcome": "denied", "error": "AccessDenied", "message": "no"}},
		{"outcome: AccessDeniedException", `"errorCode":"AccessDeniedException"`, nil, want{"outcome": "denied"}},
		{"outcome: EC2's refusal", `"errorCode":"Client.UnauthorizedOperation"`, nil, want{"outcome": "denied"}},
		{"outcome: UnauthorizedOperation", `"errorCode":"UnauthorizedOperation"`, nil, want{"outcome": "denied"}},
		{"outcome: unauthorized in any spelling", `"errorCode":"unauthorizedClient"`, nil, want{"outcome": "denied"}},
		{"outcome: Forbidden", `"errorCode":"ForbiddenException"`, nil, want{"outcome": "denied"}},
		{"outcome: other error", `"errorCode":"ThrottlingException"`, nil, want{"outcome": "failure"}},
		{"outcome: message alone", `"errorMessage":"went wrong"`, nil, want{"outcome": "failure"}},
		{"outcome: blank error", `"errorCode":"","errorMessage":null`, nil, want{"outcome": "success", "error": ""}},
		{"outcome: error code is a number", `"errorCode":403`, nil, want{"outcome": "failure", "error": "403"}},
		{"outcome: login", `"eventName":"ConsoleLogin","eventSource":"signin.amazonaws.com","responseElements":{"ConsoleLogin":"Success"}`, nil, want{"outcome": "success", "console": "true"}},
		{"outcome: login failed", `"eventName":"ConsoleLogin","eventSource":"signin.amazonaws.com","errorMessage":"Failed authentication","responseElements":{"ConsoleLogin":"Failure"}`, nil, want{"outcome": "denied", "message": "Failed authentication"}},
		{"outcome: login failed without an error", `"eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Failure"}`, nil, want{"outcome": "denied"}},
		{"outcome: login with an error and no answer", `"eventName":"ConsoleLogin","errorMessage":"No username found in supplied account","responseElements":null`, nil, want{"outcome": "denied"}},
		{"outcome: second factor of Identity Center", `"eventName":"CredentialVerification","eventSource":"signin.amazonaws.com","serviceEventDetails":{"CredentialVerification":"Failure"}`, nil, want{"outcome": "denied"}},
		{"outcome: a password that does not follow the policy is no refusal", `"eventName":"PasswordUpdated","eventSource":"signin.amazonaws.com","errorCode":"PasswordPolicyViolation","responseElements":{"PasswordUpdated":"Failure"}`, nil, want{"outcome": "failure"}},
		{"outcome: an answer that is a string", `"responseElements":"{}"`, nil, want{"outcome": "success"}},

		// MFA, console
		{"mfa: at login", `"eventName":"ConsoleLogin","additionalEventData":{"MFAUsed":"YES"},"userIdentity":{"type":"IAMUser","userName":"a"}`, nil, want{"mfa": "true", "actor_kind": "human"}},
		{"mfa: not at login", `"eventName":"ConsoleLogin","additionalEventData":{"MFAUsed":"No"},"userIdentity":{"type":"IAMUser","userName":"a"}`, nil, want{"mfa": "false", "actor_kind": "human"}},
		{"mfa: placeholder", `"userIdentity":{"sessionContext":{"attributes":{"mfaAuthenticated":"..."}}}`, nil, want{"mfa": ""}},
		{"mfa: a real truth value", `"userIdentity":{"sessionContext":{"attributes":{"mfaAuthenticated":true}}}`, nil, want{"mfa": "true"}},
		{"console: spelling of the type", `"eventType":"AwsConsoleSignin"`, nil, want{"console": "true"}},
		{"console: an action", `"eventType":"AwsConsoleAction"`, nil, want{"console": "true"}},
		{"console: not said", `"userIdentity":{"type":"IAMUser"}`, nil, want{"console": ""}},
		{"kind: login by SAML", `"eventName":"ConsoleLogin","additionalEventData":{"SamlProviderArn":"arn:aws:iam::111122223333:saml-provider/Okta"},"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/r/s"}`, nil, want{"actor_kind": "human"}},

		// source
		{"source: name", `"sourceIPAddress":"AWS Internal"`, nil, want{"ip": "", "aws_service": "AWS Internal"}},
		{"source: hex digits only but no address", `"sourceIPAddress":"face"`, nil, want{"ip": "", "aws_service": "face"}},
		{"source: blank", `"sourceIPAddress":""`, nil, want{"ip": "", "aws_service": ""}},
		{"source: endpoint in S3's old place", `"additionalEventData":{"vpcEndpointId":"vpce-1111"}`, nil, want{"vpc_endpoint": "vpce-1111"}},
		{"source: user agent is a list", `"userAgent":["..."]`, nil, want{"user_agent": ""}},

		// time
		{"time: fraction and space", `"eventTime":"2024-05-06 07:08:09.120000000"`, nil, want{"time": "2024-05-06T07:08:09.12Z"}},
		{"time: unreadable; arrival is no event time", `"eventTime":"..."`, &pipeline.Origin{Time: time.Unix(1, 0)}, want{"time": ""}},

		// id
		{"id: none", `"eventID":"","eventType":"AwsApiCall"`, nil, want{"id": "0eb34d4d12a29c4b"}},

		// of duplicate keys the last counts
		{"duplicate keys", `"eventName":"First","eventName":"Second"`, nil, want{"action": "Second"}},
		{"escapes and text beyond ASCII", `"userIdentity":{"type":"IAMUser","userName":"J\u00f6rg \ud83d\ude00"}`, nil, want{"user": "Jörg 😀"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.check(t, factsOf(trail(tt.record), tt.origin))
		})
	}
}

// StartSession and TerminateSession of SSM are shortened real records, the others are made up.
func TestSessionFacts(t *testing.T) {
	tests := []struct {
		name, record string
		want         want
	}{
		{"StartSession", `"eventSource":"ssm.amazonaws.com","eventName":"StartSession","requestParameters":{"target":"i-02311671588e96626","documentName":"SSM-sudo","reason":"ticket 7"},"responseElements":{"sessionId":"garland.kan.temp-0e34861185201706f","tokenValue":"Value hidden due to security reasons."}`,
			want{"session": "garland.kan.temp-0e34861185201706f", "target": "i-02311671588e96626", "document": "SSM-sudo", "reason": "ticket 7"}},
		{"StartSession that was refused", `"eventSource":"ssm.amazonaws.com","eventName":"StartSession","errorCode":"AccessDenied","requestParameters":{"target":"i-1"},"responseElements":null`,
			want{"session": "", "target": "i-1", "outcome": "denied"}},
		{"ResumeSession", `"eventSource":"ssm.amazonaws.com","eventName":"ResumeSession","requestParameters":{"sessionId":"a-0"},"responseElements":{"sessionId":"a-0"}`,
			want{"session": "a-0", "target": ""}},
		{"TerminateSession", `"eventSource":"ssm.amazonaws.com","eventName":"TerminateSession","requestParameters":{"sessionId":"a-0"},"responseElements":null`,
			want{"session": "a-0"}},
		{"Athena's StartSession", `"eventSource":"athena.amazonaws.com","eventName":"StartSession","responseElements":{"sessionId":"a-0"}`,
			want{"session": ""}},
		{"ExecuteCommand", `"eventSource":"ecs.amazonaws.com","eventName":"ExecuteCommand","requestParameters":{"cluster":"c","container":"app","task":"t1","command":"sh","interactive":true},"responseElements":{"taskArn":"arn:aws:ecs:eu-west-1:111122223333:task/c/t1","session":{"sessionId":"ecs-execute-command-0"}}`,
			want{"session": "ecs-execute-command-0", "target": "arn:aws:ecs:eu-west-1:111122223333:task/c/t1"}},
		{"ExecuteCommand that was refused", `"eventSource":"ecs.amazonaws.com","eventName":"ExecuteCommand","requestParameters":{"task":"t1"},"responseElements":null`,
			want{"session": "", "target": "t1"}},
		{"remote desktop", `"eventSource":"ssm-guiconnect.amazonaws.com","eventName":"StartConnection","requestParameters":{"InstanceId":"i-1"},"responseElements":{"ConnectionArn":"arn:aws:ssm-guiconnect:us-east-2:111122223333:connection/fcb810cd"}`,
			want{"session": "fcb810cd", "target": "i-1", "service": "ssm-guiconnect"}},
		{"another action of SSM", `"eventSource":"ssm.amazonaws.com","eventName":"SendCommand","requestParameters":{"documentName":"AWS-RunShellScript"}`,
			want{"session": "", "document": ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.check(t, factsOf(trail(tt.record), nil))
		})
	}
}

// The records are made up from the source of the amazon-ssm-agent.
func TestSessionLogFacts(t *testing.T) {
	arrived := time.Date(2024, 5, 6, 9, 0, 0, 0, time.UTC)
	streamed := func(arn string) string {
		return fmt.Sprintf(`{"eventVersion":"1.0","eventTime":"2024-05-06T07:08:09Z","awsRegion":"eu-west-1","target":{"id":"i-1"},"userIdentity":{"arn":%q},"runAsUser":"ssm-user","sessionId":"ann-0e3","sessionData":["ls"]}`, arn)
	}
	piece := `{"sessionId":"ann-b.c-0e3","target":"i-1","seq":3,"lines":["ls"]}`
	tests := []struct {
		name, record string
		origin       *pipeline.Origin
		want         want
	}{
		{"of a role", streamed("arn:aws:sts::111122223333:assumed-role/admin/ann"), nil,
			want{"kind": "session_log", "time": "2024-05-06T07:08:09Z", "region": "eu-west-1", "account": "111122223333", "actor_account": "111122223333", "service": "ssm", "action": "SessionLog", "session": "ann-0e3", "target": "i-1", "role": "admin", "session_name": "ann", "actor": "admin/ann", "actor_kind": "machine", "outcome": "", "read_only": ""}},
		{"of an IAM user", streamed("arn:aws:iam::111122223333:user/team/ann"), nil, want{"user": "ann", "actor": "ann"}},
		{"of root", streamed("arn:aws:iam::111122223333:root"), nil, want{"actor_kind": "human", "actor": "111122223333"}},
		{"in another account's log group", streamed("arn:aws:iam::111122223333:user/ann"), &pipeline.Origin{Owner: "444455556666"},
			want{"account": "444455556666", "actor_account": "111122223333", "cross_account": "true"}},
		{"piece of a transcript", piece, &pipeline.Origin{Owner: "444455556666", Region: "eu-west-1", Time: arrived},
			want{"kind": "session_log", "time": "2024-05-06T09:00:00Z", "region": "eu-west-1", "account": "444455556666", "session": "ann-b.c-0e3", "target": "i-1", "user": "ann-b.c", "actor": "ann-b.c", "action": "SessionLog"}},
		{"piece of ECS Exec", `{"sessionId":"ecs-execute-command-0e3","target":"t","seq":0,"lines":[]}`, nil, want{"user": "", "actor": "unknown"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := factsOf(tt.record, tt.origin)
			tt.want.check(t, f)
			if len(f.ID) != 16 {
				t.Errorf("id = %q, want 16 hex digits", f.ID)
			}
		})
	}
}

func TestInsightFacts(t *testing.T) {
	f := factsOf(`{"eventVersion":"1.08","eventTime":"2022-04-12T16:10:00Z","awsRegion":"eu-central-1","eventID":"i-1",`+
		`"eventType":"AwsCloudTrailInsight","recipientAccountId":"246337027688","insightDetails":{"state":"Start",`+
		`"eventSource":"autoscaling.amazonaws.com","eventName":"CompleteLifecycleAction"}}`, nil)
	want{"kind": "insight", "id": "i-1", "service": "autoscaling", "action": "CompleteLifecycleAction", "category": "Insight",
		"account": "246337027688", "region": "eu-central-1", "outcome": "", "actor_kind": "", "time": "2022-04-12T16:10:00Z"}.check(t, f)
}

func TestOtherObjectsHaveTheFactsOfTheirOrigin(t *testing.T) {
	origin := &pipeline.Origin{Owner: "111122223333", Region: "eu-west-1", Time: time.Date(2024, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))}
	f := factsOf(`{"eventID":"not an API event","account":"999999999999","msg":"hello"}`, origin)
	want{"kind": "other", "account": "111122223333", "region": "eu-west-1", "time": "2024-01-02T02:04:05Z", "service": "",
		"action": "", "outcome": "", "actor_kind": ""}.check(t, f)
	if f.ID == "not an API event" || len(f.ID) != 16 {
		t.Errorf("id = %q, want a hash", f.ID)
	}
	want{"kind": "other", "account": "", "time": ""}.check(t, factsOf(`{}`, nil))
}

func TestParseTime(t *testing.T) {
	tests := []struct{ in, want string }{
		{"2024-05-06T07:08:09Z", "2024-05-06T07:08:09Z"},
		{"2024-05-06T07:08:09.123Z", "2024-05-06T07:08:09.123Z"},
		{"2024-05-06T07:08:09+02:00", "2024-05-06T05:08:09Z"},
		{"2024-05-06T07:08:09+0200", "2024-05-06T05:08:09Z"},
		{"2024-05-06T07:08:09", "2024-05-06T07:08:09Z"},
		{"2024-05-06 07:08:09", "2024-05-06T07:08:09Z"},
		{"2024-05-06 07:08:09.000000000", "2024-05-06T07:08:09Z"},
		{"2024-05-06 07:08:09.5Z", "2024-05-06T07:08:09.5Z"},
		{"2024-05-06 07:08:09 +0000", "2024-05-06T07:08:09Z"},
		{"20131102T010628Z", "2013-11-02T01:06:28Z"},
		{"20131102T010628", "2013-11-02T01:06:28Z"},
		{" 2024-05-06T07:08:09Z ", "2024-05-06T07:08:09Z"},
		{"2024-05-06", ""}, {"...", ""}, {"", ""}, {"2024-05-06T25:08:09Z", ""}, {"0000-01-01T00:00:00Z", ""},
		{"9999-12-31T23:59:59-01:00", ""}, {"xxxxxxxxxxxxxxxxxxxxxxxx", ""},
	}
	for _, tt := range tests {
		got := ""
		if at, ok := ParseTime(tt.in); ok {
			got = at.Format(time.RFC3339Nano)
		}
		if got != tt.want {
			t.Errorf("ParseTime(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	for in, want := range map[string]string{`1583527812`: "2020-03-06T20:50:12Z", `1583527812.5`: "2020-03-06T20:50:12.5Z",
		`1583527812345`: "2020-03-06T20:50:12.345Z", `-1`: "", `1e300`: "", `true`: "", `null`: ""} {
		got := ""
		if at, ok := timeOf([]byte(in)); ok {
			got = at.Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("timeOf(%s) = %q, want %q", in, got, want)
		}
	}
}

func TestParseObject(t *testing.T) {
	tests := []struct{ name, account, region string }{
		{"AWSLogs/123456789012/CloudTrail/us-east-2/2013/12/13/123456789012_CloudTrail_us-east-2_20131213T1920Z_Lnp.json.gz", "123456789012", "us-east-2"},
		{"s3://bucket/some/prefix/AWSLogs/o-abc123/123456789012/CloudTrail-Insight/eu-west-1/2024/01/01/x.json.gz", "123456789012", "eu-west-1"},
		{"o-abc/AWSLogs/o-abc/123456789012/CloudTrail/eu-west-1/x", "123456789012", "eu-west-1"},
		{"o-abc/AWSLogs/123456789012/Config/eu-west-1/x", "123456789012", ""},
		{"/var/log/123456789012_CloudTrail_eu-west-1_20240101T0000Z_abc.json", "123456789012", "eu-west-1"},
		{"123456789012_CloudTrail-Digest_eu-west-1_trail_eu-west-1_20240101T000000Z.json.gz", "123456789012", "eu-west-1"},
		{"CloudTrail/logs:123456789012_CloudTrail_us-east-1", "123456789012", "us-east-1"},
		{"CloudTrail/logs:123456789012_CloudTrail_us-east-1_4", "123456789012", "us-east-1"},
		{"group:o-abc_123456789012_CloudTrail_us-east-1", "123456789012", "us-east-1"},
		{"9123456789012_CloudTrail_us-east-1", "", ""},
		{"AWSLogs/not-an-account/CloudTrail/us-east-1/", "", ""},
		{"AWSLogs/", "", ""}, {"", "", ""}, {"_CloudTrail_", "", ""}, {"/var/log/app.json", "", ""},
	}
	for _, tt := range tests {
		if account, region := ParseObject(tt.name); account != tt.account || region != tt.region {
			t.Errorf("ParseObject(%q) = %q, %q, want %q, %q", tt.name, account, region, tt.account, tt.region)
		}
	}
}

func TestParseARN(t *testing.T) {
	a, ok := ParseARN("arn:aws:ssm:us-east-2:123456789012:document/a:b/c")
	if want := (ARN{"aws", "ssm", "us-east-2", "123456789012", "document/a:b/c"}); !ok || a != want {
		t.Errorf("got %+v, %v, want %+v", a, ok, want)
	}
	for _, s := range []string{"", "arn", "arn:aws:iam::1", "urn:aws:iam::1:x", "i-02311671588e96626"} {
		if got, ok := ParseARN(s); ok {
			t.Errorf("ParseARN(%q) = %+v, want none", s, got)
		}
	}
	a, _ = ParseARN("arn:aws:sts::1:assumed-role/path/to/role/session")
	role, path, session, ok := a.AssumedRole()
	if role != "role" || path != "path/to/" || session != "session" || !ok || a.RoleARN() != "arn:aws:iam::1:role/path/to/role" {
		t.Errorf("got %q %q %q %v %q", role, path, session, ok, a.RoleARN())
	}
	a, _ = ParseARN("arn:aws:sts::1:assumed-role/")
	if role, _, _, ok := a.AssumedRole(); ok || a.RoleARN() != "" {
		t.Errorf("role %q of an ARN that names none", role)
	}
}

func TestSessionOwner(t *testing.T) {
	for id, want := range map[string]string{"garland.kan.temp-0e34861185201706f": "garland.kan.temp", "a-b@c.d-0": "a-b@c.d",
		"ecs-execute-command-0": "", "nohyphen": "", "-0": "", "": ""} {
		if got := SessionOwner(id); got != want {
			t.Errorf("SessionOwner(%q) = %q, want %q", id, got, want)
		}
	}
}
