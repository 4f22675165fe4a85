package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	peak := watchMemory(cmd.Process.Pid)
	n, genErr := records.New(1).WriteDocumentOfSize(in, size)
	in.Close()
	if err := cmd.Wait(); err != nil || genErr != nil {
		t.Fatalf("run: %v, feeding it: %v\n%s", err, genErr, stderr.String())
	}
	rss := peak()
	t.Logf("%d records, peak resident memory %d MiB", n, rss>>20)
	if rss == 0 {
		t.Error("the memory could not be measured")
	}
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

// watchMemory reads a process's peak resident memory while it runs. (The usage that wait reports is of no use: it begins
// with that of the process which started it.)
func watchMemory(pid int) (peak func() int64) {
	result, stop := make(chan int64), make(chan struct{})
	go func() {
		most := int64(0)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				result <- most
				return
			case <-tick.C:
			}
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if err != nil {
				continue // it has ended
			}
			var kib int64
			if _, text, ok := strings.Cut(string(status), "VmHWM:"); ok {
				fmt.Sscanf(text, "%d", &kib)
			}
			most = max(most, kib<<10)
		}
	}()
	return func() int64 {
		close(stop)
		return <-result
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
