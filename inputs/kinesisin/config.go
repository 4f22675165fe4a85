// Package kinesisin reads a data stream of Amazon Kinesis: CloudWatch Logs subscription payloads, plain records, and the
// aggregated records of the Kinesis Producer Library.
//
// Each shard is read by a goroutine of its own, and its position is the sequence number up to which every record is
// delivered or in quarantine.
package kinesisin

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/awsconf"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/lazyregexp"
	"github.com/trailcast/trailcast/internal/splitconf"
)

// Config is what users write under `kinesis`.
type Config struct {
	Stream      string        `conf:"stream" required:"true" doc:"Name of the data stream, or its ARN: of a stream of another account always the ARN." example:"audit"`
	Start       string        `conf:"start" default:"oldest" doc:"Where to begin at the first start: oldest, latest (what arrives from the first start on), or a time. Shards that the stream gets later are always read from their oldest record." example:"2026-01-31T12:00:00Z"`
	Interval    time.Duration `conf:"interval" default:"1s" doc:"How often a shard is read. Kinesis allows 5 reads per second and shard, for all who read it together. A shard that is behind is read up to 4 times per second."`
	MaxRecords  int           `conf:"max_records" default:"1000" doc:"Largest number of records of one read; up to 10000."`
	MaxInFlight conf.Size     `conf:"max_in_flight" default:"64MiB" doc:"Records of all shards together that were read and are not settled yet. An answer that is awaited counts as the largest one, 10 MiB and 512 bytes for each of max_records."`
	Discover    time.Duration `conf:"discover" default:"1m" doc:"How often to look for new shards. The end of a shard makes it look at once."`
	Index       int           `conf:"index" doc:"With of: which of the agents this one is, from 0." example:"0"`
	Of          int           `conf:"of" default:"1" doc:"Number of agents that share the stream: each reads the shards whose number, divided by this, leaves its index. The division is fixed: while an agent is down nobody reads its shards."`
	Split
	MaxDecompressed conf.Size `conf:"max_decompressed" default:"1GiB" doc:"Largest size of one compressed record when unpacked; what exceeds it goes to quarantine."`
	AWS
}

// The parts of a Config. Embedded types need names of their own.
type (
	AWS   = awsconf.Config
	Split = splitconf.Config
)

const (
	startOldest = "oldest"
	startLatest = "latest"

	fastest    = 200 * time.Millisecond // 5 reads per second and shard
	mostAtOnce = 10_000                 // GetRecords: Limit
)

var (
	streamName = lazyregexp.New(`^[a-zA-Z0-9_.-]{1,128}$`)
	streamARN  = lazyregexp.New(`^arn:[a-z-]+:kinesis:[a-z0-9-]+:\d{12}:stream/[a-zA-Z0-9_.-]{1,128}$`)
)

// Validate returns all mistakes in c.
func (c *Config) Validate() error {
	errs := slices.Concat(c.AWS.Mistakes(), c.Split.Mistakes())
	wrong := func(field, format string, args ...any) { errs = append(errs, conf.FieldErrorf(field, format, args...)) }
	region := awsconf.RegionOfARN(c.Stream)
	switch {
	case c.Stream == "":
		wrong("stream", "the stream's name or ARN is missing")
	case !streamName.MatchString(c.Stream) && !streamARN.MatchString(c.Stream):
		wrong("stream", "%q is no name of a stream, and not like arn:aws:kinesis:eu-west-1:123456789012:stream/name", c.Stream)
	case region != "" && c.Region != "" && c.Region != region:
		wrong("region", "%s is not the region in the stream's ARN", c.Region)
	}
	if _, err := c.startTime(); err != nil {
		wrong("start", "%v", err)
	}
	if c.Interval != 0 && c.Interval < fastest {
		wrong("interval", "%v is less than the %v that Kinesis allows", c.Interval, fastest)
	}
	if c.Discover != 0 && c.Discover < time.Second {
		wrong("discover", "%v is less than 1s", c.Discover)
	}
	if c.MaxRecords < 0 || c.MaxRecords > mostAtOnce {
		wrong("max_records", "%d is not between 1 and %d", c.MaxRecords, mostAtOnce)
	}
	if of := cmp.Or(c.Of, 1); of < 1 {
		wrong("of", "%d is less than 1", of)
	} else if c.Index < 0 || c.Index >= of {
		wrong("index", "%d is not between 0 and %d, one less than of", c.Index, of-1)
	}
	for field, size := range map[string]conf.Size{"max_in_flight": c.MaxInFlight, "max_decompressed": c.MaxDecompressed} {
		if size < 0 {
			wrong(field, "%d is negative", size)
		}
	}
	return errors.Join(errs...)
}

// startTime is the time that start names; zero where it names none.
func (c *Config) startTime() (time.Time, error) {
	switch c.Start {
	case "", startOldest, startLatest:
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, c.Start)
	switch {
	case err != nil:
		return t, fmt.Errorf("%q is neither oldest nor latest nor a time like 2026-01-31T12:00:00Z", c.Start)
	case t.After(time.Now()):
		return t, fmt.Errorf("%s is in the future", c.Start)
	}
	return t.UTC(), nil
}

func (c Config) withDefaults() Config {
	c.Region = cmp.Or(c.Region, awsconf.RegionOfARN(c.Stream))
	c.Start = cmp.Or(c.Start, startOldest)
	c.Interval = cmp.Or(c.Interval, time.Second)
	c.MaxRecords = cmp.Or(c.MaxRecords, 1000)
	c.MaxInFlight = cmp.Or(c.MaxInFlight, 64<<20)
	c.Discover = cmp.Or(c.Discover, time.Minute)
	c.Of = cmp.Or(c.Of, 1)
	c.MaxDecompressed = cmp.Or(c.MaxDecompressed, 1<<30)
	return c
}

// name is the stream's name, without what its ARN says besides.
func (c *Config) name() string { return c.Stream[strings.LastIndexByte(c.Stream, '/')+1:] }
