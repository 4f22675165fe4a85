package report

import (
	"encoding/csv"
	"strings"
	"testing"
)

func csvOf(t testing.TB, r *Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCSV(t *testing.T) {
	golden(t, "report.csv", strings.ReplaceAll(csvOf(t, small()), "\r\n", "\n"))
}

func TestCSVEndsLinesAsDue(t *testing.T) {
	out := csvOf(t, small())
	if n := strings.Count(out, "\r\n"); n != 6 || strings.Count(out, "\n") != n || strings.Count(out, "\r") != n {
		t.Errorf("%d line ends: %q", n, out)
	}
}

func TestCSVDefusesFormulas(t *testing.T) {
	for in, want := range map[string]string{
		`=cmd|' /C calc'!A0`: `'=cmd|' /C calc'!A0`,
		"+1":                 "'+1",
		"-2+3":               "'-2+3",
		"@SUM(1)":            "'@SUM(1)",
		"  =1":               "'  =1",
		"\t=1":               `\u0009=1`,
		"\r=1":               `\u000d=1`,
		"\n=1":               `\u000a=1`,
		"＝1":                 "'＝1",
		`"=1`:                `"=1`,
		"a=b":                "a=b",
		"ok;=1; \"+2;x":      `ok;'=1;' "+2;x`,
		"i-0abc":             "i-0abc",
		"":                   "",
	} {
		r := &Report{Sessions: []Session{{Reason: in}}}
		rows, err := csv.NewReader(strings.NewReader(csvOf(t, r))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if got := rows[1][18]; rows[0][18] != "reason" || got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
