package jq

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/internal/conf"
)

// syntax is what is known of a program's syntax tree.
type syntax struct {
	calls   []*gojq.Func
	defined map[string]bool // functions and their closure parameters, by name/arity
	loops   bool
}

// inspect walks a syntax tree. Every node that calls something is a *gojq.Func, wherever it stands.
func inspect(query *gojq.Query) *syntax {
	s := &syntax{defined: map[string]bool{}}
	s.walk(reflect.ValueOf(query))
	return s
}

func (s *syntax) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		switch n := v.Interface().(type) {
		case *gojq.Func:
			s.calls = append(s.calls, n)
		case *gojq.FuncDef:
			s.defined[signature(n.Name, len(n.Args))] = true
			for _, arg := range n.Args {
				s.defined[signature(arg, 0)] = true
			}
		case *gojq.Reduce, *gojq.Foreach, *gojq.Label, *gojq.Import:
			s.loops = true
		}
		s.walk(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				s.walk(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			s.walk(v.Index(i))
		}
	}
}

func signature(name string, arity int) string { return fmt.Sprintf("%s/%d", name, arity) }

// refusedFunctions reach outside of the event, or end the program.
var refusedFunctions = map[string]string{
	"halt": "it would end the program", "halt_error": "it would end the program",
	"input": "a program sees one event at a time", "inputs": "a program sees one event at a time",
	"debug": "it would print event data", "stderr": "it would print event data",
	"env": "events must not carry the environment away; use vars", "$ENV": "events must not carry the environment away; use vars",
	"input_filename": "the object's name is in .trailcast.origin.object after enrich", "input_line_number": "a program sees one event at a time",
	"get_search_list": "it would show paths of this machine", "modulemeta": "it would show paths of this machine",
}

// refused returns a call that a program in the pipeline may not make.
func (s *syntax) refused() (name string, arity int, found bool) {
	for _, call := range s.calls {
		if refusedFunctions[call.Name] != "" && !s.defined[signature(call.Name, len(call.Args))] {
			return call.Name, len(call.Args), true
		}
	}
	return "", 0, false
}

// rename turns calls of a function without arguments into references of a variable, unless the program defines the
// function itself.
func (s *syntax) rename(name, variable string) (any bool) {
	if s.defined[signature(name, 0)] {
		return false
	}
	for _, call := range s.calls {
		if call.Name == name && len(call.Args) == 0 {
			call.Name = variable
			any = true
		}
	}
	return any
}

// mayRunLong reports whether a program may run for longer than its input's size explains.
func (s *syntax) mayRunLong() bool {
	if s.loops || len(s.defined) > 0 {
		return true
	}
	for _, call := range s.calls {
		if !isBrief(call.Name) {
			return true
		}
	}
	return false
}

// isBrief reports whether the work of a function is bounded by the size of its input: a program that calls no others
// ends soon.
func isBrief(name string) bool {
	if strings.HasPrefix(name, "$") {
		return true
	}
	switch name {
	case "select", "map", "has", "in", "IN", "index", "rindex", "inside", "contains", "test", "match", "startswith",
		"endswith", "ltrimstr", "rtrimstr", "length", "utf8bytelength", "not", "empty", "error", "keys", "keys_unsorted",
		"values", "nulls", "strings", "numbers", "objects", "arrays", "booleans", "scalars", "iterables", "type",
		"tostring", "tonumber", "ascii_downcase", "ascii_upcase", "to_entries", "from_entries", "with_entries", "del",
		"add", "any", "all", "first", "last", "join", "split", "fromjson", "tojson", "null", "true", "false", "min", "max",
		"min_by", "max_by", "unique", "unique_by", "group_by", "sort", "sort_by", "reverse", "map_values", "floor",
		"ascii", "explode", "capture", "sub", "gsub", "account", "actor", "service", "cidr_contains", "arn",
		"trim", "ltrim", "rtrim", "trimstr", "strftime", "date", "implode", "flatten", "abs", "ceil", "round", "sqrt", "toarray", "transpose",
		"scan", "splits", "tostream", "paths", "getpath", "pick", "fromdate", "todate", "fromdateiso8601", "strptime", "mktime", "now":
		return true
	}
	return false
}

// builtOrder returns the keys of the object that a program builds as its last step, in the order in which they are
// written; nil where that is not plain to see.
func builtOrder(q *gojq.Query) []string {
	for q != nil && q.Term == nil && q.Op == gojq.OpPipe && len(q.Patterns) == 0 {
		q = q.Right
	}
	if q == nil || q.Term == nil || q.Term.Type != gojq.TermTypeObject || len(q.Term.SuffixList) > 0 {
		return nil
	}
	var order []string
	for _, kv := range q.Term.Object.KeyVals {
		switch {
		case kv.Key != "":
			order = append(order, strings.TrimPrefix(kv.Key, "$"))
		case kv.KeyString != nil && len(kv.KeyString.Queries) == 0:
			order = append(order, kv.KeyString.Str)
		default:
			return nil
		}
	}
	return order
}

func parseError(text conf.Text, err error) error {
	e, ok := errors.AsType[*gojq.ParseError](err)
	if !ok {
		return &conf.Error{Pos: text.Pos, Msg: "jq: " + err.Error()}
	}
	msg, hint := "jq: "+e.Error(), ""
	if e.Token == "" && strings.Contains(e.Error(), "EOF") {
		msg, hint = "jq: the program ends too early", "a bracket, a quote, or the end of an if is missing"
	}
	return &conf.Error{Pos: text.At(e.Offset - len(e.Token)), Msg: msg, Hint: hint}
}

func refusal(text conf.Text, name string, arity int) error {
	return &conf.Error{
		Pos: placeOf(text, name), Msg: fmt.Sprintf("jq: %s is not allowed here: %s", signature(name, arity), refusedFunctions[name]),
	}
}

// compileError finds the place of what the compiler did not like: it names it, but tells no offset.
func compileError(text conf.Text, err error) error {
	msg := err.Error()
	e := &conf.Error{Pos: text.Pos, Msg: "jq: " + msg}
	for _, kind := range []string{"function not defined: ", "variable not defined: ", "label not defined: "} {
		what, ok := strings.CutPrefix(msg, kind)
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(what, "/")
		e.Pos = placeOf(text, name)
		if near := nearest(name); near != "" && kind == "function not defined: " {
			e.Hint = fmt.Sprintf("did you mean %q?", near)
		}
	}
	return e
}

// placeOf is the place of a name in a program: the first one that stands alone.
func placeOf(text conf.Text, name string) conf.Pos {
	src := text.Value
	for from := 0; ; {
		i := strings.Index(src[from:], name)
		if i < 0 {
			return text.Pos
		}
		i += from
		end := i + len(name)
		if (i == 0 || !isWord(src[i-1]) && src[i-1] != '.' && src[i-1] != '$') && (end == len(src) || !isWord(src[end])) {
			return text.At(i)
		}
		from = end
	}
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
