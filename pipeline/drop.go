package pipeline

// Dropper returns who says of the frame's events, before they are fed, that they are not wanted; nil where nobody does.
// Events that it drops are not fed but counted by Dropped. It is used by one goroutine at a time, as Feed is.
func (f *Frame) Dropper() Dropper {
	if f.from >= len(f.engine.filters) {
		return nil
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
	first := e.filters[f.from]
	first.stats.in.Add(events)
	first.stats.filtered.Add(events)
	counts := Counts{In: events, Filtered: events}
	if f.from > 0 {
		counts = Counts{Made: events, Filtered: events}
		e.filters[f.from-1].stats.made.Add(events)
	} else {
		e.stats.bytesIn.Add(bytes)
	}
	e.stats.in.Add(counts.In)
	e.stats.add(counts)
	f.count(counts)
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
