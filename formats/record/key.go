package record

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

const maxEventID = 64 // bytes; AWS's are UUIDs of 36

// Key returns the transport key: equal for a repeated delivery of the same record, different for any other.
//
// A CloudTrail record or Insights event with an eventID: the eventID, a colon and 16 hex digits of the xxhash64 of its
// bytes, white space outside strings removed, since one eventID comes with different contents. Any other record: 32 hex
// digits of a SHA-256 over provenance and content. There the content may be what somebody typed, so that a hash is
// needed for which nobody can make up a second text. Keys hold only visible ASCII and are at most 81 bytes long.
func (Reader) Key(r *pipeline.Record) string {
	var stack [maxKey]byte
	return string(appendKey(stack[:0], r))
}

const maxKey = maxEventID + 17

func appendKey(dst []byte, r *pipeline.Record) []byte {
	if isTrail(r.Kind) {
		if id := text(eventID(r)); isPlainID(id) {
			return appendHex64(append(append(dst, id...), ':'), contentHash(r))
		}
	}
	var stack [4096]byte
	buf := appendProvenance(stack[:0], r)
	sum := sha256.Sum256(rawjson.AppendCompact(buf, r.Raw))
	return hex.AppendEncode(dst, sum[:16])
}

// contentHash is the hash of a record's bytes without the white space outside of strings.
func contentHash(r *pipeline.Record) uint64 {
	if n := notesOf(r); n != nil && n.Compact {
		return xxhash.Sum64(r.Raw)
	}
	var stack [4096]byte
	return xxhash.Sum64(rawjson.AppendCompact(stack[:0], r.Raw))
}

// appendProvenance writes where a record came from, each part with its length so that no two places give the same bytes.
// The transport's own identity of the record is enough. Index and Offset are both taken: an input that goes on in the
// middle of an object may know only one of them.
func appendProvenance(dst []byte, r *pipeline.Record) []byte {
	if r.Seed != "" {
		return appendPart(append(dst, 's'), r.Seed)
	}
	dst = append(dst, 'o')
	if o := r.Origin; o != nil {
		dst = appendPart(dst, o.Object)
		dst = appendPart(dst, o.Identity)
		if o.Tag != "" { // Fluent Bit gives a record no identity but its tag and its time
			dst = appendPart(append(dst, 't'), o.Tag)
			dst = append(strconv.AppendInt(dst, o.Time.UnixNano(), 10), ':')
		}
	}
	dst = append(strconv.AppendInt(dst, r.Index, 10), '@')
	return append(strconv.AppendInt(dst, r.Offset, 10), ':')
}

func appendPart(dst []byte, s string) []byte {
	dst = append(strconv.AppendInt(dst, int64(len(s)), 10), ':')
	return append(dst, s...)
}

// isPlainID reports whether an eventID may stand in a header and in a deduplication id as it is.
func isPlainID(id string) bool {
	if id == "" || len(id) > maxEventID {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

// idOf returns the short id of a record without an eventID: 16 hex digits of the hash of its transport key.
func idOf(key string) string { return string(appendHex64(nil, xxhash.Sum64String(key))) }

func appendHex64(dst []byte, v uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[v>>shift&15])
	}
	return dst
}

func isTrail(kind pipeline.Kind) bool {
	return kind == pipeline.KindCloudTrail || kind == pipeline.KindInsight
}
