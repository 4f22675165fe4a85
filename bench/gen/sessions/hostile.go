package sessions

import (
	"math/rand/v2"
	"strings"
)

// Texts that readers must survive.

const hostileAgent = "aws-cli/2.24.10 <script>alert('agent')</script>\x1b[31m"

var hostileReasons = []string{
	`<script>alert("reason")</script>`, `"><img src=x onerror=alert(1)>`, "\x1b[31mred\x1b[0m \x1b]0;title\a",
	"=HYPERLINK(\"http://198.51.100.7/\",\"ticket\")", "line one\nline two\r\n\ttabbed", "\u202egnp.exe\u2066 \u200b\ufeff\u2028",
	"' OR 1=1; -- {{account}} ${HOME} %s", strings.Repeat("very long reason ", 15),
}

// hostileLines may hold any bytes but line feeds.
var hostileLines = []string{
	"\x1b]0;owned\a\x1b[1;31mred alert\x1b[0m", "\x1b[2J\x1b[H\x1b[?1049hhidden\x1b[?1049l", "\x1b]52;c;b3duZWQ=\aclipboard",
	`<script>alert("log")</script><img src=x onerror=alert(1)>`, `</script></pre><!-- ]]>`,
	`{"Records":[{"eventVersion":"1.08","eventID":"x","eventName":"DeleteTrail","eventSource":"cloudtrail.amazonaws.com"}]}`,
	"\u202etxt.exe\u2066 a\u200bb\ufeff\u2028c", "=cmd|'/c calc'!A1", "10%\r20%\r100% done\b\b\b\bover",
	"split: \xc3 \xe6\xbc \xf0\x9f\x98 and alone: \xff \xfe \xed\xa0\x80", "Script done on 2025-03-03 07:08:09+00:00",
	"tab\tseparated\tvalues \x00\x01\x7f\u009b31m",
}

// hostileLine is one of them, a very long line, or binary noise.
func hostileLine(r *rand.Rand) string {
	switch n := r.IntN(len(hostileLines) + 4); {
	case n < len(hostileLines):
		return hostileLines[n]
	case n < len(hostileLines)+1:
		return "x" + strings.Repeat("漢字", 3500) // 21,001 bytes: the agent's limit and split's are within characters
	case n < len(hostileLines)+2:
		return strings.Repeat("0123456789", 4000)
	default:
		return "\x7fELF\x02\x01" + noise(r, 200+r.IntN(1000))
	}
}

func noise(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		if b[i] = byte(r.IntN(256)); b[i] == '\n' {
			b[i] = 0
		}
	}
	return string(b)
}
