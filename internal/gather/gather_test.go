package gather

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	scenario "github.com/trailcast/trailcast/bench/gen/sessions"
	"github.com/trailcast/trailcast/formats/session"
	"github.com/trailcast/trailcast/internal/build"
	"github.com/trailcast/trailcast/internal/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// read gathers from places on disk.
func read(t *testing.T, places ...string) *Result { return readWith(t, false, places...) }

func readWith(t *testing.T, raw bool, places ...string) *Result {
	t.Helper()
	s := Sources{Places: places}
	text, err := s.Config()
	if err != nil {
		t.Fatal(err)
	}
	config, err := build.LoadSources("sources", text, nil, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), Options{Config: config, Stdin: strings.NewReader(""), Raw: raw})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	if r.Broken != 0 || r.Failed != nil {
		t.Errorf("%d pieces are broken, failed: %v", r.Broken, r.Failed)
	}
	return r
}

// TestScenario reads all that AWS delivers of 500 sessions, and holds the report to the truth.
func TestScenario(t *testing.T) {
	s := scenario.New(1, 500)
	dir := t.TempDir()
	if err := s.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	r := readWith(t, true, dir)
	if !r.Logs {
		t.Error("session logs were not noticed")
	}
	got := map[string]scenario.Truth{}
	for i := range r.Sessions {
		truth := told(t, &r.Sessions[i])
		got[name(&truth)] = truth
	}
	want := map[string]scenario.Truth{}
	for _, truth := range s.Truth() {
		truth.Kind = ""
		truth.LastLog = time.Time{} // what the report tells is the end
		want[name(&truth)] = truth
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The text of a session is redacted in its order, however it came: what is typed after a secret stays.
func TestScenarioIsRedacted(t *testing.T) {
	s := scenario.New(1, 500)
	dir := t.TempDir()
	if err := s.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	typed := map[string][]string{}
	for _, truth := range s.Truth() {
		typed[truth.ID] = truth.Commands
	}
	hide := strings.NewReplacer("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "[REDACTED]", "Example-Passw0rd", "[REDACTED]")
	r := read(t, dir)
	secrets := 0
	for i := range r.Sessions {
		one := &r.Sessions[i]
		if one.Transcript == nil {
			continue
		}
		var want []string
		for _, text := range typed[one.ID] {
			hidden := hide.Replace(text)
			if hidden != text {
				secrets++
			}
			want = append(want, hidden)
		}
		if diff := cmp.Diff(want, commands(t, one.Transcript)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", one.ID, diff)
		}
	}
	if secrets < 100 {
		t.Errorf("only %d secrets were typed", secrets)
	}
}

func name(t *scenario.Truth) string {
	if t.ID != "" {
		return t.ID
	}
	return "denied " + t.Target + " " + t.Started.Format(time.RFC3339)
}

// told is the truth as a report tells it.
func told(t *testing.T, s *report.Session) scenario.Truth {
	t.Helper()
	out := scenario.Truth{
		ID: s.ID, Account: s.Account, Region: s.Region, Target: s.Target, Document: s.Document, Reason: s.Reason,
		Actor: s.Who(), Role: s.Role, SourceIP: s.SourceIP, MFA: s.MFA,
		Started: s.Started, Resumed: s.Resumed, TerminatedBy: s.TerminatedBy, Lines: s.Lines, Bytes: s.Bytes, Alerts: s.Alerts,
	}
	if out.Actor == "root" {
		out.Actor = strings.Split(s.ActorARN, ":")[4]
	}
	if out.MFA == "" {
		out.MFA = "unknown"
	}
	if s.Ending == "terminated" {
		out.Terminated = s.Ended
	}
	if s.Transcript != nil {
		out.Commands = commands(t, s.Transcript)
	}
	return out
}

func commands(t *testing.T, text report.Transcript) (all []string) {
	t.Helper()
	r, err := text.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	log := session.ParseText("", raw)
	for c := range session.Commands(session.Clean(slices.Values([]session.Log{log}))) {
		if c.Prompt != "" {
			all = append(all, c.Text)
		}
	}
	return all
}

// A log that was read twice, by two ways, counts once where it can be told: by the id of its log event.
func TestRepeatsAndOrder(t *testing.T) {
	const payload = `{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"ssm","logStream":"ann-0123456789abcdef0","logEvents":[` +
		`{"id":"2","timestamp":1700000002000,"message":"{\"eventVersion\":\"1.0\",\"eventTime\":\"2023-11-14T22:13:22Z\",\"awsRegion\":\"eu-west-1\",\"target\":{\"id\":\"i-0123\"},\"userIdentity\":{\"arn\":\"arn:aws:iam::123456789012:user/ann\"},\"runAsUser\":\"ssm-user\",\"sessionId\":\"ann-0123456789abcdef0\",\"sessionData\":[\"second\"]}"},` +
		`{"id":"1","timestamp":1700000001000,"message":"{\"eventVersion\":\"1.0\",\"eventTime\":\"2023-11-14T22:13:21Z\",\"awsRegion\":\"eu-west-1\",\"target\":{\"id\":\"i-0123\"},\"userIdentity\":{\"arn\":\"arn:aws:iam::123456789012:user/ann\"},\"runAsUser\":\"ssm-user\",\"sessionId\":\"ann-0123456789abcdef0\",\"sessionData\":[\"first\"]}"}]}`
	dir := t.TempDir()
	for _, name := range []string{"a.json", "b [x]*{y}.json"} { // no globs
		if err := os.WriteFile(filepath.Join(dir, name), []byte(payload), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := read(t, filepath.Join(dir, "a.json"), filepath.Join(dir, "b [x]*{y}.json"))
	if len(r.Sessions) != 1 {
		t.Fatalf("%d sessions, want one", len(r.Sessions))
	}
	s := &r.Sessions[0]
	if s.Lines != 2 || s.Bytes != 11 || s.User != "ann" || !s.Pending || s.Logged != "yes" {
		t.Errorf("got %+v", s)
	}
	text, err := s.Transcript.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	if raw, err := io.ReadAll(text); err != nil || string(raw) != "first\nsecond\n" {
		t.Errorf("the text is %q, %v", raw, err)
	}
}

func TestSourcesMistakes(t *testing.T) {
	for _, places := range [][]string{nil, {"/does/not/exist"}, {"s3://"}, {"nats://127.0.0.1:4222"}, {"nats://a/b/c"}, {"https://example.com/"}} {
		s := Sources{Places: places}
		if _, err := s.Config(); err == nil {
			t.Errorf("%q: taken", places)
		}
	}
	s := Sources{Places: []string{"nats://user:secret@h/a/b"}}
	if _, err := s.Config(); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want an error without the password", err)
	}
}

// Every kind of source gives a configuration that is taken.
func TestSources(t *testing.T) {
	s := Sources{
		Places: []string{"-", t.TempDir(), "s3://trail/AWSLogs/", "nats://127.0.0.1:4222/SESSIONS", "lookup://eu-west-1,us-east-1"},
		Since:  time.Now().Add(-30 * 24 * time.Hour), Until: time.Now(), Region: "eu-west-1", RoleARN: "arn:aws:iam::123456789012:role/audit",
	}
	text, err := s.Config()
	if err != nil {
		t.Fatal(err)
	}
	config, err := build.LoadSources("sources", text, nil, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, in := range config.Inputs {
		types = append(types, in.Component.Type)
	}
	want := []string{"stdin", "s3", "nats", "cloudtrail_lookup", "cloudtrail_lookup", "cloudtrail_lookup", "cloudtrail_lookup", "cloudtrail_lookup", "cloudtrail_lookup", "file"}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Error(diff)
	}
}

// Of two transcripts with one name no mixture is shown.
func TestTranscriptsOfOneName(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "sh-4.2$ fake\nsh-4.2$ more\n", "b": "sh-4.2$ real\nsh-4.2$ one\nsh-4.2$ two\n"} {
		file := filepath.Join(dir, name, "carl-0123456789abcdef3.log")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := read(t, dir)
	if len(r.Sessions) != 1 {
		t.Fatalf("%d sessions", len(r.Sessions))
	}
	s := &r.Sessions[0]
	if diff := cmp.Diff([]string{"real", "one", "two"}, commands(t, s.Transcript)); diff != "" {
		t.Error(diff)
	}
	if len(s.Alerts) != 1 || !strings.Contains(s.Alerts[0], "2 transcripts") {
		t.Errorf("alerts: %q", s.Alerts)
	}
}

// A session that may still run has no transcript yet.
func TestRunningSessionIsNotUnlogged(t *testing.T) {
	dir := t.TempDir()
	call := func(id string, ago time.Duration) string {
		return `{"eventVersion":"1.08","eventTime":"` + time.Now().UTC().Add(-ago).Format(time.RFC3339) + `","eventSource":"ssm.amazonaws.com","eventName":"StartSession","awsRegion":"eu-west-1","userIdentity":{"type":"IAMUser","accountId":"123456789012","userName":"zoe","accessKeyId":"A"},"requestParameters":{"target":"i-0abc"},"responseElements":{"sessionId":"` + id + `"},"eventID":"` + id + `","recipientAccountId":"123456789012"}` + "\n"
	}
	calls := call("zoe-0123456789abcdef0", 40*time.Minute) + call("zoe-0123456789abcdef1", 48*time.Hour)
	for name, text := range map[string]string{"calls.json": calls, "other-0123456789abcdef2.log": "sh-4.2$ id\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	for _, s := range read(t, dir).Sessions {
		got[s.ID] = s.Logged + " " + strings.Join(s.Alerts, " ")
	}
	want := map[string]string{"zoe-0123456789abcdef0": " ", "zoe-0123456789abcdef1": "no unlogged", "other-0123456789abcdef2": "yes "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
