package sessions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	answerWithin = 5 * time.Second  // deadline of one call
	flushWithin  = 10 * time.Second // deadline of writing all that is new
)

// bucket is the connection to a key-value bucket, which comes and goes.
type bucket struct {
	config  KV
	options []nats.Option
	log     *slog.Logger

	// Waits that tests shorten.
	retryEvery time.Duration // between attempts to connect
	leftFor    time.Duration // how long the bucket keeps that a key was deleted, and the readings of an agent

	nc        *nats.Conn    // the follower's
	connected chan struct{} // holds a token after the connection was made, or made again

	mu      sync.Mutex // guards what follows
	current *openBucket
	left    map[string]jetstream.KeyValueEntry // what will be of no use, by the keys that it is of
}

// openBucket is a bucket that is there.
type openBucket struct {
	nc     *nats.Conn
	kv     jetstream.KeyValue
	stream jetstream.Stream
}

func newBucket(config KV, options []nats.Option, log *slog.Logger) *bucket {
	return &bucket{
		config: config, options: options, log: log, retryEvery: 2 * time.Second, leftFor: 24 * time.Hour,
		connected: make(chan struct{}, 1), left: map[string]jetstream.KeyValueEntry{},
	}
}

// connect begins to connect, and goes on with it for as long as the server is away.
func (b *bucket) connect() (err error) {
	var complained, reported string // nats.go calls these handlers one after another
	connected := func(text string) nats.ConnHandler {
		return func(nc *nats.Conn) {
			complained, reported = "", ""
			b.log.Info(text, "server", nc.ConnectedUrlRedacted())
			select {
			case b.connected <- struct{}{}:
			default:
			}
		}
	}
	b.nc, err = nats.Connect(strings.Join(b.config.URL, ","), append(b.options,
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(b.retryEvery), nats.ReconnectBufSize(-1),
		nats.IgnoreAuthErrorAbort(), // a password may be put right while the agent runs
		nats.PingInterval(20*time.Second),
		nats.ConnectHandler(connected("connected to NATS")),
		nats.ReconnectHandler(connected("connected to NATS again")),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if err.Error() != complained {
				complained = err.Error()
				b.log.Warn("no connection to NATS; it is tried again", "err", err)
			}
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("the connection to NATS was lost: until it is back this agent knows what it learns itself", "err", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if err.Error() != reported {
				reported = err.Error()
				b.log.Warn("NATS reports an error", "err", err)
			}
		}),
	)...)
	return err
}

// find returns the bucket, which is created if it may be.
func (b *bucket) find(ctx context.Context) (*openBucket, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	js, err := jetstream.New(b.nc)
	if err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, b.config.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) && b.config.Create {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: b.config.Bucket, Description: "what trailcast knows of sessions", Replicas: b.config.Replicas, Storage: jetstream.FileStorage,
		})
		if errors.Is(err, jetstream.ErrBucketExists) { // another agent made it
			kv, err = js.KeyValue(ctx, b.config.Bucket)
		}
	}
	if err != nil {
		return nil, b.explained(err)
	}
	stream, err := js.Stream(ctx, "KV_"+b.config.Bucket)
	if err != nil {
		return nil, b.explained(err)
	}
	if age := stream.CachedInfo().Config.MaxAge; age > 0 {
		b.log.Warn("the key-value bucket forgets by itself (ttl): sessions that last longer are not known any more", "bucket", b.config.Bucket, "ttl", age)
	}
	return &openBucket{b.nc, kv, stream}, nil
}

// explained says what to do about an error of the server.
func (b *bucket) explained(err error) error {
	switch {
	case errors.Is(err, jetstream.ErrBucketNotFound):
		return fmt.Errorf("bucket %s: there is none (make it, or set create: true)", b.config.Bucket)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("bucket %s: the server does not answer; may this user publish to $JS.API.> and subscribe to its inbox (inbox_prefix)?", b.config.Bucket)
	}
	return fmt.Errorf("bucket %s: %w", b.config.Bucket, err)
}

// use makes a bucket the one that is used; nil for none.
func (b *bucket) use(o *openBucket) {
	b.mu.Lock()
	b.current = o
	b.mu.Unlock()
}

// open returns the bucket; nil while it is away.
func (b *bucket) open() *openBucket {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current == nil || !b.current.nc.IsConnected() {
		return nil
	}
	return b.current
}

// watch begins to bring the states of sessions, the readings of agents and the claim, first as they are now, then nil, then
// their changes. It ends with ctx.
func (o *openBucket) watch(ctx context.Context) (jetstream.KeyWatcher, error) {
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(answerWithin, cancel)
	watcher, err := o.kv.WatchFiltered(ctx, []string{keyStates, keyAgents, keyClaim})
	if !late.Stop() && err == nil {
		_ = watcher.Stop() // it ends by itself
		err = context.DeadlineExceeded
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return watcher, nil
}

func (o *openBucket) get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return o.kv.Get(ctx, key)
}

// stored is what the bucket has under a session's key.
type stored struct {
	revision uint64
	deleted  bool
	data     []byte
}

func storedOf(entry jetstream.KeyValueEntry) stored {
	return stored{entry.Revision(), entry.Operation() != jetstream.KeyValuePut, entry.Value()}
}

// last is get for which a deleted key has a revision as well. The error may be jetstream.ErrMsgNotFound.
func (o *openBucket) last(ctx context.Context, key string) (stored, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	m, err := o.stream.GetLastMsgForSubject(ctx, "$KV."+o.kv.Bucket()+"."+key)
	if err != nil {
		return stored{}, err
	}
	// Only what takes a value away has one of these headers: a client's, or the server's where something expired.
	isDeleted := m.Header.Get("KV-Operation") != "" || m.Header.Get(jetstream.MarkerReasonHeader) != ""
	return stored{m.Sequence, isDeleted, m.Data}, nil
}

// put writes a session, blocks first. Blocks of a write that fails are left behind, until the session is forgotten.
func (o *openBucket) put(ctx context.Context, w *write) (revision uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if w.gone {
		if w.revision == 0 {
			return 0, nil
		}
		return 0, o.kv.Delete(ctx, stateKey(w.key), jetstream.LastRevision(w.revision))
	}
	for _, block := range w.blocks {
		if _, err := o.kv.Put(ctx, blockKey(w.key, block.name), block.data); err != nil {
			return 0, err
		}
	}
	if w.revision == 0 {
		return o.kv.Create(ctx, stateKey(w.key), encode(&w.value))
	}
	return o.kv.Update(ctx, stateKey(w.key), encode(&w.value), w.revision)
}

func isConflict(err error) bool {
	return errors.Is(err, jetstream.ErrKeyRevisionMismatch) || errors.Is(err, jetstream.ErrKeyExists)
}

// load returns the hashes of blocks. Those of known ones are in sealed.
func (o *openBucket) load(ctx context.Context, key string, blocks, known []string, sealed seen) (seen, error) {
	if len(missing(known, blocks)) > 0 { // the session was forgotten, and came again
		known, sealed = nil, nil
	}
	lacking := missing(blocks, known)
	if len(lacking) == 0 {
		return sealed, nil
	}
	sealed = maps.Clone(sealed)
	for _, name := range lacking {
		entry, err := o.get(ctx, blockKey(key, name))
		if err != nil {
			return nil, fmt.Errorf("block of a session: %w", err)
		}
		sealed.add(entry.Value())
	}
	return sealed, nil
}

// note notes what will be of no use after a while: what tells all agents that a session was deleted, and what was written
// for a time only. keys may end with a wildcard.
func (b *bucket) note(keys string, entry jetstream.KeyValueEntry) {
	b.mu.Lock()
	b.left[keys] = entry
	b.mu.Unlock()
}

// tidy purges from the bucket what is of no use any more, if that is for this agent to do.
func (b *bucket) tidy(mine bool) error {
	o := b.open()
	if o == nil {
		return nil
	}
	b.mu.Lock()
	old := map[string]jetstream.KeyValueEntry{}
	for keys, entry := range b.left {
		if time.Since(entry.Created()) > b.leftFor {
			old[keys] = entry
			delete(b.left, keys)
		}
	}
	b.mu.Unlock()
	if !mine {
		return nil
	}
	for keys, entry := range old {
		if err := o.purge(keys, entry.Revision()); err != nil {
			b.note(keys, entry)
			return err
		}
	}
	return nil
}

// purge removes keys, but nothing that was written after a revision.
func (o *openBucket) purge(keys string, upTo uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	return o.stream.Purge(ctx, jetstream.WithPurgeSubject("$KV."+o.kv.Bucket()+"."+keys), jetstream.WithPurgeSequence(upTo+1))
}
