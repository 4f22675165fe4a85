// Package enrich is the filter that adds the facts of an event to it, as one object under one key ("trailcast"), and
// with them what only the operator knows: names of accounts and places of IP addresses.
package enrich

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// Version is the schema version of the object that the filter adds: its member "v". New members keep it, changed ones
// raise it.
const Version = 1

const (
	defaultKey = "trailcast"

	// recheck is how often, at most, the files are looked at for a change. It is done by an event that passes, so that
	// there is no goroutine to stop.
	recheck = 5 * time.Second
)

// Config is the configuration of `enrich`.
type Config struct {
	Accounts string `conf:"accounts" doc:"CSV (id,name) or YAML file with the names of AWS accounts. It is read again when it changes; a broken new version is logged and the old names stay." example:"accounts.csv"`
	GeoIP    string `conf:"geoip" doc:"MaxMind-format database for the places of source addresses: country, and city and ASN where it has them. It is held in memory and read again when it changes." example:"GeoLite2-City.mmdb"`
	Key      string `conf:"key" default:"trailcast" doc:"The top-level key under which the object is added."`
	Trust    bool   `conf:"trust_enriched" default:"false" doc:"Keep an object that the event already has under the key, as it comes from another trailcast that is trusted. Otherwise it is replaced: anybody could have written it."`
}

// Validate checks what can be checked without reading the files.
func (c Config) Validate() error {
	if strings.TrimSpace(c.Key) != c.Key {
		return conf.FieldErrorf("key", "key %q begins or ends with a space", c.Key)
	}
	return nil
}

// Filter adds the facts. It is safe for concurrent use.
type Filter struct {
	key      string
	begin    string // of the member that is added to an object: its name and colon
	trust    bool
	accounts *watched[accounts] // nil without a file
	geo      *watched[places]   // nil without a database

	log     *slog.Logger
	started time.Time
	checked atomic.Int64 // when the files were looked at last, as a duration since started

	memory sync.Pool // of *memory
}

var _ pipeline.Filter = (*Filter)(nil)

// New reads the files and returns the filter. The errors name the key of the configuration.
func New(cfg Config, env pipeline.Env) (*Filter, error) {
	f := &Filter{key: cmp.Or(cfg.Key, defaultKey), trust: cfg.Trust, log: env.Log, started: time.Now()}
	f.begin = string(rawjson.AppendString(nil, f.key)) + ":"
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if cfg.Accounts != "" {
		if f.accounts, err = watch(cfg.Accounts, readAccounts); err != nil {
			return nil, conf.FieldErrorf("accounts", "read names of accounts: %v", err)
		}
	}
	if cfg.GeoIP != "" {
		if f.geo, err = watch(cfg.GeoIP, readPlaces); err != nil {
			return nil, conf.FieldErrorf("geoip", "read GeoIP database: %v", err)
		}
	}
	return f, nil
}

// Close gives back the memory of the files. Events that still come are enriched without them.
func (f *Filter) Close() error {
	f.accounts.drop()
	f.geo.drop()
	return nil
}

// Apply returns the event with the object added. Bytes outside of it stay as they are.
func (f *Filter) Apply(_ context.Context, dst []pipeline.Event, ev pipeline.Event) ([]pipeline.Event, error) {
	if f.trust {
		if had, ok := rawjson.Get(ev.Raw, f.key); ok && rawjson.KindOf(had) == rawjson.Object {
			return append(dst, ev), nil
		}
	}
	f.recheckFiles()
	m, ok := f.memory.Get().(*memory)
	if !ok {
		m = new(memory)
	}
	defer f.memory.Put(m)
	if f.key == defaultKey && ev.Pristine() {
		if had, known := record.Field(ev.Record, f.key); known && had == nil {
			// The bytes are copied before the facts are looked for, which finds them in the nearest cache then.
			raw := m.begin(ev.Raw, f.begin)
			ev, raw = f.appendFacts(m, raw, ev)
			return append(dst, ev.WithMember(m.end(append(raw, '}')))), nil
		}
	}
	ev, m.object = f.appendFacts(m, m.object[:0], ev)
	return append(dst, ev.WithRaw(rawjson.Set(ev.Raw, f.key, m.object))), nil
}

// appendFacts appends the object, and returns the event with the facts in it.
func (f *Filter) appendFacts(m *memory, raw []byte, ev pipeline.Event) (pipeline.Event, []byte) {
	facts := ev.Facts()
	if named := f.withNames(facts); named != facts {
		facts = named
		ev = ev.WithFacts(named)
	}
	return ev, m.appendObject(raw, facts, f.place(facts.Source.IP), ev.Record)
}

// withNames returns facts with the names of accounts; facts itself where there is none to add.
func (f *Filter) withNames(facts *pipeline.Facts) *pipeline.Facts {
	table := f.accounts.get()
	if table == nil {
		return facts
	}
	account, actor := table.names[facts.Account.ID], table.names[facts.Actor.Account.ID]
	if (account == "" || account == facts.Account.Name) && (actor == "" || actor == facts.Actor.Account.Name) {
		return facts
	}
	named := *facts
	if account != "" {
		named.Account.Name = account
	}
	if actor != "" {
		named.Actor.Account.Name = actor
	}
	return &named
}

func (f *Filter) place(ip string) place {
	db := f.geo.get()
	if db == nil || ip == "" {
		return place{}
	}
	return db.find(ip)
}

// recheckFiles reads the files again if they have changed. One of the callers does it, all others go on with what there
// is.
func (f *Filter) recheckFiles() {
	if f.accounts == nil && f.geo == nil {
		return
	}
	now, last := int64(time.Since(f.started)), f.checked.Load()
	if now-last < int64(recheck) || !f.checked.CompareAndSwap(last, now) {
		return
	}
	f.accounts.recheck(f.log)
	f.geo.recheck(f.log)
}
