package sessions

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/formats/session"
	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/pipeline"
)

// gathered is what split makes of documents: events by their key, each once.
type gathered struct {
	t      *testing.T
	events map[string]pipeline.Event
}

func newGathered(t *testing.T) *gathered { return &gathered{t, map[string]pipeline.Event{}} }

func (g *gathered) Feed(_ context.Context, events []pipeline.Event) error {
	for _, e := range events {
		g.events[e.Key()] = e
	}
	return nil
}

func (g *gathered) Broken(_ context.Context, b pipeline.Broken) error {
	g.t.Errorf("%s: %s: %.200s", b.Origin.Object, b.Reason, b.Raw)
	return nil
}

func (g *gathered) split(document []byte, origin *pipeline.Origin) {
	g.t.Helper()
	_, err := split.New(split.Options{}).Split(context.Background(), bytes.NewReader(document), origin, split.Base{}, g)
	if err != nil {
		g.t.Error(err)
	}
}

// learn makes the truth anew out of events, but for what they do not tell.
func learn(t *testing.T, events map[string]pipeline.Event) map[string]*Truth {
	sessions := map[string]*Truth{}
	for _, e := range events {
		f := e.Facts()
		id := f.Session.ID
		if f.Outcome == "denied" {
			id = "denied " + f.ID
		}
		if id == "" {
			t.Errorf("an event that names no session: %s", e.Raw)
			continue
		}
		if sessions[id] == nil {
			sessions[id] = &Truth{}
		}
		s := sessions[id]
		switch {
		case f.Kind == pipeline.KindSessionLog:
			l, err := session.Parse(e.Raw)
			if err != nil || l.SessionID != id {
				t.Errorf("%v: a log of %q, want %q: %.300s", err, l.SessionID, id, e.Raw)
			}
			c := l.Count()
			s.Lines, s.Bytes = s.Lines+c.Lines, s.Bytes+c.Bytes
			s.LastLog = latest(s.LastLog, f.Time)
			if s.Started.IsZero() {
				tellFrom(s, f)
			}
		case f.Action == "ResumeSession":
			s.Resumed = latest(s.Resumed, f.Time)
		case f.Action == "TerminateSession":
			s.Terminated, s.TerminatedBy = f.Time, f.ActorName()
		default:
			s.Started = f.Time
			tellFrom(s, f)
		}
	}
	return sessions
}

func tellFrom(s *Truth, f *pipeline.Facts) {
	s.Account, s.Region = f.Account.ID, f.Region
	s.Target, s.Document, s.Reason = f.Session.Target, f.Session.Document, f.Session.Reason
	s.Actor, s.Role, s.SourceIP = f.ActorName(), f.Actor.Role, f.Source.IP
	s.MFA = map[pipeline.Tri]string{pipeline.Yes: yes, pipeline.No: no, pipeline.Unknown: unknown}[f.Actor.MFA]
	s.Alerts = nil
	for _, a := range []struct {
		name string
		is   bool
	}{
		{"denied", f.Outcome == "denied"},
		{"no_mfa", f.Actor.MFA == pipeline.No},
		{"root_or_unknown_actor", f.Actor.Type == "Root" || f.Actor.Kind == "unknown"},
		{"cross_account", f.CrossAccount == pipeline.Yes},
	} {
		if a.is && (f.Service != record.SessionLogService || f.Action != record.SessionLogAction) {
			s.Alerts = append(s.Alerts, a.name)
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// compare holds what was learned against the truth.
func compare(t *testing.T, s *Scenario, learned map[string]*Truth) {
	t.Helper()
	denied := 0
	for _, want := range s.Truth() {
		if want.Kind == KindDenied {
			denied++
			continue
		}
		got := learned[want.ID]
		if got == nil {
			t.Errorf("nothing of %s", want.ID)
			continue
		}
		if got.Kind, got.ID, got.Commands = want.Kind, want.ID, want.Commands; got.LastLog.IsZero() && !got.Started.IsZero() {
			got.Alerts = append([]string{"unlogged"}, got.Alerts...)
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%s %s (-truth, +learned):\n%s", want.Kind, want.ID, diff)
		}
	}
	for id, got := range learned {
		if strings.HasPrefix(id, "denied ") {
			denied--
			if diff := cmp.Diff([]string{"denied"}, got.Alerts); diff != "" {
				t.Errorf("%s: %s", id, diff)
			}
		}
	}
	if denied != 0 {
		t.Errorf("%d attempts that were denied are missing", denied)
	}
}

// The readers of the formats learn from the deliveries what the truth says, which was written without them.
func TestReadersFindTheTruth(t *testing.T) {
	s := New(1, 500, Large(1))
	g := newGathered(t)
	for _, d := range s.Deliveries() {
		g.split(d.Document(), &pipeline.Origin{Object: d.Name, Time: d.EventTime})
	}
	compare(t, s, learn(t, g.events))
}

func TestEachDeliveryIsWhatItSays(t *testing.T) {
	s := New(3, 300)
	shapes := map[Form]session.Shape{Streamed: session.Streamed, Plain: session.Part, Transcript: session.Part}
	seen := map[Form]int{}
	for _, d := range s.Deliveries() {
		seen[d.Form]++
		g := newGathered(t)
		g.split(d.Document(), &pipeline.Origin{Object: d.Name, Time: d.EventTime})
		if len(g.events) == 0 || len(g.events) > 1 && d.Form != Transcript && d.Form != Plain {
			t.Errorf("%d events of %s", len(g.events), d.Name)
		}
		for _, e := range g.events {
			f, want := e.Facts(), s.Truth()[d.Session]
			if f.Session.ID != want.ID || !f.Time.Equal(d.EventTime) || f.Account.ID != d.Account && d.Form != Transcript {
				t.Errorf("session %q, %s, account %s; want %q, %s, %s", f.Session.ID, f.Time, f.Account.ID, want.ID,
					d.EventTime, d.Account)
			}
			if e.Record.Seed != d.EventID {
				t.Errorf("the id of the log event is %q, want %q", e.Record.Seed, d.EventID)
			}
			if d.Form == CloudTrail {
				account, region := record.ParseObject(d.Name)
				if f.Kind != pipeline.KindCloudTrail || account != d.Account || region != d.Region {
					t.Errorf("%s %s: %s", f.Kind, d.Name, e.Raw)
				}
				continue
			}
			l, err := session.Parse(e.Raw)
			if err != nil || l.Shape != shapes[d.Form] {
				t.Errorf("%v: shape %d of %s", err, l.Shape, d.Name)
			}
			for line := range l.Lines() {
				if d.Form == Streamed && strings.ContainsAny(line, "\r\t") {
					t.Errorf("the agent streams no tabs and carriage returns: %.300q", line)
				}
			}
		}
		if !split.IsSessionID(filepath.Base(strings.TrimSuffix(d.Name, ".log"))) && d.Form != CloudTrail {
			t.Errorf("%s names no session", d.Name)
		}
	}
	for _, form := range []Form{CloudTrail, Streamed, Transcript, Plain} {
		if seen[form] == 0 {
			t.Errorf("no delivery of form %d", form)
		}
	}
}

func TestWriteFiles(t *testing.T) {
	s := New(2, 300)
	dir := t.TempDir()
	if err := s.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	g := newGathered(t)
	files, records := map[string]int{}, 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		document, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, ".gz") {
			checkJSON(t, path, document)
		}
		name, _ := filepath.Rel(dir, path)
		folder, _, _ := strings.Cut(filepath.ToSlash(name), "/")
		files[folder]++
		// As the facts of a transcript have it, which names no account: a file's time is that of its events.
		before := len(g.events)
		g.split(document, &pipeline.Origin{Object: filepath.ToSlash(name), Time: info.ModTime().UTC()})
		if folder == "AWSLogs" {
			records += len(g.events) - before
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	compareFiles(t, s, g)
	for _, folder := range []string{"AWSLogs", "logs", "sessions"} {
		if files[folder] == 0 {
			t.Errorf("nothing in %s", folder)
		}
	}
	if files["AWSLogs"] == records {
		t.Error("each record has a file of its own")
	}
	t.Log(files, records)
}

// checkJSON holds a file to what AWS writes; split forgives more.
func checkJSON(t *testing.T, path string, zipped []byte) {
	t.Helper()
	unzip, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if !json.Valid(line) {
			t.Errorf("%s holds a line that is no JSON: %.200s", path, line)
		}
	}
}

// compareFiles sets the time of plain log events, of which no file tells it.
func compareFiles(t *testing.T, s *Scenario, g *gathered) {
	t.Helper()
	learned := learn(t, g.events)
	for _, want := range s.Truth() {
		if got := learned[want.ID]; got != nil && !got.LastLog.IsZero() {
			for _, d := range s.Deliveries() {
				if d.Form == Plain && s.Truth()[d.Session].ID == want.ID {
					got.LastLog = want.LastLog
				}
			}
		}
	}
	compare(t, s, learned)
}

// What was typed is found by the usual guess, but where a hostile text stands between.
func TestCommandsAreFound(t *testing.T) {
	s := New(1, 300)
	logs := make([]map[string]Delivery, len(s.Truth())) // by the id of the log event
	for _, d := range s.Deliveries() {
		if d.Form == CloudTrail {
			continue
		}
		if logs[d.Session] == nil {
			logs[d.Session] = map[string]Delivery{}
		}
		logs[d.Session][d.EventID] = d
	}
	all, exact := 0, 0
	for i, events := range logs {
		if events == nil {
			continue
		}
		inOrder := func(yield func(session.Log) bool) {
			for _, id := range slices.Sorted(maps.Keys(events)) {
				l := session.ParseText("", events[id].Record)
				if events[id].Form == Streamed {
					l, _ = session.Parse(events[id].Record)
				}
				if !yield(l) {
					return
				}
			}
		}
		var got []string
		for c := range session.Commands(session.Clean(inOrder)) {
			if c.Prompt != "" {
				got = append(got, c.Text)
			}
		}
		all++
		exact += count(slices.Equal(got, s.Truth()[i].Commands))
	}
	if exact*100 < all*95 {
		t.Errorf("the commands of %d sessions of %d are found", exact, all)
	}
	t.Logf("%d of %d", exact, all)
}

// Hostile texts of each sort are among the logs, reasons and names.
func TestHostileTexts(t *testing.T) {
	s := New(1, 500)
	var logs, calls bytes.Buffer
	for _, d := range s.Deliveries() {
		if d.Form == CloudTrail {
			calls.Write(d.Record)
		} else {
			logs.Write(d.Record)
		}
	}
	for _, want := range []string{
		"\r\r\n", "\x1b[1;31m", "<script>", "\xff", "漢字漢字", "\x7fELF", "DeleteTrail", "\u202e", `\ufffd`, `\u003cscript`,
	} {
		if !bytes.Contains(logs.Bytes(), []byte(want)) {
			t.Errorf("no log holds %q", want)
		}
	}
	for _, want := range []string{
		"<script>alert", `\u001b[31m`, `"=1+1-`, `"..-`, `"-eve-`, "\u202e", "=HYPERLINK", "AWS Internal", `"ecs:`, `"mi-0`,
	} {
		if !bytes.Contains(calls.Bytes(), []byte(want)) {
			t.Errorf("no record holds %q", want)
		}
	}
}
