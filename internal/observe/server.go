package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves /metrics, /healthz (the process runs) and /readyz (every required output and the quarantine work; 503
// and the reasons otherwise). Notes are shown in /readyz as they are.
func Handler(source Source, version string, notes map[string]string) http.Handler {
	registry := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "trailcast_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	registry.MustRegister(metrics{source}, info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		writeReady(w, Ready(source, notes))
	})
	return mux
}

// Readiness is the body of /readyz.
type Readiness struct {
	Ready      bool              `json:"ready"`
	Outputs    []OutputState     `json:"outputs"`
	Quarantine string            `json:"quarantine_error,omitempty"`
	Notes      map[string]string `json:"notes,omitempty"`
}

// OutputState is one output in Readiness.
type OutputState struct {
	Name     string     `json:"name"`
	Ready    bool       `json:"ready"`
	Delivery string     `json:"delivery"`
	Error    string     `json:"error,omitempty"`
	Since    *time.Time `json:"failing_since,omitempty"`
	InFlight int64      `json:"in_flight"`
}

// Ready judges the pipeline: a failing best-effort output is shown but does not make it unready.
func Ready(source Source, notes map[string]string) Readiness {
	s := source.Stats()
	r := Readiness{Ready: true, Outputs: []OutputState{}, Notes: notes}
	for _, o := range s.Outputs {
		state := OutputState{Name: o.Name, Ready: o.Err == nil, Delivery: "required", InFlight: o.InFlight}
		if o.BestEffort {
			state.Delivery = "best_effort"
		}
		if o.Err != nil {
			since := o.FailingSince.UTC()
			state.Error, state.Since = o.Err.Error(), &since
			r.Ready = r.Ready && o.BestEffort
		}
		r.Outputs = append(r.Outputs, state)
	}
	if s.QuarantineErr != nil {
		r.Ready, r.Quarantine = false, s.QuarantineErr.Error()
	}
	return r
}

func writeReady(w http.ResponseWriter, r Readiness) {
	w.Header().Set("Content-Type", "application/json")
	if !r.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(r) // the client has gone: nobody to tell
}

// Server is a listening Handler.
type Server struct {
	server *http.Server
	addr   net.Addr
	done   chan error
}

// Listen serves h on address (host:port; port 0 takes a free one) until Close.
func Listen(address string, h http.Handler) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics and health: %w", err)
	}
	s := &Server{
		server: &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second},
		addr:   l.Addr(), done: make(chan error, 1),
	}
	go func() { s.done <- s.server.Serve(l) }()
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.addr.String() }

// Close stops the server and waits for it.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
