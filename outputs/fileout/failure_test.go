package fileout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/outputs/outputtest"
	"github.com/trailcast/trailcast/pipeline"
)

// disk injects faults where the output meets the operating system and counts open files.
type disk struct {
	room     atomic.Int64 // bytes that can still be written; below zero: no limit
	syncs    atomic.Int64 // number of Syncs that succeed from now on; below zero: all
	truncate atomic.Bool  // Truncate fails
	open     atomic.Int64
	most     atomic.Int64 // open at once
}

func newDisk() *disk {
	d := &disk{}
	d.room.Store(-1)
	d.syncs.Store(-1)
	return d
}

func (d *disk) openFile(root *os.Root, name string, perm fs.FileMode) (handle, error) {
	h, err := openLocked(root, name, perm)
	if err != nil {
		return nil, err
	}
	if n := d.open.Add(1); n > d.most.Load() {
		d.most.Store(n)
	}
	return &faulty{handle: h, disk: d}, nil
}

type faulty struct {
	handle
	disk *disk
}

func (f *faulty) WriteAt(p []byte, off int64) (int, error) {
	room := f.disk.room.Load()
	if room < 0 || int64(len(p)) <= room {
		if room >= 0 {
			f.disk.room.Add(-int64(len(p)))
		}
		return f.handle.WriteAt(p, off)
	}
	n, err := f.handle.WriteAt(p[:room], off)
	if err == nil {
		f.disk.room.Store(0)
		err = &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	return n, err
}

func (f *faulty) Sync() error {
	switch n := f.disk.syncs.Load(); {
	case n == 0:
		return &fs.PathError{Op: "sync", Path: "x", Err: syscall.EIO}
	case n > 0:
		f.disk.syncs.Add(-1)
	}
	return f.handle.Sync()
}

func (f *faulty) Truncate(size int64) error {
	if f.disk.truncate.Load() {
		return syscall.EIO
	}
	return f.handle.Truncate(size)
}

func (f *faulty) Close() error {
	f.disk.open.Add(-1)
	return f.handle.Close()
}

// endings are those of the files of each codec.
var endings = []string{".ndjson", ".ndjson.gz", ".ndjson.zst"}

// For every amount of room on the disk: what was acknowledged is there, and nothing else, not even half of a line.
func TestDiskFullLeavesOnlyWhatWasAcknowledged(t *testing.T) {
	for _, ending := range endings {
		t.Run(ending[1:], func(t *testing.T) {
			for room := int64(0); room < 60; room++ {
				dir := t.TempDir()
				d := newDisk()
				cfg := config(filepath.Join(dir, "x"+ending))
				cfg.Rotate.MaxSize = 1 << 20
				o := newOutput(t, cfg)
				o.openFile = d.openFile
				write(t, o, numbered(1))
				d.room.Store(room)
				want := "{\"n\":1}\n"
				for n := 2; n < 9; n++ {
					err := o.Write(context.Background(), []pipeline.Event{numbered(n)})
					switch {
					case err == nil:
						want += fmt.Sprintf("{\"n\":%d}\n", n)
						continue
					case !errors.Is(err, syscall.ENOSPC) || pipeline.IsRejected(err):
						t.Fatalf("got %v, want a retryable ENOSPC", err)
					}
					wantTree(t, dir, map[string]string{"x" + ending + openSuffix: want})
					d.room.Store(room)
				}
				d.room.Store(-1)
				write(t, o, numbered(9))
				closeOutput(t, o)
				wantTree(t, dir, map[string]string{"x" + ending: want + "{\"n\":9}\n"})
			}
		})
	}
}

func TestDiskFullOnARealFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("trailcast-test", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("a small tmpfs can not be mounted here (%v); the injected faults of the other tests stand for it", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	for _, ending := range endings {
		t.Run(ending[1:], func(t *testing.T) {
			cfg := config(filepath.Join(dir, "x"+ending))
			cfg.Rotate.MaxSize = 1 << 30
			o := newOutput(t, cfg)
			var want strings.Builder
			full := 0
			for n := 0; full < 3; n += 50 {
				events := outputtest.Events(n, 50)
				err := o.Write(context.Background(), events)
				if err == nil {
					for i := range events {
						want.Write(appendLine(nil, &events[i]))
					}
					continue
				}
				if !errors.Is(err, syscall.ENOSPC) || pipeline.IsRejected(err) {
					t.Fatalf("got %v, want a retryable ENOSPC", err)
				}
				full++
			}
			if got := content(t, filepath.Join(dir, "x"+ending+openSuffix)); got != want.String() {
				t.Errorf("got %d bytes, want the %d that were acknowledged", len(got), want.Len())
			}
			closeOutput(t, o)
			if got := content(t, filepath.Join(dir, "x"+ending)); got != want.String() {
				t.Errorf("finished: got %d bytes, want the %d that were acknowledged", len(got), want.Len())
			}
			check(t, os.Remove(filepath.Join(dir, "x"+ending)))
		})
	}
}

func TestFailedSyncIsNotAcknowledgedAndLeavesNothing(t *testing.T) {
	for _, ending := range endings {
		for _, truncate := range []bool{false, true} {
			dir := t.TempDir()
			d := newDisk()
			o := newOutput(t, config(filepath.Join(dir, "{account}"+ending)))
			o.openFile = d.openFile
			write(t, o, account(1, "a"), account(2, "b"))
			d.syncs.Store(0)
			d.truncate.Store(truncate)
			for range 3 {
				err := o.Write(context.Background(), []pipeline.Event{account(3, "a"), account(4, "b")})
				if !errors.Is(err, syscall.EIO) {
					t.Fatalf("%s: got %v, want EIO", ending, err)
				}
			}
			d.syncs.Store(-1)
			d.truncate.Store(false)
			write(t, o, account(3, "a"))
			closeOutput(t, o)
			want := map[string]string{"a" + ending: "{\"n\":1}\n{\"n\":3}\n", "b" + ending: "{\"n\":2}\n"}
			if truncate && ending == ".ndjson" {
				// b could not be cut, and was never needed again: its whole line stays, and will come again.
				want["b"+ending] += "{\"n\":4}\n"
			}
			wantTree(t, dir, want)
		}
	}
}

func TestOneFailingFileDoesNotFailTheOthers(t *testing.T) {
	dir := t.TempDir()
	check(t, os.Mkdir(filepath.Join(dir, "b.ndjson"), 0o700)) // in the way of account b's file
	o := newOutput(t, config(filepath.Join(dir, "{account}.ndjson")))
	err := o.Write(context.Background(), []pipeline.Event{account(0, "a"), account(1, "b"), account(2, "c"), account(3, "b")})
	partial, ok := errors.AsType[*pipeline.BatchError](err)
	if !ok || len(partial.Failed) != 2 || partial.Failed[0].Index != 1 || partial.Failed[1].Index != 3 {
		t.Fatalf("got %#v, want a BatchError with events 1 and 3", err)
	}
	if !strings.Contains(err.Error(), "b.ndjson") || pipeline.IsRejected(err) {
		t.Errorf("got %v, want a retryable error with the file's name", err)
	}
	wantTree(t, dir, map[string]string{"a.ndjson": "{\"n\":0}\n", "c.ndjson": "{\"n\":2}\n"})
}

func TestPiecesBeforeTheFailureAreDelivered(t *testing.T) {
	dir := t.TempDir()
	d := newDisk()
	cfg := config(filepath.Join(dir, "x.ndjson"))
	cfg.Rotate.MaxSize = 16 // two events
	o := newOutput(t, cfg)
	o.openFile = d.openFile
	d.room.Store(35)
	err := o.Write(context.Background(), []pipeline.Event{numbered(0), numbered(1), numbered(2), numbered(3), numbered(4), numbered(5)})
	partial, ok := errors.AsType[*pipeline.BatchError](err)
	if !ok || len(partial.Failed) != 2 || partial.Failed[0].Index != 4 {
		t.Fatalf("got %v, want a BatchError with events 4 and 5", err)
	}
	d.room.Store(-1)
	write(t, o, numbered(4), numbered(5))
	closeOutput(t, o)
	all := ""
	for _, text := range tree(t, dir) {
		all += text
	}
	for n := range 6 {
		if got := strings.Count(all, fmt.Sprintf("{\"n\":%d}\n", n)); got != 1 {
			t.Errorf("event %d is there %d times", n, got)
		}
	}
}

func TestOpenFilesAreLimited(t *testing.T) {
	for _, ending := range endings {
		for _, limit := range []int{1, 3, 20} {
			dir := t.TempDir()
			d := newDisk()
			cfg := config(filepath.Join(dir, "{account}"+ending))
			cfg.MaxOpenFiles = limit
			cfg.Sync = false
			o := newOutput(t, cfg)
			o.openFile = d.openFile
			const writers, rounds, accounts = 4, 5, 30
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for r := range rounds {
						var events []pipeline.Event
						for a := range accounts {
							events = append(events, account(w*rounds+r, fmt.Sprint(a)))
						}
						if err := o.Write(context.Background(), events); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if got := d.most.Load(); got > int64(limit) || got < int64(min(limit, 2)) {
				t.Errorf("%s: %d files were open at once, limit %d", ending, got, limit)
			}
			closeOutput(t, o)
			if got := d.open.Load(); got != 0 {
				t.Errorf("%s: %d files are open after Close", ending, got)
			}
			files := tree(t, dir)
			for name, text := range files {
				if got := strings.Count(text, "\n"); got != writers*rounds {
					t.Errorf("%s holds %d lines, want %d", name, got, writers*rounds)
				}
			}
			if len(files) != accounts {
				t.Errorf("%s: %d files, want %d", ending, len(files), accounts)
			}
		}
	}
}

func TestLeastRecentlyUsedFileIsClosedFirst(t *testing.T) {
	dir := t.TempDir()
	var opened []string
	cfg := config(filepath.Join(dir, "{account}.ndjson"))
	cfg.MaxOpenFiles = 2
	o := newOutput(t, cfg)
	o.openFile = func(root *os.Root, name string, perm fs.FileMode) (handle, error) {
		opened = append(opened, name)
		return openLocked(root, name, perm)
	}
	for n, a := range []string{"a", "b", "a", "c", "a", "b"} {
		write(t, o, account(n, a))
	}
	got := strings.Join(opened, " ")
	if want := "a.ndjson b.ndjson c.ndjson b.ndjson"; got != want {
		t.Errorf("opened %s, want %s", got, want)
	}
}

func TestForgottenFilesTakeNoMemory(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Path: conf.Text{Value: filepath.Join(dir, "{account}.ndjson")}, MaxOpenFiles: 4}
	o := newOutput(t, cfg)
	for n := range 100 {
		write(t, o, account(n, fmt.Sprint(n)))
	}
	if got := len(o.files.files); got > 4 {
		t.Errorf("%d files are remembered, want at most the 4 open ones", got)
	}
}
