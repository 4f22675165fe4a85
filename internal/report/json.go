package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"time"
	"unicode/utf8"

	"github.com/trailcast/trailcast/internal/terminal"
)

// WriteJSON writes one document: title, since, until, made, notes, totals, and under sessions what WriteNDJSON writes of
// each.
func (r *Report) WriteJSON(w io.Writer) error {
	out := bufio.NewWriter(w)
	head := encode(struct {
		Title  string   `json:"title,omitempty"`
		Since  string   `json:"since,omitempty"`
		Until  string   `json:"until,omitempty"`
		Made   string   `json:"made,omitempty"`
		Notes  []string `json:"notes"`
		Totals Totals   `json:"totals"`
	}{r.Title, rfc3339(r.Since), rfc3339(r.Until), rfc3339(r.Made), append([]string{}, r.Notes...), total(r.all())}, false)
	out.Write(head[:len(head)-1]) // an error of out stays until the end
	out.WriteString(`,"sessions":[`)
	for i := range r.Sessions {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
		r.Sessions[i].writeJSON(out)
	}
	out.WriteString("\n]}\n")
	return out.Flush()
}

// WriteNDJSON writes a line for each session: an object whose absent facts are left out, times in RFC 3339 and UTC,
// and with a log its commands, which are a guess: {"prompt","text","lines" of output,"asks_secret"}. A log that could
// not be read to its end is told of in log_error. The report's notes are not among the lines.
func (r *Report) WriteNDJSON(w io.Writer) error {
	out := bufio.NewWriter(w)
	for i := range r.Sessions {
		r.Sessions[i].writeJSON(out)
		out.WriteByte('\n')
	}
	return out.Flush()
}

type jsonCommand struct {
	Prompt     string `json:"prompt,omitempty"`
	Text       string `json:"text"`
	Lines      int64  `json:"lines"`
	AsksSecret bool   `json:"asks_secret,omitempty"`
}

// writeJSON writes one session. Its commands go through one by one, since a log may be of any length.
func (s *Session) writeJSON(out *bufio.Writer) {
	head := encode(newFacts(s, func(s string) string { return s }), false)
	out.Write(head[:len(head)-1])
	if s.Transcript != nil {
		var err error
		out.WriteString(`,"commands":[`)
		first := true
		for c := range s.commands(nil, &err) {
			if c.Prompt == "" {
				continue // what came before the first prompt
			}
			if !first {
				out.WriteByte(',')
			}
			first = false
			out.Write(encode(jsonCommand{c.Prompt, c.Text, c.Output.Lines(), c.AsksSecret}, false))
		}
		out.WriteByte(']')
		if err != nil {
			out.WriteString(`,"log_error":`)
			out.Write(encode(err.Error(), false))
		}
	}
	out.WriteByte('}')
}

// facts are a session's values for JSON.
type facts struct {
	ID           string   `json:"id,omitempty"`
	State        string   `json:"state"`
	Started      string   `json:"started,omitempty"`
	Resumed      string   `json:"resumed,omitempty"`
	Ended        string   `json:"ended,omitempty"`
	Duration     *int64   `json:"duration_s,omitempty"`
	Ending       string   `json:"ending,omitempty"`
	TerminatedBy string   `json:"terminated_by,omitempty"`
	User         string   `json:"user,omitempty"`
	Role         string   `json:"role,omitempty"`
	ActorARN     string   `json:"actor_arn,omitempty"`
	ActorKind    string   `json:"actor_kind,omitempty"`
	MFA          string   `json:"mfa,omitempty"`
	SourceIP     string   `json:"source_ip,omitempty"`
	UserAgent    string   `json:"user_agent,omitempty"`
	Account      string   `json:"account,omitempty"`
	AccountName  string   `json:"account_name,omitempty"`
	Region       string   `json:"region,omitempty"`
	Service      string   `json:"service,omitempty"`
	Target       string   `json:"target,omitempty"`
	Document     string   `json:"document,omitempty"`
	Reason       string   `json:"reason,omitempty"`
	Logged       string   `json:"logged,omitempty"`
	Lines        int64    `json:"lines,omitempty"`
	Bytes        int64    `json:"bytes,omitempty"`
	Outcome      string   `json:"outcome,omitempty"`
	Error        string   `json:"error,omitempty"`
	Alerts       []string `json:"alerts,omitempty"`
	Pending      bool     `json:"start_not_seen,omitempty"`
}

func newFacts(s *Session, text func(string) string) facts {
	f := facts{
		ID: text(s.ID), State: text(s.State()),
		Started: rfc3339(s.Started), Resumed: rfc3339(s.Resumed), Ended: rfc3339(s.Ended),
		Ending: text(s.Ending), TerminatedBy: text(s.TerminatedBy),
		User: text(s.User), Role: text(s.Role), ActorARN: text(s.ActorARN), ActorKind: text(s.ActorKind), MFA: text(s.MFA),
		SourceIP: text(s.SourceIP), UserAgent: text(s.UserAgent),
		Account: text(s.Account), AccountName: text(s.AccountName), Region: text(s.Region), Service: text(s.Service),
		Target: text(s.Target), Document: text(s.Document), Reason: text(s.Reason),
		Logged: text(s.Logged), Lines: s.Lines, Bytes: s.Bytes,
		Outcome: text(s.Outcome), Error: text(s.Error), Pending: s.Pending,
	}
	if d, ok := s.Duration(); ok {
		seconds := int64(d / time.Second)
		f.Duration = &seconds
	}
	for _, alert := range s.Alerts {
		f.Alerts = append(f.Alerts, text(alert))
	}
	return f
}

// encode returns JSON in which nothing works on a terminal or is unseen; for HTML < > & are escaped too.
func encode(v any, forHTML bool) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(forHTML)
	if err := e.Encode(v); err != nil {
		panic("report: " + err.Error()) // only strings, numbers and structs of them come here
	}
	text := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if bytes.IndexFunc(text, terminal.Hostile) < 0 {
		return text
	}
	var safe []byte
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if terminal.Hostile(r) {
			safe = terminal.AppendEscape(safe, r)
		} else {
			safe = append(safe, text[:n]...)
		}
		text = text[n:]
	}
	return safe
}
