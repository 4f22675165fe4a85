package lookupin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// virtualClock goes on when somebody sleeps, at once.
type virtualClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *virtualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *virtualClock) Sleep(ctx context.Context, d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(max(d, 0))
	return ctx.Err() == nil
}

// fastClock is a clock that is ahead of another one.
type fastClock struct {
	*virtualClock
	by time.Duration
}

func (c fastClock) Now() time.Time { return c.virtualClock.Now().Add(c.by) }

// entry is an event of a history.
type entry struct {
	ID, Name string
	Time     time.Time
	Appears  time.Time // in the history; zero: at Time
	Insight  bool
	Record   string
	Bare     bool // without a CloudTrailEvent
}

// trail answers LookupEvents as CloudTrail's API reference describes it (API_LookupEvents, API_Event, common errors): JSON
// 1.1, events of a region within borders that are included, the newest first, 50 a page, tokens that are bound to the
// parameters, and ThrottlingException with status 400 for a third request within a second.
type trail struct {
	URL   string
	clock *virtualClock

	mu        sync.Mutex
	histories map[string][]entry
	requests  map[string][]time.Time // by region
	throttled int
	mistakes  []string // requests that CloudTrail refuses
	limit     int      // requests in a second
	tokenLife time.Duration
}

func newTrail(t testing.TB, clock *virtualClock) *trail {
	s := &trail{clock: clock, histories: map[string][]entry{}, requests: map[string][]time.Time{}, limit: 2, tokenLife: time.Hour}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func (s *trail) add(region string, entries ...entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.histories[region] = append(s.histories[region], entries...)
	slices.SortFunc(s.histories[region], newestFirst)
}

func newestFirst(a, b entry) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.ID, b.ID)) }

// question is a request.
type question struct {
	StartTime, EndTime float64
	MaxResults         int
	NextToken          string `json:",omitempty"`
	EventCategory      string `json:",omitempty"`
	LookupAttributes   []struct{ AttributeKey, AttributeValue string }
}

type token struct {
	Parameters [32]byte
	Issued     time.Time
	Last       entry
}

func (s *trail) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	refuse := func(code string) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":%q,"message":"refused"}`, code)
	}
	scope := strings.Split(r.Header.Get("Authorization"), "/")
	var q question
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || len(scope) < 4 || r.Header.Get("X-Amz-Target") != "CloudTrail_20131101.LookupEvents" {
		s.mistakes = append(s.mistakes, fmt.Sprint("no LookupEvents: ", err, r.Header))
		refuse("SerializationException")
		return
	}
	region := scope[2]
	recent := 0
	for _, at := range s.requests[region] {
		if now.Sub(at) < time.Second {
			recent++
		}
	}
	s.requests[region] = append(s.requests[region], now)
	if recent >= s.limit {
		s.throttled++
		refuse("ThrottlingException")
		return
	}
	if q.MaxResults < 1 || q.MaxResults > 50 || q.StartTime > q.EndTime {
		s.mistakes = append(s.mistakes, fmt.Sprintf("parameters: %+v", q))
		refuse("InvalidTimeRangeException")
		return
	}
	bound := q
	bound.NextToken = ""
	parameters, _ := json.Marshal(bound)
	tok := token{Parameters: sha256.Sum256(parameters), Issued: now}
	if q.NextToken != "" {
		var old token
		raw, _ := base64.StdEncoding.DecodeString(q.NextToken)
		if err := json.Unmarshal(raw, &old); err != nil || old.Parameters != tok.Parameters {
			s.mistakes = append(s.mistakes, fmt.Sprintf("token: %+v", q))
			refuse("InvalidNextTokenException")
			return
		}
		if now.Sub(old.Issued) > s.tokenLife {
			refuse("InvalidNextTokenException")
			return
		}
		tok.Last = old.Last
	}
	page, more := s.find(region, q, tok, now)
	answer := map[string]any{"Events": elements(page)}
	if more {
		tok.Last = page[len(page)-1]
		raw, _ := json.Marshal(tok)
		answer["NextToken"] = base64.StdEncoding.EncodeToString(raw)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *trail) find(region string, q question, tok token, now time.Time) (page []entry, more bool) {
	for _, e := range s.histories[region] {
		second := float64(e.Time.Unix())
		switch {
		case now.Before(e.Time), now.Before(e.Appears), now.Sub(e.Time) > history:
		case q.StartTime != 0 && second < q.StartTime || q.EndTime != 0 && second > q.EndTime:
		case e.Insight != (q.EventCategory == "insight"):
		case len(q.LookupAttributes) > 0 && q.LookupAttributes[0].AttributeKey == "EventName" && q.LookupAttributes[0].AttributeValue != e.Name:
		case tok.Last.ID != "" && newestFirst(e, tok.Last) <= 0:
		case len(page) == q.MaxResults:
			return page, true
		default:
			page = append(page, e)
		}
	}
	return page, false
}

// elements returns events as answers have them.
func elements(entries []entry) []map[string]any {
	list := []map[string]any{}
	for _, e := range entries {
		m := map[string]any{
			"EventId": e.ID, "EventName": e.Name, "ReadOnly": "false", "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "EventTime": e.Time.Unix(),
			"EventSource": "ssm.amazonaws.com", "Username": "alice",
			"Resources": []any{map[string]any{"ResourceType": "AWS::EC2::Instance", "ResourceName": "i-0123"}},
		}
		if !e.Bare {
			m["CloudTrailEvent"] = e.Record
		}
		list = append(list, m)
	}
	return list
}

// asked returns when a region was asked.
func (s *trail) asked(region string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests[region])
}

// complaints returns what was wrong with requests, and how many were too many.
func (s *trail) complaints() (mistakes []string, throttled int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mistakes), s.throttled
}
