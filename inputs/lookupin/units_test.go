package lookupin

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/google/go-cmp/cmp"

	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string // fields with mistakes
	}{
		{Config{}, ""},
		{Config{Start: "90d", Rate: 0.5, Category: "insight", Attribute: &Attribute{"EventName", "RunInstances"}, Regions: []string{"us-gov-west-1", "mx-central-1"}}, ""},
		{Config{Start: "2026-01-01", End: "2026-01-01"}, ""}, // a day
		{Config{Start: "2020-01-01", End: "2020-02-01"}, ""}, // it was right once
		{Config{Start: "30d", End: "2026-01-31"}, ""},        // it depends on when it is asked
		{Config{Start: "2026-01-02", End: "2026-01-01"}, "end"},
		{Config{Start: "1h", End: "2h"}, "end"},
		{Config{End: "2026-01-01"}, "start"},
		{Config{Start: "9999-01-01"}, "start"},
		{Config{Start: "-1h"}, "start"},
		{Config{Start: "yesterday", End: "tomorrow"}, "start end"},
		{Config{Rate: 2.5}, "rate"},
		{Config{Rate: -1}, "rate"},
		{Config{Rate: math.NaN()}, "rate"},
		{Config{Rate: 1e-9}, "rate"},
		{Config{Interval: -1}, "interval"},
		{Config{LookBack: -1}, "look_back"},
		{Config{Window: time.Millisecond}, "window"},
		{Config{Category: "data"}, "category"},
		{Config{Regions: []string{"eu-west-1", "eu-west-1", "../x"}}, "regions regions"},
		{Config{Attribute: &Attribute{"Color", ""}}, "attribute.key attribute.value"},
		{Config{Category: "insight", Attribute: &Attribute{"Username", "x"}}, "attribute.key"},
		{Config{Attribute: &Attribute{"ReadOnly", "no"}}, "attribute.value"},
		{Config{AWS: AWS{RoleARN: "x"}, Split: Split{Accept: []string{"x"}}}, "role_arn accept"},
	} {
		err := c.config.Validate()
		var fields []string
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, err := range joined.Unwrap() {
				if mistake, ok := errors.AsType[*conf.Error](err); ok {
					fields = append(fields, mistake.Field)
				}
			}
		}
		if got := strings.Join(fields, " "); got != c.want {
			t.Errorf("%+v: %v, want %q", c.config, err, c.want)
		}
	}
}

// TestParseTime holds that times are whole seconds.
func TestParseTime(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 5e8, time.Local)
	for text, want := range map[string]time.Time{
		"2026-01-31T12:00:00.7+01:00": time.Date(2026, 1, 31, 11, 0, 0, 0, time.UTC),
		"90d":                         now.Truncate(time.Second).Add(-90 * 24 * time.Hour),
		"0s":                          now.Truncate(time.Second),
		"":                            {},
	} {
		if got, err := parseTime(text, false, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
}

func TestSeen(t *testing.T) {
	s := newSeen(2)
	at := time.Unix(1000, 0)
	a, b, c := markOf("a", "x", at), markOf("b", "x", at.Add(time.Second)), markOf("c", "x", at)
	if !s.take(a) || !s.take(b) || !s.take(c) || s.take(a) {
		t.Error("new ones are new once")
	}
	s.settle([]mark{a}, false)
	if !s.take(a) {
		t.Error("what failed is new again")
	}
	s.settle([]mark{a, b, c}, true)
	if s.take(a) || s.take(b) || !s.take(c) || !s.overflowed() || s.overflowed() {
		t.Error("there is room for two")
	}
	s.forget(at.Add(time.Second))
	if !s.take(a) || s.take(b) {
		t.Error("the older one is forgotten")
	}
	if markOf("a", "bc", at).hash == markOf("ab", "c", at).hash {
		t.Error("where the id ends does not matter")
	}
}

func FuzzMarks(f *testing.F) {
	good, _ := marks{1: 2, math.MaxUint64: math.MaxUint32}.MarshalText()
	f.Add(string(good))
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		var m, again marks
		if m.UnmarshalText([]byte(text)) != nil {
			return
		}
		written, err := m.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalText(written); err != nil || !cmp.Equal(m, again) {
			t.Errorf("%v %v, want %v", err, again, m)
		}
	})
}

// feed collects what a splitter finds.
type feed struct {
	events []pipeline.Event
	broken []pipeline.Broken
}

func (f *feed) Feed(_ context.Context, events []pipeline.Event) error {
	f.events = append(f.events, events...)
	return nil
}

func (f *feed) Broken(_ context.Context, b pipeline.Broken) error {
	f.broken = append(f.broken, b)
	return nil
}

// FuzzElement holds that no text of an event disturbs the splitter, or vanishes.
func FuzzElement(f *testing.F) {
	for _, text := range []string{record("a", noon), `{}`, `{"Records":[]}`, `{"logEvents":[]}`, `{"Event":"s3:TestEvent","Service":"x"}`, "{\"a\":1}\n{", "{", "", "\x00", `{"CloudTrailEvent":"{}"}`} {
		f.Add("id", text)
	}
	r := &reader{name: "x", region: "eu-west-1", splitter: split.New(split.Options{MaxRecord: 1 << 12})}
	f.Fuzz(func(t *testing.T, id, text string) {
		var found feed
		e := &types.Event{EventId: aws.String(id), CloudTrailEvent: aws.String(text), EventTime: aws.Time(noon)}
		if err := r.feed(t.Context(), &found, []*types.Event{e}); err != nil {
			t.Fatal(err)
		}
		for _, ev := range found.events {
			_ = ev.Key()
			_ = ev.Facts()
		}
		if len(found.events)+len(found.broken) == 0 && !strings.HasPrefix(strings.TrimSpace(text), "{") {
			t.Errorf("%q is gone", text)
		}
	})
}

func TestBackoff(t *testing.T) {
	for failures := 1; failures < 2000; failures++ {
		if d := backoff(failures); d < time.Second/2 || d > 30*time.Second {
			t.Fatal(fmt.Sprint(failures, d))
		}
	}
}
