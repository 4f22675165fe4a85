package figures

import (
	"errors"
	"fmt"
)

// Check compares the ratios of trailcast with those of an earlier report, never times: these are the machine's. It returns
// how many it compared; what only one of the reports has is none of them. The error names every ratio that is lower by more
// than the tolerance, which is a share such as 0.2; or says that there is nothing to compare.
func (r *Report) Check(earlier *Report, tolerance float64) (compared int, err error) {
	if r.Records != earlier.Records {
		return 0, fmt.Errorf("ratios depend on the number of records: %d now, %d before", r.Records, earlier.Records)
	}
	before := earlier.ratios()
	var worse []error
	for _, w := range r.Workloads {
		for _, c := range w.Contenders {
			if !c.Ours || c.Ratio == nil && c.Failure == "" {
				continue
			}
			was, ok := before[ratioOf{w.Name, w.Reference, c.Name}]
			if !ok {
				continue
			}
			compared++
			switch {
			case c.Failure != "":
				worse = append(worse, fmt.Errorf("%s, %s: failed", w.Name, c.Name))
			case c.Ratio.Median < was*(1-tolerance):
				worse = append(worse, fmt.Errorf("%s, %s: %.2f times %s, was %.2f", w.Name, c.Name, c.Ratio.Median, w.Reference, was))
			}
		}
	}
	if compared == 0 {
		return 0, errors.New("the reports have no ratio in common")
	}
	return compared, errors.Join(worse...)
}

type ratioOf struct{ workload, reference, contender string }

func (r *Report) ratios() map[ratioOf]float64 {
	ratios := make(map[ratioOf]float64)
	for _, w := range r.Workloads {
		for _, c := range w.Contenders {
			if c.Ours && c.Ratio != nil {
				ratios[ratioOf{w.Name, w.Reference, c.Name}] = c.Ratio.Median
			}
		}
	}
	return ratios
}
