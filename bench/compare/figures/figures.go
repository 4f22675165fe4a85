// Package figures holds what a comparison has measured: rates, costs and ratios, as a table and as JSON, and the check of
// ratios against an earlier comparison.
package figures

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/trailcast/trailcast/bench/compare/process"
)

// Report is one comparison.
type Report struct {
	Machine   Machine           `json:"machine"`
	Tools     map[string]string `json:"tools,omitempty"`    // versions of other tools
	Records   int64             `json:"records"`            // generated ones, that the workloads read
	Rounds    int               `json:"rounds"`             // in each of which every contender ran once
	LeftOut   []string          `json:"left_out,omitempty"` // what was not compared, and why
	Workloads []Workload        `json:"workloads"`
}

// Machine is what it ran on, in general terms.
type Machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	Go    string `json:"go"`
}

// Workload is one job that all contenders did.
type Workload struct {
	Name       string      `json:"name"`
	Title      string      `json:"title"`
	Reference  string      `json:"reference"` // the contender that ratios are to
	Bytes      int64       `json:"bytes"`     // of JSON that a contender reads
	Contenders []Contender `json:"contenders"`
}

// Contender is one tool at one job. Its rates are by seconds of CPU time if it has one core, and by wall time if it has
// several: so rates and ratios of one core are those of the work, however busy the machine is with other things.
type Contender struct {
	Name    string  `json:"name"`
	Ours    bool    `json:"ours"` // trailcast itself
	Cores   int     `json:"cores"`
	Wall    Spread  `json:"wall"`              // seconds
	CPU     Spread  `json:"cpu"`               // seconds of user and system time
	Peak    Spread  `json:"peak"`              // 10^6 bytes of memory
	Records Spread  `json:"records"`           // in a second
	JSON    Spread  `json:"json"`              // 10^6 bytes in a second
	Ratio   *Spread `json:"ratio,omitempty"`   // of rates to the reference's in the same round, by the same clock
	Failure string  `json:"failure,omitempty"` // why there are no figures
}

// Measured adds figures of the rounds, given by name of the contender, to a workload. Contenders that failed have no
// costs; the reference may be missing or have failed: then there are no ratios.
func (w *Workload) Measured(records int64, costs map[string][]process.Cost) {
	for i := range w.Contenders {
		c := &w.Contenders[i]
		own := costs[c.Name]
		if c.Failure != "" || len(own) == 0 {
			continue
		}
		rate := func(amount float64) func(process.Cost) float64 {
			return func(cost process.Cost) float64 { return amount / c.time(cost) }
		}
		c.Wall = spreadOf(own, func(cost process.Cost) float64 { return cost.Wall })
		c.CPU = spreadOf(own, func(cost process.Cost) float64 { return cost.CPU })
		c.Peak = spreadOf(own, func(cost process.Cost) float64 { return float64(cost.Peak) / 1e6 })
		c.Records = spreadOf(own, rate(float64(records)))
		c.JSON = spreadOf(own, rate(float64(w.Bytes)/1e6))
		c.Ratio = c.ratio(own, costs[w.Reference])
	}
}

func (c *Contender) time(cost process.Cost) float64 {
	if c.Cores == 1 {
		return cost.CPU
	}
	return cost.Wall
}

// ratio pairs the rounds, so that what slows the machine down for a while slows both.
func (c *Contender) ratio(own, reference []process.Cost) *Spread {
	if len(own) != len(reference) {
		return nil
	}
	ratios := make([]float64, len(own))
	for i := range own {
		ratios[i] = c.time(reference[i]) / c.time(own[i])
	}
	spread := SpreadOf(ratios)
	return &spread
}

// Write writes the report to a file.
func (r *Report) Write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Read reads what Write has written.
func Read(path string) (*Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return &r, nil
}
