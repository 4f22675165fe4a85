// Package output tells whether tools that print JSON have printed the same: one result on each line, whatever the order of
// lines and of keys, the escapes in strings and the digits of numbers.
package output

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Summary is what two equal outputs have in common.
type Summary struct {
	Results int64
	Hash    string // of the results in canonical form, sorted
}

const maxLine = 64 << 20

// Of summarises JSON lines. Empty lines do not count; one that is no JSON is an error.
func Of(r io.Reader) (Summary, error) {
	var s Sum
	err := EachLine(r, s.Add)
	return s.Summary(), err
}

// EachLine calls f with every line that is not empty; f must not keep it.
func EachLine(r io.Reader, f func(line []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 256<<10), maxLine)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		if err := f(lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// Lines counts lines that are not empty.
func Lines(r io.Reader) (n int64, err error) {
	err = EachLine(r, func([]byte) error {
		n++
		return nil
	})
	return n, err
}

// Sum makes a Summary from one result after the other. The zero value is empty.
type Sum struct{ hashes [][sha256.Size]byte }

// Add takes one JSON value. An error is one of its syntax.
func (s *Sum) Add(result []byte) error {
	var value any
	if err := json.Unmarshal(result, &value); err != nil {
		return fmt.Errorf("no JSON: %w: %.100q", err, result)
	}
	canonical, err := json.Marshal(value)
	if err != nil {
		return err
	}
	s.hashes = append(s.hashes, sha256.Sum256(canonical))
	return nil
}

// Merge adds what other has.
func (s *Sum) Merge(other *Sum) { s.hashes = append(s.hashes, other.hashes...) }

// Summary of what was added.
func (s *Sum) Summary() Summary {
	slices.SortFunc(s.hashes, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
	all := sha256.New()
	for _, hash := range s.hashes {
		all.Write(hash[:])
	}
	return Summary{Results: int64(len(s.hashes)), Hash: hex.EncodeToString(all.Sum(nil))}
}
