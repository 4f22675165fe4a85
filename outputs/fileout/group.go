package fileout

import "github.com/trailcast/trailcast/pipeline"

// group is the events of one file, by their indexes.
type group struct {
	name   string
	events []int
}

// group sorts events by file, each file's in their order.
func (o *Output) group(events []pipeline.Event) []group {
	if _, fixed := o.template.Literal(); fixed && len(events) > 0 {
		return []group{{o.name(&events[0]), numbers(len(events))}}
	}
	var groups []group
	var sizes []int
	of := make([]int, len(events)) // the group of each event
	byPath := map[string]int{}
	var path, last []byte
	for i := range events {
		path, last = o.appendPath(last[:0], &events[i]), path
		if i > 0 && string(path) == string(last) { // neighbours mostly go to the same file
			of[i] = of[i-1]
			sizes[of[i]]++
			continue
		}
		g, ok := byPath[string(path)]
		if !ok {
			g = len(groups)
			byPath[string(path)] = g
			groups = append(groups, group{name: localName(string(path))})
			sizes = append(sizes, 0)
		}
		of[i] = g
		sizes[g]++
	}
	room := make([]int, len(events))
	for g := range groups {
		groups[g].events, room = room[:0:sizes[g]], room[sizes[g]:]
	}
	for i, g := range of {
		groups[g].events = append(groups[g].events, i)
	}
	return groups
}

// numbers returns 0 to n-1.
func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}
