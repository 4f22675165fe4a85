package redact

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

const secretGroup = "secret"

// maxExpr bounds what is written of an expression: parts in parts are repeated in it.
const maxExpr = 64 << 10

// opening returns an expression for texts that end inside of a match of expr: after at least one character of the secret.
// Its first group that takes part in a match begins where the secret does. What stands before the secret must be whole;
// of an expression without a secret of its own that is what stands before its first repeated part, as the prefix of a
// token does. nil: there is no such expression, or it is too large.
func opening(expr string) *regexp.Regexp {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	open, found := openSecret(tree)
	if !found {
		open = group(openToken(tree))
	}
	if open == nil {
		return nil
	}
	var b strings.Builder
	write(&b, concat(open, op(syntax.OpEndText)))
	if b.Len() > maxExpr {
		return nil
	}
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil
	}
	return re
}

// openSecret opens the group of the secret, where it stands at the top level or in an alternative there.
func openSecret(t *syntax.Regexp) (open *syntax.Regexp, found bool) {
	switch t.Op {
	case syntax.OpCapture:
		if t.Name == secretGroup {
			return group(begins(plain(t.Sub[0]))), true
		}
		return openSecret(t.Sub[0])
	case syntax.OpAlternate:
		var ways []*syntax.Regexp
		for _, sub := range t.Sub {
			if open, ok := openSecret(sub); ok {
				ways, found = append(ways, open), true
			}
		}
		return either(ways...), found
	case syntax.OpConcat:
		i := slices.IndexFunc(t.Sub, holdsSecret)
		if i < 0 {
			return nil, false
		}
		open, found := openSecret(t.Sub[i])
		if !found {
			return nil, false
		}
		lead, rest := plainAll(t.Sub[:i]), plainAll(t.Sub[i+1:])
		ways := []*syntax.Regexp{concat(append(slices.Clone(lead), open)...)}
		if after := begins(concat(rest...)); after != nil && t.Sub[i].Op == syntax.OpCapture {
			ways = append(ways, concat(append(slices.Clone(lead), group(plain(t.Sub[i])), after)...))
		}
		return either(ways...), true
	}
	return nil, false
}

func holdsSecret(t *syntax.Regexp) bool {
	return t.Op == syntax.OpCapture && t.Name == secretGroup || slices.ContainsFunc(t.Sub, holdsSecret)
}

// openToken is begins for what is a secret as a whole: what stands before its first repeated part must be there.
func openToken(t *syntax.Regexp) *syntax.Regexp {
	switch t.Op {
	case syntax.OpCapture:
		return openToken(t.Sub[0])
	case syntax.OpAlternate:
		var ways []*syntax.Regexp
		for _, sub := range t.Sub {
			ways = append(ways, openToken(sub))
		}
		return either(ways...)
	case syntax.OpConcat:
		subs := plainAll(t.Sub)
		i := slices.IndexFunc(subs, repeats)
		if i < 0 {
			return begins(plain(t))
		}
		if i == len(subs)-1 && subs[i].Op == syntax.OpAlternate {
			return concat(append(slices.Clone(subs[:i]), openToken(subs[i]))...)
		}
		return concat(append(slices.Clone(subs[:i]), begins(concat(subs[i:]...)))...)
	}
	return begins(plain(t))
}

func repeats(t *syntax.Regexp) bool {
	switch t.Op {
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
		return true
	}
	return slices.ContainsFunc(t.Sub, repeats)
}

// begins returns an expression for the beginnings of what t matches, of one character at least and as long as it can be;
// nil where t matches no character.
func begins(t *syntax.Regexp) *syntax.Regexp {
	switch t.Op {
	case syntax.OpLiteral:
		if len(t.Rune) == 1 {
			return t
		}
		head, rest := *t, *t
		head.Rune, rest.Rune = t.Rune[:1], t.Rune[1:]
		return concat(&head, maybe(begins(&rest)))
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return t
	case syntax.OpQuest:
		return begins(t.Sub[0])
	case syntax.OpStar, syntax.OpPlus:
		return repeated(t, syntax.OpStar, 0, 0)
	case syntax.OpRepeat:
		if t.Max < 0 {
			return repeated(t, syntax.OpStar, 0, 0)
		}
		return repeated(t, syntax.OpRepeat, 0, t.Max-1)
	case syntax.OpAlternate:
		var ways []*syntax.Regexp
		for _, sub := range t.Sub {
			ways = append(ways, begins(sub))
		}
		return either(ways...)
	case syntax.OpConcat:
		return beginsOf(t.Sub)
	case syntax.OpCapture:
		return begins(t.Sub[0])
	}
	return nil
}

// beginsOf is begins for parts that follow one another: all of the first and a begin of the rest, or a begin of the first.
func beginsOf(parts []*syntax.Regexp) *syntax.Regexp {
	if len(parts) == 0 {
		return nil
	}
	var longer *syntax.Regexp
	if rest := beginsOf(parts[1:]); rest != nil {
		longer = concat(parts[0], rest)
	}
	return either(longer, begins(parts[0]))
}

// repeated is begins for a repetition: some whole ones and a begin of one.
func repeated(t *syntax.Regexp, o syntax.Op, low, high int) *syntax.Regexp {
	last := begins(t.Sub[0])
	if last == nil || o == syntax.OpRepeat && high <= 0 {
		return last
	}
	whole := &syntax.Regexp{Op: o, Flags: t.Flags &^ syntax.NonGreedy, Sub: t.Sub, Min: low, Max: high}
	return concat(whole, last)
}

// plain returns t without its groups.
func plain(t *syntax.Regexp) *syntax.Regexp {
	if t.Op == syntax.OpCapture {
		return plain(t.Sub[0])
	}
	if len(t.Sub) == 0 {
		return t
	}
	p := *t
	p.Sub = plainAll(t.Sub)
	return &p
}

func plainAll(list []*syntax.Regexp) []*syntax.Regexp {
	out := make([]*syntax.Regexp, len(list))
	for i, t := range list {
		out[i] = plain(t)
	}
	return out
}

func op(o syntax.Op) *syntax.Regexp { return &syntax.Regexp{Op: o} }

func group(t *syntax.Regexp) *syntax.Regexp {
	if t == nil {
		return nil
	}
	return &syntax.Regexp{Op: syntax.OpCapture, Cap: 1, Sub: []*syntax.Regexp{t}}
}

func maybe(t *syntax.Regexp) *syntax.Regexp {
	return &syntax.Regexp{Op: syntax.OpQuest, Sub: []*syntax.Regexp{t}}
}

// concat is nil where a part is: nothing begins there.
func concat(parts ...*syntax.Regexp) *syntax.Regexp {
	if slices.Contains(parts, nil) {
		return nil
	}
	switch len(parts) {
	case 0:
		return op(syntax.OpEmptyMatch)
	case 1:
		return parts[0]
	}
	return &syntax.Regexp{Op: syntax.OpConcat, Sub: parts}
}

// either leaves out what is nil.
func either(ways ...*syntax.Regexp) *syntax.Regexp {
	ways = slices.DeleteFunc(ways, func(t *syntax.Regexp) bool { return t == nil })
	switch len(ways) {
	case 0:
		return nil
	case 1:
		return ways[0]
	}
	return &syntax.Regexp{Op: syntax.OpAlternate, Sub: ways}
}
