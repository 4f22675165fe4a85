package split_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/pipeline"
)

// Unpacking ahead gives what unpacking in turn gives, errors included, however the input arrives.
func TestAheadChangesNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	text := generated(400)
	packed := gz(text)
	inputs := map[string]string{
		"whole": packed, "cut": packed[:len(packed)/2], "corrupt": strings.Replace(packed, packed[len(packed)/2:][:8], "12345678", 1),
		"empty": gz(""), "no gzip": text, "gzip in gzip": gz(packed), "broken lines": gz("x\n" + ct("a") + "\ny\n"),
	}
	readers := map[string]func(io.Reader) io.Reader{
		"at once": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "timeout": iotest.TimeoutReader,
		"empty reads": func(r io.Reader) io.Reader { return &hesitant{r: r} },
	}
	for _, partial := range []bool{false, true} {
		for name, input := range inputs {
			for kind, reader := range readers {
				var lines [2][]string
				var errs [2]error
				for i, ahead := range []bool{false, true} {
					c := &collector{}
					o := split.Options{Ahead: ahead, Partial: partial}
					_, errs[i] = split.New(o).Split(t.Context(), reader(strings.NewReader(input)), &pipeline.Origin{Object: "o"}, split.Base{}, c)
					lines[i] = outcome(c)
				}
				if diff := cmp.Diff(lines[0], lines[1]); diff != "" || (errs[0] == nil) != (errs[1] == nil) {
					t.Errorf("%s, %s: %v, want %v\n%.2000s", name, kind, errs[1], errs[0], diff)
				}
			}
		}
	}
}

// hesitant gives nothing at every other call.
type hesitant struct {
	r     io.Reader
	calls int
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.calls++; h.calls%2 == 0 {
		return 0, nil
	}
	return h.r.Read(p[:min(len(p), 1000)])
}

type refusing struct{ collector }

var errFull = errors.New("full")

func (*refusing) Feed(context.Context, []pipeline.Event) error { return errFull }

func TestAheadEndsWithItsSplit(t *testing.T) {
	defer goleak.VerifyNone(t)
	s := split.New(split.Options{Ahead: true, BatchEvents: 1})
	packed := gz(generated(2000))
	for range 20 {
		_, err := s.Split(t.Context(), strings.NewReader(packed), &pipeline.Origin{}, split.Base{}, &refusing{})
		if !errors.Is(err, errFull) {
			t.Fatal(err)
		}
	}
}
