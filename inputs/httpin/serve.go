package httpin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/occasional"
	"github.com/trailcast/trailcast/pipeline"
)

// server answers the requests of one Run.
type server struct {
	*Input
	ctx context.Context // of Run: when it ends no body is read any more
	to  pipeline.Intake
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.work.begin() {
		s.write(w, r, answer{status: http.StatusServiceUnavailable, reason: "the agent stops"})
		return
	}
	defer s.work.end()
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("answering a request panicked", "client", client(r), "panic", p, "stack", string(debug.Stack()))
			s.write(w, r, answer{status: http.StatusInternalServerError, reason: "internal error"})
		}
	}()
	conn := http.NewResponseController(w)
	_ = conn.SetWriteDeadline(time.Time{}) // that of the connection's last answer
	// For what is left of a body that is not read: the server passes over some of it.
	_ = conn.SetReadDeadline(time.Now().Add(s.config.ReadTimeout))
	result, err := s.take(w, r)
	if err == nil {
		s.write(w, r, answer{status: http.StatusOK, events: result.Counts.In - result.Counts.Quarantined, rejected: result.Counts.Quarantined})
		return
	}
	a := s.refused(r, err)
	if isFirehose(r) && a.status == http.StatusRequestEntityTooLarge {
		a.status = http.StatusBadRequest // Firehose drops what is answered with 413, and keeps what is answered otherwise
	}
	s.write(w, r, a)
}

// take does all that a request asks for, and returns when its events are settled. The result is empty for what holds no
// events by its nature.
func (s *server) take(w http.ResponseWriter, r *http.Request) (pipeline.Result, error) {
	var none pipeline.Result
	switch {
	case !slices.Contains(s.config.Paths, r.URL.EscapedPath()):
		return none, refuse(http.StatusNotFound, "nothing is taken at this path")
	case r.Method != http.MethodPost:
		return none, refuse(http.StatusMethodNotAllowed, "only POST is taken")
	}
	known, err := s.authentic(r)
	if err != nil {
		s.unreadable.Do(func(more int) { s.log.Error("a file with a credential can not be read", "err", err, "more", more) })
	}
	signed := s.mayBeSigned(r)
	switch {
	case known || signed:
	case err != nil:
		return none, errCredentials
	default:
		return none, errUnknown
	}
	if !slices.Contains([]string{"", "identity", "gzip", "x-gzip", "zstd"}, strings.ToLower(r.Header.Get("Content-Encoding"))) {
		return none, refuse(http.StatusUnsupportedMediaType, "the body may be compressed with gzip or zstd, or not at all")
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	limit, shared := int64(s.config.MaxBody), &s.pool
	if !known {
		limit, shared = min(limit, maxSNS), &s.strangers
	}
	held, err := shared.enter()
	if err != nil {
		return none, err
	}
	defer held.leave()
	body, err := s.readBody(s.ctx, w, r, limit, s.pace(known, limit), held)
	if err != nil {
		return none, err
	}
	var feed feed
	switch {
	case isFirehose(r):
		feed, err = s.firehose(r, body, held)
	case isSNS(r):
		feed, err = s.sns(ctx, r, body, known)
	default:
		feed, err = s.post(r, body)
	}
	if err != nil || feed == nil {
		return none, err
	}
	if !known { // it is now
		if err := held.move(&s.pool); err != nil {
			return none, err
		}
	}
	return s.deliver(r, feed, held)
}

var (
	errUnknown     = errors.New("the request has no credentials that are known here")
	errCredentials = errors.New("credentials can not be checked at present")
	errUndelivered = errors.New("not delivered; it is to be sent again")
)

// refused says how a request that is not taken is answered, and tells it to the log at a bounded rate.
func (s *server) refused(r *http.Request, err error) answer {
	warn := func(o *occasional.Reports, msg string) {
		o.Do(func(more int) {
			log := s.log.With("client", client(r))
			if topic := r.Header.Get(headerSNSTopic); topicARN.MatchString(topic) {
				log = log.With("topic", topic)
			}
			log.Warn(msg, "err", err, "more", more)
		})
	}
	unavailable := answer{status: http.StatusServiceUnavailable}
	bad, isBad := errors.AsType[*refusal](err)
	switch {
	case isBad && bad.status == http.StatusForbidden:
		warn(&s.denied, "a request is refused")
		return answer{status: bad.status, reason: bad.reason}
	case isBad:
		warn(&s.wrong, "a request can not be used")
		return answer{status: bad.status, reason: bad.reason}
	case errors.Is(err, errUnknown):
		warn(&s.denied, "a request is refused")
		return answer{status: http.StatusUnauthorized, reason: err.Error()}
	case errors.Is(err, errLarge):
		err = errors.New("the body is larger than allowed (option max_body)")
		warn(&s.wrong, "a request can not be used")
		return answer{status: http.StatusRequestEntityTooLarge, reason: err.Error()}
	case errors.Is(err, errBroken): // 408 would be true, but EventBridge and SNS do not repeat after it
		warn(&s.wrong, "a request can not be used")
		unavailable.reason = errBroken.Error()
	case errors.Is(err, errBusy), errors.Is(err, errFull):
		warn(&s.full, "requests are turned away until others end")
		unavailable.reason = err.Error()
	case errors.Is(err, context.Canceled) && s.ctx.Err() != nil:
		unavailable.reason = "the agent stops"
	case errors.Is(err, errCredentials): // the file's name is in the log already
		unavailable.reason = err.Error()
	case errors.Is(err, errUntold):
		warn(&s.untold, "an SNS message can not be checked or confirmed at present")
		unavailable.reason = errUntold.Error()
	default:
		warn(&s.undelivered, "a request was not delivered, and its sender is to repeat it")
		unavailable.reason = errUndelivered.Error()
	}
	return unavailable
}

// client is who sent a request, for the log and for origins.
func client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || host == "" {
		return "local" // a Unix socket
	}
	return host
}

func sender(r *http.Request) string { return "http:" + client(r) }

func isFirehose(r *http.Request) bool { return r.Header.Get(headerFirehoseID) != "" }
