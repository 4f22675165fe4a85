// Package natsin reads messages of NATS: of a subject (core NATS), or of a stream by a durable consumer (JetStream).
//
// With a stream every message is acknowledged when all its events are delivered, and comes again otherwise; several agents
// that name the same consumer share the stream's messages. Without one, messages that come while no agent listens, or
// faster than they can be delivered, are lost: core NATS keeps nothing.
package natsin

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/natsconn"
	"github.com/trailcast/trailcast/internal/splitconf"
)

// Config is what users write under `nats` in inputs.
type Config struct {
	URL     []string `conf:"url" required:"true" doc:"One or several servers of one NATS cluster: nats://host:4222, tls://host:4222." example:"nats://127.0.0.1:4222"`
	Subject string   `conf:"subject" doc:"Subject to listen on, wildcards allowed. With a stream: which of its subjects, when the consumer is created; default: all." example:"cloudtrail.>"`
	Queue   string   `conf:"queue" doc:"Core NATS: queue group. Each message goes to one of its members." example:"trailcast"`

	Stream      string        `conf:"stream" doc:"JetStream stream to read. Without it the subject is listened on with core NATS, which keeps no message for an agent that is away or slow." example:"TRAIL"`
	Consumer    string        `conf:"consumer" default:"trailcast" doc:"Durable consumer of the stream. It remembers what was acknowledged; agents that name the same one share its messages."`
	Create      bool          `conf:"create" doc:"Create the consumer if there is none. An existing one is used as it is; it must have explicit acknowledgement."`
	Start       string        `conf:"start" default:"beginning" doc:"Of a consumer that is created, where it begins: beginning (with the messages that the stream has), end (with new ones), or a day, a time or how far back from now (2026-01-31, 36h, 30d)." example:"30d"`
	Once        bool          `conf:"once" doc:"With a stream: read what it holds now and end. This uses a consumer of its own, which leaves nothing behind on the server."`
	AckWait     time.Duration `conf:"ack_wait" default:"30s" doc:"Of a consumer that is created: how long after an agent has disappeared its messages go to another. While an agent holds messages it says so in time."`
	MaxInFlight int           `conf:"max_in_flight" default:"1000" doc:"With a stream: how many messages this agent holds at once, received and not acknowledged yet."`

	splitconf.Config
	MaxDecompressed conf.Size `conf:"max_decompressed" default:"1GiB" doc:"Largest size of one compressed message when unpacked; what exceeds it goes to quarantine."`

	natsconn.Identity
}

// Validate returns all mistakes in c. Files and servers are not looked at.
func (c *Config) Validate() error {
	errs := slices.Concat(natsconn.ValidateURLs(c.URL), c.Identity.Validate(), c.Mistakes())
	wrong := func(field, format string, args ...any) { errs = append(errs, conf.FieldErrorf(field, format, args...)) }
	if c.Subject != "" {
		if mistake := subjectMistake(c.Subject); mistake != "" {
			wrong("subject", "%q %s", c.Subject, mistake)
		}
	}
	if strings.ContainsAny(c.Queue, whiteSpace) {
		wrong("queue", "%q has white space in it", c.Queue)
	}
	for _, name := range [][2]string{{"stream", c.Stream}, {"consumer", c.Consumer}} {
		if strings.ContainsAny(name[1], whiteSpace+`.*>/\`) {
			wrong(name[0], "%q has a character that such a name can not have (space . * > / \\)", name[1])
		}
	}
	switch {
	case c.Stream == "" && c.Subject == "":
		wrong("subject", "neither subject nor stream is given")
	case c.Stream == "" && c.Create:
		wrong("create", "means something with stream only")
	case c.Stream != "" && c.Queue != "":
		errs = append(errs, &conf.Error{Field: "queue", Msg: "is of core NATS", Hint: "agents that name the same consumer share a stream's messages"})
	}
	if c.Once && c.Stream == "" {
		wrong("once", "means something with stream only")
	}
	if c.Start == "end" && c.Once {
		wrong("start", "is the end: there is nothing to read once")
	} else if _, err := c.startTime(); err != nil {
		wrong("start", "%v; it can also be beginning or end", err)
	}
	if c.AckWait < 0 || c.AckWait > 0 && c.AckWait < time.Second {
		wrong("ack_wait", "%v is shorter than 1s", c.AckWait)
	}
	if c.MaxInFlight < 0 || c.MaxInFlight > maxInFlight {
		wrong("max_in_flight", "%d is not between 1 and %d", c.MaxInFlight, maxInFlight)
	}
	if c.MaxDecompressed < 0 {
		wrong("max_decompressed", "%d is negative", c.MaxDecompressed)
	}
	return errors.Join(errs...)
}

// startTime is when a consumer that is created begins; zero where it does not begin with a time.
func (c *Config) startTime() (time.Time, error) {
	if c.Start == "beginning" || c.Start == "end" {
		return time.Time{}, nil
	}
	return conf.Time(c.Start, false, time.Now())
}

const (
	whiteSpace  = " \t\r\n"
	maxInFlight = 100_000
)

// subjectMistake says what is wrong with a subject to listen on; "" when nothing is. A server that gets a wrong one
// answers with nothing but a closed connection.
func subjectMistake(subject string) string {
	if strings.ContainsAny(subject, whiteSpace) {
		return "has white space in it"
	}
	tokens := strings.Split(subject, ".")
	for i, token := range tokens {
		switch {
		case token == "":
			return "has an empty token"
		case token == ">" && i < len(tokens)-1:
			return "has a > that is not its last token"
		}
	}
	return ""
}

// withDefaults fills in what a program that makes a Config itself has left out.
func (c Config) withDefaults(inputName string) Config {
	if c.Consumer == "" {
		c.Consumer = "trailcast"
	}
	if c.AckWait == 0 {
		c.AckWait = 30 * time.Second
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 1000
	}
	if c.MaxDecompressed == 0 {
		c.MaxDecompressed = 1 << 30
	}
	if c.Name == "" {
		c.Name = "trailcast/" + inputName
	}
	return c
}

// Ends reports whether an input with this configuration comes to an end by itself.
func (c *Config) Ends() bool { return c.Once }
