package observe_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/internal/observe"
	"github.com/trailcast/trailcast/pipeline"
)

type fixed pipeline.Stats

func (f fixed) Stats() pipeline.Stats { return pipeline.Stats(f) }

func sample() pipeline.Stats {
	s := pipeline.Stats{
		Counts:  pipeline.Counts{In: 10, Made: 2, Filtered: 3, Unrouted: 1, Quarantined: 2, Routed: 6},
		Frames:  map[pipeline.Outcome]int64{pipeline.Delivered: 1, pipeline.Rejected: 2, pipeline.Retry: 0},
		Inputs:  []pipeline.InputStats{{Name: "trail", In: 10}},
		Filters: []pipeline.FilterStats{{Name: "jq", In: 8, Out: 7, Filtered: 3, Made: 2}},
		Outputs: []pipeline.OutputStats{
			{Name: "bus", In: 6, Delivered: 6, BytesOut: 600, Lag: 90 * time.Second, LatencySum: 2 * time.Second},
			{Name: "extra\x1b[31m", BestEffort: true, In: 6, Dropped: 6, Err: errors.New("no route\x1b[2J")},
		},
	}
	s.Outputs[0].Latency[0] = 3
	s.Outputs[0].Latency[len(pipeline.LatencyBounds)] = 1
	return s
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestServer(t *testing.T) {
	defer goleak.VerifyNone(t)
	defer http.DefaultClient.CloseIdleConnections()
	s, err := observe.Listen("127.0.0.1:0", observe.Handler(fixed(sample()), "v1", map[string]string{"nats": "embedded"}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	base := "http://" + s.Addr()

	if code, body := get(t, base+"/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("/healthz: %d %q", code, body)
	}
	_, body := get(t, base+"/metrics")
	for _, want := range []string{
		"trailcast_events_in_total 10", "trailcast_events_quarantined_total 2",
		`trailcast_input_events_total{input="trail"} 10`, `trailcast_filter_events_filtered_total{filter="jq"} 3`,
		`trailcast_output_events_delivered_total{output="bus"} 6`, `trailcast_output_lag_seconds{output="bus"} 90`,
		`trailcast_output_write_seconds_count{output="bus"} 4`, `trailcast_output_write_seconds_bucket{output="bus",le="0.0005"} 3`,
		`trailcast_frames_settled_total{outcome="rejected"} 2`, `trailcast_build_info{version="v1"} 1`, "trailcast_quarantine_up 1",
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	code, body := get(t, base+"/readyz")
	var r observe.Readiness
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatal(err)
	}
	if code != 200 || !r.Ready || r.Outputs[1].Ready || r.Notes["nats"] != "embedded" {
		t.Errorf("/readyz with a failing best-effort output: %d %s", code, body)
	}
}

func TestNotReady(t *testing.T) {
	failing := sample()
	failing.Outputs[0].Err = errors.New("connection refused")
	full := sample()
	full.QuarantineErr = errors.New("full")
	for name, s := range map[string]pipeline.Stats{"required output": failing, "quarantine": full} {
		if r := observe.Ready(fixed(s), nil); r.Ready {
			t.Errorf("ready although the %s fails", name)
		}
	}
}

func TestAccountHoldsNoControlCharacters(t *testing.T) {
	var b strings.Builder
	observe.PrintAccount(&b, sample())
	if strings.ContainsAny(b.String(), "\x1b\u009b") {
		t.Errorf("control characters in %q", b.String())
	}
	for _, want := range []string{"10", "bus", "no route"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the account lacks %q:\n%s", want, b.String())
		}
	}
}
