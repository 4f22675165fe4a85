package sessions

import (
	"strings"
	"time"
)

const (
	yes         = "yes"
	no          = "no"
	unknown     = "unknown"
	awsInternal = "AWS Internal"
	ecsOwner    = "ecs-execute-command"
)

// actor is who calls, and what becomes known of it.
type actor struct {
	identity identity
	account  string // "" where it is not known
	owner    string // that session ids begin with
	name     string // as pipeline.Facts.ActorName
	role     string
	mfa      string
	address  string // sourceIPAddress
	agent    string // userAgent
}

// identity is userIdentity of CloudTrail records, with the keys in their order.
type identity struct {
	Type           string          `json:"type"`
	PrincipalID    string          `json:"principalId,omitempty"`
	ARN            string          `json:"arn,omitempty"`
	AccountID      string          `json:"accountId,omitempty"`
	AccessKeyID    string          `json:"accessKeyId,omitempty"`
	UserName       string          `json:"userName,omitempty"`
	SessionContext *sessionContext `json:"sessionContext,omitempty"`
}

type sessionContext struct {
	Issuer     *issuer           `json:"sessionIssuer,omitempty"`
	WebID      *struct{}         `json:"webIdFederationData,omitempty"`
	Attributes contextAttributes `json:"attributes"`
}

type issuer struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	UserName    string `json:"userName"`
}

type contextAttributes struct {
	Created string `json:"creationDate"`
	MFA     string `json:"mfaAuthenticated,omitempty"`
}

// Names that IAM allows are letters, digits and _+=,.@- : the last ones here are such that careless readers trip over.
var (
	people = []string{
		"ann.lee", "bert", "maria-jose.garcia", "d.okafor", "kenji", "Zoe_W", "sam.temp", "lars.olsen", "priya", "tom-b",
	}
	oddNames = []string{
		"=1+1", "@sum", "+49,30", "-eve", "..", "ecs-execute", "x,y=z", strings.Repeat("long.", 12) + "name",
	}
	permissionSets = []string{
		"AdministratorAccess_5f1ab2c3d4e5f607", "Support_0a1b2c3d4e5f6071", "ReadOnly_Audit_99aa88bb77cc66dd",
	}
	roles = []struct{ path, name, session string }{
		{"ci/", "github-actions-deploy", "GitHubActions"}, {"", "terraform", "aws-go-sdk-1741001234567890123"},
		{"ops/", "on-call", "pager-bot"}, {"", "web-instance", "i-0a1b2c3d4e5f60718"},
	}
	agents = []string{
		"aws-cli/2.24.10 md/awscrt#0.23.8 ua/2.0 os/linux#6.1 lang/python#3.12.6 md/command#ssm.start-session",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
		"aws-cli/1.38.0 Python/3.11.2 Linux/5.15 botocore/1.37.0", "Boto3/1.37.4 md/Botocore#1.37.4 exec-env/CloudShell",
	}
)

// chooseActor decides who opens the session. Of one whose start never arrives, only the log tells who it was, so this is
// somebody whom the log names; a denied one gives no alert but that it was denied.
func (s *scene) chooseActor(lost bool) {
	plain := lost || s.truth.Kind == KindDenied
	account := s.place.account
	if !plain && oneIn(s.Rand, 20) {
		for account == s.place.account {
			account = one(s.Rand, accounts)
		}
	}
	s.actor = s.drawActor(account, plain)
	s.actor.address, s.actor.agent = s.address(), one(s.Rand, agents)
	if oneIn(s.Rand, 50) {
		s.actor.agent = hostileAgent
	}
}

func (s *scene) drawActor(account string, plain bool) actor {
	n := s.IntN(100)
	switch {
	case n < 45:
		mfa := yes
		if m := s.IntN(10); m < 3 {
			mfa = unknown
		} else if m == 3 && !plain {
			mfa = no
		}
		return s.permissionSet(account, one(s.Rand, people)+"@example.com", one(s.Rand, permissionSets), mfa)
	case n < 60:
		return s.user(account, s.userName(), yes)
	case n < 70 && !plain:
		return s.user(account, s.userName(), no)
	case n < 75:
		return s.user(account, s.userName(), unknown)
	case n < 92 || plain:
		r := one(s.Rand, roles)
		return s.assumed(account, r.path, r.name, r.session, unknown)
	case n < 95:
		return s.root(account)
	case n < 98:
		return s.federated(account, one(s.Rand, people))
	default:
		return nobody()
	}
}

// administrator is somebody else who ends a session.
func (s *scene) administrator() actor {
	a := s.permissionSet(s.place.account, "oncall-admin@example.com", permissionSets[0], yes)
	a.address, a.agent = "198.51.100.7", agents[1]
	return a
}

func (s *scene) userName() string {
	if oneIn(s.Rand, 4) {
		return one(s.Rand, oddNames)
	}
	return one(s.Rand, people)
}

// address is that of a person, by IPv4 or IPv6, or what stands for AWS itself.
func (s *scene) address() string {
	switch s.IntN(40) {
	case 0:
		return awsInternal
	case 1, 2, 3:
		return "2001:db8:85a3::" + s.letters("123456789abcdef", 4)
	}
	return "203.0.113." + one(s.Rand, []string{"7", "19", "34", "77", "123", "201"})
}

func (s *scene) user(account, name, mfa string) actor {
	id := identity{
		Type: "IAMUser", PrincipalID: "AIDA" + stable(account+name, upperAndDigits, 17), AccountID: account,
		ARN: "arn:aws:iam::" + account + ":user/" + name, UserName: name,
	}
	if mfa == unknown { // a long-lived key
		id.AccessKeyID = "AKIA" + stable(account+name, upperAndDigits, 16)
	} else {
		id.AccessKeyID, id.SessionContext = s.temporaryKey(), s.context(nil, mfa)
	}
	return actor{identity: id, account: account, owner: name, name: name, mfa: mfa}
}

// permissionSet is somebody who signed in with IAM Identity Center.
func (s *scene) permissionSet(account, name, set, mfa string) actor {
	a := s.assumed(account, "aws-reserved/sso.amazonaws.com/eu-west-1/", "AWSReservedSSO_"+set, name, mfa)
	a.name = name
	return a
}

func (s *scene) assumed(account, path, role, name, mfa string) actor {
	roleID := "AROA" + stable(account+role, upperAndDigits, 17)
	return actor{
		identity: identity{
			Type: "AssumedRole", PrincipalID: roleID + ":" + name, AccountID: account, AccessKeyID: s.temporaryKey(),
			ARN: "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + name,
			SessionContext: s.context(&issuer{
				Type: "Role", PrincipalID: roleID, ARN: "arn:aws:iam::" + account + ":role/" + path + role, AccountID: account,
				UserName: role,
			}, mfa),
		},
		account: account, owner: name, name: role + "/" + name, role: role, mfa: mfa,
	}
}

func (s *scene) root(account string) actor {
	mfa := one(s.Rand, []string{yes, no})
	return actor{
		identity: identity{
			Type: "Root", PrincipalID: account, ARN: "arn:aws:iam::" + account + ":root", AccountID: account,
			AccessKeyID: s.temporaryKey(), SessionContext: s.context(nil, mfa),
		},
		account: account, owner: "root", name: account, mfa: mfa,
	}
}

func (s *scene) federated(account, name string) actor {
	mfa := one(s.Rand, []string{no, unknown})
	return actor{
		identity: identity{
			Type: "FederatedUser", PrincipalID: account + ":" + name, AccountID: account, AccessKeyID: s.temporaryKey(),
			ARN: "arn:aws:sts::" + account + ":federated-user/" + name,
			SessionContext: s.context(&issuer{
				Type: "IAMUser", PrincipalID: "AIDA" + stable(account+"broker", upperAndDigits, 17),
				ARN: "arn:aws:iam::" + account + ":user/broker", AccountID: account, UserName: "broker",
			}, mfa),
		},
		account: account, owner: name, name: name, mfa: mfa,
	}
}

// nobody is an actor of whom the record names neither account nor user.
func nobody() actor {
	return actor{
		identity: identity{Type: "Unknown", PrincipalID: "AIDAQQQQQQQQQQQQQQQQQ"},
		owner:    "nobody", name: unknown, mfa: unknown,
	}
}

func (s *scene) temporaryKey() string { return "ASIA" + s.letters(upperAndDigits, 16) }

func (s *scene) context(from *issuer, mfa string) *sessionContext {
	c := &sessionContext{Issuer: from}
	if from != nil && from.Type == "Role" {
		c.WebID = &struct{}{}
	}
	created := s.truth.Started.Add(-time.Duration(60+s.IntN(3000)) * time.Second)
	c.Attributes.Created = created.Format(time.RFC3339)
	switch mfa {
	case yes:
		c.Attributes.MFA = "true"
	case no:
		c.Attributes.MFA = "false"
	}
	return c
}
