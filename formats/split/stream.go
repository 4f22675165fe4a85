package split

import (
	"bytes"
	"fmt"
	"io"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// stream splits one stream of decompressed bytes: JSON values one after the other, on one line each or over several, or
// one plain transcript.
type stream struct {
	*run
	w     *window
	place place
	bad   badPiece

	resync    bool  // after broken bytes: a document begins only at the beginning of a line
	rescanned int64 // bytes that were looked at again after a broken structure; bounds the effort
	docs      int64 // documents and broken pieces so far
}

// badPiece is a run of broken bytes that grows until good ones follow.
type badPiece struct {
	begun  bool
	offset int64
	size   int64
	raw    []byte
	reason string
}

func (s *stream) split(d *data) error {
	err := s.documents()
	if err == nil && s.w.err != io.EOF && s.w.err != nil {
		err = s.w.err
	}
	if s.place.depth == 0 {
		s.stats.Bytes += s.w.total
	}
	if err != nil {
		return err
	}
	if d.bad != nil {
		if s.partial() && d.cut() {
			return fmt.Errorf("%s: %w", s.place.origin.Object, io.ErrUnexpectedEOF)
		}
		s.take(0, "the compressed data breaks off or is corrupt: "+d.bad.Error())
	}
	return s.endBad()
}

func (s *stream) documents() error {
	if bytes.HasPrefix(s.w.need(3), []byte("\xef\xbb\xbf")) {
		s.w.pos += 3 // byte order mark
	}
	if s.place.depth == 0 && s.isTranscript() {
		return s.transcript(transcriptID(s.place.origin.Object))
	}
	for s.ctx.Err() == nil {
		if !s.w.skipSpace() {
			return nil
		}
		var err error
		switch s.w.buf[s.w.pos] {
		case '{':
			if s.resync && !s.atLineStart() {
				s.badLine("")
				continue
			}
			err = s.document()
		case '[':
			if s.resync && !s.atLineStart() || !s.opensArray() {
				s.badLine("no JSON object begins here")
				continue
			}
			s.w.pos++
			_, err = s.elements()
		default:
			s.badLine("no JSON object begins here")
		}
		if err != nil {
			return err
		}
	}
	return s.ctx.Err()
}

// atLineStart reports whether the unread bytes begin a line.
func (s *stream) atLineStart() bool {
	if s.w.pos == 0 {
		return s.w.base == 0 || s.w.before == '\n'
	}
	return s.w.buf[s.w.pos-1] == '\n'
}

// opensArray reports whether the [ that comes next is followed by an object or by the array's end, as text in square
// brackets is not.
func (s *stream) opensArray() bool {
	const look = 256
	b := s.w.need(look)
	i := rawjson.Next(b, 1)
	return i < len(b) && (b[i] == '{' || b[i] == ']') || i == look
}

// document splits the object that comes next.
func (s *stream) document() error {
	if key := s.firstArray(); key != "" {
		if s.place.depth >= maxDepth {
			s.badLine(errTooDeep.Error())
			return nil
		}
		return s.envelope()
	}
	if done, err := s.whole(); done || err != nil {
		return err
	}
	n, state := s.value(min(streamCheck, s.options.MaxRecord))
	if state == tooLong {
		if i := streamedArray(s.w.unread()); i > 0 {
			s.w.pos += i
			return s.envelope()
		}
		n, state = s.value(s.options.MaxRecord)
	}
	switch state {
	case cut:
		if s.partial() {
			return errCut(s.place, s.w.offset())
		}
		s.recover(n, "the input ends in the middle of this value")
		return nil
	case tooLong:
		return s.skipLong(n, s.recover)
	}
	raw := s.w.buf[s.w.pos : s.w.pos+n : s.w.pos+n]
	if err := rawjson.Valid(raw); err != nil {
		s.recover(n, "not valid JSON: "+err.Error())
		return nil
	}
	if err := s.endBad(); err != nil {
		return err
	}
	s.resync = false
	s.docs++
	p := s.at(s.w.offset())
	s.w.pos += n
	s.w.aliased = true
	return s.run.document(raw, p)
}

// partial: see Options; what was unwrapped from a message is always all there.
func (s *stream) partial() bool { return s.options.Partial && s.place.depth == 0 }

// envelope splits an object from behind the bracket of a streamed array.
func (s *stream) envelope() error {
	if over, err := s.elements(); over || err != nil {
		return err
	}
	return s.members()
}

// at is the place of the value at an offset of this stream.
func (s *stream) at(offset int64) place {
	p := s.place
	if !p.fixed {
		p.offset = offset
	}
	return p
}

// streamCheck is how much of an object is looked at before it is searched for an array to stream.
const streamCheck = 1 << 20

type valueState int

const (
	complete valueState = iota
	cut                 // the stream ends inside the value
	tooLong             // the limit was reached
)

// value finds the end of the object, array or string that comes next, by structure only, and makes it available.
func (s *stream) value(limit int64) (n int, state valueState) {
	var b rawjson.Bounds
	for {
		k, done := b.Scan(s.w.buf[s.w.pos+n:])
		n += k
		switch {
		case int64(n) > limit:
			return n, tooLong
		case done:
			return n, complete
		case !s.w.more():
			return n, cut
		}
	}
}

// firstArray moves into the array of an envelope whose first key names one that is streamed, and returns that key.
func (s *stream) firstArray() string {
	const look = 64
	b := s.w.need(look)
	key, i := streamedKey(b, 1)
	if key != "" {
		s.w.pos += i
	}
	return key
}

// streamedKey looks for `"Records": [` at i and returns the key and the index behind the bracket.
func streamedKey(b []byte, i int) (string, int) {
	i = rawjson.Next(b, i)
	for _, key := range []string{"Records", "Events"} {
		rest := b[min(i, len(b)):]
		if len(rest) < len(key)+2 || rest[0] != '"' || string(rest[1:len(key)+1]) != key || rest[len(key)+1] != '"' {
			continue
		}
		k := rawjson.Next(b, i+len(key)+2)
		if k >= len(b) || b[k] != ':' {
			return "", 0
		}
		k = rawjson.Next(b, k+1)
		if k >= len(b) || b[k] != '[' {
			return "", 0
		}
		return key, k + 1
	}
	return "", 0
}

// streamedArray searches the members of an incomplete object for an array to stream, and returns the index behind its
// bracket, or 0.
func streamedArray(b []byte) int {
	i := 1
	for {
		if key, k := streamedKey(b, i); key != "" {
			return k
		}
		i = rawjson.Next(b, i)
		var err error
		if i, err = rawjson.Skip(b, i); err != nil {
			return 0
		}
		if i = rawjson.Next(b, i); i >= len(b) || b[i] != ':' {
			return 0
		}
		if i, err = rawjson.Skip(b, i+1); err != nil {
			return 0
		}
		if i = rawjson.Next(b, i); i >= len(b) || b[i] != ',' {
			return 0
		}
		i++
	}
}

// elements splits the rest of an array, from behind its opening bracket to behind its end. over says that the array lost
// its end, and that another document begins.
func (s *stream) elements() (over bool, err error) {
	for s.ctx.Err() == nil {
		if !s.w.skipSpace() {
			if s.partial() {
				return true, errCut(s.place, s.w.offset())
			}
			s.take(0, "the input ends in the middle of an array")
			return true, nil
		}
		switch s.w.buf[s.w.pos] {
		case ']':
			s.w.pos++
			return false, nil
		case ',':
			if s.bad.begun {
				s.take(1, "")
			} else {
				s.w.pos++
			}
		case '{':
			if over, err := s.element(); over || err != nil {
				return over, err
			}
		case '}':
			if s.resync { // the array's own end was among the broken bytes
				return false, nil
			}
			s.take(1, "unexpected } in an array")
		default:
			s.badScalar()
		}
	}
	return true, s.ctx.Err()
}

// element splits the object that comes next in an array. over: see elements.
func (s *stream) element() (over bool, err error) {
	if done, err := s.whole(); done || err != nil {
		return false, err
	}
	n, state := s.value(s.options.MaxRecord)
	reason := ""
	switch state {
	case cut:
		if s.partial() {
			return false, errCut(s.place, s.w.offset())
		}
		reason = "the input ends in the middle of this value"
	case tooLong:
		reason = s.tooLongReason()
	default:
		raw := s.w.buf[s.w.pos : s.w.pos+n : s.w.pos+n]
		err := rawjson.Valid(raw)
		if err == nil {
			if err := s.endBad(); err != nil {
				return false, err
			}
			s.resync = false
			s.docs++
			p := s.at(s.w.offset())
			s.w.pos += n
			s.w.aliased = true
			return false, s.run.document(raw, p)
		}
		reason = "not valid JSON: " + err.Error()
	}
	s.resync = true
	if i, newDocument := s.nextStart(n); i > 0 {
		s.take(i, reason)
		return newDocument, nil
	}
	if state == tooLong {
		return false, s.skipLong(n, nil)
	}
	s.take(n, reason)
	return false, nil
}

// nextStart searches the n bytes of a broken element for the beginning of another one: a record that begins with
// eventVersion, as those of CloudTrail do, or a new document at the beginning of a line. It gives up when the effort
// spent on the stream's broken bytes has grown out of proportion.
func (s *stream) nextStart(n int) (i int, newDocument bool) {
	b := s.w.buf[s.w.pos : s.w.pos+n]
	s.rescanned += int64(n)
	if s.rescanned > maxRescan+8*s.w.offset() {
		return 0, false
	}
	line := bytes.Index(b[1:], []byte("\n{"))
	for from := 1; ; {
		k := bytes.Index(b[from:], []byte(`"eventVersion"`))
		if k < 0 {
			break
		}
		start := from + k - 1
		for start > 0 && (b[start] == ' ' || b[start] == '\n' || b[start] == '\r' || b[start] == '\t') {
			start--
		}
		if start > 0 && b[start] == '{' {
			if line >= 0 && line+2 <= start {
				break
			}
			return start, false
		}
		from += k + 1
	}
	if line >= 0 {
		return line + 2, true
	}
	return 0, false
}

const maxRescan = 64 << 20

// recover passes over a broken top-level value of n bytes: to the next line, where a document may begin.
func (s *stream) recover(n int, reason string) {
	s.resync = true
	s.rescanned += int64(n)
	i := bytes.IndexByte(s.w.buf[s.w.pos:s.w.pos+n], '\n')
	if i < 0 || s.rescanned > maxRescan+8*s.w.offset() {
		s.take(n, reason)
		return
	}
	s.take(i+1, reason)
}

func (s *stream) tooLongReason() string {
	return fmt.Sprintf("larger than %d bytes (option max_record)", s.options.MaxRecord)
}

// skipLong passes over a value that is larger than the limit, without keeping it. Where recover is given, a value of
// several lines may also be a broken one that swallowed others.
func (s *stream) skipLong(n int, recover func(int, string)) error {
	if recover != nil && bytes.IndexByte(s.w.buf[s.w.pos:s.w.pos+n], '\n') >= 0 {
		recover(n, s.tooLongReason())
		return nil
	}
	var b rawjson.Bounds
	for reason := s.tooLongReason(); ; reason = "" {
		k, done := b.Scan(s.w.unread())
		s.take(k, reason)
		if done || !s.w.more() {
			return s.ctx.Err()
		}
	}
}

// members passes over the rest of an envelope, from behind a streamed array to behind its end. Further arrays are
// streamed too.
func (s *stream) members() error {
	for s.ctx.Err() == nil {
		if !s.w.skipSpace() {
			if s.partial() {
				return errCut(s.place, s.w.offset())
			}
			s.take(0, "the input ends before the document does")
			return nil
		}
		switch c := s.w.buf[s.w.pos]; c {
		case '}':
			s.w.pos++
			return nil
		case ',', ':':
			s.w.pos++
		case '"':
			const look = 64
			if key, i := streamedKey(s.w.need(look), 0); key != "" {
				s.w.pos += i
				if over, err := s.elements(); over || err != nil {
					return err
				}
				continue
			}
			s.passOver()
		case '{', '[':
			s.passOver()
		default:
			if c != '-' && (c < '0' || c > '9') && c != 't' && c != 'f' && c != 'n' {
				s.resync = true
				s.badLine("no member of the document begins here")
				return nil
			}
			s.scalar(func(int) {})
		}
	}
	return s.ctx.Err()
}

// passOver skips a value that nobody needs, whatever its length.
func (s *stream) passOver() {
	var b rawjson.Bounds
	for {
		k, done := b.Scan(s.w.unread())
		s.w.pos += k
		if done || !s.w.more() {
			return
		}
	}
}

// scalar passes over a number or literal, telling the length of each piece before it is gone.
func (s *stream) scalar(tell func(n int)) {
	for {
		b := s.w.unread()
		i := bytes.IndexAny(b, ",]}\n\"{[")
		if i >= 0 {
			tell(i)
			s.w.pos += i
			return
		}
		tell(len(b))
		s.w.pos += len(b)
		if !s.w.more() {
			return
		}
	}
}

// badScalar takes something in an array that is no object.
func (s *stream) badScalar() {
	const reason = "an element that is no object"
	switch s.w.buf[s.w.pos] {
	case '"', '[':
		n, _ := s.value(s.options.MaxRecord)
		if s.w.buf[s.w.pos] == '"' {
			// A string holds no newline: one that does has lost its end.
			if i := bytes.IndexByte(s.w.buf[s.w.pos:s.w.pos+n], '\n'); i >= 0 {
				n = i + 1
			}
		}
		s.take(max(n, 1), reason)
	default:
		begin := s.w.pos
		i := bytes.IndexAny(s.w.unread(), ",]}\n\"{[")
		if i == 0 {
			s.take(1, reason)
			return
		}
		if i < 0 {
			i = len(s.w.buf) - begin
		}
		s.take(i, reason)
	}
}

// badLine takes the rest of the line.
func (s *stream) badLine(reason string) {
	s.resync = true
	const piece = 64 << 10
	for {
		n := s.w.line(piece)
		last := n < piece || n > 0 && s.w.buf[s.w.pos+n-1] == '\n'
		s.take(n, reason)
		if last {
			return
		}
		reason = ""
	}
}

// take adds the next n bytes to the broken piece.
func (s *stream) take(n int, reason string) {
	b := &s.bad
	if !b.begun {
		s.docs++
		*b = badPiece{begun: true, offset: s.w.offset(), reason: reason}
	}
	raw := s.w.buf[s.w.pos : s.w.pos+n]
	b.raw = append(b.raw, raw[:min(n, maxBrokenRaw-len(b.raw))]...)
	s.w.pos += n
	b.size = s.w.offset() - b.offset // white space between the pieces included
	if b.reason == "" {
		b.reason = reason
	}
}

// endBad reports the broken piece, if there is one.
func (s *stream) endBad() error {
	b := s.bad
	if !b.begun {
		return nil
	}
	s.bad = badPiece{}
	index := s.batch.index
	s.batch.index++
	return s.broken(pipeline.Broken{
		Raw: b.raw, Size: b.size, Origin: s.place.origin, Index: index, Offset: s.at(b.offset).offset,
		Reason: orText(b.reason, "no JSON object begins here"),
	})
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
