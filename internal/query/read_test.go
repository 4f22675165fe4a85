package query_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/internal/query"
)

// Files are read several at a time; results and complaints come in the order of the files all the same.
func TestFilesKeepTheirOrder(t *testing.T) {
	dir := t.TempDir()
	var want, complaints strings.Builder
	for file := range 30 {
		var text strings.Builder
		for n := range (file % 7) * 300 {
			name := fmt.Sprintf("%d-%d", file, n)
			fmt.Fprintf(&text, `{"eventVersion":"1","eventName":"%s","eventSource":"iam.amazonaws.com","drop":%t}`+"\n", name, n%3 == 0)
			if n%3 != 0 {
				fmt.Fprintln(&want, name)
			}
		}
		text.WriteString("broken\n")
		name := filepath.Join(dir, fmt.Sprintf("%02d.json", file))
		if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&complaints, "trailcast: %s: byte %d: no JSON object begins here: \"broken\"\n", name, text.Len()-len("broken\n"))
	}
	for _, program := range []string{"select(.drop != true) | .eventName", "select(.drop != true) | .eventName, (empty | debug)"} {
		stdout, stderr, code := runQuery(t, "", "-r", program, dir)
		if stdout != want.String() || stderr != complaints.String() || code != query.ExitError {
			t.Errorf("%s: code %d, %d bytes of output, want %d, complaints\n%.500s\nwant\n%.500s", program, code, len(stdout), want.Len(), stderr, complaints.String())
		}
	}
}

// Results of records that the program decides where they are found, and of those that wait for a batch, keep their order.
func TestResultsKeepTheirOrder(t *testing.T) {
	var text, want strings.Builder
	for n := range 20_000 {
		value, printed := fmt.Sprintf(`"%d"`, n), fmt.Sprint(n)
		if n%700 == 0 || n > 10_000 && n < 12_000 {
			value = fmt.Sprintf(`{"n":[%d,{"b":1,"a":1.0}]}`, n)
			printed = fmt.Sprintf(`{"n":[%d,{"a":1,"b":1}]}`, n)
		}
		fmt.Fprintf(&text, `{"eventVersion":"1","eventName":"x","eventSource":"iam.amazonaws.com","requestParameters":%s}`+"\n", value)
		fmt.Fprintln(&want, printed)
	}
	stdout, stderr, code := runQuery(t, text.String(), "-r", ".requestParameters | tostring")
	if stdout = strings.ReplaceAll(stdout, "1.0", "1"); stdout != want.String() || stderr != "" || code != 0 {
		t.Errorf("code %d, %.300s: %d bytes, want %d", code, stderr, len(stdout), want.Len())
	}
}
