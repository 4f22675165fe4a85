package sessions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	gen "github.com/trailcast/trailcast/bench/gen/sessions"
	"github.com/trailcast/trailcast/internal/natsconn"
	"github.com/trailcast/trailcast/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const waitLimit = 30 * time.Second

// world is a real server that can be stopped and started again, and agents that share their sessions by it. Their time is
// what the test says; claims run in true time.
type world struct {
	*testing.T
	server  *server.Server
	options server.Options
	clock   atomic.Int64
	lease   time.Duration
	agents  []*rig
}

func newWorld(t *testing.T, users ...*server.User) *world {
	t.Helper()
	w := &world{T: t, lease: 10 * time.Second, options: server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: fastDir(t), NoSigs: true, NoLog: true, Users: users,
	}}
	w.setTime(time.Date(2025, 3, 3, 6, 0, 0, 0, time.UTC))
	w.startServer()
	t.Cleanup(w.stopServer)
	return w
}

func (w *world) startServer() {
	w.Helper()
	o := w.options // the server changes its options
	s, err := server.NewServer(&o)
	if err != nil {
		w.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(waitLimit) {
		w.Fatal("the NATS server does not start")
	}
	w.server = s
	w.options.Port = s.Addr().(*net.TCPAddr).Port
}

func (w *world) stopServer() {
	w.server.Shutdown()
	w.server.WaitForShutdown()
}

func (w *world) url() string {
	return "nats://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(w.options.Port))
}

func (w *world) now() time.Time { return time.UnixMilli(w.clock.Load()).UTC() }

// setTime has the agents look at what is due then.
func (w *world) setTime(at time.Time) {
	w.clock.Store(at.UnixMilli())
	for _, a := range w.agents {
		a.filter.store.wake()
	}
}

func (w *world) after(d time.Duration) { w.setTime(w.now().Add(d)) }

// agent starts one.
func (w *world) agent(c Config) *rig {
	w.Helper()
	if c.KV == nil {
		c.KV = &KV{Create: true}
	}
	c.KV.URL = []string{w.url()}
	r := &rig{t: w.T, config: c, dir: fastDir(w.T), now: w.now, lease: w.lease}
	r.start()
	w.Cleanup(r.stop)
	w.agents = append(w.agents, r)
	return r
}

// together starts n agents and waits until they follow the bucket.
func (w *world) together(n int, c Config) []*rig {
	w.Helper()
	for range n {
		w.agent(c)
	}
	w.following()
	return w.agents
}

func (w *world) following() {
	w.Helper()
	w.wait("all agents to follow the bucket, and one to have the claim", func() bool {
		for _, a := range w.agents {
			if a.filter.fleet.bucket.open() == nil {
				return false
			}
		}
		return w.holder() != nil
	})
}

// holder returns the agent that has the claim.
func (w *world) holder() *rig {
	for _, a := range w.agents {
		if a.filter.fleet.claim.mine() {
			return a
		}
	}
	return nil
}

func (w *world) wait(what string, met func() bool) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), waitLimit)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			for i, a := range w.agents {
				s := a.filter.fleet
				s.mu.Lock()
				w.Logf("agent %d has %d sessions and %d facts unsent, %v: %s", i, len(s.sessions), s.facts, s.failure, a.log.String())
				s.mu.Unlock()
			}
			if n := len(w.agents); n > 1 {
				a, b := w.agents[0].filter.fleet, w.agents[n-1].filter.fleet
				w.Log(gocmp.Diff(states(a.memory), states(b.memory)))
			}
			w.Fatalf("waited in vain for %s", what)
		}
	}
}

// told waits until all that is due is told, and all agents know the same.
func (w *world) told() {
	w.Helper()
	w.wait("all to be told", func() bool {
		h := w.holder()
		if h == nil {
			return false
		}
		if due, _ := h.filter.memory.due(milliseconds(w.now()), 1); len(due) > 0 {
			h.filter.store.wake()
			return false
		}
		return w.agree()
	})
}

// agree does not look at when a session was heard of last: of a repeat that is known here only.
func (w *world) agree() bool {
	type known struct {
		state
		hashes int
	}
	var first map[string]known
	for _, a := range w.agents {
		if err := a.filter.commit(); err != nil {
			return false
		}
		s := a.filter.fleet
		s.mu.Lock()
		unsent, all := s.facts, map[string]known{}
		for id, e := range s.sessions {
			k := known{e.state, len(e.seen)}
			k.Heard = 0
			all[id] = k
		}
		s.mu.Unlock()
		if first == nil {
			first = all
		}
		if unsent > 0 || !maps.Equal(first, all) {
			return false
		}
	}
	return true
}

// everything returns what all receivers got, as one that drops repeats of session events sees it, and how often closings
// came.
func (w *world) everything(from ...*rig) (all *rig, closings map[string]int) {
	all, closings = &rig{t: w.T}, map[string]int{}
	seen := map[string]bool{}
	for _, a := range from {
		a.mu.Lock()
		for _, d := range a.events {
			if d.Record.Kind == pipeline.KindSession {
				if d.State == stateClosed || d.Alert == alertUnlogged && d.Cause == "" {
					closings[d.Trailcast.ID]++
				}
				if seen[d.Trailcast.ID] {
					continue
				}
				seen[d.Trailcast.ID] = true
			}
			all.events = append(all.events, d)
		}
		a.mu.Unlock()
	}
	return all, closings
}

var fleetConfig = Config{Logs: true, MaxDuration: 24 * time.Hour}

// TestFleetJoins holds that what one agent reads is joined with what another does.
func TestFleetJoins(t *testing.T) {
	w := newWorld(t)
	agents := w.together(3, fleetConfig)
	at := w.now()
	agents[0].trail(startOf(alice, sso, "doc", at))
	w.told()
	agents[1].logged(alice, 1, at)
	agents[2].logged(alice, 2, at)
	for i, n := range []int{0, 1, 1} {
		if got := strings.Count(string(agents[i].passed()), "stamped"); got != n {
			t.Errorf("agent %d: %d records are stamped, want %d", i, got, n)
		}
	}
	agents[1].logged(alice, 2, at) // both read it
	w.told()
	agents[2].trail(endOf(alice, noMFA, at.Add(time.Minute)))
	w.told() // the end of it is known to all
	w.after(time.Hour)
	w.told()
	all, closings := w.everything(agents...)
	if got := all.took(); got != "terminated(4) closed:terminated(4)" && got != "closed:terminated(4) terminated(4)" {
		t.Errorf("told %q", got)
	}
	for id, n := range closings {
		if n != 1 {
			t.Errorf("closing %s came %d times", id, n)
		}
	}
	w.after(25 * time.Hour)
	w.told()
	w.wait("the bucket to be empty", func() bool { // all have heard of it by now
		for _, a := range w.agents {
			b := a.filter.fleet.bucket
			b.mu.Lock()
			b.leftFor = 0
			b.mu.Unlock()
			a.filter.tidy()
		}
		return len(w.keys("s.")) == 0
	})
	for i, a := range agents {
		if s := a.filter.fleet; len(s.sessions)+len(s.remotes)+len(s.unsent)+len(s.fresh) != 0 {
			t.Errorf("agent %d remembers %d sessions, %d of the bucket, %d facts", i, len(s.sessions), len(s.remotes), len(s.fresh))
		}
	}
}

// keys returns the subjects that the bucket has messages of, deleted keys as well.
func (w *world) keys(prefix string) (keys []string) {
	w.Helper()
	nc, err := nats.Connect(w.url())
	if err != nil {
		w.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		w.Fatal(err)
	}
	stream, err := js.Stream(w.Context(), "KV_trailcast-sessions")
	if err != nil {
		w.Fatal(err)
	}
	info, err := stream.Info(w.Context(), jetstream.WithSubjectFilter("$KV.trailcast-sessions."+prefix+">"))
	if err != nil {
		w.Fatal(err)
	}
	for subject := range info.State.Subjects {
		keys = append(keys, subject)
	}
	return keys
}

// TestFleetScenario plays what AWS delivers of 500 sessions to two agents at random, some of it to both. In the end all must
// be known that there is to know, and each closing is told once.
func TestFleetScenario(t *testing.T) {
	const seed = 5
	t.Logf("seed %d", seed)
	n := 500
	if testing.Short() {
		n = 60
	}
	s := gen.New(seed, n, gen.Within(5*24*time.Hour))
	deliveries := s.Deliveries()
	w := newWorld(t)
	w.setTime(deliveries[0].At)
	agents := w.together(2, scenarioConfig)
	r := rand.New(rand.NewPCG(seed, seed))
	for i := range deliveries {
		d := &deliveries[i]
		if d.At.After(w.now()) {
			w.setTime(d.At)
		}
		switch r.IntN(10) {
		case 0, 1, 2, 3:
			agents[0].play(d)
		case 4, 5, 6, 7:
			agents[1].play(d)
		default:
			begun := agents[0].begin(d)
			agents[1].play(d)
			if got, _ := begun.Wait(t.Context()); got.Outcome != pipeline.Delivered {
				t.Fatalf("%v: %v", got.Outcome, got.Err)
			}
		}
	}
	w.told()
	for range 72 {
		w.after(time.Hour)
		w.told()
	}
	all, closings := w.everything(agents...)
	if diff := gocmp.Diff(truths(s), all.outcomes()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for id, n := range closings {
		if n != 1 {
			t.Errorf("closing %s came %d times", id, n)
		}
	}
	if len(agents[0].filter.fleet.sessions) != 0 {
		t.Errorf("%d sessions are remembered for ever", len(agents[0].filter.fleet.sessions))
	}
}

// crash ends an agent as a crash does: it says nothing to the others any more, and nothing is written.
func (w *world) crash(r *rig) {
	w.Helper()
	saved := r.files()
	r.filter.fleet.bucket.nc.Close()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.engine.Close(ended); err != nil {
		w.Error(err)
	}
	for path, content := range saved {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			w.Fatal(err)
		}
	}
	r.engine = nil
	w.agents = slices.DeleteFunc(w.agents, func(a *rig) bool { return a == r })
}

// TestFleetGoesOnWithoutOne holds that sessions of an agent that disappeared are closed by another one, and that its frames,
// which another one reads again, count once.
func TestFleetGoesOnWithoutOne(t *testing.T) {
	const seed = 6
	t.Logf("seed %d", seed)
	s := gen.New(seed, 60, gen.Within(24*time.Hour))
	deliveries := s.Deliveries()
	w := newWorld(t)
	w.lease = 300 * time.Millisecond
	w.setTime(deliveries[0].At)
	w.together(3, scenarioConfig)
	everyone := slices.Clone(w.agents)
	r := rand.New(rand.NewPCG(seed, seed))
	for i := range deliveries {
		d := &deliveries[i]
		if d.At.After(w.now()) {
			w.setTime(d.At)
		}
		if i == len(deliveries)/3 || i == len(deliveries)*2/3 {
			gone := w.holder()
			for gone == nil {
				w.following()
				gone = w.holder()
			}
			gone.failWith(errors.New("away"))
			before := gone.engine.Stats().Routed
			gone.begin(d)
			w.wait("the filter to have seen the event", func() bool { return gone.engine.Stats().Routed > before })
			w.crash(gone)
		}
		w.agents[r.IntN(len(w.agents))].play(d)
	}
	w.told()
	for range 72 {
		w.after(time.Hour)
		w.told()
	}
	all, _ := w.everything(everyone...)
	if diff := gocmp.Diff(truths(s), all.outcomes()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestFleetCatchesUp holds that agents go on while the server is away, from the start or in between, and that nothing of
// what they learned then is lost, even if one crashes before the server is back.
func TestFleetCatchesUp(t *testing.T) {
	const bob = "bob-0123456789abcdef1"
	w := newWorld(t)
	w.stopServer()
	a, b := w.agent(fleetConfig), w.agent(fleetConfig)
	at := w.now()
	a.trail(startOf(alice, sso, "doc", at))
	b.logged(alice, 1, at)
	b.trail(startOf(bob, sso, "doc", at))
	b.logged(bob, 2, at)
	if got := b.passed(); got != "1 pending, 2 stamped" {
		t.Errorf("passed %q", got)
	}
	w.wait("the log to tell that nothing can be kept", func() bool { return strings.Contains(b.log.String(), "can not be kept") })
	b.trail(startOf(bob, sso, "doc", at))
	if got := strings.Count(b.log.String(), "can not be kept"); got != 1 {
		t.Errorf("told %d times that nothing can be kept:\n%s", got, b.log.String())
	}
	w.crash(b)
	w.startServer()
	b.start()
	w.agents = append(w.agents, b)
	w.following()
	w.told()
	b.logged(alice, 3, at)
	if got := b.passed(); got != "3 stamped" {
		t.Errorf("passed %q", got)
	}
	w.stopServer()
	a.logged(alice, 4, at)
	b.logged(alice, 5, at)
	w.startServer()
	w.following()
	w.told()
	w.after(time.Hour)
	w.told()
	all, _ := w.everything(a, b)
	got := strings.Fields(all.took())
	slices.Sort(got)
	if want := "closed:idle(2) closed:idle(8) opened"; strings.Join(got, " ") != want { // the second opened was taken above
		t.Errorf("told %q, want %q", got, want)
	}
	for _, r := range []*rig{a, b} {
		if !strings.Contains(r.log.String(), "is kept again") {
			t.Errorf("the log says %s", r.log.String())
		}
	}
}

// TestFleetCountsLongSessions holds that each log event counts once where there are many of a session, also by an agent that
// came later.
func TestFleetCountsLongSessions(t *testing.T) {
	w := newWorld(t)
	agents := w.together(2, fleetConfig)
	const n = 3*blockSize + 100
	learn := func(r *rig, from, to int) {
		for i := from; i < to; i++ {
			r.filter.store.merge(&fact{Session: alice, Kind: streamed, Hash: uint64(i) + 1, Rank: byLog, Lines: 1, Bytes: 3, Time: milliseconds(w.now()), Heard: milliseconds(w.now())})
			if i%97 == 0 {
				_ = r.filter.commit()
			}
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		learn(agents[0], 0, n*2/3)
	}()
	learn(agents[1], n/3, n)
	<-done
	w.told()
	late := w.agent(fleetConfig)
	w.following()
	w.told()
	learn(late, 0, n)
	w.told()
	for i, a := range w.agents {
		s := a.filter.store.look(alice)
		if got := s.count(); got.Lines != n || got.Bytes != 3*n {
			t.Errorf("agent %d counts %+v, want %d lines", i, got, n)
		}
	}
	if got := len(w.keys("s.")); got < 4 {
		t.Errorf("%d keys: no blocks", got)
	}
	s := late.filter.store.look(alice)
	late.filter.store.merge(&fact{Session: alice, Kind: forgot, Heard: s.Heard})
	learn(late, 0, blockSize+5)
	w.told()
	for i, a := range w.agents {
		s := a.filter.store.look(alice)
		if got := s.count(); got.Lines != blockSize+5 {
			t.Errorf("agent %d counts %+v after it was forgotten", i, got)
		}
	}
}

// TestFleetReleasesHeldRecords holds that a held record passes when another agent has the start.
func TestFleetReleasesHeldRecords(t *testing.T) {
	w := newWorld(t)
	c := fleetConfig
	c.Hold = time.Hour
	agents := w.together(2, c)
	agents[1].logged(alice, 1, w.now())
	agents[1].logged(alice, 2, w.now())
	if got := agents[1].passed(); got != "" {
		t.Errorf("passed %q", got)
	}
	agents[0].trail(startOf(alice, sso, "doc", w.now()))
	var got string
	w.wait("the records to pass", func() bool {
		got = strings.TrimPrefix(got+", "+agents[1].passed(), ", ")
		return strings.Count(got, "stamped") == 2
	})
	if strings.Trim(got, ", ") != "1 stamped, 2 stamped" {
		t.Errorf("passed %q", got)
	}
}

// TestFleetPermissions holds that the permissions that the documentation names are enough.
func TestFleetPermissions(t *testing.T) {
	doc, err := os.ReadFile("../../docs/sessions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "The user of the agents needs to publish to")
	section, _, _ = strings.Cut(section, "and to subscribe to")
	var publish []string
	for _, part := range strings.Split(section, "`") {
		if strings.HasPrefix(part, "$") {
			publish = append(publish, part)
		}
	}
	w := newWorld(t, &server.User{Username: "agent", Password: "secret", Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_agent.>"}},
	}})
	c := fleetConfig
	c.KV = &KV{Create: true, Identity: natsconn.Identity{User: "agent", Password: "secret", InboxPrefix: "_INBOX_agent"}}
	agents := w.together(2, c)
	fill(t, agents[0].filter.store, 3)
	w.told()
	w.after(48 * time.Hour)
	w.told()
	w.after(48 * time.Hour)
	w.told()
	h := w.holder().filter.fleet.bucket
	h.mu.Lock()
	h.leftFor = 0
	h.mu.Unlock()
	if err := h.tidy(true); err != nil {
		t.Error(err)
	}
	for i, a := range agents {
		a.stop()
		if text := a.log.String(); strings.Contains(text, "WARN") || strings.Contains(text, "ERROR") {
			t.Errorf("the log of agent %d: %s", i, text)
		}
	}
}

// TestFleetOverwritesDamage holds that a value that nobody can read is replaced by what is known.
func TestFleetOverwritesDamage(t *testing.T) {
	w := newWorld(t)
	agents := w.together(2, fleetConfig)
	o := agents[0].filter.fleet.bucket.open()
	if _, err := o.kv.Put(t.Context(), stateKey(keyOf(alice)), []byte("nothing")); err != nil {
		t.Fatal(err)
	}
	agents[1].trail(startOf(alice, sso, "doc", w.now()))
	w.told()
	for i, a := range agents {
		if s := a.filter.store.look(alice); !s.known() {
			t.Errorf("agent %d does not know the session", i)
		}
	}
}

// FuzzValue holds that a value that can be read is written as it was.
func FuzzValue(f *testing.F) {
	f.Add(encode(&value{V: 1, ID: alice, State: &state{Started: 5, Common: `{}`}, Seen: []byte("12345678"), Blocks: []string{"a"}}))
	f.Add([]byte(`{"v":2,"id":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parseValue(keyOf(alice), data)
		if err != nil {
			if !errors.Is(err, errDamagedValue) && !errors.Is(err, errNewer) {
				t.Error(err)
			}
			return
		}
		again, err := parseValue(keyOf(alice), encode(v))
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(v.State, again.State); diff != "" || v.ID != alice {
			t.Error(diff)
		}
	})
}

// TestFleetIsBounded holds that memory is not outgrown while the server is away, nor what waits for it, and that what the
// bucket has is back when the server is.
func TestFleetIsBounded(t *testing.T) {
	w := newWorld(t)
	c := fleetConfig
	c.MaxMemory = 1 << 20
	agents := w.together(2, c)
	fill(t, agents[0].filter.store, 500)
	w.told()
	w.stopServer()
	s := agents[1].filter.fleet
	fill(t, agents[1].filter.store, 5000)
	s.mu.Lock()
	size, facts, sessions := s.size, s.facts, len(s.sessions)
	s.mu.Unlock()
	if size > 5<<19 || facts > 1025 || sessions > 2000 {
		t.Errorf("%d bytes, %d facts, %d sessions", size, facts, sessions)
	}
	w.startServer()
	w.following()
	w.wait("all to be written", func() bool { return agents[1].filter.commit() == nil })
	if !strings.Contains(agents[1].log.String(), "away for too long") {
		t.Errorf("the log says %s", agents[1].log.String())
	}
}

// BenchmarkFleet writes what 1000 sessions tell to a server in this process.
func BenchmarkFleet(b *testing.B) {
	o := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: b.TempDir(), NoSigs: true, NoLog: true}
	s, err := server.NewServer(o)
	if err != nil {
		b.Fatal(err)
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(waitLimit) {
		b.Fatal("the NATS server does not start")
	}
	f, err := New(Config{KV: &KV{URL: []string{s.ClientURL()}, Create: true}}, pipeline.Env{Name: "s"})
	if err != nil {
		b.Fatal(err)
	}
	f.open()
	for f.fleet.bucket.open() == nil {
		runtime.Gosched()
	}
	n := uint64(1 << 40)
	for b.Loop() {
		for i := range 1000 {
			n++
			f.store.merge(&fact{Session: fmt.Sprintf("alice@example.org-%017x", i), Kind: streamed, Hash: n, Rank: byLog, Lines: 2, Time: 5, Heard: 6})
		}
		if err := f.store.commit(); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}
