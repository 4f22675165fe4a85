package sessions

import (
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/formats/session"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

const remoteDesktop = "ssm-guiconnect" // Fleet Manager's Remote Desktop

// kindOf returns what an API call does to a session; "" for one that is not about sessions. ECS Exec and Remote Desktop run
// in Session Manager and are called by services of their own. Athena has a StartSession too.
func kindOf(service, action string) kind {
	switch service + "." + action {
	case "ssm.StartSession", "ecs.ExecuteCommand", remoteDesktop + ".StartConnection":
		return started
	case "ssm.ResumeSession":
		return resumed
	case "ssm.TerminateSession", remoteDesktop + ".CancelConnection":
		return terminated
	}
	return ""
}

// isConcerned reports whether a record may be about a session. Nearly all are not: for them it costs no allocation, since
// it looks at the name of a call only.
func isConcerned(r *pipeline.Record) bool {
	switch r.Kind {
	case pipeline.KindSessionLog:
		return true
	case pipeline.KindCloudTrail:
		name, known := record.Field(r, "eventName")
		if !known {
			name, _ = rawjson.Get(r.Raw, "eventName")
		}
		switch string(name) {
		case `"StartSession"`, `"ResumeSession"`, `"TerminateSession"`, `"ExecuteCommand"`, `"StartConnection"`, `"CancelConnection"`:
			return true
		}
	}
	return false
}

// observe returns what an event tells of a session; false for one that is not about a session. now is when it arrived.
func observe(ev *pipeline.Event, now func() time.Time) (f fact, ok bool) {
	if !isConcerned(ev.Record) {
		return fact{}, false
	}
	if ev.Record.Kind == pipeline.KindSessionLog {
		f, ok = observeLog(ev)
	} else {
		f, ok = observeCall(ev)
	}
	if !ok {
		return fact{}, false
	}
	f.Heard = milliseconds(now())
	f.key = ev.Record.Key()
	f.Hash = xxhash.Sum64String(f.key)
	f.Rank = rankOf(f.Kind, &f.facts.Actor)
	if f.Time == 0 && (f.Kind == started || f.Kind == terminated) {
		f.Time = f.Heard // whether there was one is told by its time
	}
	return f, true
}

func observeCall(ev *pipeline.Event) (fact, bool) {
	facts := ev.Facts()
	f := fact{Kind: kindOf(facts.Service, facts.Action), Session: facts.Session.ID, Time: milliseconds(facts.Time), facts: facts}
	switch failed := facts.Outcome != "success"; {
	case f.Kind == "", failed && f.Kind == terminated:
		return fact{}, false
	case failed:
		f.Kind = denied
	case f.Kind == started:
		f.Tunnel = isTunnel(facts.Session.Document) || facts.Service == remoteDesktop
	case f.Kind == terminated:
		f.By = facts.ActorName()
	}
	return f, f.Session != "" || f.Kind == denied
}

// observeLog counts the log as it was read, whatever filters made of it since.
func observeLog(ev *pipeline.Event) (fact, bool) {
	log, err := session.Parse(ev.Record.Raw)
	if err != nil || log.SessionID == "" {
		return fact{}, false
	}
	count := log.Count()
	facts := ev.Facts()
	f := fact{
		Kind: streamed, Session: log.SessionID, Time: milliseconds(facts.Time), facts: facts, Lines: count.Lines, Bytes: count.Bytes,
	}
	if log.Shape == session.Part {
		f.Kind = inObject
		if ev.Record.Seed != "" { // only log events have an identity of the transport's
			f.Kind = inEvents
		}
	}
	return f, true
}

// milliseconds since 1970; 0 for an unknown time.
func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// timeOf is the inverse of milliseconds, in UTC.
func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
