package sessions

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// scene is one session while it is made.
type scene struct {
	*rand.Rand
	truth      Truth
	deliveries []Delivery

	place  place
	actor  actor
	task   task      // of ECS
	target string    // as its log names it
	large  bool      // its transcript holds 5 MB
	end    time.Time // when it really ended, which perhaps nothing tells
	events int       // of its log stream
}

// newScene makes session i.
func newScene(seed uint64, i int, set *settings) *scene {
	s := &scene{Rand: rand.New(rand.NewPCG(seed, uint64(i)))}
	kind, lost := kindOf(seed, i)
	s.truth.Kind = kind
	s.truth.Started = Start().Add(time.Duration(s.Int64N(max(int64(set.span), 1)))).Truncate(time.Second)
	s.end = s.truth.Started.Add(s.duration())
	s.place = choosePlace(s.Rand)
	s.chooseActor(lost)
	s.chooseTarget(seed)
	if kind != KindDenied {
		s.truth.ID = s.sessionID()
	}
	if kind == KindTranscript && !lost && set.large > 0 {
		set.large--
		s.large = true
	}
	s.happen(lost)
	return s
}

// happen delivers what the session leaves behind.
func (s *scene) happen(lost bool) {
	s.tellActor()
	if !lost {
		s.start()
	}
	s.log()
	if s.isCalled(lost) {
		s.resume()
		s.terminate()
	}
	if lost {
		s.forgetStart()
	}
	s.truth.Alerts = s.alerts(lost)
}

// shares are how many of 100 sessions are of which kind.
var shares = [...]struct {
	kind  string
	lost  bool // the start never arrives
	count int
}{
	{kind: KindStreamed, count: 40}, {kind: KindTranscript, count: 20}, {kind: KindUnstreamed, count: 5},
	{kind: KindPortForward, count: 8}, {kind: KindSSH, count: 5}, {kind: KindECSExec, count: 7},
	{kind: KindRemoteDesktop, count: 2}, {kind: KindSilent, count: 3}, {kind: KindDenied, count: 5},
	{kind: KindStreamed, lost: true, count: 4}, {kind: KindTranscript, lost: true, count: 1},
}

// kindOf deals the kinds out like cards, so that each hundred has its exact shares.
func kindOf(seed uint64, i int) (kind string, lost bool) {
	deck := rand.New(rand.NewPCG(seed, ^uint64(i/100))).Perm(100)
	card := deck[i%100]
	for _, s := range shares {
		if card -= s.count; card < 0 {
			return s.kind, s.lost
		}
	}
	panic(fmt.Sprintf("sessions: the shares are %d short of 100", card+1))
}

// duration is between one minute and four hours, mostly short.
func (s *scene) duration() time.Duration {
	share := s.Float64()
	return time.Minute + time.Duration(share*share*share*float64(4*time.Hour-time.Minute)).Truncate(time.Second)
}

// between returns a time after from and at most to, in whole seconds.
func (s *scene) between(from, to time.Time) time.Time {
	seconds := int64(to.Sub(from) / time.Second)
	return from.Add(time.Duration(1+s.Int64N(max(seconds, 1))) * time.Second)
}

func (s *scene) sessionID() string {
	switch s.truth.Kind {
	case KindRemoteDesktop:
		return s.uuid()
	case KindECSExec:
		return ecsOwner + "-" + s.suffix()
	}
	return s.actor.owner + "-" + s.suffix()
}

// suffix is 17 hexadecimal digits that begin with 0, or 26 of base36, as newer ids have it. One is always a decimal digit,
// which tells an id from a name.
func (s *scene) suffix() string {
	if oneIn(s.Rand, 3) {
		return s.letters(digits, 1) + s.letters("0123456789abcdefghijklmnopqrstuvwxyz", 25)
	}
	return "0" + s.letters(hexadecimal, 16)
}

// isCalled reports whether API calls may follow the start. Of a transcript whose start is lost they would tell the account,
// so there are none.
func (s *scene) isCalled(lost bool) bool {
	switch s.truth.Kind {
	case KindDenied, KindRemoteDesktop:
		return false
	case KindTranscript:
		return !lost
	}
	return true
}

// resume has the actor resume the session up to three times, so that a fifth of all sessions are resumed.
func (s *scene) resume() {
	if s.Float64() >= 0.215 {
		return
	}
	at := s.truth.Started
	for range 1 + s.IntN(3) {
		if at = s.between(at, s.end); at.After(s.end) {
			return
		}
		s.truth.Resumed = at
		s.call(s.sessionCall("ResumeSession", at, s.actor))
	}
}

// terminate ends two of three sessions, so that 60 of 100 end so; a tenth of them is ended by somebody else.
func (s *scene) terminate() {
	if s.Float64() >= 0.645 {
		return
	}
	by := s.actor
	if oneIn(s.Rand, 10) {
		by = s.administrator()
	}
	s.truth.Terminated, s.truth.TerminatedBy = s.end, by.name
	s.call(s.sessionCall("TerminateSession", s.end, by))
}

// tellActor writes who the start says that it was, and what else it says.
func (s *scene) tellActor() {
	t, a := &s.truth, &s.actor
	t.Account, t.Region = s.place.account, s.place.region
	t.Actor, t.Role, t.MFA = a.name, a.role, a.mfa
	if a.address != awsInternal {
		t.SourceIP = a.address
	}
}

// forgetStart leaves what the log tells.
func (s *scene) forgetStart() {
	t := &s.truth
	t.Started, t.Document, t.Reason, t.SourceIP, t.MFA = time.Time{}, "", "", "", unknown
	if t.Kind == KindTranscript {
		t.Account, t.Region, t.Target, t.Actor, t.Role = "", "", "", s.actor.owner, ""
	}
}

func (s *scene) alerts(lost bool) []string {
	if lost {
		return nil
	}
	if s.truth.Kind == KindDenied {
		return []string{"denied"}
	}
	var alerts []string
	for _, a := range []struct {
		name string
		is   bool
	}{
		{"unlogged", s.truth.LastLog.IsZero()},
		{"no_mfa", s.truth.MFA == no},
		{"root_or_unknown_actor", s.actor.identity.Type == "Root" || s.actor.identity.Type == "Unknown"},
		{"cross_account", s.actor.account != "" && s.actor.account != s.place.account},
	} {
		if a.is {
			alerts = append(alerts, a.name)
		}
	}
	return alerts
}
