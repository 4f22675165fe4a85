package sessions

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// log delivers the session's log, if it leaves one.
func (s *scene) log() {
	switch s.logForm() {
	case Streamed:
		s.stream(s.play())
	case Transcript:
		s.upload(s.transcript(s.play()))
	case Plain:
		s.put(s.transcript(s.play()))
	}
}

func (s *scene) logForm() Form {
	switch s.truth.Kind {
	case KindStreamed:
		return Streamed
	case KindTranscript:
		return Transcript
	case KindUnstreamed:
		return Plain
	case KindECSExec:
		return one(s.Rand, []Form{Plain, Plain, Transcript, Streamed, 0})
	}
	return 0
}

// logged counts a line of the log as it comes out of formats/split.
func (s *scene) logged(line string) {
	s.truth.Lines++
	for len(line) > 0 {
		r, n := utf8.DecodeRuneInString(line)
		s.truth.Bytes += int64(utf8.RuneLen(r)) // 3 for each byte that is no UTF-8
		line = line[n:]
	}
}

// upload delivers a transcript in S3, which is written soon after the session's end.
func (s *scene) upload(text string) {
	s.countText(text)
	s.truth.LastLog = s.between(s.end, s.end.Add(30*time.Second))
	name := "sessions/" + s.truth.ID + ".log"
	s.deliver(Delivery{Form: Transcript, Name: name, Record: []byte(text), EventTime: s.truth.LastLog})
}

// put delivers a transcript in CloudWatch Logs: one event of plain text without a line end, of which \r\n became \n
// (buildEventInfo of the amazon-ssm-agent). JSON on the way makes it valid UTF-8.
func (s *scene) put(text string) {
	text = strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	text = string([]rune(text))
	s.countText(text)
	s.logEvent(Plain, s.between(s.end, s.end.Add(30*time.Second)), []byte(text))
}

func (s *scene) countText(text string) {
	for line := range strings.Lines(text) {
		s.logged(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
	}
}

// logEvent delivers one event of the session's log stream. Ids have the order of the events.
func (s *scene) logEvent(form Form, at time.Time, message []byte) {
	s.truth.LastLog = at
	s.events++
	id := fmt.Sprintf("3%015d%05d%s", at.UnixMilli(), s.events, s.letters(digits, 35))
	s.deliver(Delivery{Form: form, Name: logGroup + "/" + s.truth.ID, Record: message, EventID: id, EventTime: at})
}

// streamedLog is what the amazon-ssm-agent streams (CloudWatchMessage in its source). Its time is that of the upload.
type streamedLog struct {
	EventVersion string     `json:"eventVersion"`
	EventTime    string     `json:"eventTime"`
	AWSRegion    string     `json:"awsRegion"`
	Target       streamedID `json:"target"`
	UserIdentity streamedBy `json:"userIdentity"`
	RunAsUser    string     `json:"runAsUser"`
	SessionID    string     `json:"sessionId"`
	SessionData  []string   `json:"sessionData"`
}

type streamedID struct {
	ID string `json:"id"`
}

type streamedBy struct {
	ARN string `json:"arn"`
}

// stream delivers the log as the agent streams it: once a second it reads the new lines, takes escape sequences off if
// it is set to, and puts as many into an event as fit (getNextMessage and buildEventInfo of the amazon-ssm-agent). Only a
// line that is longer than an event is cut, wherever that is.
func (s *scene) stream(sc screen) {
	limit := one(s.Rand, []int{33_000, 200_000}) // of older and newer agents
	cleans := oneIn(s.Rand, 2)
	at := s.truth.Started
	for _, st := range sc.steps {
		var lines []string
		size := 0
		flush := func() {
			if len(lines) > 0 {
				at = laterOf(at, st.at.Add(time.Second))
				s.streamed(at, lines)
				lines, size = nil, 0
			}
		}
		for line := range eventLines(st.text, limit) {
			if cleans {
				line = escapes.ReplaceAllString(line, "")
			}
			if size+len(line) > limit {
				flush()
			}
			size += len(line)
			lines = append(lines, line)
		}
		flush()
	}
}

var escapes = regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\a]*\a|[()][0-9A-Z])")

// eventLines yields the lines of a text, of which none is longer than limit.
func eventLines(text string, limit int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			for len(line) > limit {
				if !yield(line[:limit]) {
					return
				}
				line = line[limit:]
			}
			if !yield(line) {
				return
			}
		}
	}
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// streamed delivers one event of a streamed log.
func (s *scene) streamed(at time.Time, lines []string) {
	l := streamedLog{
		EventVersion: "1.0", EventTime: at.Format(time.RFC3339), AWSRegion: s.place.region, Target: streamedID{s.target},
		UserIdentity: streamedBy{s.ownerARN()}, RunAsUser: "ssm-user", SessionID: s.truth.ID,
	}
	text := strings.NewReplacer("\t", " ", "\r", "").Replace(strings.Join(lines, ""))
	l.SessionData = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range l.SessionData {
		s.logged(line)
	}
	message, err := json.Marshal(l)
	if err != nil {
		panic("sessions: encode: " + err.Error()) // not reached: the type can be encoded
	}
	s.logEvent(Streamed, at, message)
}

// ownerARN is that of the session's owner: with ECS Exec this is the service.
func (s *scene) ownerARN() string {
	if s.truth.Kind == KindECSExec {
		return "arn:aws:sts::" + s.place.account + ":assumed-role/AWSServiceRoleForECS/" + ecsOwner
	}
	if s.actor.identity.ARN == "" { // SSM knows more than the record tells
		return "arn:aws:iam::" + s.place.account + ":user/" + s.actor.owner
	}
	return s.actor.identity.ARN
}
