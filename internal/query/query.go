package query

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"

	"github.com/itchyny/gojq"
	"golang.org/x/term"

	"github.com/trailcast/trailcast/filters/jq"
	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// Exit codes, as jq has them.
const (
	ExitOK       = 0
	ExitFalse    = 1 // with -e: the last result is false or null
	ExitUsage    = 2
	ExitCompile  = 3
	ExitNoResult = 4 // with -e
	ExitError    = 5 // a record failed, a file could not be read, or a piece of input was no record
)

// Run runs a query and returns its exit code. What fails is said on stderr, and the query goes on with the next record.
func Run(ctx context.Context, o *Options, stdin io.Reader, stdout, stderr io.Writer) int {
	q := &query{
		options: o, stderr: stderr, stdin: stdin,
		out:     bufio.NewWriterSize(stdout, 64<<10),
		printer: newPrinter(o, isTerminal(stdout)),
		batches: make(chan batch, 4),
		buffers: make(chan []byte, resultsAhead),
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q.ctx, q.cancel = ctx, cancel

	name := cmp.Or(o.ProgramFrom, "program")
	text := conf.Text{Value: o.Program, Pos: conf.Pos{File: name, Line: 1, Column: 1}}
	var err error
	q.program, err = jq.Compile(text, jq.Options{Vars: o.Vars, Modules: o.Modules, Timeout: -1, Allow: &jq.Runtime{
		Inputs: q, Environ: os.Environ, Debug: q.debug,
		InputFilename: func() any {
			if q.file == "" {
				return nil
			}
			return q.file
		},
	}})
	if err != nil {
		fmt.Fprintf(stderr, "trailcast: %v\n", err)
		return ExitCompile
	}

	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(q.batches)
		q.read(ctx, isTerminal(stderr) && !isTerminal(stdout))
	})
	if q.inOrder() {
		q.oneByOne()
	} else {
		q.parallel()
	}
	cancel()
	for range q.batches { // let the reader end
	}
	reading.Wait()
	if err := q.out.Flush(); err != nil {
		if !errors.Is(err, syscall.EPIPE) {
			fmt.Fprintf(stderr, "trailcast: write: %v\n", err)
		}
		return ExitError
	}
	return q.exitCode()
}

// inOrder reports whether the program may ask for records by itself, or depends on the order of its runs.
func (q *query) inOrder() bool {
	return q.options.NullInput || q.options.Slurp || q.program.OneByOne()
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

type query struct {
	ctx     context.Context
	cancel  context.CancelFunc
	options *Options
	program *jq.Program
	printer *printer
	stdin   io.Reader
	out     *bufio.Writer
	stderr  io.Writer
	stderrM sync.Mutex

	batches chan batch
	buffers chan []byte      // what was printed: the room serves again
	pending []pipeline.Event // of the batch that is read one by one
	file    string           // of the record that is being worked on

	failed bool // something went wrong; guarded by stderrM
	exit   int  // set by halt
	halted bool
	last   any // the last result
	any    bool
}

// batch is what the splitter gave at once.
type batch struct {
	file    string
	failure string // what went wrong behind the batches before; "": nothing
	results        // of the records before the events
	events  []pipeline.Event
}

// results are what the program made of some records.
type results struct {
	out  []byte // as they are printed
	any  bool   // there is one
	last any    // the last of them, as far as the exit code asks for it
}

// add appends one printed result.
func (r *results) add(out []byte, value any) {
	r.out, r.any, r.last = out, true, value
}

// buffer returns room for results.
func (q *query) buffer() []byte {
	select {
	case b := <-q.buffers:
		return b
	default:
		return make([]byte, 0, resultBlock+resultBlock/8)
	}
}

// reuse takes room back that buffer gave, unless it has grown out of proportion.
func (q *query) reuse(b []byte) {
	if cap(b) == 0 || cap(b) > 16*resultBlock {
		return
	}
	select {
	case q.buffers <- b[:0]:
	default:
	}
}

func (q *query) exitCode() int {
	switch {
	case q.halted:
		return q.exit
	case q.failed:
		return ExitError
	case q.options.ExitStatus && !q.any:
		return ExitNoResult
	case q.options.ExitStatus && (q.last == nil || q.last == false):
		return ExitFalse
	}
	return ExitOK
}

// fail says what went wrong.
func (q *query) fail(format string, args ...any) {
	q.stderrM.Lock()
	defer q.stderrM.Unlock()
	q.failed = true
	fmt.Fprintln(q.stderr, printable("trailcast: "+fmt.Sprintf(format, args...)))
}

// printable keeps control characters of event data off the terminal.
func printable(s string) string {
	return string((&printer{terminal: true}).plain(nil, s))
}

func (q *query) debug(v any, label string) {
	text := sorting.Append(nil, v, nil)
	q.stderrM.Lock()
	defer q.stderrM.Unlock()
	if label == "debug" {
		text = append(append([]byte(`["DEBUG:",`), text...), "]\n"...)
	}
	_, _ = q.stderr.Write(text)
}

// parallel runs the program on several batches at once and prints the results in their order.
func (q *query) parallel() {
	type job struct {
		batch
		done chan struct{}
	}
	work, ordered := make(chan *job), make(chan *job, 2*runtime.GOMAXPROCS(0))
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for j := range work {
				if j.out == nil {
					j.out = q.buffer()
				}
				for i := range j.events {
					q.run(&j.events[i], j.file, &j.results)
				}
				close(j.done)
			}
		})
	}
	workers.Go(func() {
		defer close(ordered)
		defer close(work)
		for b := range q.batches {
			j := &job{batch: b, done: make(chan struct{})}
			if len(b.events) == 0 {
				close(j.done)
				ordered <- j
				continue
			}
			select {
			case work <- j:
				ordered <- j
			case <-q.ctx.Done():
				return
			}
		}
	})
	for j := range ordered {
		<-j.done
		if j.failure != "" {
			q.fail("%s", j.failure)
		}
		if !q.print(&j.results) {
			break
		}
		q.reuse(j.out)
	}
	for range ordered { // after a failed write: let the workers end
	}
	workers.Wait()
}

// print writes results; false when nobody reads any more.
func (q *query) print(r *results) bool {
	if r.any {
		q.any, q.last = true, r.last
	}
	return q.write(r.out)
}

// write prints; false when nobody reads any more.
func (q *query) write(b []byte) bool {
	if _, err := q.out.Write(b); err != nil {
		q.cancel() // the reader of the pipe went away: no more of it is wanted
		return false
	}
	return true
}

// onBytes adds what the program makes of an event; false, where its bytes do not decide that.
func (q *query) onBytes(ev *pipeline.Event, r *results) bool {
	compact := isCompact(ev)
	return q.program.OnBytes(ev, func(made []byte, same bool) {
		if same {
			made = ev.Raw
		}
		r.add(q.printer.appendBytes(r.out, made, compact), valueOf(made))
	})
}

// isCompact reports whether an event is known to have no white space outside of strings.
func isCompact(ev *pipeline.Event) bool { return ev.Pristine() && record.IsCompact(ev.Record) }

// run runs the program on one event and adds its results.
func (q *query) run(ev *pipeline.Event, file string, r *results) {
	if !q.printer.sortKeys && q.onBytes(ev, r) {
		return
	}
	var enc *jq.Encoder
	err := q.program.Run(q.ctx, ev, func(input, result any) error {
		if enc == nil {
			enc = jq.NewEncoder(ev.Raw, input)
		}
		if q.printer.sortKeys && jq.Same(input, result) {
			var err error
			if result, err = jq.DecodeEvent(ev); err != nil {
				return err
			}
		}
		r.add(q.printer.append(r.out, result, enc, q.program.Order(), isCompact(ev)), result)
		return nil
	})
	q.report(err, fmt.Sprintf(" (at %s, record %d)", file, ev.Record.Index))
}

// valueOf is a result as far as the exit code asks for it.
func valueOf(raw []byte) any {
	switch rawjson.KindOf(raw) {
	case rawjson.Null:
		return nil
	case rawjson.False:
		return false
	}
	return true
}

// report says what a run failed with; halt ends the query.
func (q *query) report(err error, where string) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	if halt, ok := errors.AsType[*gojq.HaltError](err); ok {
		q.halted, q.exit = true, halt.ExitCode()
		if v := halt.Value(); v != nil && q.exit != 0 {
			if s, ok := v.(string); ok {
				fmt.Fprint(q.stderr, printable(s))
			} else {
				fmt.Fprintln(q.stderr, string(sorting.Append(nil, v, nil)))
			}
		}
		return
	}
	q.fail("error%s: %v", where, err)
}

// oneByOne runs the program where the order of runs matters: once with null or an array, or on one record after the
// other, with the rest left to input and inputs.
func (q *query) oneByOne() {
	switch {
	case q.options.NullInput:
		q.runValue(nil)
	case q.options.Slurp:
		all := []any{}
		for {
			v, ok := q.Next()
			if !ok {
				break
			}
			if err, bad := v.(error); bad {
				q.report(err, "")
				continue
			}
			all = append(all, v)
		}
		q.runValue(all)
	default:
		for !q.halted {
			ev := q.nextEvent()
			if ev == nil {
				return
			}
			var r results
			q.run(ev, q.file, &r)
			if !q.print(&r) {
				return
			}
		}
	}
}

func (q *query) runValue(input any) {
	err := q.program.RunValue(q.ctx, input, nil, func(result any) error {
		q.any, q.last = true, result
		if !q.write(q.printer.append(nil, result, sorting, q.program.Order(), true)) {
			return context.Canceled
		}
		return nil
	})
	q.report(err, "")
}

// Next implements gojq.Iter for input and inputs.
func (q *query) Next() (any, bool) {
	ev := q.nextEvent()
	if ev == nil {
		return nil, false
	}
	v, err := jq.DecodeEvent(ev)
	if err != nil {
		return err, true
	}
	return v, true
}

func (q *query) nextEvent() *pipeline.Event {
	for len(q.pending) == 0 {
		b, ok := <-q.batches
		if !ok {
			return nil
		}
		if b.failure != "" {
			q.fail("%s", b.failure)
		}
		q.pending, q.file = b.events, b.file
	}
	ev := &q.pending[0]
	q.pending = q.pending[1:]
	return ev
}
