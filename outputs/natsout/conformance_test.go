package natsout

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/trailcast/trailcast/outputs/natsout/embedded"
	"github.com/trailcast/trailcast/outputs/natsout/embedded/natsserver"
	"github.com/trailcast/trailcast/outputs/outputtest"
	"github.com/trailcast/trailcast/pipeline"
)

// unavailableAfter is how long a Write waits for a server that is away.
const unavailableAfter = 2 * time.Second

func oversize() pipeline.Event {
	raw := `{"eventName":"Large","requestParameters":{"text":"` + strings.Repeat("x", 2<<20) + `"}}`
	return outputtest.Event([]byte(raw), pipeline.Facts{ID: "large", Kind: pipeline.KindCloudTrail}, "large")
}

func TestConformanceOfJetStream(t *testing.T) {
	for _, window := range []int{1, 4096} {
		t.Run(fmt.Sprint("window ", window), func(t *testing.T) {
			outputtest.Run(t, outputtest.Kit{
				Oversize: oversize,
				New: func(t *testing.T) outputtest.Subject {
					s := startServer(t, server.Options{JetStream: true})
					c := streamConfig(s.url())
					c.MaxInFlight, c.Timeout = window, unavailableAfter
					return outputtest.Subject{
						Output:    open(t, c, pipeline.Env{}),
						Delivered: func(t *testing.T) [][]byte { return payloads(t, s) },
						Break:     func(t *testing.T) { s.stop() },
						Mend:      func(t *testing.T) { s.start(t) },
					}
				},
			})
		})
	}
}

func payloads(t *testing.T, s *natsServer) [][]byte {
	t.Helper()
	var all [][]byte
	for _, m := range stored(t, s.url(), "AUDIT") {
		all = append(all, m.Data)
	}
	return all
}

func TestConformanceOfJetStreamInOrder(t *testing.T) {
	outputtest.Run(t, outputtest.Kit{
		Oversize: oversize,
		New: func(t *testing.T) outputtest.Subject {
			s := startServer(t, server.Options{JetStream: true})
			c := streamConfig(s.url())
			c.Timeout = unavailableAfter
			return outputtest.Subject{
				Output:    open(t, c, pipeline.Env{Ordered: true}),
				Delivered: func(t *testing.T) [][]byte { return payloads(t, s) },
				Break:     func(t *testing.T) { s.stop() },
				Mend:      func(t *testing.T) { s.start(t) },
			}
		},
	})
}

func TestConformanceOfCore(t *testing.T) {
	outputtest.Run(t, outputtest.Kit{
		Oversize: oversize,
		New: func(t *testing.T) outputtest.Subject {
			s := startServer(t, server.Options{})
			c := config(s.url())
			c.Timeout = unavailableAfter
			o := open(t, c, pipeline.Env{})
			before := [][]byte{}
			l := listen(t, s.url(), "audit.>")
			delivered := func(t *testing.T) [][]byte {
				all := before[:len(before):len(before)]
				for _, m := range l.messages(t) {
					all = append(all, m.Data)
				}
				return all
			}
			return outputtest.Subject{
				Output:    o,
				Delivered: delivered,
				Break: func(t *testing.T) {
					before = delivered(t)
					s.stop()
				},
				Mend: func(t *testing.T) {
					s.start(t)
					// The output must not deliver before the listener is there again.
					l = listen(t, s.url(), "audit.>")
				},
			}
		},
	})
}

func TestConformanceOfEmbedded(t *testing.T) {
	outputtest.Run(t, outputtest.Kit{
		New: func(t *testing.T) outputtest.Subject {
			c := streamConfig("")
			c.URL = nil
			c.Embedded, c.Start = &embedded.Config{Listen: "127.0.0.1:-1"}, natsserver.Start
			dir := t.TempDir()
			o := open(t, c, pipeline.Env{StateDir: dir})
			return outputtest.Subject{Output: o, Delivered: func(t *testing.T) [][]byte {
				s := o.Server()
				select {
				case <-o.ended: // the server has ended with its output: look into its store
					again, err := natsserver.Start(embedded.Config{StoreDir: s.StoreDir(), Listen: "127.0.0.1:-1"}, embedded.Options{})
					if err != nil {
						t.Fatal(err)
					}
					defer again.Shutdown()
					s = again
				default:
				}
				var all [][]byte
				for _, m := range stored(t, s.ClientURL(), "AUDIT") {
					all = append(all, m.Data)
				}
				return all
			}}
		},
	})
}
