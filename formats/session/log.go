// Package session reads what Session Manager logs of a session: its records, the text that was on the terminal, and by
// guess the commands that were typed. Bytes and lines in, structs and lines out; there is no I/O.
//
// Log reads one record or transcript, Cleaner turns terminal output into lines that are safe to show, Commands finds
// prompts in them.
//
// What it knows of the formats comes from the Systems Manager user guide (logging session activity), from the source of
// the amazon-ssm-agent, from ECMA-48 and xterm's control sequences, and from recordings of real shells.
package session

import (
	"bytes"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// Shape is how a log came.
type Shape byte

const (
	Streamed   Shape = iota + 1 // JSON that the SSM agent streams to CloudWatch Logs while the session lasts
	Part                        // an event that formats/split cut from a plain transcript
	Transcript                  // a whole plain text: `<sessionId>.log` in S3, or CloudWatch Logs without streaming
)

// ErrNotLog says that a record is no session log.
var ErrNotLog = errors.New("not a session log: an object with sessionId and an array sessionData or lines is due")

// Log is one session log event, or a whole transcript. Its text aliases the bytes that it was read from. What a record
// lacks, or has of a wrong type, is zero: only Streamed has more than the session's id and, for a Part, a number.
type Log struct {
	Shape     Shape
	SessionID string
	Target    Target
	OwnerARN  string
	User      string    // user or role-session name
	RunAs     string    // the user of the operating system
	Uploaded  time.Time // when the agent uploaded the text, which is not when it was typed; the agent may send text again with another time
	Region    string
	Seq       int // of a Part: its place in the transcript, from 0

	text []byte // the JSON array of lines; of a Transcript the text itself
}

// Parse reads a session log event: a Streamed one, or a Part. raw is valid JSON; the order of keys, unknown ones and
// members of a wrong type do not matter. The error is ErrNotLog.
func Parse(raw []byte) (Log, error) {
	const (
		sessionID = iota
		target
		identity
		runAs
		eventTime
		region
		data
		seq
		lines
		count
	)
	var m [count][]byte
	rawjson.GetMany(raw, []string{"sessionId", "target", "userIdentity", "runAsUser", "eventTime", "awsRegion",
		"sessionData", "seq", "lines"}, m[:])
	l := Log{
		SessionID: textOf(m[sessionID]),
		RunAs:     textOf(m[runAs]),
		Region:    textOf(m[region]),
		OwnerARN:  rawjson.Str(m[identity], "arn"),
		Target:    ParseTarget(textOf(m[target])),
	}
	if l.Target.ID == "" {
		l.Target = ParseTarget(rawjson.Str(m[target], "id"))
	}
	switch {
	case m[sessionID] == nil || rawjson.KindOf(m[sessionID]) != rawjson.String:
		return Log{}, ErrNotLog
	case isText(m[data]):
		l.Shape, l.text = Streamed, m[data]
	case isText(m[lines]):
		l.Shape, l.text = Part, m[lines]
		l.Seq = number(m[seq])
	default:
		return Log{}, ErrNotLog
	}
	l.User = userOf(l.SessionID, l.OwnerARN)
	l.Uploaded, _ = time.Parse(time.RFC3339, textOf(m[eventTime]))
	return l, nil
}

// ParseText reads a plain transcript. It never looks for JSON in it: what someone typed stays text.
func ParseText(sessionID string, text []byte) Log {
	return Log{Shape: Transcript, SessionID: sessionID, User: userOf(sessionID, ""), text: text}
}

// The agent always writes an array; a text alone is what a pipeline may make of it.
func isText(value []byte) bool {
	kind := rawjson.KindOf(value)
	return kind == rawjson.Array || kind == rawjson.String
}

func textOf(value []byte) string {
	s, _ := rawjson.Text(value)
	return s
}

// number reads a small natural number; 0 for anything else.
func number(value []byte) int {
	n := 0
	for _, c := range value {
		if c < '0' || c > '9' || n > 1<<40 {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// piece is text of a log with what ended it.
type piece struct {
	text string
	cut  bool // the line goes on in the next piece
}

// maxPiece is where formats/split cuts a line: it takes at most 16 KiB with the line's end, less what would cut a rune.
// A cut piece is known by that length alone. A line that was not cut but is as long, or became so when invalid UTF-8 was
// replaced, is taken for one that was: it then counts together with the next.
const maxPiece = 16 << 10

// pieces yields the text, line by line.
func (l *Log) pieces() iter.Seq[piece] {
	return func(yield func(piece) bool) {
		switch {
		case l.Shape == Transcript:
			l.transcript(yield)
		case rawjson.KindOf(l.text) == rawjson.String:
			yield(piece{text: textOf(l.text)})
		default:
			// Elements of a wrong type are no text. The error can only be broken JSON, of which the readable part counts.
			_ = rawjson.EachElement(l.text, func(_ int, value []byte) bool {
				text, ok := rawjson.Text(value)
				return !ok || yield(piece{text, l.Shape == Part && len(text) > maxPiece-4})
			})
		}
	}
}

func (l *Log) transcript(yield func(piece) bool) {
	for text := l.text; len(text) > 0; {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		if !yield(piece{text: string(bytes.TrimSuffix(line, []byte("\r")))}) {
			return
		}
		text = rest
	}
}

// Lines yields the text line by line, as it was logged but for its line ends (`\n` or `\r\n`). It may hold whatever a
// terminal obeys: only Cleaner makes it safe to show. A line that formats/split cut comes in pieces.
func (l *Log) Lines() iter.Seq[string] {
	return func(yield func(string) bool) {
		for p := range l.pieces() {
			if !yield(p.text) {
				return
			}
		}
	}
}

// Count is how much text was logged. Counts of a session's logs can be added up.
type Count struct {
	Lines int64 // a line that was cut counts once
	Bytes int64 // of the lines in UTF-8, without line ends
}

// Add adds another log's count.
func (c *Count) Add(o Count) {
	c.Lines += o.Lines
	c.Bytes += o.Bytes
}

// Count counts the text as it was logged, escape sequences included. Of a Streamed log the agent has taken `\r` off
// before, and mostly escape sequences too.
func (l *Log) Count() Count {
	var c Count
	for p := range l.pieces() {
		c.Bytes += int64(len(p.text))
		if !p.cut {
			c.Lines++
		}
	}
	return c
}

// Feed gives the text to a cleaner, which may have had that of the session's earlier logs: what is cut between two logs
// or pieces, a line or an escape sequence, goes on.
func (l *Log) Feed(c *Cleaner) {
	for text := range l.Text() {
		c.writeString(text)
	}
}

// Text yields the text with its line ends, in pieces of any size. It may hold whatever a terminal obeys.
func (l *Log) Text() iter.Seq[string] {
	return func(yield func(string) bool) {
		if l.Shape == Transcript {
			for block := range slices.Chunk(l.text, blockSize) {
				if !yield(string(block)) {
					return
				}
			}
			return
		}
		for p := range l.pieces() {
			if !yield(p.text) || !p.cut && !yield("\n") {
				return
			}
		}
	}
}
