package enrich

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

func TestAccountFiles(t *testing.T) {
	tests := []struct{ name, file, text, want string }{ // want: names of 012345678901 and 111122223333, or a part of the error
		{"CSV without a header", "a.csv", "012345678901,one\n111122223333,two\n", "one two"},
		{"header in another order", "a.csv", "Name,Email,Account ID\none,x@y,012345678901\ntwo,,111122223333\n", "one two"},
		{"byte order mark, CRLF, comment, spaces, blank lines", "a.txt", "\ufeff# ours\r\nid,name\r\n\r\n 012345678901 , one \r\n111122223333,two\r\n", "one two"},
		{"leading zero lost in a spreadsheet", "a.csv", "12345678901,one\n111122223333,two\n", "one two"},
		{"YAML mapping", "a.yml", "012345678901: one\n\"111122223333\": two\n", "one two"},
		{"YAML list", "a.yaml", "- {id: 012345678901, name: one}\n- account_id: \"111122223333\"\n  name: two\n  email: x\n", "one two"},
		{"JSON", "a.json", `{"012345678901":"one","111122223333":"two"}`, "one two"},
		{"the same account twice", "a.csv", "012345678901,one\n012345678901,one\n111122223333,two\n", "one two"},

		{"two names", "a.csv", "012345678901,one\n012345678901,uno\n", `line 2: account 012345678901 has two names, "one" and "uno"`},
		{"one column", "a.csv", "012345678901,one\nonly\n", "line 2: id and name are needed"},
		{"no name", "a.csv", "012345678901,\n", "line 1: id and name of an account"},
		{"quote that does not end", "a.csv", "012345678901,\"one\n", "line 1"},
		{"empty", "a.csv", "id,name\n", "no account in it"},
		{"empty YAML", "a.yaml", "", "no account in it"},
		{"YAML text", "a.yaml", "hello", "a mapping of ids to names"},
		{"YAML list of texts", "a.yaml", "- a\n", "line 1: a mapping with id and name"},
		{"YAML name that is a list", "a.yaml", "012345678901: [one]\n", "line 1: the name of account 012345678901"},
		{"broken YAML", "a.yaml", "a: [", "yaml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), tt.file)
			write(t, path, tt.text)
			table, err := readAccounts(path)
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("error %q, want the path and %q", err, tt.want)
				}
				return
			}
			if got := table.names["012345678901"] + " " + table.names["111122223333"]; got != tt.want {
				t.Errorf("names %q, want %q", got, tt.want)
			}
		})
	}
}

// Broken and missing versions of a file are logged once each, and the last good one stays.
func TestReloadLogsEachBadVersionOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.csv")
	write(t, path, "111122223333,one\n")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f, err := New(Config{Accounts: path}, pipeline.Env{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		look := func() string {
			t.Helper()
			raw := []byte(`{"eventName":"A","eventID":"1","eventType":"x","recipientAccountId":"111122223333"}`)
			time.Sleep(recheck) // the bubble's clock
			return rawjson.Str(apply(t, f, event(raw, nil, 0)).Raw, "trailcast", "account", "name")
		}
		steps := []struct {
			name   string
			change func()
			want   string
			logged string // the part of the one line that is logged
		}{
			{"unchanged", func() {}, "one", ""},
			{"broken", func() { write(t, path, "111122223333\n") }, "one", "not usable"},
			{"repaired", func() { write(t, path, "111122223333,three\n") }, "three", "read again"},
			{"removed", func() { os.Remove(path) }, "three", "gone"},
			{"there again", func() { write(t, path, "111122223333,four\n") }, "four", "read again"},
		}
		for _, s := range steps {
			s.change()
			log.Reset()
			for range 3 {
				if got := look(); got != s.want {
					t.Errorf("%s: name %q, want %q", s.name, got, s.want)
				}
			}
			lines := strings.Count(log.String(), "\n")
			if s.logged == "" && lines != 0 || s.logged != "" && (lines != 1 || !strings.Contains(log.String(), s.logged)) {
				t.Errorf("%s: logged %q, want one line with %q", s.name, log.String(), s.logged)
			}
		}
	})
}

func TestFilesAreNotLookedAtForEachEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.csv")
	write(t, path, "111122223333,one\n")
	synctest.Test(t, func(t *testing.T) {
		f := newFilter(t, Config{Accounts: path})
		raw := []byte(`{"eventName":"A","eventID":"1","eventType":"x","recipientAccountId":"111122223333"}`)
		write(t, path, "111122223333,another\n")
		time.Sleep(recheck - 1)
		if got := rawjson.Str(apply(t, f, event(raw, nil, 0)).Raw, "trailcast", "account", "name"); got != "one" {
			t.Errorf("name %q before the time to look, want one", got)
		}
		time.Sleep(1)
		if got := rawjson.Str(apply(t, f, event(raw, nil, 0)).Raw, "trailcast", "account", "name"); got != "another" {
			t.Errorf("name %q after it, want another", got)
		}
	})
}

// Run with -race: events pass while the files change, and after Close.
func TestConcurrentEventsAndChanges(t *testing.T) {
	dir := t.TempDir()
	names, db := filepath.Join(dir, "accounts.csv"), filepath.Join(dir, "geo.mmdb")
	write(t, names, "111122223333,one\n")
	writeDB(t, db, mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("IE")}})
	f := newFilter(t, Config{Accounts: names, GeoIP: db})
	raw := []byte(`{"eventName":"A","eventID":"1","eventType":"x","recipientAccountId":"111122223333","sourceIPAddress":"203.0.113.7"}`)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 500 {
				if err := rawjson.Valid(apply(t, f, event(raw, nil, 0)).Raw); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Go(func() {
		for i := range 50 {
			write(t, names, "111122223333,"+strings.Repeat("n", i+1)+"\n")
			f.checked.Store(-int64(recheck)) // due at the next event
		}
		f.Close()
	})
	group.Wait()
	f.checked.Store(-int64(recheck))
	if got, ok := rawjson.Get(apply(t, f, event(raw, nil, 0)).Raw, "trailcast", "account", "name"); ok {
		t.Errorf("a closed filter still has the name %s", got)
	}
	if err := f.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestPlaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	country := func(v mmdbtype.DataType) mmdbtype.Map { return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": v}} }
	tests := []struct {
		name  string
		entry mmdbtype.Map
		want  string
	}{
		{"country", country(mmdbtype.String("IE")), `{"country":"IE"}`},
		{"city", mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("IE")}, "city": mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String("Dublin"), "de": mmdbtype.String("Dublin!")}}}, `{"country":"IE","city":"Dublin"}`},
		{"ASN", mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64500), "autonomous_system_organization": mmdbtype.String("x")}, `{"asn":64500}`},
		{"value of another type", mmdbtype.Map{"country": mmdbtype.String("Ireland"), "autonomous_system_number": mmdbtype.Uint32(1)}, `{"asn":1}`},
		{"nothing of use", mmdbtype.Map{"x": mmdbtype.String("y")}, ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			writeDB(t, path, tt.entry)
			f := newFilter(t, Config{GeoIP: path})
			for ip, want := range map[string]string{"203.0.113.7": tt.want, "::ffff:203.0.113.7": tt.want, "198.51.100.1": "", "2001:db8::1": "", "AWS Internal": ""} {
				raw := []byte(`{"eventName":"A","eventID":"1","eventType":"x","sourceIPAddress":"` + ip + `"}`)
				got, _ := rawjson.Get(apply(t, f, event(raw, nil, 0)).Raw, "trailcast", "source", "geo")
				if string(got) != want {
					t.Errorf("%s: geo %s, want %s", ip, got, want)
				}
			}
		})
	}
}

func TestDatabaseIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	iso := func(code string) mmdbtype.Map {
		return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code)}}
	}
	writeDB(t, path, iso("IE"))
	synctest.Test(t, func(t *testing.T) {
		f := newFilter(t, Config{GeoIP: path})
		look := func() string {
			time.Sleep(recheck)
			raw := []byte(`{"eventName":"A","eventID":"1","eventType":"x","sourceIPAddress":"203.0.113.7"}`)
			return rawjson.Str(apply(t, f, event(raw, nil, 0)).Raw, "trailcast", "source", "geo", "country")
		}
		if got := look(); got != "IE" {
			t.Errorf("country %q, want IE", got)
		}
		write(t, path, "this is no database") // in place, as cp does
		if got := look(); got != "IE" {
			t.Errorf("country %q after a broken change, want IE", got)
		}
		writeDB(t, path, iso("FRA"))
		if got := look(); got != "FRA" {
			t.Errorf("country %q after a change, want FRA", got)
		}
	})
}

func TestUnusableFilesAreErrorsThatNameTheKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "empty")
	write(t, path, "")
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{Accounts: "no-such.csv"}, "accounts: read names of accounts: "},
		{Config{Accounts: path}, "accounts: read names of accounts: "},
		{Config{GeoIP: "no-such.mmdb"}, "geoip: read GeoIP database: "},
		{Config{GeoIP: path}, "geoip: read GeoIP database: "},
	} {
		_, err := New(tt.cfg, pipeline.Env{})
		file := tt.cfg.Accounts + tt.cfg.GeoIP
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%+v: error %v, want %q and the file", tt.cfg, err, tt.want)
		}
	}
	if err := (Config{Key: " x"}).Validate(); err == nil {
		t.Error("a key with a space in front is accepted")
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Error(err)
	}
}

// writeDB writes a database that has one entry, for 203.0.113.0/24.
func writeDB(t testing.TB, path string, entry mmdbtype.Map) {
	t.Helper()
	db, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test", IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	_, network, err := net.ParseCIDR("203.0.113.0/24")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Insert(network, entry); err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if _, err := db.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	write(t, path, buf.String())
}
