package session

import "strconv"

// screen knows whether a full-screen program is running.
type screen struct {
	show      bool  // Settings.Screens
	alternate bool  // on the alternate screen
	placed    bool  // a program that has hidden the cursor places it itself
	hidden    bool  // the cursor is hidden
	bytes     int64 // since the program began
}

// hides reports whether what is written is not shown.
func (s *screen) hides() bool { return (s.alternate || s.placed) && !s.show }

// screenMode takes a change of a private mode; mode 0 leaves everything.
func (c *Cleaner) screenMode(mode int, on bool) {
	s := &c.screen
	before := s.alternate || s.placed
	alternate, placed := s.alternate, s.placed
	switch mode {
	case 0:
		alternate, placed, s.hidden = false, false, false
	case 47, 1047, 1049:
		alternate = on
		placed = placed && on
	case 25:
		s.hidden = !on
		placed = placed && !on
	case 2004: // a shell turns bracketed paste on where it reads a command
		placed = placed && !on
	default:
		return
	}
	after := alternate || placed
	if !before && after {
		c.enterScreen()
	}
	if before && !after {
		c.leaveScreen()
	}
	s.alternate, s.placed = alternate, placed
}

func (c *Cleaner) enterScreen() {
	c.breakLine()
	c.screen.show = c.settings.Screens
	c.screen.bytes = 0
}

// leaveScreen yields the mark of a full-screen program.
func (c *Cleaner) leaveScreen() {
	s := &c.screen
	if !s.alternate && !s.placed {
		return
	}
	if s.show {
		c.breakLine()
	} else {
		c.flushNoise()
		c.out.line("[full screen program, " + strconv.FormatInt(s.bytes, 10) + " bytes]")
		c.noise.total, c.noise.bad, c.noise.tail = 0, 0, 0
	}
	s.alternate, s.placed = false, false
	c.line.clear()
}
