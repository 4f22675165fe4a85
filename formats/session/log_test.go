package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/trailcast/trailcast/formats/session"
	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/pipeline"
)

func TestParseID(t *testing.T) {
	tests := []struct {
		id, owner, suffix string
		ok, ecs           bool
	}{
		{"garland.kan.temp-0e34861185201706f", "garland.kan.temp", "0e34861185201706f", true, false},
		{"christophe-bkqs75qpcrtlxk5paaytrydm2e", "christophe", "bkqs75qpcrtlxk5paaytrydm2e", true, false},
		{"ann.b-c@example.com-h58qgzkd8fpy9j6gkxa7rrkkii", "ann.b-c@example.com", "h58qgzkd8fpy9j6gkxa7rrkkii", true, false},
		{"ecs-execute-command-0e34861185201706f", "", "0e34861185201706f", true, true},
		{"x-ecs-execute-command-0e34861185201706f", "x-ecs-execute-command", "0e34861185201706f", true, false},
		{"ann", "", "", false, false},
		{"-0e34861185201706f", "", "", false, false},
		{"ann-", "", "", false, false},
		{"ann-UPPER", "", "", false, false},
		{"a/b-0e34861185201706f", "", "", false, false},
		{"a\x1b-0e34861185201706f", "", "", false, false},
		{strings.Repeat("a", 80) + "-0e34861185201706f", "", "", false, false},
		{"", "", "", false, false},
	}
	for _, tt := range tests {
		owner, suffix, ok := session.ParseID(tt.id)
		if owner != tt.owner || suffix != tt.suffix || ok != tt.ok || session.IsECSExec(tt.id) != tt.ecs {
			t.Errorf("%q: got %q, %q, %v, ECS Exec %v", tt.id, owner, suffix, ok, session.IsECSExec(tt.id))
		}
	}
}

func TestParseTarget(t *testing.T) {
	tests := map[string]session.Target{
		"i-02311671588e96626":                {ID: "i-02311671588e96626"},
		"ecs:my_cluster_9781c248_9781c248-1": {ID: "ecs:my_cluster_9781c248_9781c248-1", Cluster: "my_cluster", Task: "9781c248", Container: "9781c248-1"},
		"ecs:x_y":                            {ID: "ecs:x_y"},
		"ecs:":                               {ID: "ecs:"},
		"":                                   {},
	}
	for id, want := range tests {
		if got := session.ParseTarget(id); got != want {
			t.Errorf("%q: got %+v, want %+v", id, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	const sid = "ann@example.com-h58qgzkd8fpy9j6gkxa7rrkkii"
	at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	tests := []struct {
		name, raw string
		want      session.Log
		lines     []string
		count     session.Count
	}{
		{"streamed", `{"eventVersion":"1.0","eventTime":"2024-05-06T07:08:09Z","awsRegion":"eu-west-1","target":{"id":"i-1"},"userIdentity":{"arn":"arn:aws:sts::111122223333:assumed-role/admin/ann@example.com"},"runAsUser":"ssm-user","sessionId":"` + sid + `","sessionData":["sh-4.2$ echo \"é\"","é",""]}`,
			session.Log{Shape: session.Streamed, SessionID: sid, Target: session.Target{ID: "i-1"}, OwnerARN: "arn:aws:sts::111122223333:assumed-role/admin/ann@example.com", User: "ann@example.com", RunAs: "ssm-user", Uploaded: at, Region: "eu-west-1"},
			[]string{`sh-4.2$ echo "é"`, "é", ""}, session.Count{Lines: 3, Bytes: 19}},
		{"ECS Exec, other order, unknown members", `{"trailcast":{"v":1},"sessionData":["a"],"x":[{}],"sessionId":"ecs-execute-command-0e34861185201706f","userIdentity":{"type":"x","arn":"arn:aws:iam::111122223333:user/ops/ann"},"target":{"id":"ecs:c_t_r"}}`,
			session.Log{Shape: session.Streamed, SessionID: "ecs-execute-command-0e34861185201706f", Target: session.Target{ID: "ecs:c_t_r", Cluster: "c", Task: "t", Container: "r"}, OwnerARN: "arn:aws:iam::111122223333:user/ops/ann", User: "ann"},
			[]string{"a"}, session.Count{Lines: 1, Bytes: 1}},
		{"wrong types", `{"eventTime":5,"awsRegion":null,"target":7,"userIdentity":"x","runAsUser":{},"sessionId":"x","sessionData":["a",1,null,{"b":"c"},"d"]}`,
			session.Log{Shape: session.Streamed, SessionID: "x"}, []string{"a", "d"}, session.Count{Lines: 2, Bytes: 2}},
		{"text instead of an array", `{"sessionId":"x","target":null,"sessionData":"abc"}`, session.Log{Shape: session.Streamed, SessionID: "x"}, []string{"abc"}, session.Count{Lines: 1, Bytes: 3}},
		{"part of a transcript", `{"sessionId":"ann-0e34861185201706f","target":"i-1","seq":12,"lines":["a","b\u001b[0m"]}`,
			session.Log{Shape: session.Part, SessionID: "ann-0e34861185201706f", Target: session.Target{ID: "i-1"}, User: "ann", Seq: 12}, []string{"a", "b\x1b[0m"}, session.Count{Lines: 2, Bytes: 6}},
		{"nothing logged", `{"sessionId":"x","seq":-1,"lines":[]}`, session.Log{Shape: session.Part, SessionID: "x"}, nil, session.Count{}},
		{"lone surrogate", `{"sessionId":"x","lines":["\ud800"]}`, session.Log{Shape: session.Part, SessionID: "x"}, []string{"�"}, session.Count{Lines: 1, Bytes: 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := session.Parse([]byte(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(session.Log{})); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.lines, slices.Collect(got.Lines())); diff != "" {
				t.Error(diff)
			}
			if c := got.Count(); c != tt.count {
				t.Errorf("count %+v, want %+v", c, tt.count)
			}
		})
	}
	for _, raw := range []string{`{}`, `[]`, `"x"`, `{"sessionId":"x"}`, `{"sessionId":1,"lines":[]}`, `{"lines":["x"]}`, `{"sessionId":"x","lines":{}}`} {
		if _, err := session.Parse([]byte(raw)); !errors.Is(err, session.ErrNotLog) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestParseText(t *testing.T) {
	l := session.ParseText("ann-0e34861185201706f", []byte("{\"eventID\":1}\r\n\nlast"))
	want := session.Log{Shape: session.Transcript, SessionID: "ann-0e34861185201706f", User: "ann"}
	if diff := cmp.Diff(want, l, cmpopts.IgnoreUnexported(session.Log{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`{"eventID":1}`, "", "last"}, slices.Collect(l.Lines())); diff != "" {
		t.Error(diff)
	}
	if c := l.Count(); c != (session.Count{Lines: 3, Bytes: 17}) {
		t.Errorf("count %+v", c)
	}
	for range l.Lines() {
		break // a reader may stop
	}
}

type parts struct{ logs []session.Log }

func (p *parts) Feed(_ context.Context, events []pipeline.Event) error {
	for _, e := range events {
		l, err := session.Parse(e.Raw)
		if err != nil {
			return err
		}
		p.logs = append(p.logs, l)
	}
	return nil
}

func (p *parts) Broken(context.Context, pipeline.Broken) error { return errors.New("broken") }

// TestPartsAreTheWhole cuts transcripts as formats/split does: the lines cleaned, and the counts, are those of the whole.
func TestPartsAreTheWhole(t *testing.T) {
	for name, text := range map[string]string{
		"short lines":        strings.Repeat("sh-4.2$ ls\r\nfile\r\n", 9000),
		"long lines":         strings.Repeat(strings.Repeat("x", 40_000)+"\n"+strings.Repeat("é", 30_000)+"\n", 3),
		"escapes at the cut": "x\n" + strings.Repeat("\x1b[38;2;111;111;111mab", 6000) + "\nend\n" + strings.Repeat("漢\x1b]0;title\a", 6000) + "\n",
		"nothing":            "",
	} {
		t.Run(name, func(t *testing.T) {
			var p parts
			origin := &pipeline.Origin{Object: "s3://b/ann-0e34861185201706f.log"}
			if _, err := split.New(split.Options{}).Split(t.Context(), strings.NewReader(text), origin, split.Base{}, &p); err != nil {
				t.Fatal(err)
			}
			var lines []string
			var count session.Count
			c := session.NewCleaner(session.Settings{}, func(line string) { lines = append(lines, line) })
			for i, l := range p.logs {
				if l.Seq != i || l.User != "ann" {
					t.Errorf("part %d has seq %d, user %q", i, l.Seq, l.User)
				}
				l.Feed(c)
				count.Add(l.Count())
			}
			c.Close()
			if diff := cmp.Diff(clean(session.Settings{}, text), lines); diff != "" {
				t.Errorf("-whole +parts:\n%s", diff)
			}
			if diff := cmp.Diff(lines, slices.Collect(session.Clean(slices.Values(p.logs)))); diff != "" {
				t.Errorf("-Feed +Clean:\n%s", diff)
			}
			whole := session.ParseText("x", []byte(text))
			if want := whole.Count(); count != want {
				t.Errorf("count %+v, want %+v", count, want)
			}
		})
	}
}

// TestRealIDs holds that ids of real records are read.
func TestRealIDs(t *testing.T) {
	const folder = "../../../shared/data"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("the collection of real records is not here")
	}
	id := regexp.MustCompile(`"sessionId" ?: ?"([^"]+)"`)
	found := 0
	err := filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range id.FindAllSubmatch(b, -1) {
			found++
			if owner, _, ok := session.ParseID(string(m[1])); !ok || owner == "" {
				t.Errorf("%s: %q is no session id", name, m[1])
			}
		}
		return nil
	})
	if err != nil || found == 0 {
		t.Errorf("%d ids, %v", found, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"eventTime":"2024-05-06T07:08:09Z","awsRegion":"r","target":{"id":"ecs:a_b_c"},"userIdentity":{"arn":"arn:aws:iam::1:user/x"},"runAsUser":"u","sessionId":"a-b1","sessionData":["\ud800\"",1]}`)
	f.Add(`{"sessionId":"a-1","target":"i-1","seq":3,"lines":["a\tb","\u001b["]}`)
	f.Add("Script started on x\r\n$ ls\r\n")
	f.Fuzz(func(t *testing.T, raw string) {
		logs := []session.Log{session.ParseText(raw, []byte(raw))}
		if json.Valid([]byte(raw)) {
			if l, err := session.Parse([]byte(raw)); err == nil {
				logs = append(logs, l)
			}
		}
		for _, l := range logs {
			var want session.Count
			for line := range l.Lines() {
				want.Lines++
				want.Bytes += int64(len(line))
			}
			if got := l.Count(); got.Bytes != want.Bytes || got.Lines > want.Lines {
				t.Errorf("count %+v, lines say %+v", got, want)
			}
			if owner, suffix, ok := session.ParseID(l.SessionID); ok && owner != "" && owner+"-"+suffix != l.SessionID {
				t.Errorf("%q: %q and %q", l.SessionID, owner, suffix)
			}
			var lines []string
			c := session.NewCleaner(session.Settings{}, func(line string) { lines = append(lines, line) })
			l.Feed(c)
			c.Close()
			hold(t, lines)
		}
	})
}
