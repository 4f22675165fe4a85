package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// profiles are the files of CPU profiles that runs of trailcast have written.
type profiles []string

// next returns the file of the next run.
func (p *profiles) next(dir string) string {
	*p = append(*p, filepath.Join(dir, fmt.Sprintf("cpu-%d.pprof", len(*p))))
	return (*p)[len(*p)-1]
}

// merge writes them as one; to "" nothing.
func (p profiles) merge(ctx context.Context, to string) error {
	if to == "" || len(p) == 0 {
		return nil
	}
	merged, err := exec.CommandContext(ctx, "go", append([]string{"tool", "pprof", "-proto"}, p...)...).Output()
	if err != nil {
		return fmt.Errorf("merge profiles: %w", err)
	}
	return os.WriteFile(to, merged, 0o644)
}
