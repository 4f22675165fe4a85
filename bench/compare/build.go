package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// programs are the paths of what is built from this checkout.
type programs struct{ trailcast, gen, launch, gunzip, split, publish string }

// build builds into dir, trailcast as its releases are, or as it is to be profiled; an existing trailcast is taken as it is.
func build(ctx context.Context, trailcast, dir string, toProfile bool) (programs, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return programs{}, err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return programs{}, err
	}
	// No version control stamps, so that the generator's bytes depend on its source alone.
	packages := []string{"-buildvcs=false", "-o", dir + "/", "./bench/gen", "./bench/compare/programs/..."}
	if err := goBuild(ctx, root, packages...); err != nil {
		return programs{}, err
	}
	if trailcast == "" {
		trailcast = filepath.Join(dir, "trailcast")
		pgo := "auto"
		if toProfile { // where what is hot has not been moved yet
			pgo = "off"
		}
		err = goBuild(ctx, root, "-pgo", pgo, "-ldflags", "-s -w -X main.version=compare", "-o", trailcast, "./cmd/trailcast")
	} else {
		trailcast, err = filepath.Abs(trailcast)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	return programs{trailcast, in("gen"), in("launch"), in("gunzip"), in("split"), in("publish")}, err
}

func goBuild(ctx context.Context, root string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", args[len(args)-1], err, out)
	}
	return nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}
