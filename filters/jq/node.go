package jq

import (
	"net/netip"
	"slices"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// node is an expression of jq that is evaluated on an event's bytes, with nothing decoded. It yields one result at most.
// Nodes are a tree and not closures, so that what they are evaluated with stays on the stack.
//
// The input of an expression (`.`) is a node too: .a | .b is the node of .a.b, and select(.a) | .b is opThen of the two.
type node struct {
	op      operation
	a, b, c *node
	slot    int // opPath: which of the paths that are looked up
	path    []string
	key     string // opMember; the text of string functions
	n       int    // opAt
	literal value
	strings map[string]bool // opIn: a large set, besides the others in list
	pattern *pattern
	nets    []netip.Prefix
	list    []*node
	members []member
	edits   []edit
	fact    *factsFunc
	keep    func(rawjson.Kind) bool
	eager   bool // opAny, opIndexOf: a failure behind the result counts too
	all     bool // opAny: all
}

// member is one of an object that a program builds.
type member struct {
	key   string
	begin []byte // the key as it is written, with the colon
	value *node
}

type operation uint8

const (
	opEvent   operation = iota // .
	opElement                  // . inside of any and all
	opPath                     // .a.b of the event
	opMember                   // a.key
	opAt                       // a[n]
	opLiteral
	opFact
	opThen   // a | b, where b has no more use for the input
	opSelect // a, where b holds
	opKeep   // a, where it is of some type
	opTry    // b; what fails in it, but not in its input a, yields nothing
	opIf     // a, b, c
	opAlternative
	opEmpty

	opAnd
	opOr
	opNot
	opEqual
	opUnequal
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opIn // a is one of list
	opStartsWith
	opEndsWith
	opContains
	opInside
	opTest
	opHas // b: the member of a
	opCIDR
	opAny // a: a stream, b: on each

	opIndexOf // a: a value or, with list, a stream; key
	opIndexInStream
	opType
	opLength
	opToString
	opLower
	opUpper
	opTrimPrefix
	opTrimSuffix

	// Streams.
	opEach // b on each element of a
	opEachQuiet
	opComma

	// What a program builds.
	opObject
	opArray // of a stream, a
	opText  // an interpolated string
	opEdit
)

// builds reports whether a node makes a value that has no bytes yet.
func (n *node) builds() bool {
	switch n.op {
	case opObject, opArray, opText, opEdit:
		return true
	case opThen, opTry:
		return n.b.builds()
	case opSelect:
		return n.a.builds()
	case opIf:
		return n.b.builds() || n.c.builds()
	case opAlternative:
		return n.b.builds()
	}
	return false
}

// streams reports whether a node may yield several results.
func (n *node) streams() bool { return n.op == opEach || n.op == opEachQuiet || n.op == opComma }

// source is the node whose value comes out of a node that passes its input on, or not.
func (n *node) source() *node {
	switch n.op {
	case opSelect, opKeep:
		return n.a.source()
	case opThen, opTry:
		return n.b.source()
	}
	return n
}

// then is a | b, for a b whose input is a's source.
func then(a, b *node) *node {
	if a.op == opEvent || a.op == opElement || a.op == opLiteral || b.beginsWith(a) {
		return b
	}
	return &node{op: opThen, a: a, b: b}
}

// beginsWith reports whether a is the first thing that n evaluates, so that n yields nothing, and fails, where a does.
func (n *node) beginsWith(a *node) bool {
	for n != nil {
		if n == a || n.op == opPath && a.op == opPath && len(n.path) > len(a.path) && slices.Equal(n.path[:len(a.path)], a.path) {
			return true
		}
		switch n.op {
		case opMember, opAt, opNot, opIn, opStartsWith, opEndsWith, opContains, opInside, opTest, opType, opLength,
			opToString, opLower, opUpper, opTrimPrefix, opTrimSuffix, opThen, opSelect, opKeep, opIf, opAnd, opOr, opEach:
		case opEqual, opUnequal, opLess, opLessEqual, opGreater, opGreaterEqual:
			if n.b.op != opLiteral { // the right side comes first
				return false
			}
		default:
			return false
		}
		n = n.a
	}
	return false
}

// walk calls fn for a node and all below it.
func (n *node) walk(fn func(*node)) {
	if n == nil {
		return
	}
	fn(n)
	n.a.walk(fn)
	n.b.walk(fn)
	n.c.walk(fn)
	for _, part := range n.list {
		part.walk(fn)
	}
	for i := range n.members {
		n.members[i].value.walk(fn)
	}
	walkEdits(n.edits, fn)
}

func walkEdits(edits []edit, fn func(*node)) {
	for i := range edits {
		edits[i].set.walk(fn)
		walkEdits(edits[i].below, fn)
	}
}

// paths are what an expression looks up in the event: each top-level member is walked once for all that is wanted of it.
type paths struct {
	list  [][]string
	roots []root
	of    []int          // which root a path belongs to
	all   *rawjson.Paths // for events without notes
	facts bool           // facts of the event are asked for too
}

// root is a top-level member with the paths that begin there.
type root struct {
	key   string
	first int // slot of its first path
	count int
	below *rawjson.Paths // what follows the key; nil: only the member itself is wanted
}

// newPaths prepares the look-up of the paths in expressions, and numbers them: those of one root follow each other.
func newPaths(expressions ...*node) *paths {
	p := &paths{}
	byRoot := map[string][]*node{}
	var keys []string
	for _, e := range expressions {
		e.walk(func(n *node) {
			if n.op == opFact {
				p.facts = true
			}
			if n.op != opPath || slices.Contains(byRoot[n.path[0]], n) {
				return
			}
			key := n.path[0]
			if byRoot[key] == nil {
				keys = append(keys, key)
			}
			byRoot[key] = append(byRoot[key], n)
		})
	}
	for _, key := range keys {
		r := root{key: key, first: len(p.list), count: len(byRoot[key])}
		var below [][]string
		deep := false
		for _, n := range byRoot[key] {
			n.slot = len(p.list)
			p.of = append(p.of, len(p.roots))
			p.list = append(p.list, n.path)
			below = append(below, n.path[1:])
			deep = deep || len(n.path) > 1
		}
		if deep {
			r.below = rawjson.NewPaths(below)
		}
		p.roots = append(p.roots, r)
	}
	p.all = rawjson.NewPaths(p.list)
	return p
}

// frame is what expressions are evaluated with: an event, and what has been found in it so far. Frames are used again, so
// that an evaluation allocates nothing.
type frame struct {
	raw     []byte // the event
	record  *pipeline.Record
	intact  bool
	facts   *pipeline.Facts // nil where no expression asks for them
	paths   *paths
	values  [][]byte
	read    []bool // by root
	element value
	out     []byte // scratch
}

func newFrame(p *paths) *frame {
	return &frame{paths: p, values: make([][]byte, len(p.list)), read: make([]bool, len(p.roots))}
}

// begin prepares the frame for an event; false where that is no object, so that bytes decide nothing.
func (f *frame) begin(ev *pipeline.Event) bool {
	at := rawjson.Next(ev.Raw, 0)
	if at == len(ev.Raw) || ev.Raw[at] != '{' {
		return false
	}
	f.raw, f.record, f.intact = ev.Raw[at:], ev.Record, ev.Intact()
	if f.paths.facts {
		f.facts = ev.Facts()
	}
	return true
}

// end lets go of the event.
func (f *frame) end() {
	clear(f.values)
	clear(f.read)
	f.raw, f.record, f.facts, f.element = nil, nil, nil, value{}
}

// find returns the raw value at a path of the event; nil where it leads nowhere, rawjson.Blocked where jq fails.
func (f *frame) find(slot int) []byte {
	if i := f.paths.of[slot]; !f.read[i] {
		f.readRoot(i)
	}
	return f.values[slot]
}

func (f *frame) readRoot(i int) {
	r := &f.paths.roots[i]
	if r.key != enriched && f.intact {
		if value, known := record.Field(f.record, r.key); known {
			f.read[i] = true
			if r.below == nil {
				f.values[r.first] = value
			} else {
				r.below.Find(value, f.values[r.first:r.first+r.count])
			}
			return
		}
	}
	f.paths.all.Find(f.raw, f.values)
	for i := range f.read {
		f.read[i] = true
	}
}
