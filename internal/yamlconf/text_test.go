package yamlconf

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/trailcast/trailcast/internal/conf"
)

// TestTextPositions looks for the letters A, B, C … of a text in the file: each stands there once, outside comments.
func TestTextPositions(t *testing.T) {
	tests := map[string]string{
		"plain":                       "when: .A | .B # x\n",
		"plain after wide characters": "é: 1\n\"käse\": {when: .A | é .B, x: 1}\n",
		"plain over lines":            "when: .A\n  | .B  \n\n     | C\n\n# comment\n",
		"plain on the next line":      "when:\n   .A\n   | .B\n",
		"single-quoted":               "when: '.A | \"x\" | .B'\n",
		"single-quoted with quotes":   "when: 'A''B'' ''C'''\n",
		"single-quoted over lines":    "when: '.A   \n\n\n   | B''x''\n  C'\n",
		"double-quoted":               "when: \".A | é .B\"\n",
		"double-quoted with escapes":  "when: \"\\x41 \\\"B\\\" \\n C\\u00e9D\\t\\\\ E\\U0001f600F\"\n",
		"double-quoted over lines":    "when: \"A B\\\n    C\n\n  D \\\"E\\\"\n   F\"\n",
		"literal":                     "when: |\n  A\n    | B\n\n\n  C é D\n\nx: y\n",
		"literal with indicators":     "x:\n  when: |2- # comment\n      A\n     B\n",
		"literal with blank first":    "when: |\n\n \n  A\n  B\n",
		"literal with blank deeper":   "when: |\n  A\n     \n  B\n",
		"literal in a list":           "x:\n- when: |+\n    A\n     B\n\n\n",
		"folded":                      "when: >\n  .A |\n  .B |\n\n  C\n    D\n    E\n  F\n  G\n",
		"folded with indicators":      "x:\n  when: >1-\n    A\n   B\n   C\n",
		"folded with blanks":          "when: >\n\n  A \n  B\n\n\n  C\n",
		"anchor":                      "when: &x 'A'\ny: *x\n",
		"anchor on its own line":      "when: &x\n  A\n",
		"windows line ends":           "x: 1\r\nwhen: |\r\n  A\r\n  B\r\ny: 'C'\r\n",
		"byte order mark":             "\ufeffwhen: A\n",
		"flow over lines":             "when: {x: [A\n  B, 1\n  , C]}\n",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			var root yaml.Node
			if err := yaml.Unmarshal([]byte(text), &root); err != nil {
				t.Fatal(err)
			}
			d := &Decoder{Errors: newErrors("f.yaml", []byte(text))}
			found := 0
			var walk func(n *yaml.Node)
			walk = func(n *yaml.Node) {
				for _, c := range n.Content {
					walk(c)
				}
				if n.Kind != yaml.ScalarNode {
					return
				}
				got := d.locate(Node{n: n, file: "f.yaml"})
				if got.Value != n.Value {
					t.Errorf("value %q, want %q", got.Value, n.Value)
				}
				for i, r := range got.Value {
					if r >= 'A' && r <= 'Z' {
						found++
						if want := place(d.lines, r); got.At(i) != want {
							t.Errorf("%c of %q is at %v, want %v", r, got.Value, got.At(i), want)
						}
					}
				}
			}
			walk(&root)
			if found == 0 {
				t.Error("no letter found")
			}
		})
	}
}

// place is where a letter stands; A may be written \x41.
func place(lines []string, r rune) conf.Pos {
	for i, line := range lines {
		for _, s := range []string{string(r), `\x41`} {
			if at := strings.Index(line, s); at >= 0 && (s != `\x41` || r == 'A') {
				return conf.Pos{File: "f.yaml", Line: i + 1, Column: len([]rune(line[:at])) + 1}
			}
		}
	}
	return conf.Pos{}
}
