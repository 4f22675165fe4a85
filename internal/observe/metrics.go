// Package observe shows a running pipeline to its operators: Prometheus metrics, health and readiness over HTTP, and
// the closing account of a run.
package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/trailcast/trailcast/pipeline"
)

// Source is what is observed: a *pipeline.Engine.
type Source interface{ Stats() pipeline.Stats }

// metrics turns a snapshot of the pipeline's counters into Prometheus metrics at each scrape.
type metrics struct{ source Source }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("trailcast_"+name, help, labels, nil)
}

// family is a metric of the whole pipeline.
type family struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*pipeline.Stats) float64
}

// filterFamily and outputFamily are metrics of one component.
type filterFamily struct {
	desc  *prometheus.Desc
	value func(*pipeline.FilterStats) int64
}

type outputFamily struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*pipeline.OutputStats) float64
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

func families() []family {
	return []family{
		{desc("events_in_total", "Events and broken pieces taken in."), counter, func(s *pipeline.Stats) float64 { return float64(s.In) }},
		{desc("events_made_total", "Further events made by filters."), counter, func(s *pipeline.Stats) float64 { return float64(s.Made) }},
		{desc("events_filtered_total", "Events dropped by filters."), counter, func(s *pipeline.Stats) float64 { return float64(s.Filtered) }},
		{desc("events_unrouted_total", "Events that no output's condition took."), counter, func(s *pipeline.Stats) float64 { return float64(s.Unrouted) }},
		{desc("events_quarantined_total", "Broken pieces, and events rejected by filters."), counter, func(s *pipeline.Stats) float64 { return float64(s.Quarantined) }},
		{desc("events_routed_total", "Events that went to at least one output."), counter, func(s *pipeline.Stats) float64 { return float64(s.Routed) }},
		{desc("bytes_in_total", "Bytes of the events taken in."), counter, func(s *pipeline.Stats) float64 { return float64(s.BytesIn) }},
		{desc("events_in_flight", "Events taken in and not settled."), gauge, func(s *pipeline.Stats) float64 { return float64(s.EventsInFlight) }},
		{desc("bytes_in_flight", "Bytes of the events taken in and not settled."), gauge, func(s *pipeline.Stats) float64 { return float64(s.BytesInFlight) }},
		{desc("frames_open", "Frames (files, chunks, messages) that are not settled."), gauge, func(s *pipeline.Stats) float64 { return float64(s.OpenFrames) }},
		{desc("quarantine_up", "1 while the quarantine takes entries."), gauge, func(s *pipeline.Stats) float64 { return bit(s.QuarantineErr == nil) }},
	}
}

func filterFamilies() []filterFamily {
	return []filterFamily{
		{desc("filter_events_in_total", "Events given to the filter.", "filter"), func(f *pipeline.FilterStats) int64 { return f.In }},
		{desc("filter_events_out_total", "Events that the filter gave on.", "filter"), func(f *pipeline.FilterStats) int64 { return f.Out }},
		{desc("filter_events_filtered_total", "Events dropped.", "filter"), func(f *pipeline.FilterStats) int64 { return f.Filtered }},
		{desc("filter_events_made_total", "Further events made.", "filter"), func(f *pipeline.FilterStats) int64 { return f.Made }},
		{desc("filter_events_quarantined_total", "Events rejected.", "filter"), func(f *pipeline.FilterStats) int64 { return f.Quarantined }},
		{desc("filter_errors_total", "Errors of the filter, whatever its on_error makes of them.", "filter"), func(f *pipeline.FilterStats) int64 { return f.Errors }},
		{desc("filter_condition_errors_total", "Errors of the filter's when.", "filter"), func(f *pipeline.FilterStats) int64 { return f.ConditionErrors }},
	}
}

func outputFamilies() []outputFamily {
	return []outputFamily{
		{desc("output_events_in_total", "Events that the output's condition took.", "output"), counter, func(o *pipeline.OutputStats) float64 { return float64(o.In) }},
		{desc("output_events_made_total", "Further events made by the output's own filters.", "output"), counter, func(o *pipeline.OutputStats) float64 { return float64(o.Made) }},
		{desc("output_events_filtered_total", "Events dropped by the output's own filters.", "output"), counter, func(o *pipeline.OutputStats) float64 { return float64(o.Filtered) }},
		{desc("output_events_delivered_total", "Events confirmed by the destination.", "output"), counter, func(o *pipeline.OutputStats) float64 { return float64(o.Delivered) }},
		{desc("output_events_quarantined_total", "Events that can never be delivered.", "output"), counter, func(o *pipeline.OutputStats) float64 { return float64(o.Quarantined) }},
		{desc("output_events_dropped_total", "Events that a best-effort output had no room for.", "output"), counter, func(o *pipeline.OutputStats) float64 { return float64(o.Dropped) }},
		{desc("output_events_gave_up_total", "Events left to be read again.", "output"), counter, func(o *pipeline.OutputStats) float64 { return float64(o.GaveUp) }},
		{desc("output_events_retried_total", "Events written again, once per try.", "output"), counter, func(o *pipeline.OutputStats) float64 { return float64(o.Retried) }},
		{desc("output_condition_errors_total", "Errors of the output's when.", "output"), counter, func(o *pipeline.OutputStats) float64 { return float64(o.ConditionErrors) }},
		{desc("output_bytes_total", "Bytes of the events delivered.", "output"), counter, func(o *pipeline.OutputStats) float64 { return float64(o.BytesOut) }},
		{desc("output_events_in_flight", "Events in the output's hands.", "output"), gauge, func(o *pipeline.OutputStats) float64 { return float64(o.InFlight) }},
		{desc("output_queue_events", "Events waiting for the output.", "output"), gauge, func(o *pipeline.OutputStats) float64 { return float64(o.QueueEvents) }},
		{desc("output_queue_bytes", "Bytes waiting for the output or being written.", "output"), gauge, func(o *pipeline.OutputStats) float64 { return float64(o.QueueBytes) }},
		{desc("output_lag_seconds", "Delivery time minus event time of the last delivered event.", "output"), gauge, func(o *pipeline.OutputStats) float64 { return o.Lag.Seconds() }},
		{desc("output_up", "1 while the output works.", "output"), gauge, func(o *pipeline.OutputStats) float64 { return bit(o.Err == nil) }},
	}
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Describe sends nothing: the metrics depend on the configured components, so the collector is an unchecked one.
func (m metrics) Describe(chan<- *prometheus.Desc) {}

// Collect takes one snapshot and sends it.
func (m metrics) Collect(to chan<- prometheus.Metric) {
	s := m.source.Stats()
	for _, f := range families() {
		to <- prometheus.MustNewConstMetric(f.desc, f.kind, f.value(&s))
	}
	settled := desc("frames_settled_total", "Settled frames by outcome.", "outcome")
	for outcome, n := range s.Frames {
		to <- prometheus.MustNewConstMetric(settled, counter, float64(n), outcome.String())
	}
	in := desc("input_events_total", "Events and broken pieces that the input read.", "input")
	for _, i := range s.Inputs {
		to <- prometheus.MustNewConstMetric(in, counter, float64(i.In), i.Name)
	}
	for _, family := range filterFamilies() {
		for i := range s.Filters {
			to <- prometheus.MustNewConstMetric(family.desc, counter, float64(family.value(&s.Filters[i])), s.Filters[i].Name)
		}
	}
	for _, family := range outputFamilies() {
		for i := range s.Outputs {
			to <- prometheus.MustNewConstMetric(family.desc, family.kind, family.value(&s.Outputs[i]), s.Outputs[i].Name)
		}
	}
	latency := desc("output_write_seconds", "Duration of the output's writes, tries included.", "output")
	for i := range s.Outputs {
		o := &s.Outputs[i]
		buckets, total := map[float64]uint64{}, uint64(0)
		for k, n := range o.Latency {
			total += uint64(n)
			if k < len(pipeline.LatencyBounds) {
				buckets[pipeline.LatencyBounds[k]] = total
			}
		}
		to <- prometheus.MustNewConstHistogram(latency, total, o.LatencySum.Seconds(), buckets, o.Name)
	}
}
