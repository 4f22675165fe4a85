package report

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

func TestExcerpt(t *testing.T) {
	tests := []struct {
		name, text string
		limit      int
		want       excerpt
	}{
		{"nothing", "", 256, excerpt{}},
		{"fits", lines(0, 30), 256, excerpt{Head: lines(0, 30)}},
		{"whole lines", lines(10, 100), 64, excerpt{Head: lines(10, 14), Tail: lines(96, 100), Lines: 82, Bytes: 656}},
		{"a long line", strings.Repeat("é", 100) + "\n", 50, excerpt{Head: strings.Repeat("é", 12), Tail: strings.Repeat("é", 12) + "\n", Bytes: 152}},
		{"far too much", lines(100_000, 300_000), 64, excerpt{Head: lines(100_000, 100_002), Tail: lines(299_998, 300_000), Lines: 199_996, Bytes: 199_996 * 12}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := excerpter{limit: tt.limit}
			for line := range strings.Lines(tt.text) {
				x.line(strings.TrimSuffix(line, "\n"))
			}
			got, err := x.close()
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
			if n := len(got.Head) + len(got.Tail); n > tt.limit || int64(n)+got.Bytes != int64(len(tt.text)) {
				t.Errorf("%d bytes and %d left out of %d", n, got.Bytes, len(tt.text))
			}
		})
	}
}

// TestCutAgain holds that an excerpt that is cut again accounts for all that it lacks.
func TestCutAgain(t *testing.T) {
	text := lines(0, 5000) + strings.Repeat("日", 700)
	e := excerpt{Head: text}
	for limit := 16 << 10; limit > 10; limit = limit / 3 * 2 {
		e.cut(limit)
		if n := len(e.Head) + len(e.Tail); n > limit || int64(n)+e.Bytes != int64(len(text)) {
			t.Errorf("limit %d: %d bytes and %d left out", limit, n, e.Bytes)
		}
		if !strings.HasPrefix(text, e.Head) || !strings.HasSuffix(text, e.Tail) || !utf8.ValidString(e.Head+e.Tail) {
			t.Errorf("limit %d: %+v", limit, e)
		}
	}
}
