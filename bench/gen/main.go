// Command gen writes CloudTrail records, or what AWS delivers of Session Manager sessions, for benchmarks and load tests:
// the same bytes for the same flags on every machine. The compressed bytes follow from the compressor's version that
// go.mod names.
//
//	go run ./bench/gen -n 200000 -seed 1 -files 5000 -format gz -o DIR
//	go run ./bench/gen -one-line 1GiB -o big.json
//	go run ./bench/gen -sessions 5000 -truth truth.json -o DIR
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/bench/gen/sessions"
)

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

type options struct {
	n        int64
	seed     uint64
	perFile  int64
	format   string
	oneLine  int64
	sessions int
	truth    string
	out      string
}

func run(args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.sessions > 0 {
		return writeSessions(o, stderr)
	}
	g := records.New(o.seed)
	if o.oneLine > 0 {
		return writeOneLine(g, o, stdout, stderr)
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	files := (o.n + o.perFile - 1) / o.perFile
	if err := writeFiles(g, o, files); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%d records in %d files in %s\n", o.n, files, o.out)
	return nil
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Int64Var(&o.n, "n", 200_000, "number of records")
	flags.Uint64Var(&o.seed, "seed", 1, "what the records depend on")
	flags.Int64Var(&o.perFile, "files", 5000, "records in a file")
	flags.StringVar(&o.format, "format", "gz",
		`what a file holds: gz and json one {"Records":[…]} on one line, ndjson a record on each line`)
	flags.StringVar(&o.out, "o", "", "folder to write files into; with -one-line a file, - for standard output")
	const oneLine = `instead of files write one plain {"Records":[…]} line of at least this size, such as 1GiB; ` +
		"-n, -files and -format do not apply"
	flags.Func("one-line", oneLine, func(s string) (err error) {
		o.oneLine, err = parseSize(s)
		return err
	})
	flags.IntVar(&o.sessions, "sessions", 0, "instead of records write what AWS delivers of this many Session Manager sessions: "+
		"CloudTrail objects, log events and transcripts, in folders; -n, -files and -format do not apply")
	flags.StringVar(&o.truth, "truth", "", "with -sessions: file to write what is true of each session into, as JSON lines")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.out == "" && o.oneLine == 0:
		return o, errors.New("name the folder to write into with -o")
	case o.sessions < 0:
		return o, errors.New("-sessions must not be negative")
	case o.sessions > 0 && (o.out == "" || o.oneLine > 0):
		return o, errors.New("-sessions needs a folder (-o), and goes without -one-line")
	case o.truth != "" && o.sessions == 0:
		return o, errors.New("-truth needs -sessions")
	case o.n < 0 || o.perFile < 1:
		return o, errors.New("-n must not be negative and -files must be at least 1")
	case o.format != "gz" && o.format != "json" && o.format != "ndjson":
		return o, fmt.Errorf("unknown format %q: use gz, json or ndjson", o.format)
	}
	return o, nil
}

// parseSize reads a number of bytes such as 4096, 64KiB, 100MiB or 1GiB.
func parseSize(s string) (int64, error) {
	number, shift := s, 0
	for unit, power := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
		if rest, ok := strings.CutSuffix(s, unit); ok {
			number, shift = rest, power
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 || n > 1<<50>>shift {
		return 0, errors.New("want a size such as 64KiB, 100MiB or 1GiB")
	}
	return n << shift, nil
}

func writeOneLine(g *records.Generator, o options, stdout, stderr io.Writer) error {
	if o.out == "" || o.out == "-" {
		_, err := g.WriteDocumentOfSize(stdout, o.oneLine)
		return err
	}
	return writeFile(o.out, func(w io.Writer) error {
		n, err := g.WriteDocumentOfSize(w, o.oneLine)
		if err == nil {
			fmt.Fprintf(stderr, "%d records on one line in %s\n", n, o.out)
		}
		return err
	})
}

func writeSessions(o options, stderr io.Writer) error {
	scenario := sessions.New(o.seed, o.sessions)
	if err := scenario.WriteFiles(o.out); err != nil {
		return err
	}
	if o.truth != "" {
		if err := writeFile(o.truth, scenario.WriteTruth); err != nil {
			return err
		}
	}
	fmt.Fprintf(stderr, "%d sessions, %d deliveries in %s\n", o.sessions, len(scenario.Deliveries()), o.out)
	return nil
}

// writeFiles writes as many files at once as there are processors.
func writeFiles(g *records.Generator, o options, files int64) error {
	numbers := make(chan int64)
	errs := make(chan error, runtime.GOMAXPROCS(0))
	var workers sync.WaitGroup
	for range cap(errs) {
		workers.Go(func() {
			var err error
			for i := range numbers {
				if err == nil {
					err = writeNumbered(g, o, i)
				}
			}
			errs <- err
		})
	}
	for i := range files {
		numbers <- i
	}
	close(numbers)
	workers.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func writeNumbered(g *records.Generator, o options, i int64) error {
	from := i * o.perFile
	n := min(o.perFile, o.n-from)
	name := filepath.Join(o.out, fmt.Sprintf("trail-%05d.", i))
	switch o.format {
	case "ndjson":
		return writeFile(name+"ndjson", func(w io.Writer) error { return g.WriteLines(w, from, n) })
	case "json":
		return writeFile(name+"json", func(w io.Writer) error { return g.WriteDocument(w, from, n) })
	}
	return writeFile(name+"json.gz", func(w io.Writer) error {
		zip := gzip.NewWriter(w)
		if err := g.WriteDocument(zip, from, n); err != nil {
			return err
		}
		return zip.Close()
	})
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	err = write(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
