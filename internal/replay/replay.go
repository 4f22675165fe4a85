// Package replay sends quarantined entries through a pipeline again.
package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
		return f.Feed(ctx, []pipeline.Event{pipeline.NewEvent(&pipeline.Record{
			Raw: raw, Kind: record.KindOf(raw), Origin: e.Origin(), Index: e.Index, Offset: e.Offset, Seed: e.Seed, Reader: record.Reader{},
		})})
	}
}
