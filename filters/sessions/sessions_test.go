package sessions

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// TestLifeOfASession holds what is told of sessions, and when.
func TestLifeOfASession(t *testing.T) {
	type step func(*rig)
	trail := func(records ...func(time.Time) string) step {
		return func(r *rig) {
			var made []string
			for _, f := range records {
				made = append(made, f(time.Now()))
			}
			r.trail(made...)
		}
	}
	begin := func(identity, document string) step {
		return trail(func(at time.Time) string { return startOf(alice, identity, document, at) })
	}
	end := trail(func(at time.Time) string { return endOf(alice, noMFA, at) })
	resume := trail(func(at time.Time) string { return resumeOf(alice, sso, at) })
	line := func(n int) step { return func(r *rig) { r.logged(alice, n, time.Now()) } }
	transcript := func(r *rig) { r.send("s3", "s3://b/"+alice+".log", "$ id\r\nroot\r\n$ exit\r\n") }
	after := func(d time.Duration) step { return func(*rig) { time.Sleep(d) } }
	told := func(want string) step { return func(r *rig) { r.t.Helper(); r.told(want) } }
	shell := "SSM-SessionManagerRunShell"
	logs := Config{Logs: true, MaxDuration: 24 * time.Hour}

	tests := []struct {
		name   string
		config Config
		steps  []step
	}{
		{"streamed and terminated", logs, []step{
			begin(sso, shell), told("opened"), line(1), line(2), told(""), end, told("terminated(4)"),
			after(2 * time.Minute), told("closed:terminated(4)"), after(48 * time.Hour), told(""),
		}},
		{"idle", logs, []step{
			begin(sso, shell), line(1), after(19 * time.Minute), line(2), told("opened"), after(19 * time.Minute), told(""),
			after(2 * time.Minute), told("closed:idle(4)"),
		}},
		{"a log record of a closed session corrects what was told", logs, []step{
			begin(sso, shell), line(1), after(time.Hour), told("opened closed:idle(2)"), line(2), told(""), after(time.Hour), told("closed:idle:2(4)"),
		}},
		{"a repeated log record changes nothing", logs, []step{
			func(r *rig) {
				at := time.Now()
				r.trail(startOf(alice, sso, shell, at))
				for range 3 {
					r.logged(alice, 1, at)
				}
				time.Sleep(time.Hour)
				r.logged(alice, 1, at)
			}, after(time.Hour), told("opened closed:idle(2)"),
		}},
		{"the log comes first", logs, []step{line(1), told(""), after(time.Minute), begin(sso, shell), told("opened linked(2)")}},
		{"a link is told as often as the start comes", logs, []step{func(r *rig) {
			at := time.Now()
			for n := range 2 {
				r.logged(alice, n, at)
				r.trail(startOf(alice, sso, shell, at))
			}
		}, told("opened linked(2) opened linked(4)")}},
		{"what came while the agent was away may still arrive", logs, []step{
			begin(sso, shell), line(1), after(15 * time.Minute), func(r *rig) { r.stop(); time.Sleep(2 * time.Hour); r.start() },
			after(15 * time.Minute), told("opened"), line(2), after(15 * time.Minute), told(""), after(time.Hour), told("closed:idle(4)"),
		}},
		{"a time in the future does not keep it open", logs, []step{
			begin(sso, shell), func(r *rig) { r.logged(alice, 1, time.Now().AddDate(1, 0, 0)) }, after(30 * time.Minute), told("opened closed:idle(2)"),
		}},
		{"resumed", logs, []step{begin(sso, shell), after(time.Minute), resume, told("opened resumed"), after(time.Hour), told("closed:idle(0) unlogged")}},
		{"the transcript ends it", logs, []step{begin(sso, shell), transcript, after(2 * time.Minute), told("opened closed:transcript(3)")}},
		{"no log at all", logs, []step{begin(sso, shell), end, after(10 * time.Minute), told("opened terminated(0) closed:terminated(0)"), after(10 * time.Minute), told("unlogged")}},
		{"no log source", Config{}, []step{begin(sso, shell), end, after(48 * time.Hour), told("opened terminated(0) closed:terminated(0)")}},
		{"port forwarding", logs, []step{
			begin(sso, "AWS-StartPortForwardingSessionToRemoteHost"), told("opened unlogged"), after(23 * time.Hour), told(""), after(2 * time.Hour), told("closed:max_duration(0)"),
		}},
		{"SSH by ARN, terminated", logs, []step{begin(sso, "arn:aws:ssm:eu-west-1::document/AWS-StartSSHSession"), end, after(time.Hour), told("opened unlogged terminated(0) closed:terminated(0)")}},
		{"a tunnel without a log source", Config{}, []step{begin(sso, "AWS-StartSSHSession"), told("opened")}},
		{"without MFA", logs, []step{begin(noMFA, shell), told("opened no_mfa")}},
		{"root, of whom MFA is not known", logs, []step{begin(root, shell), told("opened root_or_unknown_actor")}},
		{"from another account", logs, []step{begin(other, shell), told("opened cross_account")}},
		{"muted", Config{Logs: true, MuteAlerts: []string{"no_mfa", "unlogged", "denied"}}, []step{
			begin(noMFA, "AWS-StartSSHSession"), told("opened"), trail(deniedStart), told(""),
		}},
		{"denied", logs, []step{trail(deniedStart), told("denied"), after(48 * time.Hour), told("")}},
		{"a failed end is none", logs, []step{trail(func(at time.Time) string {
			return call("ssm.amazonaws.com", "TerminateSession", sso, `"requestParameters":{"sessionId":"`+alice+`"},"responseElements":null,"errorCode":"AccessDenied"`, at)
		}), told("")}},
		{"Athena's session", logs, []step{trail(func(at time.Time) string {
			return call("athena.amazonaws.com", "StartSession", sso, `"requestParameters":{},"responseElements":{"sessionId":"`+alice+`"}`, at)
		}), told("")}},
		{"ECS Exec", logs, []step{
			trail(func(at time.Time) string {
				return call("ecs.amazonaws.com", "ExecuteCommand", sso, `"requestParameters":{"cluster":"c","task":"t"},"responseElements":{"taskArn":"arn:aws:ecs:eu-west-1:111122223333:task/c/t","session":{"sessionId":"ecs-execute-command-0123456789abcdef0"}}`, at)
			}),
			func(r *rig) { r.logged("ecs-execute-command-0123456789abcdef0", 1, time.Now()) },
			after(time.Hour), told("opened closed:idle(2)"),
		}},
		{"Remote Desktop", logs, []step{
			trail(func(at time.Time) string {
				return call("ssm-guiconnect.amazonaws.com", "StartConnection", sso, `"requestParameters":{"InstanceId":"i-1"},"responseElements":{"ConnectionArn":"arn:aws:ssm-guiconnect:eu-west-1:111122223333:connection/fcb810cd"}`, at)
			}), told("opened unlogged"), after(25 * time.Hour), told("closed:max_duration(0)"),
		}},
		{"activity is told once in an interval", Config{Activity: 5 * time.Minute}, []step{
			begin(sso, shell), line(1), line(2), told("opened activity(2)"), after(5 * time.Minute), line(3), told("activity(6)"),
		}},
		{"the start is lost", logs, []step{line(1), after(time.Hour), told("closed:idle(2)")}},
		{"only the end is known", logs, []step{end, after(time.Hour), told("terminated(0) closed:terminated(0)")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, tt.config)
				for _, do := range tt.steps {
					do(r)
					synctest.Wait()
				}
			})
		})
	}
}

func deniedStart(at time.Time) string {
	return call("ssm.amazonaws.com", "StartSession", noMFA, `"requestParameters":{"target":"i-0a"},"responseElements":null,"errorCode":"AccessDenied","errorMessage":"not you"`, at)
}

// TestRepeatsHaveTheSameIDs holds that a cause that comes again, and a start from nothing, tell the same with the same ids
// and keys.
func TestRepeatsHaveTheSameIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := time.Now()
		play := func(r *rig) map[string]string {
			r.logged(alice, 1, at)
			for range 2 {
				r.trail(startOf(alice, noMFA, "AWS-StartSSHSession", at), deniedStart(at), resumeOf(alice, sso, at), endOf(alice, sso, at))
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			ids := map[string]string{}
			for _, d := range r.events {
				if d.Record.Kind != pipeline.KindSession {
					continue
				}
				id, key := d.Trailcast.ID, d.Trailcast.Action
				if had, ok := ids[key]; ok && had != id+" "+d.key {
					t.Errorf("%s has the ids and keys %s and %s", key, had, id+" "+d.key)
				}
				if !strings.HasPrefix(d.key, id) || d.Facts().ID != id {
					t.Errorf("key %s, id in the facts %s, id %s", d.key, d.Facts().ID, id)
				}
				ids[key] = id + " " + d.key
			}
			return ids
		}
		c := Config{Logs: true, Activity: time.Minute}
		first, second := play(newRig(t, c)), play(newRig(t, c))
		if len(first) != 9 {
			t.Errorf("told %v", first)
		}
		seen := map[string]string{}
		for key, id := range first {
			if second[key] != id {
				t.Errorf("%s: %s and %s", key, id, second[key])
			}
			if other, ok := seen[id]; ok {
				t.Errorf("%s and %s have the same id", key, other)
			}
			seen[id] = key
		}
	})
}

// TestSessionEvent holds the shape of session events, and that templates and filters find what they need.
func TestSessionEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		at := time.Now()
		r.trail(startOf(alice, sso, "doc", at))
		time.Sleep(90 * time.Second)
		r.logged(alice, 1, time.Now())
		r.trail(endOf(alice, noMFA, time.Now()))
		time.Sleep(time.Hour)
		synctest.Wait()
		last := r.events[len(r.events)-1]
		raw := string(last.Raw)
		raw = strings.ReplaceAll(raw, last.Trailcast.ID, "ID")
		want := `{"trailcast":{"v":1,"id":"ID","kind":"session","time":"2000-01-01T00:01:30Z","region":"eu-west-1","account":{"id":"111122223333"},"service":"ssm","action":"closed",` +
			`"actor":{"type":"AssumedRole","kind":"human","id":"AROA1:alice@example.org","arn":"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_1/alice@example.org","account":{"id":"111122223333"},"user":"alice@example.org","role":"AWSReservedSSO_Admin_1","role_arn":"arn:aws:iam::111122223333:role/AWSReservedSSO_Admin_1","session_name":"alice@example.org","permission_set":"Admin","access_key_id":"ASIA1","mfa":true},` +
			`"cross_account":false,"source":{"ip":"203.0.113.7","user_agent":"cli"},"session":{"id":"` + alice + `","target":"i-0a","document":"doc","reason":"TICKET-1"}},` +
			`"state":"closed","reason":"terminated","revision":1,"started":"2000-01-01T00:00:00Z","ended":"2000-01-01T00:01:30Z","terminated_by":"bob","duration_s":90,"lines":2,"bytes":17}`
		if raw != want {
			t.Errorf("got  %s\nwant %s", raw, want)
		}
		f := last.Facts()
		parsed := Reader{}.Facts(&pipeline.Record{Raw: last.Raw})
		if *f != *parsed {
			t.Errorf("facts\n%+v\nof the bytes alone\n%+v", f, parsed)
		}
		if f.Kind != "session" || f.Account.ID != "111122223333" || f.Session.Target != "i-0a" || f.Action != "closed" || f.ActorName() != "alice@example.org" || !f.Time.Equal(at.Add(90*time.Second)) {
			t.Errorf("%+v", f)
		}
		if last.Record.Kind != pipeline.KindSession || last.Key() != last.Trailcast.ID {
			t.Errorf("kind %s, key %s, id %s", last.Record.Kind, last.Key(), last.Trailcast.ID)
		}
		if opened := r.events[1]; opened.Cause == "" || opened.Cause != r.events[0].Facts().ID || opened.Started != "2000-01-01T00:00:00Z" {
			t.Errorf("%s", opened.Raw)
		}
	})
}

func TestLogRecordsAreStamped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		at := time.Now()
		r.logged(alice, 1, at)
		r.trail(startOf(alice, sso, "doc", at))
		r.logged(alice, 2, at)
		early, late := r.events[0], r.events[len(r.events)-1]
		if got := string(get(early.Raw, "trailcast", "session")); got != `{"id":"`+alice+`","target":"i-0a","pending":true}` {
			t.Errorf("before the start: %s", got)
		}
		got := string(get(late.Raw, "trailcast", "session"))
		for _, part := range []string{`"document":"doc"`, `"reason":"TICKET-1"`, `"started":"2000-01-01T00:00:00Z"`, `"mfa":true`, `"ip":"203.0.113.7"`, `"user":"alice@example.org"`} {
			if !strings.Contains(got, part) {
				t.Errorf("%s lacks %s", got, part)
			}
		}
		if !strings.HasPrefix(string(late.Raw), strings.TrimSuffix(string(late.Record.Raw), "}")) {
			t.Errorf("the record's bytes were changed: %s", late.Raw)
		}
		f := late.Facts()
		if f.Source.IP != "203.0.113.7" || f.Actor.MFA != pipeline.Yes || f.Session.Reason != "TICKET-1" || f.Kind != pipeline.KindSessionLog || f.Action != "SessionLog" || f.ID != late.Record.Facts().ID {
			t.Errorf("%+v", f)
		}
		r.send("s3", "s3://b/"+alice+".log", "$ id\n")
		if f := r.events[len(r.events)-1].Facts(); f.Account.ID != "111122223333" || f.Region != "eu-west-1" {
			t.Errorf("a transcript has the account %q and the region %q, want those of its session", f.Account.ID, f.Region)
		}
		if early.Facts().Actor.MFA != pipeline.Unknown {
			t.Errorf("%+v", early.Facts())
		}
	})
}

func get(raw []byte, path ...string) []byte {
	value, _ := rawjson.Get(raw, path...)
	return value
}

// TestEnrichedLogKeepsItsObject holds that an object that is there gets the session, and keeps all else.
func TestEnrichedLogKeepsItsObject(t *testing.T) {
	r := &pipeline.Record{Raw: []byte(`{"sessionId":"x-1"}`)}
	ev := pipeline.NewEvent(r)
	for raw, want := range map[string]string{
		`{"a":1}`: `{"a":1,"trailcast":{"session":0}}`,
		`{"trailcast":{"v":1,"session":{"id":1}},"a":1}`: `{"trailcast":{"v":1,"session":0},"a":1}`,
		`{"trailcast":{"v":1}}`:                          `{"trailcast":{"v":1,"session":0}}`,
		`{"trailcast":"mine"}`:                           `{"trailcast":{"session":0}}`,
	} {
		if got := string(splice(ev.WithRaw([]byte(raw)), []byte("0")).Raw); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

// TestWhatWasNotDeliveredIsToldAgain holds that a closing counts as told only when it was delivered.
func TestWhatWasNotDeliveredIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{Logs: true})
		r.trail(startOf(alice, sso, "doc", time.Now()), endOf(alice, sso, time.Now()))
		r.told("opened terminated(0)")
		r.failWith(errors.New("away"))
		time.Sleep(time.Hour)
		r.told("")
		r.stop() // gives up after a minute
		r.failWith(nil)
		r.start()
		time.Sleep(5 * time.Minute)
		r.told("closed:terminated(0)")
		time.Sleep(time.Hour)
		r.told("unlogged")
		r.stop()
		r.start()
		time.Sleep(48 * time.Hour)
		r.told("")
	})
}

// TestARevisionIsUsedOnce holds that a closing that may have been delivered before a crash is not followed by another one
// with its number.
func TestARevisionIsUsedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		r.trail(startOf(alice, sso, "doc", time.Now()))
		r.logged(alice, 1, time.Now())
		r.deaf = true
		r.failWith(errors.New("the answer got lost"))
		time.Sleep(20*time.Minute + time.Millisecond)
		synctest.Wait()
		r.kill(false)
		r.told("opened closed:idle(2)")
		first := r.last
		r.deaf = false
		r.failWith(nil)
		r.start()
		r.logged(alice, 2, time.Now())
		time.Sleep(time.Hour)
		r.told("closed:idle:2(4)")
		if r.last == first {
			t.Error("both have the same id")
		}
	})
}

// TestLookingOnTouchesNoFile holds that a filter outside of an engine, which explains a configuration that an agent may be
// running, leaves the agent's file alone.
func TestLookingOnTouchesNoFile(t *testing.T) {
	dir := t.TempDir()
	f, err := New(Config{}, pipeline.Env{Name: "s", StateDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.Apply(t.Context(), nil, noted(startOf(alice, sso, "doc", time.Now())))
	if len(out) != 2 || err != nil {
		t.Errorf("%d results, %v", len(out), err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestALateInputHoldsUpClosings holds that a session stays open while an input reads what is older than its end.
func TestALateInputHoldsUpClosings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{Logs: true})
		begin := time.Now()
		time.Sleep(30 * 24 * time.Hour)
		r.trail(startOf(alice, sso, "doc", begin.Add(10*time.Hour)))
		for i := range 10 { // the log is read from its beginning, an hour of it in ten minutes
			r.logged("bob-0123456789abcdef0", i, begin.Add(time.Duration(i)*time.Hour))
			time.Sleep(10 * time.Minute)
		}
		r.logged(alice, 100, begin.Add(10*time.Hour))
		time.Sleep(9 * time.Minute)
		if got := r.took(); got != "opened" {
			t.Errorf("told %q while the log was read", got)
		}
		time.Sleep(time.Hour)
		if got := r.took(); !strings.Contains(got, "closed:idle(2)") || strings.Contains(got, "unlogged") {
			t.Errorf("told %q", got)
		}
	})
}
