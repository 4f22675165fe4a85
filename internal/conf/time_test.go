package conf_test

import (
	"strings"
	"testing"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
)

func TestTime(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 5e8, time.FixedZone("", 3600)) // 11:00 in UTC
	for text, want := range map[string]struct {
		time     string
		absolute bool
	}{
		"2026-01-31":                  {"2026-01-31T00:00:00Z", true},
		"2026-01-31T12:00:00.7+01:00": {"2026-01-31T11:00:00.7Z", true},
		"0s":                          {"2026-03-10T11:00:00.5Z", false},
		"1h30m":                       {"2026-03-10T09:30:00.5Z", false},
		"36h":                         {"2026-03-08T23:00:00.5Z", false},
		"0d":                          {"2026-03-10T11:00:00.5Z", false},
		"90d":                         {"2025-12-10T11:00:00.5Z", false},
		"99999d":                      {"1752-05-26T11:00:00.5Z", false},
	} {
		got, err := conf.Time(text, false, now)
		if err != nil || got.Format(time.RFC3339Nano) != want.time {
			t.Errorf("%s: %v %v, want %s", text, got, err, want.time)
		}
		if conf.IsAbsolute(text) != want.absolute {
			t.Errorf("%s: absolute %v", text, !want.absolute)
		}
		if end, err := conf.Time(text, true, now); err != nil || !end.Equal(got) && text != "2026-01-31" {
			t.Errorf("%s: as an end %v %v", text, end, err)
		}
	}
	if end, _ := conf.Time("2026-01-31", true, now); end.Format(time.RFC3339) != "2026-02-01T00:00:00Z" {
		t.Errorf("the end of a day is %v", end)
	}
	if none, err := conf.Time("", true, now); !none.IsZero() || err != nil {
		t.Errorf("nothing is %v %v", none, err)
	}
	for _, text := range []string{"yesterday", "-1h", "-1d", "1.5d", "1d12h", "100000d", "d", "2026-02-30", "2026-01-31 12:00", " 1h"} {
		if got, err := conf.Time(text, false, now); err == nil || !strings.Contains(err.Error(), "90d") {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
}
