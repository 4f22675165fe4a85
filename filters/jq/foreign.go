package jq

import (
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// foreign compiles a call that gojq runs, on its input alone: the rest of the program stays on bytes. Only functions of one
// result at most, which end soon and need no variables.
func (c *compiler) foreign(f *gojq.Func, in *node) *node {
	if in.op == opEvent {
		return nil // gojq is as good for all of the program
	}
	switch signature(f.Name, len(f.Args)) {
	case "fromdate/0", "todate/0", "fromdateiso8601/0", "strptime/1", "mktime/0", "tojson/0", "fromjson/0", "ascii/0", "explode/0",
		"from_entries/0", "sub/2", "gsub/2", "sub/3", "gsub/3", "test/1", "test/2", "capture/1", "startswith/1", "endswith/1", "ltrimstr/1",
		"rtrimstr/1", "contains/1", "inside/1", "has/1", "in/1", "split/1", "join/1", "index/1", "rindex/1", "utf8bytelength/0", "floor/0",
		"arn/0":
		for _, arg := range f.Args {
			if n := c.query(arg, in); n == nil || n.streams() {
				return nil
			}
		}
	case "with_entries/1", "map_values/1", "group_by/1", "min_by/1", "max_by/1", "sort_by/1", "unique_by/1", "map/1", "del/1":
	default:
		return nil
	}
	q := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: f}}
	s := inspect(q)
	bound := func(call *gojq.Func) bool { return strings.HasPrefix(call.Name, "$") || c.definition(call) != nil }
	if _, _, refused := s.refused(); refused || s.mayRunLong() || slices.ContainsFunc(s.calls, bound) {
		return nil
	}
	code, err := gojq.Compile(q, extraFunctions()...)
	if err != nil {
		return nil
	}
	c.calls = append(c.calls, f.String())
	return &node{op: opForeign, a: in, code: code}
}

func (f *frame) appendForeign(dst []byte, n *node) ([]byte, status) {
	v, s := f.eval(n.a)
	if s != found {
		return dst, s
	}
	raw := v.raw
	if raw == nil {
		raw = v.append(nil)
	}
	input, err := Decode(raw)
	if err != nil {
		return dst, unknown // of an event that is not checked yet
	}
	iter := n.code.Run(input)
	result, ok := iter.Next()
	if !ok {
		return dst, nothing
	}
	if _, bad := result.(error); bad {
		return dst, fails
	}
	if _, further := iter.Next(); further {
		return dst, unknown
	}
	return NewEncoder(raw, input).Append(dst, result, nil), found
}
