package build

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/trailcast/trailcast/internal/yamlconf"
)

var update = flag.Bool("update", false, "rewrite configs/trailcast.schema.json")

var schemaFile = filepath.Join("..", "..", "configs", "trailcast.schema.json")

func TestSchemaIsUpToDate(t *testing.T) {
	want, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date: run go test ./internal/build -update", schemaFile)
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("trailcast.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("trailcast.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestSchemaAgreesWithLoad(t *testing.T) {
	schema := compiled(t)
	base := "inputs: [stdin]\noutputs: [stdout]\n"
	tests := map[string]struct {
		text  string
		valid bool
	}{
		"least":                        {base, true},
		"components without value":     {"inputs: [{stdin: }]\noutputs: [{stdout: {}, name: x}]\n", true},
		"inline program":               {base + "filters: [{jq: .a}]\n", true},
		"program with options":         {base + "filters: [{jq: {program: .a, vars: {x: 1}}}]\n", true},
		"variables":                    {base + "limits: {workers: \"${N:-4}\"}\nlog: {level: \"${L:-info}\"}\ndrain_timeout: ${D:-1s}\n", true},
		"one url":                      {"inputs: [stdin]\noutputs: [{nats: {url: 'nats://h', subject: a.b}}]\n", true},
		"no outputs":                   {"inputs: [stdin]\n", false},
		"unknown key":                  {base + "statedir: x\n", false},
		"unknown component":            {base + "filters: [{jqq: .a}]\n", false},
		"two components":               {base + "filters: [{jq: ., enrich: {}}]\n", false},
		"no component":                 {base + "filters: [{name: x}]\n", false},
		"component that needs a value": {"inputs: [stdin]\noutputs: [nats]\n", false},
		"wrong enum":                   {base + "log: {level: loud}\n", false},
		"wrong kind":                   {base + "limits: {workers: many}\n", false},
		"wrong duration":               {base + "drain_timeout: 10 parsecs\n", false},
		"wrong size":                   {base + "limits: {max_bytes_in_flight: 1 GB/s}\n", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var value any
			if err := yaml.Unmarshal([]byte(test.text), &value); err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(value); (err == nil) != test.valid {
				t.Errorf("schema says %v", err)
			}
			if _, err := Load("f", []byte(test.text), os.LookupEnv); (err == nil) != test.valid {
				t.Errorf("Load says %v", err)
			}
		})
	}
}

// TestTags holds that the tags of every component's Config mean something to the decoder: names, documentation,
// defaults that decode, defaults and examples within the enum.
func TestTags(t *testing.T) {
	all := map[string]any{"": &Config{}}
	for _, table := range []map[string]any{configs(inputs), configs(filters), configs(outputs)} {
		for name, config := range table {
			all[name] = config
		}
	}
	seen := map[reflect.Type]bool{}
	var check func(path string, typ reflect.Type)
	check = func(path string, typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || !strings.HasPrefix(typ.PkgPath(), "github.com/trailcast") || seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			tag, ok := f.Tag.Lookup("conf")
			if !ok || tag == "-" || !f.IsExported() {
				continue
			}
			name, option, _ := strings.Cut(tag, ",")
			at := path + "." + name
			if name != strings.ToLower(name) || strings.ContainsAny(name, "- ") || name == "" && option != "inline" {
				t.Errorf("%s: %q is no lower_snake_case name", at, name)
			}
			if f.Tag.Get("doc") == "" {
				t.Errorf("%s has no doc tag", at)
			}
			if enum, def := f.Tag.Get("enum"), f.Tag.Get("default"); enum != "" && def != "" && !strings.Contains(","+enum+",", ","+def+",") {
				t.Errorf("%s: the default %q is none of %s", at, def, enum)
			}
			if example := f.Tag.Get("example"); example != "" && name != "" {
				decodes(t, at, typ, name, example)
			}
			check(at, f.Type)
		}
	}
	for name, config := range all {
		check(name, reflect.TypeOf(config))
		err := yamlconf.Decode("f", []byte("{}"), os.LookupEnv, config)
		if err != nil && strings.Contains(err.Error(), "internal error") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// decodes holds that the example of a field can be written as it stands.
func decodes(t *testing.T, at string, typ reflect.Type, name, example string) {
	t.Helper()
	err := yamlconf.Decode("f", []byte(name+": "+example+"\n"), os.LookupEnv, reflect.New(typ).Interface())
	errs, ok := errors.AsType[*yamlconf.Errors](err)
	if !ok {
		return
	}
	for _, m := range errs.All() {
		if m.Pos.Column > 1 || strings.HasPrefix(m.Msg, "expected") { // else it is about what is missing beside it
			t.Errorf("%s: the example %s: %s", at, example, m)
		}
	}
}
