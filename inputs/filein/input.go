package filein

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/pipeline"
)

// Input reads files. Its positions are kept in the state directory and move only when frames have settled; without a
// state directory everything is read at each start.
type Input struct {
	name     string
	config   Config
	log      *slog.Logger
	splitter *split.Splitter
	dir      string
	now      func() time.Time
	poll     <-chan time.Time // tests poll when they like; nil: every PollInterval

	state     *state
	wake      chan struct{} // one token: something changed
	failed    atomic.Bool   // a file has failed since the last dispatch
	frames    sync.WaitGroup
	bytesRead atomic.Int64
	bytesAll  atomic.Int64

	// The coordinator's, which is Run.
	files     map[string]*file // by identity
	order     []*file          // the same by path; nil: to be made anew
	first     int              // in order: those before it have been read, and none of them has failed
	byInode   map[string]*file
	known     map[string]entry // remembered and not seen yet, by inode
	complaint map[string]bool  // paths that were complained about
	skipped   int              // files that were read before
	failures  []error
	firstScan bool
}

// New returns an input. It reads nothing before Run.
func New(cfg Config, env pipeline.Env) (*Input, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Input{
		name: env.Name, config: cfg.withDefaults(), log: cmp.Or(env.Log, slog.New(slog.DiscardHandler)),
		splitter: split.New(cfg.Options(cfg.MaxDecompressed)), dir: env.StateDir, now: time.Now, wake: make(chan struct{}, 1),
		files: map[string]*file{}, byInode: map[string]*file{}, known: map[string]entry{}, complaint: map[string]bool{},
		firstScan: true,
	}, nil
}

// Progress tells how many bytes were read, of how many that were found.
func (in *Input) Progress() (done, total int64) { return in.bytesRead.Load(), in.bytesAll.Load() }

// Check tells whether there is anything to read.
func (in *Input) Check(context.Context) error {
	paths, err := in.expand()
	if err != nil {
		return err
	}
	if len(paths) == 0 && !in.config.Follow {
		return in.nothing()
	}
	for _, p := range paths {
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

// Count implements pipeline.Counter.
func (in *Input) Count(context.Context) (pipeline.Count, error) {
	c := pipeline.Count{Note: "files that were read before are counted too"}
	paths, err := in.expand()
	if err != nil {
		return c, err
	}
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return c, err
		}
		c.Objects++
		c.Bytes += info.Size()
	}
	return c, nil
}

func (in *Input) nothing() error {
	return fmt.Errorf("no file matches %s", strings.Join(in.config.Paths, ", "))
}

func (in *Input) wakeUp() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// Run implements pipeline.Input.
func (in *Input) Run(ctx context.Context, to pipeline.Intake) (err error) {
	var remembered []entry
	if in.state, remembered, err = openState(in.dir, in.name); err != nil {
		return err
	}
	for _, e := range remembered {
		in.known[e.Inode] = e
	}
	var workers sync.WaitGroup
	defer func() {
		workers.Wait()
		in.frames.Wait()
		for _, f := range in.files {
			f.close()
		}
		if saveErr := in.state.save(in.entries()); saveErr != nil {
			err = errors.Join(err, fmt.Errorf("save the positions (files will be read again): %w", saveErr))
		}
	}()

	poll := in.poll
	if poll == nil && in.config.Follow {
		ticker := time.NewTicker(in.config.PollInterval)
		defer ticker.Stop()
		poll = ticker.C
	}
	results := make(chan result, in.config.MaxFiles)
	running := 0
	scan := true
	for {
		if scan {
			if err := in.scan(); err != nil {
				return err
			}
		}
		scan = false
		wait := in.dispatch(ctx, to, &workers, results, &running)
		wait = in.saveWhenDue(wait)
		if running == 0 && in.finished() {
			return errors.Join(in.failures...)
		}
		var timer <-chan time.Time
		if wait > 0 {
			timer = time.After(wait)
		}
		select {
		case <-ctx.Done():
			for running > 0 {
				in.done(<-results)
				running--
			}
			return ctx.Err()
		case r := <-results:
			running--
			in.done(r)
		case <-in.wake:
		case <-timer:
		case <-poll:
			scan = true
			in.release()
		}
	}
}

// result is what a worker made of a file.
type result struct {
	file *file
	err  error
}

// dispatch gives files to workers and returns when to look again, 0 for when something happens.
func (in *Input) dispatch(ctx context.Context, to pipeline.Intake, workers *sync.WaitGroup, results chan<- result, running *int) (wait time.Duration) {
	now := in.now()
	if in.failed.Swap(false) {
		in.first = 0
	}
	order := in.sorted()
	for i := in.first; i < len(order) && *running < in.config.MaxFiles; i++ {
		f := order[i]
		if ctx.Err() != nil {
			return 0
		}
		if f.busy {
			continue
		}
		if !in.ready(f) {
			if i == in.first {
				in.first++
			}
			continue
		}
		if !f.rewind(now, f.inFlight()) {
			f.mu.Lock()
			if left := f.retryAt.Sub(now); f.failed && left > 0 && (wait == 0 || left < wait) {
				wait = left
			}
			f.mu.Unlock()
			continue
		}
		f.busy = true
		*running++
		workers.Go(func() {
			results <- result{f, in.readFile(ctx, to, f)}
		})
	}
	return wait
}

// done takes a worker's result.
func (in *Input) done(r result) {
	r.file.busy = false
	r.file.looked = true
	if !in.config.Follow || r.file.shape != lines || in.openFiles() > maxOpen {
		r.file.close()
	}
	if r.err == nil || errors.Is(r.err, context.Canceled) || errors.Is(r.err, pipeline.ErrClosed) {
		return
	}
	if err := in.failedRead(r.file, r.err); err != nil {
		in.failures = append(in.failures, err)
		in.drop(r.file)
	}
}

// maxOpen is how many files of lines stay open between polls.
const maxOpen = 256

func (in *Input) openFiles() (n int) {
	for _, f := range in.files {
		if !f.busy && f.f != nil {
			n++
		}
	}
	return n
}

// ready reports whether there may be something to read in a file.
func (in *Input) ready(f *file) bool {
	f.mu.Lock()
	failed := f.failed
	f.mu.Unlock()
	return failed || !f.looked
}

// release lets files be looked at again, at each poll.
func (in *Input) release() {
	in.first = 0
	for _, f := range in.files {
		if f.busy {
			continue
		}
		f.mu.Lock()
		e, inFlight := f.entry, f.inFlightFrames // both at one moment: a frame may be settling right now
		f.mu.Unlock()
		info, err := f.stat()
		if err != nil || f.f == nil && inodeOf(info) != f.inode {
			if inFlight == 0 {
				in.drop(f) // it is gone, and nobody holds what was not read
			}
			continue
		}
		if e.Done && info.Size() == e.Size && info.ModTime().Equal(e.ModTime) {
			if f.gone.Load() && inFlight == 0 {
				in.drop(f)
			}
			continue
		}
		if f.shape == document && inFlight > 0 {
			continue
		}
		if f.shape == document && e.Done {
			f.mu.Lock()
			f.entry.Done = false
			f.mu.Unlock()
		}
		f.looked = false
	}
}

func (in *Input) drop(f *file) {
	f.mu.Lock()
	e := f.entry
	f.mu.Unlock()
	in.known[e.Inode] = e
	delete(in.files, f.key)
	delete(in.byInode, e.Inode)
	in.order = nil
	f.close()
}

// finished reports whether an input that does not follow has nothing more to do.
func (in *Input) finished() bool {
	if in.config.Follow {
		return false
	}
	for _, f := range in.files {
		f.mu.Lock()
		open := f.failed || f.inFlightFrames > 0 || !f.entry.Done
		f.mu.Unlock()
		if open {
			return false
		}
	}
	return true
}

func (in *Input) sorted() []*file {
	if in.order != nil {
		return in.order
	}
	in.order = slices.SortedFunc(maps.Values(in.files), func(a, b *file) int { return cmp.Compare(a.path, b.path) })
	in.first = 0
	return in.order
}

// saveWhenDue saves the positions if it is time, and returns when to come back otherwise.
func (in *Input) saveWhenDue(wait time.Duration) time.Duration {
	dirty, left := in.state.due(time.Now())
	if !dirty {
		return wait
	}
	if left > 0 {
		if wait == 0 || left < wait {
			return left
		}
		return wait
	}
	if err := in.state.save(in.entries()); err != nil {
		in.log.Error("positions can not be saved; after a restart files are read again", "err", err)
	}
	return wait
}

// entries are what is saved: files under way and remembered ones that are not too old.
func (in *Input) entries() []entry {
	var list []entry
	for _, f := range in.files {
		f.mu.Lock()
		list = append(list, f.entry)
		f.mu.Unlock()
	}
	for inode, e := range in.known {
		if in.byInode[inode] == nil && in.now().Sub(e.Seen) < forgetAfter {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Inode, b.Inode))
	})
	return list
}

// scan looks at which files there are.
func (in *Input) scan() error {
	paths, err := in.expand()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, path := range paths {
		if f := in.look(path); f != nil {
			seen[f.key] = true
		}
	}
	for key, f := range in.files {
		f.gone.Store(!seen[key])
	}
	if in.firstScan {
		switch {
		case len(paths) == 0 && !in.config.Follow:
			return in.nothing()
		case len(paths) == 0:
			in.log.Warn("no file matches yet", "paths", strings.Join(in.config.Paths, ", "))
		case in.skipped > 0:
			in.log.Info("files that were read before are not read again", "files", in.skipped)
		}
	}
	in.firstScan = false
	return nil
}

// look finds out which file a path names, and takes it up if it is new or has changed.
func (in *Input) look(path string) *file {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			in.complain(path, err)
		}
		return nil
	}
	inode := inodeOf(info)
	if f := in.byInode[inode]; f != nil {
		if f.busy || f.f != nil || in.still(f, path, info) {
			if f.path != path && !f.busy {
				f.rename(path)
				in.order = nil
			}
			return f
		}
		in.drop(f)
		delete(in.known, inode)
	}
	if e, ok := in.known[inode]; ok && e.Done && e.Size == info.Size() && e.ModTime.Equal(info.ModTime()) {
		e.Seen, e.Path = in.now(), path
		in.known[inode] = e
		in.skipped++
		return nil
	}
	return in.take(path, inode)
}

// still reports whether a path with the inode of a closed file names that file, or a new one that got its inode.
func (in *Input) still(f *file, path string, info fs.FileInfo) bool {
	f.mu.Lock()
	e := f.entry
	f.mu.Unlock()
	if e.Done && e.Size == info.Size() && e.ModTime.Equal(info.ModTime()) {
		return true
	}
	opened, _, err := identify(path)
	if err != nil {
		return true // looked at again at the next poll
	}
	defer opened.Close()
	return f.begin.of(opened)
}

// take opens a file and finds its position.
func (in *Input) take(path, inode string) *file {
	opened, info, err := identify(path)
	if err != nil {
		in.complain(path, err)
		return nil
	}
	defer opened.Close()
	f := &file{path: path}
	f.entry = entry{Path: path, Inode: inode, Seen: in.now()}
	if e, ok := in.known[inode]; ok && e.PrintOf > 0 && (beginning{e.PrintOf, e.Print}).of(opened) {
		f.entry = e
		f.entry.Path, f.entry.Seen, f.entry.Done = path, in.now(), false
		f.begin = beginning{e.PrintOf, e.Print}
		if info.Size() < e.Offset {
			f.entry.Offset, f.entry.Index = 0, 0
		}
	} else {
		size, print, err := fingerprint(opened, 0)
		if err != nil {
			in.complain(path, err)
			return nil
		}
		f.begin = beginning{size, print}
		f.entry.ID, f.entry.PrintOf, f.entry.Print = identityOf(inode, f.begin), size, print
		if in.firstScan && in.config.Start == startEnd && in.config.Follow {
			f.entry.Offset, f.entry.Done = info.Size(), true
			f.entry.Size, f.entry.ModTime = info.Size(), info.ModTime()
			f.looked = true
		}
	}
	f.id, f.inode = f.entry.ID, inode
	f.read, f.index = f.entry.Offset, f.entry.Index
	f.key = f.id
	in.files[f.key], in.byInode[inode] = f, f
	in.order = nil
	in.bytesAll.Add(max(info.Size()-f.read, 0))
	return f
}

func (in *Input) complain(path string, err error) {
	if in.complaint[path] {
		return
	}
	in.complaint[path] = true
	in.log.Error("file can not be read; it is left out until it can", "file", path, "err", err)
	if !in.config.Follow {
		in.failures = append(in.failures, err)
	}
}

// expand returns the paths that the configuration names, sorted, each once.
func (in *Input) expand() ([]string, error) {
	var all []string
	for _, p := range in.config.Paths {
		if info, err := os.Stat(p); err == nil {
			if !info.IsDir() {
				all = append(all, p)
				continue
			}
			p = filepath.Join(escapeGlob(p), "**")
		}
		matches, err := doublestar.FilepathGlob(p, doublestar.WithFilesOnly(), doublestar.WithFailOnPatternNotExist())
		if err != nil && !errors.Is(err, doublestar.ErrPatternNotExist) {
			return nil, fmt.Errorf("look for %s: %w", p, err)
		}
		all = append(all, matches...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, in.excluded), nil
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `{`, `\{`).Replace(path)
}

func (in *Input) excluded(path string) bool {
	for _, pattern := range in.config.Exclude {
		if ok, _ := doublestar.PathMatch(pattern, path); ok { // patterns were checked
			return true
		}
		if ok, _ := doublestar.PathMatch(pattern, filepath.Base(path)); ok {
			return true
		}
	}
	return false
}
