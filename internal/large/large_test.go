package large

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailcast/trailcast/internal/rawjson"
)

func jsonString(s string) string { return string(rawjson.AppendString(nil, s)) }

func TestTrim(t *testing.T) {
	big := func(n int) string { return `{"text":"` + strings.Repeat("x", n) + `"}` }
	tests := []struct {
		name string
		raw  string
		room int
		want []string // trailcast.trimmed; nil: it can not be trimmed
	}{
		{"largest only", `{"eventID":"e","requestParameters":` + big(500) + `,"responseElements":` + big(900) + `}`, 800, []string{"responseElements"}},
		{"two", `{"eventID":"e","requestParameters":` + big(900) + `,"responseElements":` + big(901) + `}`, 800, []string{"responseElements", "requestParameters"}},
		{"all", `{"additionalEventData":` + big(900) + `,"requestParameters":` + big(900) + `,"responseElements":` + big(901) + `}`, 500,
			[]string{"responseElements", "requestParameters", "additionalEventData"}},
		{"with trailcast", `{"requestParameters":` + big(900) + `,"trailcast":{"v":1,"id":"e"}}`, 500, []string{"requestParameters"}},
		{"elsewhere", `{"requestParameters":` + big(100) + `,"errorMessage":"` + strings.Repeat("m", 900) + `"}`, 800, nil},
		{"nothing", `{"errorMessage":"` + strings.Repeat("m", 900) + `"}`, 800, nil},
		{"no room", `{"requestParameters":` + big(900) + `}`, -5, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Trim([]byte(test.raw), test.room)
			if test.want == nil {
				if err == nil {
					t.Fatalf("got %s, want an error", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(got) > test.room {
				t.Errorf("got %d bytes, want at most %d", len(got), test.room)
			}
			var before, after map[string]any
			if err := json.Unmarshal([]byte(test.raw), &before); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(got, &after); err != nil {
				t.Fatalf("%v: %s", err, got)
			}
			trimmed := []string{}
			for _, key := range after["trailcast"].(map[string]any)["trimmed"].([]any) {
				trimmed = append(trimmed, key.(string))
				size, _ := rawjson.Get([]byte(test.raw), key.(string))
				want := map[string]any{"trailcast_trimmed": map[string]any{"bytes": float64(len(size))}}
				if diff := cmp.Diff(want, after[key.(string)]); diff != "" {
					t.Errorf("marker of %s (-want +got):\n%s", key, diff)
				}
				delete(before, key.(string))
				delete(after, key.(string))
			}
			if diff := cmp.Diff(test.want, trimmed); diff != "" {
				t.Errorf("trailcast.trimmed (-want +got):\n%s", diff)
			}
			delete(after["trailcast"].(map[string]any), "trimmed")
			if before["trailcast"] == nil {
				before["trailcast"] = map[string]any{}
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("the rest has changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSplitText(t *testing.T) {
	lines := func(n, size int, unit string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = jsonString(fmt.Sprint(i, " ", strings.Repeat(unit, size)))
		}
		return strings.Join(all, ",")
	}
	tests := []struct {
		name, raw, key string
	}{
		{"many lines", `{"sessionId":"s","seq":1,"lines":[` + lines(100, 50, "x") + `]}`, "lines"},
		{"streamed", `{"eventVersion":"1.0","sessionData":[` + lines(20, 300, "é\t\"") + `],"target":{"id":"i"}}`, "sessionData"},
		{"one long line", `{"lines":[` + lines(1, 5000, "\x1b[1m") + `]}`, "lines"},
		{"long and short", `{"lines":["a",` + lines(3, 1500, "\U0001F510\\") + `,"","z"],"trailcast":{"v":1}}`, "lines"},
		{"escaped", `{"lines":["` + strings.Repeat(`A\n\/`, 1000) + `"]}`, "lines"},
	}
	const room = 1000
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			parts := SplitText([]byte(test.raw), room)
			if len(parts) < 2 {
				t.Fatalf("got %d parts, want several", len(parts))
			}
			var whole struct {
				Lines       []string
				SessionData []string `json:"sessionData"`
			}
			if err := json.Unmarshal([]byte(test.raw), &whole); err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			for i, p := range parts {
				if len(p.Data) > room {
					t.Errorf("part %d has %d bytes, want at most %d", i+1, len(p.Data), room)
				}
				if want := fmt.Sprintf("#s%d-", i+1); !strings.HasPrefix(p.Suffix, want) || len(p.Suffix) != len(want)+8 {
					t.Errorf("part %d: got suffix %q, want %q", i+1, p.Suffix, want)
				}
				if err := rawjson.Valid(p.Data); err != nil {
					t.Fatalf("part %d: %v", i+1, err)
				}
				number, _ := rawjson.Get(p.Data, "trailcast", "part")
				if want := fmt.Sprintf(`{"n":%d,"of":%d}`, i+1, len(parts)); string(number) != want {
					t.Errorf("part %d: got trailcast.part %s, want %s", i+1, number, want)
				}
				array, _ := rawjson.Get(p.Data, test.key)
				var some []string
				if err := json.Unmarshal(array, &some); err != nil {
					t.Fatal(err)
				}
				if len(some) == 0 {
					t.Errorf("part %d has no text", i+1)
				}
				text.WriteString(strings.Join(some, ""))
				rest := rawjson.Delete(rawjson.Delete(p.Data, test.key), "trailcast")
				if want := rawjson.Delete(rawjson.Delete([]byte(test.raw), test.key), "trailcast"); string(rest) != string(want) {
					t.Errorf("part %d: beside the text got %s, want %s", i+1, rest, want)
				}
			}
			if want := strings.Join(append(whole.Lines, whole.SessionData...), ""); text.String() != want {
				t.Errorf("the text of all parts is not the whole text: got %d bytes, want %d", text.Len(), len(want))
			}
			if again := SplitText([]byte(test.raw), room); cmp.Diff(parts, again) != "" {
				t.Error("a repetition gives other parts")
			}
		})
	}
}

func TestTextThatCanNotBeSplit(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, raw := range []string{
		`{"lines":[1,"` + long + `",{"a":"` + long + `"}]}`,
		`{"lines":"` + long + `"}`,
		`{"lines":["a"],"target":"` + long + `"}`,
		`{"text":"` + long + `"}`,
	} {
		if parts := SplitText([]byte(raw), 1000); parts != nil {
			t.Errorf("%.40s…: got %d parts, want none", raw, len(parts))
		}
	}
}
