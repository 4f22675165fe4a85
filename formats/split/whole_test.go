package split_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/trailcast/trailcast/bench/gen/records"
	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/pipeline"
)

// dropping is a collector that does not want some events.
type dropping struct {
	collector
	unwanted func(ev *pipeline.Event) bool
	dropped  int64
	bytes    int64
}

func (d *dropping) Dropper() pipeline.Dropper { return d }

func (d *dropping) Drops(ev *pipeline.Event) bool { return d.unwanted(ev) }

func (d *dropping) Dropped(events, bytes int64) { d.dropped, d.bytes = d.dropped+events, d.bytes+bytes }

func runDropping(t testing.TB, o split.Options, r io.Reader, unwanted func(ev *pipeline.Event) bool) (*dropping, split.Stats) {
	t.Helper()
	d := &dropping{unwanted: unwanted}
	stats, err := split.New(o).Split(t.Context(), r, &pipeline.Origin{Object: "test.json"}, split.Base{}, d)
	if err != nil {
		t.Fatal(err)
	}
	return d, stats
}

// outcome is all that a Feeder learns, one line for each event and each broken piece.
func outcome(c *collector) (lines []string) {
	for _, e := range c.events {
		r := e.Record
		lines = append(lines, fmt.Sprintf("event %d at %d, %s, %v: %s", r.Index, r.Offset, r.Kind, r.Origin.Via, e.Raw))
	}
	for _, b := range c.broken {
		lines = append(lines, fmt.Sprintf("broken %d at %d, %d bytes, %s: %s", b.Index, b.Offset, b.Size, b.Reason, b.Raw))
	}
	return lines
}

func none(*pipeline.Event) bool { return false }

// hasX drops about half of what the tests feed.
func hasX(ev *pipeline.Event) bool { return bytes.Contains(ev.Raw, []byte("x")) }

// A record of another kind than the tests' own, with all that the generator writes.
func generated(n int) string {
	var text bytes.Buffer
	g := records.New(4)
	for i := range int64(n) {
		text.Write(g.Append(nil, i))
		text.WriteByte('\n')
	}
	return text.String()
}

const plain = `"eventSource":"iam.amazonaws.com"}` // behind an eventName, enough of a record

var broken = []string{
	`{"eventName":"x","y":[` + "\n" + `{"eventName":"a",` + plain + "\n" + `tru],` + plain,                    // found at its line
	`{"Records":[{"eventName":"x","y":[tru{"eventVersion":"1","eventName":"a",` + plain + `],` + plain + `]}`, // by its beginning
	`{"Records":[{"eventName":"x","y":["x{"eventVersion":"1","eventName":"a",` + plain + `"],` + plain + `]}`, // quotes the wrong way round
	ct("a") + "\n" + ct("x") + "\n" + ct("b"),
	`{"Records":[` + ct("a") + `,` + ct("x") + `,` + ct("b") + `]}`,
	`{"Records":[` + strings.Replace(ct("x"), "true", "tru", 1) + `,` + ct("b") + `]}` + "\n" + ct("c"),
	strings.Replace(ct("x"), `"Root"`, `tru`, 1) + "\n" + ct("a"),
	strings.Replace(ct("x"), `"Root"`, `"a" "b"`, 1) + ct("a") + "\n" + ct("b"),
	strings.Replace(ct("x"), `"Root"`, "\"\n\"", 1) + "\n" + ct("a"),
	strings.Replace(ct("x"), `"Root"}`, `"Root"`, 1) + "\n" + ct("a") + "\n" + ct("b") + "}",
	strings.Replace(ct("x"), `"Root"}`, `{"Root":[[[`, 1) + "," + ct("a") + "\n" + ct("b") + "]]]}}}",
	`{"Records":[` + strings.Replace(ct("x"), `{"type":"Root"}`, `[`, 1) + "," + ct("a") + `],"eventName":"x"},` + ct("b") + `]}`,
	`{"Records":[` + strings.Replace(ct("x"), `{"type":"Root"}`, `{"a":"{`, 1) + "," + ct("a") + `"}},` + ct("b") + `]}`,
	`{"Records":[` + strings.Replace(ct("x"), `{"type":"Root"}`, `[{ "eventVersion":"`, 1) + `"}]},` + ct("b") + `]}`,
	strings.Replace(ct("x"), `"Root"`, "\"\xff\"", 1) + "\n" + strings.Replace(ct("a"), "Root", `\ud800`, 1),
	strings.ReplaceAll(ct("x"), `,`, " ,\n") + "\n" + strings.ReplaceAll(ct("a"), `,`, " ,\n"),
	strings.Replace(ct("x"), `"Root"`, strings.Repeat("[", 600)+strings.Repeat("]", 600), 1) + "\n" + ct("a"),
}

func FuzzDropping(f *testing.F) {
	for _, s := range broken {
		f.Add([]byte(s))
	}
	f.Add([]byte(generated(2)))
	f.Add([]byte(sns(ct("x")) + ct("x")))
	f.Fuzz(compareDropping)
}

func TestDroppingLosesNothing(t *testing.T) {
	for _, s := range broken {
		compareDropping(t, []byte(s))
		for i := range s {
			if strings.IndexByte("{}[],:\"\n\\", s[i]) >= 0 {
				compareDropping(t, []byte(s[:i]+s[i+1:]))
				compareDropping(t, []byte(s[:i]+s[i:i+1]+s[i:]))
			}
		}
	}
	compareDropping(t, []byte(generated(300)))
}

// compareDropping holds that a Feeder that drops nothing learns what one learns that is not asked, and that one that drops
// some gets all others, or learns that they are in a broken piece.
func compareDropping(t *testing.T, in []byte) {
	o := split.Options{MaxRecord: 4 << 10, MaxDecompressed: 1 << 20, BatchEvents: 3}
	all, stats := run(t, o, bytes.NewReader(in), nil)
	kept, _ := runDropping(t, o, bytes.NewReader(in), none)
	if diff := cmp.Diff(outcome(all), outcome(&kept.collector)); diff != "" {
		t.Fatalf("%q: being asked changes something:\n%s", in, diff)
	}
	some, someStats := runDropping(t, o, bytes.NewReader(in), hasX)
	at := map[int64]string{}
	for _, e := range some.events {
		at[e.Record.Offset] = string(e.Raw)
	}
	for _, e := range all.events {
		if len(e.Record.Origin.Via) > 0 || hasX(&e) || at[e.Record.Offset] == string(e.Raw) {
			continue
		}
		if !insideBroken(some.broken, e.Record.Offset) {
			t.Fatalf("%q: lost: %s", in, e.Raw)
		}
	}
	if len(all.broken) > 0 {
		return
	}
	var want []string
	for _, e := range all.events {
		if e.Record.Kind == pipeline.KindOther || !hasX(&e) {
			want = append(want, fmt.Sprintf("%d %s", e.Record.Index, e.Raw))
		}
	}
	var got []string
	for _, e := range some.events {
		if e.Record.Kind == pipeline.KindOther || !hasX(&e) {
			got = append(got, fmt.Sprintf("%d %s", e.Record.Index, e.Raw))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || stats.Events != someStats.Events || int64(len(some.events))+some.dropped != stats.Events {
		t.Fatalf("%q: %+v, %+v, %d dropped\n%s", in, stats, someStats, some.dropped, diff)
	}
}

func insideBroken(pieces []pipeline.Broken, offset int64) bool {
	for _, b := range pieces {
		if b.Offset <= offset && offset < b.Offset+b.Size {
			return true
		}
	}
	return false
}

// Blocks of which nothing is kept are used again; what was kept must not change then.
func TestKeptEventsOutliveTheirBlock(t *testing.T) {
	text := generated(3000)
	for _, r := range []io.Reader{strings.NewReader(text), iotest.HalfReader(strings.NewReader(text)), strings.NewReader(gz(text))} {
		n := 0
		d, stats := runDropping(t, split.Options{}, r, func(*pipeline.Event) bool { n++; return n%100 != 0 })
		if len(d.events) < 25 || stats.Events != 3000 || d.dropped+int64(len(d.events)) != 3000 {
			t.Fatalf("%d events, %d dropped, %+v", len(d.events), d.dropped, stats)
		}
		size := int64(0)
		for _, e := range d.events {
			rec := e.Record
			if got := text[rec.Offset:][:len(rec.Raw)]; got != string(e.Raw) || string(rec.Raw) != got {
				t.Fatalf("record %d changed: %.60s, want %.60s", rec.Index, e.Raw, got)
			}
			size += int64(len(e.Raw))
		}
		if want := int64(len(text)) - size - 3000; d.bytes != want {
			t.Errorf("%d bytes dropped, want %d", d.bytes, want)
		}
	}
}

// After broken bytes a document begins at the beginning of a line, wherever a block ends.
func TestLinesBeginAtTheBeginningOfABlockToo(t *testing.T) {
	for lines := range 40 {
		bad := strings.Repeat("x\n", 16<<10-20+lines) // 16 Ki of them fill the first block
		c := splitText(t, bad+ct("A")+"\n"+ct("B"))
		if len(c.events) != 2 || len(c.broken) != 1 {
			t.Fatalf("after %d broken bytes: %v", len(bad), describe(c))
		}
	}
}

func TestDroppingAllocatesNothing(t *testing.T) {
	allocations := func(n int) float64 {
		text := []byte(generated(n))
		s := split.New(split.Options{})
		d := &dropping{unwanted: func(*pipeline.Event) bool { return true }}
		origin := &pipeline.Origin{}
		return testing.AllocsPerRun(5, func() {
			if _, err := s.Split(t.Context(), bytes.NewReader(text), origin, split.Base{}, d); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := allocations(500), allocations(3500); many > few+10 { // the first blocks grow
		t.Errorf("%v allocations for 500 events, %v for 3500", few, many)
	}
}
