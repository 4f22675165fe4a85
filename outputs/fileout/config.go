package fileout

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/internal/template"
)

// Config is what users write under `file:`.
type Config struct {
	Path         conf.Text `conf:"path" required:"true" doc:"Where to write: a path with template fields, each of which becomes one safe path segment. Nothing is written outside the directory before the first field." example:"archive/{account}/{date}/{hour}.ndjson.zst"`
	Compression  string    `conf:"compression" enum:"none,gzip,zstd" doc:"How files are compressed; when absent, the path's ending decides: .gz, .zst, else none." example:"zstd"`
	Level        int       `conf:"level" doc:"Compression level: 1 to 9 for gzip, 1 to 22 for zstd; 0 is the usual one." example:"3"`
	Rotate       Rotate    `conf:"rotate" doc:"When to finish a file and begin another."`
	MaxOpenFiles int       `conf:"max_open_files" default:"128" doc:"Files held open at once; the least recently used one is closed first and opened again when it is needed."`
	Sync         bool      `conf:"sync" default:"true" doc:"Wait until data is on the disk (fsync) before it counts as delivered."`
	Mode         string    `conf:"mode" default:"0640" doc:"Permissions of new files, in octal; directories are also searchable by whoever may read. The umask applies."`
}

// Rotate says when a file is finished. Any condition is enough.
type Rotate struct {
	MaxSize  conf.Size     `conf:"max_size" doc:"Finish a file before it grows beyond this size on disk." example:"256MiB"`
	MaxAge   time.Duration `conf:"max_age" doc:"Finish a file this long after it was begun." example:"1h"`
	Interval time.Duration `conf:"interval" doc:"Finish files at every multiple of this time, in UTC." example:"24h"`
	Idle     time.Duration `conf:"idle" doc:"Finish a compressed or rotated file that was not written to for so long. When absent: 15m, or never where max_age or interval is given. Negative means never." example:"15m"`
}

func (r Rotate) set() bool { return r.MaxSize > 0 || r.MaxAge > 0 || r.Interval > 0 }

const (
	none = "none"
	gz   = "gzip"
	zst  = "zstd"
)

// openSuffix marks a file that is being written.
const openSuffix = ".open"

// Validate implements the check of internal/conf.
func (c Config) Validate() error {
	var errs []error
	if err := c.checkPath(); err != nil {
		errs = append(errs, err)
	}
	switch c.compression() {
	case none:
		if c.Level != 0 {
			errs = append(errs, conf.FieldErrorf("level", "a level without compression: set compression, or end path with .gz or .zst"))
		}
	case gz:
		if c.Level < 0 || c.Level > 9 {
			errs = append(errs, conf.FieldErrorf("level", "%d is no gzip level: use 1 (fastest) to 9 (smallest)", c.Level))
		}
	case zst:
		if c.Level < 0 || c.Level > 22 {
			errs = append(errs, conf.FieldErrorf("level", "%d is no zstd level: use 1 (fastest) to 22 (smallest)", c.Level))
		}
	default:
		errs = append(errs, conf.FieldErrorf("compression", "%q is unknown: use none, gzip or zstd", c.Compression))
	}
	if c.Rotate.MaxSize < 0 {
		errs = append(errs, conf.FieldErrorf("rotate.max_size", "must not be negative"))
	}
	if c.Rotate.MaxAge < 0 {
		errs = append(errs, conf.FieldErrorf("rotate.max_age", "must not be negative"))
	}
	if c.Rotate.Interval < 0 {
		errs = append(errs, conf.FieldErrorf("rotate.interval", "must not be negative"))
	}
	if c.MaxOpenFiles < 0 {
		errs = append(errs, conf.FieldErrorf("max_open_files", "must be at least 1"))
	}
	if _, err := c.fileMode(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c Config) checkPath() error {
	if c.Path.Value == "" {
		return conf.FieldErrorf("path", "is empty: give the file to write, for instance archive/{date}.ndjson.zst")
	}
	tmpl, err := template.Parse(c.Path)
	if err != nil {
		return err
	}
	if strings.ContainsRune(c.Path.Value, 0) {
		return conf.Errorf(c.Path.Pos, "path has a NUL character in it")
	}
	below := newLayout(tmpl).segments
	last := below[len(below)-1]
	switch {
	case last == segment{}:
		return conf.Errorf(c.Path.Pos, "path %q names a directory: add a file name", c.Path.Value)
	case strings.HasSuffix(last.suffix, openSuffix):
		return conf.Errorf(c.Path.Pos, "path must not end with %q: files have that ending while they are written", openSuffix)
	}
	for _, s := range below {
		if !s.fields && (s.prefix == "." || s.prefix == "..") {
			return conf.Errorf(c.Path.Pos, "path has a segment %q after the first field: write it without", s.prefix)
		}
	}
	return nil
}

func (c Config) compression() string {
	if c.Compression != "" {
		return c.Compression
	}
	switch strings.ToLower(filepath.Ext(c.Path.Value)) {
	case ".gz":
		return gz
	case ".zst":
		return zst
	}
	return none
}

func (c Config) fileMode() (fs.FileMode, error) {
	mode, err := strconv.ParseUint(cmp.Or(c.Mode, "0640"), 8, 32)
	if err != nil || mode > 0o777 || mode&0o200 == 0 {
		return 0, conf.FieldErrorf("mode", "%q is no file mode: write it in octal with the owner's right to write, for instance %q", c.Mode, "0640")
	}
	return fs.FileMode(mode), nil
}

// dirMode lets whoever may read a file also search the directories on its path.
func dirMode(file fs.FileMode) fs.FileMode { return file | file&0o444>>2 | 0o700 }

// staged tells which of the two schemes holds; the package comment explains them.
func (c Config) staged() bool { return c.compression() != none || c.Rotate.set() }
