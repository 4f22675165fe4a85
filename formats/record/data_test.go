package record

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

type realRecord struct {
	file string
	line int
	raw  []byte
}

func (r realRecord) String() string { return r.file + ":" + strconv.Itoa(r.line) }

func (r realRecord) record() *pipeline.Record {
	return &pipeline.Record{Raw: r.raw, Kind: KindOf(r.raw), Reader: Reader{}, Origin: &pipeline.Origin{Object: r.file},
		Index: int64(r.line)}
}

// realRecords returns the records of testdata; its README names their origin.
func realRecords(tb testing.TB) []realRecord {
	tb.Helper()
	files, _ := filepath.Glob("testdata/*.ndjson")
	var records []realRecord
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		for i, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
			records = append(records, realRecord{filepath.Base(file), i + 1, line})
		}
	}
	if len(records) < 100 {
		tb.Fatalf("%d records in testdata, want over 100", len(records))
	}
	return records
}
