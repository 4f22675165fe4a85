package figures

import "slices"

// Spread is where the values of several rounds lie.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// SpreadOf returns the spread of at least one value; that of none is zero.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + median) / 2
	}
	return Spread{Median: median, Min: sorted[0], Max: sorted[len(sorted)-1]}
}

func spreadOf[T any](all []T, value func(T) float64) Spread {
	values := make([]float64, len(all))
	for i, one := range all {
		values[i] = value(one)
	}
	return SpreadOf(values)
}
