package fluentbit

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// sections returns the [OUTPUT] sections of a sample configuration of Fluent Bit, classic or YAML, with Name trailcast.
func sections(t *testing.T, path string) []map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var found []map[string]string
	keep := func(section string, keys map[string]string) {
		if section == "[OUTPUT]" && keys["name"] == "trailcast" {
			found = append(found, keys)
		}
	}
	if strings.HasSuffix(path, ".conf") {
		section, keys := "", map[string]string{}
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSpace(line)
			switch {
			case line == "" || line[0] == '#':
			case line[0] == '[':
				keep(section, keys)
				section, keys = line, map[string]string{}
			default:
				key, value, _ := strings.Cut(line, " ")
				keys[strings.ToLower(key)] = strings.TrimSpace(value)
			}
		}
		keep(section, keys)
		return found
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	for {
		var doc map[string]any
		if decoder.Decode(&doc) != nil {
			return found
		}
		if config, ok := doc["data"].(map[string]any); ok { // a ConfigMap
			if err := yaml.Unmarshal([]byte(config["fluent-bit.yaml"].(string)), &doc); err != nil {
				t.Fatal(err)
			}
		}
		pipeline, _ := doc["pipeline"].(map[string]any)
		outputs, _ := pipeline["outputs"].([]any)
		for _, o := range outputs {
			keys := map[string]string{}
			for k, v := range o.(map[string]any) {
				switch v := v.(type) {
				case bool:
					keys[k] = map[bool]string{true: "on", false: "off"}[v]
				default:
					keys[k] = fmt.Sprint(v)
				}
			}
			keep("[OUTPUT]", keys)
		}
	}
}

// fluentBits are keys that Fluent Bit keeps to itself.
var fluentBits = map[string]bool{"name": true, "match": true, "workers": true, "retry_limit": true}

// Every sample has keys that there are, with values that are right, and asks Fluent Bit to keep what is not confirmed.
func TestSamples(t *testing.T) {
	root := filepath.Join("..", "..", "configs", "fluent-bit")
	outputs := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(path) == "pipeline.yaml" || !strings.HasSuffix(path, ".conf") && !strings.HasSuffix(path, ".yaml") {
			return err
		}
		for _, keys := range sections(t, path) {
			outputs++
			asked := map[string]bool{}
			get := func(key string) string {
				asked[strings.ToLower(key)] = true
				if strings.EqualFold(key, configKey) && keys["config_file"] != "" {
					return filepath.Join(root, "pipeline.yaml")
				}
				return getter(keys)(key)
			}
			if _, err := load(get); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			for key := range maps.Keys(keys) {
				if !asked[key] && !fluentBits[key] {
					t.Errorf("%s: unknown key %s", path, key)
				}
			}
			if keys["retry_limit"] != "no_limits" || keys["workers"] == "" {
				t.Errorf("%s: no Retry_Limit no_limits, or no Workers", path)
			}
		}
		return nil
	})
	if err != nil || outputs < 7 {
		t.Errorf("%d outputs in the samples, %v", outputs, err)
	}
}
