// Package stdin reads standard input.
package stdin

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/term"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/splitconf"
	"github.com/trailcast/trailcast/pipeline"
)

// Config is what users write under `stdin`.
type Config struct {
	splitconf.Config
	MaxDecompressed conf.Size `conf:"max_decompressed" default:"64GiB" doc:"Largest size of compressed input when unpacked."`

	// Reader is read instead of the process's standard input where a program gives one.
	Reader io.Reader `conf:"-"`
}

// Ends reports whether an input with this configuration comes to an end by itself.
func (c *Config) Ends() bool { return true }

// Validate returns all mistakes in c.
func (c *Config) Validate() error {
	errs := c.Mistakes()
	if c.MaxDecompressed < 0 {
		errs = append(errs, conf.FieldErrorf("max_decompressed", "%d is negative", c.MaxDecompressed))
	}
	return errors.Join(errs...)
}

// Input reads standard input to its end, as one frame. It keeps no position: what was not confirmed when the agent
// stops can only be given again by whoever feeds it.
type Input struct {
	name     string
	log      *slog.Logger
	reader   io.Reader
	splitter *split.Splitter
	read     atomic.Int64
}

// New returns an input. It reads nothing before Run.
func New(cfg Config, env pipeline.Env) (*Input, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	in := &Input{name: env.Name, log: cmp.Or(env.Log, slog.New(slog.DiscardHandler)), reader: cfg.Reader}
	if in.reader == nil {
		in.reader = os.Stdin
	}
	in.splitter = split.New(cfg.Options(cfg.MaxDecompressed))
	return in, nil
}

// Progress tells how many bytes were read; the total is not known.
func (in *Input) Progress() (done, total int64) { return in.read.Load(), 0 }

// Check implements pipeline.Checker: there is nothing to reach.
func (in *Input) Check(context.Context) error { return nil }

// Run implements pipeline.Input. A read that blocks when ctx ends is left behind: it ends with the process, or when the
// other end closes.
func (in *Input) Run(ctx context.Context, to pipeline.Intake) error {
	if f, ok := in.reader.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		in.log.Info("reading from the terminal; end the input with Ctrl-D")
	}
	var settled sync.WaitGroup
	settled.Add(1)
	var outcome pipeline.Result
	frame := to.Open(func(r pipeline.Result) {
		outcome = r
		settled.Done()
	})
	_, err := in.splitter.Split(ctx, &reader{ctx: ctx, in: in, blocks: make(chan block)}, &pipeline.Origin{Input: in.name, Object: "stdin"}, split.Base{}, frame)
	if err != nil {
		frame.Abandon(err)
	} else {
		frame.Seal()
	}
	settled.Wait()
	if err == nil && outcome.Outcome == pipeline.Retry {
		err = outcome.Err
	}
	return err
}

// reader reads on a goroutine of its own, so that a stop does not wait for input that never comes.
type reader struct {
	ctx    context.Context
	in     *Input
	once   sync.Once
	blocks chan block
	rest   []byte
	err    error
}

type block struct {
	data []byte
	err  error
}

func (r *reader) Read(p []byte) (int, error) {
	r.once.Do(func() { go r.pump() })
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		select {
		case b := <-r.blocks:
			r.rest, r.err = b.data, b.err
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	r.in.read.Add(int64(n))
	return n, nil
}

// pump reads until the end of the input or of the context. Two blocks take turns: one is filled while the other is
// read.
func (r *reader) pump() {
	const blockBytes = 256 << 10
	bufs := [2][]byte{make([]byte, blockBytes), make([]byte, blockBytes)}
	for i := 0; ; i ^= 1 {
		n, err := r.in.reader.Read(bufs[i])
		select {
		case r.blocks <- block{bufs[i][:n], err}:
		case <-r.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}
