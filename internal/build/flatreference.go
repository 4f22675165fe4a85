package build

import (
	"fmt"
	"strings"
)

// FlatReference returns the reference of the Fluent Bit plugin's keys as a Markdown page, made from the same definitions
// as the configuration file's.
func FlatReference() (string, error) {
	keys, err := FlatKeys()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("# Keys of the Fluent Bit plugin\n\nMade from the code: `make generate`. How they work together is in " +
		"[fluent-bit.md](fluent-bit.md). Case does not matter. A switch is `on` or `off`; a list is separated by commas.\n" +
		"An output exists when one of its keys is given; what is *required* is required then.\n")
	group := ""
	for _, k := range keys {
		if k.Group != group {
			group = k.Group
			fmt.Fprintf(&b, "\n## %s\n\n| key | default | meaning |\n|---|---|---|\n", group)
		}
		byDefault := ""
		switch {
		case k.required:
			byDefault = "*required*"
		case k.Default != "":
			byDefault = "`" + k.Default + "`"
		case k.kind == flatBool:
			byDefault = "`off`"
		}
		meaning := strings.TrimSpace(k.Doc)
		if k.Example != "" && k.Example != k.Default {
			meaning += " Example: `" + k.Example + "`."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, byDefault, strings.ReplaceAll(meaning, "|", "\\|"))
	}
	return b.String(), nil
}
