package figures

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// Print writes the report as text for people: medians, with the lowest and the highest value of the rounds.
func (r *Report) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d generated records, rounds: %d; medians (lowest–highest)\n", r.Records, r.Rounds)
	fmt.Fprintf(w, "%s, %d cores, %s%s\n", r.Machine.CPU, r.Machine.Cores, r.Machine.Go, r.versions())
	fmt.Fprintln(w, "Rates are by CPU time for contenders with one core, by wall time for those with several.")
	for i := range r.Workloads {
		if err := r.Workloads[i].print(w); err != nil {
			return err
		}
	}
	if len(r.LeftOut) > 0 {
		fmt.Fprintf(w, "\nleft out: %s\n", strings.Join(r.LeftOut, "; "))
	}
	return nil
}

func (r *Report) versions() string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.Tools)) {
		fmt.Fprintf(&text, ", %s", r.Tools[name])
	}
	return text.String()
}

func (w *Workload) print(to io.Writer) error {
	fmt.Fprintf(to, "\n%s: %s\n", w.Name, w.Title)
	columns := tabwriter.NewWriter(to, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(columns, "\tcores\twall s\tCPU s\trecords/s\tMB/s of JSON\tpeak MB\tto %s\t\n", w.Reference)
	longest := 0
	for _, c := range w.Contenders {
		longest = max(longest, utf8.RuneCountInString(c.Name))
	}
	for _, c := range w.Contenders {
		if c.Failure != "" {
			continue
		}
		ratio := "–"
		if c.Ratio != nil {
			ratio = c.Ratio.text(2)
		}
		fmt.Fprintf(columns, "%-*s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t\n", longest, c.Name, c.Cores, c.Wall.text(2), c.CPU.text(2),
			Thousands(c.Records.Median), c.JSON.text(0), c.Peak.text(0), ratio)
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	for _, c := range w.Contenders {
		if c.Failure != "" {
			fmt.Fprintf(to, "%s failed: %s\n", c.Name, c.Failure)
		}
	}
	return nil
}

func (s Spread) text(digits int) string {
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	if number(s.Min) == number(s.Max) {
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Min), number(s.Max))
}

// Thousands is a number of three significant digits at most, its thousands separated: 1,240,000.
func Thousands(v float64) string {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64) // of its own format: no error
	digits := strconv.FormatFloat(rounded, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
