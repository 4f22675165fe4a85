package gather

import (
	"context"

	"github.com/trailcast/trailcast/filters/redact"
	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// redactor replaces secrets in what a report shows, by the built-in rules of the redact filter. Logs are redacted when they
// are read in their order, not as they come: only so are secrets found that lie over the borders of records, and no others.
// A nil one leaves all as it is.
type redactor struct {
	filter *redact.Filter
	origin *pipeline.Origin // of all records, so that their index is their order
}

func newRedactor() (*redactor, error) {
	f, err := redact.New(redact.Config{Defaults: true}, pipeline.Env{Name: "report"})
	return &redactor{f, &pipeline.Origin{}}, err
}

// log returns the n-th record of a session's log without its secrets.
func (r *redactor) log(raw []byte, n int64) ([]byte, error) {
	if r == nil {
		return raw, nil
	}
	return r.apply(&pipeline.Record{Raw: raw, Kind: pipeline.KindSessionLog, Origin: r.origin, Index: n, Reader: record.Reader{}})
}

// text returns a text that stands by itself without its secrets.
func (r *redactor) text(s string) string {
	if r == nil || s == "" {
		return s
	}
	raw := append(rawjson.AppendString([]byte(`{"sessionId":"","sessionData":`), s), '}') // it is as typed as a session is
	raw, err := r.apply(&pipeline.Record{Raw: raw, Kind: pipeline.KindSessionLog, Origin: &pipeline.Origin{Object: s}, Reader: record.Reader{}})
	if err != nil {
		return ""
	}
	return rawjson.Str(raw, "sessionData")
}

func (r *redactor) apply(of *pipeline.Record) ([]byte, error) {
	events, err := r.filter.Apply(context.Background(), nil, pipeline.NewEvent(of))
	if err != nil {
		return nil, err
	}
	return events[0].Raw, nil
}
