// Package filein reads files: whole documents and compressed files, and lines that are appended while it reads.
package filein

import (
	"errors"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/splitconf"
)

// Config is what users write under `file`.
type Config struct {
	Paths           []string      `conf:"paths,inline" required:"true" doc:"Files, directories (everything below) and globs; ** crosses directories." example:"[/var/log/cloudtrail/**/*.json.gz]"`
	Exclude         []string      `conf:"exclude" doc:"Globs of paths to leave out." example:"[\"**/CloudTrail-Digest/**\"]"`
	Follow          bool          `conf:"follow" doc:"Go on with new files and with lines that are appended, until the agent stops. Otherwise every file is read once."`
	Start           string        `conf:"start" default:"beginning" enum:"beginning,end" doc:"With follow: where to begin in files that were there before the first start."`
	PollInterval    time.Duration `conf:"poll_interval" default:"1s" doc:"With follow: how often to look for new files and lines."`
	StableAfter     time.Duration `conf:"stable_after" default:"5s" doc:"With follow: how long a document that is no sequence of lines must not have changed before it is read."`
	MaxDecompressed conf.Size     `conf:"max_decompressed" default:"64GiB" doc:"Largest size of one compressed file when unpacked; what exceeds it goes to quarantine."`
	MaxFiles        int           `conf:"max_files" default:"2" doc:"Files that are read at the same time."`

	splitconf.Config
}

const (
	startBeginning = "beginning"
	startEnd       = "end"
)

// withDefaults fills in what a program that makes a Config itself has left out.
func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.PollInterval, time.Second)
	set(&c.StableAfter, 5*time.Second)
	if c.Start == "" {
		c.Start = startBeginning
	}
	if c.MaxFiles == 0 {
		c.MaxFiles = 2
	}
	return c
}

// Validate returns all mistakes in c.
func (c *Config) Validate() error {
	errs := c.Mistakes()
	for field, globs := range map[string][]string{"paths": c.Paths, "exclude": c.Exclude} {
		for _, g := range globs {
			switch {
			case g == "":
				errs = append(errs, conf.FieldErrorf(field, "an empty path"))
			case !doublestar.ValidatePathPattern(g):
				errs = append(errs, conf.FieldErrorf(field, "%q is no valid pattern", g))
			}
		}
	}
	if c.Start == startEnd && !c.Follow {
		errs = append(errs, &conf.Error{Field: "start", Msg: "end means something with follow only", Hint: "set follow: true"})
	}
	for field, d := range map[string]time.Duration{"poll_interval": c.PollInterval, "stable_after": c.StableAfter} {
		if d < 0 {
			errs = append(errs, conf.FieldErrorf(field, "%v is negative", d))
		}
	}
	for field, n := range map[string]int64{
		"max_decompressed": int64(c.MaxDecompressed), "max_files": int64(c.MaxFiles),
	} {
		if n < 0 {
			errs = append(errs, conf.FieldErrorf(field, "%d is negative", n))
		}
	}
	return errors.Join(errs...)
}

// Ends reports whether an input with this configuration comes to an end by itself.
func (c *Config) Ends() bool { return !c.Follow }
