package yamlconf

import (
	"errors"
	"io"
	"testing"

	"github.com/trailcast/trailcast/internal/conf"
)

// FuzzDecode holds that no input panics and that every mistake has a place within the file.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "state_dir: ${HOME}/${X:-y}$${Z}\n", "items:\n  - server: {url: a, timeout: 1h, size: 4MiB, mode: slow}\n",
		"items:\n  - jq: |\n      .a\n       | .b\n  - jq: >-\n     .a\n\n      .b\n  - jq: \"a\\x41\\\n     b\"\n  - jq: 'a''b\n\n      c'\n",
		"items: &a\n  - jq: {program: ., vars: {x: *a, y: [1, 2.50, 0x10, ~, yes, 2020-01-01]}}\n",
		"items:\n\t- bare\n", "a: [b\nc: 'd\n", "? {a: b}\n: *x\n<<: !!binary z\n", "a: b\n---\nc\n...\n", "\ufeffa: \"\\q\"\r\n",
		"items:\n  - bare\n  - files: [x]\n    bare:\n  - server: {urll: 1, password: x}\n", "state_dir: \u0085\u2028x\n", "- - - a\n", "a: {b: c\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return // large files are slow, not different
		}
		doc, err := decode(string(data))
		for _, i := range doc.Items {
			if p, ok := i.Config.(*program); ok && err == nil {
				for at := range p.Program.Value {
					if pos := p.Program.At(at); pos.Line < 1 || pos.Column < 1 {
						t.Fatalf("no place for %q at %d", p.Program.Value, at)
					}
				}
			}
		}
		if err == nil {
			return
		}
		var errs *Errors
		if !errors.As(err, &errs) || len(errs.All()) == 0 {
			t.Fatalf("error is %T %v", err, err)
		}
		lines := splitLines(string(data))
		for _, m := range errs.All() {
			if m.Pos == (conf.Pos{}) || m.Pos.Line < 1 || m.Pos.Line > len(lines)+1 || m.Pos.Column < 1 {
				t.Fatalf("mistake without a place: %s", m)
			}
		}
		if err := errs.Format(io.Discard); err != nil {
			t.Fatal(err)
		}
	})
}
