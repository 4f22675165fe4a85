package session_test

import (
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailcast/trailcast/formats/session"
)

// cleaned yields the lines of a transcript.
func cleaned(text string) iter.Seq[string] {
	return session.Clean(slices.Values([]session.Log{session.ParseText("", []byte(text))}))
}

// guess renders commands as prompt|text|lines of output, with ! where a secret is asked for.
func guess(text string) []string {
	var got []string
	for c := range session.Commands(cleaned(text)) {
		s := fmt.Sprintf("%s|%s|%d", c.Prompt, c.Text, c.Output.Lines())
		if c.AsksSecret {
			s += "!"
		}
		got = append(got, s)
	}
	return got
}

func TestCommands(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{"sh", "sh-4.2$ whoami\nssm-user\nsh-4.2$ cd /\nsh-4.2$ \nsh-4.2$ exit\nexit\n", []string{"sh-4.2$ |whoami|1", "sh-4.2$ |cd /|0", "sh-4.2$ |exit|1"}},
		{"dash of Ubuntu", "$ id\nuid=1001\n$ exit\n", []string{"$ |id|1", "$ |exit|0"}},
		{"bracketed, directories change", "[ec2-user@ip-10-0-0-1 ~]$ cd /var\n[ec2-user@ip-10-0-0-1 var]$ ls\na\n", []string{"[ec2-user@ip-10-0-0-1 ~]$ |cd /var|0", "[ec2-user@ip-10-0-0-1 var]$ |ls|1"}},
		{"user@host:path", "ubuntu@web:~$ cd x\nubuntu@web:~/x$ ls\na\n(venv) ubuntu@web:~/x$ ls\n", []string{"ubuntu@web:~$ |cd x|0", "ubuntu@web:~/x$ |ls|1", "(venv) ubuntu@web:~/x$ |ls|0"}},
		{"alpine in a container", "/ # ls\nbin\n/ # cd app\n/app # \n~ # id\n", []string{"/ # |ls|1", "/ # |cd app|0", "~ # |id|0"}},
		{"PowerShell", "PS C:\\Windows\\system32> whoami\nnt authority\\system\nPS C:\\Windows\\system32> cd \\\nPS C:\\> exit\n", []string{`PS C:\Windows\system32> |whoami|1`, `PS C:\Windows\system32> |cd \|0`, `PS C:\> |exit|0`}},
		{"cmd", "Microsoft Windows\n\nC:\\>dir\n Volume\nC:\\Users>exit\n", []string{"||2", `C:\>|dir|1`, `C:\Users>|exit|0`}},
		{"zsh and fish", "ann@mac ~ % ls\na\nann@mac src % ls\n", []string{"ann@mac ~ % |ls|1", "ann@mac src % |ls|0"}},
		{"arrow", "❯ ls\na\n❯ exit\n", []string{"❯ |ls|1", "❯ |exit|0"}},
		{"greeting with comments", "# Welcome\n# Authorised users only\n[a@b ~]$ ls\nx\n[a@b ~]$ id\n", []string{"# |Welcome|0", "# |Authorised users only|0", "[a@b ~]$ |ls|1", "[a@b ~]$ |id|0"}},
		{"comments in an output", "sh-4.2$ cat x\n# one\n# two\n$ three\n% four\nsh-4.2$ exit\n", []string{"sh-4.2$ |cat x|4", "sh-4.2$ |exit|0"}},
		{"look-alike in an output", "sh-4.2$ cat README\nann@box:~$ make\nok\nsh-4.2$ exit\n", []string{"sh-4.2$ |cat README|2", "sh-4.2$ |exit|0"}},
		{"root shell", "sh-4.2$ sudo su -\n[root@ip-1 ~]# id\nuid=0\n[root@ip-1 ~]# exit\nsh-4.2$ ls\n", []string{"sh-4.2$ |sudo su -|0", "[root@ip-1 ~]# |id|1", "[root@ip-1 ~]# |exit|0", "sh-4.2$ |ls|0"}},
		{"bare root shell, forgotten after it", "$ sudo -i\n# id\nuid=0\n# exit\n$ cat x\n# comment\n$ ls\n", []string{"$ |sudo -i|0", "# |id|1", "# |exit|0", "$ |cat x|1", "$ |ls|0"}},
		{"unknown way into another shell: from the second prompt on", "sh-4.2$ go-in\nann@b:~$ one\nann@b:~$ two\nx\nann@b:~$ exit\nsh-4.2$ ls\n", []string{"sh-4.2$ |go-in|1", "ann@b:~$ |two|1", "ann@b:~$ |exit|0", "sh-4.2$ |ls|0"}},
		{"python", "$ python3\nPython 3.9\n>>> 1+1\n2\n>>> exit()\n$ cat doc\n>>> 1\n$ exit\n", []string{"$ |python3|1", ">>> |1+1|1", ">>> |exit()|0", "$ |cat doc|1", "$ |exit|0"}},
		{"mysql", "$ mysql -u root -p\nEnter password: \nmysql> select 1\n    -> ;\n1\nmysql> exit\nBye\n", []string{"$ |mysql -u root -p|1!", "mysql> |select 1\n;|1", "mysql> |exit|1"}},
		{"continuation lines", "sh-4.2$ for i in 1 2\n> do echo $i\n> done\n1\n2\nsh-4.2$ echo \"a\n> b\"\na\nb\n", []string{"sh-4.2$ |for i in 1 2\ndo echo $i\ndone|2", "sh-4.2$ |echo \"a\nb\"|2"}},
		{"here document", "sh-4.2$ cat > x <<EOF\n> > quoted\n> EOF\nsh-4.2$ ls\n", []string{"sh-4.2$ |cat > x <<EOF\n> quoted\nEOF|0", "sh-4.2$ |ls|0"}},
		{"output that looks like continuation", "sh-4.2$ diff a b\n> new\n> lines\nsh-4.2$ ls\n", []string{"sh-4.2$ |diff a b|2", "sh-4.2$ |ls|0"}},
		{"secrets are asked for", "$ sudo ls\n[sudo] password for ann: \nx\n$ ssh-keygen\nEnter passphrase (empty for no passphrase): \n$ ls\n", []string{"$ |sudo ls|2!", "$ |ssh-keygen|1!", "$ |ls|0"}},
		{"secret that was shown", "$ ./ask\nPassword for ann: hunter2\n$ grep password x\nno such thing\n", []string{"$ |./ask|1!", "$ |grep password x|1"}},
		{"no prompts", "a\nb\n", []string{"||2"}},
		{"nothing", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, guess(tt.in)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestLongOutputKeepsItsEnds(t *testing.T) {
	lines := func(yield func(string) bool) {
		yield("sh-4.2$ seq 1000")
		for i := range 1000 {
			if !yield(fmt.Sprint(i + 1)) {
				return
			}
		}
		yield(strings.Repeat("é", 5000))
	}
	for c := range session.Commands(lines) {
		o := c.Output
		if o.Lines() != 1001 || len(o.Head) != 20 || len(o.Tail) != 20 || o.Head[19] != "20" || o.Tail[0] != "982" || o.Tail[18] != "1000" {
			t.Errorf("%d lines, head %q, tail %q", o.Lines(), o.Head, o.Tail[:19])
		}
		if last := o.Tail[19]; len(last) > 4<<10 || !strings.HasSuffix(last, "é…") {
			t.Errorf("%d bytes in the last line", len(last))
		}
	}
}

func TestReaderMayStop(t *testing.T) {
	read := 0
	logs := func(yield func(session.Log) bool) {
		for {
			read++
			if !yield(session.ParseText("", []byte("sh-4.2$ ls\nx\n"))) {
				return
			}
		}
	}
	n := 0
	for range session.Commands(session.Clean(logs)) {
		if n++; n == 3 {
			break
		}
	}
	if read > 10 {
		t.Errorf("read %d logs for three commands", read)
	}
}

// TestMemoryIsBounded runs a session of one endless output, and one of nothing but look-alikes.
func TestMemoryIsBounded(t *testing.T) {
	lines := func(yield func(string) bool) {
		for i := range 20_000 {
			yield(fmt.Sprintf("user%d@host:~$ %s", i, strings.Repeat("x", 100)))
			yield("> continues {")
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var last session.Command
	for last = range session.Commands(lines) {
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d bytes more", grown)
	}
	if last.Output.Lines() < 20_000 {
		t.Errorf("%d lines", last.Output.Lines())
	}
}

func FuzzCommands(f *testing.F) {
	for _, s := range []string{
		"sh-4.2$ for i in 1\n> do\n> done\n1\n[a@b c]$ x\nPS C:\\> y\nC:\\>z\nmysql> q\n    -> ;\n", "# a\n$ sudo -i\n# b\n$ c\nPassword: x\n",
		"a@b:~$ 1\nc@d:~$ 2\nc@d:~$ 3\n❯ 4\n>>> 5\n... 6\n/ # 7\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		lines := slices.Collect(cleaned(in))
		var all int64
		for c := range session.Commands(slices.Values(lines)) {
			all += c.Output.Lines()
			if c.Prompt != "" || c.Text != "" {
				all += int64(1 + strings.Count(c.Text, "\n"))
			}
			if len(c.Output.Head) > 20 || len(c.Output.Tail) > 20 || len(c.Text) > 16<<10 {
				t.Errorf("%d and %d lines, a command of %d bytes", len(c.Output.Head), len(c.Output.Tail), len(c.Text))
			}
			hold(t, append(append(strings.Split(c.Text, "\n"), c.Output.Head...), c.Output.Tail...))
		}
		if all > int64(len(lines)) {
			t.Errorf("%d lines in commands, of %d", all, len(lines))
		}
	})
}

func BenchmarkCommands(b *testing.B) {
	lines := strings.Split(strings.Repeat("[ec2-user@ip-10-0-0-1 ~]$ journalctl -u web | tail -3\n"+
		strings.Repeat("Nov 20 22:21:00 ip-10-0-0-1 web[1234]: GET /path/of/a/request 200 in 12 ms, 1234 bytes\n", 20), 500), "\n")
	size := 0
	for _, line := range lines {
		size += len(line) + 1
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		for range session.Commands(slices.Values(lines)) {
		}
	}
}
