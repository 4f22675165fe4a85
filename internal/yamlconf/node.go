package yamlconf

import (
	"fmt"
	"iter"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/trailcast/trailcast/internal/conf"
)

// Node is a value of the configuration file with its place. The zero Node is nowhere.
type Node struct {
	n    *yaml.Node
	file string
	path string
	key  conf.Pos // of the key that holds the value; of the value itself in a list
}

// Pos returns where the key that holds the value stands; for an item of a list, where the item begins.
func (n Node) Pos() conf.Pos { return n.key }

// Path returns the keys and indexes that lead to the value, such as outputs[1].nats.
func (n Node) Path() string { return n.path }

// Locate returns the place of a dotted field of the value, or of the last part of it that is there.
func (n Node) Locate(field string) conf.Pos { return n.Field(field).key }

// Field returns a dotted field of the value, or the last part of it that is there.
func (n Node) Field(field string) Node {
	for name := range strings.SplitSeq(field, ".") {
		found := false
		for key, value := range n.members() {
			if key.Value == name {
				n, found = n.child(value, name, pos(n.file, key)), true
				break
			}
		}
		if !found {
			break
		}
	}
	return n
}

// has reports whether the first name of a dotted field is given.
func (n Node) has(field string) bool {
	name, _, _ := strings.Cut(field, ".")
	for key := range n.members() {
		if key.Value == name {
			return true
		}
	}
	return false
}

func (n Node) members() iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(k, v *yaml.Node) bool) {
		if n.n == nil || n.n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.n.Content); i += 2 {
			if !yield(n.n.Content[i], n.n.Content[i+1]) {
				return
			}
		}
	}
}

func (n Node) child(value *yaml.Node, name string, key conf.Pos) Node {
	return Node{n: resolve(value), file: n.file, path: join(n.path, name), key: key}
}

func (n Node) item(i int) Node {
	value := n.n.Content[i]
	return Node{n: resolve(value), file: n.file, path: fmt.Sprintf("%s[%d]", n.path, i), key: pos(n.file, value)}
}

// value returns the place of the value itself.
func (n Node) value() conf.Pos { return pos(n.file, n.n) }

func (n Node) isNull() bool {
	return n.n.Kind == yaml.ScalarNode && n.n.Tag == "!!null" && n.n.Style == 0
}

// name is the last key of the path, without the index of a list.
func (n Node) name() string {
	name, _, _ := strings.Cut(n.path[strings.LastIndexByte(n.path, '.')+1:], "[")
	return name
}

// resolve follows an alias to the value with the anchor. An alias to an alias does not exist in YAML.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func pos(file string, n *yaml.Node) conf.Pos {
	return conf.Pos{File: file, Line: n.Line, Column: n.Column}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// cut shortens the path of a deep value.
func cut(path string) string {
	if len(path) > 80 {
		return path[:80] + "…"
	}
	return path
}

// describe says what a value is, in the words of the documentation.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!bool":
		return n.Value
	case "!!int", "!!float":
		return "the number " + n.Value
	}
	return "a text"
}

// flow writes a value in one line as the user would have written it in {} and []: cut where it is long.
func flow(b *strings.Builder, n *yaml.Node, depth int) {
	if b.Len() > 200 || depth > 20 {
		b.WriteString("…")
		return
	}
	switch n.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i+1 < len(n.Content) && b.Len() <= 200; i += 2 {
			if i > 0 {
				b.WriteString(", ")
			}
			flow(b, n.Content[i], depth+1)
			if v := n.Content[i+1]; v.Kind != yaml.ScalarNode || v.Tag != "!!null" || v.Value != "" {
				b.WriteString(": ")
				flow(b, v, depth+1)
			}
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, v := range n.Content {
			if i > 0 {
				b.WriteString(", ")
			}
			if b.Len() > 200 {
				break
			}
			flow(b, v, depth+1)
		}
		b.WriteByte(']')
	case yaml.AliasNode:
		b.WriteString("*" + n.Value)
	default:
		if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
			fmt.Fprintf(b, "%q", n.Value)
			return
		}
		b.WriteString(strings.ReplaceAll(n.Value, "\n", " "))
	}
}
