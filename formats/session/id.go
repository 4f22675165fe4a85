package session

import (
	"strings"

	"github.com/trailcast/trailcast/formats/record"
)

const (
	maxID    = 96 // StartSession's limit for a session id
	ecsOwner = "ecs-execute-command"
)

// ParseID splits a session id at its last hyphen: `<user or role-session name>-<suffix>`. Names may hold hyphens, dots
// and @, suffixes are lower-case letters and digits. Sessions of ECS Exec (`ecs-execute-command-<suffix>`) name no
// owner: it is "" for them. ok is false where the text has not this form. There is no published rule for suffixes, so
// none is held for their length; split.IsSessionID is the stricter judge of a name that may be anything.
func ParseID(id string) (owner, suffix string, ok bool) {
	i := strings.LastIndexByte(id, '-')
	if i <= 0 || i == len(id)-1 || len(id) > maxID {
		return "", "", false
	}
	owner, suffix = id[:i], id[i+1:]
	if strings.ContainsFunc(owner, notInName) || strings.ContainsFunc(suffix, notInSuffix) {
		return "", "", false
	}
	return record.SessionOwner(id), suffix, true
}

// IsECSExec reports whether a session id is one of ECS Exec.
func IsECSExec(id string) bool {
	_, _, ok := ParseID(id)
	return ok && strings.HasPrefix(id, ecsOwner+"-") && strings.LastIndexByte(id, '-') == len(ecsOwner)
}

// notInName holds IAM's rule for user and role-session names: [\w+=,.@-].
func notInName(r rune) bool {
	return notInSuffix(r) && (r < 'A' || r > 'Z') && !strings.ContainsRune("_+=,.@-", r)
}

func notInSuffix(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }

// Target is what a session was opened to.
type Target struct {
	ID        string // as it was logged: i-…, mi-… or ecs:…
	Cluster   string // ECS only
	Task      string // ECS only: the task's id
	Container string // ECS only: the container's runtime id
}

// ParseTarget reads a target. One of ECS is `ecs:<cluster>_<task id>_<container runtime id>` (source of the
// amazon-ssm-agent); names of clusters may hold underscores, the other two do not.
func ParseTarget(id string) Target {
	t := Target{ID: id}
	rest, ok := strings.CutPrefix(id, "ecs:")
	if !ok {
		return t
	}
	j := strings.LastIndexByte(rest, '_')
	if j < 0 {
		return t
	}
	i := strings.LastIndexByte(rest[:j], '_')
	if i <= 0 {
		return t
	}
	t.Cluster, t.Task, t.Container = rest[:i], rest[i+1:j], rest[j+1:]
	return t
}

// userOf returns whose session it is: the owner in the session's id, else the last part of the owner's ARN, which ECS
// Exec needs.
func userOf(id, ownerARN string) string {
	if owner, _, ok := ParseID(id); ok && owner != "" {
		return owner
	}
	arn, ok := record.ParseARN(ownerARN)
	if !ok {
		return ""
	}
	return arn.Resource[strings.LastIndexByte(arn.Resource, '/')+1:]
}
