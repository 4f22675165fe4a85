package httpin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/trailcast/trailcast/pipeline"
)

// work counts the requests that are being answered and the frames that are not settled, and refuses new ones after a stop.
type work struct {
	mu       sync.Mutex
	stopping bool
	all      sync.WaitGroup
}

func (w *work) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping {
		return false
	}
	w.all.Add(1)
	return true
}

func (w *work) end() { w.all.Done() }

// stop returns when all that has begun has ended.
func (w *work) stop() {
	w.mu.Lock()
	w.stopping = true
	w.mu.Unlock()
	w.all.Wait()
}

var errUnread = errors.New("the request was not fed to its end")

// deliver feeds a request as one frame and waits until it is settled, until timeout, or until the client has gone. What
// was fed by then goes on, and comes again with the request that is sent again.
//
// What the request holds is given back when it is fed: from then on the engine counts its events.
func (s *server) deliver(r *http.Request, feed feed, held *share) (pipeline.Result, error) {
	var none pipeline.Result
	ctx, cancel := context.WithTimeout(s.ctx, s.config.Timeout)
	defer cancel()
	late := time.NewTimer(s.config.Timeout)
	defer late.Stop()
	settled := make(chan pipeline.Result, 1)
	s.work.all.Add(1) // the request's own count is not given back yet
	frame := s.to.Open(func(result pipeline.Result) {
		settled <- result
		s.work.end()
	})
	defer frame.Abandon(errUnread) // no effect after Seal
	f := s.newFeeder(ctx, frame)
	if err := errors.Join(feed(ctx, f), f.end()); err != nil {
		frame.Abandon(err)
		return none, fmt.Errorf("%w: %w", errUndelivered, err)
	}
	frame.Seal()
	held.release()
	select {
	case result := <-settled:
		if result.Outcome == pipeline.Retry {
			return none, fmt.Errorf("%w: %w", errUndelivered, cause(result.Err))
		}
		return result, nil
	case <-late.C: // and not the end of s.ctx: a stop waits as long as the engine drains
		return none, fmt.Errorf("%w: no confirmation within %v (option timeout)", errUndelivered, s.config.Timeout)
	case <-r.Context().Done():
		return none, fmt.Errorf("%w: the client has gone", errUndelivered)
	}
}

func cause(err error) error {
	if err == nil {
		return errors.New("no reason given")
	}
	return err
}

// post makes the feed of a body that came without headers of a known sender: EventBridge's, or anybody's.
func (in *Input) post(r *http.Request, body []byte) (feed, error) {
	origin, err := in.plainOrigin(r, body)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, to *feeder) error { return to.add(ctx, body, origin) }, nil
}
