package lazyregexp_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/trailcast/trailcast/internal/lazyregexp"
)

func TestRegexp(t *testing.T) {
	r := lazyregexp.New(`b(c+)`)
	if !r.MatchString("abccd") || r.MatchString("abd") {
		t.Error("MatchString is wrong")
	}
	if got := r.FindStringSubmatch("abccd"); len(got) != 2 || got[1] != "cc" {
		t.Errorf("FindStringSubmatch: %q", got)
	}
}

// TestAllAreValid holds that no expression of the project panics when it is used.
func TestAllAreValid(t *testing.T) {
	const root = "../.."
	found := 0
	check := func(path string) error {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			of, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || of.Sel.Name != "New" {
				return true
			}
			if name, ok := of.X.(*ast.Ident); !ok || name.Name != "lazyregexp" {
				return true
			}
			text, ok := call.Args[0].(*ast.BasicLit)
			if !ok {
				return true // the tests of its package use it
			}
			expr, err := strconv.Unquote(text.Value)
			if err == nil {
				_, err = regexp.Compile(expr)
			}
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			found++
			return true
		})
		return nil
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			return check(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 20 {
		t.Errorf("%d expressions: where are they?", found)
	}
}
