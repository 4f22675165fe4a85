package sessions

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/pipeline"
)

// factOf observes a record that its transport says is of the time when it is heard of.
func factOf(t testing.TB, raw string, kind pipeline.Kind, heard time.Time) *fact {
	t.Helper()
	ev := pipeline.NewEvent(&pipeline.Record{Raw: []byte(raw), Kind: kind, Reader: record.Reader{}, Origin: &pipeline.Origin{Time: heard}})
	f, ok := observe(&ev, func() time.Time { return heard })
	if !ok {
		t.Fatalf("not about a session: %s", raw)
	}
	return &f
}

// TestFactsMergeInAnyOrder holds what all else rests on: neither order nor repeats of facts count.
func TestFactsMergeInAnyOrder(t *testing.T) {
	at := time.Date(2025, 3, 3, 6, 0, 0, 0, time.UTC)
	byService := strings.Replace(startOf(alice, sso, "doc", at.Add(-time.Second)), `"type":"AssumedRole"`, `"invokedBy":"ecs.amazonaws.com","type":"AssumedRole"`, 1)
	line := func(n int) string {
		return fmt.Sprintf(`{"eventTime":%q,"target":{"id":"i-9"},"sessionId":%q,"sessionData":["%d"]}`, at.Add(time.Duration(n)*time.Minute).Format(time.RFC3339), alice, n)
	}
	part := fmt.Sprintf(`{"sessionId":%q,"target":"","seq":0,"lines":["a","b"]}`, alice)
	var facts []*fact
	for _, raw := range []string{
		startOf(alice, sso, "doc", at), startOf(alice, noMFA, "other", at.Add(time.Second)), byService,
		resumeOf(alice, noMFA, at.Add(time.Hour)), resumeOf(alice, sso, at.Add(2*time.Hour)),
		endOf(alice, noMFA, at.Add(4*time.Hour)), endOf(alice, sso, at.Add(3*time.Hour)),
	} {
		facts = append(facts, factOf(t, raw, pipeline.KindCloudTrail, at.Add(5*time.Hour)))
	}
	for _, raw := range []string{line(1), line(2), line(3), part} {
		facts = append(facts, factOf(t, raw, pipeline.KindSessionLog, at.Add(5*time.Hour)))
	}
	facts = append(facts, &fact{Session: alice, Kind: revised, Revision: 1, Sum: 7}, &fact{Session: alice, Kind: closed, Revision: 1, Heard: 9}, &fact{Session: alice, Kind: unlogged})
	r := rand.New(rand.NewPCG(1, 2))
	merged := func() state {
		s, counted := state{ID: alice}, seen(nil)
		for range 2 {
			for _, i := range r.Perm(len(facts)) {
				s.merge(facts[i], &counted)
			}
		}
		s.Pending = false // says what came first
		return s
	}
	want := merged()
	if s := want; s.end() != s.Terminated {
		t.Errorf("ended at %d", s.end())
	} else if s.Terminated = 0; s.end() != s.WrittenAt || s.WrittenAt == s.LastLog {
		t.Errorf("not terminated, ended at %d", s.end())
	}
	if want.Streamed.Lines != 3 || want.InObject.Lines != 2 || want.TerminatedBy != "alice@example.org" || want.common().Session.Document != "doc" || want.Resumed != milliseconds(at.Add(2*time.Hour)) || want.Started != milliseconds(at) {
		t.Errorf("%+v", want)
	}
	for range 200 {
		if got := merged(); got != want {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
	}
}

// openStore returns a store with a journal in dir.
func openStore(t testing.TB, dir string) (m *memory, aside string) {
	t.Helper()
	m = newMemory(1<<30, newRules(Config{}.withDefaults(), time.Time{}).next, func(int, int) {})
	j, aside, err := openJournal(filepath.Join(dir, "s.journal"), m.restore)
	if err != nil {
		t.Fatal(err)
	}
	m.keep(j)
	return m, aside
}

func states(m *memory) map[string]state {
	all := map[string]state{}
	for id, e := range m.sessions {
		all[id] = e.state
	}
	return all
}

// fill merges the facts of n sessions.
func fill(t testing.TB, m store, n int) {
	t.Helper()
	at := time.Date(2025, 3, 3, 6, 0, 0, 0, time.UTC)
	begin := factOf(t, startOf(alice, sso, "doc", at), pipeline.KindCloudTrail, at)
	for i := range n {
		f := *begin
		f.Session = fmt.Sprintf("alice@example.org-%017x", i)
		m.merge(&f)
		m.merge(&fact{Session: f.Session, Kind: streamed, Hash: uint64(i) + 1, Rank: byLog, Lines: 2, Time: 5, Heard: 6})
	}
}

func TestStoreSurvives(t *testing.T) {
	damage := func(change func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, change(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name   string
		change func(t *testing.T, path string)
		want   int // sessions; of each all is known
		aside  bool
	}{
		{"a clean end", func(*testing.T, string) {}, 10, false},
		{"a torn last line", damage(func(b []byte) []byte { return append(b, `12345678 {"session":"x`...) }), 10, false},
		{"a cut last line", damage(func(b []byte) []byte { return b[:len(b)-1] }), 10, false},
		{"a damaged line", damage(func(b []byte) []byte {
			lines := strings.SplitAfter(string(b), "\n")
			lines[9] = strings.Replace(lines[9], "alice", "Alice", 1)
			return []byte(strings.Join(lines, ""))
		}), 4, true},
		{"zeros at the end", damage(func(b []byte) []byte { return append(b, "\x00\x00\x00\n"...) }), 10, true},
		{"no header", damage(func(b []byte) []byte { return b[5:] }), 0, true},
		{"an empty file", damage(func([]byte) []byte { return nil }), 0, false},
		{"no file", func(t *testing.T, path string) { _ = os.Remove(path) }, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			m, _ := openStore(t, dir)
			fill(t, m, 10)
			want := states(m)
			if err := m.close(); err != nil {
				t.Fatal(err)
			}
			tt.change(t, m.journal.path)
			for range 2 { // what was read is kept once more
				again, aside := openStore(t, dir)
				if (aside != "") != tt.aside {
					t.Errorf("set aside: %q", aside)
				}
				if tt.aside {
					if _, err := os.Stat(aside); err != nil {
						t.Error(err)
					}
				}
				tt.aside = false
				for id, s := range states(again) {
					if s != want[id] && tt.name != "a cut last line" {
						t.Errorf("got  %+v\nwant %+v", s, want[id])
					}
				}
				if len(again.sessions) != tt.want {
					t.Errorf("%d sessions, want %d", len(again.sessions), tt.want)
				}
				if err := again.close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestFileOfANewerVersionIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.journal")
	content := "trailcast sessions 2\nsomething\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := openJournal(path, func(*fact) {}); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("%v", err)
	}
	if data, _ := os.ReadFile(path); string(data) != content {
		t.Errorf("the file is now %q", data)
	}
}

// TestNothingIsForgottenThatJustCame holds that a session of which something came after the decision is not forgotten.
func TestNothingIsForgottenThatJustCame(t *testing.T) {
	m := newMemory(1<<30, newRules(Config{}.withDefaults(), time.Time{}).next, func(int, int) {})
	m.merge(&fact{Session: "x-1", Kind: streamed, Hash: 1, Heard: 1})
	m.merge(&fact{Session: "x-1", Kind: streamed, Hash: 2, Heard: 2})
	m.merge(&fact{Session: "x-1", Kind: forgot, Heard: 1})
	if len(m.sessions) != 1 {
		t.Error("it was forgotten")
	}
	m.merge(&fact{Session: "x-1", Kind: forgot, Heard: 2})
	if len(m.sessions) != 0 || len(m.queue) != 0 || m.size != 0 {
		t.Errorf("%d sessions, %d in the queue, %d bytes", len(m.sessions), len(m.queue), m.size)
	}
}

func TestOneFilterUsesAFile(t *testing.T) {
	dir := t.TempDir()
	m, _ := openStore(t, dir)
	fill(t, m, 1)
	if _, _, err := openJournal(m.journal.path, func(*fact) {}); !errors.Is(err, errInUse) {
		t.Errorf("%v", err)
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	again, _ := openStore(t, dir)
	if len(again.sessions) != 1 {
		t.Errorf("%d sessions", len(again.sessions))
	}
	_ = again.close()
}

// TestFileDoesNotGrowForEver holds that the file is replaced while facts come, and that none is lost by that.
func TestFileDoesNotGrowForEver(t *testing.T) {
	dir := t.TempDir()
	m, _ := openStore(t, dir)
	fill(t, m, 50)
	var stop atomic.Bool
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := uint32(1); !stop.Load(); i++ {
			m.merge(&fact{Session: fmt.Sprintf("alice@example.org-%017x", i%50), Kind: revised, Revision: i, Sum: uint64(i)})
			if i%1000 == 0 {
				m.merge(&fact{Session: "come and gone", Kind: started, Time: int64(i)})
				m.merge(&fact{Session: "come and gone", Kind: forgot})
			}
		}
	})
	for replaced := 0; replaced < 3; {
		before := m.journal.whole
		if err := errors.Join(m.commit(), m.tidy()); err != nil {
			t.Fatal(err)
		}
		if m.journal.whole != before {
			replaced++
		}
	}
	stop.Store(true)
	writer.Wait()
	m.journal.syncing.Lock()
	err := m.journal.replace(func(yield func(*fact) error) error {
		err := m.snapshot(yield)
		m.merge(&fact{Session: "began meanwhile", Kind: started, Time: 1})
		return err
	})
	m.journal.syncing.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	want := states(m)
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	again, _ := openStore(t, dir)
	defer again.close()
	if diff := gocmp.Diff(want, states(again)); diff != "" {
		t.Error(diff)
	}
	if again.journal.size > 2*minReplace {
		t.Errorf("the file has %d bytes", again.journal.size)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(left) != 2 { // and the lock
		t.Errorf("left in the directory: %v", left)
	}
}

// TestDiskThatFails holds that what could not be written is written when it can be.
func TestDiskThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		m, _ := openStore(t, dir)
		fill(t, m, 3)
		good := m.journal.file
		readOnly, err := os.Open(m.journal.path)
		if err != nil {
			t.Fatal(err)
		}
		m.journal.file = readOnly
		for range 2 {
			if err := m.commit(); err == nil {
				t.Fatal("a failure was not told")
			}
		}
		fill(t, m, 5)
		if n := len(m.journal.buffered); n != 0 {
			t.Errorf("%d bytes pile up while the disk fails", n)
		}
		time.Sleep(time.Minute)
		if err := m.commit(); err != nil {
			t.Fatal(err)
		}
		_ = good.Close()
		fill(t, m, 7)
		want := states(m)
		if err := m.close(); err != nil {
			t.Fatal(err)
		}
		again, _ := openStore(t, dir)
		defer again.close()
		if diff := gocmp.Diff(want, states(again)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestMemoryIsBounded holds who leaves when there is no room: first those of which all was told, then the oldest open ones,
// which are told as closed.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{MaxMemory: 1 << 20, IdleTimeout: time.Hour, Remember: 100 * time.Hour})
		at := time.Now()
		id := func(i int) string { return fmt.Sprintf("alice@example.org-%017x", i) }
		for i := range 100 {
			r.trail(startOf(id(i), sso, "doc", at))
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		for i := 100; i < 2000; i++ {
			r.trail(startOf(id(i), sso, "doc", at))
			synctest.Wait()
			if s := r.filter.memory; s.size > s.max+2000 {
				t.Fatalf("%d bytes after %d sessions", s.size, i)
			}
		}
		closings := map[string][]string{}
		for _, d := range r.events {
			if d.State == stateClosed {
				closings[d.Trailcast.Session.ID] = append(closings[d.Trailcast.Session.ID], d.Reason)
			}
		}
		left := r.filter.memory.sessions
		for i := range 2000 {
			want := byIdle
			if i >= 100 {
				want = byEviction
			}
			if left[id(i)] != nil {
				want = ""
			}
			if got := strings.Join(closings[id(i)], " "); got != want {
				t.Fatalf("session %d: closed as %q, want %q", i, got, want)
			}
			if i < 100 && left[id(i)] != nil {
				t.Errorf("session %d is closed and was not the first to be forgotten", i)
			}
		}
		if len(left) < 500 || len(left) > 1100 {
			t.Errorf("%d sessions fit in", len(left))
		}
		if !strings.Contains(r.log.String(), "max_memory") {
			t.Errorf("the log says %s", r.log.String())
		}
	})
}

// TestManySessionsFit holds the default of max_memory: 100,000 open sessions, by estimate and in truth.
func TestManySessionsFit(t *testing.T) {
	if testing.Short() {
		t.Skip("fills 128 MiB")
	}
	c := Config{}.withDefaults()
	m := newMemory(int64(c.MaxMemory), newRules(c, time.Now()).next, func(int, int) { t.Error("sessions were evicted") })
	before := heapBytes()
	fill(t, m, 100_000)
	used := heapBytes() - before
	t.Logf("%d bytes each by estimate, %d in truth", m.size/100_000, used/100_000)
	if len(m.sessions) != 100_000 || used > int64(c.MaxMemory)*5/4 {
		t.Errorf("%d sessions, %d bytes", len(m.sessions), used)
	}
	runtime.KeepAlive(m)
}

func heapBytes() int64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
