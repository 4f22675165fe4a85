package report

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// column is one of the table. Which columns there are room for, and how wide they may be, fit decides.
type column struct {
	head  string
	value func(*Session) string
	least int // columns of the terminal below which it is better left out
	drop  int // those with the highest number are left out first; 0: never
	right bool
	width int
}

// columns are those of the table, from left to right.
func columns() []column {
	return []column{
		{head: "START (UTC)", value: tableStart, least: 16},
		{head: "DURATION", value: tableDuration, least: 8, drop: 3, right: true},
		{head: "WHO", value: (*Session).Who, least: 12},
		{head: "ROLE", value: tableRole, least: 10, drop: 9},
		{head: "TARGET", value: func(s *Session) string { return s.Target }, least: 19},
		{head: "ACCOUNT", value: (*Session).account, least: 12, drop: 6},
		{head: "REGION", value: func(s *Session) string { return s.Region }, least: 9, drop: 12},
		{head: "FROM", value: func(s *Session) string { return s.SourceIP }, least: 15, drop: 5},
		{head: "STATE", value: (*Session).State, least: 11, drop: 2},
		{head: "LOGGED", value: func(s *Session) string { return s.Logged }, least: 6, drop: 1},
		{head: "MFA", value: func(s *Session) string { return s.MFA }, least: 3, drop: 4},
		{head: "LINES", value: tableLines, least: 5, drop: 7, right: true},
		{head: "DOCUMENT", value: func(s *Session) string { return s.Document }, least: 14, drop: 10},
		{head: "REASON", value: func(s *Session) string { return s.Reason }, least: 12, drop: 8},
		{head: "ENDED", value: func(s *Session) string { return stamp(s.Ended) }, least: 19, drop: 11},
	}
}

// tableStart leaves the seconds out. A session that was going on already has a mark.
func tableStart(s *Session) string {
	switch {
	case s.At().IsZero():
		return "unknown"
	case s.Started.IsZero():
		return "≤" + minute(s.At())
	}
	return minute(s.At())
}

func tableDuration(s *Session) string {
	if d, ok := s.Duration(); ok {
		return span(d)
	}
	return ""
}

func tableRole(s *Session) string {
	if s.User == "" {
		return "" // stands under WHO
	}
	return s.Role
}

func tableLines(s *Session) string {
	if s.Lines == 0 {
		return ""
	}
	return digits(s.Lines)
}

const (
	gap     = 2   // between columns
	maxCell = 256 // columns of one, so that a single long text does not pad all rows
)

// fit chooses the columns that get into width, and sets how wide they are. It leaves out those that are empty in every
// row, then the less important until the others have their least width; room that is left makes them wider, evenly, as
// far as their values need it. Those that are never left out are made narrower where even they have no room.
func fit(all []column, rows [][]string, width int) (chosen []column, index []int) {
	need := make([]int, len(all))
	for i, c := range all {
		for _, row := range rows {
			need[i] = max(need[i], min(columnsOf(row[i]), maxCell))
		}
		if need[i] > 0 {
			need[i] = max(need[i], columnsOf(c.head))
			all[i].width = min(need[i], max(c.least, columnsOf(c.head)))
			index = append(index, i)
		}
	}
	if width <= 0 {
		width = len(all) * (maxCell + gap)
	}
	room := func() int {
		left := width + gap
		for _, i := range index {
			left -= all[i].width + gap
		}
		return left
	}
	for room() < 0 {
		last := slices.MaxFunc(index, func(i, k int) int { return cmp.Compare(all[i].drop, all[k].drop) })
		if all[last].drop == 0 {
			break
		}
		index = slices.DeleteFunc(index, func(i int) bool { return i == last })
	}
	for room() < 0 {
		widest := slices.MaxFunc(index, func(i, k int) int { return cmp.Compare(all[i].width, all[k].width) })
		all[widest].width--
	}
	for left, grown := room(), true; grown && left > 0; {
		grown = false
		for _, i := range index {
			if all[i].width < need[i] && left > 0 {
				all[i].width++
				left--
				grown = true
			}
		}
	}
	for _, i := range index {
		chosen = append(chosen, all[i])
	}
	return chosen, index
}

// columnsOf returns how many columns of a terminal a clean text takes: two for wide characters, none for marks that are
// put over the one before.
func columnsOf(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case wide(r):
		return 2
	}
	return 1
}

// wide reports whether a character takes two columns (East Asian Width W and F of Unicode, in rough ranges, and what
// terminals show as pictures).
func wide(r rune) bool {
	switch {
	case r < 0x1100:
		return false
	case r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xa960 && r <= 0xa97f, r >= 0xac00 && r <= 0xd7a3,
		r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6,
		r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return true
	}
	return false
}

// cut shortens a clean text to width columns; an ellipsis stands for the rest.
func cut(s string, width int) string {
	if len(s) <= width || columnsOf(s) <= width && len(s) <= 8*width {
		return s
	}
	n := 0
	var b strings.Builder
	for _, r := range s {
		if n += runeColumns(r); n > width-1 || b.Len() > 8*width {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}
