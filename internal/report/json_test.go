package report

import (
	"encoding/json"
	"strings"
	"testing"
)

func jsonOf(t testing.TB, r *Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestJSON(t *testing.T) {
	golden(t, "report.json", jsonOf(t, small()))
}

func TestNDJSON(t *testing.T) {
	var b strings.Builder
	if err := small().WriteNDJSON(&b); err != nil {
		t.Fatal(err)
	}
	var doc struct{ Sessions []json.RawMessage }
	if err := json.Unmarshal([]byte(jsonOf(t, small())), &doc); err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, s := range doc.Sessions {
		want += string(s) + "\n"
	}
	if b.String() != want {
		t.Errorf("got\n%s\nwant the sessions of the document\n%s", b.String(), want)
	}
}

func TestEmptyJSON(t *testing.T) {
	want := `{"notes":[],"totals":{"sessions":0,"attempts":0,"people":0,"targets":0,"unlogged":0,"tunnels":0,"alerts":0,"timed":0,"seconds":0,"lines":0},"sessions":[` + "\n]}\n"
	if got := jsonOf(t, &Report{}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestJSONKeepsValues holds that JSON escapes what is hostile, and loses nothing of it but what is no UTF-8.
func TestJSONKeepsValues(t *testing.T) {
	out := jsonOf(t, attack())
	harmless(t, out, "\n")
	var doc struct {
		Title    string
		Sessions []struct {
			Reason, Started string
			Alerts          []string
			Commands        []jsonCommand
			LogError        string `json:"log_error"`
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	want := strings.ToValidUTF8(strings.ReplaceAll(hostile, "\x9b31m\xff", "\ufffd31m\ufffd"), "?")
	for _, got := range []string{doc.Title, doc.Sessions[0].Reason, doc.Sessions[0].Alerts[0]} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if c := doc.Sessions[0].Commands; len(c) != 2 || c[1].Text != "ls" || c[1].Lines != 200 {
		t.Errorf("commands %+v", c)
	}
}
