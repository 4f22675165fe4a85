// Package lookupin reads the event history that CloudTrail keeps of every account, with or without a trail, by its API
// LookupEvents: the management events or the Insights events of the last 90 days, one region at a time.
//
// The history is read in windows of time from old to new, and then again and again up to the present. Events appear in it
// some minutes after they happened, in no order: what is younger than look_back is therefore read again each time, and
// what was delivered already is passed over.
package lookupin

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/splitconf"
)

// Config is what users write under `cloudtrail_lookup`.
type Config struct {
	Regions  []string      `conf:"regions" doc:"Regions whose histories are read, each at its own rate. Default: region." example:"[eu-west-1, us-east-1]"`
	Start    string        `conf:"start" doc:"First day or time, or how far back from now, at the first start; later starts go on where the last one ended. CloudTrail keeps 90 days. Default: 1h; with end it is needed." example:"90d"`
	End      string        `conf:"end" doc:"Day or time at which to end; a day is included, a time is not. With follow one that is to come is waited for." example:"2026-01-31"`
	Follow   bool          `conf:"follow" default:"true" doc:"Go on and read every interval what is new. Otherwise the input ends when all is read that has appeared so far."`
	Interval time.Duration `conf:"interval" default:"1m" doc:"With follow: how long to wait before reading again."`
	LookBack time.Duration `conf:"look_back" default:"30m" doc:"How late an event may appear in the history. What is younger than this is read again each time; an event that appears later than this is missed."`
	Window   time.Duration `conf:"window" default:"1h" doc:"How much time is read in one go, and again after a failure. Quiet accounts are read faster with more."`
	Rate     float64       `conf:"rate" default:"2" doc:"Requests per second and region. CloudTrail allows 2 to all who ask it in the account, the console included."`

	Attribute *Attribute `conf:"attribute" doc:"Only events with this attribute. CloudTrail takes one."`
	Category  string     `conf:"category" enum:"management,insight" default:"management" doc:"Which events: those of management, or those of CloudTrail Insights."`

	AWS
	Split
}

// Attribute selects events.
type Attribute struct {
	Key   string `conf:"key" required:"true" enum:"EventId,EventName,EventSource,ReadOnly,Username,ResourceType,ResourceName,AccessKeyId" doc:"Name of the attribute. For Insights events EventId, EventName and EventSource."`
	Value string `conf:"value" required:"true" doc:"Its value." example:"StartSession"`
}

// The parts of a Config. Embedded types need names of their own.
type (
	AWS   = awsconf.Config
	Split = splitconf.Config
)

const (
	history  = 90 * 24 * time.Hour // that CloudTrail keeps
	maxRate  = 2                   // requests per second, account and region that CloudTrail allows
	maxValue = 2000                // characters of an attribute's value

	management = "management"
	insight    = "insight"
)

var region = regexp.MustCompile(`^[a-z]+(-[a-z]+)+-\d+$`)

// Validate returns all mistakes in c.
func (c *Config) Validate() error {
	errs := slices.Concat(c.AWS.Mistakes(), c.Split.Mistakes())
	wrong := func(field, format string, args ...any) { errs = append(errs, conf.FieldErrorf(field, format, args...)) }
	for i, name := range c.Regions {
		switch {
		case !region.MatchString(name):
			wrong("regions", "%q is not like eu-west-1", name)
		case slices.Contains(c.Regions[:i], name):
			wrong("regions", "%s is there twice", name)
		}
	}
	c.mistakenTimes(wrong)
	for field, d := range map[string]time.Duration{"interval": c.Interval, "look_back": c.LookBack} {
		if d < 0 {
			wrong(field, "it is negative")
		}
	}
	if c.Window != 0 && c.Window < time.Second {
		wrong("window", "%v: at least 1s is needed", c.Window)
	}
	if !(c.Rate >= 0 && c.Rate <= maxRate) { // nor NaN
		wrong("rate", "%v: more than 0 and at most %d are allowed", c.Rate, maxRate)
	}
	if c.Rate > 0 && c.Rate < minRate {
		wrong("rate", "%v: less than one request in an hour", c.Rate)
	}
	if !slices.Contains([]string{"", management, insight}, c.Category) {
		wrong("category", "%q is neither management nor insight", c.Category)
	}
	if c.Attribute != nil {
		c.Attribute.mistakes(c.Category, wrong)
	}
	return errors.Join(errs...)
}

const minRate = 1.0 / 3600

// mistakenTimes compares start and end where that gives the same whenever it is asked: a configuration that was right must
// not become wrong by the time that passes.
func (c *Config) mistakenTimes(wrong func(field, format string, args ...any)) {
	now := time.Now()
	start, err := parseTime(c.Start, false, now)
	if err != nil {
		wrong("start", "%v", err)
	}
	end, err := parseTime(c.End, true, now)
	if err != nil {
		wrong("end", "%v", err)
	}
	switch {
	case start.After(now):
		wrong("start", "it is yet to come")
	case c.End != "" && c.Start == "":
		wrong("start", "it is needed with end")
	case !start.IsZero() && !end.IsZero() && conf.IsAbsolute(c.Start) == conf.IsAbsolute(c.End) && !start.Before(end):
		wrong("end", "it is not after start")
	}
}

func (a *Attribute) mistakes(category string, wrong func(field, format string, args ...any)) {
	keys := types.LookupAttributeKey("").Values()
	if category == insight {
		keys = []types.LookupAttributeKey{types.LookupAttributeKeyEventId, types.LookupAttributeKeyEventName, types.LookupAttributeKeyEventSource}
	}
	if !slices.Contains(keys, types.LookupAttributeKey(a.Key)) {
		var names []string
		for _, k := range keys {
			names = append(names, string(k))
		}
		wrong("attribute.key", "%q is not among %s", a.Key, strings.Join(names, ", "))
	}
	switch {
	case a.Value == "" || len(a.Value) > maxValue:
		wrong("attribute.value", "1 to %d characters are allowed", maxValue)
	case a.Key == string(types.LookupAttributeKeyReadOnly) && a.Value != "true" && a.Value != "false":
		wrong("attribute.value", "%q is neither true nor false", a.Value)
	}
}

const defaultStart = "1h"

// withDefaults fills in what a program that makes a Config itself has left out.
func (c Config) withDefaults() Config {
	c.Start = cmp.Or(c.Start, defaultStart)
	c.Interval = cmp.Or(c.Interval, time.Minute)
	c.LookBack = cmp.Or(c.LookBack, 30*time.Minute)
	c.Window = cmp.Or(c.Window, time.Hour).Truncate(time.Second)
	c.Rate = cmp.Or(c.Rate, maxRate)
	return c
}

// parseTime reads what start and end say, in whole seconds, as LookupEvents has them.
func parseTime(text string, end bool, now time.Time) (time.Time, error) {
	t, err := conf.Time(text, end, now)
	return whole(t), err
}

// whole returns t in whole seconds, without a monotonic clock.
func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// Ends reports whether an input with this configuration comes to an end by itself.
func (c *Config) Ends() bool { return !c.Follow }
