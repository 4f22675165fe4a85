package forwardin

import (
	"strings"
	"testing"

	"github.com/trailcast/trailcast/pipeline"
)

func TestAPanicEndsOneConnection(t *testing.T) {
	s := startWith(t, Config{}, openSink(), pipeline.Settings{}, func(in *Input) { in.splitter = nil })
	other := s.dial()
	c := s.dial()
	c.send(chunkOf("c", `{"a":1}`))
	c.closed()
	other.send([]byte{0xc0})
	other.done()
	s.end()
	if !strings.Contains(s.logs.String(), "panicked") {
		t.Errorf("log: %s", s.logs)
	}
}
