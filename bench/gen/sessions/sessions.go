// Package sessions makes up Session Manager activity for tests and benchmarks: what AWS delivers of a number of sessions,
// shuffled, repeated and late, and the truth about each of them. The same seed gives the same bytes on every machine.
//
// Records have the shape of those that CloudTrail delivers, logs that of the amazon-ssm-agent's source (see the agent
// type); all names, ids and texts are made up.
package sessions

import (
	"cmp"
	"slices"
	"time"
)

// Scenario is a number of sessions with everything that AWS delivers of them.
type Scenario struct {
	deliveries []Delivery
	truth      []Truth
}

// Option changes what New makes.
type Option func(*settings)

type settings struct {
	span  time.Duration // in which sessions begin
	large int           // transcripts that are large
}

// Within has all sessions begin within d after Start, instead of 30 days.
func Within(d time.Duration) Option { return func(s *settings) { s.span = d } }

// Large has n of the transcripts in S3 hold 5 MB, as far as there are so many. The others hold 64 KiB at most.
func Large(n int) Option { return func(s *settings) { s.large = n } }

// Start is when the earliest session may begin.
func Start() time.Time { return time.Date(2025, time.March, 3, 6, 0, 0, 0, time.UTC) }

const month = 30 * 24 * time.Hour

// New makes n sessions. Each depends on the seed and its number alone, but for the options.
func New(seed uint64, n int, options ...Option) *Scenario {
	set := settings{span: month}
	for _, option := range options {
		option(&set)
	}
	s := &Scenario{}
	for i := range n {
		one := newScene(seed, i, &set)
		for j := range one.deliveries {
			one.deliveries[j].Session = i
		}
		s.deliveries = append(s.deliveries, one.deliveries...)
		s.truth = append(s.truth, one.truth)
	}
	s.order()
	return s
}

// order sorts the truth by session id and the deliveries by their arrival.
func (s *Scenario) order() {
	places := make([]int, len(s.truth)) // from the order of making to that by id
	made := make([]int, len(s.truth))
	for i := range made {
		made[i] = i
	}
	slices.SortStableFunc(made, func(a, b int) int { return cmp.Compare(s.truth[a].ID, s.truth[b].ID) })
	sorted := make([]Truth, 0, len(made))
	for place, i := range made {
		places[i] = place
		sorted = append(sorted, s.truth[i])
	}
	s.truth = sorted
	for i := range s.deliveries {
		s.deliveries[i].Session = places[s.deliveries[i].Session]
	}
	slices.SortStableFunc(s.deliveries, func(a, b Delivery) int { return a.At.Compare(b.At) })
}

// Deliveries are what arrives, in the order of arrival. The slice belongs to the scenario.
func (s *Scenario) Deliveries() []Delivery { return s.deliveries }

// Truth is what is true of each session, ordered by session id; attempts that were denied have none and come first. The
// slice belongs to the scenario.
func (s *Scenario) Truth() []Truth { return s.truth }
