package yamlconf

import (
	"regexp"
	"strings"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces ${NAME} and ${NAME:-default} in a scalar; $${ stands for ${. What a variable holds is not expanded
// again. The default is used when the variable is unset or empty, as in a shell.
func (d *Decoder) expand(n Node) (string, bool) {
	s := n.n.Value
	if d.env == nil || d.silent || !strings.Contains(s, "${") {
		return s, true
	}
	var b strings.Builder
	ok := true
	wrong := func(offset int, msg, hint string) {
		d.report(d.locate(n).At(offset), n.path, msg, hint)
		ok = false
	}
	for at := 0; at < len(s); {
		i := strings.Index(s[at:], "${")
		if i < 0 {
			b.WriteString(s[at:])
			break
		}
		i += at
		if i > at && s[i-1] == '$' {
			b.WriteString(s[at:i-1] + "${")
			at = i + 2
			continue
		}
		b.WriteString(s[at:i])
		length := strings.IndexByte(s[i:], '}')
		if length < 0 {
			wrong(i, "${ is not closed", "write $${ for a literal ${")
			break
		}
		at = i + length + 1
		name, fallback, hasDefault := strings.Cut(s[i+2:i+length], ":-")
		if !variableName.MatchString(name) {
			wrong(i, s[i:at]+" is no environment variable", "write ${NAME}, or $${ for a literal ${")
			continue
		}
		value, set := d.env(name)
		switch {
		case value != "":
		case hasDefault:
			value = fallback
		case !set:
			wrong(i, "the environment variable "+name+" is not set", "give it a default: ${"+name+":-…}")
		}
		b.WriteString(value)
	}
	return b.String(), ok
}
