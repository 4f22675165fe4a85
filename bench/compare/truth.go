package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/bench/compare/output"
)

// truths are what jq programs yield for the records, by gojq's library: what every contender must have printed.
type truths map[string]output.Summary

func (t truths) of(program string, d data) (output.Summary, error) {
	if s, ok := t[program]; ok {
		return s, nil
	}
	s, err := evaluate(program, d.lines)
	if err != nil {
		return s, fmt.Errorf("evaluate %s: %w", program, err)
	}
	t[program] = s
	return s, nil
}

const linesAtOnce = 256

// evaluate runs a program on every line of a file.
func evaluate(program, file string) (output.Summary, error) {
	query, err := gojq.Parse(program)
	if err != nil {
		return output.Summary{}, err
	}
	code, err := gojq.Compile(query)
	if err != nil {
		return output.Summary{}, err
	}
	f, err := os.Open(file)
	if err != nil {
		return output.Summary{}, err
	}
	defer f.Close()

	work := make(chan [][]byte, 4)
	sums := make([]output.Sum, runtime.GOMAXPROCS(0))
	errs := make([]error, len(sums))
	var workers sync.WaitGroup
	for i := range sums {
		workers.Go(func() {
			for lines := range work {
				for _, line := range lines {
					if errs[i] == nil {
						errs[i] = apply(code, line, &sums[i])
					}
				}
			}
		})
	}
	var some [][]byte
	err = output.EachLine(f, func(line []byte) error {
		if some = append(some, bytes.Clone(line)); len(some) == linesAtOnce {
			work <- some
			some = nil
		}
		return nil
	})
	work <- some
	close(work)
	workers.Wait()
	var all output.Sum
	for i := range sums {
		if err == nil {
			err = errs[i]
		}
		all.Merge(&sums[i])
	}
	return all.Summary(), err
}

func apply(code *gojq.Code, line []byte, sum *output.Sum) error {
	var record any
	if err := json.Unmarshal(line, &record); err != nil {
		return err
	}
	for results := code.Run(record); ; {
		result, ok := results.Next()
		if !ok {
			return nil
		}
		if err, failed := result.(error); failed {
			return err
		}
		text, err := gojq.Marshal(result)
		if err != nil {
			return err
		}
		if err := sum.Add(text); err != nil {
			return err
		}
	}
}
