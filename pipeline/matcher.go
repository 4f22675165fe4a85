package pipeline

// A Matcher decides the conditions of all outputs on an event at once: what several of them look up is looked up once.
// Each filter worker has one of its own, so that Match is never called from two goroutines at the same time.
type Matcher interface {
	// Match appends those outputs, in their order, whose condition holds or is left to Condition.Match; those of all other
	// outputs do not hold, without an error. It keeps nothing of ev.
	Match(ev *Event, dst []Match) []Match
}

// Match is an output that an event may go to.
type Match struct {
	Output int // index in Settings.Outputs
	Holds  Tri // Yes; Unknown: its Condition is to be asked, if it has one
}

// matches appends the outputs that an event may go to.
func (w *router) matches(ev *Event, dst []Match) (matches []Match) {
	if w.matcher == nil {
		return w.allOutputs(dst)
	}
	defer func() {
		if p := recover(); p != nil {
			w.engine.log.Error("deciding the conditions of all outputs panicked; each is asked by itself", "panic", p, "stack", stack())
			matches = w.allOutputs(dst)
		}
	}()
	return w.matcher.Match(ev, dst)
}

func (w *router) allOutputs(dst []Match) []Match {
	for k := range w.engine.outputs {
		dst = append(dst, Match{Output: k})
	}
	return dst
}

// wants decides whether an event goes to an output that it matches.
func (w *router) wants(m Match, ev *Event) (bool, error) {
	when := w.engine.outputs[m.Output].stage.When
	if m.Holds == Yes || when == nil {
		return true, nil
	}
	return w.engine.match(when, ev)
}
