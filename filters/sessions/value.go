package sessions

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// The keys of the bucket. What is of one session begins alike, so that it can be purged at once.
//
//	s.<hash of the id>.state        what is known of a session: value
//	s.<hash of the id>.b.<hash>     block of hashes of its log events, 8 bytes each (little endian)
//	agent.<id of the agent>         how far the agent's inputs have read
//	claim                           id of the agent that tells what time brings
const (
	keyClaim   = "claim"
	keyStates  = "s.*.state"
	keyAgents  = "agent.*"
	agentsPart = "agent."
)

// keyOf hashes: keys may not have all characters that ids have, which may be long too.
func keyOf(session string) string { return idOf(session) }

func stateKey(key string) string       { return "s." + key + ".state" }
func blockKey(key, name string) string { return "s." + key + ".b." + name }

// value is what the bucket has of a session. The hashes of its counted log events are in the value; where they are many most
// of them are in blocks, which are never changed: a value is written whenever something of the session comes, and it may
// have a megabyte at most.
type value struct {
	V      int      `json:"v"`
	ID     string   `json:"id"`
	State  *state   `json:"state"`
	Seen   []byte   `json:"seen,omitempty"`
	Blocks []string `json:"blocks,omitempty"`
}

const (
	valueVersion = 1
	blockSize    = 2048 // hashes
)

var errDamagedValue = errors.New("it is no state of a session")

// parseValue reads the value of a key. The error is errDamagedValue, or errNewer.
func parseValue(key string, data []byte) (*value, error) {
	var v value
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("%w: %v", errDamagedValue, err)
	}
	switch {
	case v.V > valueVersion:
		return nil, errNewer
	case v.V != valueVersion || v.State == nil || keyOf(v.ID) != key:
		return nil, errDamagedValue
	}
	return &v, nil
}

// block is a part of a session's hashes. Its name is made of its content, so that writing it twice is harmless.
type block struct {
	name string
	data []byte
}

// blocksOf takes whole blocks off hashes.
func blocksOf(hashes []byte) (blocks []block, rest []byte) {
	for len(hashes) >= 8*blockSize {
		data := hashes[: 8*blockSize : 8*blockSize]
		blocks = append(blocks, block{idOf(string(data)), data})
		hashes = hashes[8*blockSize:]
	}
	return blocks, hashes
}

func names(blocks []block) (all []string) {
	for _, b := range blocks {
		all = append(all, b.name)
	}
	return all
}

// missing returns those of names that are not known.
func missing(names, known []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(known, name) })
}
