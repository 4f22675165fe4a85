package jq

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

// Each benchmark runs a program on records as `query` does, and then gojq's own way: decode, run, marshal.
func benchmarkProgram(b *testing.B, text string) {
	events := benchEvents()
	p, err := Compile(conf.Text{Value: text}, Options{Timeout: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("trailcast", func(b *testing.B) {
		b.ReportAllocs()
		var out []byte
		i := 0
		for b.Loop() {
			ev := &events[i%len(events)]
			b.SetBytes(int64(len(ev.Raw)))
			i++
			if p.OnBytes(ev, func(made []byte, _ bool) { out = append(out[:0], made...) }) {
				continue
			}
			fresh := pipeline.NewEvent(&pipeline.Record{Raw: ev.Raw, Kind: ev.Record.Kind, Notes: ev.Record.Notes}) // not decoded yet
			_ = p.Run(b.Context(), &fresh, func(input, result any) error {
				out = NewEncoder(ev.Raw, input).Append(out[:0], result, p.order)
				return nil
			})
		}
	})
	q, err := gojq.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	code, err := gojq.Compile(q)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("gojq", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			ev := events[i%len(events)]
			i++
			b.SetBytes(int64(len(ev.Raw)))
			var v any
			d := json.NewDecoder(bytes.NewReader(ev.Raw))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				b.Fatal(err)
			}
			iter := code.Run(v)
			for {
				v, ok := iter.Next()
				if !ok {
					break
				}
				if _, bad := v.(error); !bad {
					_, _ = gojq.Marshal(v)
				}
			}
		}
	})
}

func BenchmarkSelect(b *testing.B) {
	benchmarkProgram(b, `select(.eventSource == "ssm.amazonaws.com" and (.readOnly | not))`)
}

func BenchmarkSelectRegexp(b *testing.B) {
	benchmarkProgram(b, `select(.eventName | test("^(Get|List|Describe)")) | select(.userIdentity.arn // "" | endswith("x"))`)
}

func BenchmarkProjection(b *testing.B) {
	benchmarkProgram(b, `{account: .recipientAccountId, who: .userIdentity.arn, what: .eventName}`)
}

func BenchmarkTier2(b *testing.B) {
	benchmarkProgram(b, `select(.userAgent | test("aws-cli|Boto3"; "i")) | (.eventVersion | tonumber) * 100 + (.requestParameters | length)`)
}

func BenchmarkUpdate(b *testing.B) { benchmarkProgram(b, `.userIdentity.arn |= ascii_downcase`) }

func BenchmarkPaths(b *testing.B) { benchmarkProgram(b, `[paths] | length`) }

// BenchmarkTier3 decodes the event and encodes most of it again.
func BenchmarkTier3(b *testing.B) {
	benchmarkProgram(b, `.[("eventName", "awsRegion")] |= ascii_downcase`)
}

// BenchmarkTier3Strings is a program on which gojq itself takes most of the time.
func BenchmarkTier3Strings(b *testing.B) { benchmarkProgram(b, `(.. | strings) |= ascii_downcase`) }

func BenchmarkDecode(b *testing.B) {
	events := benchEvents()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		raw := events[i%len(events)].Raw
		i++
		b.SetBytes(int64(len(raw)))
		decode(raw)
	}
}
