package redact

import (
	"slices"
	"strings"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// maxTail is how much of a record's last line is remembered for the next record.
const maxTail = 4 << 10

// mood is what the lines before a line say of it.
type mood struct {
	key   keyBlock // inside of a private key
	asked bool     // a program has asked for a secret
}

// or joins what two readings of the same text say.
func (m mood) or(o mood) mood {
	return mood{key: max(m.key, o.key), asked: m.asked || o.asked}
}

// tail is what is remembered of the text up to the end of a record. Whether the record ended with its last line or inside
// of it is not known, so that the next record is read both ways.
type tail struct {
	text   string // end of the last line, as it came
	before mood   // at the begin of that line
	after  mood   // behind it
	whole  bool   // the line is known to be whole
}

// reader goes through the lines of a session.
type reader struct {
	filter *Filter
	rules  ruleSet // those that may match in the record; 0: only what a line before says counts
	mood   mood
	lead   string // what the line is read together with: it goes on here
}

// line returns what is to be replaced of a line. With cut it may go on in the next record.
func (r *reader) line(s string, cut bool) []span {
	before := r.mood
	spans, after := r.filter.readLine(s, before, cut, r.rules != 0)
	r.mood = after
	if r.lead != "" {
		n := len(r.lead)
		more, _ := r.filter.readLine(r.lead+s, before, cut, true)
		spans = merge(append(spans, behind(more, n)...))
	}
	r.lead = continued(s)
	return r.filter.fresh(s, spans)
}

// first is line for the first line of a record, which may be the rest of the last line of the record before.
func (r *reader) first(s string, last tail, cut bool) []span {
	r.mood = last.after
	spans, after := r.filter.readLine(s, last.after, cut, true)
	r.mood = after
	r.lead = continued(s)
	for _, lead := range []string{last.text, continued(last.text)} {
		if lead == "" || lead == last.text && last.whole {
			continue
		}
		switch begin := viewOf(s).text; {
		case asks(viewOf(lead).text) && shellPrompt.MatchString(begin):
			continue // nothing was shown of the answer
		case lead == last.text && beginsLine(begin, lead):
			continue // the record before ended with a whole line
		}
		more, joined := r.filter.readLine(lead+s, last.before, cut, true)
		spans = append(spans, behind(more, len(lead))...)
		r.mood = r.mood.or(joined)
	}
	return r.filter.fresh(s, merge(spans))
}

// continued is a line that ends with a backslash, without it: the command goes on in the next line.
func continued(s string) string {
	s = strings.TrimRight(s, "\r")
	if !strings.HasSuffix(s, `\`) || strings.HasSuffix(s, `\\`) {
		return ""
	}
	s = s[:len(s)-1]
	return s[max(len(s)-maxTail, 0):] + " "
}

// readLine returns the secrets of a line, and what it says of the next.
func (f *Filter) readLine(s string, m mood, cut, search bool) (spans []span, next mood) {
	if !search && m == (mood{}) {
		return nil, m
	}
	v := viewOf(s)
	next.key = m.key
	if f.key != 0 && next.key.take(v.text) || m.asked && isAnswer(v.text) {
		return []span{{0, len(s)}}, next
	}
	if !search {
		return nil, next
	}
	some := f.candidates(v.text, f.all)
	next.asked = some&f.prompt != 0 && asks(v.text)
	return f.searchLine(s, &v, some, cut), next
}

// fresh leaves out spans that hold the replacement already.
func (f *Filter) fresh(s string, spans []span) []span {
	return slices.DeleteFunc(spans, func(x span) bool { return x.from >= x.to || replaced(s, x, f.replacement) })
}

// sessionText is the text of a session's record: an array of lines, or a text that a filter has made of them.
type sessionText struct {
	value  []byte   // the array or text
	values [][]byte // the elements that are texts; nil where value is a text
	lines  []string
	part   bool // of a transcript, where formats/split cuts only lines that are very long
}

func readText(value []byte, part bool) sessionText {
	t := sessionText{value: value, part: part}
	if rawjson.KindOf(value) == rawjson.String {
		s, _ := rawjson.Text(value)
		t.lines = strings.Split(s, "\n")
		return t
	}
	_ = rawjson.EachElement(value, func(_ int, element []byte) bool {
		if s, ok := rawjson.Text(element); ok {
			t.values, t.lines = append(t.values, element), append(t.lines, s)
		}
		return true
	})
	return t
}

// minPiece is the length from which on an element of a part may be a line that formats/split has cut.
const minPiece = 16<<10 - 4

// redactSession replaces the secrets in the text of a session and returns what the next record needs to know.
func (f *Filter) redactSession(t *sessionText, last tail, rules ruleSet) (changed map[int]string, next tail) {
	r := reader{filter: f, rules: rules, mood: last.after}
	changed = map[int]string{}
	for i, s := range t.lines {
		before, isLast := r.mood, i == len(t.lines)-1
		long := t.part && len(s) >= minPiece
		cut := isLast && !t.part || long
		var spans []span
		switch {
		case i == 0:
			spans = r.first(s, last, cut)
		default:
			spans = r.line(s, cut)
		}
		if long {
			r.lead = s
		}
		if len(spans) > 0 {
			changed[i] = f.settled(replace(s, spans, f.replacement))
		}
		if rules != 0 && f.key != 0 && before.key == 0 && endsKey(s) {
			f.redactTail(t.lines[:i], changed)
		}
		if isLast {
			next = tail{text: s, before: before, after: r.mood, whole: !cut}
			if i == 0 && !last.whole {
				next.text, next.before = last.text+s, last.before.or(before)
			}
			next.text = f.remember(next.text)
		}
	}
	if len(t.lines) == 0 {
		next = last
	}
	return changed, next
}

// remember returns what is kept of a record's last line: its end, or of one that ends inside of a very long secret what
// stands before the secret, and the secret's begin and end.
func (f *Filter) remember(s string) string {
	if len(s) <= maxTail {
		return strings.Clone(s)
	}
	v := viewOf(s)
	spans := f.searchLine(s, &v, f.candidates(v.text, f.all), true)
	const part = maxTail / 4
	if n := len(spans); n > 0 && spans[n-1].to == len(s) && len(s)-spans[n-1].from > maxTail-part {
		from := spans[n-1].from
		return s[max(from-2*part, 0):from+part] + s[len(s)-part:]
	}
	return strings.Clone(s[len(s)-maxTail:])
}

// settled replaces what the replaced text completes to a match.
func (f *Filter) settled(s string) string {
	for range maxPasses {
		v := viewOf(s)
		spans := f.fresh(s, f.searchLine(s, &v, f.candidates(v.text, f.all), false))
		if len(spans) == 0 {
			break
		}
		s = replace(s, spans, f.replacement)
	}
	return s
}

// redactTail replaces the lines of a key before its end, where its begin was in a record that is not known.
func (f *Filter) redactTail(lines []string, changed map[int]string) {
	for i := len(lines) - 1; i >= 0 && len(lines)-i < maxKeyLines; i-- {
		full := i < len(lines)-1 // the last line of a key may be short
		if s := viewOf(lines[i]).text; full && !keyTail.MatchString(s) || !full && !keyBody.MatchString(s) || s == "" {
			return
		}
		changed[i] = f.replacement
	}
}
