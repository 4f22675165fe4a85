package observe

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/trailcast/trailcast/internal/terminal"
	"github.com/trailcast/trailcast/pipeline"
)

// PrintAccount writes the closing account of a run: what came in, and what became of every event, per output too.
func PrintAccount(w io.Writer, s pipeline.Stats) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "in\tmade\tfiltered\tunrouted\tquarantined\trouted\t\n")
	fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t%d\t\n", s.In, s.Made, s.Filtered, s.Unrouted, s.Quarantined, s.Routed)
	flush(t)
	if len(s.Outputs) > 0 {
		fmt.Fprintln(w)
		t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintf(t, "  output\tin\tmade\tfiltered\tdelivered\tquarantined\tdropped\tnot confirmed\n")
		for _, o := range s.Outputs {
			fmt.Fprintf(t, "  %s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n",
				terminal.Line(o.Name), o.In, o.Made, o.Filtered, o.Delivered, o.Quarantined, o.Dropped, o.GaveUp)
		}
		flush(t)
	}
	for _, o := range s.Outputs {
		if o.Err != nil {
			fmt.Fprintf(w, "\n  output %s was failing: %s\n", terminal.Line(o.Name), terminal.Line(o.Err.Error()))
		}
	}
}

func flush(t *tabwriter.Writer) { _ = t.Flush() } // to a terminal or file: a failure shows in the next write
