package pipeline

import "hash/maphash"

// A Sequential is a Filter to which the order of some events matters: what one of them says holds for the next.
type Sequential interface {
	// InOrder reports whether it wants events of a kind in the order in which their input feeds them. Such batches of one
	// input are filtered one after the other.
	InOrder(kind Kind) bool
}

// way returns where a batch goes: to whichever worker is free, or to the one that all that it must not overtake goes to.
func (e *Engine) way(b *batch) chan<- *batch {
	switch n := uint64(len(e.own)); {
	case n == 0:
		return e.shared
	case e.wantsInput(b):
		name := ""
		if b.frame.input != nil {
			name = b.frame.input.name
		}
		return e.own[maphash.String(e.seed, name)%n]
	case e.ordered:
		return e.own[b.frame.id%n]
	}
	return e.shared
}

// wantsInput reports whether a batch must follow the other batches of its input. Where an output keeps the order of frames
// too, the batches of a frame must not part.
func (e *Engine) wantsInput(b *batch) bool {
	if e.ordered && len(e.sequential) > 0 {
		return true
	}
	for _, s := range e.sequential {
		var last Kind
		for i := range b.events {
			kind := b.events[i].Record.Kind
			if kind != last && s.InOrder(kind) {
				return true
			}
			last = kind
		}
	}
	return false
}

// work routes batches until both ways are closed; own may be nil.
func (w *router) work(shared, own <-chan *batch) {
	for shared != nil || own != nil {
		select {
		case b, ok := <-shared:
			if !ok {
				shared = nil
				continue
			}
			w.route(b)
		case b, ok := <-own:
			if !ok {
				own = nil
				continue
			}
			w.route(b)
		}
	}
}
