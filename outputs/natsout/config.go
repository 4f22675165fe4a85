package natsout

import (
	"errors"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/natsconn"
	"github.com/trailcast/trailcast/outputs/natsout/embedded"
)

// Config is what users write under `nats`.
type Config struct {
	URL     []string  `conf:"url" doc:"One or several servers of one NATS cluster: nats://host:4222, tls://host:4222. Required unless embedded is given." example:"nats://127.0.0.1:4222"`
	Subject conf.Text `conf:"subject" required:"true" doc:"Template of the subject. Its first token is literal; each value becomes one token." example:"audit.{account}.{region}.{service}.{action}"`

	Stream          string        `conf:"stream" doc:"JetStream stream that stores the messages. Without it messages are published with core NATS, which does not promise that a subscriber was there." example:"AUDIT"`
	Create          bool          `conf:"create" doc:"Create the stream if there is none. An existing stream is never changed."`
	MaxAge          time.Duration `conf:"max_age" default:"720h" doc:"Of a stream that is created: how long it keeps messages; 0 means for ever."`
	MaxBytes        conf.Size     `conf:"max_bytes" doc:"Of a stream that is created: its largest size; 0 means the server's limit. A full stream takes no new messages (discard: new) and the output waits." example:"10GiB"`
	Replicas        int           `conf:"replicas" default:"1" doc:"Of a stream that is created: copies in the cluster, 1 to 5."`
	DuplicateWindow time.Duration `conf:"duplicate_window" default:"1h" doc:"Of a stream that is created: how long a repeated message is recognised by its Nats-Msg-Id; not longer than max_age."`

	MaxInFlight int           `conf:"max_in_flight" default:"4096" doc:"Messages that may wait for their confirmation at one time (JetStream)."`
	Timeout     time.Duration `conf:"timeout" default:"10s" doc:"How long to wait for a connection, and for confirmations while none arrives; then the events are tried again."`
	OnTooLarge  string        `conf:"on_too_large" default:"reject" enum:"reject,trim" doc:"What becomes of an event larger than the server's max_payload: reject sends it to quarantine, trim replaces its largest parts by a marker. Session text is split over several messages instead."`

	natsconn.Identity

	Embedded *embedded.Config `conf:"embedded" doc:"Run a NATS server with JetStream in this process, on loopback by default; instead of url."`

	// Server is a server that the program has started already: the output connects to it and leaves it running.
	// Embedded is then ignored.
	Server embedded.Server `conf:"-"`

	// Start starts the server that Embedded asks for; nil: this program runs none.
	Start embedded.Starter `conf:"-"`
}

// TLS is how connections are secured.
type TLS = natsconn.TLS

const (
	defaultReplicas        = 1
	defaultDuplicateWindow = time.Hour
	defaultMaxInFlight     = 4096
	defaultTimeout         = 10 * time.Second

	maxInFlight = 1 << 16

	tooLargeReject = "reject"
	tooLargeTrim   = "trim"
)

// withDefaults fills in what a program that makes a Config itself has left out.
func (c Config) withDefaults(outputName string) Config {
	if c.Replicas == 0 {
		c.Replicas = defaultReplicas
	}
	if c.DuplicateWindow == 0 {
		c.DuplicateWindow = defaultDuplicateWindow
	}
	if c.MaxAge > 0 {
		c.DuplicateWindow = min(c.DuplicateWindow, c.MaxAge) // a longer one is refused
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = defaultMaxInFlight
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.OnTooLarge == "" {
		c.OnTooLarge = tooLargeReject
	}
	if c.Name == "" {
		c.Name = "trailcast/" + outputName
	}
	return c
}

// Validate returns all mistakes in c. Files and servers are not looked at.
func (c *Config) Validate() error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, conf.FieldErrorf(field, format, args...))
	}
	_, err := parseSubject(c.Subject)
	errs = append(errs, under("subject", err)...)
	errs = append(errs, c.validateURLs()...)
	errs = append(errs, c.validateStream()...)
	errs = append(errs, c.validateAuth()...)
	if c.MaxInFlight < 0 || c.MaxInFlight > maxInFlight {
		wrong("max_in_flight", "%d is not between 1 and %d", c.MaxInFlight, maxInFlight)
	}
	if c.Timeout < 0 {
		wrong("timeout", "%v is negative", c.Timeout)
	}
	switch c.OnTooLarge {
	case "", tooLargeReject, tooLargeTrim:
	default:
		wrong("on_too_large", "%q is neither reject nor trim", c.OnTooLarge)
	}
	if c.InboxPrefix != "" && !plainSubject(c.InboxPrefix) {
		wrong("inbox_prefix", "%q is no subject without wildcards", c.InboxPrefix)
	}
	return errors.Join(errs...)
}

func (c *Config) validateURLs() []error {
	var errs []error
	embedded := c.Embedded != nil || c.Server != nil
	switch {
	case len(c.URL) == 0 && !embedded:
		errs = append(errs, &conf.Error{Field: "url", Msg: "no server is given",
			Hint: "set url, or embedded: {} for a server in this process"})
	case len(c.URL) > 0 && embedded:
		errs = append(errs, &conf.Error{Field: "url", Msg: "url and embedded exclude each other",
			Hint: "remove embedded to use the servers of url"})
	}
	errs = append(errs, natsconn.ValidateURLs(c.URL)...)
	if c.Embedded == nil {
		return errs
	}
	if err := c.Embedded.Validate(); err != nil {
		errs = append(errs, under("embedded", err)...)
	} else if !c.Embedded.Loopback() && c.User == "" && c.Token == "" && c.TokenFile == "" {
		errs = append(errs, &conf.Error{Field: "embedded.listen",
			Msg:  "the server would give audit events to everyone who reaches " + c.Embedded.Listen,
			Hint: "listen on 127.0.0.1, or set user and password, or token, beside embedded"})
	}
	if c.TLS != nil {
		errs = append(errs, conf.FieldErrorf("tls", "the embedded server has no TLS"))
	}
	return errs
}

// under returns the mistakes in err, each said to be about a key or one of the keys below it. Their positions stay.
func under(key string, err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, e := range joined.Unwrap() {
			errs = append(errs, under(key, e)...)
		}
		return errs
	}
	if ce, ok := errors.AsType[*conf.Error](err); ok {
		about := *ce
		about.Field = key
		if ce.Field != "" && ce.Field != key {
			about.Field = key + "." + ce.Field
		}
		err = &about
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

func (c *Config) validateStream() []error {
	var errs []error
	wrong := func(field, format string, args ...any) {
		errs = append(errs, conf.FieldErrorf(field, format, args...))
	}
	if strings.ContainsAny(c.Stream, " \t\r\n.*>/\\") {
		wrong("stream", "%q has a character that a stream name can not have (space . * > / \\)", c.Stream)
	}
	if c.Create && c.Stream == "" {
		wrong("create", "create needs the name of the stream in stream")
	}
	if c.Replicas < 0 || c.Replicas > 5 {
		wrong("replicas", "%d is not between 1 and 5", c.Replicas)
	}
	if c.MaxAge < 0 || c.MaxAge > 0 && c.MaxAge < 100*time.Millisecond {
		wrong("max_age", "%v is too short", c.MaxAge)
	}
	if c.MaxBytes < 0 {
		wrong("max_bytes", "%d is negative", c.MaxBytes)
	}
	if c.DuplicateWindow < 0 || c.DuplicateWindow > 0 && c.DuplicateWindow < 100*time.Millisecond {
		wrong("duplicate_window", "%v is too short", c.DuplicateWindow)
	}
	if c.MaxAge > 0 && c.DuplicateWindow > c.MaxAge && c.DuplicateWindow != defaultDuplicateWindow {
		wrong("duplicate_window", "%v is longer than max_age %v", c.DuplicateWindow, c.MaxAge)
	}
	return errs
}

// identity is who the connection is.
func (c *Config) validateAuth() []error {
	errs := c.Identity.Validate()
	if (c.Embedded != nil || c.Server != nil) && (c.NkeyFile != "" || c.CredsFile != "") {
		errs = append(errs, conf.FieldErrorf("embedded", "the embedded server knows user and password, or token, only"))
	}
	return errs
}
