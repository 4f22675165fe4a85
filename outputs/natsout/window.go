package natsout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/trailcast/trailcast/internal/rawjson"
)

// window holds the messages of one connection that wait for their PubAck: a bounded number, shared by all Writes. Each
// message has a slot; the slot's number is the last token of the subject that its confirmation arrives on.
//
// jetstream.PublishMsgAsync does the same with a map, two channels and a timer for each message, and sends again by
// itself when no stream answers. Here an event that fails is the engine's to send again.
type window struct {
	nc     *nats.Conn
	stream string // that must confirm

	confirmed string      // how the server writes a confirmation: a number and the closing brace follow
	inbox     string      // what the subjects of confirmations begin with; a token follows
	free      chan uint32 // numbers of free slots

	mu    sync.Mutex
	slots []slot
}

type slot struct {
	flight  *flight // nil: free
	index   int     // of the event in the flight
	subject string
	use     uint32 // counts the uses, so that a late confirmation does not meet the next message
}

func openWindow(nc *nats.Conn, stream string, size int) (*window, error) {
	w := &window{nc: nc, stream: stream, inbox: nc.NewInbox() + ".", free: make(chan uint32, size), slots: make([]slot, size)}
	w.confirmed = fmt.Sprintf(`{"stream":%s,"seq":`, rawjson.AppendString(nil, stream))
	for i := range size {
		w.free <- uint32(i)
	}
	sub, err := nc.Subscribe(w.inbox+"*", w.confirm)
	if err != nil {
		return nil, err
	}
	return w, sub.SetPendingLimits(-1, -1) // bounded by the window
}

// flight is one Write's messages.
type flight struct {
	replies texts // the sender's

	mu     sync.Mutex
	errs   []error // by event; nil: confirmed, when all is done
	open   int     // messages without confirmation, plus one while more may come
	active int     // counts confirmations
	done   chan struct{}
}

func newFlight(events int) *flight {
	return &flight{errs: make([]error, events), open: 1, done: make(chan struct{})}
}

// land ends one message, or the coming of more. Of several errors of one event a retryable one wins.
func (f *flight) land(index int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.errs[index] = worse(f.errs[index], err)
	}
	f.active++
	f.open--
	if f.open == 0 {
		close(f.done)
	}
}

// landed says that no more messages will take off.
func (f *flight) landed() { f.land(0, nil) }

// fail notes the error of an event for which nothing was sent.
func (f *flight) fail(index int, err error) {
	f.mu.Lock()
	f.errs[index] = worse(f.errs[index], err)
	f.mu.Unlock()
}

// takeOff counts a message that is about to be sent.
func (f *flight) takeOff() {
	f.mu.Lock()
	f.open++
	f.mu.Unlock()
}

// send publishes a message of a flight when there is room in the window. The flight hears of its end; an error says
// that the connection takes no more messages, or that ctx has ended, and the flight has heard of it too.
func (w *window) send(ctx context.Context, s *session, f *flight, index int, msg *nats.Msg) error {
	var number uint32
	select {
	case number = <-w.free:
	default:
		select {
		case number = <-w.free:
		case <-s.down:
			f.fail(index, s.reason())
			return s.reason()
		case <-ctx.Done():
			f.fail(index, context.Cause(ctx))
			return context.Cause(ctx)
		}
	}
	f.takeOff()
	w.mu.Lock()
	sl := &w.slots[number]
	sl.use++
	use := sl.use
	sl.flight, sl.index, sl.subject = f, index, msg.Subject
	w.mu.Unlock()

	var token [128]byte
	msg.Reply = f.replies.keep(appendToken(append(token[:0], w.inbox...), number, use))
	err := w.nc.PublishMsg(msg)
	if err == nil {
		// onClosed may have failed all slots before this one was taken.
		select {
		case <-s.down:
			err = s.reason()
		default:
			return nil
		}
	}
	w.end(number, use, fmt.Errorf("publish: %w", err))
	return err
}

// appendToken encodes a slot and its use: base 36, slot in the low bits.
func appendToken(dst []byte, number, use uint32) []byte {
	return strconv.AppendUint(dst, uint64(use)<<32|uint64(number), 36)
}

// end frees a slot and tells its flight, unless that has happened already.
func (w *window) end(number, use uint32, err error) {
	w.mu.Lock()
	if int(number) >= len(w.slots) || w.slots[number].flight == nil || w.slots[number].use != use {
		w.mu.Unlock()
		return
	}
	f, index := w.release(number)
	w.mu.Unlock()
	f.land(index, err)
}

// release frees a slot that is taken. The caller holds mu.
func (w *window) release(number uint32) (*flight, int) {
	sl := &w.slots[number]
	f, index := sl.flight, sl.index
	sl.flight, sl.subject = nil, ""
	w.free <- number // has room for every slot
	return f, index
}

// endIf ends all messages that match.
func (w *window) endIf(match func(*slot) bool, err error) {
	w.mu.Lock()
	type landing struct {
		f     *flight
		index int
	}
	var landings []landing
	for number := range w.slots {
		if w.slots[number].flight != nil && match(&w.slots[number]) {
			f, index := w.release(uint32(number))
			landings = append(landings, landing{f, index})
		}
	}
	w.mu.Unlock()
	for _, l := range landings {
		l.f.land(l.index, err)
	}
}

func (w *window) failAll(err error) {
	w.endIf(func(*slot) bool { return true }, err)
}

func (w *window) failSubject(subject string, err error) {
	w.endIf(func(s *slot) bool { return s.subject == subject }, err)
}

// wait returns when each message of a flight has its end. Messages that are not confirmed when ctx ends, or when no
// confirmation has arrived for timeout, are given up.
func (w *window) wait(ctx context.Context, f *flight, timeout time.Duration) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	active := 0
	for {
		select {
		case <-f.done:
			return
		case <-ctx.Done():
			w.endIf(func(s *slot) bool { return s.flight == f }, fmt.Errorf("wait for the confirmation: %w", context.Cause(ctx)))
			<-f.done
			return
		case <-timer.C:
			f.mu.Lock()
			progress := f.active != active
			active = f.active
			f.mu.Unlock()
			if !progress {
				w.endIf(func(s *slot) bool { return s.flight == f }, fmt.Errorf("no confirmation within %v", timeout))
				<-f.done
				return
			}
			timer.Reset(timeout)
		}
	}
}

// confirm handles the answer to one message. nats.go calls it from one goroutine.
func (w *window) confirm(msg *nats.Msg) {
	token := msg.Subject[strings.LastIndexByte(msg.Subject, '.')+1:]
	n, err := strconv.ParseUint(token, 36, 64)
	if err != nil {
		return // nobody sends this
	}
	if w.confirms(msg.Data) {
		err = nil
	} else {
		err = ackError(msg, w.stream)
	}
	w.end(uint32(n), uint32(n>>32), err)
}

// confirms reports whether an answer is a confirmation as the server mostly writes it; ackError decides on all others.
func (w *window) confirms(answer []byte) bool {
	rest, ok := bytes.CutPrefix(answer, []byte(w.confirmed))
	last := len(rest) - 1
	if !ok || last < 1 || rest[last] != '}' {
		return false
	}
	for _, c := range rest[:last] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return rest[0] != '0'
}

var errNoStream = errors.New("no stream listens on the subject, or its leader is away")

// ackError returns nil when the message is the stream's confirmation.
func ackError(msg *nats.Msg, stream string) error {
	if len(msg.Data) == 0 && msg.Header.Get("Status") == "503" {
		return errNoStream
	}
	if rawjson.Valid(msg.Data) != nil || rawjson.KindOf(msg.Data) != rawjson.Object {
		return fmt.Errorf("the answer is no confirmation of a stream: %.100q", msg.Data)
	}
	var fields [2][]byte
	rawjson.GetMany(msg.Data, []string{"error", "stream"}, fields[:])
	if fields[0] != nil {
		return apiError(fields[0])
	}
	switch by, _ := rawjson.Text(fields[1]); by {
	case stream:
		return nil
	case "":
		return fmt.Errorf("the answer is no confirmation of a stream: %.100q", msg.Data)
	default:
		return fmt.Errorf("the stream %s has stored the event, not %s: only one of them may listen on the subject",
			by, stream)
	}
}
