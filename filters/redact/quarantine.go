package redact

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/formats/session"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// Redact implements pipeline.Redactor for the text of sessions: their records, and broken pieces of them. Other records
// are kept as they came.
func (f *Filter) Redact(ev pipeline.Event, raw []byte) []byte {
	if f.rawQuarantine {
		return raw
	}
	r := ev.Record
	piece := r.Kind == ""
	if piece && rawjson.KindOf(raw) == rawjson.Object && rawjson.Valid(raw) == nil { // one that is not accepted where it came
		r = &pipeline.Record{Raw: raw, Kind: record.KindOf(raw), Origin: r.Origin, Index: r.Index, Offset: r.Offset, Reader: record.Reader{}}
	}
	switch {
	case r.Kind == pipeline.KindSessionLog:
		// The record itself, not what filters made of it: so it is found in the memory.
		redacted, err := f.redact(raw, pipeline.NewEvent(r))
		switch {
		case err != nil:
			return f.redactPiece(raw)
		case redacted != nil:
			return redacted
		}
	case piece && ofSession(raw, r.Origin):
		return f.redactPiece(raw)
	}
	return raw
}

// ofSession reports whether a broken piece may hold the text of a session: by a name in it, or by the name of its object.
func ofSession(raw []byte, o *pipeline.Origin) bool {
	if bytes.Contains(raw, []byte("sessionData")) || bytes.Contains(raw, []byte("sessionId")) {
		return true
	}
	if o == nil {
		return false
	}
	name := strings.ReplaceAll(o.Object, `\`, "/")
	if _, stream, ok := strings.Cut(name, ":"); ok && !strings.HasPrefix(name, "s3:") {
		name = stream
	}
	_, _, ok := session.ParseID(strings.TrimSuffix(path.Base(name), ".log"))
	return ok
}

// redactPiece replaces the secrets in bytes that are no JSON, or only a part of some: first in what stands in quotes, as the
// lines of a text, then in the whole, line by line.
func (f *Filter) redactPiece(raw []byte) []byte {
	out := slices.Clip(raw)
	if values := quoted(raw); len(values) > 0 {
		e := editor{filter: f, raw: raw}
		t := sessionText{values: values}
		for _, v := range values {
			s, _ := rawjson.Text(v)
			t.lines = append(t.lines, s)
		}
		changed, _ := f.redactSession(&t, tail{}, f.all)
		for i, v := range values {
			if s, ok := changed[i]; ok {
				e.replace(v, s)
			}
		}
		out = append(e.out, raw[e.copied:]...)
	}
	t := sessionText{lines: strings.Split(string(out), "\n")}
	changed, _ := f.redactSession(&t, tail{}, f.all)
	if len(changed) == 0 {
		return out
	}
	for i, s := range changed {
		t.lines[i] = s
	}
	return []byte(strings.Join(t.lines, "\n"))
}

// quoted returns the JSON strings that stand in bytes that need not be JSON.
func quoted(raw []byte) (values [][]byte) {
	for i := 0; i < len(raw); {
		at := bytes.IndexByte(raw[i:], '"')
		if at < 0 {
			break
		}
		i += at
		end, err := rawjson.Skip(raw, i)
		if err != nil {
			i++
			continue
		}
		values = append(values, raw[i:end])
		i = end
	}
	return values
}
