package enrich

import (
	"fmt"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"
)

const maxGeoFile = 1 << 30 // bytes

// place is where an address is, as far as the database knows.
type place struct {
	country string // ISO 3166-1 code
	city    string // English name
	asn     uint64 // number of the autonomous system, 0 when unknown
}

// places is a database in MaxMind's format. It is held in memory and not mapped: a mapped file that is overwritten in
// place would kill the process.
type places struct{ db *maxminddb.Reader }

func readPlaces(path string) (*places, error) {
	bytes, err := readFile(path, maxGeoFile)
	if err != nil {
		return nil, err
	}
	db, err := maxminddb.OpenBytes(bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &places{db}, nil
}

// find returns an empty place for an address that the database does not have or whose entry is broken.
func (p *places) find(ip string) (found place) {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return place{}
	}
	entry := p.db.Lookup(addr.Unmap())
	if !entry.Found() {
		return place{}
	}
	// A path that is absent, or leads to a value of another type, leaves the field empty: databases differ in what they
	// have, and one fact less is no reason to hold up an event.
	_ = entry.DecodePath(&found.country, "country", "iso_code")
	_ = entry.DecodePath(&found.city, "city", "names", "en")
	_ = entry.DecodePath(&found.asn, "autonomous_system_number")
	return found
}
