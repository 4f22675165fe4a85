package yamlconf

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/trailcast/trailcast/internal/conf"
)

// Schemer is implemented by Unmarshalers, which alone know what they take.
type Schemer interface {
	ConfSchema() map[string]any
}

// JSONSchema describes in JSON Schema 2020-12 what Decode takes for a type: keys, kinds, allowed values, defaults and
// descriptions, with unknown keys refused. Editors that know the schema complete and check a configuration.
func JSONSchema(id, title string, config any) ([]byte, error) {
	schema := schemaOf(reflect.TypeOf(config), &field{})
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["$id"] = id
	schema["title"] = title
	text, err := json.MarshalIndent(schema, "", "  ")
	return append(text, '\n'), err
}

// ItemSchema describes what Decoder.Item takes: the common keys and exactly one of the components, whose configuration
// types are given by key, each as a pointer to it. Both are what Decoder.Item gets.
func ItemSchema(common any, components map[string]any) map[string]any {
	schema := structSchema(reflect.TypeOf(common))
	properties := schema["properties"].(map[string]any)
	var one []any
	var alone []any
	for _, name := range sortedKeys(components) {
		t := reflect.TypeOf(components[name]).Elem()
		properties[name] = schemaOf(t, &field{})
		if !needsValue(t) {
			properties[name] = anyOf(properties[name], map[string]any{"type": "null"})
			alone = append(alone, name)
		}
		one = append(one, map[string]any{"required": []string{name}})
	}
	schema["oneOf"] = one
	if alone != nil {
		return anyOf(schema, map[string]any{"enum": alone})
	}
	return schema
}

// needsValue reports whether a component has required keys, so that its name alone says too little.
func needsValue(t reflect.Type) bool {
	return slices.ContainsFunc(fieldsOf(t), func(f field) bool { return f.required })
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// environment matches a value that is, or holds, an environment variable.
const environment = `\$\{.*\}`

func schemaOf(t reflect.Type, f *field) map[string]any {
	if schemer, ok := reflect.New(t).Interface().(Schemer); ok {
		return schemer.ConfSchema()
	}
	switch {
	case t == textType:
		return map[string]any{"type": "string"}
	case t == durationType:
		const pattern = `^-?([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$|^[0-9]+d$|^0$|` + environment
		return map[string]any{"type": []string{"string", "integer"}, "pattern": pattern, "maximum": 0}
	case t == sizeType:
		const pattern = `^[0-9]+ ?([KMGT]i?)?B?$|` + environment
		return map[string]any{"type": []string{"integer", "string"}, "pattern": pattern}
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem(), f)
	case t.Kind() == reflect.Struct:
		return structSchema(t)
	case t.Kind() == reflect.Slice:
		list := map[string]any{"type": []string{"array", "null"}, "items": schemaOf(t.Elem(), f)}
		if ofScalars(t) {
			return anyOf(schemaOf(t.Elem(), f), list)
		}
		return list
	case t.Kind() == reflect.Map:
		return map[string]any{"type": []string{"object", "null"}, "additionalProperties": schemaOf(t.Elem(), f)}
	case t.Kind() == reflect.String && f.enum != nil:
		return anyOf(map[string]any{"enum": f.enum}, map[string]any{"type": "string", "pattern": environment})
	case t.Kind() == reflect.String:
		return map[string]any{"type": "string"}
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": []string{"boolean", "string"}, "pattern": environment}
	case t.Kind() == reflect.Float64:
		return map[string]any{"type": []string{"number", "string"}, "pattern": environment}
	case t.Kind() == reflect.Interface:
		return map[string]any{}
	}
	return map[string]any{"type": []string{"integer", "string"}, "pattern": environment}
}

func structSchema(t reflect.Type) map[string]any {
	properties := map[string]any{}
	var required []string
	for _, f := range fieldsOf(t) {
		if f.name == "" {
			continue
		}
		schema := schemaOf(f.typ, &f)
		if f.doc != "" {
			schema["description"] = f.doc
		}
		if f.byDefault != "" {
			schema["default"] = jsonValue(f.typ, f.byDefault)
		}
		if f.example != "" {
			schema["examples"] = []any{jsonValue(f.typ, f.example)}
		}
		if f.required {
			required = append(required, f.name)
		}
		properties[f.name] = schema
	}
	schema := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if required != nil {
		schema["required"] = required
	}
	inline := fieldsOf(t).inline()
	if inline == nil {
		return schema
	}
	return anyOf(schemaOf(inline.typ, inline), schema)
}

func anyOf(schemas ...any) map[string]any { return map[string]any{"anyOf": schemas} }

// jsonValue is a default or example as JSON.
func jsonValue(t reflect.Type, s string) any {
	switch {
	case t == durationType, t == sizeType, t == textType:
		return s
	case t == reflect.TypeFor[conf.Secret]():
		return s
	case t.Kind() == reflect.Bool:
		return s == "true"
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
	case t.Kind() == reflect.Float64:
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			return n
		}
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Map, t.Kind() == reflect.Struct:
		return yamlValue(s)
	}
	return s
}

// yamlValue is a list or mapping written as in YAML.
func yamlValue(s string) any {
	var document yaml.Node
	if yaml.Unmarshal([]byte(s), &document) != nil || len(document.Content) != 1 {
		return s
	}
	d := Decoder{Errors: newErrors("", nil), silent: true}
	return d.any(Node{n: document.Content[0]}, 0)
}
