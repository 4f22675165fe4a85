package fileout

import (
	"fmt"
	"hash/fnv"
	"path"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trailcast/trailcast/internal/template"
	"github.com/trailcast/trailcast/pipeline"
)

// maxSegment leaves room in the 255 bytes that file systems allow for the marks of working and finished files.
const maxSegment = 200

// maxExtension is what is kept of a long name's end.
const maxExtension = 32

// layout is what is known of a path template's results.
type layout struct {
	root     string    // the directory before the first field: no value can change it
	skip     int       // bytes of a rendered path that are the root's
	segments []segment // below the root
}

// segment is one path segment as the template has it.
type segment struct {
	prefix string // before the first field; all of it where there is none
	suffix string // after the last field; all of it where there is none
	fields bool
}

func newLayout(t *template.Template) layout {
	l := layout{root: "."}
	parts := t.Parts()
	first := ""
	if len(parts) > 0 {
		first = parts[0].Literal
	}
	if l.skip = strings.LastIndexByte(first, '/') + 1; l.skip > 0 {
		l.root = filepath.Clean(first[:l.skip])
	}
	last := segment{}
	for i, p := range parts {
		text := p.Literal
		if i == 0 {
			text = text[l.skip:]
		}
		if p.Field != "" {
			last.fields, last.suffix = true, ""
			continue
		}
		for k, s := range strings.Split(text, "/") {
			if k > 0 && last != (segment{}) {
				l.segments = append(l.segments, last)
				last = segment{}
			}
			if last.suffix += s; !last.fields {
				last.prefix += s
			}
		}
	}
	l.segments = append(l.segments, last)
	return l
}

// canBe reports whether name can be what the template made of the segment at depth, as a directory or, at the last one,
// as a working file. It may take too much, never too little.
func (l *layout) canBe(depth int, name string) bool {
	s := l.segments[depth]
	if depth == len(l.segments)-1 {
		_, ext := splitExtension("x" + s.suffix)
		if !strings.HasSuffix(name, ext+openSuffix) {
			return false
		}
	}
	return strings.HasPrefix(name, s.prefix[:min(len(s.prefix), maxSegment/2)])
}

// name is where the event goes: a file below the root.
func (o *Output) name(ev *pipeline.Event) string { return localName(string(o.appendPath(nil, ev))) }

// appendPath appends the event's path below the root as the template gives it; localName makes a file name of it.
func (o *Output) appendPath(dst []byte, ev *pipeline.Event) []byte {
	start := len(dst)
	dst = o.template.Append(dst, ev, template.AppendPathSegment)
	return append(dst[:start], dst[start+o.layout.skip:]...)
}

// localName makes of a rendered path the name of a file below the root: every segment is a plain name, short enough
// for any file system, and the last one does not look like a working file. The template has made each value safe; this
// holds for what values and literals make together, as in ".{account}" or "{user}-{session}-{tag}".
func localName(rendered string) string {
	var out []string
	for s := range strings.SplitSeq(rendered, "/") {
		switch s {
		case "":
			continue
		case ".", "..":
			s = strings.Repeat("_", len(s))
		}
		out = append(out, cutSegment(strings.ReplaceAll(s, "\x00", "_")))
	}
	if len(out) == 0 {
		return "_"
	}
	name := strings.Join(out, "/")
	if strings.HasSuffix(name, openSuffix) {
		name += "_"
	}
	return name
}

// cutSegment shortens a long segment; its end, by which files are told apart, stays.
func cutSegment(s string) string {
	if len(s) <= maxSegment {
		return s
	}
	h := fnv.New64a()
	h.Write([]byte(s))
	_, ext := splitExtension(s)
	head := s[:maxSegment-len(ext)-17]
	for len(head) > 0 {
		if r, size := utf8.DecodeLastRuneInString(head); r != utf8.RuneError || size != 1 {
			break
		}
		head = head[:len(head)-1]
	}
	return fmt.Sprintf("%s-%016x%s", head, h.Sum64(), ext)
}

// splitExtension splits a file name before its extension and that of its compression: trail, .ndjson.zst.
func splitExtension(name string) (stem, ext string) {
	stem = name
	for range 2 {
		e := path.Ext(stem)
		if e == stem || e == "." || len(e) > maxExtension/2 || strings.Trim(e[min(1, len(e)):], digits) == "" {
			break
		}
		stem = strings.TrimSuffix(stem, e)
	}
	return stem, name[len(stem):]
}

// digits make no extension: in trail.2026.ndjson only .ndjson is one.
const digits = "0123456789"

// finishedName is the k-th name to try for a finished file: its own, then with the time, then with a number too, and
// with a finer time where very many files are finished in one second.
func finishedName(name string, at time.Time, k int) string {
	if k == 0 {
		return name
	}
	dir, base := path.Split(name)
	stem, ext := splitExtension(base)
	stamp := at.UTC().Format("20060102T150405Z")
	if k > 9 {
		stamp = at.UTC().Format("20060102T150405.000000Z")
	}
	if k == 1 {
		return fmt.Sprintf("%s%s.%s%s", dir, stem, stamp, ext)
	}
	return fmt.Sprintf("%s%s.%s-%d%s", dir, stem, stamp, k, ext)
}
