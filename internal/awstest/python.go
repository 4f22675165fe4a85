// Package awstest runs the AWS emulator moto for tests, with a proxy in front of it that makes calls fail, and boto3 as a
// reader of its own. Python's packages go to a cache folder of the user at the first use.
package awstest

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

//go:embed requirements.txt
var requirements []byte

// ready is the file that says that an environment is complete.
const ready = "complete"

// Prepare makes the Python environment unless it is there, and returns its interpreter.
func Prepare(ctx context.Context) (python string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(requirements)
	dir := filepath.Join(cache, "trailcast", "aws-"+hex.EncodeToString(sum[:6]))
	python = filepath.Join(dir, "bin", "python")
	if _, err := os.Stat(filepath.Join(dir, ready)); err == nil {
		return python, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	lock := flock.New(dir + ".lock") // packages are tested at the same time
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if _, err := os.Stat(filepath.Join(dir, ready)); err == nil {
		return python, nil
	}
	if err := os.RemoveAll(dir); err != nil { // of an attempt that was cut off
		return "", err
	}
	list := dir + ".txt"
	if err := os.WriteFile(list, requirements, 0o600); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"python3", "-m", "venv", dir},
		{python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", list},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%v: %w\n%s", args, err, out)
		}
	}
	return python, os.WriteFile(filepath.Join(dir, ready), nil, 0o600)
}
