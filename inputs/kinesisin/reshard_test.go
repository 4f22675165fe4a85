package kinesisin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trailcast/trailcast/internal/awstest"
)

// shardServer answers for one stream as the API reference of Kinesis has it where the emulator does not: closed shards
// end, keep their records and go away, iterators expire, and sequence numbers of another stream are refused.
type shardServer struct {
	t   *testing.T
	url string

	mu         sync.Mutex
	created    float64
	retention  int
	sequence   int // of all shards
	shards     []*fakeShard
	generation int // of iterators; older ones have expired
	page       int
	iterators  []string // what was asked for: shard, type, position
}

type fakeShard struct {
	id      string
	parents []string
	closed  bool
	records []fakeRecord
}

type fakeRecord struct {
	sequence int
	data     string
	arrived  time.Time
}

func newShardServer(t *testing.T, shards int) *shardServer {
	awstest.Environment(t)
	s := &shardServer{t: t, created: 1_700_000_000.123, retention: 24, sequence: 1000, page: 2}
	for range shards {
		s.shards = append(s.shards, &fakeShard{id: fmt.Sprintf("shardId-%012d", len(s.shards))})
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *shardServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var in map[string]any
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	_, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	out, refused := s.answer(call, in)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if refused != "" {
		w.WriteHeader(http.StatusBadRequest)
		out = map[string]any{"__type": refused, "message": "no"}
	}
	_ = json.NewEncoder(w).Encode(out) // the client may be gone
}

func (s *shardServer) answer(call string, in map[string]any) (out any, refused string) {
	text := func(key string) string {
		v, _ := in[key].(string)
		return v
	}
	switch call {
	case "DescribeStreamSummary":
		return map[string]any{"StreamDescriptionSummary": map[string]any{
			"StreamARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/s", "StreamName": "s", "StreamStatus": "ACTIVE",
			"StreamCreationTimestamp": s.created, "RetentionPeriodHours": s.retention, "OpenShardCount": 1, "EnhancedMonitoring": []any{},
		}}, ""
	case "ListShards":
		return s.list(text("NextToken"), text("StreamName"))
	case "GetShardIterator":
		return s.iterator(text("ShardId"), text("ShardIteratorType"), text("StartingSequenceNumber"), in["Timestamp"])
	case "GetRecords":
		limit, _ := in["Limit"].(float64)
		return s.read(text("ShardIterator"), int(limit))
	}
	return nil, "UnknownOperationException"
}

func (s *shardServer) list(token, stream string) (any, string) {
	begin := 0
	if token != "" {
		if stream != "" {
			return nil, "InvalidArgumentException"
		}
		for begin < len(s.shards) && s.shards[begin].id <= token {
			begin++
		}
	}
	var shards []any
	end := min(begin+s.page, len(s.shards))
	for _, one := range s.shards[begin:end] {
		shard := map[string]any{"ShardId": one.id, "HashKeyRange": map[string]any{"StartingHashKey": "0", "EndingHashKey": "1"}, "SequenceNumberRange": map[string]any{"StartingSequenceNumber": "1"}}
		for i, parent := range one.parents {
			shard[[]string{"ParentShardId", "AdjacentParentShardId"}[i]] = parent
		}
		shards = append(shards, shard)
	}
	out := map[string]any{"Shards": shards}
	if end < len(s.shards) {
		out["NextToken"] = s.shards[end-1].id
	}
	return out, ""
}

func (s *shardServer) iterator(id, kind, after string, at any) (any, string) {
	shard := s.shard(id)
	if shard == nil {
		return nil, "ResourceNotFoundException"
	}
	position := 0
	s.iterators = append(s.iterators, strings.TrimSpace(id+" "+kind+" "+after))
	switch kind {
	case "AFTER_SEQUENCE_NUMBER":
		position, _ = strconv.Atoi(after)
		if position < 1000 || position > s.sequence {
			return nil, "InvalidArgumentException"
		}
	case "AT_TIMESTAMP":
		for _, r := range shard.records {
			if seconds, _ := at.(float64); float64(r.arrived.UnixMilli())/1000 < seconds {
				position = r.sequence
			}
		}
	}
	return map[string]any{"ShardIterator": fmt.Sprintf("%d/%s/%d", s.generation, id, position)}, ""
}

func (s *shardServer) read(iterator string, limit int) (any, string) {
	part := strings.Split(iterator, "/")
	shard := s.shard(part[1])
	position, _ := strconv.Atoi(part[2])
	switch {
	case part[0] != strconv.Itoa(s.generation):
		return nil, "ExpiredIteratorException"
	case shard == nil:
		return nil, "ResourceNotFoundException"
	}
	found := []any{}
	behind := 0
	for _, r := range shard.records {
		if r.sequence <= position {
			continue
		}
		if len(found) == limit {
			behind = 1000
			break
		}
		found = append(found, map[string]any{"Data": []byte(r.data), "PartitionKey": "k", "SequenceNumber": strconv.Itoa(r.sequence), "ApproximateArrivalTimestamp": float64(r.arrived.UnixMilli()) / 1000})
	}
	if len(found) > 0 {
		position, _ = strconv.Atoi(found[len(found)-1].(map[string]any)["SequenceNumber"].(string))
	}
	out := map[string]any{"Records": found, "MillisBehindLatest": behind}
	if !shard.closed || behind > 0 {
		out["NextShardIterator"] = fmt.Sprintf("%d/%s/%d", s.generation, shard.id, position)
	}
	return out, ""
}

func (s *shardServer) shard(id string) *fakeShard {
	for _, one := range s.shards {
		if one.id == id {
			return one
		}
	}
	return nil
}

// do changes the stream.
func (s *shardServer) do(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *shardServer) put(shard int, records ...string) {
	s.do(func() {
		one := s.shard(fmt.Sprintf("shardId-%012d", shard))
		if one.closed {
			s.t.Errorf("%s is closed", one.id)
		}
		for _, r := range records {
			s.sequence++
			one.records = append(one.records, fakeRecord{s.sequence, r, time.Now()})
		}
	})
}

// reshard closes shards and makes so many of them.
func (s *shardServer) reshard(children int, parents ...int) {
	s.do(func() {
		var ids []string
		for _, p := range parents {
			one := s.shard(fmt.Sprintf("shardId-%012d", p))
			one.closed = true
			ids = append(ids, one.id)
		}
		next := 0
		for _, one := range s.shards {
			n, _ := strconv.Atoi(strings.TrimPrefix(one.id, "shardId-"))
			next = max(next, n+1)
		}
		for i := range children {
			s.shards = append(s.shards, &fakeShard{id: fmt.Sprintf("shardId-%012d", next+i), parents: ids})
		}
	})
}

// drop removes the oldest shards, as the end of their retention does.
func (s *shardServer) drop(n int) { s.do(func() { s.shards = s.shards[n:] }) }

func (s *shardServer) asked(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range s.iterators {
		if strings.HasSuffix(it, what) {
			return true
		}
	}
	return false
}

// TestReshard splits and merges shards while they are read. A child begins after all that its parents hold is delivered,
// and a child of two after both are.
func TestReshard(t *testing.T) {
	awstest.NoLeaks(t)
	s := newShardServer(t, 2)
	b := newBenchAt(t, s.url, "s")
	b.config.MaxRecords = 3
	a := b.start()

	release := b.Hold()
	s.put(0, records("parent", 7)...)
	s.reshard(2, 0) // 2 and 3
	s.put(2, records("left", 2)...)
	s.put(3, records("right", 2)...)
	s.put(1, records("other", 2)...)
	b.Wait("the parent's end", func() bool { return b.proxy.Calls("ListShards") > 4 && b.proxy.Calls("GetRecords") > 10 })
	if s.asked("2 TRIM_HORIZON") || s.asked("3 TRIM_HORIZON") {
		t.Error("a child begins before its parent is settled")
	}
	release()
	all := append(append(append(records("parent", 7), records("left", 2)...), records("right", 2)...), records("other", 2)...)
	b.each(all...)

	release = b.Hold()
	s.put(1, record("last of one"))
	s.reshard(1, 1, 3) // 4; shard 3 has nothing left to settle
	s.put(4, record("merged"))
	reads := b.proxy.Calls("GetRecords")
	b.Wait("reads", func() bool { return b.proxy.Calls("GetRecords") > reads+10 })
	if s.asked("4 TRIM_HORIZON") {
		t.Error("a child begins before both of its parents are settled")
	}
	release()
	all = append(all, record("last of one"), record("merged"))
	b.each(all...)
	b.stop(a)
	b.once()

	saved := b.saved()
	for id, ended := range map[string]bool{"0": true, "1": true, "2": false, "3": true, "4": false} {
		if at, ok := saved["shardId-00000000000"+id]; !ok || at.Ended != ended {
			t.Errorf("shard %s: %+v", id, at)
		}
	}

	// What has ended is not read again, and is forgotten when it is listed no longer.
	s.drop(2)
	s.put(4, record("more"))
	a = b.start()
	b.each(append(all, record("more"))...)
	b.stop(a)
	b.once()
	if n := len(b.saved()); n != 3 {
		t.Errorf("%d positions", n)
	}
	if b.log.count("is gone") > 0 {
		t.Error(b.log.text.String())
	}
}

// TestReshardWhileAway reshards while no agent runs: a child begins at its oldest record, whatever start says.
func TestReshardWhileAway(t *testing.T) {
	for name, seen := range map[string]bool{"after a record": true, "before any": false} {
		t.Run(name, func(t *testing.T) {
			s := newShardServer(t, 1)
			b := newBenchAt(t, s.url, "s")
			b.config.Start = startLatest
			a := b.start()
			b.Wait("a read", func() bool { return b.proxy.Calls("GetRecords") > 1 })
			all := records("parent", 3)
			if seen {
				s.put(0, record("seen"))
				all = append(all, record("seen"))
				b.each(record("seen"))
			}
			b.stop(a)
			s.put(0, records("parent", 3)...)
			s.reshard(2, 0)
			s.put(1, record("left"))
			s.put(2, record("right"))
			s.reshard(1, 1, 2)
			s.put(3, record("grandchild"))
			in := b.input()
			in.config.Discover = time.Hour // the end of a shard is enough
			b.Start(in, time.Second)
			b.each(append(all, record("left"), record("right"), record("grandchild"))...)
			b.once()
			for _, id := range "123" {
				if !s.asked(string(id) + " TRIM_HORIZON") {
					t.Errorf("shard %c does not begin at its oldest record", id)
				}
			}
		})
	}
}

// TestSharedReshard has the parent read by one agent and its children by others.
func TestSharedReshard(t *testing.T) {
	s := newShardServer(t, 1)
	b := newBenchAt(t, s.url, "s")
	s.put(0, record("parent"))
	s.reshard(2, 0)
	s.put(1, record("left"))
	s.put(2, record("right"))
	b.config.Of = 2
	b.start()
	b.config.Index, b.state = 1, t.TempDir()
	b.start()
	b.each(record("parent"), record("left"), record("right"))
	b.once()
}

// TestExpired has all iterators expire again and again.
func TestExpired(t *testing.T) {
	s := newShardServer(t, 2)
	b := newBenchAt(t, s.url, "s")
	b.config.MaxRecords = 2
	s.put(0, records("a", 9)...)
	s.put(1, records("b", 9)...)
	n := 0
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if n++; n%4 == 0 {
			s.do(func() { s.generation++ })
		}
		return awstest.Fault{}
	})
	a := b.start()
	b.each(append(records("a", 9), records("b", 9)...)...)
	b.stop(a)
	b.once()
	var asked string
	s.do(func() { asked = strings.Join(s.iterators, ",") })
	for _, shard := range []string{"0 AFTER_SEQUENCE_NUMBER", "1 AFTER_SEQUENCE_NUMBER"} {
		if !strings.Contains(asked, shard) {
			t.Errorf("no iterator of shard %s", shard)
		}
	}
}

// TestUnknownPosition has a stream that does not know its own sequence numbers any more.
func TestUnknownPosition(t *testing.T) {
	s := newShardServer(t, 1)
	b := newBenchAt(t, s.url, "s")
	b.config.Start = startLatest
	a := b.start()
	b.Wait("a read", func() bool { return b.proxy.Calls("GetRecords") > 1 })
	s.put(0, record("a"))
	b.each(record("a"))
	b.stop(a)
	s.do(func() { s.shards[0].records, s.sequence = nil, 1000 })
	s.do(func() { s.shards[0].records = []fakeRecord{{900, record("b"), time.Now().Add(-time.Hour)}} })
	b.start()
	b.each(record("a"), record("b"))
	if b.log.count("does not know the position") != 1 {
		t.Error(b.log.text.String())
	}
}

// TestTrimmed has records go before they are read: some of a shard, and the rest of another with the shard.
func TestTrimmed(t *testing.T) {
	s := newShardServer(t, 2)
	b := newBenchAt(t, s.url, "s")
	s.put(0, record("a"))
	s.put(1, record("b"))
	s.do(func() {
		s.shards[0].records[0].arrived = time.Now().Add(-25 * time.Hour)
		s.shards[1].records[0].arrived = time.Now().Add(-25 * time.Hour)
	})
	in := b.input()
	release := b.Hold()
	a := b.Start(in, time.Second)
	b.Wait("reads", func() bool { return b.proxy.Calls("GetRecords") > 1 })
	release()
	b.each(record("a"), record("b"))
	b.stop(a)

	// As an agent leaves it that was stopped while it was behind.
	p := b.input().newPositions()
	d, err := b.input().api.describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.load(d); err != nil {
		t.Fatal(err)
	}
	for id, at := range p.saved.Shards {
		at.Time = time.Now().Add(-25 * time.Hour)
		p.saved.Shards[id] = at
	}
	p.changed = true
	p.save()

	s.put(0, record("c"))
	a = b.start()
	b.each(record("a"), record("b"), record("c"))
	b.Wait("the warnings", func() bool { return b.log.count("is older than what the stream keeps") == 2 })

	s.reshard(1, 1)
	s.put(2, record("d"))
	b.each(record("a"), record("b"), record("c"), record("d"))
	if b.log.count("is gone") > 0 {
		t.Error("a shard that was read is reported as lost")
	}
	b.proxy.Fail(func(c awstest.Call) awstest.Fault { // shard 3 can not be read in time
		if strings.Contains(string(c.Body), "/shardId-000000000003/") {
			return awstest.Fault{Status: 500, Code: "InternalFailure"}
		}
		return awstest.Fault{}
	})
	s.reshard(1, 0)
	s.put(3, record("never read"))
	b.Wait("its reader", func() bool { return s.asked("3 TRIM_HORIZON") })
	s.reshard(1, 3)
	s.put(4, record("child"))
	s.do(func() { s.shards = append(s.shards[2:3:3], s.shards[4]) })
	b.each(record("a"), record("b"), record("c"), record("d"), record("child"))
	b.Wait("the warning", func() bool { return b.log.count("is gone before it was read to its end") == 1 })
	b.stop(a)

	// The same while no agent runs.
	s.reshard(1, 4)
	s.put(5, record("last"))
	s.drop(2)
	b.start()
	b.each(record("a"), record("b"), record("c"), record("d"), record("child"), record("last"))
	if n := b.log.count("is gone before it was read to its end"); n != 3 { // 2 and 4
		t.Errorf("told %d times", n)
	}
}

// TestLeftOut has a shard that is being read missing in one list, and read on from where it was.
func TestLeftOut(t *testing.T) {
	s := newShardServer(t, 2)
	b := newBenchAt(t, s.url, "s")
	b.config.MaxRecords = 1
	s.put(0, records("a", 3)...)
	s.put(1, records("b", 3)...)
	var out atomic.Bool
	b.proxy.Fail(func(c awstest.Call) awstest.Fault {
		if c.Operation != "ListShards" || !out.CompareAndSwap(true, false) {
			return awstest.Fault{}
		}
		return awstest.Fault{Rewrite: func(int, []byte) []byte { return []byte(`{"Shards":[{"ShardId":"shardId-000000000000"}]}`) }}
	})
	b.start()
	b.each(append(records("a", 3), records("b", 3)...)...)
	out.Store(true)
	b.Wait("the list", func() bool { return !out.Load() })
	s.put(1, record("more"))
	b.each(append(append(records("a", 3), records("b", 3)...), record("more"))...)
	b.once()
}

// TestQuiet holds that a shard without records is known to be read up to now.
func TestQuiet(t *testing.T) {
	s := newShardServer(t, 1)
	b := newBenchAt(t, s.url, "s")
	a := b.start()
	b.Wait("reads", func() bool { return b.proxy.Calls("GetRecords") > 2 })
	b.stop(a)
	if at := b.saved()["shardId-000000000000"]; time.Since(at.Time) > time.Minute || at.After != "" {
		t.Errorf("%+v", at)
	}
}

func TestPace(t *testing.T) {
	in := &Input{config: Config{Interval: time.Second}, soon: 250 * time.Millisecond}
	for _, c := range []struct {
		size   int64
		behind time.Duration
		want   time.Duration
	}{
		{0, 0, time.Second},
		{1000, time.Minute, 250 * time.Millisecond},
		{1_000_000, time.Minute, 500 * time.Millisecond},
		{10_000_000, 0, 5 * time.Second},
	} {
		if got := in.pause(c.size, c.behind); got != c.want {
			t.Errorf("%d bytes, %v behind: %v", c.size, c.behind, got)
		}
	}
}

// TestMine holds that agents share the shards evenly, whatever their numbers.
func TestMine(t *testing.T) {
	for of := 1; of <= 5; of++ {
		count := make([]int, of)
		for shard := 40; shard < 40+4*of; shard++ {
			for i := range of {
				if (&Input{config: Config{Index: i, Of: of}}).mine(fmt.Sprintf("shardId-%012d", shard)) {
					count[i]++
				}
			}
		}
		for i, n := range count {
			if n != 4 {
				t.Errorf("agent %d of %d reads %d of %d shards", i, of, n, 4*of)
			}
		}
	}
	if !(&Input{config: Config{Of: 2}}).mine("unheard-of") || (&Input{config: Config{Index: 1, Of: 2}}).mine("unheard-of") {
		t.Error("a shard with another name is not read by one agent")
	}
}

// TestLowWater holds that a position stops before the first batch that is not settled, and that what waits behind one
// takes no room.
func TestLowWater(t *testing.T) {
	p := &positions{}
	if err := p.load(description{}); err != nil {
		t.Fatal(err)
	}
	p.meet([]shard{{id: "s"}}, func(string) bool { return true }, func(string) bool { return false })
	var all []*batch
	for i := range 100 {
		b := &batch{last: strconv.Itoa(i)}
		all = append(all, b)
		p.begin("s", b)
	}
	for _, i := range []int{1, 3, 2, 5} {
		p.settled("s", all[i])
	}
	for i := 6; i < 100; i++ {
		p.settled("s", all[i])
	}
	if at, _ := p.of("s"); at.After != "" || len(p.waiting["s"]) != 4 { // 0, 3, 4, 99
		t.Errorf("%+v, %d wait", at, len(p.waiting["s"]))
	}
	p.settled("s", all[0])
	if at, _ := p.of("s"); at.After != "3" {
		t.Errorf("%+v", at)
	}
	p.settled("s", all[4])
	if at, _ := p.of("s"); at.After != "99" || len(p.waiting["s"]) != 0 {
		t.Errorf("%+v, %d wait", at, len(p.waiting["s"]))
	}
}
