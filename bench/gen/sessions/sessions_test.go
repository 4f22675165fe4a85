package sessions

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the truth file")

// goldenHash is the SHA-256 of all that New(1, 500) delivers. It changes when the generator does.
const goldenHash = "d9c9ee5c834b50c96ce5391faf5801ab93d0fcb4f2fc3232b4d2c048f452d69a"

func truthOf(t testing.TB, s *Scenario) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := s.WriteTruth(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func hashOf(s *Scenario) string {
	h := sha256.New()
	for _, d := range s.Deliveries() {
		fmt.Fprintf(h, "%d %d %s %s %s %s %d %d\n%s\n", d.At.UnixNano(), d.Form, d.Name, d.Account, d.Region, d.EventID,
			d.EventTime.UnixNano(), d.Session, d.Record)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestTruthFile(t *testing.T) {
	const name = "testdata/sessions-500.truth.json"
	got := truthOf(t, New(1, 500))
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the truth of New(1, 500) is not what stands in %s; go test -update writes it anew", name)
	}
	if len(want) > 400<<10 || bytes.Count(want, []byte("\n")) != 500 {
		t.Errorf("%s has %d bytes in %d lines, want 500 lines in 400 KiB", name, len(want), bytes.Count(want, []byte("\n")))
	}
	var back []Truth
	for dec := json.NewDecoder(bytes.NewReader(want)); dec.More(); {
		var one Truth
		if err := dec.Decode(&one); err != nil {
			t.Fatal(err)
		}
		back = append(back, one)
	}
	if again := truthOf(t, &Scenario{truth: back}); !bytes.Equal(again, want) {
		t.Error("the truth is another after it was read")
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	s := New(1, 500)
	if got := hashOf(s); got != goldenHash {
		t.Errorf("New(1, 500) has the hash %s, want %s", got, goldenHash)
	}
	if hashOf(New(2, 10)) == hashOf(New(1, 10)) {
		t.Error("seeds 1 and 2 give the same")
	}
	few := New(1, 120)
	for _, truth := range few.Truth() {
		if !slices.ContainsFunc(s.Truth(), func(o Truth) bool { return equal(t, truth, o) }) {
			t.Errorf("session %s is another one among 120 than among 500", truth.ID)
		}
	}
}

func equal(t *testing.T, a, b Truth) bool {
	return bytes.Equal(truthOf(t, &Scenario{truth: []Truth{a}}), truthOf(t, &Scenario{truth: []Truth{b}}))
}

func TestMix(t *testing.T) {
	const n = 500
	s := New(1, n)
	kinds, alerts := map[string]int{}, map[string]int{}
	resumed, terminated, byOthers, lost, unknownMFA, unloggedExec := 0, 0, 0, 0, 0, 0
	for i, truth := range s.Truth() {
		if i > 0 && truth.ID < s.Truth()[i-1].ID {
			t.Errorf("%q stands after %q", truth.ID, s.Truth()[i-1].ID)
		}
		kinds[truth.Kind]++
		for _, a := range truth.Alerts {
			alerts[a]++
		}
		resumed += count(!truth.Resumed.IsZero())
		terminated += count(!truth.Terminated.IsZero())
		byOthers += count(truth.TerminatedBy == "oncall-admin@example.com")
		lost += count(truth.Started.IsZero())
		if truth.Kind == KindTranscript && truth.Started.IsZero() && !(truth.Resumed.IsZero() && truth.Terminated.IsZero()) {
			t.Errorf("calls would tell the account of %s", truth.ID)
		}
		unknownMFA += count(truth.MFA == unknown)
		unloggedExec += count(truth.Kind == KindECSExec && truth.Lines == 0)
	}
	for kind, want := range map[string]int{
		KindStreamed: 44, KindTranscript: 21, KindUnstreamed: 5, KindPortForward: 8, KindSSH: 5, KindECSExec: 7,
		KindRemoteDesktop: 2, KindSilent: 3, KindDenied: 5,
	} {
		if kinds[kind] != want*n/100 {
			t.Errorf("%d sessions of kind %s, want %d", kinds[kind], kind, want*n/100)
		}
	}
	between(t, "sessions without a start", lost, n*5/100, n*5/100)
	between(t, "resumed sessions", resumed, n*16/100, n*24/100)
	between(t, "terminated sessions", terminated, n*55/100, n*65/100)
	between(t, "sessions that others terminated", byOthers, n*3/100, n*10/100)
	between(t, "sessions with unknown MFA", unknownMFA, n*25/100, n*60/100)
	between(t, "ECS Exec without a log", unloggedExec, 1, n*3/100)
	for alert, low := range map[string]int{
		"unlogged": 80, "denied": 25, "no_mfa": 30, "root_or_unknown_actor": 10, "cross_account": 10,
	} {
		between(t, "alerts "+alert, alerts[alert], low, n*30/100)
	}
	t.Log(kinds, alerts, resumed, terminated, byOthers, unknownMFA)
}

func TestDeliveries(t *testing.T) {
	type identity struct{ record, name string }
	s := New(1, 500)
	first := map[identity]Delivery{} // without the names of CloudTrail objects
	ids := map[string]string{}
	repeats := map[identity]int{}
	late, disorder := 0, 0
	all := s.Deliveries()
	for i, d := range all {
		if i > 0 && d.At.Before(all[i-1].At) {
			t.Fatalf("delivery %d arrives before the one before it", i)
		}
		disorder += count(i > 0 && d.EventTime.Before(all[i-1].EventTime))
		if delay := d.At.Sub(d.EventTime); delay <= 0 || delay > 6*time.Hour {
			t.Errorf("%s arrives %s after its time", d.Name, delay)
		} else {
			late += count(delay > time.Hour)
		}
		key := identity{string(d.Record), d.Name}
		if d.Form == CloudTrail {
			key.name = ""
		}
		before, again := first[key]
		if !again {
			first[key] = d
			if id := idOf(t, &d); id != "" && ids[id] != "" {
				t.Errorf("%s is the id of two different events", id)
			} else {
				ids[id] = d.Name
			}
			continue
		}
		repeats[key]++
		if before.EventID != d.EventID || !before.EventTime.Equal(d.EventTime) || before.Session != d.Session ||
			&before.Record[0] != &d.Record[0] {
			t.Errorf("a repeat differs: %s", d.Name)
		}
	}
	most := 0
	for _, n := range repeats {
		most = max(most, n)
	}
	between(t, "records that are repeated", len(repeats), len(first)*17/100, len(first)*23/100)
	between(t, "repeats of one record", most, 3, 3)
	between(t, "late deliveries", late, len(all)*20/100, len(all)*45/100)
	between(t, "deliveries that overtake", disorder, len(all)*5/100, len(all))
	t.Logf("%d deliveries of %d records, %d overtaken, %d late", len(all), len(first), disorder, late)
}

// idOf is what no two events share.
func idOf(t *testing.T, d *Delivery) string {
	if d.Form != CloudTrail {
		return d.EventID
	}
	var r struct{ EventID string }
	if err := json.Unmarshal(d.Record, &r); err != nil || r.EventID == "" {
		t.Fatalf("a record without an id: %v\n%s", err, d.Record)
	}
	return r.EventID
}

func TestLogEventsOfOneSecondAreInOrder(t *testing.T) {
	s := newScene(1, 0, &settings{})
	s.deliveries = nil
	for i := range 20 {
		s.logEvent(Streamed, Start(), []byte{byte(i)})
	}
	slices.SortFunc(s.deliveries, func(a, b Delivery) int { return strings.Compare(a.EventID, b.EventID) })
	for i, d := range s.deliveries {
		if len(d.EventID) != 56 || i > 0 && d.Record[0] < s.deliveries[i-1].Record[0] {
			t.Errorf("%s is the id of event %d", d.EventID, d.Record[0])
		}
	}
}

func TestOptions(t *testing.T) {
	s := New(1, 100, Within(time.Hour), Large(2))
	large := 0
	for _, d := range s.Deliveries() {
		if d.EventTime.Before(Start()) || d.EventTime.After(Start().Add(time.Hour+5*time.Hour)) {
			t.Errorf("%s is of %s", d.Name, d.EventTime)
		}
	}
	for _, truth := range s.Truth() {
		if truth.Started.After(Start().Add(time.Hour)) {
			t.Errorf("%s begins at %s", truth.ID, truth.Started)
		}
		large += count(truth.Bytes > 4<<20)
	}
	between(t, "large transcripts", large, 2, 2)
	for _, d := range New(1, 500).Deliveries() {
		if len(d.Record) > 64<<10 && d.Form != Streamed { // JSON makes them larger
			t.Errorf("%s has %d bytes", d.Name, len(d.Record))
		}
	}
}

func TestFiveThousandSessionsFitMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := New(1, 5000)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 500<<20 {
		t.Errorf("5,000 sessions take %d MiB", kept>>20)
	} else {
		t.Logf("%d MiB, %d deliveries", kept>>20, len(s.Deliveries()))
	}
	runtime.KeepAlive(s)
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		New(1, 500)
	}
}

func between(t *testing.T, what string, got, low, high int) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s: %d, want %d to %d", what, got, low, high)
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
