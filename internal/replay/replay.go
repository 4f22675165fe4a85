// Package replay sends quarantined entries through a pipeline again.
package replay

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trailcast/trailcast/filters/sessions"
	"github.com/trailcast/trailcast/formats/record"
	"github.com/trailcast/trailcast/formats/split"
	"github.com/trailcast/trailcast/internal/build"
	"github.com/trailcast/trailcast/outputs/quarantine"
	"github.com/trailcast/trailcast/pipeline"
)

// Result counts what became of the entries.
type Result struct{ Delivered, Rejected, Retry, Cut, Notices int }

// Run replays the entries that take chooses, and closes the agent. An entry leaves the quarantine when it was delivered,
// or rejected again, which made a new entry. One whose bytes were too many to be kept whole stays, and so does a message that
// tells of objects: its events are in them.
func Run(ctx context.Context, agent *build.Agent, dir string, take func(*quarantine.Entry) bool, timeout time.Duration) (Result, error) {
	var result Result
	var entries []quarantine.Entry // those that are there now: rejected ones come back as new entries
	err := quarantine.Each(dir, func(e quarantine.Entry) bool {
		if take(&e) {
			entries = append(entries, e)
		}
		return true
	})
	var done []string
	for i := range entries {
		if err != nil || ctx.Err() != nil {
			break
		}
		e := &entries[i]
		switch {
		case e.Cut():
			result.Cut++
			continue
		case isNotice(agent.Config, e):
			result.Notices++
			continue
		}
		limited, cancel := context.WithTimeout(ctx, timeout)
		r, settled := agent.Engine.Deliver(feeder(e), nil).Wait(limited)
		switch {
		case !settled || r.Outcome == pipeline.Retry:
			result.Retry++
		case r.Outcome == pipeline.Delivered:
			result.Delivered++
			done = append(done, e.ID)
		default:
			result.Rejected++
			done = append(done, e.ID)
		}
		cancel()
	}
	if len(done) > 0 {
		err = errors.Join(err, quarantine.Remove(dir, done))
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if closeErr := agent.Close(closing); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("close: %w", closeErr))
	}
	return result, err
}

// isNotice reports whether an entry is a message of a queue that an s3 input reads.
func isNotice(config *build.Config, e *quarantine.Entry) bool {
	return e.Key == "" && strings.HasPrefix(e.Object, "sqs:") && slices.ContainsFunc(config.Inputs, func(in build.Input) bool {
		return in.Name == e.Input && in.Component.Type == "s3"
	})
}

// feeder feeds an entry: an event as the record that it was, with its place, so that it keeps its key; a broken piece as
// input to be split anew.
func feeder(e *quarantine.Entry) func(context.Context, *pipeline.Frame) error {
	return func(ctx context.Context, f *pipeline.Frame) error {
		if e.Key == "" {
			_, err := split.New(split.Options{}).Split(ctx, bytes.NewReader(e.Bytes()), e.Origin(),
				split.Base{Offset: e.Offset, Index: max(e.Index, 0)}, f)
			return err
		}
		raw := e.Bytes()
		kind := cmp.Or(pipeline.Kind(e.Kind), record.KindOf(raw))
		return f.Feed(ctx, []pipeline.Event{pipeline.NewEvent(&pipeline.Record{
			Raw: raw, Kind: kind, Origin: e.Origin(), Index: e.Index, Offset: e.Offset, Seed: e.Seed, Reader: readerOf(kind, e.Key),
		})})
	}
}

// readerOf returns the reader of a record that comes again: it keeps the key that it had, since what is kept of it may be
// redacted. key is that of an event; of several results of a filter it has a mark at its end.
func readerOf(kind pipeline.Kind, key string) pipeline.Reader {
	k := keeper{record.Reader{}, mark.ReplaceAllString(key, "")}
	if kind == pipeline.KindSession {
		k.Reader = sessions.Reader{}
	}
	return k
}

var mark = regexp.MustCompile(`(#\d+)+$`)

type keeper struct {
	pipeline.Reader
	key string
}

// Key implements pipeline.Reader.
func (k keeper) Key(*pipeline.Record) string { return k.key }
