package sessions

import (
	"strings"
	"testing"
	"time"
)

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
		{Config{Logs: true, IdleTimeout: -1, Settle: -1, Remember: -1, Activity: -1, MaxDuration: -1, LogGrace: -1, MuteAlerts: []string{"x"}},
			[]string{"idle_timeout", "settle", "remember", "activity", "max_duration", "log_grace", `"x" is no alert; there are unlogged, denied`}},
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
