package record

import "strings"

// ARN is an Amazon Resource Name: arn:partition:service:region:account:resource.
type ARN struct {
	Partition string
	Service   string
	Region    string
	Account   string
	Resource  string // all after the fifth colon
}

// ParseARN splits an ARN. Spaces around the parts are dropped: old pages of AWS have them.
func ParseARN(s string) (ARN, bool) {
	var part [5]string
	for i := range part {
		colon := strings.IndexByte(s, ':')
		if colon < 0 {
			return ARN{}, false
		}
		part[i], s = trim(s[:colon]), s[colon+1:]
	}
	if part[0] != "arn" {
		return ARN{}, false
	}
	return ARN{part[1], part[2], part[3], part[4], trim(s)}, true
}

// trim is strings.TrimSpace, which is a call.
func trim(s string) string {
	if s == "" || '!' <= s[0] && s[0] <= '~' && '!' <= s[len(s)-1] && s[len(s)-1] <= '~' {
		return s
	}
	return strings.TrimSpace(s)
}

// AssumedRole returns role, path and session of an arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION. AWS writes no path
// there; where there is one it is returned as "a/b/". The session may be missing or empty.
func (a ARN) AssumedRole() (role, path, session string, ok bool) {
	rest, ok := strings.CutPrefix(a.Resource, "assumed-role/")
	if !ok {
		return "", "", "", false
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 && strings.IndexByte(rest[i+1:], '/') < 0 {
		return rest[:i], "", rest[i+1:], i > 0
	}
	if i := strings.LastIndexByte(rest, '/'); i >= 0 {
		rest, session = rest[:i], rest[i+1:]
	}
	role, path = cutPath(rest)
	return role, path, session, role != ""
}

// RoleARN returns the ARN of the role of an assumed-role ARN, "" for any other.
func (a ARN) RoleARN() string {
	role, path, _, ok := a.AssumedRole()
	if !ok || a.Account == "" {
		return ""
	}
	return "arn:" + a.Partition + ":iam::" + a.Account + ":role/" + path + role
}

// Name returns the last segment of a resource of the given type ("user", "role", "federated-user"); "" for any other.
func (a ARN) Name(resourceType string) string {
	rest, ok := strings.CutPrefix(a.Resource, resourceType)
	if !ok || rest == "" || rest[0] != '/' {
		return ""
	}
	name, _ := cutPath(rest)
	return name
}

// cutPath splits "a/b/name" into "name" and "a/b/".
func cutPath(s string) (name, path string) {
	i := strings.LastIndexByte(s, '/') + 1
	return s[i:], s[:i]
}
