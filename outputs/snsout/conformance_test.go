package snsout

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/internal/awstest"
	"github.com/trailcast/trailcast/outputs/outputtest"
	"github.com/trailcast/trailcast/pipeline"
)

func TestConformance(t *testing.T) {
	for name, suffix := range map[string]string{"standard": "", "FIFO": ".fifo"} {
		t.Run(name, func(t *testing.T) {
			awstest.Start(t) // it stays
			outputtest.Run(t, outputtest.Kit{
				Goroutines: []goleak.Option{ // idle connections
					goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
					goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
				},
				Oversize: func() pipeline.Event {
					raw := `{"eventName":"Large","requestParameters":{"text":"` + strings.Repeat("x", 300<<10) + `"}}`
					return outputtest.Event([]byte(raw), pipeline.Facts{ID: "large", Kind: pipeline.KindCloudTrail}, "large")
				},
				New: func(t *testing.T) outputtest.Subject {
					b := newBus(t)
					topic := b.topic(suffix)
					queue := b.subscribe(topic, raw)
					c := to(topic)
					c.Timeout, c.MaxInFlight = 5*time.Second, 2
					o := b.output(c, pipeline.Env{Ordered: suffix != ""})
					var all [][]byte
					return outputtest.Subject{
						Output: o,
						Delivered: func(t *testing.T) [][]byte {
							all = append(all, b.receive(queue)...)
							return all[:len(all):len(all)]
						},
						Break: func(*testing.T) {
							b.proxy.Fail(func(awstest.Call) awstest.Fault { return awstest.Fault{Drop: true} })
						},
						Mend: func(*testing.T) { b.proxy.Fail(nil) },
					}
				},
			})
		})
	}
}
