package split

import (
	"bytes"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

const (
	maxTranscriptEvent = 64 << 10 // bytes of one event's JSON
	maxTranscriptLine  = 16 << 10 // a longer line is cut: it may grow sixfold when escaped
)

// IsSessionID reports whether name looks like a Session Manager session id: the owner's name, a hyphen and a suffix of
// 17 hexadecimal digits or 26 base36 ones (formats seen in CloudTrail's StartSession; there is no published rule).
func IsSessionID(name string) bool {
	i := strings.LastIndexByte(name, '-')
	if i <= 0 || len(name) > 96 || strings.ContainsAny(name, "/:\x00") {
		return false
	}
	suffix := name[i+1:]
	if len(suffix) != 17 && (len(suffix) < 24 || len(suffix) > 32) {
		return false
	}
	digits := 0
	for _, c := range suffix {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'f':
		case c >= 'g' && c <= 'z' && len(suffix) != 17:
		default:
			return false
		}
	}
	return digits > 0
}

// transcriptID is the session id in an object's name: its base name without .log, or its log stream.
func transcriptID(object string) string {
	base := path.Base(strings.ReplaceAll(object, `\`, "/"))
	if id := strings.TrimSuffix(base, ".log"); IsSessionID(id) {
		return id
	}
	if _, stream, ok := strings.Cut(object, ":"); ok && IsSessionID(path.Base(stream)) {
		return path.Base(stream)
	}
	return strings.TrimSuffix(base, ".log")
}

// isTranscript reports whether the whole stream is the plain text of a session: by its name, by how it begins, or
// because nothing but session data is accepted and it is no streamed session JSON.
func (s *stream) isTranscript() bool {
	base := path.Base(strings.ReplaceAll(s.place.origin.Object, `\`, "/"))
	if id, ok := strings.CutSuffix(base, ".log"); ok && IsSessionID(id) {
		return true
	}
	const mark = "Script started on "
	if bytes.HasPrefix(s.w.need(len(mark)), []byte(mark)) {
		return true
	}
	if len(s.options.Accept) != 1 || s.options.Accept[0] != pipeline.KindSessionLog {
		return false
	}
	const look = 64 << 10
	n := s.w.line(look)
	first := bytes.TrimSpace(s.w.unread()[:n])
	if len(first) == 0 {
		return false
	}
	if first[0] != '{' {
		return true
	}
	return !bytes.Contains(first, []byte(`"sessionData"`)) && !bytes.Contains(first, []byte(`"logEvents"`)) &&
		!bytes.Contains(first, []byte(`"Message"`))
}

// transcript cuts the stream's text into events.
func (s *stream) transcript(id string) error {
	t := transcriber{run: s.run, id: id}
	for s.ctx.Err() == nil {
		n := s.w.line(maxTranscriptLine)
		if n == 0 {
			return t.end()
		}
		line := s.w.unread()[:n]
		whole := line[n-1] == '\n' || s.w.err != nil && n == len(s.w.unread())
		if !whole {
			n = cutRune(line)
			line = line[:n]
		}
		if err := t.line(line, s.at(s.w.offset())); err != nil {
			return err
		}
		s.w.pos += n
	}
	return s.ctx.Err()
}

// transcriptText cuts a message's text into events.
func (r *run) transcriptText(text, id string, p place) error {
	t := transcriber{run: r, id: id}
	for len(text) > 0 {
		n := strings.IndexByte(text, '\n') + 1
		if n == 0 {
			n = len(text)
		}
		if n > maxTranscriptLine {
			n = cutRune([]byte(text[:maxTranscriptLine]))
		}
		if err := t.line([]byte(text[:n]), p); err != nil {
			return err
		}
		text = text[n:]
	}
	return t.end()
}

// cutRune returns how many bytes of b can be taken without cutting its last rune.
func cutRune(b []byte) int {
	for i := len(b) - 1; i > 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if utf8.FullRune(b[i:]) {
				return len(b)
			}
			return i
		}
	}
	return len(b)
}

// transcriber builds the events of one transcript.
type transcriber struct {
	run   *run
	id    string
	seq   int
	raw   []byte // the event under way, nil when there is none
	place place  // where it begins
}

// line adds a line, which stands at p.
func (t *transcriber) line(line []byte, p place) error {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	quoted := rawjson.AppendString(nil, string(line))
	if t.raw != nil && len(t.raw)+len(quoted)+3 > maxTranscriptEvent {
		if err := t.end(); err != nil {
			return err
		}
	}
	if t.raw == nil {
		t.place = p
		t.raw = rawjson.AppendString([]byte(`{"sessionId":`), t.id)
		t.raw = strconv.AppendInt(append(t.raw, `,"target":"","seq":`...), int64(t.seq), 10)
		t.raw = append(t.raw, `,"lines":[`...)
		t.seq++
	} else {
		t.raw = append(t.raw, ',')
	}
	t.raw = append(t.raw, quoted...)
	return nil
}

func (t *transcriber) end() error {
	if t.raw == nil {
		return nil
	}
	raw := append(t.raw, `]}`...)
	t.raw = nil
	return t.run.emit(raw, pipeline.KindSessionLog, t.place)
}
