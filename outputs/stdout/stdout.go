// Package stdout writes events to standard output, one JSON object a line.
package stdout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/internal/terminal"
	"github.com/trailcast/trailcast/pipeline"
)

// Config is what users write under `stdout`.
type Config struct {
	// Writer is written to instead of the process's standard output where a program gives one.
	Writer io.Writer `conf:"-"`
}

// Output writes NDJSON. Delivered means that the write was taken; a pipe's reader may still lose it.
type Output struct {
	terminal bool

	mu     sync.Mutex
	w      io.Writer
	buf    []byte
	closed bool
}

// New returns an output.
func New(cfg Config, _ pipeline.Env) (*Output, error) {
	o := &Output{w: cfg.Writer}
	if o.w == nil {
		o.w = os.Stdout
	}
	if f, ok := o.w.(*os.File); ok {
		o.terminal = term.IsTerminal(int(f.Fd()))
	}
	return o, nil
}

var errClosed = errors.New("the output is closed")

// Write implements pipeline.Output. Events are written in one piece, so that lines of concurrent Writes do not mix. When
// the reader of the pipe is gone every Write fails, and is tried again until the agent stops: nothing is lost.
func (o *Output) Write(ctx context.Context, events []pipeline.Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return errClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	o.buf = o.buf[:0]
	for i := range events {
		o.buf = o.appendLine(o.buf, events[i].Raw)
	}
	n, err := o.w.Write(o.buf)
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("write to standard output: its reader is gone: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return o.unwritten(events, n, err)
}

// unwritten names the events that a short write did not cover.
func (o *Output) unwritten(events []pipeline.Event, n int, cause error) error {
	failed := &pipeline.BatchError{}
	for i := range events {
		if n -= len(o.appendLine(nil, events[i].Raw)); n < 0 {
			failed.Failed = append(failed.Failed, pipeline.Failure{Index: i, Err: cause})
		}
	}
	return failed
}

// appendLine appends an event as one line. On a terminal nothing that it would obey comes out: JSON escapes control
// characters below space, the others are escaped here.
func (o *Output) appendLine(dst, raw []byte) []byte {
	if bytes.IndexByte(raw, '\n') >= 0 || bytes.IndexByte(raw, '\r') >= 0 {
		raw = rawjson.AppendCompact(nil, raw)
	}
	if !o.terminal {
		return append(append(dst, raw...), '\n')
	}
	for len(raw) > 0 {
		r, n := utf8.DecodeRune(raw)
		if terminal.Hostile(r) {
			dst = terminal.AppendEscape(dst, r)
		} else {
			dst = append(dst, raw[:n]...)
		}
		raw = raw[n:]
	}
	return append(dst, '\n')
}

// Check implements pipeline.Checker.
func (o *Output) Check(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, err := o.w.Write(nil)
	return err
}

// Explain implements pipeline.Explainer.
func (o *Output) Explain(ev *pipeline.Event) (pipeline.Explanation, error) {
	return pipeline.Explanation{Destination: "standard output", Size: len(ev.Raw) + 1}, nil
}

// Close implements pipeline.Output. Standard output itself stays open.
func (o *Output) Close(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return nil
}
