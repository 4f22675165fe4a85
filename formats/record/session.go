package record

import (
	"strings"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// session fills in the session that an API call opened, resumed or ended. Other services have actions of the same names
// (Athena's StartSession), so the service counts too. facts has service and action.
func (f fields) session(facts *pipeline.Facts) {
	switch facts.Service {
	case "ssm":
		switch facts.Action {
		case "StartSession", "ResumeSession", "TerminateSession":
			facts.Session = f.ssmSession()
		}
	case "ecs":
		if facts.Action == "ExecuteCommand" {
			facts.Session = f.ecsSession()
		}
	case "ssm-guiconnect":
		facts.Session = f.guiConnection()
	}
}

func (f fields) ssmSession() pipeline.Session {
	var asked [4][]byte
	rawjson.GetMany(f.value(fieldRequestParameters), []string{"target", "documentName", "reason", "sessionId"}, asked[:])
	return pipeline.Session{
		ID:       first(f.response("sessionId"), text(asked[3])),
		Target:   first(text(asked[0]), f.response("target")),
		Document: text(asked[1]),
		Reason:   text(asked[2]),
	}
}

// The target of ECS Exec is the task: its ARN where the answer has it, else as it was asked for.
func (f fields) ecsSession() pipeline.Session {
	return pipeline.Session{
		ID:     f.response("session", "sessionId"),
		Target: first(f.response("taskArn"), f.request("task")),
	}
}

// A connection of Fleet Manager's Remote Desktop has an id of its own, the last part of its ARN.
func (f fields) guiConnection() pipeline.Session {
	arn, _ := ParseARN(first(f.response("ConnectionArn"), f.request("ConnectionArn")))
	return pipeline.Session{
		ID:     arn.Name("connection"),
		Target: first(f.request("InstanceId"), f.response("InstanceId")),
	}
}

func (f fields) request(path ...string) string {
	return rawjson.Str(f.value(fieldRequestParameters), path...)
}

func (f fields) response(path ...string) string {
	return rawjson.Str(f.value(fieldResponseElements), path...)
}

// SessionOwner returns the name that a session id begins with: that of the user, or of the role's session. Names may
// hold hyphens, so the id is split at the last one. Sessions of ECS Exec have no owner in their id.
func SessionOwner(sessionID string) string {
	i := strings.LastIndexByte(sessionID, '-')
	if i <= 0 || sessionID[:i] == "ecs-execute-command" {
		return ""
	}
	return sessionID[:i]
}
