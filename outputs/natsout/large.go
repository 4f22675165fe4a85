package natsout

import (
	"fmt"

	"github.com/trailcast/trailcast/internal/large"
	"github.com/trailcast/trailcast/pipeline"
)

// fit returns what is published for an event whose payload may have room bytes: the event itself, its parts, or a
// trimmed form. An error says that it can not be delivered at all.
func (o *Output) fit(ev *pipeline.Event, room int) ([]large.Part, error) {
	if len(ev.Raw) <= room {
		return []large.Part{{Data: ev.Raw}}, nil
	}
	tooLarge := fmt.Errorf("the event has %d bytes, the server takes %d: raise max_payload of the server"+
		" (and max_msg_size of the stream)", len(ev.Raw), max(room, 0))
	if ev.Facts().Kind == pipeline.KindSessionLog {
		if parts := large.SplitText(ev.Raw, room); parts != nil {
			return parts, nil
		}
	}
	if o.cfg.OnTooLarge != tooLargeTrim {
		return nil, fmt.Errorf("%w, or set on_too_large: trim", tooLarge)
	}
	trimmed, err := large.Trim(ev.Raw, room)
	if err != nil {
		return nil, fmt.Errorf("%w; %w", tooLarge, err)
	}
	return []large.Part{{Data: trimmed}}, nil
}
