package build

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/trailcast/trailcast/"

// layer says what the packages below a folder may import of this module, as prefixes of paths in it. The first layer
// whose folder fits a package holds. "." stands for the package itself and what is below it.
type layer struct {
	folder  string
	imports []string
	stdOnly bool // nothing from outside the standard library and this module
}

var leaves = []string{"pipeline", "internal/awsconf", "internal/conf", "internal/large", "internal/natsconn", "internal/rawjson", "internal/splitconf", "internal/sqsqueue", "internal/listener", "internal/occasional", "internal/template", "internal/durable", "internal/terminal", "internal/gunzip", "internal/lazyregexp"}

var layers = []layer{
	{"pipeline", nil, true},
	{"internal/conf", nil, true},
	{"internal/rawjson", nil, false}, // the processor is asked what it can do
	{"internal/gunzip", nil, true},
	{"internal/lazyregexp", nil, true},
	{"internal/durable", nil, false},
	{"internal/natsconn", []string{"internal/conf"}, false},
	{"internal/splitconf", []string{"internal/conf", "formats"}, false},
	{"internal/listener", []string{"internal/conf"}, true},
	{"internal/occasional", nil, true},
	{"internal/awsconf", []string{"internal/conf", "internal/lazyregexp"}, false},
	{"internal/awstest", []string{"internal/awstest"}, false},
	{"internal/large", []string{"internal/rawjson"}, false},
	{"internal/sqsqueue", []string{"internal/awsconf", "internal/conf", "pipeline"}, false},
	{"internal/terminal", nil, true},
	{"internal/msgpack", nil, true},
	{"internal/template", []string{"pipeline", "internal/conf", "internal/rawjson"}, true},
	{"internal/statedir", []string{"internal/durable"}, false},
	{"internal/yamlconf", []string{"internal/conf"}, false},
	{"internal/observe", []string{"pipeline", "internal/terminal"}, false},
	{"formats", []string{"pipeline", "internal/gunzip", "internal/lazyregexp", "internal/rawjson", "formats"}, false},
	{"filters", append([]string{"formats", "internal/statedir", "."}, leaves...), false},
	{"inputs/inputtest", []string{"pipeline"}, false},
	{"inputs", append([]string{"formats", "internal/msgpack", "internal/statedir", "."}, leaves...), false},
	{"outputs/outputtest", []string{"pipeline", "formats", "internal/rawjson"}, false},
	{"outputs", append([]string{"formats", "internal/statedir", "."}, leaves...), false},
	{"internal/build", append([]string{
		"filters", "inputs", "outputs", "formats", "internal/statedir", "internal/yamlconf",
	}, leaves...), false},
	{"plugin", []string{"internal/fluentbit"}, true},
	{"bench", []string{"internal", "pipeline", "formats", "bench"}, false},
	{"cmd", []string{"internal", "pipeline", "formats", "filters", "inputs", "outputs"}, false},
	{"internal", []string{"internal", "pipeline", "formats", "filters", "inputs", "outputs"}, false}, // what commands do
	{"e2e", []string{"bench", "internal", "pipeline", "formats"}, false},
	{"configs", nil, false},
	{"docs", nil, false},
}

// readers of YAML: configurations, and a file of account names.
var readers = []string{"internal/yamlconf", "filters/enrich"}

// TestImports holds who may import whom: arrows point down only, and siblings never import each other. Test files may
// import what the test needs of the layers below, and outputs their conformance kit.
func TestImports(t *testing.T) {
	eachGoFile(t, func(t *testing.T, name string, file *ast.File) {
		pkg := path.Dir(name)
		i := slices.IndexFunc(layers, func(l layer) bool { return within(pkg, l.folder) })
		if i < 0 {
			t.Errorf("%s: the folder %s is in no layer: add it to the list in this test and to ARCHITECTURE.md", name, pkg)
			return
		}
		isTest := strings.HasSuffix(name, "_test.go")
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			inner, ours := strings.CutPrefix(imported, module)
			switch {
			case ours && !allowed(layers[i], pkg, inner) && !(isTest && allowedInTests(pkg, inner)):
				t.Errorf("%s: %s may not import %s", name, pkg, inner)
			case !ours && !isTest && layers[i].stdOnly && strings.Contains(strings.Split(imported, "/")[0], "."):
				t.Errorf("%s: %s may import the standard library only, not %s", name, pkg, imported)
			case imported == "C" && !within(pkg, "plugin"):
				t.Errorf("%s: cgo is for plugin/ only", name)
			case imported == "go.yaml.in/yaml/v3" && !isTest && !slices.Contains(readers, pkg):
				t.Errorf("%s: configurations are read with internal/yamlconf, not with %s", name, imported)
			}
		}
	})
}

// TestNoHiddenStart holds that nothing runs, or is registered, by being imported.
func TestNoHiddenStart(t *testing.T) {
	eachGoFile(t, func(t *testing.T, name string, file *ast.File) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		for _, spec := range file.Imports {
			if spec.Name != nil && spec.Name.Name == "_" && spec.Path.Value != `"embed"` { // for go:embed of a string
				t.Errorf("%s: blank import of %s", name, spec.Path.Value)
			}
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: func init", name)
			}
		}
	})
}

func allowed(l layer, pkg, imported string) bool {
	return pkg == imported || slices.ContainsFunc(l.imports, func(prefix string) bool {
		if prefix == "." {
			prefix = folderOf(pkg)
		}
		return within(imported, prefix)
	})
}

func allowedInTests(pkg, imported string) bool {
	switch {
	case within(imported, "internal/awstest"), within(pkg, "inputs") && within(imported, "inputs/inputtest"):
		return true
	case within(pkg, "outputs"):
		return within(imported, "outputs/outputtest") || within(imported, "bench/gen")
	case within(pkg, "internal/msgpack"), within(pkg, "internal/fluentbit"), within(pkg, "internal/gather"):
		return within(imported, "bench/gen")
	case within(pkg, "formats"), within(pkg, "filters"), within(pkg, "inputs"), within(pkg, "pipeline"):
		return within(imported, "bench/gen") || within(imported, "formats") || within(imported, "internal/rawjson")
	}
	return within(pkg, "internal/build") || within(pkg, "e2e") || within(pkg, "docs") || within(pkg, "bench")
}

// folderOf returns the component that a package belongs to: outputs/natsout of outputs/natsout/embedded.
func folderOf(pkg string) string {
	parts := strings.Split(pkg, "/")
	return path.Join(parts[:min(2, len(parts))]...)
}

func within(pkg, folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }

func eachGoFile(t *testing.T, check func(t *testing.T, name string, file *ast.File)) {
	t.Helper()
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() != ".." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		files++
		check(t, filepath.ToSlash(rel), file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Fatalf("only %d Go files found below %s", files, root)
	}
}
