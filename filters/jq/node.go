package jq

import (
	"net/netip"
	"slices"

	"github.com/itchyny/gojq"

	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/internal/rawjson"
)

// node is an expression of jq that is evaluated on an event's bytes, with nothing decoded. Nodes are a tree and not
// closures, so that what they are evaluated with stays on the stack.
//
// The input of an expression (`.`) is a node too: .a | .b is the node of .a.b, and select(.a) | .b is opThen of the two.
// What is behind something that has several results, or makes a value, has opElement as its input: opBind.
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
	format  *format
	code    *gojq.Code // opForeign
	from    *int       // opSlice: bounds
	to      *int
	eager   bool // opAny, opIndexOf: a failure behind the result counts too
	all     bool // opAny: all
	many    bool // there may be several results; see streams
	ofText  bool // opEqual, opUnequal: of a path with a string of the program, which has no U+FFFD
}

// member is one of an object that a program builds.
type member struct {
	key   string
	begin []byte // the key as it is written, with the colon
	name  *node  // opDynamic: what gives the key; nil: it is known
	value *node
}

type operation uint8

const (
	opEvent   operation = iota // .
	opElement                  // . behind a stream or a made value, and inside of any and all
	opPath                     // .a.b of the event
	opMember                   // a.key
	opAt                       // a[n]
	opLiteral
	opFact
	opThen   // a | b, where b has no more use for the input
	opBind   // a | b, where b's input is opElement
	opAs     // a as $x | b, with n for the variable
	opVar    // $x
	opSelect // a, where b holds
	opKeep   // a, where it is of some type
	opTry    // b; what fails in it, but not in its input a, yields nothing
	opCatch  // the same, but c where it fails
	opError  // what an error says
	opFail
	opIf // a, b, c
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

	opToNumber
	opSubstitute
	opToJSON
	opSlice
	opFirst   // of a stream, a
	opLast    // the same
	opReduce  // of a stream, a, as n: from b by c
	opExtreme // min, max

	// Streams.
	opEach // b on each element of a
	opEachQuiet
	opComma
	opRecurse  // a and all below it
	opLimit    // n of a stream, a
	opForeach  // of a stream, a, as n: from b by c; list[0] of each
	opPaths    // of a and all below it where b holds; with all: its own, []
	opForeigns // what gojq makes of a

	// What makes a value.
	opObject
	opDynamic // an object with keys that are not known before
	opArray   // of a stream, a
	opText    // an interpolated string
	opEdit
	opPlus
	opMinus
	opTimes
	opOver
	opModulo
	opSum
	opSort // of a, by b
	opUnique
	opKeys
	opEntries
	opFromEntries
	opMapValues
	opWalk
	opReverse
	opJoin
	opSplit
	opFormat  // @key of an array
	opForeign // what gojq makes of a
)

// builds reports whether a node makes a value that has no bytes yet, so that it should not be evaluated twice.
func (n *node) builds() bool {
	switch n.op {
	case opThen, opTry, opBind, opAs:
		return n.b.builds()
	case opSelect, opKeep, opFirst, opLast:
		return n.a.builds()
	case opIf, opCatch:
		return n.b.builds() || n.c.builds()
	case opAlternative:
		return n.a.builds() || n.b.builds()
	case opReduce:
		return true
	}
	return n.op >= opObject
}

// streams reports whether a node may yield several results.
func (n *node) streams() bool {
	switch n.op {
	case opEach, opEachQuiet, opComma, opRecurse, opLimit, opForeach, opPaths, opForeigns:
		return true
	case opThen, opTry, opAlternative:
		return n.b.streams()
	case opBind, opAs:
		return n.a.streams() || n.b.streams()
	case opIf, opCatch:
		return n.b.streams() || n.c.streams()
	}
	return false
}

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
		n.members[i].name.walk(fn)
		n.members[i].value.walk(fn)
	}
	walkEdits(n.edits, fn)
}

func walkEdits(edits []edit, fn func(*node)) {
	for i := range edits {
		edits[i].when.walk(fn)
		edits[i].set.walk(fn)
		edits[i].update.walk(fn)
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
	vars  int            // so many variables are bound
}

// root is a top-level member with the paths that begin there.
type root struct {
	key   string
	field int // of records; -1: none
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
			n.many = n.streams()
			switch n.op {
			case opFact:
				p.facts = true
			case opVar, opAs, opReduce, opForeach:
				p.vars = max(p.vars, n.n+1)
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
		r := root{key: key, field: record.FieldIndex(key), first: len(p.list), count: len(byRoot[key])}
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
