package sessions

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// claim says which of several agents tells what time brings: the one that wrote the key last, as long as it goes on writing
// it. Clocks of different machines are not compared: another agent takes the claim over when it has seen no change of it for
// longer than its holder may believe to have it.
type claim struct {
	me    string
	lease time.Duration

	mu       sync.Mutex // guards what follows
	holder   string     // "": nobody
	revision uint64     // of the key, as far as it is known here; 0: there is none
	changed  time.Time  // when that was seen
	until    time.Time  // it is ours
}

func newClaim(me string, lease time.Duration) *claim { return &claim{me: me, lease: lease} }

func (c *claim) mine() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.until)
}

// saw takes what the bucket tells of the key. holder is "" where it was deleted.
func (c *claim) saw(holder string, revision uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if revision <= c.revision {
		return
	}
	c.holder, c.revision, c.changed = holder, revision, time.Now()
	if holder != c.me {
		c.until = time.Time{}
	}
}

// forget forgets what is known of the key, before the bucket is read from its beginning: it may be another one.
func (c *claim) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holder, c.revision = "", 0
}

// tick takes the claim, or keeps it, and reports whether it was taken just now.
func (c *claim) tick(ctx context.Context, kv jetstream.KeyValue) (taken bool, err error) {
	c.mu.Lock()
	holder, revision := c.holder, c.revision
	idle := time.Since(c.changed) > c.lease*3/2
	c.mu.Unlock()
	if holder != "" && holder != c.me && !idle {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	began := time.Now()
	if holder == "" {
		revision, err = kv.Create(ctx, keyClaim, []byte(c.me))
	} else {
		revision, err = kv.Update(ctx, keyClaim, []byte(c.me), revision)
	}
	if isConflict(err) {
		return false, c.look(ctx, kv)
	}
	if err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	taken = !began.Before(c.until)
	c.holder, c.revision, c.changed, c.until = c.me, max(c.revision, revision), began, began.Add(c.lease)
	return taken, nil
}

// look reads the key after it was found to be another one than was known.
func (c *claim) look(ctx context.Context, kv jetstream.KeyValue) error {
	entry, err := kv.Get(ctx, keyClaim)
	if errors.Is(err, jetstream.ErrKeyNotFound) { // it was made anew, or the bucket was
		c.mu.Lock()
		defer c.mu.Unlock()
		c.holder, c.revision, c.until = "", 0, time.Time{}
		return nil
	}
	if err != nil {
		return err
	}
	c.saw(string(entry.Value()), entry.Revision())
	return nil
}

// release gives the claim up, so that another agent need not wait.
func (c *claim) release(ctx context.Context, kv jetstream.KeyValue) {
	c.mu.Lock()
	ours, revision := c.holder == c.me, c.revision
	c.until = time.Time{}
	c.mu.Unlock()
	if ours {
		_ = kv.Delete(ctx, keyClaim, jetstream.LastRevision(revision)) // without it the others wait
	}
}
