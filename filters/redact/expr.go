package redact

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
)

// write writes an expression, up to somewhat more than maxExpr. Its String method would do, but takes milliseconds for each
// class that holds most characters.
func write(b *strings.Builder, t *syntax.Regexp) {
	if b.Len() > maxExpr {
		return
	}
	switch t.Op {
	case syntax.OpNoMatch:
		b.WriteString(`[^\x00-\x{10ffff}]`)
	case syntax.OpLiteral:
		flags := "-i"
		if t.Flags&syntax.FoldCase != 0 {
			flags = "i"
		}
		fmt.Fprintf(b, "(?%s:%s)", flags, regexp.QuoteMeta(string(t.Rune)))
	case syntax.OpCharClass:
		writeClass(b, t.Rune)
	case syntax.OpAnyChar:
		b.WriteString(`(?s:.)`)
	case syntax.OpAnyCharNotNL:
		b.WriteString(`(?-s:.)`)
	case syntax.OpBeginLine:
		b.WriteString(`(?m:^)`)
	case syntax.OpEndLine:
		b.WriteString(`(?m:$)`)
	case syntax.OpBeginText:
		b.WriteString(`\A`)
	case syntax.OpEndText:
		b.WriteString(`\z`)
	case syntax.OpWordBoundary:
		b.WriteString(`\b`)
	case syntax.OpNoWordBoundary:
		b.WriteString(`\B`)
	case syntax.OpCapture:
		b.WriteString("(")
		write(b, t.Sub[0])
		b.WriteString(")")
	case syntax.OpConcat:
		for _, sub := range t.Sub {
			write(b, sub)
		}
	case syntax.OpAlternate:
		for i, sub := range t.Sub {
			b.WriteString(map[bool]string{true: "(?:", false: "|"}[i == 0])
			write(b, sub)
		}
		b.WriteString(")")
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		writeRepeat(b, t)
	}
}

func writeClass(b *strings.Builder, ranges []rune) {
	if len(ranges) == 0 {
		b.WriteString(`[^\x00-\x{10ffff}]`)
		return
	}
	b.WriteString("[")
	if n := len(ranges); n > 2 && ranges[0] == 0 && ranges[n-1] == unicode.MaxRune {
		b.WriteString("^")
		for i := 1; i < n-1; i += 2 {
			fmt.Fprintf(b, `\x{%x}-\x{%x}`, ranges[i]+1, ranges[i+1]-1)
		}
	} else {
		for i := 0; i < n; i += 2 {
			fmt.Fprintf(b, `\x{%x}-\x{%x}`, ranges[i], ranges[i+1])
		}
	}
	b.WriteString("]")
}

func writeRepeat(b *strings.Builder, t *syntax.Regexp) {
	b.WriteString("(?:")
	write(b, t.Sub[0])
	b.WriteString(")")
	switch {
	case t.Op == syntax.OpStar:
		b.WriteString("*")
	case t.Op == syntax.OpPlus:
		b.WriteString("+")
	case t.Op == syntax.OpQuest:
		b.WriteString("?")
	case t.Max < 0:
		fmt.Fprintf(b, "{%d,}", t.Min)
	default:
		fmt.Fprintf(b, "{%d,%d}", t.Min, t.Max)
	}
	if t.Flags&syntax.NonGreedy != 0 {
		b.WriteString("?")
	}
}
