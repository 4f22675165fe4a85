package redact

import (
	"strings"

	"github.com/trailcast/trailcast/internal/lazyregexp"
)

// promptExpr is a line that begins with a program's question for a secret. What follows is the answer, where the terminal
// shows it.
const promptExpr = `(?i)^\s*(?:\[sudo\] |\([\w .@-]{1,40}\) ?)?(?:[\w'.@/\\-]+ ){0,5}?(?:[\w.@-]+'s )?(?:password|passphrase|pass phrase|passcode)` +
	`(?: for (?:key |user )?(?:'[^']*'|"[^"]*"|[^:'"\s]+)| \([^)]{1,60}\)| \[[^\]]*\]| again)*\s?:[ \t]*`

var (
	asksSecret = lazyregexp.New(promptExpr + `$`)

	// shellPrompt is where a shell waits for a command again: nothing was shown of an answer.
	shellPrompt = lazyregexp.New(`^(?:\([^()]{1,40}\) ?)?(?:\[[\w.+-]+@[^\]]*\] ?[$#%]|[\w.+-]+@[\w.-]+[: ][^$#%>]{0,200}[$#%>]|-?(?:ba|z|k|a)?sh-\d[\w.]*[$#%]|PS [^<>|"*?]{0,200}>|[A-Za-z]:\\[^<>|"*?/]{0,200}>|[$#%>❯➜])(?: |$)`)
)

// lineBegin are those prompts that no secret looks like that goes on from the record before. With one a line begins.
var lineBegin = lazyregexp.New(`^(?:\([^()]{1,40}\) ?)?(?:\[[\w.+-]+@[^\]]*\] ?[$#%]|-?(?:ba|z|k|a)?sh-\d[\w.]*[$#%]|PS [A-Za-z]:\\[^<>|"*?/]{0,200}>|[a-z_][\w.-]*@[\w.-]+:[~/][^$#%>"' ]{0,200}[$#%])(?: |$)`)

// beginsLine reports whether a record begins with a line of its own, whatever the record before ended with. What follows a
// URL's user may look like a prompt.
func beginsLine(text, lead string) bool {
	return lineBegin.MatchString(text) && !strings.Contains(lead, "://")
}

// mayAsk reports whether a colon comes only after a word that asks for a secret: in most lines with such a word, as in
// those of system logs, one comes before it.
func mayAsk(line string) bool {
	before, _, found := strings.Cut(line, ":")
	return found && len(before) < 400 && strings.Contains(strings.ToLower(before), "pass")
}

// asks reports whether a line is a question for a secret and nothing else.
func asks(line string) bool { return mayAsk(line) && asksSecret.MatchString(line) }

// isAnswer reports whether the line after a question may be its answer: one word that is no prompt of a shell. Usually
// the answer is not shown, and what comes is what the program says next.
func isAnswer(line string) bool {
	word := strings.TrimSpace(line)
	return word != "" && len(word) <= 256 && !strings.ContainsAny(word, " \t") && !shellPrompt.MatchString(word)
}
