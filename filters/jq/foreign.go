package jq

import (
	"slices"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/internal/rawjson"
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
		"arn/0", "trim/0", "ltrim/0", "rtrim/0", "trimstr/1", "strftime/1", "date/0", "implode/0", "flatten/0", "flatten/1", "abs/0", "ceil/0",
		"round/0", "sqrt/0", "toarray/0", "transpose/0", "keys_unsorted/0", "split/2", "capture/2", "tostream/0",
		"match/1", "match/2", "scan/1", "scan/2", "splits/1", "splits/2":
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
	n := &node{op: opForeign, a: in, code: code}
	switch f.Name {
	case "match", "scan", "splits", "capture", "tostream":
		n.op = opForeigns
	}
	return n
}

func (f *frame) appendForeign(dst []byte, n *node) ([]byte, status) {
	run, s := f.startForeign(n)
	if s != found {
		return dst, s
	}
	result, ok := run.results.Next()
	if !ok {
		return dst, nothing
	}
	if _, bad := result.(error); bad {
		return dst, fails
	}
	if _, further := run.results.Next(); further {
		return dst, unknown
	}
	return NewEncoder(run.raw, run.input).Append(dst, result, nil), found
}

// eachForeign calls fn for each result of a call.
func (f *frame) eachForeign(n *node, fn func(value) status) status {
	run, s := f.startForeign(n)
	if s != found {
		return endOfStream(s)
	}
	enc := NewEncoder(run.raw, run.input)
	var room [256]byte
	for {
		result, ok := run.results.Next()
		if !ok {
			return found
		}
		if _, bad := result.(error); bad {
			return fails
		}
		if f.steps--; f.steps < 0 {
			return unknown
		}
		v, s := f.keep(enc.Append(room[:0], result, nil))
		if s != found {
			return s
		}
		if s := fn(v); s != found {
			return s
		}
	}
}

// foreignRun is a call at work.
type foreignRun struct {
	raw     []byte
	input   *decoded
	results gojq.Iter
}

func (f *frame) startForeign(n *node) (run foreignRun, s status) {
	v, s := f.eval(n.a)
	if s != found {
		return run, s
	}
	if run.raw = v.raw; run.raw == nil {
		run.raw = v.append(nil)
	}
	if rawjson.Valid(run.raw) != nil {
		return run, unknown // of an event that is not checked yet
	}
	run.input = decodeNoted(run.raw[rawjson.Next(run.raw, 0):])
	run.results = n.code.Run(run.input.value)
	return run, found
}
