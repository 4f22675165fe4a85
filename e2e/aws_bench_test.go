package e2e

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/klauspost/compress/gzip"

	"github.com/trailcast/trailcast/bench/gen/records"
)

// BenchmarkObjects compares reading objects by queue and by listing with what the decompressor alone, and getting and
// decompressing alone, take in the same run. Each is one pass: use -benchtime 1x, and -count for medians. The emulator is slow
// with many objects; it runs on the same cores.
func BenchmarkObjects(b *testing.B) {
	for _, size := range []struct{ objects, records int }{{40, 15_000}, {400, 500}} {
		b.Run(fmt.Sprintf("%dx%d", size.objects, size.records), func(b *testing.B) {
			tr := newTrail(b)
			body := zipped(b, records.New(3), 0, int64(size.records))
			keys := make([]string, size.objects)
			for i := range keys {
				keys[i] = logFile("111111111111", "eu-west-1", i)
				tr.put(keys[i], body)
			}
			pass := func(name string, work func(b *testing.B)) {
				b.Run(name, func(b *testing.B) {
					for b.Loop() {
						work(b)
					}
					seconds := b.Elapsed().Seconds() / float64(b.N)
					b.ReportMetric(float64(size.objects)/seconds, "objects/s")
					b.ReportMetric(float64(size.objects*size.records)/seconds, "records/s")
				})
			}
			pass("gunzip", func(b *testing.B) {
				for range keys {
					unzip(b, bytes.NewReader(body))
				}
			})
			pass("get and gunzip, 8 at a time", func(b *testing.B) {
				var getters sync.WaitGroup
				queue := make(chan string)
				for range 8 {
					getters.Go(func() {
						for key := range queue {
							out, err := tr.s3.GetObject(b.Context(), &s3.GetObjectInput{Bucket: aws.String(tr.bucket), Key: aws.String(key)})
							if err != nil {
								b.Error(err)
								continue
							}
							unzip(b, out.Body)
							out.Body.Close()
						}
					})
				}
				for _, key := range keys {
					queue <- key
				}
				close(queue)
				getters.Wait()
			})
			read := func(b *testing.B, input string, done func(a *agent) bool) {
				dir := b.TempDir()
				config := write(b, filepath.Join(dir, "trailcast.yaml"), fmt.Sprintf(`
state_dir: %s/state
metrics: {listen: "off"}
inputs: [{name: trail, s3: {%s, endpoint: %q}}]
filters: [{jq: 'select(.eventName == "StartSession")'}, {enrich: {}}]
outputs: [{name: files, file: {path: "%s/out/{account}.ndjson"}}]
`, dir, input, tr.server.URL, dir))
				b.StartTimer()
				a := startAgent(b, "run", "-c", config)
				b.Cleanup(func() { _ = a.cmd.Process.Kill() })
				awaitFor(b, time.Minute, "the end", func() bool { return done(a) })
				b.StopTimer()
				_ = a.cmd.Process.Signal(syscall.SIGTERM)
				_ = a.cmd.Wait()
				if want := fmt.Sprint(size.objects * size.records); !strings.Contains(a.stderr.String(), want) {
					b.Errorf("want %s events in the account\n%s", want, a.stderr)
				}
				b.StartTimer()
			}
			pass("by queue", func(b *testing.B) {
				b.StopTimer()
				tr.newQueue() // the emulator goes on with a stopped agent's long poll, and hands it what comes next
				tr.notify(keys)
				read(b, fmt.Sprintf("queue_url: %q", tr.queue), func(*agent) bool { return tr.left() == 0 })
			})
			pass("by listing", func(b *testing.B) {
				b.StopTimer()
				read(b, fmt.Sprintf("bucket: %s, prefix: AWSLogs/, start: 2026-01-01, end: 2026-01-31, region: eu-west-1", tr.bucket), func(a *agent) bool {
					_ = a.cmd.Wait() // it ends by itself
					return true
				})
			})
		})
	}
}

func unzip(b *testing.B, r io.Reader) {
	z, err := gzip.NewReader(r)
	if err == nil {
		_, err = io.Copy(io.Discard, z)
	}
	if err != nil {
		b.Error(err)
	}
}
