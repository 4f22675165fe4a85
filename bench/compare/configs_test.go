package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestConfigurations: what is written for each tool is what was meant, also for tools that are not here to refuse it.
func TestConfigurations(t *testing.T) {
	broker, err := startBroker(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer broker.close()
	b := &bench{data: data{zipped: "/data/a b/gz", lines: "/data/a b/lines.ndjson"}, broker: broker}
	dir := t.TempDir()
	entries, err := configs.ReadDir("configs")
	if err != nil || len(entries) == 0 {
		t.Fatalf("%d configurations, %v", len(entries), err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if err := b.configure(dir, name, b.data.zipped); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(name) != ".yaml" {
			continue
		}
		var tree any
		if err := yaml.Unmarshal(text, &tree); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		values := strings.Join(leaves(tree), "\n")
		for part, want := range map[string]string{"select-": selection, "redpanda": selection,
			"jetstream": broker.url(), "redpanda-": "/data/a b/gz/*.gz", "run-": "/data/a b/gz", "-file": dir + "/out/",
			"vector": `.eventSource == "` + selectedSource + `"`} {
			if strings.Contains(name, part) && !strings.Contains(values, want) {
				t.Errorf("%s: no %q in\n%s", name, want, text)
			}
		}
	}
	if !strings.Contains(selection, `"`+selectedSource+`"`) {
		t.Errorf("%s does not select %s", selection, selectedSource)
	}
}

func leaves(value any) (texts []string) {
	switch value := value.(type) {
	case map[string]any:
		for _, v := range value {
			texts = append(texts, leaves(v)...)
		}
	case []any:
		for _, v := range value {
			texts = append(texts, leaves(v)...)
		}
	case string:
		return []string{value}
	}
	return texts
}
