package record

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

func keyOf(r *pipeline.Record) string {
	if r.Kind == "" {
		r.Kind = KindOf(r.Raw)
	}
	return Reader{}.Key(r)
}

func TestKeyOfARecordWithEventID(t *testing.T) {
	raw := trail(`"userAgent":"a b"`)
	key := keyOf(&pipeline.Record{Raw: []byte(raw)})
	if id, hash, _ := strings.Cut(key, ":"); id != "e-1" || len(hash) != 16 || strings.Trim(hash, "0123456789abcdef") != "" {
		t.Errorf("key = %q, want e-1:<16 hex>", key)
	}
	again := &pipeline.Record{Raw: []byte(raw), Origin: &pipeline.Origin{Object: "elsewhere"}, Index: 7, Offset: 9, Seed: "s"}
	if got := keyOf(again); got != key {
		t.Errorf("the record from elsewhere has key %q, want %q", got, key)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(raw), " ", "\t"); err != nil {
		t.Fatal(err)
	}
	if got := keyOf(&pipeline.Record{Raw: indented.Bytes()}); got != key {
		t.Errorf("the indented record has key %q, want %q", got, key)
	}
	for _, other := range []string{trail(`"userAgent":"ab"`), trail(`"userAgent":"a  b"`), trail(`"userAgent":"a b","x":1`)} {
		if got := keyOf(&pipeline.Record{Raw: []byte(other)}); got == key {
			t.Errorf("another record with the same eventID has the same key: %s", other)
		}
	}
}

func TestKeyOfARecordWithoutEventID(t *testing.T) {
	line := []byte(`{"sessionId":"a-0","target":"i-1","seq":0,"lines":["ls"]}`)
	base := func() *pipeline.Record {
		return &pipeline.Record{Raw: line, Origin: &pipeline.Origin{Object: "o", Identity: "e"}, Index: 1, Offset: 2}
	}
	key := keyOf(base())
	if len(key) != 32 || strings.Trim(key, "0123456789abcdef") != "" {
		t.Errorf("key = %q, want 32 hex digits", key)
	}
	if again := keyOf(base()); again != key {
		t.Errorf("the same record has key %q, want %q", again, key)
	}
	others := map[string]func(*pipeline.Record){
		"object":                   func(r *pipeline.Record) { r.Origin.Object = "p" },
		"identity":                 func(r *pipeline.Record) { r.Origin.Identity = "f" },
		"border of the two":        func(r *pipeline.Record) { r.Origin.Object, r.Origin.Identity = "oe", "" },
		"tag":                      func(r *pipeline.Record) { r.Origin.Tag = "t" },
		"time of a tag":            func(r *pipeline.Record) { r.Origin.Tag, r.Origin.Time = "t", time.Unix(1, 1) },
		"index":                    func(r *pipeline.Record) { r.Index = 2 },
		"offset":                   func(r *pipeline.Record) { r.Offset = 3 },
		"seed":                     func(r *pipeline.Record) { r.Seed = "3" },
		"content":                  func(r *pipeline.Record) { r.Raw = bytes.Replace(line, []byte("ls"), []byte("id"), 1) },
		"seed that looks the same": func(r *pipeline.Record) { r.Seed = "1:o1:e1@2:" },
	}
	seen := map[string]string{key: "base"}
	for what, change := range others {
		r := base()
		change(r)
		got := keyOf(r)
		if same, ok := seen[got]; ok {
			t.Errorf("another %s gives the key of %s", what, same)
		}
		seen[got] = what
	}
	// The transport's own identity of a record is the same on every way that it takes.
	one, two := base(), base()
	one.Seed, two.Seed = "3579", "3579"
	two.Origin, two.Index, two.Offset = &pipeline.Origin{Object: "another"}, 9, 9
	if keyOf(one) != keyOf(two) {
		t.Error("one log event has two keys")
	}
}

// An eventID that is no identifier would be a header or a deduplication id that the outputs can not send.
func TestHostileEventIDStaysOutOfTheKey(t *testing.T) {
	for _, id := range []string{"a\r\nX: y", "a b", "é", strings.Repeat("a", 65), "", "\x00"} {
		quoted, _ := json.Marshal(id)
		r := &pipeline.Record{Raw: []byte(`{"eventID":` + string(quoted) + `,"eventName":"x","eventType":"y"}`), Kind: pipeline.KindCloudTrail}
		if key := keyOf(r); len(key) != 32 {
			t.Errorf("eventID %q: key %q, want 32 hex digits", id, key)
		}
	}
}

func TestKeyOfAnotherKindDoesNotTrustItsEventID(t *testing.T) {
	line := []byte(`{"eventID":"4624","message":"logon"}`)
	if keyOf(&pipeline.Record{Raw: line, Index: 1}) == keyOf(&pipeline.Record{Raw: line, Index: 2}) {
		t.Error("two equal lines of a log have the same key")
	}
}

func TestNoTwoRealRecordsShareAKey(t *testing.T) {
	seen := map[string][]byte{}
	for _, r := range realRecords(t) {
		key := Reader{}.Key(r.record())
		if len(key) > 81 {
			t.Errorf("%s: key of %d bytes: %s", r, len(key), key)
		}
		if other, ok := seen[key]; ok && !bytes.Equal(other, r.raw) {
			t.Errorf("%s: key %s belongs to another record too", r, key)
		}
		seen[key] = r.raw
	}
}
