package sessions

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

// TestFleetWatchComesLate holds that a watch that is behind undoes nothing that was written or asked for meanwhile, and that
// nothing is remembered for its sake once it has come as far.
func TestFleetWatchComesLate(t *testing.T) {
	key := keyOf(alice)
	begun := func(revision uint32) *value {
		return &value{ID: alice, State: &state{Started: 5, Heard: 6, Revision: revision}}
	}
	// steps are done by an agent that knows the session as of revision 5.
	forget := func(s *fleet) {
		s.merge(&fact{Session: alice, Kind: forgot, Heard: 6})
	}
	write := func(s *fleet, revision uint64) {
		w := s.prepare(key)
		if w.gone {
			revision = 0 // the bucket does not tell that of a deletion
		}
		s.wrote(w, revision)
	}
	tests := map[string]struct {
		steps    func(t *testing.T, s *fleet)
		known    bool
		revision uint32
		remotes  int
	}{
		"it brings what was before this agent deleted it": {func(t *testing.T, s *fleet) {
			s.merge(&fact{Session: alice, Kind: revised, Revision: 1})
			write(s, 6)
			forget(s)
			write(s, 7)
			s.brought(key, 6, begun(1), nil, changed)
		}, false, 0, 0},
		"it has not come as far": {func(t *testing.T, s *fleet) {
			s.merge(&fact{Session: alice, Kind: revised, Revision: 1})
			write(s, 6)
			forget(s)
			write(s, 7)
		}, false, 0, 1},
		"it brings the deletion at last": {func(t *testing.T, s *fleet) {
			s.merge(&fact{Session: alice, Kind: revised, Revision: 1})
			write(s, 6)
			forget(s)
			write(s, 7)
			s.brought(key, 7, nil, nil, changed)
		}, false, 0, 0},
		"it brings the deletion before the answer comes": {func(t *testing.T, s *fleet) {
			forget(s)
			w := s.prepare(key)
			s.brought(key, 6, nil, nil, changed)
			s.wrote(w, 0)
		}, false, 0, 0},
		"it brings what is anew before the answer to the deletion comes": {func(t *testing.T, s *fleet) {
			forget(s)
			w := s.prepare(key)
			anew := begun(3)
			anew.State.Heard = 7
			s.brought(key, 7, anew, nil, changed)
			s.wrote(w, 0)
			if got := s.remotes[key].revision; got != 7 {
				t.Errorf("the next write follows revision %d, want 7", got)
			}
		}, true, 3, 1},
		"it brings what was before another agent deleted it": {func(t *testing.T, s *fleet) {
			s.merge(&fact{Session: alice, Kind: pending})
			s.brought(key, 8, nil, nil, asked)
			write(s, 0)
			s.brought(key, 6, begun(2), nil, changed)
			s.brought(key, 7, begun(3), nil, changed)
		}, false, 0, 1},
		"it brings the deletion that is known": {func(t *testing.T, s *fleet) {
			s.brought(key, 8, nil, nil, asked)
			s.brought(key, 7, begun(3), nil, changed)
			s.brought(key, 8, nil, nil, changed)
		}, false, 0, 0},
		"it brings the deletion of what is there again": {func(t *testing.T, s *fleet) {
			forget(s)
			write(s, 6)
			s.merge(&fact{Session: alice, Kind: streamed, Hash: 1, Heard: 7})
			write(s, 7)
			s.brought(key, 6, nil, nil, changed)
		}, true, 0, 1},
		"it brings a deletion after what was written": {func(t *testing.T, s *fleet) {
			s.merge(&fact{Session: alice, Kind: streamed, Hash: 1, Heard: 7})
			w := s.prepare(key)
			s.brought(key, 7, nil, nil, changed)
			s.merge(&fact{Session: alice, Kind: streamed, Hash: 2, Heard: 8})
			s.wrote(w, 6)
			if got := s.sessions[alice]; len(got.seen) != 1 || got.known() {
				t.Errorf("what was deleted is known: %+v", got)
			}
			write(s, 8)
		}, true, 0, 1},
		"it brings a deletion after all that was written": {func(t *testing.T, s *fleet) {
			s.merge(&fact{Session: alice, Kind: streamed, Hash: 1, Heard: 7})
			w := s.prepare(key)
			s.brought(key, 7, nil, nil, changed)
			s.wrote(w, 6)
		}, false, 0, 0},
		"it brings an older value": {func(t *testing.T, s *fleet) {
			s.brought(key, 8, begun(3), nil, asked)
			s.brought(key, 7, begun(2), nil, changed)
		}, true, 3, 1},
		"the bucket is read again and has an older one": {func(t *testing.T, s *fleet) {
			s.anew()
			s.brought(key, 4, begun(2), nil, listed)
		}, true, 2, 1},
		"the bucket is read again and has nothing": {func(t *testing.T, s *fleet) {
			s.merge(&fact{Session: alice, Kind: revised, Revision: 1})
			write(s, 6)
			forget(s)
			write(s, 7)
			s.anew()
			s.only(nil)
		}, false, 0, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config := Config{}.withDefaults()
			r := newRules(config, time.UnixMilli(1))
			log := slog.New(slog.DiscardHandler)
			s := newFleet(newMemory(1<<20, r.next, func(int, int) {}), newBucket(KV{}, nil, log), time.Second, r.clocks, func(string) {})
			s.brought(key, 5, begun(0), nil, changed)
			test.steps(t, s)
			e := s.sessions[alice]
			if got := e != nil; got != test.known {
				t.Fatalf("the session is known: %v, want %v", got, test.known)
			}
			if e != nil && e.Revision != test.revision {
				t.Errorf("it has revision %d, want %d", e.Revision, test.revision)
			}
			if len(s.remotes) != test.remotes || s.facts != 0 {
				t.Errorf("%d keys are remembered, want %d; %d facts", len(s.remotes), test.remotes, s.facts)
			}
		})
	}
}

// TestFleetAsksBeforeItTellsThatThereIsNoLog holds that a log counts that another agent read and the watch has not brought.
func TestFleetAsksBeforeItTellsThatThereIsNoLog(t *testing.T) {
	w := newWorld(t)
	w.together(2, fleetConfig)
	teller := w.holder()
	reader := w.agents[0]
	if reader == teller {
		reader = w.agents[1]
	}
	at := w.now()
	teller.sendOf("trail", "trail.json", `{"Records":[`+startOf(alice, sso, "doc", at)+`,`+endOf(alice, sso, at.Add(time.Second))+`]}`, at)
	w.after(2 * time.Minute)
	w.told()
	s := teller.filter.fleet
	s.mu.Lock()
	revision, before := s.remotes[keyOf(alice)].revision, s.sessions[alice].state
	s.mu.Unlock()
	if before.Told == 0 || before.Logged {
		t.Fatalf("%+v is not what is to be told as unlogged next", before)
	}
	reader.logged(alice, 1, at)
	w.told()
	s.brought(keyOf(alice), revision, &value{ID: alice, State: &before}, nil, listed)
	if s.look(alice).Logged {
		t.Fatal("the agent is not behind")
	}
	w.after(30 * time.Minute)
	w.told()
	all, _ := w.everything(w.agents...)
	for _, d := range all.events {
		if d.Alert == alertUnlogged {
			t.Errorf("told %s", d.Raw)
		}
	}
}

// TestFleetClosesWhileItConnects holds that an agent ends that is closed while it begins to follow the bucket: at any time
// before, and when the connection was made again while it writes the last that it knows.
func TestFleetClosesWhileItConnects(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		c := fleetConfig
		c.KV = &KV{URL: []string{w.url()}, Create: true, Bucket: fmt.Sprint("bucket", i)}
		f, err := newWithClock(c, pipeline.Env{Name: "sessions"}, w.now)
		if err != nil {
			t.Fatal(err)
		}
		f.open()
		fill(t, f.store, 400)
		if b := f.fleet.bucket; i%2 == 0 {
			w.wait("it to follow the bucket", func() bool { return b.open() != nil })
			select {
			case b.connected <- struct{}{}:
			default:
			}
		}
		closed := make(chan error, 1)
		go func() { closed <- f.Close() }()
		select {
		case err := <-closed: // it may have had no time to connect
			if err != nil && !errors.Is(err, errAway) {
				t.Error(err)
			}
		case <-time.After(waitLimit):
			t.Fatalf("the one numbered %d does not end", i)
		}
	}
	// A stream that the server makes while it is stopped would stay.
	w.wait("the server to be done with them", func() bool { return w.server.NumClients() == 0 })
}
