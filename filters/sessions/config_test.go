package sessions

import (
	"strings"
	"testing"
	"time"

	"github.com/trailcast/trailcast/internal/natsconn"
	"github.com/trailcast/trailcast/pipeline"
)

func TestKVMistakes(t *testing.T) {
	tests := []struct {
		config KV
		want   []string // what the error says; nil: none
	}{
		{KV{URL: []string{"nats://127.0.0.1:4222"}}, nil},
		{KV{URL: []string{"tls://a:4222", "tls://b:4222"}, Bucket: "x_1-y", Replicas: 3, Lease: 30 * time.Second, Identity: natsconn.Identity{User: "u", PasswordFile: "f"}}, nil},
		{KV{}, []string{"no server"}},
		{KV{URL: []string{"http://a"}, Bucket: "a.b", Replicas: 7, Lease: time.Second, Identity: natsconn.Identity{User: "u", Token: "t"}},
			[]string{"nats, tls", `"a.b" has a character`, "between 1 and 5", "shorter than 3s", "exclude each other"}},
	}
	for _, tt := range tests {
		err := tt.config.Validate()
		if (err == nil) != (tt.want == nil) {
			t.Errorf("%+v: %v", tt.config, err)
			continue
		}
		for _, part := range tt.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v lacks %q", err, part)
			}
		}
	}
	if _, err := New(Config{KV: &KV{}}, pipeline.Env{Name: "s"}); err == nil || !strings.Contains(err.Error(), "kv: url") {
		t.Errorf("%v", err)
	}
}

func TestConfigMistakes(t *testing.T) {
	tests := []struct {
		config Config
		want   []string // what the error says; nil: none
	}{
		{Config{}, nil},
		{Config{Logs: true, LogGrace: time.Hour, MuteAlerts: []string{"no_mfa", "unlogged"}, MaxMemory: 1 << 20}, nil},
		{Config{LogGrace: 15 * time.Minute}, nil}, // the default
		{Config{LogGrace: time.Hour}, []string{"without logs: true"}},
		{Config{MaxMemory: 1 << 10}, []string{"1MiB or more"}},
		{Config{Logs: true, IdleTimeout: -1, Settle: -1, Remember: -1, Activity: -1, MaxDuration: -1, LogGrace: -1, Hold: -1, MuteAlerts: []string{"x"}},
			[]string{"idle_timeout", "settle", "remember", "activity", "max_duration", "log_grace", "hold", `"x" is no alert; there are unlogged, denied`}},
	}
	for _, tt := range tests {
		err := tt.config.Validate()
		if (err == nil) != (tt.want == nil) {
			t.Errorf("%+v: %v", tt.config, err)
			continue
		}
		for _, part := range tt.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v lacks %q", err, part)
			}
		}
	}
}
