package redact

// ruleSet is a set of rules, one bit each.
type ruleSet uint64

const maxRules = 63

// hints finds in one pass which rules may match a text: most events hold no hint of most rules, and regular expressions
// cost much more than this.
type hints [256][]hint

// hint is a text without its first byte, which is where it stands in the table, and the rules that it belongs to.
type hint struct {
	rest  string
	rules ruleSet
}

// newHints returns the hints of some of the rules.
func newHints(rules []rule, some ruleSet) (h hints) {
	for i := range rules {
		if some&(1<<i) == 0 {
			continue
		}
		for _, text := range rules[i].hints {
			h.add(text, 1<<i)
		}
	}
	return h
}

func (h *hints) add(text string, rules ruleSet) {
	c := text[0]
	h.addAt(c, text[1:], rules)
	if 'a' <= c && c <= 'z' {
		h.addAt(c-'a'+'A', text[1:], rules)
	}
}

func (h *hints) addAt(first byte, rest string, rules ruleSet) {
	list := h[first]
	for i := range list {
		if list[i].rest == rest {
			list[i].rules |= rules
			return
		}
	}
	h[first] = append(list, hint{rest, rules})
}

// find returns the rules of which a hint stands in a text, whatever the case of its ASCII letters.
func (h *hints) find(b []byte) (found ruleSet) {
	for i, c := range b {
		for k := range h[c] {
			x := &h[c][k]
			if x.rules&^found != 0 && hasFoldedPrefix(b[i+1:], x.rest) {
				found |= x.rules
			}
		}
	}
	return found
}

// hasFoldedPrefix reports whether b begins with a lower-case text, whatever b's case.
func hasFoldedPrefix(b []byte, lower string) bool {
	if len(b) < len(lower) {
		return false
	}
	for i := range len(lower) {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
