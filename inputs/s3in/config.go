// Package s3in reads objects of Amazon S3: those that the messages of a queue tell of, or those that a bucket lists.
package s3in

import (
	"errors"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trailcast/trailcast/formats/s3key"
	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/splitconf"
	"github.com/trailcast/trailcast/internal/sqsqueue"
)

// Config is what users write under `s3`.
type Config struct {
	Queue

	Bucket       string        `conf:"bucket" doc:"Bucket to list, instead of a queue that tells of new objects." example:"acme-cloudtrail"`
	Prefix       string        `conf:"prefix" doc:"With bucket: only keys that begin with this. Below AWSLogs/ the folders of accounts and regions are understood." example:"AWSLogs/o-abc123/"`
	Start        string        `conf:"start" doc:"With bucket: first day or time, or how far back from now (36h, 90d). CloudTrail's logs go by the date in their key, other objects by when they were written. Default: all, with follow from now on." example:"2026-01-01"`
	End          string        `conf:"end" doc:"With bucket: day or time at which to end; a day is included." example:"2026-01-31"`
	Follow       bool          `conf:"follow" doc:"With bucket: go on and list again every poll_interval for new objects. Otherwise the input ends when all are read."`
	PollInterval time.Duration `conf:"poll_interval" default:"1m" doc:"With follow: how often to list."`
	LookBack     time.Duration `conf:"look_back" default:"1h" doc:"With follow: how far before the newest object late ones are looked for."`
	Accounts     []string      `conf:"accounts" doc:"With bucket: only these accounts' CloudTrail logs." example:"[\"123456789012\"]"`
	Regions      []string      `conf:"regions" doc:"With bucket: only CloudTrail logs of these regions." example:"[eu-west-1]"`

	Kinds   []string `conf:"kinds" doc:"Kinds of objects to read, as their keys tell: cloudtrail, insight, network_activity, aggregated, cloudtrail_new (kinds of CloudTrail folders that are not known yet), session (transcripts), service (other services' logs below AWSLogs), other. Others are passed over, and counted. Default: all but service and other."`
	Include []string `conf:"include" doc:"Regular expressions, not anchored: a key that one of them matches is read whatever its kind." example:"['exports/.*\\.ndjson\\.gz$']"`
	Exclude []string `conf:"exclude" doc:"Regular expressions, not anchored: a key that one of them matches is never read." example:"['/CloudTrail/us-gov-']"`

	MaxObjects      int       `conf:"max_objects" default:"8" doc:"Objects that are read at the same time."`
	MaxDecompressed conf.Size `conf:"max_decompressed" default:"64GiB" doc:"Largest size of one compressed object when unpacked; what exceeds it goes to quarantine."`
	Split

	AWS
	S3Endpoint string   `conf:"s3_endpoint" doc:"URL of S3 where it is another than endpoint. Buckets are then addressed by path." example:"https://bucket.vpce-0123.s3.eu-west-1.vpce.amazonaws.com"`
	Buckets    []Bucket `conf:"buckets" doc:"How to reach some buckets: another role, region or endpoint. The first that matches counts."`
}

// Bucket is how the buckets are reached that its pattern matches.
type Bucket struct {
	Match      string `conf:"match" required:"true" doc:"Name of the bucket; * stands for anything." example:"acme-*-logs"`
	RoleARN    string `conf:"role_arn" doc:"Role to assume for these buckets. Default: that of the input."`
	ExternalID string `conf:"external_id" doc:"External id that the role's trust policy asks for."`
	Region     string `conf:"region" doc:"Region of the buckets. Default: what the notice tells, or S3."`
	Endpoint   string `conf:"endpoint" doc:"URL of S3 for these buckets."`
}

// The parts of a Config. Embedded types need names of their own.
type (
	Queue = sqsqueue.Config
	AWS   = awsconf.Config
	Split = splitconf.Config
)

// Validate returns all mistakes in c.
func (c *Config) Validate() error {
	errs := slices.Concat(c.Queue.Mistakes(), c.AWS.Mistakes(), c.Split.Mistakes())
	wrong := func(field, format string, args ...any) { errs = append(errs, conf.FieldErrorf(field, format, args...)) }
	switch {
	case c.QueueURL == "" && c.Bucket == "":
		wrong("queue_url", "neither queue_url nor bucket is given")
	case c.QueueURL != "" && c.Bucket != "":
		wrong("bucket", "queue_url and bucket exclude each other")
	}
	if c.Bucket == "" {
		for field, given := range map[string]bool{
			"prefix": c.Prefix != "", "start": c.Start != "", "end": c.End != "", "follow": c.Follow, "accounts": len(c.Accounts) > 0, "regions": len(c.Regions) > 0,
		} {
			if given {
				wrong(field, "means something with bucket only")
			}
		}
	}
	start, err := conf.Time(c.Start, false, time.Now())
	if err != nil {
		wrong("start", "%v", err)
	}
	end, err := conf.Time(c.End, true, time.Now())
	if err != nil {
		wrong("end", "%v", err)
	}
	if !start.IsZero() && !end.IsZero() && !start.Before(end) {
		wrong("end", "it is before start")
	}
	if c.Follow && c.End != "" {
		wrong("end", "follow and end exclude each other")
	}
	for _, kind := range c.Kinds {
		if !slices.Contains(s3key.Kinds, s3key.Kind(kind)) {
			wrong("kinds", "%q is no kind of object (%s)", kind, joinKinds())
		}
	}
	for field, list := range map[string][]string{"include": c.Include, "exclude": c.Exclude} {
		for _, text := range list {
			if _, err := regexp.Compile(text); err != nil {
				wrong(field, "%q: %v", text, err)
			}
		}
	}
	for field, n := range map[string]int64{
		"max_objects": int64(c.MaxObjects), "max_decompressed": int64(c.MaxDecompressed), "poll_interval": int64(c.PollInterval), "look_back": int64(c.LookBack),
	} {
		if n < 0 {
			wrong(field, "it is negative")
		}
	}
	for i := range c.Buckets {
		b := &c.Buckets[i]
		aws := awsconf.Config{RoleARN: b.RoleARN, ExternalID: b.ExternalID, Endpoint: b.Endpoint}
		for _, err := range aws.Mistakes() {
			wrong("buckets", "%s: %v", b.Match, err)
		}
		if _, err := path.Match(b.Match, ""); b.Match == "" || err != nil {
			wrong("buckets", "match %q is missing or no pattern", b.Match)
		}
	}
	return errors.Join(errs...)
}

func joinKinds() string {
	var names []string
	for _, k := range s3key.Kinds {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

func (c Config) withDefaults() Config {
	c.Queue = c.Queue.WithDefaults()
	if c.PollInterval == 0 {
		c.PollInterval = time.Minute
	}
	if c.LookBack == 0 {
		c.LookBack = time.Hour
	}
	if c.MaxObjects == 0 {
		c.MaxObjects = 8
	}
	return c
}

// chooser decides by their keys which objects are read.
type chooser struct {
	kinds            map[s3key.Kind]bool
	include, exclude []*regexp.Regexp
}

func newChooser(c *Config) *chooser {
	ch := &chooser{kinds: map[s3key.Kind]bool{}}
	for _, kind := range c.Kinds {
		ch.kinds[s3key.Kind(kind)] = true
	}
	if len(c.Kinds) == 0 {
		for _, kind := range s3key.Kinds {
			ch.kinds[kind] = kind != s3key.Service && kind != s3key.Other
		}
	}
	for _, text := range c.Include {
		ch.include = append(ch.include, regexp.MustCompile(text)) // checked by Validate
	}
	for _, text := range c.Exclude {
		ch.exclude = append(ch.exclude, regexp.MustCompile(text))
	}
	return ch
}

// takes reports whether an object is read. A digest holds hashes and no events, whoever includes it.
func (ch *chooser) takes(key string, info *s3key.Info) bool {
	matches := func(list []*regexp.Regexp) bool {
		return slices.ContainsFunc(list, func(r *regexp.Regexp) bool { return r.MatchString(key) })
	}
	switch {
	case info.Kind == s3key.Folder, info.Kind == s3key.Digest, matches(ch.exclude):
		return false
	case matches(ch.include):
		return true
	}
	return ch.kinds[info.Kind]
}

// Ends reports whether an input with this configuration comes to an end by itself.
func (c *Config) Ends() bool { return c.Bucket != "" && !c.Follow }
