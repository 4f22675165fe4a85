package fileout

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

// pieces are the encodings of some Writes, one after the other as in a file.
func pieces(t *testing.T, ending string, texts ...string) (file []byte, ends []int) {
	t.Helper()
	c, err := newCodec(Config{Path: config("x" + ending).Path}.compression(), 0, 1)
	check(t, err)
	defer c.close()
	for _, text := range texts {
		file, err = c.encode(file, []byte(text))
		check(t, err)
		ends = append(ends, len(file))
	}
	return file, ends
}

// A working file that was cut at any byte goes on after its last whole line, member or frame.
func TestRestartAfterACutAtEveryByte(t *testing.T) {
	texts := []string{"{\"n\":1}\n{\"n\":2}\n", "{\"n\":3}\n", "{\"n\":4,\"s\":\"" + strings.Repeat("abc", 20) + "\"}\n"}
	tails := map[string]string{"": "", " and zeros": strings.Repeat("\x00", 100), " and old data": "\x17garbage{\x28\xb5\x2f"}
	for _, ending := range endings {
		for tailName, tail := range tails {
			t.Run(ending[1:]+tailName, func(t *testing.T) {
				file, ends := pieces(t, ending, texts...)
				for cut := 0; cut <= len(file); cut++ {
					if tailName == " and old data" && (cut < 4 || ending == ".ndjson") {
						continue // foreign from the beginning, or indistinguishable from text: not ours to cut
					}
					dir := t.TempDir()
					path := filepath.Join(dir, "x"+ending)
					left := append(file[:cut:cut], tail...)
					check(t, os.WriteFile(path+openSuffix, left, 0o600))
					cfg := config(path)
					cfg.Rotate.MaxSize = 1 << 20
					o := newOutput(t, cfg)
					write(t, o, numbered(9))
					closeOutput(t, o)

					want := ""
					for i, end := range ends {
						if bytes.HasPrefix(left, file[:end]) { // a gzip member's last bytes are zeros
							want += texts[i]
						}
					}
					if ending == ".ndjson" {
						want = string(file[:cut])
						if !strings.HasSuffix(want, "}") || tail != "" {
							want = want[:strings.LastIndexByte(want, '\n')+1]
						}
						if strings.HasSuffix(want, "}") {
							want += "\n" // a whole record that only lacks its end
						}
					}
					wantTree(t, dir, map[string]string{"x" + ending: want + "{\"n\":9}\n"})
				}
			})
		}
	}
}

// A byte that went bad in the middle ends what counts as whole; the checksum shows it where the structure does not.
func TestRestartAfterABadByte(t *testing.T) {
	for _, ending := range endings[1:] {
		texts := []string{"{\"n\":1}\n", "{\"n\":2,\"s\":\"" + strings.Repeat("x", 100) + "\"}\n", "{\"n\":3}\n"}
		file, ends := pieces(t, ending, texts...)
		for i := ends[0]; i < ends[1]; i++ {
			broken := append([]byte(nil), file...)
			broken[i] ^= 0x55
			path := filepath.Join(t.TempDir(), "x"+ending)
			check(t, os.WriteFile(path, broken, 0o600))
			f, err := os.Open(path)
			check(t, err)
			c, err := newCodec(config(path).compression(), 0, 1)
			check(t, err)
			end, _, err := c.whole(f, int64(len(broken)))
			check(t, err)
			c.close()
			check(t, f.Close())
			// Some header bytes carry no meaning: then everything is still whole, and reads back.
			if end == int64(len(file)) {
				if plain, err := decompress(path, broken); err == nil && string(plain) == strings.Join(texts, "") {
					continue
				}
			}
			if end != int64(ends[0]) {
				t.Errorf("%s, byte %d: whole until %d, want %d", ending, i, end, ends[0])
			}
		}
	}
}

func TestForeignFilesAreNotCut(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"x.ndjson", "no line end", "no line end\n{\"n\":1}\n"},
		{"x.ndjson", "# head\n{\"a\":1}", "# head\n{\"a\":1}\n{\"n\":1}\n"},
		{"x.ndjson.gz.open", "plain text", ""},
		{"x.ndjson.zst.open", "\x1f\x8b", ""},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		check(t, os.WriteFile(filepath.Join(dir, tt.name), []byte(tt.content), 0o600))
		o := newOutput(t, config(filepath.Join(dir, strings.TrimSuffix(tt.name, openSuffix))))
		err := o.Write(context.Background(), []pipeline.Event{numbered(1)})
		if tt.want == "" {
			if !errors.Is(err, errForeign) {
				t.Errorf("%s: got %v, want an error", tt.name, err)
			}
			tt.want = tt.content
			o.files.forget() // Close would report it again
		} else if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, tt.name)); err != nil || string(got) != tt.want {
			t.Errorf("%s: got %q %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

// Working files of an earlier run are finished even when no event for them ever comes; nobody else's are touched.
func TestLeftOverFilesAreFinished(t *testing.T) {
	dir := t.TempDir()
	file, ends := pieces(t, ".ndjson.zst", "{\"n\":1}\n", "{\"n\":2}\n")
	old := time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC) // the bubble's clock starts a day later
	put := func(name string, data []byte) {
		path := filepath.Join(dir, name)
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check(t, os.WriteFile(path, data, 0o600))
		check(t, os.Chtimes(path, old, old))
	}
	put("acc-1/01.ndjson.zst.open", file[:ends[1]-1])
	put("acc-2/02.ndjson.zst.open", nil)
	put("acc-2/03.ndjson.zst.open", file[:5])
	put("other/01.ndjson.zst.open", nil)   // no directory of the template
	put("acc-1/01.ndjson.gz.open", nil)    // another output's
	put("acc-1/a/01.ndjson.zst.open", nil) // deeper
	put("01.ndjson.zst.open", nil)         // less deep
	synctest.Test(t, func(t *testing.T) {
		o := newOutput(t, config(dir+"/acc-{account}/{hour}.ndjson.zst"))
		write(t, o, account(9, "9"))
		time.Sleep(2 * patrolEvery)
		synctest.Wait()
		want := map[string]string{
			"acc-1/01.ndjson.zst":        "{\"n\":1}\n",
			"acc-9/_.ndjson.zst.open":    "{\"n\":9}\n",
			"other/01.ndjson.zst.open":   "",
			"acc-1/01.ndjson.gz.open":    "",
			"acc-1/a/01.ndjson.zst.open": "",
			"01.ndjson.zst.open":         "",
		}
		wantTree(t, dir, want)
	})
}

// Constructing, checking and explaining touch no file: `check` may run beside a running agent.
func TestOnlyAWriteTouchesFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.ndjson.gz")
	check(t, os.WriteFile(path+openSuffix, []byte{0x1f}, 0o600))
	o := newOutput(t, config(path))
	check(t, o.Check(context.Background()))
	closeOutput(t, o)
	if got, err := os.ReadFile(path + openSuffix); err != nil || len(got) != 1 {
		t.Errorf("got %q %v", got, err)
	}
}

// A crash between giving the final name and taking the working one away must not let the finished file grow.
func TestCrashWhileFinishing(t *testing.T) {
	for _, final := range []string{"x.ndjson.gz", "x.20260101T000000Z.ndjson.gz"} {
		dir := t.TempDir()
		file, _ := pieces(t, ".ndjson.gz", "{\"n\":1}\n")
		path := filepath.Join(dir, "x.ndjson.gz")
		check(t, os.WriteFile(path+openSuffix, file, 0o600))
		check(t, os.Link(path+openSuffix, filepath.Join(dir, final)))
		o := newOutput(t, config(path))
		write(t, o, numbered(2))
		files := tree(t, dir)
		if files[final] != "{\"n\":1}\n" || files["x.ndjson.gz.open"] != "{\"n\":2}\n" || len(files) != 2 {
			t.Errorf("after a Write: %q", files)
		}
		closeOutput(t, o)
		if files := tree(t, dir); files[final] != "{\"n\":1}\n" || len(files) != 2 {
			t.Errorf("after Close: %q", files)
		}
	}
}

// A working file that has a second name for another reason (a backup by hard links) is kept.
func TestHardLinkedBackupIsNoFinishedFile(t *testing.T) {
	dir := t.TempDir()
	file, _ := pieces(t, ".ndjson.gz", "{\"n\":1}\n")
	path := filepath.Join(dir, "x.ndjson.gz")
	check(t, os.WriteFile(path+openSuffix, file, 0o600))
	check(t, os.Link(path+openSuffix, filepath.Join(dir, "backup")))
	o := newOutput(t, config(path))
	write(t, o, numbered(2))
	closeOutput(t, o)
	if got := content(t, path); got != "{\"n\":1}\n{\"n\":2}\n" {
		t.Errorf("got %q", got)
	}
}

// TestKill runs itself as a child that writes and reports each acknowledged event, kills it, and looks at the files as
// the next run leaves them: every acknowledged event is there, and every line is whole.
func TestKill(t *testing.T) {
	const env = "FILEOUT_TEST_KILL"
	if path := os.Getenv(env); path != "" {
		writeForEver(path)
	}
	for _, ending := range endings {
		t.Run(ending[1:], func(t *testing.T) {
			dir := t.TempDir()
			acknowledged := map[int]bool{}
			first := 0
			for run := range 4 {
				path := filepath.Join(dir, "{account}"+ending)
				child := exec.Command(os.Args[0], "-test.run=^TestKill$")
				child.Env = append(os.Environ(), env+"="+path, "FILEOUT_TEST_FIRST="+strconv.Itoa(first))
				child.Stderr = os.Stderr
				out, err := child.StdoutPipe()
				check(t, err)
				check(t, child.Start())
				lines := bufio.NewScanner(out)
				for n := 0; lines.Scan(); n++ {
					if k, err := strconv.Atoi(lines.Text()); err == nil {
						acknowledged[k] = true
						first = max(first, k+1)
					}
					if n == 20+7*run {
						check(t, child.Process.Kill())
					}
				}
				_ = child.Wait() // killed: an error is expected
				first += 1000
			}
			o := newOutput(t, config(filepath.Join(dir, "{account}"+ending)))
			write(t, o, account(-1, "last"))
			closeOutput(t, o)
			all := ""
			for name, text := range tree(t, dir) {
				if strings.HasSuffix(name, openSuffix) {
					t.Errorf("%s is left", name)
				}
				all += text
			}
			if len(acknowledged) < 80 {
				t.Fatalf("only %d events were acknowledged", len(acknowledged))
			}
			for line := range strings.Lines(all) {
				if !strings.HasPrefix(line, `{"n":`) || !strings.HasSuffix(line, "}\n") {
					t.Errorf("not a whole line: %q", line)
				}
			}
			for n := range acknowledged {
				if got := strings.Count(all, fmt.Sprintf("{\"n\":%d}\n", n)); got != 1 {
					t.Errorf("acknowledged event %d is there %d times", n, got)
				}
			}
		})
	}
}

func writeForEver(path string) {
	first, err := strconv.Atoi(os.Getenv("FILEOUT_TEST_FIRST"))
	if err != nil {
		panic(err)
	}
	cfg := config(path)
	cfg.MaxOpenFiles = 2
	o, err := New(cfg, pipeline.Env{})
	if err != nil {
		panic(err)
	}
	for n := first; ; n += 3 {
		events := []pipeline.Event{account(n, "a"), account(n+1, "b"), account(n+2, "c")}
		if err := o.Write(context.Background(), events); err != nil {
			panic(err)
		}
		fmt.Printf("%d\n%d\n%d\n", n, n+1, n+2)
	}
}
