package sessions

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// screen is what the terminal of a session was sent.
type screen struct {
	windows bool
	steps   []step
	size    int
}

// step is one command with its prompt and what it printed. Lines end as terminals have it, with "\r\n".
type step struct {
	at   time.Time // when the last of it was printed
	text string
}

const (
	maxText   = 56 << 10 // of a usual session, so that it is below 64 KiB when a recorder has put its frame around it
	largeText = 5 << 20
)

// program is a command and what it prints.
type program struct {
	typed string
	lines int                       // that it prints, at most as many as there is room for
	line  func(r *rand.Rand) string // nil: it prints nothing
}

// play types commands until the session's end.
func (s *scene) play() screen {
	sc := screen{windows: s.isWindows()}
	prompt, programs := s.shell(sc.windows)
	room := s.room()
	hostile := oneIn(s.Rand, 8)
	count := 1 + skewed(s.Rand, 7)
	at := s.truth.Started
	for i := range count {
		at = at.Add(s.end.Sub(at) / time.Duration(count-i+1)).Truncate(time.Second)
		p := one(s.Rand, programs)
		if s.large {
			p = one(s.Rand, largePrograms)
		}
		s.run(&sc, at, prompt, p, room/count, hostile && i == count-1)
	}
	s.run(&sc, s.end, prompt, program{typed: "exit"}, 100, false)
	return sc
}

// room is how much text there is. Most sessions are short.
func (s *scene) room() int {
	if s.large {
		return largeText
	}
	share := s.Float64()
	share *= share
	return 400 + int(share*share*(maxText-400))
}

// run adds a step of at most about room bytes.
func (s *scene) run(sc *screen, at time.Time, prompt string, p program, room int, hostile bool) {
	var b strings.Builder
	b.WriteString(prompt + p.typed + "\r\n")
	s.truth.Commands = append(s.truth.Commands, p.typed)
	for range p.lines {
		line := p.line(s.Rand)
		if b.Len()+len(line) > room {
			break
		}
		b.WriteString(line + "\r\n")
	}
	if hostile {
		for range 1 + s.IntN(4) {
			if line := hostileLine(s.Rand); sc.size+b.Len()+2*len(line) < maxText {
				b.WriteString(line + "\r\n")
			}
		}
	}
	sc.size += b.Len()
	sc.steps = append(sc.steps, step{at, b.String()})
}

// isWindows holds for a fifth of the machines.
func (s *scene) isWindows() bool {
	return s.truth.Kind != KindECSExec && stable(s.target, digits, 1) < "2"
}

func (s *scene) shell(windows bool) (prompt string, programs []program) {
	switch {
	case windows:
		return `PS C:\Windows\system32> `, windowsPrograms
	case s.truth.Kind == KindECSExec:
		return "root@ip-10-0-3-17:/app# ", linuxPrograms
	}
	prompts := []string{"sh-4.2$ ", "bash-5.2# ", "[ssm-user@ip-10-0-3-17 bin]$ ", "ssm-user@web-1:~$ "}
	return one(s.Rand, prompts), linuxPrograms
}

var linuxPrograms = []program{
	{"id", 1, says("uid=1001(ssm-user) gid=1001(ssm-user) groups=1001(ssm-user)")},
	{"hostname", 1, says("ip-10-0-3-17.eu-west-1.compute.internal")},
	{"cd /var/log", 0, nil},
	{"sudo systemctl restart payments-api", 0, nil},
	{"export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 0, nil},
	{"mysql -u admin -pExample-Passw0rd -e 'select count(*) from orders'", 1, says("count(*)")},
	{"df -h", 9, func(r *rand.Rand) string {
		return fmt.Sprintf("/dev/nvme%dn1p1  %4dG %4dG  %2d%% /data/%d", r.IntN(4), r.IntN(900), r.IntN(900), r.IntN(100),
			r.IntN(9))
	}},
	{"ls --color=always", 30, func(r *rand.Rand) string {
		return fmt.Sprintf("\x1b[01;3%dmapp-%d\x1b[0m  backup-%04d.tar.gz", r.IntN(8), r.IntN(100), r.IntN(10000))
	}},
	{"ps aux", 200, func(r *rand.Rand) string {
		return fmt.Sprintf("root %7d  0.%d  0.%d %8d %6d ?  Ss  07:%02d  0:00 /usr/sbin/worker --id=%d",
			r.IntN(99999), r.IntN(9), r.IntN(9), r.IntN(9999999), r.IntN(99999), r.IntN(60), r.IntN(999))
	}},
	{"tail -n 1000 /var/log/app.log", 1000, logLine},
	{"journalctl -u payments-api --no-pager", 2000, logLine},
}

var windowsPrograms = []program{
	{"whoami", 1, says(`corp\ssm-user`)},
	{"hostname", 1, says("EC2AMAZ-7Q2K9V1")},
	{`cd C:\inetpub`, 0, nil},
	{"Restart-Service W3SVC", 0, nil},
	{"Get-Process", 200, func(r *rand.Rand) string {
		return fmt.Sprintf("%7d %6d %8d %10d  %6.2f %6d   0 svchost",
			r.IntN(999), r.IntN(99), r.IntN(99999), r.IntN(999999), r.Float64()*99, r.IntN(9999))
	}},
	{`Get-Content C:\logs\app.log`, 1000, logLine},
}

var largePrograms = []program{{"cat /var/log/app.log", 1 << 20, logLine}, {"journalctl --no-pager", 1 << 20, logLine}}

func says(line string) func(*rand.Rand) string { return func(*rand.Rand) string { return line } }

func logLine(r *rand.Rand) string {
	return fmt.Sprintf("2025-03-%02dT%02d:%02d:%02d.%03dZ %s request_id=%08x path=/api/v2/orders/%d status=%d duration=%dms",
		1+r.IntN(31), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1000), one(r, []string{"INFO", "INFO", "WARN", "ERROR"}),
		r.Uint32(), r.IntN(1e6), one(r, []int{200, 200, 201, 404, 500}), r.IntN(3000))
}
