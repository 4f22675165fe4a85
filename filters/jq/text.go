package jq

import (
	"context"
	"errors"
	"fmt"

	"github.com/trailcast/trailcast/internal/conf"
	"github.com/trailcast/trailcast/pipeline"
)

// NewText compiles a program that makes a text of an event: its first result, as it is where it is a string, else as JSON.
// ok is false when the program yields nothing, or null.
func NewText(text conf.Text) (func(ctx context.Context, ev *pipeline.Event) (s string, ok bool, err error), error) {
	p, err := Compile(text, Options{})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, ev *pipeline.Event) (s string, ok bool, err error) {
		err = p.Run(ctx, ev, func(input, result any) error {
			switch result := result.(type) {
			case nil:
			case string:
				s, ok = result, true
			default:
				if Same(input, result) {
					s, ok = string(ev.Raw), true
				} else {
					s, ok = string(NewEncoder(ev.Raw, input).Append(nil, result, p.order)), true
				}
			}
			return errEnough
		})
		if err != nil && !errors.Is(err, errEnough) {
			return "", false, fmt.Errorf("jq: %w", err)
		}
		return s, ok, nil
	}, nil
}
