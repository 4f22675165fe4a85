// Package sqsqueue reads a queue of Amazon SQS for inputs: it keeps messages invisible to others while they are worked on,
// deletes them when they are done, and sets poisonous ones aside.
package sqsqueue

import (
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
)

// Config is the part of an input's configuration that is about its queue.
type Config struct {
	QueueURL          string        `conf:"queue_url" doc:"URL of the SQS queue." example:"https://sqs.eu-west-1.amazonaws.com/123456789012/trail"`
	VisibilityTimeout time.Duration `conf:"visibility_timeout" default:"2m" doc:"How long after an agent has disappeared its messages go to another. While an agent works on a message it extends this in time, up to the 12 hours that SQS allows."`
	MaxReceives       int           `conf:"max_receives" default:"20" doc:"A message that fails although it was received more often than this goes to quarantine and is deleted. What an operator can mend (permissions, credentials) and what passes by itself (throttling, no network) does not count as failing. -1: never; then the queue's own redrive policy should end it."`
	MaxMessages       int           `conf:"max_messages" default:"100" doc:"Messages that are held at the same time."`
	Receivers         int           `conf:"receivers" default:"2" doc:"Receive calls that wait for messages at the same time."`
}

// Mistakes returns all mistakes in c.
func (c *Config) Mistakes() []error {
	var errs []error
	wrong := func(field, format string, args ...any) { errs = append(errs, conf.FieldErrorf(field, format, args...)) }
	if u, err := url.Parse(c.QueueURL); c.QueueURL != "" && (err != nil || u.Host == "" || strings.Count(u.Path, "/") < 2) {
		wrong("queue_url", "%q is not like https://sqs.eu-west-1.amazonaws.com/123456789012/name", c.QueueURL)
	}
	if c.VisibilityTimeout < 0 || c.VisibilityTimeout > 12*time.Hour || c.VisibilityTimeout%time.Second != 0 {
		wrong("visibility_timeout", "%v: whole seconds up to 12h are allowed", c.VisibilityTimeout)
	}
	if c.MaxReceives < -1 {
		wrong("max_receives", "%d is negative", c.MaxReceives)
	}
	if c.MaxMessages < 0 {
		wrong("max_messages", "%d is negative", c.MaxMessages)
	}
	if c.Receivers < 0 || c.Receivers > 50 {
		wrong("receivers", "%d: 1 to 50 are allowed", c.Receivers)
	}
	return errs
}

// WithDefaults fills in what a program that makes a Config itself has left out.
func (c Config) WithDefaults() Config {
	if c.VisibilityTimeout == 0 {
		c.VisibilityTimeout = 2 * time.Minute
	}
	if c.MaxReceives == 0 {
		c.MaxReceives = 20
	}
	if c.MaxMessages == 0 {
		c.MaxMessages = 100
	}
	if c.Receivers == 0 {
		c.Receivers = 2
	}
	return c
}

// Name returns the queue's name.
func (c *Config) Name() string { return path.Base(c.QueueURL) }

// RegionOfURL returns the region that the queue's URL names; "" when it names none.
func (c *Config) RegionOfURL() string {
	u, err := url.Parse(c.QueueURL)
	if err != nil {
		return ""
	}
	labels := strings.Split(u.Hostname(), ".")
	switch {
	case len(labels) > 3 && labels[0] == "sqs": // sqs.eu-west-1.amazonaws.com
		return labels[1]
	case len(labels) > 3 && labels[1] == "queue": // the old form: eu-west-1.queue.amazonaws.com
		return labels[0]
	case len(labels) > 4 && strings.HasPrefix(labels[0], "vpce-") && labels[1] == "sqs":
		return labels[2]
	case len(labels) > 3 && labels[0] == "sqs-fips":
		return labels[1]
	}
	return ""
}
