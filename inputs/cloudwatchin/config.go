// Package cloudwatchin reads log groups of CloudWatch Logs by asking for their events again and again (FilterLogEvents):
// CloudTrail's events where a trail delivers them there, and the logs of Session Manager, streamed or not.
//
// What it finds is what a subscription would have delivered: the events have the same transport keys.
package cloudwatchin

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/splitconf"
)

// Config is what users write under `cloudwatch_logs`.
type Config struct {
	LogGroups     []string      `conf:"log_groups" required:"true" doc:"Log groups to read: names, ARNs (of linked accounts too, where this is a monitoring account), or either with * for anything." example:"[/aws/ssm/sessions, \"CloudTrail/*\"]"`
	Discover      time.Duration `conf:"discover" default:"5m" doc:"How often log groups are looked for that match the patterns."`
	StreamPrefix  string        `conf:"stream_prefix" doc:"Only log streams whose name begins with this; CloudWatch Logs itself leaves the others out." example:"123456789012_CloudTrail_"`
	StreamInclude []string      `conf:"stream_include" doc:"Only log streams whose name matches one of these; * stands for anything. What is left out is read all the same, and dropped here." example:"[\"*_CloudTrail_eu-*\"]"`
	StreamExclude []string      `conf:"stream_exclude" doc:"No log streams whose name matches one of these; * stands for anything." example:"[\"ecs-execute-command-*\"]"`
	FilterPattern string        `conf:"filter_pattern" doc:"Only events that match this filter pattern, which is CloudWatch's own language; CloudWatch Logs itself leaves the others out." example:"'{ $.eventSource = \"ssm.amazonaws.com\" }'"`

	Start    string        `conf:"start" doc:"First day or time to read, or how far back from the first start. It counts for log groups that have no position yet. Default: from the first start on." example:"24h"`
	End      string        `conf:"end" doc:"Day or time at which to end; a day is included. With follow the input ends look_back after it." example:"2026-01-31"`
	Follow   bool          `conf:"follow" default:"true" doc:"Go on with what is yet to come, up to end where that is given. Otherwise the input ends when everything up to now is read."`
	Interval time.Duration `conf:"interval" default:"10s" doc:"How often to ask for new events."`
	LookBack time.Duration `conf:"look_back" default:"15m" doc:"How late an event may come: so far back of what is done, events are looked for that were not there before. The last minute is looked at each time, all of it every tenth of this."`

	Concurrency int       `conf:"concurrency" default:"2" doc:"Calls of CloudWatch Logs at the same time. It allows 5 a second in an account and region, for everybody."`
	MaxInFlight conf.Size `conf:"max_in_flight" default:"32MiB" doc:"Events that were read and are not delivered yet, in bytes."`
	MaxSeen     int       `conf:"max_seen" default:"250000" doc:"Events that are remembered of each log group, so that looking back does not repeat them. Where there are more within look_back, it is shortened, and the log says so."`
	Split

	AWS
}

// The parts of a Config. Embedded types need names of their own.
type (
	AWS   = awsconf.Config
	Split = splitconf.Config
)

const (
	shortest = time.Second // interval and discover
	longest  = 24 * time.Hour
)

// Validate returns all mistakes in c.
func (c *Config) Validate() error {
	errs := slices.Concat(c.AWS.Mistakes(), c.Split.Mistakes(), c.groupMistakes())
	wrong := func(field, format string, args ...any) { errs = append(errs, conf.FieldErrorf(field, format, args...)) }
	start, err := conf.Time(c.Start, false, time.Now())
	if err != nil {
		wrong("start", "%v", err)
	}
	end, err := conf.Time(c.End, true, time.Now())
	if err != nil {
		wrong("end", "%v", err)
	}
	if !start.IsZero() && !end.IsZero() && !start.Before(end) {
		wrong("end", "it is not after start")
	}
	if c.Start == "" && err == nil && (!c.Follow || !end.IsZero() && end.Before(time.Now())) {
		wrong("start", "it is missing: nothing would be read, since everything up to now is in the past")
	}
	for field, d := range map[string]time.Duration{"interval": c.Interval, "discover": c.Discover} {
		if d != 0 && (d < shortest || d > longest) {
			wrong(field, "%v: %v to %v are allowed", d, shortest, longest)
		}
	}
	if c.LookBack < 0 || c.LookBack > maxLookBack {
		wrong("look_back", "%v: up to %v is allowed", c.LookBack, maxLookBack)
	}
	if c.Concurrency < 0 || c.Concurrency > 50 {
		wrong("concurrency", "%d: 1 to 50 are allowed", c.Concurrency)
	}
	if c.MaxInFlight < 0 {
		wrong("max_in_flight", "%d is negative", c.MaxInFlight)
	}
	if c.MaxSeen < 0 {
		wrong("max_seen", "%d is negative", c.MaxSeen)
	}
	for field, list := range map[string][]string{"stream_include": c.StreamInclude, "stream_exclude": c.StreamExclude} {
		if slices.Contains(list, "") {
			wrong(field, "an empty pattern")
		}
	}
	if len(c.FilterPattern) > 1024 {
		wrong("filter_pattern", "it has %d characters; CloudWatch Logs allows 1024", len(c.FilterPattern))
	}
	return errors.Join(errs...)
}

// maxLookBack is how far in the past CloudWatch Logs lets an event lie when it arrives.
const maxLookBack = 14 * 24 * time.Hour

func (c *Config) groupMistakes() []error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, conf.FieldErrorf("log_groups", format, args...)) }
	if len(c.LogGroups) == 0 {
		wrong("no log group is given")
	}
	region := c.region()
	known := map[string]bool{}
	for _, text := range c.LogGroups {
		s, err := parseSelector(text)
		switch {
		case err != nil:
			wrong("%v", err)
		case known[s.text()]:
			wrong("%q stands there twice", text)
		case s.region != "" && s.region != region:
			wrong("%q is in another region than %s: each region needs an input of its own", text, region)
		default:
			known[s.text()] = true
		}
	}
	return errs
}

// region is where the log groups are: what is configured, else what the first ARN says; "" where neither does.
func (c *Config) region() string {
	region := c.Region
	for _, text := range c.LogGroups {
		region = cmp.Or(region, awsconf.RegionOfARN(text))
	}
	return region
}

func (c Config) withDefaults() Config {
	c.Discover = cmp.Or(c.Discover, 5*time.Minute)
	c.Interval = cmp.Or(c.Interval, 10*time.Second)
	c.LookBack = cmp.Or(c.LookBack, 15*time.Minute)
	c.Concurrency = cmp.Or(c.Concurrency, 2)
	c.MaxInFlight = cmp.Or(c.MaxInFlight, 32<<20)
	c.MaxSeen = cmp.Or(c.MaxSeen, 250_000)
	c.Region = c.region()
	return c
}

// pattern returns the expression of a pattern in which * stands for anything.
func pattern(text string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, `.*`) + `$`)
}

// streams decides by their names which log streams are read.
type streams struct{ include, exclude []*regexp.Regexp }

func newStreams(c *Config) streams {
	var s streams
	for _, text := range c.StreamInclude {
		s.include = append(s.include, pattern(text))
	}
	for _, text := range c.StreamExclude {
		s.exclude = append(s.exclude, pattern(text))
	}
	return s
}

func (s streams) take(name string) bool {
	matches := func(r *regexp.Regexp) bool { return r.MatchString(name) }
	return (len(s.include) == 0 || slices.ContainsFunc(s.include, matches)) && !slices.ContainsFunc(s.exclude, matches)
}
