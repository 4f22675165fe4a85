package main

import "testing"

func TestMemoryLimit(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct{ inFlight, live, want int64 }{
		{4 * mib, 0, 64 * mib},
		{4 * mib, 36 * mib, 64 * mib},
		{4 * mib, 128 * mib, 176 * mib}, // filters that remember much get room for garbage too
		{64 * mib, 100 * mib, 184 * mib},
	} {
		if got := memoryLimit(c.inFlight, c.live); got != c.want {
			t.Errorf("%d MiB in flight, %d MiB alive: limit %d MiB, want %d MiB", c.inFlight/mib, c.live/mib, got/mib, c.want/mib)
		}
	}
}
