package redact

import (
	"fmt"
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

// sessionEvents are records of sessions with the lines that text yields.
func sessionEvents(n, lines int, text func(i int) string) (events []pipeline.Event, size int) {
	for k := range n {
		var list []string
		for i := range lines {
			list = append(list, text(i))
		}
		raw := []byte(sessionLog(list...))
		size += len(raw)
		events = append(events, pipeline.NewEvent(&pipeline.Record{
			Raw: raw, Kind: pipeline.KindSessionLog, Seed: fmt.Sprint(k), Reader: seedReader{}, Index: int64(k),
		}))
	}
	return events, size
}

func BenchmarkSession(b *testing.B) {
	for _, bench := range []struct {
		name string
		text func(i int) string
	}{
		{"typical", func(i int) string {
			if i%20 == 0 {
				return "[ec2-user@ip-10-0-0-1 ~]$ journalctl -u web | tail -3"
			}
			return "Nov 20 22:21:00 ip-10-0-0-1 web[1234]: GET /path/of/a/request 200 in 12 ms, 1234 bytes"
		}},
		{"colours", func(i int) string {
			return "\x1b[01;34mdir\x1b[0m  \x1b[01;32mrun.sh\x1b[0m  README.md  \x1b[01;34mdocs\x1b[0m  main.go  main_test.go  go.mod  go.sum"
		}},
		{"moves", func(i int) string { return "\x1b[?2004h[ann@web ~]$ lss\b\x1b[K -l\r" }},
		{"hints", func(i int) string {
			return "Nov 20 22:21:00 ip-10-0-0-1 sshd[1234]: Failed password for root from 203.0.113.9 port 22 ssh2"
		}},
		{"prompts", func(i int) string { return "\x1b[?2004h[ann@web ~]$ ls -l /var/log/web\x1b[?2004l\r" }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			f := filter(b, Config{Defaults: true})
			events, size := sessionEvents(50, 200, bench.text)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var dst []pipeline.Event
			for b.Loop() {
				for _, ev := range events {
					dst, _ = f.Apply(b.Context(), dst[:0], ev)
				}
			}
		})
	}
}
