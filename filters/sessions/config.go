package sessions

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
)

// Config is what users write under `sessions`.
type Config struct {
	Logs        bool          `conf:"logs" default:"false" doc:"Session logs are among the inputs: a session that leaves none is then told as the alert unlogged."`
	LogGrace    time.Duration `conf:"log_grace" default:"15m" doc:"How long after the end of a session its log may arrive before the session counts as unlogged. Logs that are collected rarely need more." example:"1h"`
	IdleTimeout time.Duration `conf:"idle_timeout" default:"20m" doc:"A session of which nothing is heard for so long is closed. Session Manager's own default is 20 minutes. It does not hold for SSH and port forwarding, which leave no log."`
	MaxDuration time.Duration `conf:"max_duration" default:"24h" doc:"A session is closed so long after its start even if nothing tells its end; 0: never. It is what ends SSH and port forwarding that nobody terminated." example:"8h"`
	Settle      time.Duration `conf:"settle" default:"1m" doc:"How long nothing more may arrive of a session that has ended before it is told as closed."`
	Remember    time.Duration `conf:"remember" default:"24h" doc:"How long a closed session is remembered after the last event of it arrived. What arrives later, or is repeated later, is no longer joined to it."`
	Activity    time.Duration `conf:"activity" default:"0s" doc:"Tell at most so often that a session has new lines; 0: never." example:"5m"`
	Hold        time.Duration `conf:"hold" default:"0s" doc:"How long a log record that comes before the start of its session waits for it, so as to pass with who it was. It is kept on disk meanwhile. 0: it passes at once, as pending." example:"15m"`
	KV          *KV           `conf:"kv" doc:"Share sessions with other agents, by a key-value bucket of NATS: what one reads is joined with what the others read."`
	MaxMemory   conf.Size     `conf:"max_memory" default:"128MiB" doc:"Memory for sessions, about 1 KiB for each and 32 bytes for each event of its log. With hold, a quarter of it is for log records that wait. Beyond it the oldest closed sessions are forgotten, then the oldest open ones are closed (evicted)."`
	MuteAlerts  []string      `conf:"mute_alerts" doc:"Alerts that are not wanted: unlogged, denied, no_mfa, root_or_unknown_actor, cross_account." example:"[no_mfa]"`
}

// minMemory is what a few sessions with long logs need.
const minMemory = 1 << 20

// Validate returns the mistakes in c.
func (c *Config) Validate() error {
	var errs []error
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"log_grace", c.LogGrace}, {"idle_timeout", c.IdleTimeout}, {"max_duration", c.MaxDuration}, {"settle", c.Settle},
		{"remember", c.Remember}, {"activity", c.Activity}, {"hold", c.Hold},
	} {
		if d.value < 0 {
			errs = append(errs, conf.FieldErrorf(d.key, "%v is negative", d.value))
		}
	}
	if c.MaxMemory != 0 && c.MaxMemory < minMemory {
		errs = append(errs, conf.FieldErrorf("max_memory", "%d bytes are too few: give 1MiB or more", c.MaxMemory))
	}
	if !c.Logs && c.LogGrace > 0 && c.LogGrace != defaultLogGrace {
		errs = append(errs, conf.FieldErrorf("log_grace", "has no effect without logs: true"))
	}
	for _, name := range c.MuteAlerts {
		if !slices.Contains(alerts, name) {
			errs = append(errs, conf.FieldErrorf("mute_alerts", "%q is no alert; there are %s", name, strings.Join(alerts, ", ")))
		}
	}
	return errors.Join(errs...)
}

const defaultLogGrace = 15 * time.Minute

// withDefaults fills in what is zero, but for those keys of which 0 means never.
func (c Config) withDefaults() Config {
	c.LogGrace = cmp.Or(c.LogGrace, defaultLogGrace)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 20*time.Minute)
	c.Settle = cmp.Or(c.Settle, time.Minute)
	c.Remember = cmp.Or(c.Remember, 24*time.Hour)
	c.MaxMemory = cmp.Or(c.MaxMemory, 128<<20)
	return c
}
