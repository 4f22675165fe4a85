package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
)

// WriteCSV writes a header and one row for each session (RFC 4180: commas, CRLF, quotes where a field needs them).
// Times are RFC 3339 in UTC, durations seconds; alerts stand in one field, joined with "; ".
//
// Spreadsheets take a field that begins with = + - @, in the full-width form too, for a formula, which may run programs
// or send the sheet elsewhere. Such a field, also with spaces before, gets an apostrophe in front. So what programs are
// to compare exactly is better read from JSON.
func (r *Report) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	fields := csvFields()
	row := make([]string, len(fields))
	for i, f := range fields {
		row[i] = f.name
	}
	out.Write(row) // an error stays until the end
	for i := range r.Sessions {
		for k, f := range fields {
			row[k] = defuse(clean(f.value(&r.Sessions[i])))
		}
		out.Write(row)
	}
	out.Flush()
	return out.Error()
}

type csvField struct {
	name  string
	value func(*Session) string
}

func csvFields() []csvField {
	return []csvField{
		{"started", func(s *Session) string { return rfc3339(s.Started) }},
		{"resumed", func(s *Session) string { return rfc3339(s.Resumed) }},
		{"ended", func(s *Session) string { return rfc3339(s.Ended) }},
		{"duration_s", csvDuration},
		{"state", (*Session).State},
		{"user", func(s *Session) string { return s.User }},
		{"role", func(s *Session) string { return s.Role }},
		{"actor_arn", func(s *Session) string { return s.ActorARN }},
		{"actor_kind", func(s *Session) string { return s.ActorKind }},
		{"mfa", func(s *Session) string { return s.MFA }},
		{"source_ip", func(s *Session) string { return s.SourceIP }},
		{"user_agent", func(s *Session) string { return s.UserAgent }},
		{"account", func(s *Session) string { return s.Account }},
		{"account_name", func(s *Session) string { return s.AccountName }},
		{"region", func(s *Session) string { return s.Region }},
		{"service", func(s *Session) string { return s.Service }},
		{"target", func(s *Session) string { return s.Target }},
		{"document", func(s *Session) string { return s.Document }},
		{"reason", func(s *Session) string { return s.Reason }},
		{"terminated_by", func(s *Session) string { return s.TerminatedBy }},
		{"logged", func(s *Session) string { return s.Logged }},
		{"lines", func(s *Session) string { return strconv.FormatInt(s.Lines, 10) }},
		{"bytes", func(s *Session) string { return strconv.FormatInt(s.Bytes, 10) }},
		{"outcome", func(s *Session) string { return s.Outcome }},
		{"error", func(s *Session) string { return s.Error }},
		{"alerts", func(s *Session) string { return strings.Join(s.Alerts, " | ") }},
		{"start_seen", func(s *Session) string { return strconv.FormatBool(!s.Pending) }},
		{"session", func(s *Session) string { return s.ID }},
	}
}

func csvDuration(s *Session) string {
	d, ok := s.Duration()
	if !ok {
		return ""
	}
	return strconv.FormatInt(int64(d.Seconds()), 10)
}

// defuse keeps a clean field from being taken for a formula, or for several fields of which one is: where commas are decimal
// points, spreadsheets part fields at semicolons. Tabs and line ends, which work as = does, are escaped in clean text.
func defuse(s string) string {
	parts := strings.Split(s, ";")
	for i, part := range parts {
		blanks := "  　"
		if i > 0 {
			blanks += `"'` // which may be taken for the field's own
		}
		if strings.IndexAny(strings.TrimLeft(part, blanks), "=+-@＝＋－＠") == 0 {
			parts[i] = "'" + part
		}
	}
	return strings.Join(parts, ";")
}
