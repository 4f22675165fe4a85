// Package yamlconf decodes YAML strictly into the structs that package conf describes: every unknown key, duplicate,
// missing or wrong value is reported, all at once, each with its place in the file.
//
// Anchors and aliases are allowed for whole values; merge keys (<<), tags (!!str) and a second document are refused.
// ${NAME} and ${NAME:-default} are expanded in scalar values after parsing, so that an environment variable can never
// add keys; not in keys and not in conf.Text. $${ stands for a literal ${. A conf.Secret that is given must not be empty.
package yamlconf

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/trailcast/trailcast/internal/conf"
)

// Unmarshaler is implemented by types that decode themselves: the items of a list of components.
type Unmarshaler interface {
	UnmarshalConf(d *Decoder, n Node)
}

// Decode reads the one document of data into the struct that into points to. file is the name that positions carry; env
// looks variables up, as os.LookupEnv does; with nil nothing is expanded. A returned error is *Errors; into is then only partly filled. Nothing in
// data makes Decode panic.
func Decode(file string, data []byte, env func(string) (string, bool), into any) error {
	return Read(file, data, env, into).Err()
}

// Read is Decode for those who look for further mistakes: it returns the list of mistakes also when it is empty.
func Read(file string, data []byte, env func(string) (string, bool), into any) *Errors {
	d := &Decoder{Errors: newErrors(file, data), env: env}
	if root := d.parse(data); root != nil {
		d.Decode(Node{n: resolve(root), file: file, key: pos(file, root)}, into)
	}
	return d.Errors
}

// Decoder decodes the values of one file and collects its mistakes.
type Decoder struct {
	*Errors
	env    func(string) (string, bool)
	silent bool // decoding defaults: nothing can be required
	nodes  int  // values decoded so far
	misses int  // keys so far that could not be taken
}

// maxNodes bounds what aliases can blow a file up to.
const maxNodes = 200_000

// Decode decodes n into what into points to.
func (d *Decoder) Decode(n Node, into any) { d.decode(n, reflect.ValueOf(into).Elem(), &field{}) }

// Item is one element of a list of components: beside the common keys it has exactly one key that names the component.
type Item struct {
	Component string // the key; "" when none was found, which is reported
	Node      Node   // its value
}

// Item decodes the common keys of a list item into the struct that common points to and finds its component.
func (d *Decoder) Item(n Node, common any, components []string) Item {
	if n.n.Kind == yaml.ScalarNode && slices.Contains(components, n.n.Value) { // - stdin
		n.n = &yaml.Node{Kind: yaml.MappingNode, Line: n.n.Line, Column: n.n.Column, Content: []*yaml.Node{
			n.n, {Kind: yaml.ScalarNode, Tag: "!!null", Line: n.n.Line, Column: n.n.Column},
		}}
	}
	if n.n.Kind != yaml.MappingNode {
		d.wrongKind(n, "a mapping with one of the keys "+strings.Join(components, ", "))
		return Item{}
	}
	misses := d.misses
	found := d.fill(n, reflect.ValueOf(common).Elem(), components)
	switch {
	case len(found) == 0 && d.misses == misses: // else the unknown key is probably the component
		d.report(n.key, n.path, "no component is named here", "one of "+strings.Join(components, ", "))
	case len(found) > 1:
		for _, extra := range found[1:] {
			d.report(extra.node.key, n.path, fmt.Sprintf("%q stands beside %q, but an item has one component",
				extra.key, found[0].key), "make two items of it")
		}
	}
	if len(found) == 0 {
		return Item{}
	}
	return Item{found[0].key, found[0].node}
}

// Report adds a mistake about n.
func (d *Decoder) Report(n Node, msg, hint string) { d.report(n.key, n.path, msg, hint) }

func (d *Decoder) report(at conf.Pos, path, msg, hint string) {
	d.add(Mistake{Pos: at, Path: path, Msg: msg, Hint: hint})
}

func (d *Decoder) wrongKind(n Node, expected string) {
	d.report(n.value(), n.path, fmt.Sprintf("expected %s, got %s", expected, describe(n.n)), "")
}

func (d *Decoder) count() int { return len(d.mistakes) + d.more }

var (
	textType        = reflect.TypeFor[conf.Text]()
	unmarshalerType = reflect.TypeFor[Unmarshaler]()
)

func (d *Decoder) decode(n Node, v reflect.Value, f *field) {
	if !d.take(n) {
		return
	}
	if n.n.Style&yaml.TaggedStyle != 0 {
		d.report(n.value(), n.path, "the tag "+n.n.Tag+" is not supported", "write the value without it")
		return
	}
	if reflect.PointerTo(v.Type()).Implements(unmarshalerType) {
		v.Addr().Interface().(Unmarshaler).UnmarshalConf(d, n)
		return
	}
	switch {
	case v.Type() == textType:
		d.text(n, v.Addr().Interface().(*conf.Text), "")
	case v.Kind() == reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.decode(n, p.Elem(), f)
		v.Set(p)
	case v.Kind() == reflect.Struct:
		d.structure(n, v)
	case v.Kind() == reflect.Slice:
		d.slice(n, v, f)
	case v.Kind() == reflect.Map:
		d.mapping(n, v, f)
	case v.Kind() == reflect.Interface:
		if value := d.any(n, 0); value != nil {
			v.Set(reflect.ValueOf(value))
		}
	default:
		d.scalar(n, v, f)
	}
}

// take counts a value; false when there have been too many.
func (d *Decoder) take(n Node) bool {
	if d.nodes++; d.nodes == maxNodes+1 {
		d.report(n.value(), cut(n.path), fmt.Sprintf("the configuration has more than %d values", maxNodes),
			"aliases count each time they are used")
	}
	return d.nodes <= maxNodes
}

func (d *Decoder) structure(n Node, v reflect.Value) {
	fields := fieldsOf(v.Type())
	inline := fields.inline()
	switch {
	case n.n.Kind == yaml.MappingNode && inline != nil && inline.typ == textType && !fields.anyKnown(n):
		d.text(n, v.FieldByIndex(inline.index).Addr().Interface().(*conf.Text), fields.hint())
		return
	case n.n.Kind == yaml.MappingNode:
	case n.isNull():
		n.n = &yaml.Node{Kind: yaml.MappingNode, Line: n.n.Line, Column: n.n.Column} // a component without options
	case inline != nil && (n.n.Kind == yaml.ScalarNode || inline.typ.Kind() == reflect.Slice || inline.typ == textType):
		d.inlined(n, v, fields, inline)
		return
	default:
		d.wrongKind(n, "a mapping")
		return
	}
	d.fill(n, v, nil)
}

// inlined decodes the value of a component that stands for its only important field: jq: .eventName
func (d *Decoder) inlined(n Node, v reflect.Value, fields fields, inline *field) {
	before := d.count()
	d.decode(n, v.FieldByIndex(inline.index), inline)
	for i := range fields {
		if f := &fields[i]; f != inline {
			d.absent(n, v, f)
		}
	}
	if d.count() == before {
		d.requireValue(n, v, inline)
	}
	if d.count() == before {
		d.validate(n, v, before)
	}
}

type member struct {
	key  string
	node Node
}

// fill decodes a mapping into a struct. Members whose key is in extra are returned in their order.
func (d *Decoder) fill(n Node, v reflect.Value, extra []string) (rest []member) {
	before := d.count()
	fields := fieldsOf(v.Type())
	given := map[string]bool{}
	for _, m := range d.members(n) {
		f := fields.named(m.key)
		if f == nil {
			if slices.Contains(extra, m.key) {
				rest = append(rest, m)
			} else {
				d.unknown(m, fields, extra)
			}
			continue
		}
		given[f.name] = true
		was := d.count()
		d.decode(m.node, v.FieldByIndex(f.index), f)
		if d.count() == was {
			d.requireValue(m.node, v, f)
		}
	}
	for i := range fields {
		if f := &fields[i]; !given[f.name] {
			d.absent(n, v, f)
		}
	}
	d.validate(n, v, before)
	return rest
}

// members returns the keys of a mapping with their values; wrong keys are reported and left out.
func (d *Decoder) members(n Node) []member {
	var list []member
	seen := map[string]conf.Pos{}
	for key, value := range n.members() {
		at := pos(n.file, key)
		switch first, twice := seen[key.Value]; {
		case key.Tag == "!!merge":
			d.misses++
			d.report(at, n.path, "merge keys (<<) are not supported",
				"repeat the keys, or use an alias for a whole value")
		case key.Kind != yaml.ScalarNode || key.Style&yaml.TaggedStyle != 0:
			d.report(at, n.path, "a key must be a plain text, got "+describe(key), "")
		case twice:
			d.report(at, join(n.path, key.Value), "duplicate key", fmt.Sprintf("first given in line %d", first.Line))
		default:
			seen[key.Value] = at
			list = append(list, member{key.Value, n.child(value, key.Value, at)})
		}
	}
	return list
}

func (d *Decoder) unknown(m member, fields fields, extra []string) {
	d.misses++
	known := append(fields.names(), extra...)
	d.report(m.node.key, m.node.path, "unknown key", suggest(m.key, known))
	if f := fields.named(nearest(m.key, known)); f != nil && f.typ == secretType && m.node.n.Kind == yaml.ScalarNode {
		d.hide(m.node)
	}
}

// requireValue reports a required field that is given but empty.
func (d *Decoder) requireValue(n Node, v reflect.Value, f *field) {
	if !f.required {
		return
	}
	switch value := v.FieldByIndex(f.index); {
	case value.Type() == textType:
		if strings.TrimSpace(value.Interface().(conf.Text).Value) != "" {
			return
		}
	case value.Kind() == reflect.Slice && value.Len() == 1 && value.Index(0).Kind() == reflect.String:
		if value.Index(0).Len() > 0 {
			return
		}
	case value.Kind() == reflect.String, value.Kind() == reflect.Slice, value.Kind() == reflect.Map:
		if value.Len() > 0 {
			return
		}
	default:
		return
	}
	if n.n.Kind == yaml.ScalarNode && f.typ != textType && strings.Contains(n.n.Value, "${") {
		d.report(n.value(), n.path, fmt.Sprintf("%s is empty, but a value is required", n.n.Value), "")
		return
	}
	d.report(n.value(), n.path, "must not be empty", "")
}

// absent gives a field that is not in the file its default, or reports that it must be.
func (d *Decoder) absent(n Node, v reflect.Value, f *field) {
	value := v.FieldByIndex(f.index)
	switch {
	case f.byDefault != "":
		d.setDefault(value, f)
	case f.required && !d.silent:
		d.report(n.key, n.path, fmt.Sprintf("required key %q is missing", f.name), f.exampleHint())
	case value.Kind() == reflect.Struct && f.typ != textType:
		for inner := fieldsOf(f.typ); len(inner) > 0; inner = inner[1:] {
			quiet := Decoder{Errors: newErrors("", nil), silent: true}
			quiet.absent(n, value, &inner[0])
		}
	}
}

// setDefault decodes a default tag. A tag that does not decode is a mistake in the program, found by the test of all
// components.
func (d *Decoder) setDefault(v reflect.Value, f *field) {
	if v.Type() == textType {
		v.Set(reflect.ValueOf(conf.Text{Value: f.byDefault}))
		return
	}
	node := &yaml.Node{Kind: yaml.ScalarNode, Value: f.byDefault}
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		var document yaml.Node
		if err := yaml.Unmarshal([]byte(f.byDefault), &document); err == nil && len(document.Content) == 1 {
			node = document.Content[0]
		}
	}
	quiet := Decoder{Errors: newErrors("", nil), silent: true}
	quiet.decode(Node{n: node, path: f.name}, v, f)
	if err := quiet.Err(); err != nil {
		d.report(conf.Pos{}, f.name, "internal error: bad default: "+err.Error(), "")
	}
}

// validate calls the struct's Validate method. Where the struct has mistakes already, only what it says about values
// that are given and right so far is kept: the rest may be a consequence.
func (d *Decoder) validate(n Node, v reflect.Value, before int) {
	validator, ok := v.Addr().Interface().(interface{ Validate() error })
	if !ok || d.silent {
		return
	}
	broken := d.count() > before
	for _, err := range flatten(validator.Validate()) {
		if !broken || d.stands(n, err) {
			d.Add(n, err)
		}
	}
}

// stands reports whether an error is about a value that is given and has no other mistake.
func (d *Decoder) stands(n Node, err error) bool {
	var detail *conf.Error
	if !errors.As(err, &detail) {
		return false
	}
	if detail.Field == "" {
		return detail.Pos != conf.Pos{}
	}
	return n.has(detail.Field) && !d.mistaken(n, detail.Field)
}

// mistaken reports whether a mistake was found in a field already.
func (d *Decoder) mistaken(n Node, field string) bool {
	path := join(n.path, field)
	for _, m := range d.mistakes {
		if rest, ok := strings.CutPrefix(m.Path, path); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var list []error
		for _, err := range joined.Unwrap() {
			list = append(list, flatten(err)...)
		}
		return list
	}
	return []error{err}
}

// slice decodes a list. A single text or number stands for a list of one.
func (d *Decoder) slice(n Node, v reflect.Value, f *field) {
	if n.isNull() {
		return
	}
	if n.n.Kind == yaml.ScalarNode && ofScalars(v.Type()) {
		list := reflect.MakeSlice(v.Type(), 1, 1)
		d.decode(n, list.Index(0), f)
		v.Set(list)
		return
	}
	if n.n.Kind != yaml.SequenceNode {
		d.wrongKind(n, f.listOf(v.Type()))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.n.Content), len(n.n.Content))
	for i := range n.n.Content {
		d.decode(n.item(i), list.Index(i), f)
	}
	v.Set(list)
}

func (d *Decoder) mapping(n Node, v reflect.Value, f *field) {
	if n.isNull() {
		return
	}
	if n.n.Kind != yaml.MappingNode {
		d.wrongKind(n, "a mapping")
		return
	}
	result := reflect.MakeMap(v.Type())
	for _, m := range d.members(n) {
		value := reflect.New(v.Type().Elem()).Elem()
		d.decode(m.node, value, f)
		result.SetMapIndex(reflect.ValueOf(m.key).Convert(v.Type().Key()), value)
	}
	v.Set(result)
}
