package build

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/trailcast/trailcast/internal/yamlconf"
)

// FlatKey is a key of the Fluent Bit plugin that stands beside its [OUTPUT] instead of in a file. Each stands for one key
// of the configuration file, or switches a component on.
type FlatKey struct {
	Name    string // Nats_Tls_Ca_File; Fluent Bit's lookup ignores case
	Group   string // what it belongs to, a heading of the reference
	Doc     string
	Default string
	Example string

	component string // path of the list item that the key belongs to: filters/enrich, outputs/nats; "" for none
	path      string // in the configuration file, or in the component's item; "" for a switch
	kind      flatKind
	required  bool // where any key of the component is given
}

type flatKind int

const (
	flatText flatKind = iota
	flatBool
	flatList // separated by commas
)

const configFileKey = "Config_File"

// flatComponents are the components that can be written with flat keys, in the order in which they are run.
var flatComponents = []struct{ list, key, prefix string }{
	{"filters", "enrich", "Enrich"},
	{"filters", "redact", "Redact"},
	{"filters", "jq", "Filter"},
	{"outputs", "nats", "Nats"},
	{"outputs", "sns", "Sns"},
	{"outputs", "file", "File"},
	{"outputs", "stdout", "Stdout"},
}

// switches are the components that need no setting, and what they do.
var switches = map[string]string{
	"enrich": "add the object trailcast with account, actor, service and more to each event.",
	"redact": "replace secrets, with the built-in rules unless Redact_Defaults is off.",
	"stdout": "write events to Fluent Bit's standard output, to look at them.",
}

// FlatKeys are all flat keys of the plugin, made from the same definitions as the configuration file.
func FlatKeys() ([]FlatKey, error) {
	text, err := PluginSchema()
	if err != nil {
		return nil, err
	}
	var root schemaNode
	if err := json.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	keys := []FlatKey{{Name: configFileKey, Group: "Pipeline", Example: "/etc/trailcast/pipeline.yaml",
		Doc: "Configuration file with filters, outputs and quarantine. Excludes all other keys."}}
	keys = appendFlat(keys, FlatKey{Group: "Records", path: "fluent_bit"}, root.Properties["fluent_bit"])
	limits := root.Properties["limits"]
	delete(limits.Properties, "workers") // a key of Fluent Bit's own
	keys = appendFlat(keys, FlatKey{Group: "Records", path: "limits"}, limits)
	keys = appendFlat(keys, FlatKey{Name: "Quarantine", Group: "Quarantine", path: "quarantine"}, root.Properties["quarantine"])
	for _, c := range flatComponents {
		item := root.Properties[c.list].items()
		config := item.Properties[c.key].object()
		if _, ok := config.Properties["embedded"]; ok { // an agent's alternative to url
			delete(config.Properties, "embedded")
			config.Required = append(config.Required, "url")
			url := config.Properties["url"]
			url.Description, _, _ = strings.Cut(url.Description, " Required unless")
			config.Properties["url"] = url
		}
		base := FlatKey{Name: c.prefix, Group: c.prefix, component: c.list + "/" + c.key}
		switch does, switched := switches[c.key]; {
		case c.key == "jq":
			program := config.Properties["program"]
			keys = append(keys, FlatKey{Name: c.prefix, Group: c.prefix, component: base.component, path: "jq.program",
				Doc: program.Description + " Runs after Enrich and Redact.", Example: example(program)})
			delete(config.Properties, "program")
		case switched:
			on := base
			on.kind, on.Doc = flatBool, "on: "+does
			keys = append(keys, on)
		}
		if c.list == "outputs" {
			when := item.Properties["when"]
			keys = append(keys, FlatKey{Name: "When_" + c.prefix, Group: c.prefix, component: base.component, path: "when",
				Doc: when.Description, Example: example(when)})
		}
		nested := base
		nested.path = c.key
		keys = appendFlat(keys, nested, config)
		if c.list == "outputs" {
			for _, key := range []string{"delivery", "best_effort_buffer", "on_error", "ordered"} {
				keys = appendFlatKey(keys, base, key, item.Properties[key])
			}
		}
	}
	return keys, nil
}

// appendFlat adds a key for each scalar and each list of scalars below a node.
func appendFlat(keys []FlatKey, base FlatKey, n schemaNode) []FlatKey {
	for _, key := range slices.Sorted(mapKeys(n.Properties)) {
		before := len(keys)
		keys = appendFlatKey(keys, base, key, n.Properties[key])
		if slices.Contains(n.Required, key) {
			keys[before].required = true
		}
	}
	return keys
}

func appendFlatKey(keys []FlatKey, base FlatKey, key string, n schemaNode) []FlatKey {
	k := base
	k.Name = join(base.Name, "_", title(key))
	k.path = join(base.path, ".", key)
	if len(n.Properties) > 0 {
		return appendFlat(keys, k, n)
	}
	types := n.types()
	switch {
	case slices.Contains(types, "object") || n.items().Properties != nil:
		return keys // only in a file
	case slices.Contains(types, "boolean"):
		k.kind = flatBool
	case slices.Contains(types, "array"):
		k.kind = flatList
	}
	if slices.Contains(types, "array") && !slices.Contains(types, "string") {
		return keys // of mappings
	}
	k.Doc, k.Example = n.Description, example(n)
	if n.Default != nil {
		k.Default = plain(n.Default)
	}
	if k.Name == "Redact_Defaults" {
		k.Default = "on" // what Redact on alone means
	}
	for _, e := range n.enum() {
		k.Doc += map[bool]string{true: " One of ", false: ", "}[!strings.Contains(k.Doc, " One of ")] + plain(e)
	}
	return append(keys, k)
}

// types are all JSON types that a node takes.
func (n schemaNode) types() []string {
	var types []string
	switch t := n.Type.(type) {
	case string:
		types = append(types, t)
	case []any:
		for _, one := range t {
			types = append(types, fmt.Sprint(one))
		}
	}
	for _, a := range n.AnyOf {
		types = append(types, a.types()...)
	}
	return types
}

func (n schemaNode) enum() []any {
	for _, a := range n.AnyOf {
		if len(a.Enum) > 0 {
			return a.Enum
		}
	}
	return n.Enum
}

func mapKeys(m map[string]schemaNode) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func join(a, between, b string) string {
	if a == "" {
		return b
	}
	return a + between + b
}

// title writes max_age as Max_Age.
func title(key string) string {
	words := strings.Split(key, "_")
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "_")
}

// example returns a node's example without the quotes that YAML needs and a flat key does not.
func example(n schemaNode) string {
	if len(n.Examples) == 0 {
		return ""
	}
	s := plain(n.Examples[0])
	if len(s) > 1 && s[0] == '\'' && s[len(s)-1] == '\'' {
		return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	}
	return s
}

// plain writes a value as a flat key has it.
func plain(v any) string {
	switch v := v.(type) {
	case bool:
		return map[bool]string{true: "on", false: "off"}[v]
	case []any:
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = plain(v[i])
		}
		return strings.Join(texts, ", ")
	}
	return fmt.Sprint(v)
}

// FlatError is one mistake in flat keys.
type FlatError struct {
	Key string // "" where no single key is at fault
	Msg string
}

func (e *FlatError) Error() string { return join(e.Key, ": ", e.Msg) }

// LoadFlat reads the configuration of an instance of the plugin from flat keys; get returns the value of a key, "" where
// it is not given. The mistakes are all that there are.
func LoadFlat(get func(name string) string) (*PluginConfig, []FlatError) {
	keys, err := FlatKeys()
	if err != nil {
		return nil, []FlatError{{Msg: err.Error()}}
	}
	f := flat{names: map[string]string{}}
	f.read(keys, get)
	if len(f.errs) > 0 {
		return nil, f.errs
	}
	config, err := LoadPlugin("", []byte(f.document()), nil)
	if err != nil {
		return nil, f.explain(err)
	}
	config.flat = &f
	return config, nil
}

// Explain says what Build has found wrong in terms of what the user has written: flat keys, or a file.
func (c *PluginConfig) Explain(err error) error {
	if c.flat == nil || err == nil {
		return err
	}
	var errs []error
	for _, e := range c.flat.explain(err) {
		errs = append(errs, &e)
	}
	return errors.Join(errs...)
}

// flat turns flat keys into a document.
type flat struct {
	root  branch
	names map[string]string // flat key by path in the document
	errs  []FlatError
}

// branch is a mapping or list item of the document.
type branch struct {
	key      string
	value    string // YAML of a scalar or list; "" for a mapping
	children []*branch
}

func (b *branch) child(key string) *branch {
	for _, c := range b.children {
		if c.key == key {
			return c
		}
	}
	c := &branch{key: key}
	b.children = append(b.children, c)
	return c
}

func (f *flat) wrong(key, format string, args ...any) {
	f.errs = append(f.errs, FlatError{key, fmt.Sprintf(format, args...)})
}

func (f *flat) read(keys []FlatKey, get func(string) string) {
	for _, c := range flatComponents {
		f.component(c.list+"/"+c.key, c.prefix, keys, get)
	}
	for _, k := range keys {
		value := get(k.Name)
		if value == "" || k.component != "" || k.path == "" {
			continue
		}
		f.set(&f.root, k.path, k, value)
		f.names[k.path] = k.Name
	}
	if len(f.root.child("outputs").children) == 0 {
		f.wrong("", "no output is configured: give Nats_Url and Nats_Subject, Sns_Topic_Arn, File_Path, or %s", configFileKey)
	}
}

// component adds the list item of a component if any of its keys is given.
func (f *flat) component(component, prefix string, keys []FlatKey, get func(string) string) {
	list, name, _ := strings.Cut(component, "/")
	item := &branch{}
	names := map[string]string{}
	given, on, hasSwitch, off := "", false, false, ""
	var missing []string
	for _, k := range keys {
		if k.component != component {
			continue
		}
		value := get(k.Name)
		if k.path == "" {
			hasSwitch = true
			if value != "" {
				var ok bool
				if on, ok = truth(value); !ok {
					f.wrong(k.Name, "expected on or off, got %q", value)
				} else if !on {
					off = k.Name
				}
			}
			continue
		}
		names[k.path] = k.Name
		if value != "" {
			given = k.Name
			f.set(item, k.path, k, value)
		} else if k.required {
			missing = append(missing, k.Name)
		}
	}
	switch {
	case given == "" && !on:
		return
	case hasSwitch && !on && off == "":
		f.wrong(given, "has no effect without %s on", prefix)
		return
	case hasSwitch && !on:
		return // switched off, its settings kept
	}
	for _, key := range missing {
		f.wrong(key, "is required beside %s", given)
	}
	config := item.child(name)
	if name == "redact" && get("Redact_Defaults") == "" {
		config.child("defaults").value = "true"
	}
	if len(config.children) == 0 && config.value == "" {
		config.value = "{}"
	}
	items := f.root.child(list)
	for path, flatName := range names {
		f.names[fmt.Sprintf("%s[%d].%s", list, len(items.children), path)] = flatName
	}
	at := fmt.Sprintf("%s[%d]", list, len(items.children))
	f.names[at] = prefix
	for _, k := range keys { // a mistake in the only value that a component needs is often said of the component
		if k.component == component && k.required && f.names[at+"."+name] == "" {
			f.names[at+"."+name] = k.Name
		}
	}
	items.children = append(items.children, item)
}

func (f *flat) set(at *branch, path string, k FlatKey, value string) {
	for key := range strings.SplitSeq(path, ".") {
		at = at.child(key)
	}
	switch k.kind {
	case flatBool:
		on, ok := truth(value)
		if !ok {
			f.wrong(k.Name, "expected on or off, got %q", value)
		}
		at.value = fmt.Sprint(on)
	case flatList:
		var parts []string
		for part := range strings.SplitSeq(value, ",") {
			parts = append(parts, quoted(strings.TrimSpace(part)))
		}
		at.value = "[" + strings.Join(parts, ", ") + "]"
	default:
		at.value = quoted(value)
	}
}

// truth reads a switch as Fluent Bit does.
func truth(s string) (value, ok bool) {
	switch strings.ToLower(s) {
	case "on", "true", "yes", "1":
		return true, true
	case "off", "false", "no", "0":
		return false, true
	}
	return false, false
}

// quoted writes a text as a double-quoted YAML scalar.
func quoted(s string) string {
	b, _ := json.Marshal(strings.ToValidUTF8(s, "\uFFFD")) // a string
	return string(b)
}

// document is the YAML that the keys stand for.
func (f *flat) document() string {
	var b strings.Builder
	f.root.write(&b, "")
	return b.String()
}

func (b *branch) write(out *strings.Builder, indent string) {
	for _, c := range b.children {
		switch {
		case c.value != "":
			fmt.Fprintf(out, "%s%s: %s\n", indent, c.key, c.value)
		case len(c.children) > 0 && c.children[0].key == "": // a list
			fmt.Fprintf(out, "%s%s:\n", indent, c.key)
			for _, item := range c.children {
				fmt.Fprintf(out, "%s  -\n", indent)
				item.write(out, indent+"    ")
			}
		case len(c.children) > 0:
			fmt.Fprintf(out, "%s%s:\n", indent, c.key)
			c.write(out, indent+"  ")
		}
	}
}

// explain says mistakes of the document by the flat keys that they come from.
func (f *flat) explain(err error) []FlatError {
	if err == nil {
		return nil
	}
	mistakes, ok := err.(*yamlconf.Errors)
	if !ok {
		return []FlatError{{Msg: err.Error()}}
	}
	var errs []FlatError
	for _, m := range mistakes.All() {
		msg := m.Msg
		if m.Hint != "" {
			msg += " (" + m.Hint + ")"
		}
		key := f.keyOf(m.Path)
		if field, rest, ok := strings.Cut(msg, ": "); ok && f.names[m.Path+"."+field] != "" {
			key, msg = f.names[m.Path+"."+field], rest
		}
		errs = append(errs, FlatError{key, msg})
	}
	return errs
}

// keyOf returns the flat key of a path in the document, or that of the component that it is in.
func (f *flat) keyOf(path string) string {
	for path != "" {
		if name, ok := f.names[path]; ok {
			return name
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			break
		}
		path = path[:i]
	}
	return ""
}
