package session_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/trailcast/trailcast/formats/session"
)

var update = flag.Bool("update", false, "write the golden files")

func clean(s session.Settings, pieces ...string) []string {
	var lines []string
	c := session.NewCleaner(s, func(line string) { lines = append(lines, line) })
	for _, p := range pieces {
		c.Write([]byte(p))
	}
	c.Close()
	return lines
}

const long = "[ann@web-1 ~]$ echo 0123456789 0123456789 012345678" // 51 columns

func TestCleaner(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain text", "a\nb\n\nc\n", "a|b||c"},
		{"plain text without a line end", "a\nb", "a|b"},
		{"nothing", "", ""},
		{"CRLF, and CRCRLF as script makes of it", "a\r\nb\r\r\nc\r\n", "a|b|c"},
		{"text that Session Manager has cleaned", "sh-4.2$ ls -l  x\nüñí 漢字 ✓\n  trailing  \n", "sh-4.2$ ls -l  x|üñí 漢字 ✓|  trailing  "},
		{"colours", "\x1b[01;34mdir\x1b[0m \x1b[38;2;1;2;3mx\x1b[m\x1b[38:5:1my\n", "dir xy"},
		{"colours by 8-bit controls", "\x9b31mred\x9b0m \u009b1mbold\n", "red bold"},
		{"progress bar", "10%\r20%\r100%\n", "100%"},
		{"progress bar that gets shorter leaves a rest", "100 left\r9\n", "900 left"},
		{"progress bar that erases", "100 left\r\x1b[K9 left\n", "9 left"},
		{"typed backspaces", "lss\b\b\x1b[K\x1b[Ks -l\n", "ls -l"},
		{"backspace, space, backspace", "abc\b \b\b \bX\n", "aX "},
		{"backspaces at the begin", "\b\b\ba\n", "a"},
		{"typed in the middle with insert", "ac\b\x1b[@b\n", "abc"},
		{"insert mode", "ac\b\x1b[4hbb\x1b[4lX\n", "abbX"},
		{"delete in the middle", "abXXc\x1b[3D\x1b[2P\n", "abc"},
		{"delete more than there is", "abc\r\x1b[99Pd\n", "d"},
		{"erase characters", "abcdef\x1b[4D\x1b[2X\n", "ab  ef"},
		{"erase to the begin", "abcdef\b\b\x1b[1K\n", "     f"},
		{"erase the row", "abc\x1b[2K\rd\n", "d"},
		{"column moves", "abc\x1b[2GX\x1b[5Gy\n", "aXc y"},
		{"move far to the right", "a\x1b[9999Cb\n", "a" + strings.Repeat(" ", 255) + "b"},
		{"save and restore", "abc\x1b7def\x1b8X\x1b[s\x1b[2Gy\x1b[uZ\n", "aycXZf"},
		{"tabs", "a\tb\t\tc\n", "a       b               c"},
		{"tab back", "abcdefghij\x1b[ZX\n", "abcdefghXj"},
		{"window title with BEL", "\x1b]0;user@host: ~\auser$ \n", "user$ "},
		{"window title with ST", "\x1b]2;t\x1b\\a\x9d2;t\x9cb\u009d2;t\u009cc\n", "abc"},
		{"title of screen", "\x1bkbash\x1b\\$ \n", "$ "},
		{"title with a tick, whose bytes hold that of ST", "\x1b]0;✓ ok\ax\n", "x"},
		{"clipboard", "\x1b]52;c;" + strings.Repeat("QUJD", 5000) + "\ax\n", "x"},
		{"DCS, SOS, PM, APC", "\x1bP1$r0m\x1b\\a\x1bXq\x1b\\b\x1b^q\x1b\\c\x1b_q\ad\n", "abcd"},
		{"tmux passes a sequence on", "\x1bPtmux;\x1b\x1b]52;c;QQ==\a\x1b\\x\n", "x"},
		{"string without an end hides nothing", "\x1b]0;\nsh$ evil\n", "0;|sh$ evil"},
		{"command after a string's begin hides nothing", "\x1bPsh$ rm -rf x\r\nnext\n", "sh$ rm -rf x|next"},
		{"string without an end at the end", "a\x1b]0;secret", "a0;secret"},
		{"string that is too long and has no end", "\x1b_" + strings.Repeat("x", 5000) + "\n", strings.Repeat("x", 4000) + "…"},
		{"string that another sequence ends", "\x1b]0;t\x1b[1mx\n", "0;tx"},
		{"sequence that a line end ends", "a\x1b[31\nb\x1b\nc\n", "a|b|c"},
		{"sequence that is cancelled", "a\x1b[31\x18b\x1b]x\x1ac\n", "abxc"},
		{"control inside of a sequence", "ab\x1b[\b1Dx\n", "xb"},
		{"sequence with a character that none has", "a\x1b[3é\n", "aé"},
		{"sequences for other devices", "\x1b(B\x1b)0\x1b=\x1b>\x1b#8\x1b[!p\x1b[2 q\x1b[>c\x1b[?6n\x1b[6na\n", "a"},
		{"bracketed paste", "\x1b[?2004h$ ls\r\n\x1b[?2004l\rx\n", "$ ls|x"},
		{"bell, NUL, DEL, shift", "a\a\x00b\x7f\x0e\x0fc\n", "abc"},
		{"form feed and vertical tab end lines", "a\fb\vc\n", "a|b|c"},
		{"next line", "a\u0085b\x1bEc\n", "a|b|c"},
		{"separators", "a\u2028b\u2029c\n", `a\u2028b\u2029c`},
		{"bidi controls", "user\u202e\u2066txt.exe\u2069\u200f\u061c\n", `user\u202e\u2066txt.exe\u2069\u200f\u061c`},
		{"zero-width characters and tags", "a\u200bb\u200d\ufeffc\u00add\U000e0041e\u3164\n", `a\u200bb\u200d\ufeffc\u00add\U000e0041e\u3164`},
		{"byte order mark", "\ufeffa\n", "a"},
		{"invalid UTF-8", "a\xffb\xc3\n", "a�b�"},
		{"lone surrogate", "0123456789\xed\xa0\x80\n", "0123456789���"},
		{"overlong NUL", "abcdefghi\xc0\x80\n", "abcdefghi��"},
		{"combining mark and emoji", "e\u0301 👩 ✔\ufe0f\n", "e\u0301 👩 ✔\ufe0f"},
		{"wide characters have two columns", "漢字x\r\x1b[2Cあ\b\b\b\bab\n", "abあx"},
		{"half of a wide character is overwritten", "漢字\r\x1b[Ca\n", " a字"},
		{"line feed without carriage return", "ab\ncd\n", "ab|cd"},
		{"clear", "$ clear\r\n\x1b[H\x1b[2J\x1b[3J$ \n", "$ clear|$ "},
		{"Ctrl-L in a command", "$ ls\x1b[H\x1b[2J$ ls -l\n", "$ ls|$ ls -l"},
		{"Ctrl-C", "$ sleep 9^C\r\n$ \n", "$ sleep 9^C|$ "},
		{"several progress bars", "a: 1%\nb: 1%\n\x1b[2Aa: 2%\r\n\x1b[Kb: 2%\n", "a: 1%|b: 1%|a: 2%|b: 2%"},
		{"absolute moves", "\x1b[5;10Ha\x1b[6;1Hb\n", "a|b"},
		{"alternate screen", "$ vim\r\n\x1b[?1049h\x1b[1;1Hsecret\n~\n\x1b[?1049l$ \n", "$ vim|[full screen program, 23 bytes]|$ "},
		{"alternate screen that is not left", "$ vi\r\n\x1b[?47hx", "$ vi|[full screen program, 1 bytes]"},
		{"alternate screen within one", "\x1b[?1049h\x1b[?1049hx\x1b[?1049ly\n", "[full screen program, 17 bytes]|y"},
		{"program that places a hidden cursor", "$ top\r\n\x1b[?25l\x1b[H\x1b[2Jtop - 1\r\n\x1b[Hx\x1b[?25h$ \n", "$ top|[full screen program, 23 bytes]|$ "},
		{"hidden cursor of a spinner", "\x1b[?25l- \r\\ \r\x1b[?25hdone\n", "done"},
		{"reset", "\x1b[?1049hx\x1bca\n", "[full screen program, 3 bytes]|a"},
		{"zsh's mark of a line without end", "\x1b[1m\x1b[7m%\x1b[27m\x1b[0m" + strings.Repeat(" ", 79) + "\r \r\r\x1b[0m\x1b[27m\x1b[24m\x1b[Jhost% ls\r\n", "host% ls"},
		{"long command", long + " \rxyz\n", long + "xyz"},
		{"long command, edited in its first row", long + " \rxyz\x1b[A\r\x1b[15Cprint\n\r\x1b[3C!\n", strings.Replace(long, "echo ", "print", 1) + "xyz!"},
		{"long command whose rest is erased", long + " \rxyz\r\x1b[K\x1b[A\x1b[50C\b\b\b\x1b[K\n", strings.TrimSuffix(long, "5678")},
		{"prompt that is drawn again", long + " \r[ann@web-1 ~]$ \x1b[Kls\n", "[ann@web-1 ~]$ ls"},
		{"long line that is drawn again after erasing", long + " \r\x1b[K[ann@web-1 ~]$ ls\n", "[ann@web-1 ~]$ ls"},
		{"long command with a space at its end", long + " \r\nxyz\n" + long + "0123456789\r\n", long + " |xyz|" + long + "0123456789"},
		{"long progress bar", strings.Repeat("=", 60) + " \r" + strings.Repeat("=", 60) + " done\n", strings.Repeat("=", 60) + " done"},
		{"binary data", "$ cat x\r\n\x7fELF\x02\x01\x01\x00\x00\x00\x00\n\xff\xfe\x01\x02\n$ ls\n", "$ cat x|[17 bytes of binary data]|$ ls"},
		{"binary data as JSON has it", "a\n\ufffd\ufffd\x00\x00\ufffdxy\nb\n", "a|[14 bytes of binary data]|b"},
		{"command typed after binary data", "\x00\x01\x02\x03\x04\xff\xfesh-4.2$ rm x\r\nb\n", "[9 bytes of binary data]|sh-4.2$ rm x|b"},
		{"command with binary noise", "sh-4.2$ evil \x01\x02\x03\x04\x05\x06\x0f\x01\x01\x01\x01\n", "sh-4.2$ evil "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lines := clean(session.Settings{}, tt.in)
			got := strings.Join(lines, "|")
			if strings.HasSuffix(tt.want, "…") && strings.HasPrefix(got, strings.TrimSuffix(tt.want, "…")) {
				return
			}
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if diff := cmp.Diff(lines, clean(session.Settings{}, strings.Split(tt.in, "")...)); diff != "" {
				t.Errorf("character by character (-whole +pieces):\n%s", diff)
			}
		})
	}
}

func TestLongLineIsCut(t *testing.T) {
	got := clean(session.Settings{MaxLine: 16}, "0123456789abcdefghijklmnopqrstuv01\nshort\n0123456789abcdef\n")
	want := []string{"0123456789abcdef" + session.CutMark, "ghijklmnopqrstuv" + session.CutMark, "01", "short", "0123456789abcdef"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBinaryLineIsCutAlikeInPieces(t *testing.T) {
	const in = "\x00\x01\x02\x03\x04\x05\x060123456789abcdefgh\n000"
	whole := clean(session.Settings{MaxLine: 16}, in)
	if diff := cmp.Diff(whole, clean(session.Settings{MaxLine: 16}, strings.Split(in, "")...)); diff != "" {
		t.Errorf("-whole +pieces:\n%s", diff)
	}
}

func TestScreensAreShownOnDemand(t *testing.T) {
	got := clean(session.Settings{Screens: true}, "$ vi\r\n\x1b[?1049h\x1b[1;1Hone\x1b[2;1Htwo\x1b[?1049l$ \n")
	if diff := cmp.Diff([]string{"$ vi", "one", "two", "$ "}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFrame(t *testing.T) {
	const shell = "**********************\r\nWindows PowerShell transcript start\r\nStart time: 20190123101112\r\nUsername: WEB\\ssm-user\r\nMachine: WEB (Microsoft Windows NT 10.0.14393.0)\r\n**********************\r\n"
	at := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	tests := []struct {
		name, in, want string
		started, ended session.Stamp
	}{
		{"script of util-linux 2.38", "Script started on 2024-05-06 09:08:09+02:00 [TERM=\"xterm\" COLUMNS=\"80\"]\r\n$ ls\r\n\r\nScript done on 2024-05-06 07:08:10+00:00 [COMMAND_EXIT_CODE=\"0\"]\r\n", "$ ls",
			session.Stamp{Text: "2024-05-06 09:08:09+02:00", Time: at, Zoned: true}, session.Stamp{Text: "2024-05-06 07:08:10+00:00", Time: at.Add(time.Second), Zoned: true}},
		{"older script", "Script started on Mon 06 May 2024 07:08:09 AM UTC\n$ ls\nScript done on Mon 06 May 2024 07:08:09 AM EST\n", "$ ls",
			session.Stamp{Text: "Mon 06 May 2024 07:08:09 AM UTC", Time: at, Zoned: true}, session.Stamp{Text: "Mon 06 May 2024 07:08:09 AM EST", Time: at}},
		{"oldest script", "Script started on Mon May  6 07:08:09 2024\n$ ls\n", "$ ls", session.Stamp{Text: "Mon May  6 07:08:09 2024", Time: at}, session.Stamp{}},
		{"another language", "Script started on Mo 06 Mai 2024 07:08:09 UTC\n$ ls\n", "$ ls", session.Stamp{Text: "Mo 06 Mai 2024 07:08:09 UTC"}, session.Stamp{}},
		{"PowerShell", "\ufeff" + shell + "Transcript started\r\nPS C:\\> ls\r\n**********************\r\nWindows PowerShell transcript end\r\nEnd time: 20190123101113\r\n**********************\r\n", `Transcript started|PS C:\> ls`,
			session.Stamp{Text: "20190123101112", Time: time.Date(2019, 1, 23, 10, 11, 12, 0, time.UTC)}, session.Stamp{Text: "20190123101113", Time: time.Date(2019, 1, 23, 10, 11, 13, 0, time.UTC)}},
		{"the same lines within the text are text", "a\nScript started on x\n\nScript done on y\nb\n\n**********************\nWindows PowerShell transcript end\nc\n", "a|Script started on x||Script done on y|b||**********************|Windows PowerShell transcript end|c", session.Stamp{}, session.Stamp{}},
		{"empty lines after the trailer", "Script started on x\na\n\nScript done on y\n\n\n\n", "a", session.Stamp{Text: "x"}, session.Stamp{Text: "y"}},
		{"stars that begin no header", "**********************\nhello\n**********************\n", "**********************|hello|**********************", session.Stamp{}, session.Stamp{}},
		{"empty lines", "\n\n\na\n\n\n", "|||a||", session.Stamp{}, session.Stamp{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var lines []string
			c := session.NewCleaner(session.Settings{}, func(line string) { lines = append(lines, line) })
			c.Write([]byte(tt.in))
			c.Close()
			if got := strings.Join(lines, "|"); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if diff := cmp.Diff(session.Frame{Started: tt.started, Ended: tt.ended}, c.Frame()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestGolden holds what becomes of recorded sessions.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.raw")
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			lines := clean(session.Settings{}, string(raw))
			var b strings.Builder
			for _, line := range lines {
				fmt.Fprintf(&b, "%s\n", line)
			}
			b.WriteString("\n== commands ==\n")
			for c := range session.Commands(slices.Values(lines)) {
				fmt.Fprintf(&b, "%q %q, %d lines\n", c.Prompt, c.Text, c.Output.Lines())
			}
			golden := strings.TrimSuffix(name, ".raw") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			hold(t, lines)
		})
	}
}

// hold checks what is promised of every line.
func hold(t *testing.T, lines []string) {
	t.Helper()
	for _, line := range lines {
		if !utf8.ValidString(line) {
			t.Errorf("not UTF-8: %q", line)
		}
		for _, r := range line {
			if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Cf) || r == 0x3164 || r == 0xffa0 {
				t.Errorf("%U in %q", r, line)
			}
		}
	}
}

// TestTimeIsLinear feeds what is costly to a line model: a quadratic one takes minutes.
func TestTimeIsLinear(t *testing.T) {
	const size = 1 << 20
	for _, unit := range []string{
		"a\r\x1b[@", "\x1b[9999Gb\x1b[G\x1b[@", "x\x1b[4h\r", "\x1b[99P\x1b[99@", "\t", "\x1b]0;", "\x9d\x1b", "\xf0\x9f", "漢\b\b\x1b[@",
		"\x00\x01\x02\n", long + " \r", "[a@b c]$ 0123456789012345678901234567890123456789 \r[a@b c]", "\x1b[?1049h\x1b[?1049l", "**********************\n", "\n",
		"Script done on \n\n",
	} {
		start := time.Now()
		in := []byte(strings.Repeat(unit, size/len(unit)))
		var out int
		c := session.NewCleaner(session.Settings{}, func(line string) { out += len(line) + 1 })
		c.Write(in)
		c.Close()
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%q: %v for 1 MiB", unit, took)
		}
		if out > 64*size {
			t.Errorf("%q: %d bytes of 1 MiB", unit, out)
		}
	}
}

func FuzzCleaner(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, in string) {
		for _, s := range []session.Settings{{}, {MaxLine: 20}, {Screens: true}} {
			lines := clean(s, in)
			hold(t, lines)
			for _, line := range lines {
				if s.MaxLine == 20 && utf8.RuneCountInString(line) > 10*300 {
					t.Errorf("%d characters in a line", utf8.RuneCountInString(line))
				}
			}
		}
	})
}

func FuzzCleanerInPieces(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, in string) {
		for _, s := range []session.Settings{{}, {MaxLine: 20}} {
			whole := clean(s, in)
			var single, odd []string
			for i := range len(in) {
				single = append(single, in[i:i+1])
			}
			for rest, n := in, 1; rest != ""; n = n*5%7 + 1 {
				n = min(n, len(rest))
				odd = append(odd, rest[:n])
				rest = rest[n:]
			}
			if diff := cmp.Diff(whole, clean(s, single...)); diff != "" {
				t.Fatalf("byte by byte (-whole +pieces):\n%s", diff)
			}
			if diff := cmp.Diff(whole, clean(s, odd...)); diff != "" {
				t.Fatalf("in pieces (-whole +pieces):\n%s", diff)
			}
		}
	})
}

func seed(f *testing.F) {
	files, err := filepath.Glob("testdata/*.raw")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(raw))
	}
	for _, s := range []string{
		long + " \rxyz\x1b[A\r\x1b[15Cprint\n\r\x1b[3C!\n", long + " \r[ann@web-1 ~]$ \x1b[Kls\n", "\x1b]0;t\a\x1bP\x1b\x1b\\\n",
		"漢字x\r\x1b[2Cあ\b\b\b\bab\x1b[4h\x1b[@\x1b[P\x1b[X\n", "\x9b31m\u009b\x85\u202e\xed\xa0\x80\xf0\x9f\x98\n", "\x00\x01\x02\n\xffsh$ \n",
		"**********************\nPowerShell transcript start\nStart time: 1\n**********************\n", "Script started on x\n\nScript done on y\n", "\t\x1b[Z\x1b[9999G\x1b7\x1b8\x1b[s\x1b[u",
	} {
		f.Add(s)
	}
}

func BenchmarkCleaner(b *testing.B) {
	for _, bm := range []struct{ name, text string }{
		{"plain", "drwxr-xr-x  2 root root 4096 Nov 20 22:21 some-directory-of-usual-length\r\n"},
		{"colours", "\x1b[0m\x1b[01;34mbin\x1b[0m  \x1b[01;32mrun.sh\x1b[0m  \x1b[01;31marchive.tar\x1b[0m  notes.txt\r\n"},
		{"progress", "Downloading  10% [==        ] 1.2 MB/s\r\x1b[KDownloading  20% [===       ] 1.2 MB/s\r"},
		{"unicode", "größe: 12 µs, Ωmega, ещё строка\n"},
		{"insert", "a\r\x1b[@"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			text := []byte(strings.Repeat(bm.text, (1<<20)/len(bm.text)))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				c := session.NewCleaner(session.Settings{}, func(string) {})
				c.Write(text)
				c.Close()
			}
		})
	}
}
