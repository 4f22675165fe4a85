package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// generate runs the command and returns its files by name and what it printed to standard output.
func generate(t *testing.T, args ...string) (map[string][]byte, []byte) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new")
	var stdout, stderr bytes.Buffer
	if err := run(append(args, "-o", dir), &stdout, &stderr); err != nil {
		t.Fatalf("gen %v: %v\n%s", args, err, stderr.Bytes())
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for _, entry := range entries {
		if files[entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files, stdout.Bytes()
}

func TestFormatsHoldTheSameRecords(t *testing.T) {
	lines, _ := generate(t, "-n", "25", "-files", "10", "-format", "ndjson")
	plain, _ := generate(t, "-n", "25", "-files", "10", "-format", "json")
	zipped, _ := generate(t, "-n", "25", "-files", "10")
	if len(lines) != 3 || len(plain) != 3 || len(zipped) != 3 {
		t.Fatalf("%d, %d and %d files, want 3 of each", len(lines), len(plain), len(zipped))
	}
	for i, want := range []int{10, 10, 5} {
		name := "trail-0000" + string(rune('0'+i)) + "."
		document := plain[name+"json"]
		var doc struct{ Records []json.RawMessage }
		if err := json.Unmarshal(document, &doc); err != nil || len(doc.Records) != want {
			t.Fatalf("%s holds %d records: %v", name, len(doc.Records), err)
		}
		var joined []byte
		for _, r := range doc.Records {
			joined = append(append(joined, r...), '\n')
		}
		if !bytes.Equal(joined, lines[name+"ndjson"]) {
			t.Errorf("%s: the lines differ from the document", name)
		}
		unzip, err := gzip.NewReader(bytes.NewReader(zipped[name+"json.gz"]))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(unzip); err != nil || !bytes.Equal(got, document) {
			t.Errorf("%s: the compressed document differs: %v", name, err)
		}
	}
}

func TestOneLine(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if err := run([]string{"-one-line", "64KiB"}, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "big.json")
	if err := run([]string{"-one-line", "64KiB", "-o", file}, io.Discard, &stderr); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, stdout.Bytes()) || len(got) < 64<<10 || !json.Valid(got) {
		t.Errorf("%d bytes in the file, %d on standard output: %v", len(got), stdout.Len(), err)
	}
}

func TestSessions(t *testing.T) {
	dir := t.TempDir()
	truth := filepath.Join(dir, "truth.json")
	var stderr bytes.Buffer
	if err := run([]string{"-sessions", "100", "-truth", truth, "-o", filepath.Join(dir, "new")}, io.Discard, &stderr); err != nil {
		t.Fatal(err)
	}
	lines, err := os.ReadFile(truth)
	if err != nil || bytes.Count(lines, []byte("\n")) != 100 {
		t.Errorf("%d lines of truth, want 100: %v", bytes.Count(lines, []byte("\n")), err)
	}
	for _, pattern := range []string{"AWSLogs/*/CloudTrail/*/*/*/*/*.json.gz", "logs/*/*/*.json.gz", "sessions/*.log"} {
		if found, err := filepath.Glob(filepath.Join(dir, "new", pattern)); err != nil || len(found) == 0 {
			t.Errorf("no files %s: %v", pattern, err)
		}
	}
}

func TestWrongFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-n 5":                    "name the folder",
		"-o x -n -1":              "-n must not be negative",
		"-o x -files 0":           "-files must be at least 1",
		"-o x -format yaml":       `unknown format "yaml"`,
		"-o x y":                  `unexpected argument "y"`,
		"-one-line 5TB":           "want a size",
		"-one-line 0":             "want a size",
		"-o x -sessions -1":       "-sessions must not be negative",
		"-sessions 5":             "name the folder",
		"-sessions 5 -one-line 1": "-sessions needs a folder",
		"-o x -truth y":           "-truth needs -sessions",
		"-one-line 9999999999GiB": "want a size",
	} {
		err := run(strings.Fields(args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("gen %s: %v, want %q", args, err, want)
		}
	}
}
