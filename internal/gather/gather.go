// Package gather reads what is known of sessions from files, buckets and streams, once, and joins it for a report.
package gather

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/trailcast/trailcast/filters/sessions"
	"github.com/trailcast/trailcast/formats/session"
	"github.com/trailcast/trailcast/internal/build"
	"github.com/trailcast/trailcast/internal/report"
	"github.com/trailcast/trailcast/outputs/quarantine"
	"github.com/trailcast/trailcast/pipeline"
)

// Options of a reading.
type Options struct {
	Config *build.Config // of build.LoadSources
	Log    *slog.Logger
	Stdin  io.Reader
	Raw    bool // nothing is redacted

	// Started is called with the inputs before they are read, and the function that it returns when they are; nil: nothing
	// is told.
	Started func(inputs []pipeline.InputStage) (done func())

	// Broken is called for each piece of input that could not be read, in the end; nil: only their number is told.
	Broken func(e *quarantine.Entry)
}

// Result is what was found.
type Result struct {
	Sessions []report.Session
	Events   int64 // that were looked at
	Broken   int64 // pieces of input that could not be read, and events that a filter refused
	Logs     bool  // there were session logs
	Failed   error // of inputs that could not be read to their end

	spool *spool
}

// Close removes the transcripts.
func (r *Result) Close() error { return r.spool.close() }

// Run reads all inputs to their end.
func Run(ctx context.Context, o Options) (*Result, error) {
	var redactor *redactor
	if !o.Raw {
		var err error
		if redactor, err = newRedactor(); err != nil {
			return nil, err
		}
	}
	spool, err := newSpool(ctx, redactor)
	if err != nil {
		return nil, err
	}
	r, err := run(ctx, o, &collector{join: sessions.NewJoin(sessions.Config{Logs: true}), spool: spool})
	if err != nil {
		return nil, errors.Join(err, spool.close())
	}
	return r, nil
}

func run(ctx context.Context, o Options, c *collector) (*Result, error) {
	agent, err := build.Build(o.Config, build.Options{
		Log: o.Log, Stdin: o.Stdin, Outputs: []pipeline.OutputStage{{Name: "report", Output: c}},
	})
	if err != nil {
		return nil, err
	}
	done := func() {}
	if o.Started != nil {
		done = o.Started(agent.Inputs)
	}
	failed := agent.Run(ctx)
	done()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	stats := agent.Stats()
	r := &Result{Events: stats.In, Broken: stats.Quarantined, Logs: c.logs, Failed: failed, spool: c.spool}
	for _, o := range stats.Outputs {
		r.Broken += o.Quarantined
	}
	if o.Broken != nil && r.Broken > 0 {
		err := quarantine.Each(o.Config.QuarantineDir(), func(e quarantine.Entry) bool {
			o.Broken(&e)
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	c.join.AsOf(time.Now())
	for s := range c.join.Sessions() {
		r.Sessions = append(r.Sessions, c.reported(&s))
	}
	return r, nil
}

// collector is the output of a reading.
type collector struct {
	spool *spool

	mu   sync.Mutex
	join *sessions.Join
	logs bool
}

// Write implements pipeline.Output.
func (c *collector) Write(_ context.Context, events []pipeline.Event) error {
	for i := range events {
		ev := &events[i]
		fact, ok := sessions.Observe(ev)
		if !ok {
			continue // as nearly all events
		}
		if before, changed := archived(*ev); changed {
			ev = &before
			fact, _ = sessions.Observe(ev)
		}
		c.mu.Lock()
		c.join.Add(fact)
		c.logs = c.logs || ev.Record.Kind == pipeline.KindSessionLog
		c.mu.Unlock()
		if ev.Record.Kind != pipeline.KindSessionLog {
			continue
		}
		log, err := session.Parse(ev.Raw)
		if err != nil {
			continue // a filter left nothing to read of it
		}
		if err := c.spool.add(ev, &log); err != nil {
			return pipeline.Reject(err)
		}
	}
	return nil
}

// Close implements pipeline.Output.
func (c *collector) Close(context.Context) error { return nil }

// reported is what a report says of a session.
func (c *collector) reported(s *sessions.Session) report.Session {
	f := &s.Facts
	r := report.Session{
		ID: f.Session.ID, Account: f.Account.ID, AccountName: f.Account.Name, Region: f.Region, Target: f.Session.Target,
		Document: f.Session.Document, Reason: c.spool.redactor.text(f.Session.Reason), User: who(f), Role: f.Actor.Role, ActorARN: f.Actor.ARN,
		ActorKind: f.Actor.Kind, SourceIP: f.Source.IP, UserAgent: f.Source.UserAgent, Service: f.Service,
		Started: s.Started, Resumed: s.Resumed, Ended: s.Ended, Ending: s.Ending, TerminatedBy: s.TerminatedBy,
		Lines: s.Count.Lines, Bytes: s.Count.Bytes, Alerts: s.Alerts, Pending: !s.Known && !s.Denied,
	}
	switch f.Actor.MFA {
	case pipeline.Yes:
		r.MFA = "yes"
	case pipeline.No:
		r.MFA = "no"
	}
	if s.Denied {
		r.Outcome, r.Error = f.Outcome, c.spool.redactor.text(strings.TrimPrefix(f.Error.Code+": "+f.Error.Message, ": "))
		return r
	}
	switch {
	case s.Tunnel:
		r.Logged = "tunnel"
	case s.Logged:
		r.Logged = "yes"
	case mayRun(s):
		// A transcript comes at the end.
	case c.logs && s.Ending != "":
		r.Logged = "no"
	}
	if r.Logged == "" { // nothing says that there is no log
		r.Alerts = slices.DeleteFunc(r.Alerts, func(name string) bool { return name == "unlogged" })
	}
	if t, others := c.spool.text(f.Session.ID); t != nil {
		r.Transcript = t
		if others > 0 {
			r.Alerts = append(r.Alerts, fmt.Sprintf("there are %d transcripts with this session's name that differ; the longest is shown", others+1))
		}
	}
	return r
}

// mayRun reports whether a session of which no end was seen may go on: what is only heard of at its start looks idle.
func mayRun(s *sessions.Session) bool {
	return s.Terminated.IsZero() && !s.Logged && time.Since(s.Started) < longestSession
}

// who is the name to show; "" for nobody known.
func who(f *pipeline.Facts) string {
	name := f.ActorName()
	switch {
	case f.Actor.Type == "Root":
		return "root" // a name is only that of the account
	case name == "unknown":
		return ""
	}
	return name
}
