package sessions

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/pipeline"
)

// passed returns the log records since the last call: the number of the command of each, and what is known of its session.
func (r *rig) passed() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, d := range r.events {
		if d.Record.Kind != pipeline.KindSessionLog {
			continue
		}
		_, rest, _ := bytes.Cut(d.Raw, []byte("$ command "))
		n, _, _ := bytes.Cut(rest, []byte(`"`))
		what := "stamped"
		if bytes.Contains(d.Raw, []byte(`"pending":true`)) {
			what = "pending"
		}
		all = append(all, string(n)+" "+what)
	}
	r.events = nil
	return strings.Join(all, ", ")
}

func (r *rig) wantPassed(want string) {
	r.t.Helper()
	synctest.Wait()
	if got := r.passed(); got != want {
		r.t.Errorf("passed %q, want %q", got, want)
	}
}

// TestLogRecordsWaitForTheirSession holds when records pass, and in which order.
func TestLogRecordsWaitForTheirSession(t *testing.T) {
	const bob = "bob-0123456789abcdef1"
	c := Config{Logs: true, Hold: 10 * time.Minute}
	play := func(name string, c Config, steps func(r *rig)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { steps(newRig(t, c)) })
		})
	}
	play("until it starts", c, func(r *rig) {
		for n := range 3 {
			r.logged(alice, n, time.Now())
			r.logged(bob, 10+n, time.Now())
		}
		r.wantPassed("")
		time.Sleep(9 * time.Minute)
		r.wantPassed("")
		r.trail(startOf(alice, sso, "doc", time.Now()))
		synctest.Wait()
		if got := r.passed(); got != "0 stamped, 1 stamped, 2 stamped" {
			t.Errorf("passed %q", got)
		}
		r.logged(alice, 3, time.Now())
		r.wantPassed("3 stamped")
		time.Sleep(2 * time.Minute)
		r.wantPassed("10 pending, 11 pending, 12 pending")
	})
	play("each for its own time", c, func(r *rig) {
		r.logged(alice, 0, time.Now())
		time.Sleep(5 * time.Minute)
		r.logged(alice, 1, time.Now())
		time.Sleep(6 * time.Minute)
		r.wantPassed("0 pending")
		r.trail(startOf(alice, sso, "doc", time.Now()))
		r.told("opened linked(4)") // of which one has passed
	})
	play("nothing is linked of which nothing has passed", c, func(r *rig) {
		r.logged(alice, 0, time.Now())
		r.trail(startOf(alice, sso, "doc", time.Now()))
		r.told("opened")
	})
	play("a repeat is held once", c, func(r *rig) {
		at := time.Now()
		r.logged(alice, 0, at)
		r.logged(alice, 0, at)
		r.trail(startOf(alice, sso, "doc", at))
		r.wantPassed("0 stamped")
	})
	play("not without the key", Config{Logs: true}, func(r *rig) {
		r.logged(alice, 0, time.Now())
		r.wantPassed("0 pending")
	})
	play("as long as there is room", Config{Logs: true, Hold: time.Hour, MaxMemory: 1 << 20}, func(r *rig) {
		for n := range 500 {
			r.logged(alice, n, time.Now())
		}
		n := strings.Count(r.passed(), "pending")
		if n < 100 || n > 450 {
			t.Errorf("%d of 500 passed at once", n)
		}
		h := r.filter.held
		h.mu.Lock()
		if h.size > 1<<18 {
			t.Errorf("%d bytes are held", h.size)
		}
		h.mu.Unlock()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got := strings.Count(r.passed(), "pending"); got != 500-n {
			t.Errorf("%d passed later, want %d", got, 500-n)
		}
		if h.size != 0 || len(h.records) != 0 || len(h.sessions) != 0 {
			t.Errorf("left: %d bytes, %d records, %d sessions", h.size, len(h.records), len(h.sessions))
		}
	})
	play("not while they can not be written", c, func(r *rig) {
		r.trail() // opens the files
		r.logged(bob, 0, time.Now())
		readOnly, err := os.Open(r.filter.path + ".held")
		if err != nil {
			t.Fatal(err)
		}
		good := r.filter.held.journal.file
		r.filter.held.journal.file = readOnly
		r.logged(alice, 1, time.Now())
		r.wantPassed("1 pending")
		if !strings.Contains(r.log.String(), "can not be kept") {
			t.Errorf("the log says %s", r.log.String())
		}
		_ = good.Close()
		time.Sleep(time.Minute)
		r.logged(alice, 2, time.Now())
		r.wantPassed("")
		r.stop()
		r.start()
		r.trail(startOf(alice, sso, "doc", time.Now()), startOf(bob, sso, "doc", time.Now()))
		synctest.Wait()
		if got := r.passed(); got != "0 stamped, 2 stamped" && got != "2 stamped, 0 stamped" {
			t.Errorf("passed %q", got)
		}
	})
}

// TestHeldRecordsSurvive holds that a stop or a crash at any time loses no record: it passes at least once, each time with
// the same key, id and bytes of its own.
func TestHeldRecordsSurvive(t *testing.T) {
	at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where synctest begins
	var want [3]delivered
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Config{})
		for n := range want {
			r.logged(alice, n, at)
			want[n] = r.events[n]
		}
	})
	end := map[string]func(*rig){
		"stop":                       func(r *rig) { r.stop() },
		"crash":                      func(r *rig) { r.kill(false) },
		"crash with unsettled facts": func(r *rig) { r.kill(true) },
	}
	for name, end := range end {
		for _, when := range []string{"before the start", "after the start", "while they pass", "when they have passed"} {
			t.Run(name+" "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, Config{Hold: 24 * time.Hour})
					for n := range want {
						r.logged(alice, n, at)
					}
					begin := func() { r.trail(startOf(alice, sso, "doc", at)) }
					switch when {
					case "after the start":
						begin()
						fallthrough
					case "before the start":
						end(r)
					case "while they pass":
						r.deaf = true
						r.failWith(errors.New("the answer got lost"))
						r.feed("trail", "trail.json", `{"Records":[`+startOf(alice, sso, "doc", at)+`]}`, at)
						synctest.Wait()
						end(r)
						r.deaf = false
						r.failWith(nil)
					default:
						begin()
						synctest.Wait()
						end(r)
					}
					r.start()
					begin() // comes again
					time.Sleep(48 * time.Hour)
					synctest.Wait()
					got := map[string]int{}
					for _, d := range r.events {
						if d.Record.Kind != pipeline.KindSessionLog {
							continue
						}
						got[d.key]++
						for n := range want {
							if w := &want[n]; d.key == w.key && (d.Record.Facts().ID != w.Record.Facts().ID || !bytes.Equal(d.Record.Raw, w.Record.Raw) || d.Facts().Session.Reason != "TICKET-1") {
								t.Errorf("got  %s\nwant %s, stamped", d.Raw, w.Raw)
							}
						}
					}
					for n := range want {
						if times := got[want[n].key]; times == 0 || times > 1 && when != "while they pass" && name == "stop" {
							t.Errorf("record %d passed %d times", n, times)
						}
					}
					if len(got) != len(want) {
						t.Errorf("%d different keys, want %d", len(got), len(want))
					}
				})
			})
		}
	}
}

// TestHeldEventIsTheSame holds that an event is made anew as it was, whatever earlier filters made of its bytes and facts.
func TestHeldEventIsTheSame(t *testing.T) {
	raw := []byte(`{"eventTime":"2025-03-03T06:00:00Z","awsRegion":"eu-west-1","target":{"id":"i-0a"},"userIdentity":{"arn":"arn:aws:sts::111122223333:assumed-role/r/alice"},"sessionId":"` + alice + `","sessionData":["a<b>\u00e9"]}`)
	n := new(record.Notes)
	r := &pipeline.Record{Raw: raw, Kind: record.Recognise(raw, n), Notes: n, Reader: record.Reader{}, Seed: "seed", Index: 3, Offset: 99,
		Origin: &pipeline.Origin{Input: "logs", Object: "o", Identity: "e", Via: []string{"sqs"}, Owner: "111122223333", Time: time.Unix(1, 5).UTC()}}
	plain := pipeline.NewEvent(r)
	named := *plain.Facts()
	named.Account.Name = "prod"
	enriched := plain.WithMember([]byte(strings.TrimSuffix(string(raw), "}") + `,"trailcast":{"v":1}}`)).WithFacts(&named)
	for name, ev := range map[string]pipeline.Event{
		"as it was": plain, "enriched": enriched, "changed": plain.WithRaw([]byte(`{"sessionId":1 }`)),
		"made longer": plain.WithRaw([]byte(strings.TrimSuffix(string(raw), "}") + `,"x":1}`)),
	} {
		f, ok := observe(&ev, time.Now)
		if !ok {
			t.Fatal("not about a session")
		}
		line := appendFact(nil, &fact{Session: alice, Kind: waits, Held: newHeldRecord(&f, &ev)})
		parsed, err := parseFact(line[:len(line)-1])
		if err != nil || !parsed.Held.whole() {
			t.Fatalf("%s: %v", name, err)
		}
		got := parsed.Held.event()
		if !bytes.Equal(got.Raw, ev.Raw) || got.Key() != ev.Key() || *got.Facts() != *ev.Facts() || got.Intact() != ev.Intact() || got.Pristine() != ev.Pristine() {
			t.Errorf("%s: got %s, key %s\n%+v", name, got.Raw, got.Key(), got.Facts())
		}
		g := got.Record
		if !bytes.Equal(g.Raw, raw) || g.Seed != "seed" || g.Index != 3 || g.Offset != 99 || g.Kind != r.Kind || gocmp.Diff(g.Origin, r.Origin) != "" {
			t.Errorf("%s: %+v", name, g)
		}
	}
}

func TestHoldNeedsAStateDirectory(t *testing.T) {
	if _, err := New(Config{Hold: time.Minute}, pipeline.Env{Name: "s"}); err == nil || !strings.Contains(err.Error(), "state directory") {
		t.Errorf("%v", err)
	}
}

// TestLookingOnHoldsNothing holds that an event outside of an engine passes.
func TestLookingOnHoldsNothing(t *testing.T) {
	f, err := New(Config{Hold: time.Minute}, pipeline.Env{Name: "s", StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.Apply(context.Background(), nil, noted(fmt.Sprintf(`{"sessionId":%q,"target":{"id":"i-1"},"sessionData":["a"]}`, alice)))
	if len(out) != 1 || err != nil {
		t.Errorf("%d results, %v", len(out), err)
	}
}

// FuzzHeld holds that whatever stands in the file can be read, and that what is held then can be made events of.
func FuzzHeld(f *testing.F) {
	f.Add([]byte(`{"session":"x-1","kind":"waits","held":{"key":"k","raw":"e30=","own":2}}`), []byte(`{"session":"x-1","kind":"passed","held":{"key":"k"}}`))
	f.Add([]byte(`{"session":"x-1","kind":"waits","held":{"key":"k","raw":"e30=","own":9}}`), []byte(`{"session":"x-1","kind":"waits","held":{"key":"k","raw":"e30=","record":"e30="}}`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		h := newHeld(0, 1<<20, 0, func() {})
		for _, line := range [][]byte{first, second} {
			sealed := fmt.Appendf(nil, "%08x %s", crc32.ChecksumIEEE(line), line)
			if parsed, err := parseFact(sealed); err == nil {
				h.restore(&parsed)
			}
		}
		ready, _ := h.ready(1)
		if len(ready) != len(h.records) {
			t.Errorf("%d of %d are ready", len(ready), len(h.records))
		}
		for _, r := range ready {
			ev := r.event()
			_, _ = ev.Key(), ev.Facts()
			h.remove(r)
		}
		if h.size != 0 || len(h.sessions) != 0 {
			t.Errorf("%d bytes, %d sessions", h.size, len(h.sessions))
		}
	})
}
