package sessions

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/natsconn"
)

// KV is the key-value bucket of NATS in which several agents keep what they know of sessions.
type KV struct {
	URL      []string      `conf:"url" required:"true" doc:"One or several servers of one NATS cluster: nats://host:4222, tls://host:4222." example:"nats://127.0.0.1:4222"`
	Bucket   string        `conf:"bucket" default:"trailcast-sessions" doc:"Key-value bucket. All agents that name the same one share their sessions; their filters must be configured alike."`
	Create   bool          `conf:"create" default:"true" doc:"Create the bucket if there is none."`
	Replicas int           `conf:"replicas" default:"1" doc:"Of a bucket that is created: on how many servers it is kept." example:"3"`
	Lease    time.Duration `conf:"lease" default:"15s" doc:"One agent tells what time brings, closings above all. So long after it has disappeared another one does."`

	natsconn.Identity
}

const (
	minLease    = 3 * time.Second
	maxReplicas = 5
)

// Validate returns all mistakes in c. Files and servers are not looked at.
func (c *KV) Validate() error {
	errs := slices.Concat(natsconn.ValidateURLs(c.URL), c.Identity.Validate())
	if len(c.URL) == 0 {
		errs = append(errs, conf.FieldErrorf("url", "no server is given"))
	}
	if c.Bucket != "" && !regexp.MustCompile(`^[a-zA-Z0-9_-]+$`).MatchString(c.Bucket) {
		errs = append(errs, conf.FieldErrorf("bucket", "%q has a character other than letters, digits, _ and -", c.Bucket))
	}
	if c.Replicas < 0 || c.Replicas > maxReplicas {
		errs = append(errs, conf.FieldErrorf("replicas", "%d is not between 1 and %d", c.Replicas, maxReplicas))
	}
	if c.Lease < 0 || c.Lease > 0 && c.Lease < minLease {
		errs = append(errs, conf.FieldErrorf("lease", "%v is shorter than %v", c.Lease, minLease))
	}
	return errors.Join(errs...)
}

// withDefaults fills in what is zero.
func (c KV) withDefaults(filterName string) KV {
	c.Bucket = cmp.Or(c.Bucket, "trailcast-sessions")
	c.Replicas = cmp.Or(c.Replicas, 1)
	c.Lease = cmp.Or(c.Lease, 15*time.Second)
	c.Name = cmp.Or(c.Name, "trailcast/"+filterName)
	return c
}
