package quarantine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailcast/trailcast/outputs/quarantine"
	"github.com/trailcast/trailcast/pipeline"
)

func open(t *testing.T, c quarantine.Config) *quarantine.Store {
	t.Helper()
	s, err := quarantine.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func entry(raw string) pipeline.QuarantineEntry {
	return pipeline.QuarantineEntry{
		Raw: []byte(raw), Origin: &pipeline.Origin{Input: "in", Object: "o", Identity: "i", Via: []string{"sns"}, Owner: "1", Region: "r"},
		Index: 3, Offset: 17, Key: "k", Component: "jq", Reason: "because", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

func list(t *testing.T, dir string) (all []quarantine.Entry) {
	t.Helper()
	if err := quarantine.Each(dir, func(e quarantine.Entry) bool { all = append(all, e); return true }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEntriesComeBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "q")
	s := open(t, quarantine.Config{Path: dir})
	raws := []string{`{"a":1}`, "bad \xff\x00 bytes", "", "<html>&\u2028"}
	for _, raw := range raws {
		if err := s.Put(t.Context(), entry(raw)); err != nil {
			t.Fatal(err)
		}
	}
	cut := entry("part")
	cut.Size = 1000
	if err := s.Put(t.Context(), cut); err != nil {
		t.Fatal(err)
	}
	all := list(t, dir) // while it is open
	if len(all) != len(raws)+1 {
		t.Fatalf("%d entries, want %d", len(all), len(raws)+1)
	}
	for i, raw := range raws {
		if string(all[i].Bytes()) != raw || all[i].Cut() {
			t.Errorf("entry %d holds %q, want %q", i, all[i].Bytes(), raw)
		}
	}
	if !all[4].Cut() || all[4].Size != 1000 {
		t.Errorf("cut entry: %+v", all[4])
	}
	e := all[0]
	want := quarantine.Entry{Version: 1, ID: "1", Time: entry("").Time, Component: "jq", Reason: "because", Input: "in", Object: "o",
		Identity: "i", Via: []string{"sns"}, Owner: "1", Region: "r", Index: 3, Offset: 17, Size: 7, Key: "k", Raw: `{"a":1}`}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(entry("").Origin, e.Origin()); diff != "" {
		t.Error(diff)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "000000000001.ndjson"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), mode)
		}
	}
}

func TestOneWriterAtATime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, quarantine.Config{Path: dir})
	if _, err := quarantine.Open(quarantine.Config{Path: dir}); err == nil {
		t.Error("a second process could open it")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, quarantine.Config{Path: dir})
	if err := s.Put(t.Context(), entry("x")); err == nil {
		t.Error("a closed quarantine took an entry")
	}
}

func TestFullRefusesAndKeeps(t *testing.T) {
	dir := t.TempDir()
	s := open(t, quarantine.Config{Path: dir, MaxSize: 1000})
	n := 0
	var err error
	for err == nil {
		if err = s.Put(t.Context(), entry("some bytes")); err == nil {
			n++
		}
	}
	if !errors.Is(err, quarantine.ErrFull) || n == 0 {
		t.Errorf("after %d entries: %v, want ErrFull", n, err)
	}
	if got := len(list(t, dir)); got != n {
		t.Errorf("%d entries, want the %d that were taken", got, n)
	}
}

func TestRestartCutsOffWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	s := open(t, quarantine.Config{Path: dir})
	for range 3 {
		if err := s.Put(t.Context(), entry("x")); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	f, err := os.OpenFile(filepath.Join(dir, "000000000001.ndjson"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"v":1,"id":"4","ti`)
	f.Close()
	if got := len(list(t, dir)); got != 3 {
		t.Errorf("%d entries are listed beside an unfinished one, want 3", got)
	}
	s = open(t, quarantine.Config{Path: dir})
	if err := s.Put(t.Context(), entry("y")); err != nil {
		t.Fatal(err)
	}
	all := list(t, dir)
	if len(all) != 4 || all[3].ID != "4" || all[3].Raw != "y" {
		t.Errorf("after a restart: %+v", all)
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	s := open(t, quarantine.Config{Path: dir})
	for i := range 5 {
		if err := s.Put(t.Context(), entry(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := quarantine.Remove(dir, []string{"2", "4"}); err != nil { // while it is open
		t.Fatal(err)
	}
	var left []string
	for _, e := range list(t, dir) {
		left = append(left, e.ID)
	}
	if diff := cmp.Diff([]string{"1", "3", "5"}, left); diff != "" {
		t.Error(diff)
	}
	if _, err := quarantine.Find(dir, "2"); err == nil {
		t.Error("a removed entry was found")
	}
	if e, err := quarantine.Find(dir, "3"); err != nil || e.Raw != "2" {
		t.Errorf("entry 3: %+v, %v", e, err)
	}
}

func TestConcurrentPutsAreAllThere(t *testing.T) {
	dir := t.TempDir()
	s := open(t, quarantine.Config{Path: dir})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 25 {
				if err := s.Put(context.Background(), entry(fmt.Sprintf("%d.%d", i, k))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for _, e := range list(t, dir) {
		if seen[e.ID] {
			t.Errorf("id %s twice", e.ID)
		}
		seen[e.ID] = true
	}
	if len(seen) != 200 {
		t.Errorf("%d entries, want 200", len(seen))
	}
}
