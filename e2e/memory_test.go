package e2e

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/trailcast/trailcast/bench/gen/records"
)

// TestOneGigabyteOnOneLine: a single Records document of 1 GiB on one line passes in flat memory.
func TestOneGigabyteOnOneLine(t *testing.T) {
	if testing.Short() {
		t.Skip("1 GiB takes a while")
	}
	const (
		size  = 1 << 30
		limit = 256 << 20
	)
	dir := t.TempDir()
	config := write(t, filepath.Join(dir, "trailcast.yaml"), `
state_dir: `+dir+`/state
inputs: [{name: big, stdin: {}}]
filters: [{jq: 'select(.eventName == "StartSession")'}, {enrich: {}}]
outputs: [{name: out, file: {path: `+dir+`/out.ndjson}}]
`)
	cmd := exec.Command(trailcast, "run", "-c", config)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n, genErr := records.New(1).WriteDocumentOfSize(in, size)
	in.Close()
	if err := cmd.Wait(); err != nil || genErr != nil {
		t.Fatalf("run: %v, feeding it: %v\n%s", err, genErr, stderr.String())
	}
	rss := maxRSS(cmd.ProcessState)
	t.Logf("%d records, peak resident memory %d MiB", n, rss>>20)
	if rss > limit {
		t.Errorf("peak resident memory is %d MiB, want at most %d", rss>>20, limit>>20)
	}
	f, err := os.Open(filepath.Join(dir, "out.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if lines := countLines(t, f); lines == 0 || lines >= n {
		t.Errorf("%d of %d records came out, want some", lines, n)
	}
}

func countLines(t *testing.T, r io.Reader) int64 {
	t.Helper()
	buf := make([]byte, 1<<16)
	n := int64(0)
	for {
		k, err := r.Read(buf)
		n += int64(bytes.Count(buf[:k], []byte{'\n'}))
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
