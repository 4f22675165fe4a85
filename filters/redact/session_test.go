package redact

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

// texts gives records of one session to a filter, one a second, and returns the lines of each.
func texts(t testing.TB, f *Filter, records ...[]string) (got [][]string) {
	t.Helper()
	for i, lines := range records {
		got = append(got, linesOf(t, applySession(t, f, streamed("jane-0123456789abcdef0", i, lines...))))
	}
	return got
}

// streamed is a record as the agent streams it, with the second of its upload.
func streamed(id string, second int, lines ...string) string {
	b, _ := json.Marshal(lines)
	return fmt.Sprintf(`{"eventTime":"2026-11-21T10:%02d:%02dZ","target":{"id":"i-1"},"sessionId":%q,"sessionData":%s}`, second/60, second%60, id, b)
}

func linesOf(t testing.TB, raw string) []string {
	t.Helper()
	var r struct{ SessionData, Lines []string }
	if err := json.Unmarshal([]byte(raw), &r); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return append(r.SessionData, r.Lines...)
}

func TestSecretsOverRecords(t *testing.T) {
	type records = [][]string
	tests := []struct {
		name     string
		in, want records
	}{
		{"a value", records{{"$ export AWS_SECRET_ACCESS_KEY=abc"}, {"defghijklmnopqrstuv", "$ ls"}},
			records{{"$ export AWS_SECRET_ACCESS_KEY=[REDACTED]"}, {"[REDACTED]", "$ ls"}}},
		{"a name", records{{"$ export AWS_SECRET_ACC"}, {"ESS_KEY=abcdefghijklmnopqrstuv; ls"}},
			records{{"$ export AWS_SECRET_ACC"}, {"ESS_KEY=[REDACTED]; ls"}}},
		{"three records", records{{"$ mysql -psec"}, {"ret"}, {"word shop", "x"}},
			records{{"$ mysql -p[REDACTED]"}, {"[REDACTED]"}, {"[REDACTED] shop", "x"}}},
		{"in quotes", records{{`$ X_PASSWORD="a b`}, {` c" ls`}}, records{{`$ X_PASSWORD=[REDACTED]`}, {`[REDACTED] ls`}}},
		{"a line that is whole", records{{"$ mysql -u root -p"}, {"Welcome to MySQL"}}, records{{"$ mysql -u root -p"}, {"[REDACTED] to MySQL"}}},
		{"no secret", records{{"$ ls", "a"}, {"b", "$ pwd"}}, records{{"$ ls", "a"}, {"b", "$ pwd"}}},
		{"a private key", records{{"$ cat k", "-----BEGIN RSA PRIVATE KEY-----", "MIIEowIBAAKCAQ"}, {"EA7bq3zzz", "AAAABBBBCCCC"}, {"DDDD==", "-----END RSA PRIVATE KEY-----", "$ ls"}},
			records{{"$ cat k", "-----BEGIN RSA PRIVATE KEY-----", "[REDACTED]"}, {"[REDACTED]", "[REDACTED]"}, {"[REDACTED]", "-----END RSA PRIVATE KEY-----", "$ ls"}}},
		{"a private key whose begin is cut", records{{"-----BEGIN RSA PRI"}, {"VATE KEY-----", "MIIEowIBAAKCAQEA7bq3"}},
			records{{"-----BEGIN RSA PRI"}, {"VATE KEY-----", "[REDACTED]"}}},
		{"a private key that something else follows", records{{"-----BEGIN PRIVATE KEY-----", "MIIE"}, {"$ rm -rf /", "$ ls"}},
			records{{"-----BEGIN PRIVATE KEY-----", "[REDACTED]"}, {"$ rm -rf /", "$ ls"}}},
		{"the end of a private key alone", records{{"$ x", "abcdefghijklmnopqrstuvwxyz0123456789", "AAAA==", "-----END PRIVATE KEY-----"}},
			records{{"$ x", "[REDACTED]", "[REDACTED]", "-----END PRIVATE KEY-----"}}},
		{"an answer on the line of its prompt", records{{"[sudo] password for jane: "}, {"hunter two", "# id"}}, records{{"[sudo] password for jane: "}, {"[REDACTED]", "# id"}}},
		{"an answer on the next line", records{{"Password:"}, {"hunter2", "# id"}}, records{{"Password:"}, {"[REDACTED]", "# id"}}},
		{"an answer that is cut", records{{"Password:", "hun"}, {"ter2", "# id"}}, records{{"Password:", "[REDACTED]"}, {"[REDACTED]", "# id"}}},
		{"an answer that is not shown", records{{"Password: "}, {"[root@web ~]# id", "uid=0(root)"}}, records{{"Password: "}, {"[root@web ~]# id", "uid=0(root)"}}},
		{"an answer within one record", records{{"Enter passphrase for key 'k': ", "hunter2", "ok"}}, records{{"Enter passphrase for key 'k': ", "[REDACTED]", "ok"}}},
		{"a command over two lines", records{{`$ mysql -u root \`, `> -psecret shop`}}, records{{`$ mysql -u root \`, `> -p[REDACTED] shop`}}},
		{"a command over two lines and records", records{{`$ curl -s \`}, {`> -u jane:secret https://x`}}, records{{`$ curl -s \`}, {`> -u jane:[REDACTED] https://x`}}},
		{"an escape sequence that is cut", records{{"$ export DB_PASSWORD=abcd\x1b[3"}, {"1mefgh ls"}}, records{{"$ export DB_PASSWORD=[REDACTED]\x1b[3"}, {"[REDACTED] ls"}}},
		{"an empty record between", records{{"$ export DB_PASSWORD=abcd"}, {}, {"efgh ls"}}, records{{"$ export DB_PASSWORD=[REDACTED]"}, nil, {"[REDACTED] ls"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := texts(t, filter(t, Config{Defaults: true}), tt.in...)
			for i := range got {
				if !slices.Equal(got[i], tt.want[i]) {
					t.Errorf("record %d: got  %q\nwant %q", i, got[i], tt.want[i])
				}
			}
		})
	}
}

func TestSecretsHiddenByControls(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"colours", "$ export DB_PASSWORD=hun\x1b[31mter2\x1b[0m ls", "$ export DB_PASSWORD=[REDACTED]\x1b[0m ls"},
		{"colours in the name", "$ export DB_PASS\x1b[1mWORD\x1b[m=hunter2 ls", "$ export DB_PASS\x1b[1mWORD\x1b[m=[REDACTED] ls"},
		{"typed with backspaces", "$ mysql -phunter3\b\x1b[K2 shop", "$ mysql -p[REDACTED] shop"},
		{"rubbed out with spaces", "$ mysql -phunter33\b \b\b \b2 shop", "$ mysql -p[REDACTED] shop"},
		{"a name that was corrected", "$ export DB_PASX\b\x1b[KSWORD=hunter2 ls", "[REDACTED]"},
		{"a command that was corrected", "$ msq\b\b\x1b[Kysql -phunter2 shop", "[REDACTED]"},
		{"a row that is full", "$ export A=1234567890 DB_PASSWORD=hunt \rer2 ls", "$ export A=1234567890 DB_PASSWORD=[REDACTED] ls"},
		{"a window's title", "\x1b]0;mysql -phunter2 shop\a$ ls", "\x1b]0;mysql -p[REDACTED] shop\a$ ls"},
		{"more of them", "$ export DB_PASS\u180eWO\ufe0fRD=hunter2 ls", "$ export DB_PASS\u180eWO\ufe0fRD=[REDACTED] ls"},
		{"invisible characters", "$ export DB_PASS\u200bWORD=hunt\u2060er2 ls", "$ export DB_PASS\u200bWORD=[REDACTED] ls"},
		{"8-bit sequences", "$ export DB_PASSWORD=hun\u009b31mter2 ls", "$ export DB_PASSWORD=[REDACTED] ls"},
		{"other letters", "ü $ export DB_PASSWORD=hüntér2 ls é", "ü $ export DB_PASSWORD=[REDACTED] ls é"},
		{"corrections without a secret", "$ lss\b\x1b[K -l", "$ lss\b\x1b[K -l"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := texts(t, filter(t, Config{Defaults: true}), []string{tt.in, "$ ls"})[0][0]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestCutLines cuts the lines of every rule anywhere: of the secret there may be no more in two records than in one.
func TestCutLines(t *testing.T) {
	f := filter(t, Config{Defaults: true})
	for _, r := range defaultRules() {
		if r.open == nil {
			continue // what tells the secret comes after it
		}
		t.Run(r.name, func(t *testing.T) {
			corpus(t, filepath.Join("rules", r.name+".txt"), func(text string, must bool) {
				for cut := 1; must && cut < len(text); cut++ {
					f.memory = newMemory(1 << 20)
					got := texts(t, f, []string{text[:cut]}, []string{text[cut:]})
					left := strings.Join(append(got[0], got[1]...), "")
					for _, part := range []string{"HUSH", "USHUP", "SHUP", "HUP", "USH"} {
						if strings.Contains(left, part) {
							t.Errorf("%q and %q leave %q", text[:cut], text[cut:], got)
							break
						}
					}
				}
			})
		})
	}
}

func TestTranscriptsAreReadInTheirOrder(t *testing.T) {
	part := func(seq int, lines ...string) string {
		b, _ := json.Marshal(lines)
		return fmt.Sprintf(`{"sessionId":"jane-0123456789abcdef0","target":"","seq":%d,"lines":%s}`, seq, b)
	}
	long := "$ export DB_PASSWORD=" + strings.Repeat("x", minPiece-21)
	tests := []struct {
		name     string
		in, want []string
	}{
		{"a key", []string{part(0, "-----BEGIN PRIVATE KEY-----", "MIIE"), part(1, "AAAA", "$ ls")},
			[]string{part(0, "-----BEGIN PRIVATE KEY-----", "[REDACTED]"), part(1, "[REDACTED]", "$ ls")}},
		{"the second one first", []string{part(1, "AAAA", "$ ls"), part(0, "-----BEGIN PRIVATE KEY-----", "MIIE"), part(2, "BBBB")},
			[]string{part(1, "AAAA", "$ ls"), part(0, "-----BEGIN PRIVATE KEY-----", "[REDACTED]"), part(2, "BBBB")}},
		{"one that is missing", []string{part(0, "-----BEGIN PRIVATE KEY-----", "MIIE"), part(2, "AAAA")},
			[]string{part(0, "-----BEGIN PRIVATE KEY-----", "[REDACTED]"), part(2, "AAAA")}},
		{"one again", []string{part(0, "-----BEGIN PRIVATE KEY-----", "MIIE"), part(1, "AAAA"), part(1, "AAAA")},
			[]string{part(0, "-----BEGIN PRIVATE KEY-----", "[REDACTED]"), part(1, "[REDACTED]"), part(1, "[REDACTED]")}},
		{"whole lines are not joined", []string{part(0, "$ mysql -u root -p"), part(1, "Welcome")},
			[]string{part(0, "$ mysql -u root -p"), part(1, "Welcome")}},
		{"a line in pieces", []string{part(0, long, "yyyy zz")}, []string{part(0, "$ export DB_PASSWORD=[REDACTED]", "[REDACTED] zz")}},
		{"a line in pieces over parts", []string{part(0, long), part(1, "yyyy zz")}, []string{part(0, "$ export DB_PASSWORD=[REDACTED]"), part(1, "[REDACTED] zz")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := filter(t, Config{Defaults: true})
			for i, raw := range tt.in {
				if got := applySession(t, f, raw); got != tt.want[i] {
					t.Errorf("record %d: got  %s\nwant %s", i, got, tt.want[i])
				}
			}
		})
	}
}

func TestTextInOneString(t *testing.T) {
	f := filter(t, Config{Defaults: true})
	got := applySession(t, f, `{"sessionId":"a-1","target":"i","sessionData":"$ export DB_PASSWORD=hunter2\n$ ls\n-----BEGIN PRIVATE KEY-----\nMIIE"}`)
	want := `{"sessionId":"a-1","target":"i","sessionData":"$ export DB_PASSWORD=[REDACTED]\n$ ls\n-----BEGIN PRIVATE KEY-----\n[REDACTED]"}`
	if got != want {
		t.Errorf("got %s", got)
	}
}

func TestSessionsDoNotMix(t *testing.T) {
	f := filter(t, Config{Defaults: true})
	var got []string
	for i, lines := range [][2]string{{"a-1", "$ export DB_PASSWORD=abcd"}, {"b-1", "efgh ijkl"}, {"a-1", "efgh ijkl"}} {
		got = append(got, linesOf(t, applySession(t, f, streamed(lines[0], i, lines[1])))...)
	}
	if want := []string{"$ export DB_PASSWORD=[REDACTED]", "efgh ijkl", "[REDACTED] ijkl"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRulesMayBeSwitchedOff(t *testing.T) {
	f := filter(t, Config{Defaults: true, Without: []string{"private-key", "password-prompt", "mysql"}, Patterns: []Pattern{{"ticket", `T-\d{6}`}}})
	got := texts(t, f, []string{"$ mysql -pabc", "Password:", "hunter2", "-----BEGIN PRIVATE KEY-----", "MIIE", "$ x T-12"}, []string{"3456 ok"})
	want := [][]string{{"$ mysql -pabc", "Password:", "hunter2", "-----BEGIN PRIVATE KEY-----", "MIIE", "$ x [REDACTED]"}, {"[REDACTED] ok"}}
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
	if err := (&Config{Defaults: true, Without: []string{"nope"}}).Validate(); err == nil || !strings.Contains(err.Error(), "nope") {
		t.Errorf("a rule that is none gives %v", err)
	}
}

func TestKeysAndPathsHoldInSessions(t *testing.T) {
	for _, c := range []Config{{Keys: []string{"sessionData"}}, {Paths: []string{"sessionData.*"}}} {
		if got := texts(t, filter(t, c), []string{"a", "b"})[0]; !slices.Equal(got, []string{"[REDACTED]", "[REDACTED]"}) {
			t.Errorf("%+v gives %q", c, got)
		}
	}
}

var _ = []any{(pipeline.Settler)((*Filter)(nil)), (pipeline.Redactor)((*Filter)(nil))}
