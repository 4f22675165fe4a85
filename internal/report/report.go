// Package report turns the sessions of a period, already read and joined, into a report: a table for a terminal, CSV,
// JSON, and an HTML page that is one file and needs no network.
//
// Everything in a session came from people who may have wanted to mislead its reader. No writer lets a control
// character out, nor one that nobody sees or that turns the direction of writing: they stand as \uXXXX (see
// internal/terminal), and in JSON that is what they are. Bytes that are no UTF-8 stand as U+FFFD.
package report

import (
	"io"
	"time"
)

// Report is the sessions of a period. Its writers may be called one after another; they do not change it.
type Report struct {
	Title        string
	Since, Until time.Time // what was asked for
	Made         time.Time
	Sessions     []Session
	Notes        []string // what the reader must know: "12 pieces of input could not be read"

	Folder  string // beside the HTML page, of its linked files; "": sessions
	MaxPage int64  // bytes of the HTML page, for which texts are shortened; 0: 20 MB

	group string // of the table; see Query
}

// Session is one connection, or one attempt to connect. What is not known is empty or zero.
type Session struct {
	ID, Account, AccountName, Region, Target, Document, Reason string

	User, Role, ActorARN, ActorKind, SourceIP, UserAgent string

	MFA     string // "yes", "no", "" unknown
	Service string // ssm, ecs, ssm-guiconnect

	Outcome, Error string // "denied" or "failure" and what AWS said, for attempts without a session

	Started, Resumed, Ended time.Time
	Ending                  string // terminated, transcript, idle; "": still open or unknown
	TerminatedBy            string

	Logged       string // "yes", "no", "" unknown, "tunnel" (SSH and port forwarding: never logged)
	Lines, Bytes int64  // of the log

	Alerts     []string
	Pending    bool       // its log was seen, its start was not
	Transcript Transcript // may be nil
}

// Transcript gives a session's raw text (as logged, with control sequences), part by part in order. A writer that shows
// texts opens it once.
type Transcript interface {
	Open() (io.ReadCloser, error)
}

// Files is where transcripts go that do not fit the HTML page. Names are safe on any file system: they consist of
// [A-Za-z0-9._-] alone, begin with none of the marks, and no two differ only by case. The page expects the files in
// Report.Folder beside it.
type Files interface {
	Create(name string) (io.WriteCloser, error)
}

// Who is the best name for the person or machine behind a session; "unknown" if there is none.
func (s *Session) Who() string {
	for _, name := range []string{s.User, s.Role, s.ActorARN} {
		if name != "" {
			return name
		}
	}
	return "unknown"
}

// At is the earliest time known of a session; it may be zero.
func (s *Session) At() time.Time {
	for _, t := range []time.Time{s.Started, s.Resumed, s.Ended} {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// Duration is how long a session took; false if its begin or end is not known.
func (s *Session) Duration() (time.Duration, bool) {
	if s.Attempt() || s.Started.IsZero() || s.Ended.IsZero() || s.Ended.Before(s.Started) {
		return 0, false
	}
	return s.Ended.Sub(s.Started), true
}

// Attempt reports whether no session came of it.
func (s *Session) Attempt() bool { return s.Outcome != "" }

// State is how a session stands, in a word or two for readers.
func (s *Session) State() string {
	switch {
	case s.Attempt():
		return s.Outcome
	case s.Ending != "":
		return s.Ending
	case !s.Ended.IsZero():
		return "ended"
	case s.Pending:
		return "start not seen"
	}
	return "no end seen"
}
