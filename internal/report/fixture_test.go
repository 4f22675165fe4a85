package report

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing/iotest"
	"time"
)

// hostile is text that tries to leave its place in any of the formats.
const hostile = "<script>window.hacked=1</script></script><img src=x onerror='window.hacked=2'>]]>--><!--\"'`\x1b[31mred\x1b]0;title\x07\u202eesrever\u2066\u200b\x00\x9b31m\xff=cmd\u2028{{.}}${hacked}"

type raw string

func (t raw) Open() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(t))), nil }

// broken is a log that cannot be read, or not to its end.
type broken struct{ atOpen bool }

func (b broken) Open() (io.ReadCloser, error) {
	if b.atOpen {
		return nil, errors.New("no such object")
	}
	return io.NopCloser(io.MultiReader(strings.NewReader("$ ls\na\nb\n"), iotest.ErrReader(errors.New("connection\x1b[31m lost")))), nil
}

// long is a log of a length.
func long(bytes int) raw {
	var b strings.Builder
	for n := 0; b.Len() < bytes; n++ {
		fmt.Fprintf(&b, "$ echo %d\r\nline %d, with some text that goes on for a while\r\n", n, n)
	}
	return raw(b.String())
}

func at(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", s)
	if err != nil {
		panic(err)
	}
	return t
}

// small is a report with one session of each sort.
func small() *Report {
	return &Report{
		Title: "Sessions of payments",
		Since: at("2026-11-01 00:00:00"), Until: at("2026-11-08 00:00:00"), Made: at("2026-11-08 06:00:00"),
		Notes: []string{"12 pieces of input could not be read"},
		Sessions: []Session{
			{
				ID: "alice-0123456789abcdef0", Account: "111122223333", AccountName: "payments-prod", Region: "eu-west-1",
				Target: "i-0aaaaaaaaaaaaaaa1", Reason: "INC-77 disk full", User: "alice", Role: "Admin",
				ActorARN: "arn:aws:sts::111122223333:assumed-role/Admin/alice", ActorKind: "human", SourceIP: "192.0.2.10",
				UserAgent: "aws-cli/2.15", MFA: "yes", Service: "ssm", Started: at("2026-11-03 14:05:07"),
				Ended: at("2026-11-03 15:10:09"), Ending: "terminated", TerminatedBy: "alice", Logged: "yes", Lines: 4, Bytes: 80,
				Transcript: raw("Script started on 2026-11-03 14:05:08+00:00\r\n\x1b[32m$ \x1b[0mdf -h\r\nFilesystem Size\r\n$ sudo rm -rf /tmp/x\r\n$ exit\r\n"),
			},
			{
				ID: "bob-0fedcba9876543210", Account: "111122223333", Region: "eu-west-1", Target: "i-0bbbbbbbbbbbbbbb2",
				Document: "AWS-StartPortForwardingSession", User: "bob", SourceIP: "198.51.100.7", MFA: "no", Service: "ssm",
				Started: at("2026-11-04 09:00:00"), Logged: "tunnel",
			},
			{
				Account: "444455556666", Region: "us-east-1", Target: "i-0ccccccccccccccc3", Role: "Deploy", SourceIP: "203.0.113.9",
				Started: at("2026-11-04 10:00:00"), Outcome: "denied",
				Error: "User is not authorized to perform: ssm:StartSession on resource: i-0ccccccccccccccc3",
			},
			{
				ID: "ecs-execute-command-0aa", Account: "444455556666", Region: "us-east-1", Target: "ecs:web_0a1b_0a1b-1",
				User: "carol", Service: "ecs", Resumed: at("2026-11-05 00:00:01"), Ended: at("2026-11-05 03:00:00"), Ending: "idle",
				Logged: "no", Alerts: []string{"root shell", "outside of working hours"},
			},
			{ID: "dave-1", User: "dave", Target: "i-0aaaaaaaaaaaaaaa1", Pending: true, Logged: "yes", Lines: 2000, Transcript: broken{}},
		},
	}
}

// attack is a report whose every text is hostile.
func attack() *Report {
	s := Session{
		ID: hostile, Account: hostile, AccountName: hostile, Region: hostile, Target: hostile, Document: hostile, Reason: hostile,
		User: hostile, Role: hostile, ActorARN: hostile, ActorKind: hostile, SourceIP: hostile, UserAgent: hostile, MFA: hostile,
		Service: hostile, Error: hostile, Started: at("2026-11-03 14:05:07"), Ended: at("2026-11-03 14:05:08"), Ending: hostile,
		TerminatedBy: hostile, Logged: hostile, Lines: -1, Alerts: []string{hostile},
		Transcript: raw("$ " + hostile + "\r\n" + hostile + "\n$ ls\n" + strings.Repeat(hostile+"\n", 200)),
	}
	attempt := s
	attempt.Outcome, attempt.Transcript = hostile, nil
	return &Report{Title: hostile, Notes: []string{hostile}, Sessions: []Session{s, attempt}}
}

// many is a report of a busy month; the same for the same number.
func many(n int) *Report {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	people := []string{"alice.martin", "bob", "carol.o'neil", "dave@example.com", "erin", "frank.müller", "grace", "heidi", "ivan", "judy.yamada"}
	begin := at("2026-11-01 00:00:00")
	report := &Report{
		Title: "Session report: example organisation", Since: begin, Until: begin.AddDate(0, 0, 30), Made: begin.AddDate(0, 0, 30).Add(6 * time.Hour),
		Notes: []string{"12 pieces of input could not be read; they are listed on standard error"},
	}
	for i := range n {
		day := r.IntN(30)
		hour := 7 + r.IntN(12)
		if begin.AddDate(0, 0, day).Weekday()%6 == 0 && r.IntN(4) > 0 {
			day = (day + 2) % 30
		}
		started := begin.AddDate(0, 0, day).Add(time.Duration(hour)*time.Hour + time.Duration(r.IntN(3600))*time.Second)
		user := people[min(r.IntN(len(people)), r.IntN(len(people)))]
		account := r.IntN(4)
		id := fmt.Sprintf("%s-%017x", user, r.Uint64())
		s := Session{
			ID: id, Account: []string{"111122223333", "444455556666", "777788889999", "123456789012"}[account],
			AccountName: []string{"payments-prod", "payments-test", "data-platform", ""}[account], Region: pick("eu-west-1", "eu-central-1", "us-east-1"),
			Target: fmt.Sprintf("i-0%016x", 0xabc123def*(1+min(r.IntN(120), r.IntN(120)))), Document: pick("", "", "", "SSM-SessionManagerRunShell", "AWS-StartInteractiveCommand"),
			Reason: pick("", "", "INC-4711 disk is full", "CHG-90210 rotate certificates before they expire", "debugging"),
			User:   user, Role: pick("AdministratorAccess", "Support", "ReadOnly"), ActorARN: "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Support_0123456789abcdef/" + user,
			ActorKind: "human", SourceIP: fmt.Sprintf("198.51.100.%d", r.IntN(250)), UserAgent: "aws-cli/2.31.4 md/awscrt#0.27.6 ua/2.1 os/linux#6.8",
			MFA: pick("yes", "yes", "yes", "yes", "no", ""), Service: "ssm", Started: started, Ended: started.Add(time.Duration(r.ExpFloat64()*1500) * time.Second),
			Ending: pick("terminated", "transcript", "transcript", "idle"), Logged: pick("yes", "yes", "yes", "yes", "yes", "yes", "yes", "no", ""),
		}
		switch r.IntN(20) {
		case 0:
			s.Outcome, s.Error, s.Ending, s.Ended, s.ID, s.Logged = "denied", "User: "+s.ActorARN+" is not authorized to perform: ssm:StartSession on resource: arn:aws:ec2:eu-west-1:111122223333:instance/"+s.Target, "", time.Time{}, "", ""
		case 1:
			s.Document, s.Logged = "AWS-StartPortForwardingSession", "tunnel"
		case 2:
			s.Alerts = []string{"sudo to root outside of working hours"}
		case 3:
			s.Ended, s.Ending = time.Time{}, ""
		case 4:
			s.Target, s.Service = "ecs:web-frontend_0123456789abcdef0123456789abcdef_0123456789abcdef-265927825", "ecs"
		}
		if s.Logged == "yes" {
			t := shell(r, i)
			s.Lines, s.Bytes, s.Transcript = int64(strings.Count(t, "\n")), int64(len(t)), raw(t)
		}
		report.Sessions = append(report.Sessions, s)
	}
	return report
}

// shell is a log of some commands; every twentieth is long.
func shell(r *rand.Rand, i int) string {
	var b strings.Builder
	b.WriteString("Script started on 2026-11-03 14:05:08+00:00\r\n")
	commands := 2 + r.IntN(12)
	if i%20 == 0 {
		commands = 200
	}
	for range commands {
		b.WriteString("\x1b[?2004h\x1b]0;ssm-user@ip-10-0-3-17: ~\x07[ssm-user@ip-10-0-3-17 ~]$ ")
		switch r.IntN(6) {
		case 0:
			b.WriteString("ls -l /var/log\r\n")
			for range 3 + r.IntN(12) {
				fmt.Fprintf(&b, "-rw-r----- 1 root adm %8d Nov  %d %02d:%02d \x1b[01;34m%x.log\x1b[0m\r\n", r.IntN(9e6), 1+r.IntN(9), r.IntN(24), r.IntN(60), r.Uint32())
			}
		case 1:
			b.WriteString("sudo systemctl status nginx\r\n\x1b[32m●\x1b[0m nginx.service - The nginx HTTP server\r\n     Active: \x1b[32mactive (running)\x1b[0m since Mon 2026-11-02 08:00:01 UTC\r\n")
		case 2:
			fmt.Fprintf(&b, "tail -n 20 /var/log/nginx/access.log\r\n")
			for range 5 + r.IntN(15) {
				fmt.Fprintf(&b, "203.0.113.%d - - [03/Nov/2026:14:%02d:%02d +0000] \"GET /api/v1/orders/%d HTTP/1.1\" %d %d\r\n", r.IntN(250), r.IntN(60), r.IntN(60), r.Uint32(), 200+r.IntN(4)*100, r.IntN(90000))
			}
		case 3:
			b.WriteString("df -h\r\nFilesystem      Size  Used Avail Use% Mounted on\r\n/dev/nvme0n1p1   20G   19G  1.0G  95% /\r\n")
		case 4:
			b.WriteString("curl -s http://169.254.169.254/latest/meta-data/\r\nami-id\r\nhostname\r\n")
		case 5:
			b.WriteString("sudo -i\r\n[sudo] password for ssm-user: \r\n")
		}
	}
	b.WriteString("[ssm-user@ip-10-0-3-17 ~]$ exit\r\n")
	return b.String()
}

// memory is files in memory.
type memory map[string]*strings.Builder

func (m memory) Create(name string) (io.WriteCloser, error) {
	if m[name] != nil {
		return nil, fmt.Errorf("%s is there already", name)
	}
	m[name] = &strings.Builder{}
	return struct {
		io.Writer
		io.Closer
	}{m[name], io.NopCloser(nil)}, nil
}
