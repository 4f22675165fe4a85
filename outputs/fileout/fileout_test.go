package fileout

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/outputs/outputtest"
	"github.com/trailcast/trailcast/pipeline"
)

// config writes to path with the defaults.
func config(path string) Config { return Config{Path: conf.Text{Value: path}, Sync: true} }

func newOutput(t testing.TB, cfg Config) *Output {
	t.Helper()
	o, err := New(cfg, pipeline.Env{Name: "archive"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOutput(t, o) })
	return o
}

func closeOutput(t testing.TB, o *Output) {
	t.Helper()
	if err := o.Close(context.Background()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func write(t testing.TB, o *Output, events ...pipeline.Event) {
	t.Helper()
	if err := o.Write(context.Background(), events); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

// event is an event with a number and some facts.
func event(n int, facts pipeline.Facts) pipeline.Event {
	facts.Kind = pipeline.KindOther
	return outputtest.Event(fmt.Appendf(nil, `{"n":%d}`, n), facts, fmt.Sprint(n))
}

func numbered(n int) pipeline.Event { return event(n, pipeline.Facts{}) }

// account is an event of an account.
func account(n int, id string) pipeline.Event {
	return event(n, pipeline.Facts{Account: pipeline.Account{ID: id}})
}

// tree returns the paths below dir and what the files hold, decompressed by their name.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = content(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func content(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := decompress(path, data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(plain)
}

func decompress(path string, data []byte) ([]byte, error) {
	path = strings.TrimSuffix(path, openSuffix)
	switch {
	case len(data) == 0:
		return nil, nil
	case strings.HasSuffix(path, ".gz"):
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	case strings.HasSuffix(path, ".zst"):
		r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return r.DecodeAll(data, nil)
	}
	return data, nil
}

func wantTree(t testing.TB, dir string, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestConformance(t *testing.T) {
	tests := []struct {
		name string
		path string
		set  func(*Config)
	}{
		{"plain", "root/audit.ndjson", nil},
		{"plain by account", "root/{account}/{action}.ndjson", nil},
		{"gzip", "root/{account}.ndjson.gz", nil},
		{"zstd", "root/{account}/{date}/{hour}.ndjson.zst", nil},
		{"rotated", "root/{account}.ndjson", func(c *Config) { c.Rotate.MaxSize = 2000 }},
		{"one open file", "root/{account}/{service}-{action}.ndjson.zst", func(c *Config) { c.MaxOpenFiles = 1 }},
		{"without sync", "root/{account}.ndjson", func(c *Config) { c.Sync = false }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			outputtest.Run(t, outputtest.Kit{New: func(t *testing.T) outputtest.Subject {
				base := t.TempDir()
				cfg := config(filepath.Join(base, tt.path))
				if tt.set != nil {
					tt.set(&cfg)
				}
				o, err := New(cfg, pipeline.Env{})
				if err != nil {
					t.Fatal(err)
				}
				root, away := filepath.Join(base, "root"), filepath.Join(base, "away")
				return outputtest.Subject{
					Output: o,
					Delivered: func(t *testing.T) [][]byte {
						var lines [][]byte
						for _, text := range tree(t, base) {
							for line := range bytes.Lines([]byte(text)) {
								lines = append(lines, line)
							}
						}
						return lines
					},
					// A file stands where the directory was.
					Break: func(t *testing.T) {
						if err := os.Rename(root, away); err != nil && !os.IsNotExist(err) {
							t.Fatal(err)
						}
						if err := os.WriteFile(root, nil, 0o600); err != nil {
							t.Fatal(err)
						}
					},
					Mend: func(t *testing.T) {
						if err := os.Remove(root); err != nil {
							t.Fatal(err)
						}
						if err := os.Rename(away, root); err != nil && !os.IsNotExist(err) {
							t.Fatal(err)
						}
					},
				}
			}})
		})
	}
}

func TestPaths(t *testing.T) {
	facts := pipeline.Facts{
		Account: pipeline.Account{ID: "123456789012"},
		Time:    time.Date(2026, 3, 1, 23, 59, 0, 0, time.FixedZone("", -3600)),
	}
	long := strings.Repeat("é", 500)
	tests := []struct {
		name, path string
		facts      pipeline.Facts
		want       string
	}{
		{"fields", "archive/{account}/{date}/{hour}.ndjson.zst", facts, "archive/123456789012/2026-03-02/00.ndjson.zst"},
		{"no field", "audit.ndjson", facts, "audit.ndjson"},
		{"absolute", "/var/log/audit-{account}.ndjson", facts, "/var/log/audit-123456789012.ndjson"},
		{"field first", "{account}/x.ndjson", facts, "123456789012/x.ndjson"},
		{"root of the system", "/{account}/x", facts, "/123456789012/x"},
		{"parent in the root", "../a/./b/{account}", facts, "../a/b/123456789012"},
		{"double slash", "a//b//{account}//c", facts, "a/b/123456789012/c"},
		{"brace", "a/{{b}}/{account}", facts, "a/{b}/123456789012"},
		{"nothing known", "a/{account}/{user}/x", pipeline.Facts{}, "a/_/_/x"},
		{"up and down", "a/{account}/x", pipeline.Facts{Account: pipeline.Account{ID: "../../etc"}}, "a/_._.._etc/x"},
		{"dots around a field", "a/.{account}/x", pipeline.Facts{Account: pipeline.Account{ID: "."}}, "a/._/x"},
		{"looks like a working file", "a/{account}", pipeline.Facts{Account: pipeline.Account{ID: "1.open"}}, "a/1.open_"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOutput(t, config(tt.path))
			ev := event(1, tt.facts)
			got, err := o.Explain(&ev)
			if err != nil || got.Destination != tt.want || got.Size != len(`{"n":1}`)+1 {
				t.Errorf("got %+v %v, want %s", got, err, tt.want)
			}
		})
	}

	t.Run("several long values in one segment", func(t *testing.T) {
		o := newOutput(t, config("a/{user}-{role}-{session}-{account}.ndjson.zst"))
		names := map[string]bool{}
		for i := range 3 {
			f := pipeline.Facts{Account: pipeline.Account{ID: fmt.Sprint(i)}}
			f.Actor.User, f.Actor.Role, f.Session.ID = long, long, long
			ev := event(1, f)
			x, err := o.Explain(&ev)
			name := filepath.Base(x.Destination)
			if err != nil || len(name) > maxSegment || !strings.HasSuffix(name, ".ndjson.zst") || strings.ToValidUTF8(name, "?") != name {
				t.Errorf("%v: %d bytes: %q", err, len(name), name)
			}
			names[name] = true
		}
		if len(names) != 3 {
			t.Errorf("%d names for 3 accounts: %v", len(names), names)
		}
	})
}

func TestHostileValuesStayBelowTheRoot(t *testing.T) {
	hostile := []string{
		"", ".", "..", "...", "/", "//", "/etc/passwd", "../../x", "..\\..\\x", "a/b", "a\nb", "a\x00b", "\x1b[2J", "~", "~root",
		"{account}", "%2e%2e%2f", "a.b.>", strings.Repeat("x", 10<<10), strings.Repeat("../", 1000), "\xff\xfe", "\u202e", " ",
		"-rf", ".open", "x.open", "CON", "a:b", "|", "\u2028", "․․/",
	}
	for _, path := range []string{"{account}", "{account}/{user}/x.ndjson", "d/.{account}", "d/{account}.{user}", "{account}.ndjson.zst", "d/{account}/{.v}.gz"} {
		t.Run(strings.Trim(strings.NewReplacer("{", "", "}", "", "/", "-").Replace(path), "."), func(t *testing.T) {
			base := t.TempDir()
			root := filepath.Join(base, "a", "root")
			o := newOutput(t, config(root+"/"+path))
			var events []pipeline.Event
			for i, a := range hostile {
				for k, u := range hostile {
					f := pipeline.Facts{Account: pipeline.Account{ID: a}}
					f.Actor.User = u
					ev := event(i*1000+k, f)
					events = append(events, ev.WithRaw(fmt.Appendf(nil, `{"n":%d,"v":%s}`, i*1000+k, quote(u))))
				}
			}
			o.sync = false // 961 files
			write(t, o, events...)
			closeOutput(t, o)
			if entries, err := os.ReadDir(base); err != nil || len(entries) != 1 {
				t.Errorf("beside the root: %v %v", entries, err)
			}
			if entries, err := os.ReadDir(filepath.Join(base, "a")); err != nil || len(entries) != 1 {
				t.Errorf("beside the root: %v %v", entries, err)
			}
			depth := strings.Count(path, "/")
			lines := 0
			for name, text := range tree(t, root) {
				lines += strings.Count(text, "\n")
				if strings.Count(name, "/") != depth {
					t.Errorf("%q has not %d separators", name, depth)
				}
				if strings.HasSuffix(name, openSuffix) {
					t.Errorf("%q looks unfinished", name)
				}
			}
			if lines != len(events) {
				t.Errorf("%d lines, want %d", lines, len(events))
			}
		})
	}
}

func quote(s string) string {
	return string(slices.Concat([]byte{'"'}, []byte(strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' || r == '\ufffd' {
			return '.'
		}
		return r
	}, s)), []byte{'"'}))
}

func TestSymlinksDoNotLeadOutOfTheRoot(t *testing.T) {
	for _, target := range []string{"../outside", "ABS"} {
		base := t.TempDir()
		root, outside := filepath.Join(base, "root"), filepath.Join(base, "outside")
		for _, d := range []string{root, outside} {
			if err := os.Mkdir(d, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if target == "ABS" {
			target = outside
		}
		if err := os.Symlink(target, filepath.Join(root, "1")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target+"/x", filepath.Join(root, "file")); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{root + "/{account}/x.ndjson", root + "/{account}/x.ndjson.gz", root + "/{.f}"} {
			o := newOutput(t, config(path))
			ev := account(1, "1")
			err := o.Write(context.Background(), []pipeline.Event{ev.WithRaw([]byte(`{"f":"file"}`))})
			if err == nil || pipeline.IsRejected(err) {
				t.Errorf("%s through a link to %s: got %v, want a retryable error", path, target, err)
			}
		}
		wantTree(t, outside, map[string]string{})
	}
}

func TestPlainFilesAreAppendedToInPlace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.ndjson")
	for i := range 3 {
		o := newOutput(t, config(path))
		write(t, o, numbered(i))
		wantTree(t, dir, map[string]string{"audit.ndjson": "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n"[:(i+1)*8]})
		closeOutput(t, o)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&^0o640 != 0 {
		t.Errorf("mode %v %v, want at most 0640", info.Mode(), err)
	}
}

func TestWorkingNameUntilFinished(t *testing.T) {
	dir := t.TempDir()
	o := newOutput(t, config(filepath.Join(dir, "{account}.ndjson.zst")))
	write(t, o, account(1, "a"), account(2, "b"), account(3, "a"))
	write(t, o, account(4, "a"))
	wantTree(t, dir, map[string]string{"a.ndjson.zst.open": "{\"n\":1}\n{\"n\":3}\n{\"n\":4}\n", "b.ndjson.zst.open": "{\"n\":2}\n"})
	closeOutput(t, o)
	wantTree(t, dir, map[string]string{"a.ndjson.zst": "{\"n\":1}\n{\"n\":3}\n{\"n\":4}\n", "b.ndjson.zst": "{\"n\":2}\n"})
}

func TestFinishedFilesAreNeverReplaced(t *testing.T) {
	dir := t.TempDir()
	want := map[string]string{}
	synctest.Test(t, func(t *testing.T) {
		for i := range 4 {
			o := newOutput(t, config(filepath.Join(dir, "x.ndjson.gz")))
			write(t, o, numbered(i))
			closeOutput(t, o)
			if i == 2 {
				time.Sleep(time.Hour)
			}
		}
	})
	for i, name := range []string{"x.ndjson.gz", "x.20000101T000000Z.ndjson.gz", "x.20000101T000000Z-2.ndjson.gz", "x.20000101T010000Z.ndjson.gz"} {
		want[name] = fmt.Sprintf("{\"n\":%d}\n", i)
	}
	wantTree(t, dir, want)
}

func TestRotation(t *testing.T) {
	at := func(d time.Duration, events ...int) func(*testing.T, *Output) {
		return func(t *testing.T, o *Output) {
			time.Sleep(d)
			synctest.Wait()
			for _, n := range events {
				write(t, o, numbered(n))
			}
		}
	}
	line := func(events ...int) (s string) {
		for _, n := range events {
			s += fmt.Sprintf("{\"n\":%d}\n", n)
		}
		return s
	}
	tests := []struct {
		name   string
		path   string
		rotate Rotate
		steps  []func(*testing.T, *Output)
		open   map[string]string // before Close
	}{
		{
			"size", "x.ndjson", Rotate{MaxSize: 17},
			[]func(*testing.T, *Output){at(0, 1, 2, 3, 4, 5)},
			map[string]string{"x.ndjson": line(1, 2), "x.20000101T000000Z.ndjson": line(3, 4), "x.ndjson.open": line(5)},
		},
		{
			"an event larger than the size is a file of its own", "x.ndjson", Rotate{MaxSize: 8},
			[]func(*testing.T, *Output){at(0, 1, 100, 2)},
			map[string]string{"x.ndjson": line(1), "x.20000101T000000Z.ndjson": line(100), "x.ndjson.open": line(2)},
		},
		{
			"age", "x.ndjson", Rotate{MaxAge: time.Minute},
			[]func(*testing.T, *Output){at(0, 1), at(59*time.Second, 2), at(500*time.Millisecond, 3), at(500*time.Millisecond, 4)},
			map[string]string{"x.ndjson": line(1, 2, 3), "x.ndjson.open": line(4)},
		},
		{
			"age without a further event", "x.ndjson", Rotate{MaxAge: time.Minute},
			[]func(*testing.T, *Output){at(0, 1), at(61 * time.Second)},
			map[string]string{"x.ndjson": line(1)},
		},
		{
			"time boundary", "x.ndjson", Rotate{Interval: time.Hour},
			[]func(*testing.T, *Output){at(59*time.Minute, 1), at(59*time.Second, 2), at(time.Second, 3), at(time.Hour-time.Second, 4)},
			map[string]string{"x.ndjson": line(1, 2), "x.ndjson.open": line(3, 4)},
		},
		{
			"idle", "x.ndjson.zst", Rotate{Idle: time.Minute},
			[]func(*testing.T, *Output){at(0, 1), at(59*time.Second, 2), at(59*time.Second, 3), at(62 * time.Second)},
			map[string]string{"x.ndjson.zst": line(1, 2, 3)},
		},
		{
			"idle by default", "x.ndjson.zst", Rotate{},
			[]func(*testing.T, *Output){at(0, 1), at(14*time.Minute, 2), at(16 * time.Minute)},
			map[string]string{"x.ndjson.zst": line(1, 2)},
		},
		{
			"never idle", "x.ndjson.zst", Rotate{Idle: -1},
			[]func(*testing.T, *Output){at(0, 1), at(5 * time.Hour)},
			map[string]string{"x.ndjson.zst.open": line(1)},
		},
		{
			"a quiet file with an age of its own", "x.ndjson.zst", Rotate{MaxAge: time.Hour},
			[]func(*testing.T, *Output){at(0, 1), at(59*time.Minute, 2)},
			map[string]string{"x.ndjson.zst.open": line(1, 2)},
		},
		{
			"not in place", "x.ndjson", Rotate{Idle: time.Minute},
			[]func(*testing.T, *Output){at(0, 1), at(time.Hour, 2)},
			map[string]string{"x.ndjson": line(1, 2)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				cfg := config(filepath.Join(dir, tt.path))
				cfg.Rotate = tt.rotate
				o := newOutput(t, cfg)
				for _, step := range tt.steps {
					step(t, o)
				}
				wantTree(t, dir, tt.open)
				closeOutput(t, o)
				for name := range tree(t, dir) {
					if strings.HasSuffix(name, openSuffix) {
						t.Errorf("%s is left after Close", name)
					}
				}
			})
		})
	}
}

func TestBatchIsSplitAtTheSizeLimit(t *testing.T) {
	for _, name := range []string{"x.ndjson", "x.ndjson.gz"} {
		dir := t.TempDir()
		cfg := config(filepath.Join(dir, name))
		cfg.Rotate.MaxSize = 1000
		o := newOutput(t, cfg)
		events := outputtest.Events(0, 100)
		write(t, o, events...)
		closeOutput(t, o)
		files := tree(t, dir)
		if len(files) < 5 {
			t.Errorf("%s: %d files of 100 events of about 400 bytes, want many", name, len(files))
		}
		lines := 0
		for f, text := range files {
			lines += strings.Count(text, "\n")
			if info, err := os.Stat(filepath.Join(dir, f)); err != nil || info.Size() > 1000 {
				t.Errorf("%s: %v %v, want at most 1000 bytes", f, info.Size(), err)
			}
		}
		if lines != len(events) {
			t.Errorf("%s: %d lines, want %d", name, lines, len(events))
		}
	}
}

func TestFilesMovedRemovedAndCutByOthers(t *testing.T) {
	tests := []struct {
		name string
		path string
		act  func(t *testing.T, path string)
		want map[string]string
	}{
		{"renamed by logrotate", "x.ndjson", func(t *testing.T, path string) {
			check(t, os.Rename(path, path+".1"))
		}, map[string]string{"x.ndjson.1": "{\"n\":1}\n", "x.ndjson": "{\"n\":2}\n"}},
		{"removed", "x.ndjson", func(t *testing.T, path string) {
			check(t, os.Remove(path))
		}, map[string]string{"x.ndjson": "{\"n\":2}\n"}},
		{"directory removed", "x.ndjson", func(t *testing.T, path string) {
			check(t, os.RemoveAll(filepath.Dir(path)))
		}, map[string]string{"x.ndjson": "{\"n\":2}\n"}},
		{"cut by copytruncate", "x.ndjson", func(t *testing.T, path string) {
			check(t, os.Truncate(path, 0))
		}, map[string]string{"x.ndjson": "{\"n\":2}\n"}},
		{"appended to by others", "x.ndjson", func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			check(t, err)
			_, err = f.WriteString("a comment")
			check(t, err)
			check(t, f.Close())
		}, map[string]string{"x.ndjson": "{\"n\":1}\na comment\n{\"n\":2}\n"}},
		{"working file removed", "x.ndjson.zst", func(t *testing.T, path string) {
			check(t, os.Remove(path+openSuffix))
		}, map[string]string{"x.ndjson.zst": "{\"n\":2}\n"}},
		{"working file finished by hand", "x.ndjson.zst", func(t *testing.T, path string) {
			check(t, os.Rename(path+openSuffix, path))
		}, map[string]string{"x.ndjson.zst": "{\"n\":1}\n", "x.20000101T000000Z.ndjson.zst": "{\"n\":2}\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "root")
			path := filepath.Join(dir, tt.path)
			synctest.Test(t, func(t *testing.T) {
				o := newOutput(t, config(path))
				write(t, o, numbered(1))
				tt.act(t, path)
				write(t, o, numbered(2))
				closeOutput(t, o)
			})
			wantTree(t, dir, tt.want)
		})
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFileOfAnotherWriterIsRefusedAndUnharmed(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"x.ndjson", "x.ndjson.gz"} {
		first, second := newOutput(t, config(filepath.Join(dir, name))), newOutput(t, config(filepath.Join(dir, name)))
		write(t, first, numbered(1))
		err := second.Write(context.Background(), []pipeline.Event{numbered(2)})
		if err == nil || pipeline.IsRejected(err) || !strings.Contains(err.Error(), "another process or output") {
			t.Errorf("%s: got %v, want a retryable error about the other writer", name, err)
		}
		closeOutput(t, first)
		write(t, second, numbered(2))
		write(t, second, numbered(3))
		closeOutput(t, second)
	}
	files := tree(t, dir)
	if files["x.ndjson"] != "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n" || files["x.ndjson.gz"] != "{\"n\":1}\n" || len(files) != 3 {
		t.Errorf("got %q", files)
	}
}

func TestCheckLeavesNothingBehind(t *testing.T) {
	base := t.TempDir()
	o := newOutput(t, config(filepath.Join(base, "a", "b", "{account}.ndjson.gz")))
	for range 2 {
		if err := o.Check(context.Background()); err != nil {
			t.Errorf("Check: %v", err)
		}
	}
	if entries, err := os.ReadDir(base); err != nil || len(entries) != 0 {
		t.Errorf("Check left %v %v", entries, err)
	}
	check(t, os.WriteFile(filepath.Join(base, "a"), nil, 0o600))
	if err := o.Check(context.Background()); err == nil || !strings.Contains(err.Error(), "a") {
		t.Errorf("Check below a file: got %v, want an error", err)
	}
}

func TestCheckRefusesADirectoryWithoutPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	check(t, os.Chmod(dir, 0o500))
	o := newOutput(t, config(filepath.Join(dir, "x.ndjson")))
	if err := o.Check(context.Background()); err == nil {
		t.Error("got nil, want an error")
	}
}

func TestConfigErrors(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		want []string
	}{
		{"empty", Config{}, []string{"path: is empty"}},
		{"directory", config("a/b/"), []string{"names a directory"}},
		{"directory of a field", config("a/{account}/"), []string{"names a directory"}},
		{"parent after a field", config("a/{account}/../x"), []string{`segment ".."`}},
		{"unknown field", config("a/{acount}"), []string{"unknown template field"}},
		{"ends like a working file", config("a/x.open"), []string{".open"}},
		{"NUL", config("a/x\x00{account}"), []string{"NUL"}},
		{"level without compression", Config{Path: conf.Text{Value: "x"}, Level: 3}, []string{"level: a level without compression"}},
		{"gzip level", Config{Path: conf.Text{Value: "x.gz"}, Level: 10}, []string{"10 is no gzip level"}},
		{"zstd level", Config{Path: conf.Text{Value: "x.zst"}, Level: 23}, []string{"23 is no zstd level"}},
		{"compression", Config{Path: conf.Text{Value: "x"}, Compression: "xz"}, []string{`compression: "xz" is unknown`}},
		{"mode", Config{Path: conf.Text{Value: "x"}, Mode: "rw"}, []string{`mode: "rw"`}},
		{"mode that may not write", Config{Path: conf.Text{Value: "x"}, Mode: "0440"}, []string{`mode: "0440"`}},
		{
			"all at once",
			Config{Path: conf.Text{Value: "x/"}, Rotate: Rotate{MaxAge: -1, Interval: -1, MaxSize: -1}, MaxOpenFiles: -1},
			[]string{"names a directory", "rotate.max_size", "rotate.max_age", "rotate.interval", "max_open_files"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.cfg, pipeline.Env{})
			if err == nil {
				t.Fatal("got no error")
			}
			if got := strings.Count(err.Error(), "\n") + 1; got != len(tt.want) {
				t.Errorf("got %d errors, want %d: %v", got, len(tt.want), err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
		})
	}
}

// sized are events whose lines have these lengths.
func sized(lengths ...int) (events []pipeline.Event, text string) {
	for n, length := range lengths {
		raw := fmt.Sprintf(`{"n":%d,"s":""}`, n)
		raw = strings.Replace(raw, `""`, `"`+strings.Repeat("x", max(length-len(raw)-1, 0))+`"`, 1)
		events = append(events, numbered(n).WithRaw([]byte(raw)))
		text += raw + "\n"
	}
	return events, text
}

func TestLinesThatFillBlocks(t *testing.T) {
	for _, lengths := range [][]int{
		{20}, {blockSize}, {blockSize - 1, 20}, {blockSize - 20, 20, 20}, {blockSize + 1}, {20, 3 * blockSize, 20},
		slices.Repeat([]int{1 << 10}, 1000), slices.Repeat([]int{100<<10 + 7}, 10),
	} {
		dir := t.TempDir()
		o := newOutput(t, config(filepath.Join(dir, "x.ndjson")))
		events, text := sized(lengths...)
		write(t, o, events...)
		write(t, o, numbered(1))
		if got := content(t, filepath.Join(dir, "x.ndjson")); got != text+"{\"n\":1}\n" {
			t.Errorf("%d lines of %d bytes: the file has %d bytes, want %d", len(lengths), lengths[0], len(got), len(text)+8)
		}
	}
}

// A Write that fails after some of its blocks leaves none of them.
func TestDiskFullBetweenBlocks(t *testing.T) {
	for _, room := range []int64{0, 1, blockSize - 1, blockSize, blockSize + 1, 2*blockSize + 5} {
		dir := t.TempDir()
		d := newDisk()
		o := newOutput(t, config(filepath.Join(dir, "x.ndjson")))
		o.openFile = d.openFile
		write(t, o, numbered(1))
		events, text := sized(slices.Repeat([]int{64 << 10}, 12)...)
		d.room.Store(room)
		if err := o.Write(context.Background(), events); err == nil {
			t.Fatalf("room for %d bytes was enough", room)
		}
		if got := content(t, filepath.Join(dir, "x.ndjson")); got != "{\"n\":1}\n" {
			t.Errorf("room for %d bytes: %d bytes are left in the file", room, len(got))
		}
		d.room.Store(-1)
		write(t, o, events...)
		if got := content(t, filepath.Join(dir, "x.ndjson")); got != "{\"n\":1}\n"+text {
			t.Errorf("room for %d bytes: the file has %d bytes in the end", room, len(got))
		}
	}
}

func TestAWriteCopiesNothingToTheHeap(t *testing.T) {
	cfg := config(filepath.Join(t.TempDir(), "x.ndjson"))
	cfg.Sync = false
	o := newOutput(t, cfg)
	events, text := sized(slices.Repeat([]int{2 << 10}, 2000)...)
	for range cap(o.turns) {
		write(t, o, events...)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	write(t, o, events...)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > uint64(len(text)/20) {
		t.Errorf("writing %d bytes allocates %d", len(text), got)
	}
	if got := after.Mallocs - before.Mallocs; got > uint64(len(events)/10) {
		t.Errorf("writing %d events makes %d allocations", len(events), got)
	}
}
