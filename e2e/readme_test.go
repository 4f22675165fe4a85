package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```")

// TestReadme runs what the README says: its configuration is checked and run, and every trailcast and go command of its
// shell blocks is executed on sample records.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	samples, err := filepath.Glob("../internal/demo/data/cloudtrail/*.json.gz")
	if err != nil || len(samples) == 0 {
		t.Fatal("no samples", err)
	}
	for _, s := range samples {
		data, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "logs", filepath.Base(s)), string(data))
	}
	data, err := os.ReadFile("../internal/demo/data/cloudtrail/start-session-01.json")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "logs", "session.json.gz"), string(data)) // the name lies; only the bytes count
	ran := 0
	for _, block := range fence.FindAllStringSubmatch(string(text), -1) {
		switch lang, body := block[1], block[2]; lang {
		case "yaml":
			body = strings.NewReplacer("/var/log/cloudtrail", dir+"/logs", "follow: true", "follow: false",
				"{embedded: {store_dir: ./state/nats}", `{embedded: {store_dir: ./state/nats, listen: "127.0.0.1:-1"}`).Replace(body)
			write(t, filepath.Join(dir, "trailcast.yaml"), "metrics: {listen: \"off\"}\n"+body)
		case "sh":
			for _, command := range commands(body) {
				switch {
				case strings.HasPrefix(command, "go run ./cmd/trailcast"), command == "make plugin":
					shell(t, root, command)
					ran++
				case strings.HasPrefix(command, "trailcast "):
					shell(t, dir, command)
					ran++
				case command == "make test" || strings.HasPrefix(command, "nats ") || strings.HasPrefix(command, "fluent-bit -e"):
					// the first is what runs this test; the second needs NATS's own tool; the third is run with the sample
					// that it names in TestFluentBitRunsTheSamples
				default:
					t.Errorf("the README has a command that is not tested: %s", command)
				}
			}
		}
	}
	if ran < 5 {
		t.Errorf("only %d commands of the README were run", ran)
	}
	archived, err := filepath.Glob(filepath.Join(dir, "archive", "*", "*", "*"))
	if err != nil || len(archived) == 0 {
		t.Errorf("the README's configuration wrote no archive: %v", err)
	}
}

// commands joins continued lines and leaves comments out.
func commands(block string) (list []string) {
	var current string
	open := false
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		if !open {
			if i := strings.Index(line, "  #"); i >= 0 {
				line = line[:i]
			}
		}
		current += line
		if open = strings.Count(current, "'")%2 == 1; open {
			current += "\n"
			continue
		}
		if c := strings.TrimSpace(current); c != "" && !strings.HasPrefix(c, "#") {
			list = append(list, c)
		}
		current = ""
	}
	return list
}

func shell(t *testing.T, dir, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // some build everything
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(trailcast)+string(os.PathListSeparator)+os.Getenv("PATH"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%s: %v\n%s", command, err, out.String())
	}
	if out.Len() == 0 {
		t.Errorf("%s printed nothing", command)
	}
}
