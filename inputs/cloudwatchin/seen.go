package cloudwatchin

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// seen remembers events by a hash of their id, in buckets of event time. A bucket is forgotten whole. It has no lock of
// its own.
type seen struct {
	buckets map[int64]map[uint64]struct{} // by the time at which they begin
	n       int
}

const bucketSize = 10_000 // ms

func newSeen() seen { return seen{buckets: map[int64]map[uint64]struct{}{}} }

func bucketOf(at int64) int64 {
	b := at - at%bucketSize
	if at < b {
		b -= bucketSize
	}
	return b
}

func (s *seen) has(at int64, id uint64) bool {
	_, ok := s.buckets[bucketOf(at)][id]
	return ok
}

// add reports false for an event that was there already.
func (s *seen) add(at int64, id uint64) bool {
	key := bucketOf(at)
	b := s.buckets[key]
	if b == nil {
		b = map[uint64]struct{}{}
		s.buckets[key] = b
	}
	if _, ok := b[id]; ok {
		return false
	}
	b[id] = struct{}{}
	s.n++
	return true
}

// forget forgets the buckets that end before a time or at it, and returns the end of the last one of them; 0 when there
// was none.
func (s *seen) forget(before int64) (end int64) {
	for key, b := range s.buckets {
		if key+bucketSize <= before {
			s.n -= len(b)
			delete(s.buckets, key)
			end = max(end, key+bucketSize)
		}
	}
	return end
}

// shrink forgets the oldest buckets until no more than limit events are left, and returns the end of the last one of
// them; 0 when there was none.
func (s *seen) shrink(limit int) (end int64) {
	if s.n <= limit {
		return 0
	}
	for _, key := range slices.Sorted(maps.Keys(s.buckets)) {
		if s.n <= limit {
			break
		}
		s.n -= len(s.buckets[key])
		delete(s.buckets, key)
		end = key + bucketSize
	}
	return end
}

// encode returns what is kept in the state directory, without the events of except: by the bucket's Unix time in
// seconds, base64 of the hashes, 8 bytes each, little endian.
func (s *seen) encode(except map[uint64]struct{}) map[string]string {
	out := make(map[string]string, len(s.buckets))
	var raw []byte
	for key, b := range s.buckets {
		raw = raw[:0]
		for id := range b {
			if _, ok := except[id]; !ok {
				raw = binary.LittleEndian.AppendUint64(raw, id)
			}
		}
		if len(raw) > 0 {
			out[strconv.FormatInt(key/1000, 10)] = base64.StdEncoding.EncodeToString(raw)
		}
	}
	return out
}

// decodeSeen reads what encode has made.
func decodeSeen(in map[string]string) (seen, error) {
	s := newSeen()
	for text, data := range in {
		sec, err := strconv.ParseInt(text, 10, 64)
		if err != nil || sec < 0 || sec > maxUnix || sec*1000%bucketSize != 0 {
			return seen{}, fmt.Errorf("%q is no time of events that were seen", text)
		}
		raw, err := base64.StdEncoding.DecodeString(data)
		if err != nil || len(raw)%8 != 0 {
			return seen{}, errors.New("the list of events that were seen is damaged")
		}
		for ; len(raw) > 0; raw = raw[8:] {
			s.add(sec*1000, binary.LittleEndian.Uint64(raw))
		}
	}
	return s, nil
}

const maxUnix = 253_402_300_799 // the end of the year 9999
