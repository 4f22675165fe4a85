package natsin

import (
	"context"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// held are the messages of a stream that were received and are not acknowledged yet.
type held struct {
	freed chan struct{} // holds a token after room was made

	mu       sync.Mutex
	messages map[place]jetstream.Msg
	waiting  int // bytes of those that are not fed yet
}

// place is where a message stands in its stream. The time tells it from one of a stream of the same name that was made
// anew.
type place struct {
	sequence uint64
	time     int64
}

func newHeld() *held {
	return &held{freed: make(chan struct{}, 1), messages: map[place]jetstream.Msg{}}
}

// add reports whether the message is a new one. One that is held already has come again, since the server did not hear
// in time that it is being worked on: it is held from then on by its last delivery, which is the one to acknowledge.
func (h *held) add(at place, msg jetstream.Msg) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, again := h.messages[at]
	h.messages[at] = msg
	if !again {
		h.waiting += len(msg.Data())
	}
	return !again
}

// begun says that a message is being fed.
func (h *held) begun(size int) {
	h.mu.Lock()
	h.waiting -= size
	h.mu.Unlock()
	h.wake()
}

// remove returns the last delivery of a message, which is held no longer.
func (h *held) remove(at place) jetstream.Msg {
	h.mu.Lock()
	msg := h.messages[at]
	delete(h.messages, at)
	h.mu.Unlock()
	h.wake()
	return msg
}

func (h *held) wake() {
	select {
	case h.freed <- struct{}{}:
	default:
	}
}

// room waits until there is room for messages, and returns for how many and of how many bytes; false when ctx ends.
func (h *held) room(ctx context.Context, maxMessages, maxWaiting int) (messages, size int, ok bool) {
	for ctx.Err() == nil {
		h.mu.Lock()
		messages, size = maxMessages-len(h.messages), maxWaiting-h.waiting
		h.mu.Unlock()
		if messages > 0 && size > maxWaiting/2 { // less would ask for a few messages at a time
			return messages, size, true
		}
		select {
		case <-h.freed:
		case <-ctx.Done():
		}
	}
	return 0, 0, false
}

// all returns the messages as they are now.
func (h *held) all() []jetstream.Msg {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]jetstream.Msg, 0, len(h.messages))
	for _, msg := range h.messages {
		all = append(all, msg)
	}
	return all
}
