// Package fileout is the output that writes events to files, one JSON object a line.
//
// There are two schemes. A path without compression and without rotation is appended to in place: `tail -F` and
// logrotate (by renaming) work as with any log. Everything else is written to NAME.open and gets its NAME when it is
// finished: by rotation, after idle time, or at the end of the run. A reader that leaves *.open alone sees only files
// that never change again. If NAME exists by then the file becomes NAME with the time before its extension; no file is
// ever overwritten.
//
// An ack point, the end of a Write, ends a line, a gzip member or a zstd frame, and is on the disk (fsync) before Write
// returns. After an error the file is cut back to the last ack point, so a Write that is tried again leaves no
// duplicates. After a crash the file is cut to its last whole line, member or frame when it is next needed; whole
// pieces that were written but not acknowledged stay, and come again.
//
// Every failure is worth a new try: a full disk, missing permissions, a file that another process holds.
package fileout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trailcast/trailcast/internal/durable"
	"github.com/trailcast/trailcast/internal/template"
	"github.com/trailcast/trailcast/pipeline"
)

const (
	defaultMaxOpen = 128
	defaultIdle    = 15 * time.Minute
	patrolEvery    = time.Second // how often files are looked at that rotation may have to finish
	maxParallel    = 8           // files written at once
	writers        = 2           // Writes at once
	packedBatch    = 4 << 20     // bytes of a Write that is compressed: they are in memory once more then
)

var errClosed = errors.New("the output is closed")

// Output writes events to files. It is safe for concurrent use.
type Output struct {
	log      *slog.Logger
	template *template.Template
	layout   layout
	dir      string // the root: nothing outside it is touched
	staged   bool   // files are written under a working name
	codec    codec
	rotate   Rotate
	maxSize  int64
	mode     fs.FileMode
	sync     bool
	openFile func(root *os.Root, name string, perm fs.FileMode) (handle, error)

	turns chan struct{} // one for each file that may be in use at once
	spare chan *scratch // used ones
	files *table

	volumeMu sync.RWMutex // held for reading while files are in use
	volume   *volume      // nil before the first Write
	closed   bool

	patrolOnce sync.Once
	patrolStop chan struct{}
	patrolling sync.WaitGroup
}

// New makes the output. It touches no file: what is wrong with the destination is an error of Write and Check.
func New(cfg Config, env pipeline.Env) (*Output, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	tmpl, err := template.Parse(cfg.Path)
	if err != nil {
		return nil, err
	}
	mode, err := cfg.fileMode()
	if err != nil {
		return nil, err
	}
	layout := newLayout(tmpl)
	limit := cmp.Or(cfg.MaxOpenFiles, defaultMaxOpen)
	parallel := min(limit, maxParallel)
	codec, err := newCodec(cfg.compression(), cfg.Level, parallel)
	if err != nil {
		return nil, err
	}
	if r := &cfg.Rotate; r.MaxAge == 0 && r.Interval == 0 {
		r.Idle = cmp.Or(r.Idle, defaultIdle)
	}
	return &Output{
		log:      cmp.Or(env.Log, slog.New(slog.DiscardHandler)),
		template: tmpl, layout: layout, dir: layout.root, staged: cfg.staged(),
		codec: codec, rotate: cfg.Rotate, maxSize: int64(cfg.Rotate.MaxSize), mode: mode, sync: cfg.Sync,
		openFile:   openLocked,
		turns:      make(chan struct{}, parallel),
		spare:      make(chan *scratch, parallel),
		files:      newTable(limit, cfg.staged()),
		patrolStop: make(chan struct{}),
	}, nil
}

// Limits asks for batches as large as what is in flight, since each ends a gzip member or zstd frame and costs an fsync. Two at once let one
// compress while the other waits for the disk.
func (o *Output) Limits() pipeline.Limits {
	l := pipeline.Limits{Concurrency: writers, MaxEvents: 20_000, MaxBytes: 8 << 20, Linger: 200 * time.Millisecond}
	if _, ok := o.codec.(plain); !ok {
		l.MaxBytes = packedBatch
	}
	return l
}

// Write implements pipeline.Output. Files fail one by one: a *pipeline.BatchError names the events of those that did.
func (o *Output) Write(ctx context.Context, events []pipeline.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v, err := o.enter()
	if err != nil {
		return err
	}
	defer o.volumeMu.RUnlock()
	o.startPatrol()
	return o.writeGroups(ctx, v, events, o.group(events))
}

// writeGroups writes several files at once, within the limits of open files.
func (o *Output) writeGroups(ctx context.Context, v *volume, events []pipeline.Event, groups []group) error {
	var (
		next   atomic.Int64
		mu     sync.Mutex
		failed []pipeline.Failure
	)
	work := func() {
		for i := next.Add(1) - 1; i < int64(len(groups)); i = next.Add(1) - 1 {
			g := groups[i]
			if stored, err := o.writeGroup(ctx, v, events, g); err != nil {
				mu.Lock()
				for _, index := range g.events[stored:] {
					failed = append(failed, pipeline.Failure{Index: index, Err: err})
				}
				mu.Unlock()
			}
		}
	}
	var wg sync.WaitGroup
	for range min(len(groups), cap(o.turns)) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	if len(failed) == 0 {
		return nil
	}
	slices.SortFunc(failed, func(a, b pipeline.Failure) int { return a.Index - b.Index })
	return &pipeline.BatchError{Failed: failed}
}

// writeGroup appends the events of one file in pieces that fit the file's size limit, and reports how many of them are
// stored.
func (o *Output) writeGroup(ctx context.Context, v *volume, events []pipeline.Event, g group) (stored int, err error) {
	select {
	case o.turns <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	memory := o.scratch()
	defer func() {
		o.giveBack(memory)
		<-o.turns
	}()
	f := o.files.pin(g.name)
	defer o.files.unpin(f)

	for stored < len(g.events) {
		if err := ctx.Err(); err != nil {
			return stored, err
		}
		l := o.piece(events, g.events[stored:])
		add, err := o.encoded(l, memory)
		if err != nil {
			return stored, v.explain(g.name, err)
		}
		f.mu.Lock()
		err = v.append(f, add)
		f.mu.Unlock()
		if err != nil {
			return stored, v.explain(g.name, err)
		}
		stored += len(l.indexes)
	}
	return stored, nil
}

// piece is as many of the events as go to one place: all of them, or what the file's size limit allows before compression.
func (o *Output) piece(events []pipeline.Event, indexes []int) lines {
	l := lines{events, indexes}
	if o.maxSize == 0 {
		return l
	}
	size := int64(0)
	for n, index := range indexes {
		if size += int64(len(events[index].Raw)) + 1; size > o.maxSize && n > 0 {
			l.indexes = indexes[:n]
			break
		}
	}
	return l
}

// encoded is a piece as it will stand in the file. What is not compressed is put together while it is written.
func (o *Output) encoded(l lines, memory *scratch) (_ addition, err error) {
	if _, ok := o.codec.(plain); ok {
		return &written{l, memory}, nil
	}
	memory.text = l.appendTo(memory.text[:0])
	memory.packed, err = o.codec.encode(memory.packed[:0], memory.text)
	return bytesOf(memory.packed), err
}

// enter returns the volume for use; the caller ends that with volumeMu.RUnlock. The root is looked up every time, since
// it may have been replaced or mounted over.
func (o *Output) enter() (*volume, error) {
	for range 3 {
		o.volumeMu.RLock()
		switch {
		case o.closed:
			o.volumeMu.RUnlock()
			return nil, errClosed
		case o.volumeIsCurrent():
			return o.volume, nil
		}
		o.volumeMu.RUnlock()
		if err := o.openVolume(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("directory %s is replaced all the time", o.dir)
}

func (o *Output) volumeIsCurrent() bool {
	if o.volume == nil {
		return false
	}
	info, err := os.Stat(o.dir)
	return err == nil && os.SameFile(info, o.volume.info)
}

// openVolume opens the root, making it where it is missing, and takes up the working files that are there.
func (o *Output) openVolume() error {
	o.volumeMu.Lock()
	defer o.volumeMu.Unlock()
	if o.closed || o.volumeIsCurrent() {
		return nil // enter finds out
	}
	if o.volume != nil {
		o.log.Warn("directory was moved or replaced; going on in the new one", "path", o.dir)
		o.files.forget()
		_ = o.volume.root.Close() // only read from
		o.volume = nil
	}
	if err := makeRoot(o.dir, dirMode(o.mode), o.sync); err != nil {
		return err
	}
	root, err := os.OpenRoot(o.dir)
	if err != nil {
		return err
	}
	info, err := root.Stat(".")
	if err == nil && o.staged {
		err = o.adopt(root, ".", 0)
	}
	if err != nil {
		_ = root.Close() // the reason for closing is the error to report
		o.files.forget()
		return err
	}
	o.volume = &volume{o: o, root: root, path: o.dir, info: info}
	return nil
}

func makeRoot(dir string, mode fs.FileMode, sync bool) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, mode); err != nil || !sync {
		return err
	}
	for d := filepath.Dir(dir); ; d = filepath.Dir(d) {
		if err := durable.SyncDir(d); err != nil {
			if errors.Is(err, fs.ErrPermission) {
				return nil // a parent that we may not read was there before
			}
			return err
		}
		if d == "." || d == filepath.Dir(d) {
			return nil
		}
	}
}

// adopt takes up the working files in and below dir that the path template can have made.
func (o *Output) adopt(root *os.Root, dir string, depth int) error {
	entries, err := fs.ReadDir(root.FS(), dir)
	if err != nil {
		return fmt.Errorf("look for unfinished files: %w", err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		last := depth == len(o.layout.segments)-1
		switch {
		case !o.layout.canBe(depth, e.Name()):
		case !last && e.IsDir():
			if err := o.adopt(root, name, depth+1); err != nil && !errors.Is(err, fs.ErrPermission) {
				return err
			}
		case last && e.Type().IsRegular():
			if info, err := e.Info(); err == nil {
				o.files.adopt(name[:len(name)-len(openSuffix)], info.ModTime())
			}
		}
	}
	return nil
}

// Check implements pipeline.Checker: a file can be made in the root or, where that does not exist yet, the root can be
// made.
func (o *Output) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := o.dir
	for {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is not a directory", dir)
		}
		parent := filepath.Dir(dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || parent == dir {
			break
		}
		dir = parent
	}
	f, err := os.CreateTemp(dir, ".trailcast-check-*")
	if err != nil {
		return fmt.Errorf("directory %s is not writable: %w", dir, err)
	}
	return cmp.Or(f.Close(), os.Remove(f.Name()))
}

// Explain implements pipeline.Explainer: the path is that of the finished file, the size that of the line.
func (o *Output) Explain(ev *pipeline.Event) (pipeline.Explanation, error) {
	return pipeline.Explanation{
		Destination: filepath.Join(o.dir, filepath.FromSlash(o.name(ev))),
		Size:        len(appendLine(nil, ev)),
	}, nil
}

// Close finishes all files. What it can not finish stays under its working name for the next run.
func (o *Output) Close(ctx context.Context) error {
	o.stopPatrol()
	o.volumeMu.Lock()
	defer o.volumeMu.Unlock()
	if o.closed {
		return nil
	}
	o.closed = true
	var errs []error
	if o.volume != nil {
		if o.staged {
			errs = o.finishWhere(o.volume, func(*file) bool { return ctx.Err() == nil })
		}
		o.files.forget()
		errs = append(errs, o.volume.root.Close())
	}
	o.codec.close()
	return errors.Join(append(errs, ctx.Err())...)
}
