package jq

import (
	"cmp"
	"slices"

	"github.com/trailcast/trailcast/internal/rawjson"
	"github.com/trailcast/trailcast/pipeline"
)

// Together returns what makes a Matcher for the conditions of outputs; nil where none is decided by bytes. All conditions
// look up their paths together, and those that compare one path with strings are found by the string.
func Together(outputs []pipeline.OutputStage) func() pipeline.Matcher {
	t := &together{}
	c := &compiler{}
	var shared []*node
	for i, o := range outputs {
		condition, ok := o.When.(*Condition)
		if !ok {
			t.others = append(t.others, candidate{output: i})
			continue
		}
		c.facts = condition.program.facts
		n := c.query(condition.program.query, eventNode)
		switch {
		case n == nil:
			t.others = append(t.others, candidate{output: i})
			continue
		case !t.dispatch(i, n):
			t.others = append(t.others, candidate{i, n})
		}
		shared = append(shared, n)
	}
	if len(shared) == 0 {
		return nil
	}
	t.paths = newPaths(shared...)
	return func() pipeline.Matcher { return &matcher{together: t, frame: newFrame(t.paths)} }
}

// together is a set of conditions.
type together struct {
	paths  *paths
	byText []byText
	others []candidate
}

// candidate is an output with what remains to be decided of its condition: nil is nothing in byText, and all of it in
// others.
type candidate struct {
	output int
	rest   *node
}

// byText finds conditions by the string at a path.
type byText struct {
	path  *node
	texts map[string][]candidate
	all   []int // the outputs in texts
}

// dispatch adds a condition that begins with a comparison of a path with strings; false for any other.
func (t *together) dispatch(output int, n *node) bool {
	path, texts, rest := comparesWithTexts(n)
	if path == nil {
		return false
	}
	i := slices.IndexFunc(t.byText, func(b byText) bool { return b.path == path })
	if i < 0 {
		i = len(t.byText)
		t.byText = append(t.byText, byText{path: path, texts: map[string][]candidate{}})
	}
	b := &t.byText[i]
	b.all = append(b.all, output)
	slices.Sort(texts)
	for _, text := range slices.Compact(texts) {
		b.texts[text] = append(b.texts[text], candidate{output, rest})
	}
	return true
}

// comparesWithTexts takes a condition apart: .path == "text", .path | IN("text", …), and both with `and rest` behind it.
func comparesWithTexts(n *node) (path *node, texts []string, rest *node) {
	if n.op == opAnd {
		if path, texts, rest = comparesWithTexts(n.a); rest == nil {
			return path, texts, n.b
		}
		return path, texts, &node{op: opAnd, a: rest, b: n.b}
	}
	set := asSet(n)
	if set == nil || set.a.op != opPath {
		return nil, nil, nil
	}
	for _, l := range set.list {
		if l.literal.kind != rawjson.String {
			return nil, nil, nil
		}
		texts = append(texts, l.literal.text)
	}
	return set.a, texts, nil
}

// matcher is a set of conditions at work.
type matcher struct {
	*together
	frame *frame
}

// Match implements pipeline.Matcher.
func (m *matcher) Match(ev *pipeline.Event, dst []pipeline.Match) []pipeline.Match {
	f := m.frame
	defer f.end()
	if !f.begin(ev) {
		return m.allUnknown(dst)
	}
	for i := range m.byText {
		dst = m.byText[i].match(f, dst)
	}
	for _, c := range m.others {
		holds := pipeline.Unknown
		if c.rest != nil {
			holds = triOf(f.truth(c.rest))
		}
		if holds != pipeline.No {
			dst = append(dst, pipeline.Match{Output: c.output, Holds: holds})
		}
	}
	slices.SortFunc(dst, byOutput)
	return dst
}

func byOutput(a, b pipeline.Match) int { return cmp.Compare(a.Output, b.Output) }

func (b *byText) match(f *frame, dst []pipeline.Match) []pipeline.Match {
	v, s := f.eval(b.path)
	if s != found {
		return unknownOutputs(dst, b.all)
	}
	if v.kind != rawjson.String {
		return dst
	}
	for _, c := range b.of(&v) {
		holds := pipeline.Yes
		if c.rest != nil {
			holds = triOf(f.truth(c.rest))
		}
		if holds != pipeline.No {
			dst = append(dst, pipeline.Match{Output: c.output, Holds: holds})
		}
	}
	return dst
}

// of returns the conditions on a string.
func (b *byText) of(v *value) []candidate {
	if body, ok := v.plain(); ok {
		return b.texts[string(body)]
	}
	return b.texts[v.string()]
}

func (t *together) allUnknown(dst []pipeline.Match) []pipeline.Match {
	for i := range t.byText {
		dst = unknownOutputs(dst, t.byText[i].all)
	}
	for _, c := range t.others {
		dst = append(dst, pipeline.Match{Output: c.output})
	}
	slices.SortFunc(dst, byOutput)
	return dst
}

func unknownOutputs(dst []pipeline.Match, outputs []int) []pipeline.Match {
	for _, output := range outputs {
		dst = append(dst, pipeline.Match{Output: output})
	}
	return dst
}
