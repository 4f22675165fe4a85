package fluentbit

import (
	"fmt"
	"strings"

	"github.com/trailcast/trailcast/internal/build"
)

// foreign are keys that people try first, as other outputs call them.
var foreign = map[string]string{
	"url": "Nats_Url", "urls": "Nats_Url", "server": "Nats_Url", "servers": "Nats_Url", "nats_host": "Nats_Url",
	"subject": "Nats_Subject", "nats_topic": "Nats_Subject", "stream": "Nats_Stream", "jetstream": "Nats_Stream",
	"nats_jetstream": "Nats_Stream", "nats_creds": "Nats_Creds_File", "nats_credentials": "Nats_Creds_File",
	"nats_nkey": "Nats_Nkey_File", "nats_username": "Nats_User", "path": "File_Path", "file": "File_Path",
	"file_name": "File_Path", "config": configKey, "config_path": configKey, "pipeline": configKey, "jq": "Filter",
	"filters": "Filter", "when": "When_Nats or When_File", "quarantine": "Quarantine_Path", "stats": "Stats_Interval",
}

const configKey = "Config_File"

// misspelled looks for keys that differ from a known one in one character, and for those of other outputs. Fluent Bit
// hands a plugin the values of keys that it asks for and no list of those that are given, so that a wrong key would be
// silently without effect.
func misspelled(keys []build.FlatKey, get func(string) string) []build.FlatError {
	known := map[string]bool{}
	for _, k := range keys {
		known[strings.ToLower(k.Name)] = true
	}
	var errs []build.FlatError
	tried := map[string]bool{}
	try := func(candidate, meant string) {
		if known[candidate] || tried[candidate] {
			return
		}
		tried[candidate] = true
		if get(candidate) != "" {
			errs = append(errs, build.FlatError{Key: candidate, Msg: fmt.Sprintf("unknown key (did you mean %s?)", meant)})
		}
	}
	for candidate, meant := range foreign {
		try(candidate, meant)
	}
	for _, k := range keys {
		similar(strings.ToLower(k.Name), func(candidate string) { try(candidate, k.Name) })
	}
	return errs
}

// similar yields all words that differ from a word in one character too many, too few, changed or swapped.
func similar(word string, yield func(string)) {
	const letters = "abcdefghijklmnopqrstuvwxyz_-."
	for i := range len(word) + 1 {
		for _, c := range letters {
			yield(word[:i] + string(c) + word[i:])
		}
		if i == len(word) {
			break
		}
		yield(word[:i] + word[i+1:])
		for _, c := range letters {
			yield(word[:i] + string(c) + word[i+1:])
		}
		if i+1 < len(word) {
			yield(word[:i] + word[i+1:i+2] + word[i:i+1] + word[i+2:])
		}
	}
}
