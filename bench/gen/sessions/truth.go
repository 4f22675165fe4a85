package sessions

import "time"

// The kinds of sessions.
const (
	KindStreamed      = "streamed"       // a shell whose log is streamed to CloudWatch Logs
	KindTranscript    = "transcript"     // a shell whose transcript is written to S3
	KindUnstreamed    = "unstreamed"     // a shell whose transcript is one plain log event in CloudWatch Logs
	KindPortForward   = "port_forward"   // leaves no log
	KindSSH           = "ssh"            // leaves no log
	KindECSExec       = "ecs_exec"       // a shell in a container; its log comes in any form, or there is none
	KindRemoteDesktop = "remote_desktop" // a connection of Fleet Manager; leaves no log, and nothing tells its end
	KindSilent        = "silent"         // a shell that leaves no log
	KindDenied        = "denied"         // a StartSession that was refused
)

// Truth is what somebody can know of a session who has all that was delivered of it.
//
// Where the start never arrives, Started is zero and the other members are what the log tells: there is no document,
// reason, source address or MFA; the actor of a streamed log is that of its ARN, that of a transcript is the owner in the
// session id, and then account, region and target are unknown too.
type Truth struct {
	ID       string `json:"id,omitempty"` // empty where the start was denied
	Kind     string `json:"kind"`
	Account  string `json:"account,omitempty"` // that the session is in
	Region   string `json:"region,omitempty"`
	Target   string `json:"target,omitempty"` // i-…, mi-…, ecs:…; the task's ARN for ECS Exec, though its log has ecs:…
	Document string `json:"document,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Actor    string `json:"actor,omitempty"` // as pipeline.Facts.ActorName
	Role     string `json:"role,omitempty"`
	SourceIP string `json:"source_ip,omitempty"`
	MFA      string `json:"mfa"` // yes, no, unknown

	// Zero where there is none. All are whole seconds in UTC.
	Started      time.Time `json:"started,omitzero"` // or attempted, if denied
	Resumed      time.Time `json:"resumed,omitzero"` // the last time
	Terminated   time.Time `json:"terminated,omitzero"`
	TerminatedBy string    `json:"terminated_by,omitempty"` // as pipeline.Facts.ActorName
	LastLog      time.Time `json:"last_log,omitzero"`       // Delivery.EventTime of the last log event, or of the transcript

	// Lines and Bytes are the session.Count of all events that formats/split makes of the log, each counted once. So
	// invalid UTF-8 is counted as the U+FFFD that it becomes.
	Lines int64 `json:"lines,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`

	// Alerts are the alerts of the session if logs are expected, in this order: unlogged, denied, no_mfa,
	// root_or_unknown_actor, cross_account. Any session that leaves no log is unlogged, tunnels included. A denied one is
	// nothing else, nor has a session whose start never arrives any.
	Alerts   []string `json:"alerts,omitempty"`
	Commands []string `json:"commands,omitempty"` // what was typed, if it was logged
}
