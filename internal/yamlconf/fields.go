package yamlconf

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/trailcast/trailcast/internal/conf"
)

// field is what the tags of a struct's field say; see package conf.
type field struct {
	name      string // "" for a field that can only be given inline
	index     []int
	typ       reflect.Type
	isInline  bool
	required  bool
	byDefault string
	doc       string
	example   string
	enum      []string
}

type fields []field

// fieldsOf reads the tags of a struct type. Fields without a conf tag are not configuration; those of an
// embedded struct are as if they stood in its place.
func fieldsOf(t reflect.Type) fields {
	var list fields
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && f.IsExported() && f.Type.Kind() == reflect.Struct {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append(slices.Clone(f.Index), inner.index...)
				list = append(list, inner)
			}
			continue
		}
		tag, ok := f.Tag.Lookup("conf")
		if !ok || tag == "-" || !f.IsExported() {
			continue
		}
		name, option, _ := strings.Cut(tag, ",")
		parsed := field{
			name: name, index: f.Index, typ: f.Type, isInline: option == "inline",
			required: f.Tag.Get("required") == "true", byDefault: f.Tag.Get("default"),
			doc: f.Tag.Get("doc"), example: f.Tag.Get("example"),
		}
		if enum := f.Tag.Get("enum"); enum != "" {
			parsed.enum = strings.Split(enum, ",")
		}
		list = append(list, parsed)
	}
	return list
}

func (list fields) named(name string) *field {
	for i := range list {
		if list[i].name == name && name != "" {
			return &list[i]
		}
	}
	return nil
}

func (list fields) inline() *field {
	i := slices.IndexFunc(list, func(f field) bool { return f.isInline })
	if i < 0 {
		return nil
	}
	return &list[i]
}

func (list fields) names() []string {
	var names []string
	for _, f := range list {
		if f.name != "" {
			names = append(names, f.name)
		}
	}
	return names
}

// anyKnown reports whether a mapping has a key of the struct, or one that was probably meant to be: else it is an
// unquoted text in braces. An empty mapping is no text.
func (list fields) anyKnown(n Node) bool {
	names, empty := list.names(), true
	for key := range n.members() {
		empty = false
		if slices.Contains(names, key.Value) || nearest(key.Value, names) != "" {
			return true
		}
	}
	return empty
}

func (list fields) hint() string { return strings.Join(list.names(), ", ") }

func (f *field) exampleHint() string {
	if f.example == "" {
		return ""
	}
	return "for example " + f.name + ": " + f.example
}

// listOf names the type of a list in the plural.
func (f *field) listOf(t reflect.Type) string {
	switch elem := t.Elem(); {
	case elem == sizeType:
		return "a list of sizes"
	case elem == durationType:
		return "a list of durations"
	case elem == textType, elem.Kind() == reflect.String:
		return "a list of texts"
	case elem.Kind() == reflect.Int, elem.Kind() == reflect.Int64, elem.Kind() == reflect.Float64:
		return "a list of numbers"
	case elem.Kind() == reflect.Struct, elem.Kind() == reflect.Pointer, elem.Kind() == reflect.Map:
		return "a list of mappings"
	}
	return "a list"
}

// ofScalars reports whether the elements of a list type are no mappings and no lists.
func ofScalars(t reflect.Type) bool {
	if t.Elem() == textType {
		return true
	}
	switch t.Elem().Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return true
	}
	return false
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[conf.Size]()
	secretType   = reflect.TypeFor[conf.Secret]()
)

func (f *field) enumHint(value string) string {
	if best := nearest(value, f.enum); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return ""
}
