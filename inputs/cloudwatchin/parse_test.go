package cloudwatchin

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/rawjson"
)

func FuzzSelector(f *testing.F) {
	for _, text := range []string{"/aws/ssm", "a*b", "arn:aws:logs:eu-west-1:123456789012:log-group:/x:*", "arn:aws:logs:eu-west-1:123456789012:log-group:*", "arn:", "*"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSelector(text)
		if err != nil {
			return
		}
		again, err := parseSelector(s.text())
		if err != nil || again.name != s.name || again.arn != s.arn || again.account != s.account {
			t.Errorf("%q: %+v, then %+v (%v)", text, s, again, err)
		}
		if s.match != nil && (!s.match.MatchString(strings.ReplaceAll(s.name, "*", "x")) || !strings.HasPrefix(s.name, s.prefix)) {
			t.Errorf("%q does not match what it was made of", text)
		}
	})
}

func FuzzSeen(f *testing.F) {
	f.Add(`{"1769860800":"AAAAAAAAAAE="}`)
	f.Add(`{"7":"AAAA"}`)
	f.Add(`{"-9223372036854775808":""}`)
	f.Fuzz(func(t *testing.T, text string) {
		var in map[string]string
		if json.Unmarshal([]byte(text), &in) != nil {
			return
		}
		s, err := decodeSeen(in)
		if err != nil {
			return
		}
		again, err := decodeSeen(s.encode(nil))
		if err != nil || again.n != s.n || !maps.EqualFunc(again.buckets, s.buckets, maps.Equal) {
			t.Errorf("%s: %d, then %d (%v)", text, s.n, again.n, err)
		}
	})
}

func FuzzDocument(f *testing.F) {
	f.Add("123456789012", "/g", "s", "1", int64(1), `{"a":1}`, "text\n\x1b[0m\xff")
	f.Fuzz(func(t *testing.T, owner, group, stream, id string, at int64, one, two string) {
		raw := document(owner, group, []event{{stream: stream, id: id, at: at, message: one}, {stream: stream, id: id, at: at, message: two}})
		if err := rawjson.Valid(raw); err != nil || !utf8.Valid(raw) {
			t.Fatalf("%s: %v", raw, err)
		}
		var got struct {
			Owner, LogGroup, LogStream string
			LogEvents                  []struct {
				ID, Message string
				Timestamp   int64
			}
		}
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		valid := func(s string) string { return string(rawjson.ToValidUTF8([]byte(s))) }
		if got.Owner != valid(owner) || got.LogGroup != valid(group) || got.LogStream != valid(stream) || len(got.LogEvents) != 2 ||
			got.LogEvents[0].Message != valid(one) || got.LogEvents[1].Message != valid(two) || got.LogEvents[1].ID != valid(id) || got.LogEvents[0].Timestamp != at {
			t.Errorf("%s: %+v", raw, got)
		}
	})
}

func TestSeen(t *testing.T) {
	s := newSeen()
	for i := range 10 {
		at := int64(i) * bucketSize
		if !s.add(at, uint64(i)) || s.add(at, uint64(i)) || !s.add(at+bucketSize-1, uint64(i)+100) {
			t.Fatal(i)
		}
	}
	if s.n != 20 || s.has(0, 1) || !s.has(0, 0) || !s.has(1, 0) {
		t.Error("what is remembered is not what was added")
	}
	if end := s.forget(3*bucketSize + 1); end != 3*bucketSize || s.n != 14 || s.has(2*bucketSize, 2) || !s.has(3*bucketSize, 3) {
		t.Errorf("forgotten up to %d, %d are left", end, s.n)
	}
	if end := s.shrink(5); end != 8*bucketSize || s.n != 4 || !s.has(8*bucketSize, 8) {
		t.Errorf("forgotten up to %d, %d are left", end, s.n)
	}
	if end := s.shrink(5); end != 0 {
		t.Error("something is forgotten without need")
	}
	if bucketOf(-1) != -bucketSize || bucketOf(-bucketSize) != -bucketSize || bucketOf(0) != 0 {
		t.Error("buckets before 1970")
	}
	kept, err := decodeSeen(s.encode(map[uint64]struct{}{9: {}}))
	if err != nil || kept.n != 3 || kept.has(9*bucketSize, 9) {
		t.Errorf("%d are kept (%v)", kept.n, err)
	}
}

// TestOrder holds that events come out in the order in which they came, with the times that they have.
func TestOrder(t *testing.T) {
	in := &Input{name: "logs", splitter: split.New(split.Options{})}
	p := &page{group: newGroup(in, target{name: "/g", owner: "123456789012"})}
	const other = "bob-0a1b2c3d4e5f60719"
	for i, stream := range []string{trailStream, session, session, trailStream, other, other, trailStream, trailStream} {
		e := event{stream: stream, id: strconv.Itoa(i), at: 1_769_860_800_000 + int64(i/3), message: record(strconv.Itoa(i))}
		if stream != trailStream {
			e.message = "typed " + e.id
		}
		p.events = append(p.events, e)
	}
	var got collector
	docs := in.splitter.Documents(t.Context(), &got)
	if err := p.split(docs); err != nil {
		t.Fatal(err)
	}
	if _, err := docs.Flush(); err != nil || len(got) != len(p.events) {
		t.Fatalf("%d events, %v", len(got), err)
	}
	for i := range got {
		r, e := got[i].Record, p.events[i]
		if r.Seed != e.id || r.Origin.Time.UnixMilli() != e.at || r.Origin.Object != "/g:"+e.stream || r.Origin.Owner != "123456789012" {
			t.Errorf("event %d: %s of %+v", i, r.Raw, r.Origin)
		}
	}
}
