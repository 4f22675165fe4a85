package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	gen "github.com/trailcast/trailcast/bench/gen/sessions"
	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/pipeline"
)

// scenarioConfig waits for logs that are six hours late, of sessions that last for hours.
var scenarioConfig = Config{Logs: true, LogGrace: 12 * time.Hour, MaxDuration: 24 * time.Hour}

// outcome is what is known of a session in the end.
type outcome struct {
	Account, Region, Target, Document, Reason string
	Actor, Role, SourceIP, MFA                string
	Started, Ended, Resumed, TerminatedBy     string
	Ending                                    string
	Lines, Bytes                              int64
	Alerts                                    string
}

// TestScenario plays what AWS delivers of 500 sessions: shuffled, repeated, up to six hours late, while the agent is
// stopped and started again twice. In the end all must be known that there is to know.
func TestScenario(t *testing.T) {
	const seed = 1
	t.Logf("seed %d", seed)
	s := gen.New(seed, 500, gen.Within(5*24*time.Hour))
	synctest.Test(t, func(t *testing.T) {
		deliveries := s.Deliveries()
		time.Sleep(time.Until(deliveries[0].At))
		r := newRig(t, scenarioConfig)
		for i := range deliveries {
			d := &deliveries[i]
			if d.At.After(time.Now()) {
				time.Sleep(time.Until(d.At))
			}
			if i == len(deliveries)/3 || i == len(deliveries)*2/3 {
				r.stop()
				r.start()
			}
			r.play(d)
		}
		time.Sleep(3 * 24 * time.Hour)
		synctest.Wait()
		if n := len(r.filter.memory.sessions); n != 0 {
			t.Errorf("%d sessions are remembered for ever", n)
		}
		got, want := r.outcomes(), truths(s)
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestScenarioWithCrashes kills the agent while the frames of some deliveries have not settled; they come again after its
// restart. The outcome is that of an agent that nothing happened to, whether or not what they told was kept.
func TestScenarioWithCrashes(t *testing.T) {
	for name, kept := range map[string]bool{"what did not settle is kept": true, "what did not settle is lost": false} {
		t.Run(name, func(t *testing.T) {
			s := gen.New(2, 60, gen.Within(24*time.Hour))
			synctest.Test(t, func(t *testing.T) {
				deliveries := s.Deliveries()
				time.Sleep(time.Until(deliveries[0].At))
				r := newRig(t, scenarioConfig)
				var unsettled []*gen.Delivery
				for i := range deliveries {
					d := &deliveries[i]
					if d.At.After(time.Now()) {
						time.Sleep(time.Until(d.At))
					}
					if i%16 < 13 {
						r.play(d)
						continue
					}
					r.failWith(errors.New("away"))
					r.begin(d)
					synctest.Wait()
					unsettled = append(unsettled, d)
					if i%16 == 15 {
						r.kill(kept)
						r.failWith(nil)
						r.start()
						for _, d := range unsettled {
							r.play(d)
						}
						unsettled = nil
					}
				}
				r.failWith(nil)
				time.Sleep(3 * 24 * time.Hour)
				synctest.Wait()
				if diff := gocmp.Diff(truths(s), r.outcomes()); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

// TestJoin holds that data that is complete is joined to the same.
func TestJoin(t *testing.T) {
	s := gen.New(3, 500, gen.Within(5*24*time.Hour))
	j := NewJoin(scenarioConfig)
	deliveries := s.Deliveries()
	rand.New(rand.NewPCG(3, 3)).Shuffle(len(deliveries), func(i, k int) {
		deliveries[i], deliveries[k] = deliveries[k], deliveries[i]
	})
	for _, ev := range splitAll(t, deliveries) {
		if f, ok := Observe(&ev); ok {
			j.Add(f)
		}
	}
	// An event of another session long after these: all are over.
	last := call("ssm.amazonaws.com", "TerminateSession", sso, `"requestParameters":{"sessionId":"x-0"}`, gen.Start().AddDate(0, 1, 0))
	ev := pipeline.NewEvent(&pipeline.Record{Raw: []byte(last), Kind: pipeline.KindCloudTrail, Reader: record.Reader{}})
	f, _ := Observe(&ev)
	j.Add(f)

	got := map[string]outcome{}
	for one := range j.Sessions() {
		f := &one.Facts
		o := outcome{
			Account: f.Account.ID, Region: f.Region, Target: f.Session.Target, Document: f.Session.Document, Reason: f.Session.Reason,
			Actor: f.ActorName(), Role: f.Actor.Role, SourceIP: f.Source.IP, MFA: [...]string{"unknown", "no", "yes"}[f.Actor.MFA],
			Started: stampOf(one.Started), Ended: stampOf(one.Ended), Resumed: stampOf(one.Resumed), TerminatedBy: one.TerminatedBy,
			Ending: one.Ending, Lines: one.Count.Lines, Bytes: one.Count.Bytes, Alerts: strings.Join(one.Alerts, " "),
		}
		id := f.Session.ID
		if one.Denied {
			id = deniedID(f.Session.Target, one.Started)
		}
		if id != "x-0" {
			got[id] = o
		}
	}
	if diff := gocmp.Diff(truths(s), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// splitAll returns the events of deliveries.
func splitAll(t *testing.T, deliveries []gen.Delivery) []pipeline.Event {
	t.Helper()
	var out collector
	e, err := pipeline.New(pipeline.Settings{Workers: 1, Outputs: []pipeline.OutputStage{{Name: "out", Output: &out}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range deliveries {
		d := &deliveries[i]
		e.Deliver(feeder(&pipeline.Origin{Object: objectOf(d), Time: d.EventTime}, string(d.Document())), nil).Wait(t.Context())
	}
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.events
}

// collector is an output that keeps what it gets.
type collector struct{ events []pipeline.Event }

func (c *collector) Write(_ context.Context, events []pipeline.Event) error {
	c.events = append(c.events, events...)
	return nil
}
func (c *collector) Close(context.Context) error { return nil }

func (r *rig) play(d *gen.Delivery) {
	r.t.Helper()
	if got, _ := r.begin(d).Wait(r.t.Context()); got.Outcome != pipeline.Delivered {
		r.t.Fatalf("%v: %v", got.Outcome, got.Err)
	}
}

func (r *rig) begin(d *gen.Delivery) *pipeline.Delivery {
	return r.feed(inputOf(d), objectOf(d), string(d.Document()), d.EventTime)
}

func inputOf(d *gen.Delivery) string {
	switch d.Form {
	case gen.CloudTrail:
		return "trail"
	case gen.Transcript:
		return "transcripts"
	}
	return "logs"
}

func objectOf(d *gen.Delivery) string {
	if d.Form == gen.Streamed || d.Form == gen.Plain {
		return "queue"
	}
	return "s3://" + inputOf(d) + "/" + d.Name
}

// outcomes are what the events tell, by session id. Attempts that were denied have none: theirs is made of the target and
// the time.
func (r *rig) outcomes() map[string]outcome {
	all := map[string]outcome{}
	closings := map[string]delivered{}
	alerts := map[string][]string{}
	ids := map[string]string{}
	for _, d := range r.events {
		if d.Record.Kind != pipeline.KindSession {
			continue
		}
		id := d.Trailcast.Session.ID
		if d.Alert == alertDenied {
			id = deniedID(d.Facts().Session.Target, d.Facts().Time)
			all[id] = outcomeOf(&d)
		}
		if d.Alert != "" && !slices.Contains(alerts[id], d.Alert) {
			alerts[id] = append(alerts[id], d.Alert)
		}
		what := fmt.Sprint(id, d.Trailcast.Action, d.Revision)
		if had, ok := ids[d.Trailcast.ID]; ok && had != what {
			r.t.Errorf("%s and %s have the same id", had, what)
		}
		ids[d.Trailcast.ID] = what
		if d.State == stateClosed && d.Revision > closings[id].Revision {
			closings[id] = d
			all[id] = outcomeOf(&d)
		}
	}
	for id, o := range all {
		o.Alerts = inOrder(alerts[id])
		all[id] = o
	}
	return all
}

func deniedID(target string, at time.Time) string {
	return fmt.Sprint("denied ", target, " ", at.UTC())
}

func inOrder(names []string) string {
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(slices.Index(alerts, a), slices.Index(alerts, b)) })
	return strings.Join(names, " ")
}

func outcomeOf(d *delivered) outcome {
	f := d.Facts()
	o := outcome{
		Account: f.Account.ID, Region: f.Region, Target: f.Session.Target, Document: f.Session.Document, Reason: f.Session.Reason,
		Actor: f.ActorName(), Role: f.Actor.Role, SourceIP: f.Source.IP, MFA: [...]string{"unknown", "no", "yes"}[f.Actor.MFA],
		Started: d.Started, Ended: d.Ended, Resumed: d.Resumed, TerminatedBy: d.TerminatedBy, Ending: d.Reason,
	}
	if d.Alert != "" {
		o.Started = written(milliseconds(f.Time))
	}
	if d.Lines != nil {
		o.Lines, o.Bytes = *d.Lines, *d.Bytes
	}
	return o
}

// truths are the outcomes that must be. Of a session that nobody ended and that left no transcript the end shows in its log
// at best.
func truths(s *gen.Scenario) map[string]outcome {
	written := map[int]bool{}
	for _, d := range s.Deliveries() {
		if d.Form == gen.Transcript || d.Form == gen.Plain {
			written[d.Session] = true
		}
	}
	all := map[string]outcome{}
	for i, truth := range s.Truth() {
		o := outcome{
			Account: truth.Account, Region: truth.Region, Target: truth.Target, Document: truth.Document, Reason: truth.Reason,
			Actor: truth.Actor, Role: truth.Role, SourceIP: truth.SourceIP, MFA: truth.MFA, Started: stampOf(truth.Started),
			Resumed: stampOf(truth.Resumed), TerminatedBy: truth.TerminatedBy, Lines: truth.Lines, Bytes: truth.Bytes, Alerts: strings.Join(truth.Alerts, " "),
		}
		if truth.Kind == gen.KindDenied {
			all[deniedID(truth.Target, truth.Started)] = o
			continue
		}
		o.Ended = stampOf(cmp.Or(truth.Terminated, truth.LastLog))
		switch truth.Kind {
		case gen.KindPortForward, gen.KindSSH, gen.KindRemoteDesktop:
			o.Ending = byDuration
		default:
			o.Ending = byIdle
		}
		if written[i] {
			o.Ending = byTranscript
		}
		if !truth.Terminated.IsZero() {
			o.Ending = byTerminate
		}
		all[truth.ID] = o
	}
	return all
}

func stampOf(t time.Time) string { return written(milliseconds(t)) }
