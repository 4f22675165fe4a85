package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/klauspost/compress/gzip"
)

const (
	seed    = 1
	perFile = 5000 // records in a compressed file
)

// data is the generated records: the same ones as compressed documents and as JSON lines.
type data struct {
	records  int64
	zipped   string   // folder of the documents
	files    []string // the documents
	lines    string   // one file of JSON lines
	Document int64    `json:"document_bytes"` // of JSON in all documents
	Lines    int64    `json:"line_bytes"`
}

const manifest = "manifest.json"

// prepare returns records from the cache, or makes them. Another generator, by its program's bytes, makes others.
func prepare(ctx context.Context, gen, cache string, records int64, stderr io.Writer) (data, error) {
	program, err := os.ReadFile(gen)
	if err != nil {
		return data{}, err
	}
	dir := filepath.Join(cache, fmt.Sprintf("%d-%.6x", records, sha256.Sum256(program)))
	if dir, err = filepath.Abs(dir); err != nil {
		return data{}, err
	}
	if _, err := os.Stat(filepath.Join(dir, manifest)); err != nil {
		fmt.Fprintln(stderr, "generating records in", dir)
		if err := generate(ctx, gen, cache, dir, records); err != nil {
			return data{}, fmt.Errorf("generate records: %w", err)
		}
	}
	return load(dir, records)
}

// generate makes the folder under another name first, so that an interrupted one is not taken for whole.
func generate(ctx context.Context, gen, cache, dir string, records int64) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	unfinished, err := os.MkdirTemp(cache, "unfinished-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(unfinished)
	n := strconv.FormatInt(records, 10)
	for format, files := range map[string]string{"gz": strconv.Itoa(perFile), "ndjson": n} {
		cmd := exec.CommandContext(ctx, gen, "-n", n, "-seed", strconv.Itoa(seed), "-files", files,
			"-format", format, "-o", filepath.Join(unfinished, format))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
	}
	d, err := lookAt(unfinished)
	if err != nil {
		return err
	}
	for _, file := range d.files {
		n, err := unzippedSize(file)
		if err != nil {
			return err
		}
		d.Document += n
	}
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(unfinished, manifest), text, 0o644); err != nil {
		return err
	}
	if err := os.Rename(unfinished, dir); err != nil {
		if _, there := os.Stat(filepath.Join(dir, manifest)); there != nil {
			return err
		} // else another comparison has made it meanwhile
	}
	return nil
}

func lookAt(dir string) (d data, err error) {
	d.zipped = filepath.Join(dir, "gz")
	if d.files, err = filepath.Glob(filepath.Join(d.zipped, "*.gz")); err != nil {
		return d, err
	}
	d.lines = filepath.Join(dir, "ndjson", "trail-00000.ndjson")
	info, err := os.Stat(d.lines)
	if err != nil {
		return d, err
	}
	d.Lines = info.Size()
	return d, nil
}

func load(dir string, records int64) (data, error) {
	d, err := lookAt(dir)
	if err != nil {
		return d, err
	}
	d.records = records
	text, err := os.ReadFile(filepath.Join(dir, manifest))
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("%s: %w", dir, err)
	}
	return d, nil
}

// readThrough reads the files, so that no contender waits for the disk where the system has dropped them from its cache.
func (d *data) readThrough() error {
	for _, file := range append([]string{d.lines}, d.files...) {
		if err := readThrough(file); err != nil {
			return err
		}
	}
	return nil
}

func readThrough(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(struct{ io.Writer }{io.Discard}, f)
	return err
}

func unzippedSize(file string) (int64, error) {
	packed, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	unzip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return 0, err
	}
	return io.Copy(io.Discard, unzip)
}
