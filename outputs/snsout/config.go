// Package snsout publishes events on topics of Amazon SNS, for people and for other AWS services.
//
// Delivered means that SNS has accepted the message. What it sends on, by which subscriptions, is the topic's affair.
// Standard topics keep no order and may deliver a message more than once; FIFO topics keep the order of each group and drop
// repeats within five minutes.
package snsout

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/lazyregexp"
	"github.com/trailcast/trailcast/internal/template"
	"github.com/trailcast/trailcast/pipeline"
)

// Config is what users write under `sns`.
type Config struct {
	TopicARN    string   `conf:"topic_arn" doc:"Topic to publish to; a template, with topics as the list of what it may become." example:"arn:aws:sns:eu-west-1:123456789012:sessions"`
	Topics      []string `conf:"topics" doc:"With a template in topic_arn: the topics that it may become; * stands for anything. An event of another topic goes to quarantine." example:"[\"arn:aws:sns:eu-west-1:*:sessions\"]"`
	TargetARN   string   `conf:"target_arn" doc:"Instead of a topic: the endpoint of a mobile application." example:"arn:aws:sns:eu-west-1:123456789012:endpoint/GCM/app/0123"`
	PhoneNumber string   `conf:"phone_number" doc:"Instead of a topic: a telephone number that gets text messages." example:"+4930123456"`

	Subject      conf.Text `conf:"subject" doc:"Subject of e-mails; a template. What is not printable ASCII becomes ?, and it ends after 99 characters." example:"'{actor}: {action} in {account}'"`
	SubjectJQ    conf.Text `conf:"subject_jq" doc:"The subject as the first result of a jq program; null or empty: none." example:"'\"\\(actor) opened a session\"'"`
	Message      conf.Text `conf:"message" doc:"Text for people instead of the event; a template." example:"'{actor} did {action} on {target} at {.eventTime}'"`
	MessageJQ    conf.Text `conf:"message_jq" doc:"The message as the first result of a jq program; what is no string is sent as JSON." example:"'{who: actor, what: .eventName}'"`
	NoAttributes bool      `conf:"no_attributes" doc:"Send no message attributes. They are there for filter policies: trailcast_kind, trailcast_account, trailcast_region, trailcast_service, trailcast_action, trailcast_outcome, trailcast_id, trailcast_key."`

	GroupID conf.Text `conf:"group_id" default:"{account}" doc:"Of FIFO topics: the group in which order is kept; a template."`

	MaxMessageSize conf.Size     `conf:"max_message_size" doc:"Largest message, and largest batch, with attributes. Default: the topic's MaximumMessageSize where it may be asked for, else 256KiB."`
	OnTooLarge     string        `conf:"on_too_large" default:"reject" enum:"reject,trim" doc:"What becomes of an event larger than that: reject sends it to quarantine, trim replaces its largest parts by a marker. Session text is split over several messages instead."`
	Timeout        time.Duration `conf:"timeout" default:"10s" doc:"How long one call may take."`
	MaxInFlight    int           `conf:"max_in_flight" default:"4" doc:"Calls at the same time. FIFO topics have one."`

	AWS

	// CompileJQ makes subject_jq and message_jq executable. Without it they are refused.
	CompileJQ CompileJQ `conf:"-"`
}

// CompileJQ compiles a jq program.
type CompileJQ func(conf.Text) (Text, error)

// Text makes a text of an event; ok is false where there is none.
type Text = func(ctx context.Context, ev *pipeline.Event) (s string, ok bool, err error)

// AWS is a part of a Config.
type AWS = awsconf.Config

const (
	tooLargeReject = "reject"
	tooLargeTrim   = "trim"

	// Limits of SNS (API reference, PublishBatch and Publish).
	maxEntries     = 10
	defaultMessage = 256 << 10
	mostMessage    = 1 << 20
	maxSubject     = 99 // "less than 100 characters"
	maxGroup       = 128
	maxSMS         = 1600
	leastBody      = 64 // what must be left for a message beside its attributes
)

var (
	topicARN    = lazyregexp.New(`^arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$`)
	targetARN   = lazyregexp.New(`^arn:[a-z-]+:sns:[a-z0-9-]+:\d{12}:\S+$`)
	phoneNumber = lazyregexp.New(`^\+[1-9]\d{1,14}$`)
)

// Validate returns all mistakes in c.
func (c *Config) Validate() error {
	errs := c.AWS.Mistakes()
	wrong := func(field, format string, args ...any) { errs = append(errs, conf.FieldErrorf(field, format, args...)) }
	given := 0
	for _, way := range []string{c.TopicARN, c.TargetARN, c.PhoneNumber} {
		if way != "" {
			given++
		}
	}
	if given != 1 {
		wrong("topic_arn", "one of topic_arn, target_arn and phone_number is needed")
	}
	if c.TopicARN != "" {
		_, err := newTopics(c)
		errs = append(errs, err)
	}
	if c.TargetARN != "" && !targetARN.MatchString(c.TargetARN) {
		wrong("target_arn", "%q is no ARN of SNS", c.TargetARN)
	}
	if c.PhoneNumber != "" && !phoneNumber.MatchString(c.PhoneNumber) {
		wrong("phone_number", "%q is not like +4930123456", c.PhoneNumber)
	}
	for _, pair := range [][2]string{{"subject", c.Subject.Value + "\x00" + c.SubjectJQ.Value}, {"message", c.Message.Value + "\x00" + c.MessageJQ.Value}} {
		if one, two, _ := strings.Cut(pair[1], "\x00"); one != "" && two != "" {
			wrong(pair[0]+"_jq", "%[1]s and %[1]s_jq exclude each other", pair[0])
		}
	}
	for _, t := range []conf.Text{c.Subject, c.Message, c.GroupID} {
		if t.Value != "" {
			_, err := template.Parse(t)
			errs = append(errs, err)
		}
	}
	for _, text := range []conf.Text{c.SubjectJQ, c.MessageJQ} {
		if text.Value != "" && c.CompileJQ != nil {
			_, err := c.CompileJQ(text)
			errs = append(errs, err)
		}
	}
	if c.PhoneNumber != "" && c.Message.Value == "" && c.MessageJQ.Value == "" {
		wrong("message", "a text message needs message or message_jq: an event is too long for it")
	}
	if c.MaxMessageSize < 0 || c.MaxMessageSize > mostMessage || c.MaxMessageSize > 0 && c.MaxMessageSize < 1024 {
		wrong("max_message_size", "1KiB to 1MiB are allowed")
	}
	if c.OnTooLarge != "" && c.OnTooLarge != tooLargeReject && c.OnTooLarge != tooLargeTrim {
		wrong("on_too_large", "%q is neither reject nor trim", c.OnTooLarge)
	}
	if c.Timeout < 0 {
		wrong("timeout", "%v is negative", c.Timeout)
	}
	if c.MaxInFlight < 0 || c.MaxInFlight > 100 {
		wrong("max_in_flight", "%d: 1 to 100 are allowed", c.MaxInFlight)
	}
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return err == nil })...)
}

// withDefaults fills in what a program that makes a Config itself has left out.
func (c Config) withDefaults() Config {
	if c.GroupID.Value == "" {
		c.GroupID.Value = "{account}"
	}
	if c.OnTooLarge == "" {
		c.OnTooLarge = tooLargeReject
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 4
	}
	return c
}
