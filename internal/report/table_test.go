package report

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func tableOf(t testing.TB, r *Report, width int, colour bool) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteTable(&b, width, colour); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTable(t *testing.T) {
	for _, width := range []int{0, 40, 80, 160} {
		golden(t, fmt.Sprintf("table-%d.txt", width), tableOf(t, small(), width, false))
	}
}

func TestTableGroups(t *testing.T) {
	for _, group := range []string{"day", "user", "document"} {
		r := small()
		if err := r.Select(Query{Group: group}); err != nil {
			t.Fatal(err)
		}
		golden(t, "table-by-"+group+".txt", tableOf(t, r, 100, false))
	}
}

func TestTableHasNoLineThatIsTooLong(t *testing.T) {
	wide := many(40)
	wide.Sessions[3].User = strings.Repeat("日本", 40)
	wide.Sessions[4].Reason = strings.Repeat("e\u0301", 500) // combining
	wide.Sessions[5].Error = strings.Repeat("x", 1000)
	for _, r := range []*Report{small(), attack(), wide, {}} {
		for width := 40; width <= 200; width++ {
			for line := range strings.Lines(tableOf(t, r, width, false)) {
				if n := columnsOf(strings.TrimSuffix(line, "\n")); n > width {
					t.Fatalf("width %d: %d columns: %q", width, n, line)
				}
			}
		}
	}
}

// TestTableDropsTheLessImportant holds that a wider terminal never shows fewer columns, and which come first.
func TestTableDropsTheLessImportant(t *testing.T) {
	r := many(200)
	had := 0
	for width := 40; width <= 300; width++ {
		_, heads, _ := strings.Cut(tableOf(t, r, width, false), "\n\n")
		heads, _, _ = strings.Cut(heads, "\n")
		for _, must := range []string{"START (UTC)", "WHO", "TARGET"} {
			if !strings.Contains(heads, must) {
				t.Errorf("width %d lacks %s: %s", width, must, heads)
			}
		}
		n := len(strings.Fields(heads))
		if n < had {
			t.Errorf("width %d has %d columns, less than a narrower one: %s", width, n, heads)
		}
		had = n
	}
	if had < 16 { // START (UTC) is two words
		t.Errorf("a wide terminal has %d columns", had)
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 5, []string{""}},
		{"a b", 5, []string{"a b"}},
		{"one two three", 7, []string{"one two", "three"}},
		{"one two three", 8, []string{"one two", "three"}},
		{"one  two", 4, []string{"one", "two"}},
		{"abcdefgh", 3, []string{"abc", "def", "gh"}},
		{"ab 日本語", 5, []string{"ab", "日本", "語"}},
		{"日本", 1, []string{"日", "本"}},
		{"  a b", 3, []string{"  a", "b"}},
	} {
		if diff := cmp.Diff(tt.want, wrap(tt.text, tt.width, false)); diff != "" {
			t.Errorf("%q, %d wide (-want +got):\n%s", tt.text, tt.width, diff)
		}
	}
	// In proportion to the text: half an hour, were it not so.
	if n := len(wrap(strings.Repeat("x", 10<<20), 40, false)); n != 10<<20/40 {
		t.Errorf("%d lines", n)
	}
}

func TestTableNeverPadsToALongValue(t *testing.T) {
	r := small()
	r.Sessions[0].Reason = strings.Repeat("x", 1<<20)
	if n := len(tableOf(t, r, 0, false)); n > 16<<10 {
		t.Errorf("%d bytes", n)
	}
}

// TestTableColours holds that colours change nothing else, and that nothing else is sent to the terminal.
func TestTableColours(t *testing.T) {
	for _, r := range []*Report{small(), attack()} {
		coloured := tableOf(t, r, 100, true)
		bare := strings.NewReplacer(string(bold), "", string(faint), "", string(red), "", string(yellow), "", reset, "").Replace(coloured)
		if want := tableOf(t, r, 100, false); bare != want {
			t.Errorf("without colours (-want +got):\n%s", cmp.Diff(want, bare))
		}
		if coloured == bare {
			t.Error("there are no colours")
		}
	}
}
