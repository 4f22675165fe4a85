package gather

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/formats/session"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// archived returns an event with the key that it had before it was archived, so that repeats are told from what happened
// twice; false for one that no `enrich` has seen.
func archived(ev pipeline.Event) (pipeline.Event, bool) {
	member, ok := rawjson.Get(ev.Record.Raw, "trailcast")
	switch {
	case !ok:
		return ev, false
	case ev.Record.Kind == pipeline.KindSessionLog:
		return archivedLog(ev, member)
	}
	return archivedCall(ev), true
}

// archivedCall leaves out what `enrich` added, where it tells how the record came.
func archivedCall(ev pipeline.Event) pipeline.Event {
	plain := pipeline.Record{Raw: rawjson.Delete(ev.Record.Raw, "trailcast"), Kind: ev.Record.Kind, Origin: ev.Record.Origin, Reader: record.Reader{}}
	return withKey(ev, plain.Key())
}

// archivedLog returns an event of a session log with the key that it had when `enrich` saw it, if one did: an archive holds
// repeats, and only the id that enrich gave tells them from text that was logged twice. The text is a part of the key, so
// that nothing can be hidden behind another event's id.
func archivedLog(ev pipeline.Event, member []byte) (pipeline.Event, bool) {
	id := rawjson.Str(member, "id")
	if id == "" {
		return ev, false
	}
	log, err := session.Parse(ev.Record.Raw)
	if err != nil {
		return ev, false
	}
	sum := sha256.New()
	write(sum, id)
	write(sum, log.SessionID)
	for text := range log.Text() {
		write(sum, text)
	}
	return withKey(ev, hex.EncodeToString(sum.Sum(nil))), true
}

func withKey(ev pipeline.Event, key string) pipeline.Event {
	old := ev.Record
	ev.Record = &pipeline.Record{
		Raw: old.Raw, Kind: old.Kind, Origin: old.Origin, Index: old.Index, Offset: old.Offset, Seed: old.Seed, Notes: old.Notes,
		Reader: keyed{key: key},
	}
	return ev
}

func write(sum hash.Hash, s string) {
	sum.Write([]byte(strings.ToValidUTF8(s, "\ufffd")))
	sum.Write([]byte{0xff})
}

// keyed is the reader of records with a key that was found out otherwise.
type keyed struct {
	record.Reader
	key string
}

// Key implements pipeline.Reader.
func (k keyed) Key(*pipeline.Record) string { return k.key }
