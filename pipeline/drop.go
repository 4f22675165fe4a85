package pipeline

// Dropper returns who says of the frame's events, before they are fed, that they are not wanted: the first filter or, where
// there are none, the conditions of all outputs; nil where nobody does. Events that it drops are not fed but counted by
// Dropped. It is used by one goroutine at a time, as Feed is.
func (f *Frame) Dropper() Dropper {
	if f.unfiltered() {
		return f.engine.unwanted()
	}
	first := f.engine.filters[f.from]
	d, ok := first.stage.Filter.(Dropper)
	if !ok || first.stage.When != nil {
		return nil
	}
	return &guardedDropper{d, first, f.engine}
}

// Dropped accounts for events that the Dropper dropped.
func (f *Frame) Dropped(events, bytes int64) {
	e := f.engine
	var counts Counts
	if f.unfiltered() {
		counts.Unrouted = events
	} else {
		first := e.filters[f.from]
		first.stats.in.Add(events)
		first.stats.filtered.Add(events)
		counts.Filtered = events
	}
	if f.from > 0 {
		counts.Made = events
		e.filters[f.from-1].stats.made.Add(events)
	} else {
		counts.In = events
		e.stats.bytesIn.Add(bytes)
	}
	e.stats.in.Add(counts.In)
	e.stats.add(counts)
	f.count(counts)
}

// unfiltered reports whether the frame's events go straight to the outputs.
func (f *Frame) unfiltered() bool { return f.from >= len(f.engine.filters) }

// unwanted returns who drops the events that no output wants; nil where an output takes all.
func (e *Engine) unwanted() Dropper {
	if e.settings.NewMatcher == nil {
		return nil
	}
	for _, o := range e.outputs {
		if o.stage.When == nil {
			return nil
		}
	}
	return &conditions{engine: e, matcher: e.settings.NewMatcher()}
}

// conditions drop the events that meet none of them. Those that meet one are asked about again when they are routed.
type conditions struct {
	engine  *Engine
	matcher Matcher
	matched []Match
}

func (c *conditions) Drops(ev *Event) (drops bool) {
	defer func() {
		if p := recover(); p != nil {
			c.engine.log.Error("deciding the conditions of all outputs panicked; the event is looked at again", "panic", p, "stack", stack())
			drops = false
		}
	}()
	c.matched = c.matcher.Match(ev, c.matched[:0])
	return len(c.matched) == 0
}

// guardedDropper drops nothing on a panic: the filter fails on the event later, and the stage's on_error decides.
type guardedDropper struct {
	dropper Dropper
	runner  *filterRunner
	engine  *Engine
}

func (g *guardedDropper) Drops(ev *Event) (drops bool) {
	defer func() {
		if p := recover(); p != nil {
			g.runner.stats.panics.Add(1)
			g.engine.log.Error("filter panicked; the event is looked at again", "filter", g.runner.stage.Name, "panic", p, "stack", stack())
			drops = false
		}
	}()
	return g.dropper.Drops(ev)
}
