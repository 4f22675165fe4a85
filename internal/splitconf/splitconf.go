// Package splitconf holds the settings that say how an input splits what it reads; the Config of each input embeds them.
package splitconf

import (
	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/conf"
)

// Config is the part of an input's configuration that says what may come out of what it reads.
type Config struct {
	Accept    []string  `conf:"accept" doc:"Kinds of events that may come out: cloudtrail, insight, session_log, other. Others go to quarantine. Only session_log: what is no streamed session JSON is the text of a session. Default: all."`
	Unwrap    []string  `conf:"unwrap" doc:"Names of top-level fields that carry a JSON document as a string." example:"[log]"`
	MaxRecord conf.Size `conf:"max_record" default:"16MiB" doc:"Largest record; larger ones go to quarantine."`
}

// Mistakes returns all mistakes in c.
func (c *Config) Mistakes() []error {
	var errs []error
	if _, err := split.Kinds(c.Accept); err != nil {
		errs = append(errs, conf.FieldErrorf("accept", "%v", err))
	}
	if c.MaxRecord < 0 {
		errs = append(errs, conf.FieldErrorf("max_record", "%d is negative", c.MaxRecord))
	}
	return errs
}

// Options returns the options of a splitter for a configuration without mistakes. maxDecompressed is the largest size of
// one compressed object when unpacked; 0 takes the splitter's default.
func (c *Config) Options(maxDecompressed conf.Size) split.Options {
	kinds, _ := split.Kinds(c.Accept) // checked by Mistakes
	return split.Options{Accept: kinds, Unwrap: c.Unwrap, MaxRecord: int64(c.MaxRecord), MaxDecompressed: int64(maxDecompressed)}
}
