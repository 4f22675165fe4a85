// Package large makes events fit that are larger than a destination takes: session text is split over several messages,
// and other events can be trimmed, which alters evidence and is only done where it is asked for.
package large

import (
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// Part is what one message carries of an event.
type Part struct {
	Data   []byte
	Suffix string // of the message id; "" for a whole event
}

// marginal is kept free in each part of a split event, for its suffix and its number.
const marginal = 64

// maxParts bounds the messages that one event is split over.
const maxParts = 10_000

// trimmable are the members that may be taken out of a CloudTrail record, since services put documents of any size
// there.
func trimmable() []string {
	return []string{"requestParameters", "responseElements", "additionalEventData"}
}

// Trim replaces the largest of the trimmable members by a marker with its size, then the next one, until raw has at
// most room bytes. It lists them in trailcast.trimmed.
func Trim(raw []byte, room int) ([]byte, error) {
	keys := trimmable()
	values := make([][]byte, len(keys))
	rawjson.GetMany(raw, keys, values)
	var trimmed []byte
	for range keys {
		largest := -1
		for i, value := range values {
			if value != nil && (largest < 0 || len(value) > len(values[largest])) {
				largest = i
			}
		}
		if largest < 0 {
			break
		}
		marker := fmt.Appendf(nil, `{"trailcast_trimmed":{"bytes":%d}}`, len(values[largest]))
		raw = rawjson.Set(raw, keys[largest], marker)
		values[largest] = nil
		if len(trimmed) > 0 {
			trimmed = append(trimmed, ',')
		}
		trimmed = rawjson.AppendString(trimmed, keys[largest])
		list := append(append([]byte{'['}, trimmed...), ']')
		if out := setTrailcast(raw, "trimmed", list); len(out) <= room {
			return out, nil
		}
	}
	return nil, errors.New("it stays too large without requestParameters, responseElements and additionalEventData")
}

// setTrailcast sets a member of the object under "trailcast", which is made where there is none.
func setTrailcast(raw []byte, key string, value []byte) []byte {
	object, ok := rawjson.Get(raw, "trailcast")
	if !ok || rawjson.KindOf(object) != rawjson.Object {
		object = []byte("{}")
	}
	return rawjson.Set(raw, "trailcast", rawjson.Set(object, key, value))
}

// SplitText splits session text over several events of at most room bytes: each has all members of raw, a part of the
// lines, and trailcast.part {"n":…,"of":…}. A line too long for one event goes on in the next. The same raw and room
// give the same parts. nil: raw has no session text, or what is beside it is too large already.
func SplitText(raw []byte, room int) []Part {
	for _, key := range []string{"lines", "sessionData"} {
		value, ok := rawjson.Get(raw, key)
		if !ok || rawjson.KindOf(value) != rawjson.Array {
			continue
		}
		frame := setTrailcast(rawjson.Set(raw, key, []byte("[]")), "part", []byte("{}"))
		groups := groupLines(value, room-len(frame)-marginal)
		if groups == nil {
			return nil
		}
		parts := make([]Part, len(groups))
		for i, group := range groups {
			number := fmt.Appendf(nil, `{"n":%d,"of":%d}`, i+1, len(groups))
			parts[i] = Part{
				Data: setTrailcast(rawjson.Set(frame, key, group), "part", number),
			}
			parts[i].Suffix = suffix(i+1, parts[i].Data)
		}
		return parts
	}
	return nil
}

// suffix returns what the key of a part ends in. Its content is in it: with another room the same number stands for other
// lines, which a receiver that drops repeats must not drop.
func suffix(n int, data []byte) string {
	sum := fnv.New32a()
	_, _ = sum.Write(data)
	return fmt.Sprintf("#s%d-%08x", n, sum.Sum32())
}

// groupLines cuts an array of strings into arrays whose elements have at most room bytes together with their commas.
// nil: it is no array of strings, or room is too small for progress.
func groupLines(array []byte, room int) [][]byte {
	if room < 256 {
		return nil
	}
	var groups [][]byte
	group := []byte{'['}
	add := func(line []byte) {
		if len(group) > 1 && len(group)+len(line) > room {
			groups = append(groups, append(group, ']'))
			group = []byte{'['}
		}
		if len(group) > 1 {
			group = append(group, ',')
		}
		group = append(group, line...)
	}
	strings := true
	_ = rawjson.EachElement(array, func(_ int, line []byte) bool { // raw is valid JSON
		if len(line) < room {
			add(line)
			return true
		}
		text, ok := rawjson.Text(line)
		strings = ok
		for len(text) > 0 {
			piece := headOf(text, room-2)
			add(rawjson.AppendString(nil, piece))
			text = text[len(piece):]
		}
		return ok && len(groups) < maxParts
	})
	if !strings || len(groups) >= maxParts {
		return nil
	}
	return append(groups, append(group, ']'))
}

// headOf returns the longest beginning of text that has at most room bytes as a JSON string without its quotes, whole
// characters only; one character at least.
func headOf(text string, room int) string {
	size := 0
	for i, r := range text {
		n := jsonLen(r)
		if i > 0 && size+n > room {
			return text[:i]
		}
		size += n
	}
	return text
}

// jsonLen returns the most bytes that a character takes in a JSON string.
func jsonLen(r rune) int {
	switch {
	case r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029':
		return len(`\u0000`)
	case r == '"' || r == '\\':
		return 2
	case r < 0x80:
		return 1
	}
	return 4
}
