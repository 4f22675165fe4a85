package build

import "github.com/trailcast/trailcast/internal/yamlconf"

// ConfSchema implements yamlconf.Schemer.
func (*Input) ConfSchema() map[string]any { return yamlconf.ItemSchema(Input{}, configs(inputs)) }

// ConfSchema implements yamlconf.Schemer.
func (*Filter) ConfSchema() map[string]any { return yamlconf.ItemSchema(Filter{}, configs(filters)) }

// ConfSchema implements yamlconf.Schemer.
func (*Output) ConfSchema() map[string]any { return yamlconf.ItemSchema(Output{}, configs(outputs)) }

// JSONSchema describes the configuration file in JSON Schema 2020-12.
func JSONSchema() ([]byte, error) {
	const id = "https://github.com/trailcast/trailcast/configs/trailcast.schema.json"
	return yamlconf.JSONSchema(id, "trailcast configuration", Config{})
}
