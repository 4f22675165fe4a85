// Command split finds the records in files, does nothing with them, and prints their number: what is left to gain for
// filters that come after it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/pipeline"
)

func main() {
	splitter := split.New(split.Options{})
	var total int64
	for _, name := range os.Args[1:] {
		n, err := records(splitter, name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "split: %s: %v\n", name, err)
			os.Exit(1)
		}
		total += n
	}
	fmt.Println(total)
}

func records(splitter *split.Splitter, name string) (int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	stats, err := splitter.Split(context.Background(), f, &pipeline.Origin{Object: name}, split.Base{}, nowhere{})
	return stats.Events, err
}

type nowhere struct{}

func (nowhere) Feed(context.Context, []pipeline.Event) error { return nil }

func (nowhere) Broken(_ context.Context, b pipeline.Broken) error {
	return fmt.Errorf("record %d: %s", b.Index, b.Reason)
}
