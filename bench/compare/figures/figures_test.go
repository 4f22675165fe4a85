package figures

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailcast/trailcast/bench/compare/process"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}},
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{9, 1, 2}, Spread{2, 1, 9}},
		{[]float64{4, 1, 3, 9}, Spread{3.5, 1, 9}},
	} {
		given := slices.Clone(c.values)
		if got := SpreadOf(c.values); got != c.want {
			t.Errorf("spread of %v: %v, want %v", given, got, c.want)
		}
		if !slices.Equal(c.values, given) {
			t.Errorf("%v became %v", given, c.values)
		}
	}
}

// TestRatesAndRatios: one core is measured by CPU time, several by wall time, and rounds are paired.
func TestRatesAndRatios(t *testing.T) {
	w := Workload{Reference: "bare", Bytes: 4e6, Contenders: []Contender{
		{Name: "bare", Cores: 1}, {Name: "one", Cores: 1}, {Name: "two", Cores: 2},
		{Name: "wrong", Cores: 1, Failure: "2 results, want 3"},
	}}
	w.Measured(1000, map[string][]process.Cost{
		"bare": {{Wall: 2, CPU: 1, Peak: 5e6}, {Wall: 4, CPU: 2, Peak: 5e6}, {Wall: 20, CPU: 10, Peak: 5e6}},
		"one":  {{Wall: 9, CPU: 2}, {Wall: 9, CPU: 4}, {Wall: 9, CPU: 40}},
		"two":  {{Wall: 1, CPU: 9}, {Wall: 2, CPU: 9}, {Wall: 5, CPU: 9}},
	})
	for i, want := range []Spread{{1, 1, 1}, {0.5, 0.25, 0.5}, {2, 2, 4}} {
		if c := w.Contenders[i]; c.Ratio == nil || *c.Ratio != want {
			t.Errorf("ratio of %s: %v, want %v", c.Name, c.Ratio, want)
		}
	}
	if got, want := w.Contenders[0].Records, (Spread{500, 100, 1000}); got != want {
		t.Errorf("records in a second: %v, want %v", got, want)
	}
	if got, want := w.Contenders[2].JSON, (Spread{2, 0.8, 4}); got != want {
		t.Errorf("MB in a second: %v, want %v", got, want)
	}
	if got := w.Contenders[0].Peak.Median; got != 5 {
		t.Errorf("peak %v MB, want 5", got)
	}
	if c := w.Contenders[3]; c.Ratio != nil || c.Records.Median != 0 {
		t.Errorf("what failed has figures: %+v", c)
	}
}

func TestNoRatiosWithoutTheReference(t *testing.T) {
	w := Workload{Reference: "bare", Contenders: []Contender{{Name: "one", Cores: 1}}}
	w.Measured(10, map[string][]process.Cost{"one": {{CPU: 2}}})
	if c := w.Contenders[0]; c.Ratio != nil || c.Records.Median != 5 {
		t.Errorf("ratio %v, %v records in a second; want none and 5", c.Ratio, c.Records.Median)
	}
}

func report(reference string, contenders ...Contender) *Report {
	return &Report{Records: 100, Rounds: 1, Machine: Machine{CPU: "some CPU", Cores: 2, Go: "Go 1"},
		Workloads: []Workload{{Name: "job", Title: "a job", Reference: reference, Contenders: contenders}}}
}

func own(name string, ratio float64) Contender {
	return Contender{Name: name, Ours: true, Cores: 1, Ratio: &Spread{Median: ratio}}
}

func TestCheck(t *testing.T) {
	before := report("bare", own("trailcast", 0.8), Contender{Name: "other", Ratio: &Spread{Median: 9}}, own("trailcast, 2 cores", 1.5))
	more := report("bare", own("trailcast", 0.8))
	more.Records = 200
	for name, c := range map[string]struct {
		now      *Report
		compared int
		want     string // in the error
	}{
		"equal":              {before, 2, ""},
		"better":             {report("bare", own("trailcast", 1.6)), 1, ""},
		"at the tolerance":   {report("bare", own("trailcast", 0.65)), 1, ""},
		"below it":           {report("bare", own("trailcast", 0.63)), 1, "job, trailcast: 0.63 times bare, was 0.80"},
		"both worse":         {report("bare", own("trailcast", 0.1), own("trailcast, 2 cores", 0.1)), 2, "job, trailcast, 2 cores: 0.10"},
		"failed":             {report("bare", Contender{Name: "trailcast", Ours: true, Failure: "exit"}), 1, "job, trailcast: failed"},
		"others may be slow": {report("bare", own("trailcast", 0.8), Contender{Name: "other", Ratio: &Spread{Median: 1}}), 1, ""},
		"another reference":  {report("else", own("trailcast", 0.1)), 0, "no ratio in common"},
		"nothing in common":  {report("bare", own("something", 0.1)), 0, "no ratio in common"},
		"other data":         {more, 0, "200 now, 100 before"},
	} {
		compared, err := c.now.Check(before, 0.2)
		if compared != c.compared || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: compared %d, %v; want %d, %q", name, compared, err, c.compared, c.want)
		}
	}
}

func TestWriteAndRead(t *testing.T) {
	want := report("bare", own("trailcast", 0.8), Contender{Name: "other", Failure: "wrong"})
	want.Tools, want.LeftOut = map[string]string{"jq": "jq 1.7"}, []string{"Vector: VECTOR is not set"}
	file := filepath.Join(t.TempDir(), "figures.json")
	if err := want.Write(file); err != nil {
		t.Fatal(err)
	}
	got, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTable(t *testing.T) {
	r := report("bare",
		Contender{Name: "bare", Cores: 1, Wall: Spread{1, 0.5, 2}, CPU: Spread{1, 1, 1}, Records: Spread{1234567, 1, 2}, Ratio: &Spread{1, 1, 1}},
		Contender{Name: "trailcast", Cores: 1, Records: Spread{617000, 1, 2}, Ratio: &Spread{0.5, 0.45, 0.55}},
		Contender{Name: "unpaired", Cores: 1},
		Contender{Name: "broken", Cores: 1, Failure: "2 results, want 3"})
	r.LeftOut = []string{"Vector: VECTOR is not set"}
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"100 generated records, rounds: 1", "job: a job", "to bare", "1.00 (0.50–2.00)", "1,230,000", "0.50 (0.45–0.55)",
		"broken failed: 2 results, want 3", "left out: Vector",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

func TestThousands(t *testing.T) {
	for value, want := range map[float64]string{0: "0", 7.4: "7", 999: "999", 1239: "1,240", 45678: "45,700", 1234567: "1,230,000"} {
		if got := Thousands(value); got != want {
			t.Errorf("%v: %s, want %s", value, got, want)
		}
	}
}
