package query

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/schollz/progressbar/v3"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/pipeline"
)

const (
	progressFrom  = 8 << 20 // bytes; less is read before a bar can be seen
	progressEvery = 100_000_000

	resultBlock  = 64 << 10 // bytes of results that are passed on at once
	resultsAhead = 64       // blocks of results of each file that is read before its turn; of events, one batch
)

// read splits as many files at one time as there are processors, and passes on what they hold in the order of the files.
func (q *query) read(ctx context.Context, showProgress bool) {
	files, total := q.expand()
	var bar *progressbar.ProgressBar
	if showProgress && total > progressFrom {
		bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(q.stderr), progressbar.OptionShowBytes(true),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetDescription("reading"), progressbar.OptionThrottle(progressEvery))
		defer bar.Finish()
	}
	// Where there are files for all processors, each of them has enough to do with its own.
	splitter := split.New(split.Options{Unwrap: q.options.Unwrap, Ahead: len(files) < runtime.GOMAXPROCS(0)})
	var readers sync.WaitGroup
	defer readers.Wait()
	begun := make(chan *feeder, runtime.GOMAXPROCS(0)) // files whose turn has not come yet; one more than there is work for
	readers.Go(func() {
		defer close(begun)
		for _, name := range files {
			f := &feeder{query: q, file: name, batches: make(chan batch, resultsAhead), turn: make(chan struct{})}
			select {
			case begun <- f:
			case <-ctx.Done():
				return
			}
			readers.Go(func() {
				defer close(f.batches)
				err := f.read(ctx, splitter, bar)
				f.flush(ctx)
				if err != nil && !errors.Is(err, context.Canceled) {
					f.fail(ctx, err.Error())
				}
			})
		}
	})
	for f := range begun {
		close(f.turn)
		for b := range f.batches {
			select {
			case q.batches <- b:
			case <-ctx.Done():
			}
		}
	}
}

// expand returns the files of the command line, those below directories included, and their size.
func (q *query) expand() (files []string, total int64) {
	if len(q.options.Files) == 0 {
		return []string{"-"}, 0
	}
	for _, name := range q.options.Files {
		if name == "-" {
			files = append(files, name)
			continue
		}
		err := filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				return nil
			}
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
			files = append(files, path)
			return nil
		})
		if err != nil {
			q.fail("%v", err)
		}
	}
	return files, total
}

// feeder takes what the splitter finds in a file. On records that the program decides by their bytes it runs the program
// where they stand, while they are still warm; the others go on in batches.
type feeder struct {
	query   *query
	file    string
	batches chan batch
	turn    chan struct{} // closed when the results of all files before have been passed on
	ahead   bool          // a batch of events waits for that
	results results       // of the records that were not kept
	behind  bool          // a record was kept: the results of the next ones come after its own
}

func (f *feeder) read(ctx context.Context, splitter *split.Splitter, bar *progressbar.ProgressBar) error {
	r := f.query.stdin
	if f.file == "-" {
		f.file = "stdin"
	} else {
		file, err := os.Open(f.file)
		if err != nil {
			return err
		}
		defer file.Close()
		r = file
	}
	if bar != nil {
		r = io.TeeReader(r, bar)
	}
	_, err := splitter.Split(ctx, r, &pipeline.Origin{Input: "query", Object: f.file}, split.Base{}, f)
	if err != nil {
		return fmt.Errorf("read %s: %w", f.file, err)
	}
	return nil
}

func (f *feeder) Feed(ctx context.Context, events []pipeline.Event) error {
	if f.ahead {
		select {
		case <-f.turn:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.ahead, f.behind = true, false
	return f.send(ctx, batch{file: f.file, results: f.taken(), events: events})
}

// taken returns the results so far, and begins anew.
func (f *feeder) taken() results {
	r := f.results
	f.results = results{}
	return r
}

// flush passes on the results so far.
func (f *feeder) flush(ctx context.Context) error {
	if !f.results.any {
		return nil
	}
	return f.send(ctx, batch{file: f.file, results: f.taken()})
}

// fail says what went wrong when the file's turn has come.
func (f *feeder) fail(ctx context.Context, text string) error {
	if err := f.flush(ctx); err != nil {
		return err
	}
	return f.send(ctx, batch{file: f.file, failure: text})
}

func (f *feeder) send(ctx context.Context, b batch) error {
	select {
	case f.batches <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Dropper implements split.Dropping: what is done with at once is not kept.
func (f *feeder) Dropper() pipeline.Dropper {
	if f.query.inOrder() {
		return nil
	}
	return f
}

// Drops runs the program on an event, and reports whether that is all there is to do with it.
func (f *feeder) Drops(ev *pipeline.Event) bool {
	q := f.query
	if f.results.out == nil {
		f.results.out = q.buffer()
	}
	if f.behind || q.printer.sortKeys || !q.onBytes(ev, &f.results) {
		drops := q.program.Drops(ev)
		f.behind = f.behind || !drops
		return drops
	}
	if len(f.results.out) >= resultBlock {
		_ = f.flush(q.ctx) // the splitter looks at ctx itself
	}
	return true
}

// Dropped implements split.Dropping.
func (f *feeder) Dropped(int64, int64) {}

func (f *feeder) Broken(ctx context.Context, b pipeline.Broken) error {
	raw := bytes.TrimSpace(b.Raw)
	const show = 60
	text := string(raw[:min(len(raw), show)])
	if len(raw) > show {
		text += "…"
	}
	return f.fail(ctx, fmt.Sprintf("%s: byte %d: %s: %q", f.file, b.Offset, b.Reason, text))
}
