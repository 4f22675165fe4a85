package build

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Reference returns the reference of all configuration keys as a Markdown page, made from the same definitions as the
// schema.
func Reference() (string, error) {
	text, err := JSONSchema()
	if err != nil {
		return "", err
	}
	var root schemaNode
	if err := json.Unmarshal(text, &root); err != nil {
		return "", err
	}
	r := reference{}
	r.WriteString("# Reference of the configuration\n\nMade from the code: `make generate`. What the keys mean together is in [configuration.md](configuration.md).\n")
	r.section("Top level", root, "inputs", "filters", "outputs")
	for _, part := range []struct {
		title, key string
		components []string
	}{{"Inputs", "inputs", names(inputs)}, {"Filters", "filters", names(filters)}, {"Outputs", "outputs", names(outputs)}} {
		item := root.Properties[part.key].items()
		r.section(part.title+": common keys", item, part.components...)
		for _, name := range part.components {
			r.section(strings.TrimSuffix(part.title, "s")+" `"+name+"`", item.Properties[name].object())
		}
	}
	return r.String(), nil
}

// schemaNode is what the page needs of a JSON Schema.
type schemaNode struct {
	Type        any                   `json:"type"`
	Description string                `json:"description"`
	Default     any                   `json:"default"`
	Enum        []any                 `json:"enum"`
	Examples    []any                 `json:"examples"`
	Properties  map[string]schemaNode `json:"properties"`
	Required    []string              `json:"required"`
	Items       *schemaNode           `json:"items"`
	AnyOf       []schemaNode          `json:"anyOf"`
}

// object is the form with keys of what may be written in several ways.
func (n schemaNode) object() schemaNode {
	if n.Properties != nil {
		return n
	}
	for _, a := range n.AnyOf {
		if o := a.object(); o.Properties != nil {
			return o
		}
	}
	return n
}

func (n schemaNode) items() schemaNode {
	if n.Items != nil {
		return n.Items.object()
	}
	for _, a := range n.AnyOf {
		if a.Items != nil {
			return a.Items.object()
		}
	}
	return schemaNode{}
}

type reference struct{ strings.Builder }

// section writes a table of an object's keys, and one for each object among them.
func (r *reference) section(title string, n schemaNode, leaveOut ...string) {
	fmt.Fprintf(r, "\n## %s\n\n", title)
	if len(n.Properties) == 0 {
		r.WriteString("No keys.\n")
		return
	}
	r.WriteString("| key | default | meaning |\n|---|---|---|\n")
	r.rows("", n, leaveOut)
}

func (r *reference) rows(prefix string, n schemaNode, leaveOut []string) {
	keys := make([]string, 0, len(n.Properties))
	for key := range n.Properties {
		if !slices.Contains(leaveOut, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		p := n.Properties[key]
		meaning := p.Description
		if len(p.Enum) > 0 && !slices.Contains(p.Enum, nil) {
			meaning += " One of " + values(p.Enum) + "."
		}
		if len(p.Examples) > 0 {
			meaning += " Example: " + values(p.Examples) + "."
		}
		byDefault := ""
		switch {
		case slices.Contains(n.Required, key):
			byDefault = "required"
		case p.Default != nil:
			byDefault = values([]any{p.Default})
		}
		fmt.Fprintf(r, "| `%s%s` | %s | %s |\n", prefix, key, byDefault, strings.ReplaceAll(meaning, "|", "\\|"))
		if o := p.object(); o.Properties != nil && len(p.AnyOf) == 0 {
			r.rows(prefix+key+".", o, nil)
		} else if i := p.items(); i.Properties != nil {
			r.rows(prefix+key+"[].", i, nil)
		}
	}
}

func values(list []any) string {
	var texts []string
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			b, _ := json.Marshal(v) // it came from JSON
			text = string(b)
		}
		texts = append(texts, "`"+strings.ReplaceAll(text, "|", "\\|")+"`")
	}
	return strings.Join(texts, ", ")
}
