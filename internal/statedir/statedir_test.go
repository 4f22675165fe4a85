package statedir_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailcast/trailcast/internal/statedir"
)

type position struct {
	Offset int64  `json:"offset"`
	ID     string `json:"id"`
}

func open(t *testing.T, dir string) *statedir.Dir {
	t.Helper()
	d, err := statedir.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestSavedStateIsLoadedAfterReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "state")
	d := open(t, dir)
	want := position{Offset: 1 << 60, ID: "8:42"}
	for _, p := range []position{{Offset: 1}, want} {
		if err := d.Save("trail", p); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	var got position
	ok, err := open(t, dir).Load("trail", &got)
	if err != nil || !ok || got != want {
		t.Errorf("got %v %v %v, want %v", got, ok, err, want)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v %v, want mode 0700", info.Mode(), err)
	}
	info, err = os.Stat(filepath.Join(dir, "trail.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v %v, want mode 0600", info, err)
	}
}

func TestNothingSavedIsNoError(t *testing.T) {
	s := statedir.NewStore(filepath.Join(t.TempDir(), "missing"))
	var p position
	if ok, err := s.Load("trail", &p); ok || err != nil {
		t.Errorf("Load: %v %v, want false and no error", ok, err)
	}
	if err := s.Remove("trail"); err != nil {
		t.Errorf("Remove: %v", err)
	}
	if err := s.Save("trail", p); err != nil {
		t.Errorf("Save does not create the directory: %v", err)
	}
	if ok, err := s.Load("trail", &p); !ok || err != nil {
		t.Errorf("Load: %v %v, want true and no error", ok, err)
	}
	if err := s.Remove("trail"); err != nil {
		t.Errorf("Remove: %v", err)
	}
	if ok, _ := s.Load("trail", &p); ok {
		t.Error("removed state is still there")
	}
}

func TestSecondAgentIsRefused(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	_, err := statedir.Open(dir)
	inUse, ok := errors.AsType[*statedir.InUseError](err)
	if !ok {
		t.Fatalf("got %v, want InUseError", err)
	}
	if inUse.PID != os.Getpid() || inUse.Dir != dir {
		t.Errorf("got pid %d dir %s, want %d %s", inUse.PID, inUse.Dir, os.Getpid(), dir)
	}
	for _, part := range []string{dir, fmt.Sprintf("pid %d", os.Getpid()), "state_dir"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("message %q lacks %q", err, part)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

// A killed agent leaves its lock file with its process id; the next one starts nevertheless.
func TestKilledAgentDoesNotKeepTheLock(t *testing.T) {
	dir := os.Getenv("STATEDIR_TEST_HOLD")
	if dir != "" {
		if _, err := statedir.Open(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		select {}
	}
	dir = t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledAgentDoesNotKeepTheLock$")
	child.Env = append(os.Environ(), "STATEDIR_TEST_HOLD="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 5)
	if _, err := out.Read(line); err != nil || string(line) != "held\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	_, err = statedir.Open(dir)
	if inUse, ok := errors.AsType[*statedir.InUseError](err); !ok || inUse.PID != child.Process.Pid {
		t.Errorf("while the child runs: got %v, want InUseError with pid %d", err, child.Process.Pid)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed: an error is expected
	open(t, dir)
}

func TestVersionFile(t *testing.T) {
	tests := []struct {
		name, content, want string
	}{
		{"same", "1\n", ""},
		{"newer", "2\n", "newer trailcast"},
		{"empty", "", "does not hold a version number"},
		{"garbage", "one", "does not hold a version number"},
		{"zero", "0", "does not hold a version number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "version"), []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			d, err := statedir.Open(dir)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				_ = d.Close()
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), dir) {
				t.Fatalf("got %v, want an error with %q and the directory", err, tt.want)
			}
			// The refusal gives the lock free.
			if err := os.WriteFile(filepath.Join(dir, "version"), []byte("1"), 0o600); err != nil {
				t.Fatal(err)
			}
			open(t, dir)
		})
	}
}

func TestDamagedStateSaysWhatToDo(t *testing.T) {
	for _, content := range []string{"", `{"offset":12`, `{"offset":"x"}`, "\x00\x00\x00", `{} {}`} {
		dir := t.TempDir()
		path := filepath.Join(dir, "trail.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var p position
		ok, err := statedir.NewStore(dir).Load("trail", &p)
		if ok || err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("%q: got %v %v, want an error that names %s and the way out", content, ok, err, path)
		}
	}
}

func TestAnyNameIsOneFileInTheDirectory(t *testing.T) {
	names := []string{
		"trail", "Trail", "lock", "version", "", ".", "..", "../x", "/etc/passwd", "a/b", "a%2Fb", ".tmp-1", "a\x00b", "ü",
		strings.Repeat("x", 5000), strings.Repeat("x", 5001), "input files", "inputs:a", "%",
	}
	dir := t.TempDir()
	d := open(t, dir)
	for i, name := range names {
		if err := d.Save(name, i); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, dir) // sweeping does not take a document for a temporary file
	got := map[string]int{}
	want := map[string]int{}
	for i, name := range names {
		var n int
		if ok, err := d.Load(name, &n); !ok || err != nil {
			t.Errorf("%q: %v %v", name, ok, err)
		}
		got[name], want[name] = n, i
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(names)+2 {
		t.Errorf("%d entries in the directory (%v), want %d", len(entries), err, len(names)+2)
	}
}

func TestUnfinishedFilesAreSwept(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, ".tmp-123")
	if err := os.WriteFile(left, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("temporary file is still there: %v", err)
	}
}

func TestConcurrentSavesLeaveOneWholeDocument(t *testing.T) {
	dir := t.TempDir()
	s := statedir.NewStore(dir)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				if err := s.Save("p", position{Offset: int64(i), ID: strings.Repeat(fmt.Sprint(i), 1000)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var p position
	if ok, err := s.Load("p", &p); !ok || err != nil || p.ID != strings.Repeat(fmt.Sprint(p.Offset), 1000) {
		t.Errorf("got %v %v %+v", ok, err, p)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%d files left, %v; want 1", len(entries), err)
	}
}

func TestFailedSaveKeepsTheOldState(t *testing.T) {
	s := statedir.NewStore(t.TempDir())
	if err := s.Save("p", 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Save("p", func() {}); err == nil {
		t.Fatal("a function was saved as JSON")
	}
	n := 0
	if ok, err := s.Load("p", &n); !ok || err != nil || n != 1 {
		t.Errorf("got %d %v %v, want 1", n, ok, err)
	}
}

func TestNoDirectoryConfigured(t *testing.T) {
	s := statedir.NewStore("")
	if err := s.Save("p", 1); err == nil {
		t.Error("Save without a directory succeeded")
	}
	if _, err := s.Load("p", new(int)); err == nil {
		t.Error("Load without a directory succeeded")
	}
	if _, err := statedir.Open(""); err == nil {
		t.Error("Open without a directory succeeded")
	}
}
