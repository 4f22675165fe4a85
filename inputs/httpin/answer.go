package httpin

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// refusal is a request that is not taken, with what its sender is told. The reason holds nothing of the request.
type refusal struct {
	status int
	reason string
}

func (e *refusal) Error() string { return e.reason }

func refuse(status int, reason string) error { return &refusal{status, reason} }

// retryAfter is when a sender is to come again, in seconds. EventBridge waits so long at least.
const retryAfter = "5"

// answer is how a request ended.
type answer struct {
	status   int
	reason   string // "" for 200
	events   int64
	rejected int64
}

// taken is what is answered where all is delivered or in quarantine.
type taken struct {
	Events   int64 `json:"events"`
	Rejected int64 `json:"rejected"`
}

type refused struct {
	Error string `json:"error"`
}

// firehoseAnswer is the only form that Firehose accepts: any other counts as a failure.
type firehoseAnswer struct {
	RequestID string `json:"requestId"`
	Timestamp int64  `json:"timestamp"` // milliseconds
	Error     string `json:"errorMessage,omitempty"`
}

// write sends an answer, with a deadline of its own.
func (in *Input) write(w http.ResponseWriter, r *http.Request, a answer) {
	var form any = taken{a.events, a.rejected}
	switch {
	case isFirehose(r):
		form = firehoseAnswer{r.Header.Get(headerFirehoseID), time.Now().UnixMilli(), a.reason}
	case a.status != http.StatusOK:
		form = refused{a.reason}
	}
	body, err := json.Marshal(form)
	if err != nil {
		panic(err) // text and numbers can be marshalled
	}
	h := w.Header()
	switch a.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", in.challenge())
	case http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfter)
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // who is not reached comes again
}

// writeTimeout is how long a client may take to take an answer.
const writeTimeout = 30 * time.Second
