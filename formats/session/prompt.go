package session

import (
	"slices"
	"strings"

	"github.com/trailcast/trailcast/internal/lazyregexp"
)

// promptForm is a form that prompts have. The expression's first group, where it has one, is what stays the same while
// the session goes on: a directory changes. A weak form is one that other text often has as well.
type promptForm struct {
	name string
	re   *lazyregexp.Regexp
	weak bool
}

var promptForms = []promptForm{
	{name: "shell", re: lazyregexp.New(`^-?((?:ba|z|da|k|a|c|tc)?sh-\d[\w.]*[$#%])(?: |$)`)},
	{name: "bracket", re: lazyregexp.New(`^(?:\([^()]{1,40}\) ?)?\[([\w.+-]+@[\w.-]+) [^\]]{1,200}\] ?([$#%])(?: |$)`)},
	{name: "colon", re: lazyregexp.New(`^(?:\([^()]{1,40}\) ?)?([\w.+-]+@[\w.-]+)(?::| )[^\s$#%>:][^$#%>]{0,200}?([$#%>])(?: |$)`)},
	{name: "path", re: lazyregexp.New(`^(?:~|/)[\w./+~-]{0,200} ([$#%])(?: |$)`)},
	{name: "powershell", re: lazyregexp.New(`^(?:\[[\w.-]{1,80}\]: )?(PS)(?: [^<>|"*?]{1,260})?>(?: |$)`)},
	{name: "cmd", re: lazyregexp.New(`^([A-Za-z]:)\\[^<>|"*?/]{0,260}>`)},
	{name: "mysql", re: lazyregexp.New(`^(?:mysql|MariaDB \[[^\]]{1,80}\]|sqlite)()> `)},
	{name: "psql", re: lazyregexp.New(`^([\w-]{1,63}=[#>]) `)},
	{name: "python", re: lazyregexp.New(`^>>>()(?: |$)`), weak: true},
	{name: "arrow", re: lazyregexp.New(`^(❯|➜)(?: |$)`)},
	{name: "bare", re: lazyregexp.New(`^([$#%])(?: |$)`), weak: true},
}

// prompt is what looks like a prompt at a line's begin.
type prompt struct {
	end  int    // bytes, with the space after it
	key  string // form and what stays the same
	weak bool
}

// promptIn finds a prompt at the begin of a line; end is 0 where there is none.
func promptIn(line string) prompt {
	if !strings.ContainsAny(line, "$#%>❯➜") {
		return prompt{}
	}
	for _, form := range promptForms {
		m := form.re.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		return prompt{end: len(m[0]), key: form.name + " " + strings.Join(m[1:], " "), weak: form.weak}
	}
	return prompt{}
}

// promptEnd returns how many bytes the prompt takes that a line begins with; 0 for none.
func promptEnd(line string) int { return promptIn(line).end }

const maxPrompts = 16 // that are known at once

// prompts learns a session's prompts.
type prompts struct {
	known []prompt // in the order in which they came
	seen  []string // keys of look-alikes that came once
}

// accept decides whether what looks like a prompt is one. The first one is; another is if the last command begins a
// shell or the like, or when it comes the second time. last is that command.
func (ps *prompts) accept(p prompt, last *opening) bool {
	if i := slices.IndexFunc(ps.known, func(k prompt) bool { return k.key == p.key }); i >= 0 {
		ps.forget(i + 1)
		return true
	}
	strong := slices.ContainsFunc(ps.known, func(k prompt) bool { return !k.weak })
	switch {
	case len(ps.known) == 0, last.opens():
	case p.weak:
		return false
	case !strong:
		ps.known = ps.known[:0] // what came before was a look-alike: comments in a greeting
	case !slices.Contains(ps.seen, p.key):
		if len(ps.seen) == maxPrompts {
			ps.seen = append(ps.seen[:0], ps.seen[1:]...)
		}
		ps.seen = append(ps.seen, p.key)
		return false
	}
	if len(ps.known) == maxPrompts {
		ps.known = slices.Delete(ps.known, 1, 2)
	}
	ps.known = append(ps.known, p)
	return true
}

// forget drops weak prompts that came after one that is back: the program that had them has ended.
func (ps *prompts) forget(from int) {
	kept := slices.DeleteFunc(ps.known[from:], func(k prompt) bool { return k.weak })
	ps.known = ps.known[:from+len(kept)]
}

// openers are commands after which another prompt may come.
var openers = lazyregexp.New(`(?:^|[\s;&|/\\])(?:su|sh|bash|zsh|fish|ksh|dash|ash|csh|tcsh|ssh|telnet|docker|podman|kubectl|nsenter|chroot|screen|tmux|python[\d.]*|mysql|mariadb|psql|sqlite3?|redis-cli|powershell|pwsh|cmd)(?:\.exe)?(?:\s|$)|sudo\s+(?:-\S*\s+)*-\w*[is]|Enter-PSSession`)

// opening knows of a command whether it may begin a shell or another program with a prompt; it looks once.
type opening struct {
	command   string
	known, is bool
}

func (o *opening) opens() bool {
	if !o.known {
		o.known, o.is = true, openers.MatchString(o.command)
	}
	return o.is
}

// secretPrompt finds a program that asks for a secret, in lower case.
var secretPrompt = lazyregexp.New(`\b(?:password|passphrase|pass phrase|passcode|pin|secret|token|verification code)\b[^:]{0,120}:`)

// asks reports whether a line asks for a secret. The words are looked for first, since the expression is slow.
func asks(line string) bool {
	if !strings.Contains(line, ":") {
		return false
	}
	lower := strings.ToLower(line[:min(len(line), maxKept)])
	for _, word := range []string{"pass", "pin", "secret", "token", "verification"} {
		if strings.Contains(lower, word) {
			return secretPrompt.MatchString(lower)
		}
	}
	return false
}
