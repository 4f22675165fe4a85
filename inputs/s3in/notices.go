package s3in

import (
	"context"
	"slices"
	"sync"

	"github.com/trailcast/trailcast/formats/notice"
	"github.com/trailcast/trailcast/internal/sqsqueue"
	"github.com/trailcast/trailcast/pipeline"
)

// notices reads the objects that the messages of a queue tell of. A message is done when all its objects are.
type notices struct {
	objects *objects
	queue   *sqsqueue.Queue

	mu   sync.Mutex
	part map[string]map[notice.Object]bool // by message that came again: which of its objects are done
}

func newNotices(o *objects, q *sqsqueue.Queue) *notices {
	return &notices{objects: o, queue: q, part: map[string]map[notice.Object]bool{}}
}

// maxPart is of how many messages it is remembered which of their objects are done; without it they are read again.
const maxPart = 10_000

// handle implements sqsqueue.Handler.
func (n *notices) handle(ctx context.Context, to pipeline.Intake, m *sqsqueue.Message) {
	told, err := notice.Parse([]byte(m.Body))
	if err != nil {
		m.Quarantine(ctx, to, err.Error())
		return
	}
	n.mu.Lock()
	before := n.part[m.ID]
	n.mu.Unlock()
	var todo []notice.Object
	for _, o := range told.Objects {
		if n.objects.takes(o.Bucket, o.Key) && !before[o] && !slices.Contains(todo, o) {
			todo = append(todo, o)
		}
	}
	if len(todo) == 0 {
		n.forget(m)
		m.Done()
		return
	}
	via := append([]string{"sqs"}, told.Via...)
	w := &work{notices: n, message: m, left: len(todo)}
	for _, o := range todo {
		n.objects.submit(ctx, job{object: o, via: via, settled: func(r pipeline.Result) { w.settled(o, r) }})
	}
}

func (n *notices) forget(m *sqsqueue.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.part, m.ID)
}

// remember keeps which objects of a message are done until it comes again.
func (n *notices) remember(m *sqsqueue.Message, done []notice.Object) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(done) == 0 {
		return
	}
	if len(n.part) >= maxPart {
		clear(n.part)
	}
	if n.part[m.ID] == nil {
		n.part[m.ID] = map[notice.Object]bool{}
	}
	for _, o := range done {
		n.part[m.ID][o] = true
	}
}

// work is a message whose objects are being read.
type work struct {
	notices *notices
	message *sqsqueue.Message

	mu   sync.Mutex
	left int
	done []notice.Object
	err  error // of the first object that is to be read again
	bad  bool
}

func (w *work) settled(o notice.Object, r pipeline.Result) {
	w.mu.Lock()
	if r.Outcome == pipeline.Retry {
		if !w.bad {
			w.err = r.Err
		}
		w.bad = true
	} else {
		w.done = append(w.done, o)
	}
	w.left--
	last := w.left == 0
	w.mu.Unlock()
	switch {
	case !last:
	case w.bad:
		w.notices.remember(w.message, w.done)
		w.message.Again(w.err)
	default:
		w.notices.forget(w.message)
		w.message.Done()
	}
}
