package sessions

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/gzip"
)

// WriteFiles writes all deliveries below dir as files that inputs read:
//
//	AWSLogs/<account>/CloudTrail/<region>/…json.gz  CloudTrail log files
//	logs/<account>/<region>/<day>.json.gz           subscription payloads of CloudWatch Logs, one a line
//	sessions/<session id>.log                       transcripts, last changed when they were written
//
// Repeats stand in them but for those of transcripts, which are the same object.
func (s *Scenario) WriteFiles(dir string) error {
	trails, logs := groups{}, groups{}
	for i := range s.deliveries {
		switch d := &s.deliveries[i]; d.Form {
		case CloudTrail:
			trails.add(d.Name, d)
		case Transcript:
			if err := writeTranscript(filepath.Join(dir, filepath.FromSlash(d.Name)), d); err != nil {
				return err
			}
		default:
			logs.add(fmt.Sprintf("logs/%s/%s/%s.json.gz", d.Account, d.Region, d.At.Format(time.DateOnly)), d)
		}
	}
	if err := trails.write(dir, writeRecords); err != nil {
		return err
	}
	return logs.write(dir, writePayloads)
}

// groups are deliveries by the name of the file that they are written to.
type groups map[string][]*Delivery

func (g groups) add(name string, d *Delivery) { g[name] = append(g[name], d) }

func (g groups) write(dir string, body func(io.Writer, []*Delivery) error) error {
	for name, deliveries := range g {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := writeZipped(path, func(w io.Writer) error { return body(w, deliveries) }); err != nil {
			return err
		}
	}
	return nil
}

func writeRecords(w io.Writer, deliveries []*Delivery) error {
	out := bufio.NewWriter(w)
	before := `{"Records":[`
	for _, d := range deliveries {
		out.WriteString(before)
		out.Write(d.Record)
		before = ","
	}
	out.WriteString("]}")
	return out.Flush()
}

// writePayloads writes one payload for each log stream.
func writePayloads(w io.Writer, deliveries []*Delivery) error {
	out := bufio.NewWriter(w)
	byStream := groups{}
	var streams []string // in the order of arrival
	for _, d := range deliveries {
		if byStream[d.Name] == nil {
			streams = append(streams, d.Name)
		}
		byStream.add(d.Name, d)
	}
	for _, name := range streams {
		events := byStream[name]
		payload := events[0].appendPayload(nil)
		for i, d := range events {
			if i > 0 {
				payload = append(payload, ',')
			}
			payload = d.appendLogEvent(payload)
		}
		out.Write(append(payload, "]}\n"...))
	}
	return out.Flush()
}

func writeTranscript(name string, d *Delivery) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name, d.Record, 0o644); err != nil {
		return err
	}
	return os.Chtimes(name, d.EventTime, d.EventTime)
}

func writeZipped(name string, body func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	zip := gzip.NewWriter(f)
	err = body(zip)
	for _, c := range []io.Closer{zip, f} {
		if closeErr := c.Close(); err == nil {
			err = closeErr
		}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// WriteTruth writes the truth as JSON, one session a line.
func (s *Scenario) WriteTruth(w io.Writer) error {
	out := bufio.NewWriter(w)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	for i := range s.truth {
		if err := e.Encode(&s.truth[i]); err != nil {
			return err
		}
	}
	return out.Flush()
}
