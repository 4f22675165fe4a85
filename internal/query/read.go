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

	batchesAhead = 1 // of each file that is read before its turn
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
	splitter := split.New(split.Options{Unwrap: q.options.Unwrap})
	var readers sync.WaitGroup
	defer readers.Wait()
	begun := make(chan *feeder, runtime.GOMAXPROCS(0)-1) // files whose turn has not come yet
	readers.Go(func() {
		defer close(begun)
		for _, name := range files {
			f := &feeder{query: q, file: name, batches: make(chan batch, batchesAhead)}
			select {
			case begun <- f:
			case <-ctx.Done():
				return
			}
			readers.Go(func() {
				defer close(f.batches)
				if err := f.read(ctx, splitter, bar); err != nil && !errors.Is(err, context.Canceled) {
					f.fail(ctx, err.Error())
				}
			})
		}
	})
	for f := range begun {
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

// feeder takes what the splitter finds in a file.
type feeder struct {
	query   *query
	file    string
	batches chan batch
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
	return f.send(ctx, batch{file: f.file, events: events})
}

// fail says what went wrong when the file's turn has come.
func (f *feeder) fail(ctx context.Context, text string) error {
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

// Dropper implements split.Dropping: what the program drops by its first select needs no run.
func (f *feeder) Dropper() pipeline.Dropper {
	if f.query.inOrder() {
		return nil
	}
	return f.query.program
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
