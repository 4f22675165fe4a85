package kinesisin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/trailcast/trailcast/inputs/inputtest"
)

// near is a client of the server without a network in between, so that the clock of a bubble goes on. An answer takes its
// time on the way back.
type near struct {
	*shardServer
	takes time.Duration
}

func (n near) Do(r *http.Request) (*http.Response, error) {
	out := httptest.NewRecorder()
	n.ServeHTTP(out, r)
	time.Sleep(n.takes)
	return out.Result(), nil
}

// inBubble runs a test by the clock of a bubble. Its input reads the server once per minute.
func inBubble(t *testing.T, s *shardServer, takes time.Duration, test func(b *bench, in *Input)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, Bench: inputtest.New(t), state: t.TempDir()}
		b.config = Config{Stream: "s", MaxRecords: 1, AWS: AWS{Endpoint: s.url}}
		in := b.input()
		in.config.Interval, in.config.Discover, in.soon, in.api.timeout = time.Minute, time.Hour, time.Minute, time.Minute
		in.api.client = kinesis.New(in.api.client.Options(), func(o *kinesis.Options) { o.HTTPClient = near{s, takes} })
		test(b, in)
	})
}

const older = "is older than what the stream keeps"

// TestMissedMeanwhile has a shard that was read to its end, and then not at all for longer than the stream keeps records,
// since the outputs take nothing.
func TestMissedMeanwhile(t *testing.T) {
	s := newShardServer(t, 1)
	inBubble(t, s, 0, func(b *bench, in *Input) {
		const events = 21_000 // more than may be in flight
		s.put(0, strings.Repeat("{}\n", events))
		release := b.Hold()
		asked := time.Now()
		a := b.Start(in, time.Second)
		time.Sleep(25 * time.Hour)
		if n := b.log.count(older); n > 0 || b.Total() > 0 {
			b.Errorf("told %d times, %d deliveries", n, b.Total())
		}
		release()
		time.Sleep(5 * time.Minute)
		b.stop(a)
		if b.log.count(older) != 1 || b.log.count("from="+asked.UTC().Format("2006-01-02T15:04:05.000Z")) != 1 || b.Total() != events {
			b.Errorf("%d deliveries\n%s", b.Total(), b.log.text.String())
		}
	})
}

// TestUpTo holds that a shard is read up to when it was asked for records, not to when the answer was there.
func TestUpTo(t *testing.T) {
	s := newShardServer(t, 1)
	inBubble(t, s, 20*time.Second, func(b *bench, in *Input) {
		began := time.Now()
		a := b.Start(in, time.Second)
		time.Sleep(90 * time.Second) // DescribeStreamSummary, ListShards, GetShardIterator, GetRecords
		b.stop(a)
		d, err := in.api.describe(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		p := in.newPositions()
		if err := p.load(d); err != nil {
			b.Fatal(err)
		}
		if at, _ := p.of("shardId-000000000000"); !at.Time.Equal(began.Add(time.Minute)) {
			b.Errorf("read up to %v, asked at %v", at.Time, began.Add(time.Minute))
		}
	})
}

// TestBehind has a shard that is always behind, so that one iterator follows the other, and now and then further behind
// than the stream keeps records.
func TestBehind(t *testing.T) {
	steps := []struct {
		gap  time.Duration // from the record that was read to the next read
		told int           // until then
	}{
		{22 * time.Hour, 0},
		{24 * time.Hour, 0},
		{24*time.Hour + time.Second, 1},
		{30 * time.Hour, 1}, // it goes on
		{24*time.Hour - time.Minute, 1},
		{24*time.Hour + time.Minute, 1}, // as near to the oldest record as before
		{23 * time.Hour, 1},
		{25 * time.Hour, 2},
		{time.Hour, 2},
	}
	s := newShardServer(t, 1)
	inBubble(t, s, 0, func(b *bench, in *Input) {
		began := time.Now()
		read := func(i int) time.Time { return began.Add(time.Duration(i) * time.Minute) }
		s.put(0, records("a", len(steps)+2)...)
		s.do(func() {
			for i, step := range steps {
				s.shards[0].records[i].arrived = read(i + 1).Add(-step.gap)
			}
		})
		b.Start(in, time.Second)
		for i, step := range steps {
			time.Sleep(time.Until(read(i + 1).Add(time.Second)))
			if n := b.log.count(older); n != step.told {
				b.Errorf("told %d times by read %d, %v behind", n, i+1, step.gap)
			}
		}
		s.do(func() {
			if len(s.iterators) != 1 {
				b.Error(s.iterators)
			}
		})
	})
}
